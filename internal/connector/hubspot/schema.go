package hubspot

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// property is a field as HubSpot describes it.
type property struct {
	Name       string           `json:"name"`
	Label      string           `json:"label"`
	Type       string           `json:"type"`
	FieldType  string           `json:"fieldType"`
	Group      string           `json:"groupName"`
	Options    []propertyOption `json:"options"`
	Reference  string           `json:"referencedObjectType,omitempty"`
	Unique     bool             `json:"hasUniqueValue"`
	Calculated bool             `json:"calculated"`
	Hidden     bool             `json:"hidden"`
	Archived   bool             `json:"archived"`
	Metadata   struct {
		ReadOnlyValue bool `json:"readOnlyValue"`
	} `json:"modificationMetadata"`
}

type propertyOption struct {
	Label  string `json:"label"`
	Value  string `json:"value"`
	Order  int    `json:"displayOrder"`
	Hidden bool   `json:"hidden"`
}

// newProperty is the body of a property to be made.
type newProperty struct {
	Name      string           `json:"name"`
	Label     string           `json:"label"`
	Type      string           `json:"type"`
	FieldType string           `json:"fieldType"`
	Group     string           `json:"groupName"`
	Options   []propertyOption `json:"options"`
	Unique    bool             `json:"hasUniqueValue"`
}

// groups are HubSpot's own property groups, for new properties.
var groups = map[string]string{
	"contacts": "contactinformation", "companies": "companyinformation", "deals": "dealinformation",
}

// needed lists the properties a create must give. Contacts need one of e-mail,
// first and last name, companies one of name and domain: that is no single one.
// Source: https://developers.hubspot.com/docs/guides/crm/using-object-apis
var needed = map[string][]string{
	"deals": {"dealname", "dealstage"},
	"notes": {"hs_timestamp"}, "tasks": {"hs_timestamp"}, "calls": {"hs_timestamp"}, "meetings": {"hs_timestamp"},
}

// together lists properties that mean something only with each other: an
// address, a stage in its pipeline, an amount in its currency.
// Sources: api-reference/…/objects/deals/guide (pipeline and stage, currency);
// the address properties of contacts and companies.
var together = wire.Groups{
	"contacts":  {{"address", "city", "state", "zip", "country"}},
	"companies": {{"address", "address2", "city", "state", "zip", "country"}},
	"deals":     {{"pipeline", "dealstage"}, {"amount", "deal_currency_code"}},
}

// Fields implements connector.Connector.
// Source: GET /crm/v3/properties/{objectType}.
func (a *account) Fields(ctx context.Context, object string) ([]crm.Field, error) {
	op := "hubspot: fields of " + object
	p, err := path("hubspot: fields", propertiesPath, object)
	if err != nil {
		return nil, err
	}
	var out struct {
		Results []property `json:"results"`
	}
	r := rest.Request{Op: op, Method: http.MethodGet, Path: p, Query: url.Values{"archived": {"false"}}}
	if _, err := a.client.Call(ctx, r, &out); err != nil {
		return nil, err
	}
	fields := make([]crm.Field, 0, len(out.Results))
	known := map[string]bool{}
	for _, p := range out.Results {
		if p.Archived || p.Name == "" {
			continue
		}
		known[p.Name] = true
		fields = append(fields, p.field(object))
	}
	for i := range fields {
		relate(object, &fields[i], known)
	}
	if len(fields) == 0 {
		return nil, rest.Malformed(r, "HubSpot lists no properties")
	}
	edges, err := a.edgeFields(ctx, object)
	return append(fields, edges...), err
}

// searchable names the property that HubSpot calculates of a phone number for
// searches: area code and local number, without the country's code.
// Source: api-reference/search/guide, "Search through calculated properties".
var searchable = map[string]string{
	"phone": "hs_searchable_calculated_phone_number", "mobilephone": "hs_searchable_calculated_mobile_number",
}

// relate says what other properties of the object have to do with a field.
func relate(object string, f *crm.Field, known map[string]bool) {
	if f.Name == emailProperty && object == contacts && known[additionalEmails] {
		f.Also = []string{additionalEmails}
	}
	if by := searchable[f.Name]; f.Type == crm.TypePhone && known[by] {
		f.Find, f.FindBy = crm.FindDigits, by
	}
}

func (p property) field(object string) crm.Field {
	f := crm.Field{
		Name: p.Name, Label: p.Label, Type: p.fieldType(object), ReadOnly: p.Metadata.ReadOnlyValue ||
			p.Calculated || slices.Contains(reminding, p.Name), Unique: p.Unique,
		With: together.With(object, p.Name), Required: slices.Contains(needed[object], p.Name),
	}
	if f.Label == "" {
		f.Label = p.Name
	}
	if p.Name == "email" && object == "contacts" {
		f.Unique = true // kept unique by HubSpot, whatever the flag says
	} else {
		f.External = p.Unique && !f.ReadOnly
	}
	wire.Choice(&f, p.Options, func(o propertyOption) (crm.Option, bool) {
		return crm.Option{Value: o.Value, Label: o.Label}, true
	})
	return f
}

// types are HubSpot's types, told apart by the kind of input ("/"), what is
// referred to (":") and the property's name ("."). An e-mail is a string of that name.
// Source: PropertyCreate in HubSpot's specification of properties.
var types = wire.Types{
	"enumeration:OWNER": crm.TypeOwner, "enumeration.hubspot_owner_id": crm.TypeOwner,
	"enumeration/checkbox": crm.TypeOptions, "enumeration/booleancheckbox": crm.TypeBoolean, "enumeration": crm.TypeOption,
	"bool": crm.TypeBoolean, "date": crm.TypeDate, "datetime": crm.TypeDateTime, "number": crm.TypeNumber,
	"phone_number": crm.TypePhone, "/phonenumber": crm.TypePhone, "contacts.email": crm.TypeEmail, ".website": crm.TypeURL,
}

func (p property) fieldType(object string) crm.FieldType {
	return types.Of(crm.TypeText, p.Type+":"+p.Reference, p.Type+"."+p.Name, p.Type+"/"+p.FieldType, p.Type,
		"/"+p.FieldType, object+"."+p.Name, "."+p.Name)
}

// CreateField is one of connector.Extras. The name may be left out: it
// is made of the label. External makes a property with unique values, of which
// an object may have ten, and which cannot be made unique later.
//
// Errors: Conflict already_exists; Invalid for what HubSpot cannot hold.
func (a *account) CreateField(ctx context.Context, object string, f crm.Field) (crm.Field, error) {
	op := "hubspot: create field of " + object
	p, err := path("hubspot: create field", propertiesPath, object)
	if err != nil {
		return crm.Field{}, err
	}
	body := newProperty{
		Name: f.Name, Label: f.Label, Unique: f.External || f.Unique, Group: groups[object], Options: []propertyOption{},
	}
	if body.Name == "" {
		body.Name = nameOf(f.Label)
	}
	if body.Label == "" {
		body.Label = body.Name
	}
	if body.Group == "" || !propertyPattern.MatchString(body.Name) {
		return crm.Field{}, fault.New(op, fault.Invalid, connector.CodeName,
			"a HubSpot property is named in lower case letters, digits and underscores, on contacts, companies or deals")
	}
	kind, ok := newTypes[f.Type]
	if !ok {
		return crm.Field{}, fault.New(op, fault.Unsupported, "", "HubSpot has no property of this type")
	}
	body.Type, body.FieldType = kind[0], kind[1]
	for i, o := range f.Options {
		body.Options = append(body.Options, propertyOption{Label: o.Label, Value: o.Value, Order: i})
	}
	if body.Type == "bool" {
		body.Options = []propertyOption{{Label: "Yes", Value: "true"}, {Label: "No", Value: "false", Order: 1}}
	}
	var made property
	if _, err := a.client.Call(ctx, rest.Request{Op: op, Method: http.MethodPost, Path: p, Body: body, Write: true},
		&made); err != nil {
		return crm.Field{}, err
	}
	if made.Name == "" {
		return crm.Field{}, rest.Malformed(rest.Request{Op: op, Write: true}, "HubSpot's answer has no property")
	}
	return made.field(object), nil
}

// DeleteField is one of connector.Extras. HubSpot archives the property: its people
// can restore it for 90 days.
// Sources: DELETE /crm/v3/properties/{objectType}/{propertyName}, to the recycling
// bin; knowledge.hubspot.com/properties/edit-properties.
func (a *account) DeleteField(ctx context.Context, object, field string) error {
	op := "hubspot: delete field of " + object
	p, err := path("hubspot: delete field", propertiesPath, object)
	if err != nil {
		return err
	}
	if !propertyPattern.MatchString(field) {
		return fault.New(op, fault.NotFound, "", "HubSpot has no such property")
	}
	r := rest.Request{Op: op, Method: http.MethodDelete, Path: p + "/" + field, Write: true}
	answer, err := a.client.Call(ctx, r, nil)
	if err == nil && answer.Status != http.StatusNoContent { // something on the way says so, not HubSpot
		return rest.Malformed(r, "the answer is not what HubSpot documents")
	}
	switch { // what HubSpot says there is about records
	case fault.Is(err, fault.Invalid):
		return &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeRejected, Err: err,
			Message: "HubSpot does not let this property be deleted: it is one of its own, or in use there",
		}
	case fault.Is(err, fault.NotFound) && fault.CodeOf(err) != connector.CodeObject:
		return &fault.Error{Op: op, Kind: fault.NotFound, Message: "HubSpot has no such property", Err: err}
	}
	return err
}

// newTypes are the types that a property can be made with. Of e-mails and web addresses
// HubSpot has only its own: one that was made would be read as a text.
var newTypes = map[crm.FieldType][2]string{
	crm.TypeText:  {"string", "text"},
	crm.TypePhone: {"string", "phonenumber"}, crm.TypeNumber: {"number", "number"}, crm.TypeBoolean: {
		"bool", "booleancheckbox",
	},
	crm.TypeDate: {"date", "date"}, crm.TypeDateTime: {"datetime", "date"}, crm.TypeOption: {"enumeration", "select"},
	crm.TypeOptions: {"enumeration", "checkbox"},
}

// nameOf makes a property's name of a label.
func nameOf(label string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(label) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	return strings.TrimSuffix(b.String(), "_")
}

// OwnerByEmail is one of connector.Extras.
// Source: GET /crm/owners/2026-03?email=.
func (a *account) OwnerByEmail(ctx context.Context, email string) (string, error) {
	op := "hubspot: find owner"
	if strings.TrimSpace(email) == "" {
		return "", fault.New(op, fault.NotFound, "", "HubSpot has no such user")
	}
	var out ownerPage
	r := rest.Request{Op: op, Method: http.MethodGet, Path: ownersPath, Query: url.Values{"email": {email}}}
	if _, err := a.client.Call(ctx, r, &out); err != nil {
		return "", err
	}
	for _, o := range out.Results {
		if !o.Archived && strings.EqualFold(o.Email, email) && recordID(o.ID) {
			return o.ID, nil
		}
	}
	return "", fault.New(op, fault.NotFound, "", "HubSpot has no such user")
}

// OwnerEmail is one of connector.Extras, for archived users too.
func (a *account) OwnerEmail(ctx context.Context, id string) (string, error) {
	op := "hubspot: read owner"
	if !recordID(id) {
		return "", fault.New(op, fault.NotFound, "", "HubSpot has no such user")
	}
	var out ownerRow
	r := rest.Request{Op: op, Method: http.MethodGet, Path: ownersPath + "/" + id}
	_, err := a.client.Call(ctx, r, &out)
	if fault.Is(err, fault.NotFound) { // who was deactivated is among the archived
		r.Query = url.Values{"archived": {"true"}}
		_, err = a.client.Call(ctx, r, &out)
	}
	if err != nil {
		return "", err
	}
	if out.Email == "" {
		return "", fault.New(op, fault.NotFound, "", "the user has no e-mail")
	}
	return out.Email, nil
}
