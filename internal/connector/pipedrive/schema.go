package pipedrive

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// field is a field as Pipedrive describes it. Source: openapi v2, getPersonFields.
type field struct {
	Name    string   `json:"field_name"`
	Code    string   `json:"field_code"`
	Type    string   `json:"field_type"`
	Custom  bool     `json:"is_custom_field"`
	Options []option `json:"options"`
	Parts   []field  `json:"subfields"`
}

type option struct {
	ID    optionID `json:"id"`
	Label string   `json:"label"`
}

// optionID is a number in custom fields and a word in Pipedrive's own.
type optionID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *optionID) UnmarshalJSON(b []byte) error {
	*id = optionID(strings.Trim(string(b), `"`))
	return nil
}

// types are Pipedrive's, by the field's name first; all others are texts.
var types = wire.Types{
	"emails": crm.TypeEmail, "phones": crm.TypePhone, "phone": crm.TypePhone, "owner_id": crm.TypeOwner,
	"user": crm.TypeOwner, "int": crm.TypeNumber, "double": crm.TypeNumber, "monetary": crm.TypeNumber,
	"boolean": crm.TypeBoolean, "date": crm.TypeDate, "time": crm.TypeText, "enum": crm.TypeOption,
	"status": crm.TypeOption, "visible_to": crm.TypeOption, "set": crm.TypeOptions, "label_ids": crm.TypeOptions,
	"org": crm.TypeReference, "people": crm.TypeReference, "deal": crm.TypeReference, "stage": crm.TypeReference,
	"pipeline": crm.TypeReference, "add_time": crm.TypeDateTime, "update_time": crm.TypeDateTime,
	"type":     crm.TypeOption, // of an activity
	"won_time": crm.TypeDateTime, "lost_time": crm.TypeDateTime, "close_time": crm.TypeDateTime,
}

// named are the objects that references name, by their types.
var named = map[string]string{"org": "organizations", "people": "persons", "deal": "deals"}

var together = wire.Groups{"deals": {{"pipeline_id", "stage_id"}, {"value", "currency"}}}

// given are the fields that Pipedrive works out, which it does not mark: IDs, times,
// counts, and what belongs to something else. A person's names are parts of name.
func given(code string) bool {
	if code == "due_time" { // of an activity
		return false
	}
	return slices.Contains([]string{"id", "is_deleted", "first_name", "last_name", "creator_user_id"}, code) ||
		strings.HasSuffix(code, "_time") || strings.HasSuffix(code, "_count") || strings.HasSuffix(code, "_name")
}

// describe lists an object's fields as Pipedrive does, all pages.
func (a *account) describe(ctx context.Context, op string, o object) ([]field, error) {
	var all []field
	for after := ""; ; {
		r := rest.Request{Op: op, Path: o.fields, Query: url.Values{"limit": {strconv.Itoa(pageSize)}}}
		if after != "" {
			r.Query.Set("cursor", after)
		}
		out, _, err := call[[]field](ctx, a, r)
		if err != nil {
			return nil, err
		}
		all = append(all, out.Data...)
		if out.More.Next == "" && len(all) > 0 {
			return all, nil
		}
		if len(out.Data) == 0 || out.More.Next == after {
			return nil, rest.Malformed(r, "Pipedrive lists no fields, or repeats a page")
		}
		after = out.More.Next
	}
}

// Fields implements connector.Connector. Of a field that is made of parts, each part
// is a field that can be read.
func (a *account) Fields(ctx context.Context, name string) ([]crm.Field, error) {
	const op = "pipedrive: fields"
	o, err := find(op, name, 0, 0)
	if err != nil {
		return nil, err
	}
	described, err := a.describe(ctx, op, o)
	if err != nil {
		return nil, err
	}
	out := make([]crm.Field, 0, len(described))
	for _, d := range described {
		if d.Code == "" || d.Name == "" || d.Code == "custom_fields" || d.Type == "json" || o.names(d.Code) {
			continue
		}
		for _, p := range d.Parts {
			t := types.Of(crm.TypeText, p.Type)
			out = append(out, crm.Field{
				Name: d.Code + "/" + p.Code, Label: d.Name + ": " + p.Name, Type: t, ReadOnly: true, Find: crm.FindNone,
			})
		}
		if len(d.Parts) > 0 {
			continue
		}
		f := crm.Field{
			Name: d.Code, Label: d.Name, Type: types.Of(crm.TypeText, d.Code, d.Type), Required: d.Code == o.required,
			ReadOnly: !d.Custom && given(d.Code), With: together.With(o.id, d.Code),
			NeverBlank:  o.fills(d.Code),
			ReferenceTo: named[d.Type],
		}
		if o.searchedIn(f.Name) == "" {
			f.Find = crm.FindNone
		}
		wire.Choice(&f, d.Options, func(o option) (crm.Option, bool) {
			return crm.Option{Value: string(o.ID), Label: o.Label}, o.ID != ""
		})
		out = append(out, f)
	}
	return append(out, o.parents()...), nil
}

// typesOf is the types of an object's fields, asked for once: a field keeps its type.
func (a *account) typesOf(ctx context.Context, op string, o object) (map[string]string, error) {
	return a.types.Of(o.id, func() (map[string]string, error) {
		described, err := a.describe(ctx, op, o)
		types := make(map[string]string, len(described))
		for _, d := range described {
			types[d.Code] = d.Type
		}
		return types, err
	})
}

// typesFor is typesOf where the rows hold numbers in wanted custom fields; else it
// needs to know none.
func (a *account) typesFor(ctx context.Context, op string, o object, ws []row, of []string) (map[string]string, error) {
	for _, w := range ws {
		for _, f := range of {
			if isHash(f) && w.numeric(f) {
				return a.typesOf(ctx, op, o)
			}
		}
	}
	return map[string]string{}, nil
}

// OwnerByEmail is one of connector.Extras. Version 1 lists all users at once.
func (a *account) OwnerByEmail(ctx context.Context, email string) (string, error) {
	const op = "pipedrive: find user"
	if strings.TrimSpace(email) == "" {
		return "", noUser(op)
	}
	out, _, err := call[[]user](ctx, a, rest.Request{Op: op, Path: "/v1/users"})
	if err != nil {
		return "", err
	}
	for _, u := range out.Data {
		if u.Active && u.ID > 0 && strings.EqualFold(u.Email, email) {
			return strconv.FormatInt(u.ID, 10), nil
		}
	}
	return "", noUser(op)
}

func noUser(op string) error { return fault.New(op, fault.NotFound, "", "Pipedrive has no such user") }

// OwnerEmail is one of connector.Extras.
func (a *account) OwnerEmail(ctx context.Context, who string) (string, error) {
	const op = "pipedrive: read user"
	one, ok := id(who)
	if !ok {
		return "", noUser(op)
	}
	out, _, err := call[user](ctx, a, rest.Request{Op: op, Path: "/v1/users/" + string(one)})
	if err == nil && out.Data.Email == "" {
		err = noUser(op)
	}
	return out.Data.Email, err
}
