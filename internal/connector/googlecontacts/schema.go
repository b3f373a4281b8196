package googlecontacts

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	labels  = "memberships"
	further = "others" // the name of all entries but the primary one
)

// parts are the fields that are synced, and of which parts their entries are made.
var parts = map[string][]string{
	"names":          {"givenName", "familyName", "middleName", "honorificPrefix", "honorificSuffix"},
	"nicknames":      {"value"},
	"emailAddresses": {"value"},
	"phoneNumbers":   {"value"},
	"birthdays":      {"date"},
	"organizations":  {"name", "title", "department"},
	"addresses":      {"streetAddress", "extendedAddress", "city", "region", "postalCode", "country"},
	"biographies":    {"value"},
	"urls":           {"value"},
	labels:           {},
}

// synced are their names, and mask is what every call asks for: with the same mask for
// all, no change of settings makes a sync token worthless.
var (
	synced = []string{
		"addresses", "biographies", "birthdays", "emailAddresses", labels, "names", "nicknames", "organizations",
		"phoneNumbers", "urls",
	}
	mask = strings.Join(synced, ",") + ",metadata"
)

// top is the field of the API that a field of ours is a part of, and part that part.
func top(name string) string {
	field, _, _ := strings.Cut(name, "/")
	return field
}

func part(name string) string {
	if _, key, nested := strings.Cut(name, "/"); nested {
		return key
	}
	return "value"
}

// together are fields that mean something only with each other.
var together = wire.Groups{object: {{
	"addresses/streetAddress", "addresses/extendedAddress", "addresses/city", "addresses/region", "addresses/postalCode",
	"addresses/country",
}}}

// Fields implements connector.Connector. The API describes no fields: this is what a
// contact has. Source: discovery document people:v1, Person.
func (a *account) Fields(ctx context.Context, name string) ([]crm.Field, error) {
	const op = "googlecontacts: fields"
	if err := check(op, name, 0); err != nil {
		return nil, err
	}
	if _, _, err := a.me(ctx, op); err != nil {
		return nil, err
	}
	var out []crm.Field
	for _, f := range []crm.Field{
		{Name: "names/givenName", Label: "First name"},
		{Name: "names/familyName", Label: "Last name"},
		{Name: "names/middleName", Label: "Middle name"},
		{Name: "names/honorificPrefix", Label: "Name prefix"},
		{Name: "names/honorificSuffix", Label: "Name suffix"},
		{Name: "names/displayName", Label: "Full name", ReadOnly: true},
		{Name: "nicknames", Label: "Nickname"},
		{Name: "emailAddresses", Label: "E-mail", Type: crm.TypeEmail, Also: []string{"emailAddresses/" + further}},
		{Name: "emailAddresses/" + further, Label: "Further e-mails", ReadOnly: true},
		{Name: "phoneNumbers", Label: "Phone", Type: crm.TypePhone, Find: crm.FindWithin, Also: []string{
			"phoneNumbers/" + further,
		}},
		{Name: "phoneNumbers/" + further, Label: "Further phones", ReadOnly: true},
		{Name: "birthdays", Label: "Birthday", Type: crm.TypeDate},
		{Name: "organizations/name", Label: "Company"},
		{Name: "organizations/title", Label: "Job title"},
		{Name: "organizations/department", Label: "Department"},
		{Name: "addresses/streetAddress", Label: "Street"},
		{Name: "addresses/extendedAddress", Label: "Street, second line"},
		{Name: "addresses/city", Label: "City"},
		{Name: "addresses/region", Label: "State or region"},
		{Name: "addresses/postalCode", Label: "Postal code"},
		{Name: "addresses/country", Label: "Country"},
		{Name: "biographies", Label: "Notes"},
		{Name: "urls", Label: "Website", Type: crm.TypeURL},
		{Name: labels, Label: "Labels", Type: crm.TypeList, Multiple: true},
	} {
		if f.Type == "" {
			f.Type = crm.TypeText
		}
		f.With = together.With(object, f.Name)
		out = append(out, f)
	}
	return out, nil
}

type contactGroup struct {
	ID   string `json:"resourceName"`
	Kind string `json:"groupType"`
	Name string `json:"name"`
}

// label is the group's name as a label; Google's own groups are none.
func (g contactGroup) label() string {
	if g.Kind != "USER_CONTACT_GROUP" || g.ID == "" {
		return ""
	}
	return g.Name
}

// labelled returns the labels where a record with the wanted fields needs them, those of
// the memberships among them.
func (a *account) labelled(
	ctx context.Context, op string, fields []string, memberships ...entry,
) (*wire.Labels, error) {
	if !slices.Contains(fields, labels) {
		return &wire.Labels{}, nil
	}
	return a.groups.Get(a.client.Clock(), groupsOf(memberships), func(add func(id, name string)) error {
		for after, page := "", 1; ; page++ {
			r := rest.Request{Op: op, Path: "/v1/contactGroups", Query: url.Values{"pageSize": {strconv.Itoa(pageSize)}}}
			if after != "" {
				r.Query.Set("pageToken", after)
			}
			var out struct {
				Groups []contactGroup `json:"contactGroups"`
				Next   string         `json:"nextPageToken"`
			}
			if _, err := a.client.Call(ctx, r, &out); err != nil {
				return err
			}
			for _, one := range out.Groups {
				add(one.ID, one.label())
			}
			if out.Next == "" {
				return nil
			}
			if after = out.Next; page == maxPages {
				return rest.Malformed(r, "Google's list of labels does not end")
			}
		}
	})
}

// group returns a label's group, which is made when there is none.
func (a *account) group(ctx context.Context, op string, known *wire.Labels, label string) (string, error) {
	if id := known.ID(label); id != "" {
		return id, nil
	}
	r := rest.Request{
		Op: op, Method: http.MethodPost, Path: "/v1/contactGroups",
		Body: map[string]any{"contactGroup": map[string]string{"name": label}},
	}
	var made contactGroup
	a.groups.Forget() // whatever becomes of it
	_, err := a.client.Call(ctx, r, &made)
	if fault.Is(err, fault.Conflict) { // somebody made it just now
		if known, err = a.labelled(ctx, op, []string{labels}); err == nil && known.ID(label) != "" {
			return known.ID(label), nil
		}
		return "", &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeValue, Field: labels,
			Message: "a group of Google's own has the label's name",
		}
	}
	if err == nil && made.ID == "" {
		err = rest.Malformed(r, "the new label has no name")
	}
	return made.ID, err
}

// spoken is a value as a text; a list of labels is none.
func spoken(v crm.Value) string {
	if v.Blank() {
		return ""
	}
	return v.Text()
}

var _ json.Unmarshaler = (*person)(nil)
