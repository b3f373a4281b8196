package pipedrive

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchFind implements connector.Connector by the search for whole values, which
// ignores case, and a read of what it found: a search shows a part of a record only.
// Of custom fields it does not say which one it looked into, and so who holds the
// value elsewhere is left out here. Source: openapi v2, searchPersons.
func (a *account) BatchFind(
	ctx context.Context, name string, f crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	op := "pipedrive: find"
	o, err := find(op, name, len(values), 1)
	if err != nil {
		return nil, err
	}
	op += " " + o.id
	in := o.searchedIn(f.Name)
	if in == "" {
		return nil, &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeKey, Field: f.Name, Message: "Pipedrive does not search this field",
		}
	}
	if len(values) == 0 || strings.TrimSpace(values[0]) == "" {
		return make([][]crm.Record, len(values)), ctx.Err()
	}
	ids, err := a.search(ctx, op, o, in, values[0])
	if err != nil || len(ids) == 0 {
		return make([][]crm.Record, len(values)), err
	}
	got, types, r, err := a.rows(ctx, op, o, ids, append([]string{f.Name}, fields...))
	if err != nil {
		return nil, err
	}
	found := make([]rows.Found, len(got))
	for i, w := range got {
		if found[i].Record, err = w.record(r, fields, types); err != nil {
			return nil, err
		}
		held, _ := value(w[f.Name], types[f.Name], "", false) // what is not there matches nothing
		found[i].Holds = []string{held.Text()}
		entries, _ := entriesOf(w[f.Name]) // other fields hold one value
		for _, e := range entries {
			found[i].Holds = append(found[i].Holds, e.Value)
		}
	}
	return rows.Match{Fold: fold}.Hand(values, found), nil
}

// searchedIn is what a search calls the field that it is to look into; "" = it
// looks into no such field. Activities are not searched.
func (o object) searchedIn(name string) string {
	if o.about != nil {
		return ""
	}
	if isHash(name) {
		return "custom_fields"
	}
	return searched[name]
}

// fold is Pipedrive's comparison of texts, near enough: callers compare again.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// hits is what a search finds.
type hits struct {
	Items []struct {
		Item row `json:"item"`
	} `json:"items"`
}

// search returns the records that the search for one value finds, no more than a read takes.
func (a *account) search(ctx context.Context, op string, o object, in, value string) ([]crm.RecordID, error) {
	r := rest.Request{Op: op, Path: o.path() + "/search", Query: url.Values{
		"term": {value}, "fields": {in}, "exact_match": {"true"}, "limit": {strconv.Itoa(readBatch)},
	}}
	out, _, err := call[hits](ctx, a, r)
	if err != nil {
		return nil, err
	}
	if out.More.Next != "" {
		return nil, fault.New(op, fault.Invalid, connector.CodeMatches, "more records hold the value than a read takes")
	}
	var ids []crm.RecordID
	for _, i := range out.Data.Items {
		one, ok := id(string(i.Item["id"]))
		if !ok {
			return nil, rest.Malformed(r, "a record found has no valid ID")
		}
		ids = append(ids, one)
	}
	return ids, nil
}
