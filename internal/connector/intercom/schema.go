package intercom

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// attribute is one as Intercom describes it. Source: GET /data_attributes.
type attribute struct {
	Full     string   `json:"full_name"`
	Name     string   `json:"name"`
	Label    string   `json:"label"`
	Data     string   `json:"data_type"`
	Options  []string `json:"options"`
	Writable bool     `json:"api_writable"`
	Archived bool     `json:"archived"`
}

// types are Intercom's, by the attribute's name first; all others are texts.
var types = wire.Types{
	"email": crm.TypeEmail, "phone": crm.TypePhone, "owner_id": crm.TypeOwner, "website": crm.TypeURL,
	"created_at": crm.TypeDateTime, "updated_at": crm.TypeDateTime, "signed_up_at": crm.TypeDateTime,
	"last_seen_at": crm.TypeDateTime,
	"integer":      crm.TypeNumber, "float": crm.TypeNumber, "boolean": crm.TypeBoolean, "date": crm.TypeDate,
	"datetime": crm.TypeDateTime,
}

// describe lists an object's attributes as Intercom does.
func (a *account) describe(ctx context.Context, op string, o object) ([]attribute, error) {
	r := rest.Request{
		Op: op, Path: "/data_attributes", Query: url.Values{"model": {o.model}, "include_archived": {"false"}},
	}
	var out struct {
		Data []attribute `json:"data"`
	}
	_, err := a.client.Call(ctx, r, &out)
	if err == nil && len(out.Data) == 0 {
		err = rest.Malformed(r, "Intercom lists no attributes")
	}
	return out.Data, err
}

// Fields implements connector.Connector.
func (a *account) Fields(ctx context.Context, name string) ([]crm.Field, error) {
	const op = "intercom: fields"
	o, err := find(op, name, 0, 0)
	if err != nil {
		return nil, err
	}
	described, err := a.describe(ctx, op, o)
	if err != nil {
		return nil, err
	}
	var out []crm.Field
	for _, d := range described {
		if d.Archived || d.Full == "" || d.Full == tagField {
			continue
		}
		f := crm.Field{
			Name: d.Full, Label: d.Label, Type: types.Of(crm.TypeText, d.Full, d.Data), ReadOnly: !d.Writable,
			Required: o == companies && d.Full == "company_id", Unique: d.Full == "company_id" || d.Full == "external_id",
		}
		if f.Label == "" {
			f.Label = d.Full
		}
		if f.Type == crm.TypeText && len(d.Options) > 0 {
			f.Type = crm.TypeOption
		}
		if !searches(o, f.Name) {
			f.Find = crm.FindNone
		}
		wire.Choice(&f, d.Options, func(s string) (crm.Option, bool) { return crm.Option{Value: s, Label: s}, s != "" })
		out = append(out, f)
	}
	if o == contacts {
		out = append(out, crm.Field{
			Name: tagField, Label: "Tags", Type: crm.TypeList, Multiple: true, Find: crm.FindNone,
		})
	}
	return out, nil
}

// typesOf is the types of an object's attributes, asked for once: they keep them.
func (a *account) typesOf(ctx context.Context, op string, o object) (map[string]string, error) {
	return a.types.Of(o.id, func() (map[string]string, error) {
		described, err := a.describe(ctx, op, o)
		types := make(map[string]string, len(described))
		for _, d := range described {
			types[d.Full] = d.Data
		}
		return types, err
	})
}

type tag struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// tagList is what a contact shows of its tags, and what a listing of them is.
type tagList struct {
	Data []tag `json:"data"`
	More bool  `json:"has_more"`
}

// known are the workspace's tags, the wanted ones among them.
func (a *account) known(ctx context.Context, op string, wanted ...string) (*wire.Labels, error) {
	return a.tags.Get(a.client.Clock(), wanted, func(add func(id, name string)) error {
		var all tagList
		_, err := a.client.Call(ctx, rest.Request{Op: op, Path: "/tags"}, &all)
		for _, one := range all.Data {
			add(one.ID, one.Name)
		}
		return err
	})
}

// tagsOf are the names of a contact's tags. It shows ten of them.
func (a *account) tagsOf(ctx context.Context, op string, w row) ([]string, error) {
	all, err := a.taggedWith(ctx, op, w)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	t, err := a.known(ctx, op, ids...)
	if err != nil {
		return nil, err
	}
	return t.Names(ids...), nil
}

func (a *account) taggedWith(ctx context.Context, op string, w row) ([]tag, error) {
	var shown tagList
	r := rest.Request{Op: op, Path: "/contacts/" + w.text("id") + "/tags"}
	if w[tagField] != nil && json.Unmarshal(w[tagField], &shown) != nil {
		return nil, rest.Malformed(r, "the tags are not what Intercom documents")
	}
	if !shown.More {
		return shown.Data, nil
	}
	_, err := a.client.Call(ctx, r, &shown)
	return shown.Data, err
}

// retag gives a contact other tags: those that are missing are made. It answers with the
// names that it has then.
func (a *account) retag(ctx context.Context, op string, w row, wanted []string) error {
	had, err := a.taggedWith(ctx, op, w)
	if err != nil {
		return err
	}
	path := "/contacts/" + w.text("id") + "/tags"
	keep := map[string]bool{}
	for _, name := range wanted {
		if strings.TrimSpace(name) == "" {
			continue
		}
		t, err := a.known(ctx, op)
		if err != nil {
			return err
		}
		id := t.ID(strings.TrimSpace(name))
		if id == "" {
			var made tag
			a.tags.Forget() // whatever becomes of it
			r := rest.Request{
				Op: op, Method: http.MethodPost, Path: "/tags", Body: map[string]string{"name": strings.TrimSpace(name)},
				Write: true,
			}
			if _, err := a.client.Call(ctx, r, &made); err != nil {
				return err
			}
			id = made.ID
		}
		keep[id] = true
		if slices.ContainsFunc(had, func(t tag) bool { return t.ID == id }) {
			continue
		}
		r := rest.Request{Op: op, Method: http.MethodPost, Path: path, Body: map[string]string{"id": id}, Write: true}
		if _, err := a.client.Call(ctx, r, nil); err != nil {
			return err
		}
	}
	for _, t := range had {
		if keep[t.ID] {
			continue
		}
		r := rest.Request{Op: op, Method: http.MethodDelete, Path: path + "/" + url.PathEscape(t.ID), Write: true}
		if _, err := a.client.Call(ctx, r, nil); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

type admin struct {
	ID    string `json:"id"`
	Email string `json:"email"`
}

// OwnerByEmail is one of connector.Extras: owners are admins, who are listed at once.
func (a *account) OwnerByEmail(ctx context.Context, email string) (string, error) {
	const op = "intercom: find admin"
	missing := fault.New(op, fault.NotFound, "", "Intercom has no such admin")
	if strings.TrimSpace(email) == "" {
		return "", missing
	}
	var out struct {
		Admins []admin `json:"admins"`
	}
	if _, err := a.client.Call(ctx, rest.Request{Op: op, Path: "/admins"}, &out); err != nil {
		return "", err
	}
	for _, one := range out.Admins {
		if one.ID != "" && strings.EqualFold(one.Email, email) {
			return one.ID, nil
		}
	}
	return "", missing
}

// OwnerEmail is one of connector.Extras.
func (a *account) OwnerEmail(ctx context.Context, who string) (string, error) {
	const op = "intercom: read admin"
	missing := fault.New(op, fault.NotFound, "", "Intercom has no such admin")
	if who == "" || strings.Trim(who, "0123456789") != "" {
		return "", missing
	}
	var out admin
	_, err := a.client.Call(ctx, rest.Request{Op: op, Path: "/admins/" + who}, &out)
	if err == nil && out.Email == "" {
		err = missing
	}
	return out.Email, err
}
