package salesforce

import (
	"context"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Objects implements connector.Connector: the well-known objects that the user
// may read, then the org's own ones.
func (o *org) Objects(ctx context.Context) ([]crm.Object, error) {
	var list struct {
		Objects []sobject `json:"sobjects"`
	}
	if _, err := o.client.Call(ctx, rest.Request{Op: "salesforce: list objects", Path: dataPath + "/sobjects"},
		&list); err != nil {
		return nil, err
	}
	usable := map[string]sobject{}
	var own []crm.Object
	for _, s := range list.Objects {
		if !s.Queryable || !named(s.Name) {
			continue
		}
		usable[s.Name] = s
		if s.Custom && !s.Setting && strings.HasSuffix(s.Name, "__c") {
			own = append(own, crm.Object{ID: s.Name, Label: s.Label})
		}
	}
	out := make([]crm.Object, 0, len(objects)+len(own))
	for _, known := range objects {
		if s, ok := usable[known.ID]; ok {
			out = append(out, crm.Object{ID: s.Name, Label: s.Label, Activity: known.Activity})
		}
	}
	return append(out, own...), nil
}

// Fields implements connector.Connector from the object's description.
// Source: object-reference/access-for-fields; guide/resources-sobject-describe.
func (o *org) Fields(ctx context.Context, object string) ([]crm.Field, error) {
	r := rest.Request{Op: "salesforce: describe " + label(object), Path: dataPath + "/sobjects/" + object + "/describe"}
	if err := names(r.Op, object); err != nil {
		return nil, err
	}
	var described sobject
	_, err := o.client.Call(ctx, r, &described)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(r.Op, fault.NotFound, connector.CodeObject,
			"Salesforce has no object of this name, or does not show it")
	}
	if err != nil {
		return nil, err
	}
	out := make([]crm.Field, 0, len(described.Fields))
	for _, f := range described.Fields {
		if t := f.fieldType(); t != "" && named(f.Name) {
			one := f.translate(t)
			one.With = f.with(described.Fields)
			one.Required = one.Required || slices.Contains(needed[object], f.Name)
			one.ReadOnly = one.ReadOnly || slices.Contains(reminding, f.Name)
			out = append(out, one)
		}
	}
	if len(out) == 0 {
		return nil, rest.Malformed(r, "the description has no fields")
	}
	return out, nil
}

// needed lists fields that a create must give although their description says that
// they may be blank: an all-day event has no other beginning, and every event an end.
// Source: atlas…/object_reference/sforce_api_objects_event.htm.
var needed = map[string][]string{"Event": {"StartDateTime", "EndDateTime"}}

// reminding are fields that make Salesforce remind people, which no sync does.
var reminding = []string{"IsReminderSet", "ReminderDateTime"}

// with names the fields that f means something only together with: the field
// that its options depend on, the other parts of an address (a name's parts
// stand for themselves), and the currency of an amount.
// Source: object-reference/…/compound_fields_address; guide/resources-sobject-describe.
func (f field) with(all []field) []string {
	var out []string
	if named(f.Controller) {
		out = append(out, f.Controller)
	}
	for _, other := range all {
		address := f.Compound != "" && other.Name == f.Compound && other.Type == "address"
		for _, part := range all {
			if address && part.Compound == f.Compound && part.Name != f.Name && named(part.Name) &&
				!slices.Contains(out, part.Name) {
				out = append(out, part.Name)
			}
		}
		if f.Type == "currency" && other.Name == "CurrencyIsoCode" {
			out = append(out, other.Name)
		}
	}
	return out
}

// types are Salesforce's; all others are texts: string, textarea, id, encryptedstring,
// time, and types to come. Compound and binary fields are left out: their parts are
// fields of their own or no field values at all.
var types = wire.Types{
	"email": crm.TypeEmail, "phone": crm.TypePhone, "url": crm.TypeURL, "boolean": crm.TypeBoolean,
	"int": crm.TypeNumber, "long": crm.TypeNumber, "double": crm.TypeNumber, "currency": crm.TypeNumber,
	"percent": crm.TypeNumber,
	"date":    crm.TypeDate, "datetime": crm.TypeDateTime, "picklist": crm.TypeOption, "combobox": crm.TypeOption,
	"multipicklist": crm.TypeOptions,
	"reference":     crm.TypeReference, "reference:User": crm.TypeOwner,
	"address": "", "location": "", "base64": "", "anyType": "", "complexvalue": "", "json": "",
}

func (f field) fieldType() crm.FieldType {
	if slices.Contains(f.ReferenceTo, "User") {
		return types.Of(crm.TypeText, f.Type+":User", f.Type)
	}
	return types.Of(crm.TypeText, f.Type)
}

// translate applies the rules for required and read-only fields: what can be
// created, must have a value and has no default is required; what can be
// neither created nor updated is read-only.
func (f field) translate(t crm.FieldType) crm.Field {
	out := crm.Field{
		Name:       f.Name,
		Label:      f.Label,
		Type:       t,
		Required:   f.Createable && !f.Nillable && !f.DefaultedOnCreate,
		NeverBlank: !f.Nillable && f.DefaultedOnCreate,
		ReadOnly:   !f.Createable && !f.Updateable,
		Unique:     f.Unique || f.Type == "id",
		MaxLength:  f.Length,
		External:   f.ExternalID,
	}
	switch { // phones and web addresses are kept as they were typed
	case f.Filterable != nil && !*f.Filterable, f.Type == "id": // what is no ID is refused there; reads go by ID
		out.Find = crm.FindNone
	case t == crm.TypePhone:
		out.Find = crm.FindWithin
	case t == crm.TypeURL:
		out.Find = crm.FindPart
	}
	switch {
	case t != crm.TypeReference:
	case len(f.ReferenceTo) == 1:
		out.ReferenceTo = f.ReferenceTo[0]
	default:
		out.Refers = refers(f.ReferenceTo)
	}
	out.OpenOptions = !f.Restricted && (t == crm.TypeOption || t == crm.TypeOptions)
	wire.Choice(&out, f.Options, func(o option) (crm.Option, bool) {
		return crm.Option{Value: o.Value, Label: o.Label}, o.Active
	})
	return out
}

// refers tells the objects that a reference may name apart, as far as they are known.
func refers(to []string) map[string]string {
	var out map[string]string
	for _, object := range to {
		if prefix := prefixes[object]; prefix != "" {
			if out == nil {
				out = map[string]string{}
			}
			out[object] = prefix
		}
	}
	return out
}

// OwnerByEmail is one of connector.Extras, for active users. Where several
// share an address, the one with the lowest ID answers, always the same.
func (o *org) OwnerByEmail(ctx context.Context, email string) (string, error) {
	const op = "salesforce: find user"
	if strings.TrimSpace(email) == "" {
		return "", missing(op)
	}
	w, err := o.user(ctx, op, "Email = "+quote(email)+" AND IsActive = true")
	if err != nil {
		return "", err
	}
	id, ok := long(w.text(colID))
	if !ok {
		return "", rest.Malformed(rest.Request{Op: op}, "a user has no valid ID")
	}
	return string(id), nil
}

// OwnerEmail is one of connector.Extras, for inactive users too.
func (o *org) OwnerEmail(ctx context.Context, id string) (string, error) {
	const op = "salesforce: read user"
	full, ok := long(id)
	if !ok {
		return "", missing(op)
	}
	w, err := o.user(ctx, op, "Id = "+quote(string(full)))
	if err != nil {
		return "", err
	}
	email := w.text("Email")
	if email == "" {
		return "", missing(op)
	}
	return email, nil
}

func (o *org) user(ctx context.Context, op, where string) (row, error) {
	page, _, err := o.page(ctx, query(op, "SELECT Id, Email FROM User WHERE "+where+" ORDER BY Id LIMIT 1", false))
	if err != nil {
		return nil, err
	}
	if len(page.Records) == 0 {
		return nil, missing(op)
	}
	return page.Records[0], nil
}
