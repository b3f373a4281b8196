package carddav

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// together are fields that mean something only with each other.
var together = wire.Groups{object: {{
	"ADR/box", "ADR/extended", "ADR/street", "ADR/locality", "ADR/region", "ADR/code", "ADR/country",
}}}

// schema is what a card has. Source: RFC 6350 section 6.
var schema = []crm.Field{
	{Name: "FN", Label: "Full name", NeverBlank: true},
	{Name: "N/given", Label: "Given name", Find: crm.FindNone},
	{Name: "N/family", Label: "Family name", Find: crm.FindNone},
	{Name: "N/additional", Label: "Middle name", Find: crm.FindNone},
	{Name: "N/prefix", Label: "Name prefix", Find: crm.FindNone},
	{Name: "N/suffix", Label: "Name suffix", Find: crm.FindNone},
	{Name: "NICKNAME", Label: "Nickname", Find: crm.FindNone},
	{Name: "EMAIL", Label: "E-mail", Type: crm.TypeEmail, Also: []string{"EMAIL/" + further}},
	{Name: "EMAIL/" + further, Label: "Further e-mails", ReadOnly: true, Find: crm.FindNone},
	{Name: "TEL", Label: "Phone", Type: crm.TypePhone, Find: crm.FindWithin, Also: []string{"TEL/" + further}},
	{Name: "TEL/" + further, Label: "Further phones", ReadOnly: true, Find: crm.FindNone},
	{Name: "ORG/name", Label: "Organisation", Find: crm.FindNone},
	{Name: "ORG/unit", Label: "Department", Find: crm.FindNone},
	{Name: "TITLE", Label: "Job title", Find: crm.FindNone},
	{Name: "ADR/street", Label: "Street", Find: crm.FindNone},
	{Name: "ADR/extended", Label: "Street, second line", Find: crm.FindNone},
	{Name: "ADR/box", Label: "Post office box", Find: crm.FindNone},
	{Name: "ADR/locality", Label: "City", Find: crm.FindNone},
	{Name: "ADR/region", Label: "State or region", Find: crm.FindNone},
	{Name: "ADR/code", Label: "Postal code", Find: crm.FindNone},
	{Name: "ADR/country", Label: "Country", Find: crm.FindNone},
	{Name: "BDAY", Label: "Birthday", Type: crm.TypeDate, Find: crm.FindNone},
	{Name: "NOTE", Label: "Notes", Find: crm.FindNone},
	{Name: "URL", Label: "Website", Type: crm.TypeURL, Find: crm.FindNone},
	{Name: categories, Label: "Categories", Type: crm.TypeList, Multiple: true, Find: crm.FindNone},
	{Name: "UID", Label: "UID", ReadOnly: true},
}

// known are the fields by name.
var known = func() map[string]crm.Field {
	out := make(map[string]crm.Field, len(schema))
	for _, f := range schema {
		out[f.Name] = f
	}
	return out
}()

// Fields implements connector.Connector. Servers describe no properties.
func (a *account) Fields(ctx context.Context, name string) ([]crm.Field, error) {
	const op = "carddav: fields"
	if err := check(op, name, 0, 0); err != nil {
		return nil, err
	}
	at, err := a.found(ctx, op)
	if err != nil {
		return nil, err
	}
	if _, _, err := a.about(ctx, op, at); err != nil {
		return nil, err
	}
	out := make([]crm.Field, 0, len(schema))
	for _, f := range schema {
		if f.Type == "" {
			f.Type = crm.TypeText
		}
		f.With = together.With(object, f.Name)
		out = append(out, f)
	}
	return out, nil
}
