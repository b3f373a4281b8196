package salesforce

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Objects implements connector.Connector: the well-known objects that the user
// may read, then the org's own ones.
func (o *org) Objects(ctx context.Context) ([]crm.Object, error) {
	r := request{op: "salesforce: list objects", method: http.MethodGet, path: dataPath + "/sobjects"}
	a, err := o.client.send(ctx, r)
	if err != nil {
		return nil, err
	}
	var list struct {
		Objects []sobject `json:"sobjects"`
	}
	if err := a.decode(r, &list); err != nil {
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
			out = append(out, crm.Object{ID: s.Name, Label: s.Label})
		}
	}
	return append(out, own...), nil
}

// Fields implements connector.Connector from the object's description.
// Source: object-reference/access-for-fields; guide/resources-sobject-describe.
func (o *org) Fields(ctx context.Context, object string) ([]crm.Field, error) {
	r := request{op: "salesforce: describe " + label(object), method: http.MethodGet, path: dataPath + "/sobjects/" + object + "/describe"}
	if err := names(r.op, object); err != nil {
		return nil, err
	}
	a, err := o.client.send(ctx, r)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(r.op, fault.NotFound, connector.CodeObject, "Salesforce has no object of this name, or does not show it")
	}
	if err != nil {
		return nil, err
	}
	var described sobject
	if err := a.decode(r, &described); err != nil {
		return nil, err
	}
	out := make([]crm.Field, 0, len(described.Fields))
	for _, f := range described.Fields {
		if t, ok := f.fieldType(); ok && named(f.Name) {
			one := f.translate(t)
			one.With = f.with(described.Fields)
			out = append(out, one)
		}
	}
	if len(out) == 0 {
		return nil, malformed(r, "the description has no fields")
	}
	return out, nil
}

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
			if address && part.Compound == f.Compound && part.Name != f.Name && named(part.Name) && !slices.Contains(out, part.Name) {
				out = append(out, part.Name)
			}
		}
		if f.Type == "currency" && other.Name == "CurrencyIsoCode" {
			out = append(out, other.Name)
		}
	}
	return out
}

// fieldType translates the type; ok is false for compound and binary fields,
// whose parts are fields of their own or no field values at all.
func (f field) fieldType() (t crm.FieldType, ok bool) {
	switch f.Type {
	case "email":
		return crm.TypeEmail, true
	case "phone":
		return crm.TypePhone, true
	case "url":
		return crm.TypeURL, true
	case "int", "long", "double", "currency", "percent":
		return crm.TypeNumber, true
	case "boolean":
		return crm.TypeBoolean, true
	case "date":
		return crm.TypeDate, true
	case "datetime":
		return crm.TypeDateTime, true
	case "picklist", "combobox":
		return crm.TypeOption, true
	case "multipicklist":
		return crm.TypeOptions, true
	case "reference":
		if slices.Contains(f.ReferenceTo, "User") {
			return crm.TypeOwner, true
		}
		return crm.TypeReference, true
	case "address", "location", "base64", "anyType", "complexvalue", "json":
		return "", false
	}
	return crm.TypeText, true // string, textarea, id, encryptedstring, time, and types to come
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
		Multiple:   t == crm.TypeOptions,
		MaxLength:  f.Length,
		External:   f.ExternalID,
	}
	switch { // phones and web addresses are kept as they were typed
	case t == crm.TypePhone:
		out.Find = crm.FindWithin
	case t == crm.TypeURL:
		out.Find = crm.FindPart
	}
	if t == crm.TypeReference && len(f.ReferenceTo) > 0 {
		out.ReferenceTo = f.ReferenceTo[0]
	}
	if t == crm.TypeOption || t == crm.TypeOptions {
		out.OpenOptions = !f.Restricted
		out.Options = make([]crm.Option, 0, len(f.Options))
		for _, p := range f.Options {
			if p.Active {
				out.Options = append(out.Options, crm.Option{Value: p.Value, Label: p.Label})
			}
		}
	}
	return out
}
