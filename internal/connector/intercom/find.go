package intercom

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchFind implements connector.Connector: contacts by the search for equal values, and
// companies by their name or their own ID, which is all that can be asked for.
// Source: POST /contacts/search, GET /companies.
func (a *account) BatchFind(
	ctx context.Context, name string, f crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	op := "intercom: find"
	o, err := find(op, name, len(values), 1)
	if err != nil {
		return nil, err
	}
	op += " " + o.id
	if !searches(o, f.Name) {
		return nil, &fault.Error{
			Op: op, Kind: fault.Invalid, Code: connector.CodeKey, Field: f.Name, Message: "Intercom does not search this field",
		}
	}
	if len(values) == 0 || strings.TrimSpace(values[0]) == "" {
		return make([][]crm.Record, len(values)), ctx.Err()
	}
	r := rest.Request{Op: op, Path: o.path(), Query: url.Values{f.Name: {values[0]}}}
	if o == contacts {
		r = search(op, map[string]any{"field": f.Name, "operator": "=", "value": values[0]}, "")
	}
	var out found
	if _, err = a.client.Call(ctx, r, &out); fault.Is(err, fault.NotFound) {
		return make([][]crm.Record, len(values)), nil
	}
	if err != nil {
		return nil, err
	}
	if out.next() != "" || out.Pages.Total > 1 {
		return nil, fault.New(op, fault.Invalid, connector.CodeMatches, "the value is held by more records than a page has")
	}
	if out.Data == nil {
		return nil, rest.Malformed(r, "Intercom's page has no list of records")
	}
	all := make([]rows.Found, len(out.Data))
	for i, w := range out.Data {
		if all[i].Record, err = a.record(ctx, r, o, w, fields); err != nil {
			return nil, err
		}
	}
	// One value was asked for, and callers compare again.
	return rows.Match{Fold: func(s string) string { return s }, Stray: true}.Hand(values, all), nil
}

// searches reports whether records can be asked for by a field.
func searches(o object, field string) bool {
	return o == companies && (field == "name" || field == "company_id") || o == contacts && field != tagField
}

// found is a page of records, or one record.
type found struct{ list }

// UnmarshalJSON implements json.Unmarshaler.
func (f *found) UnmarshalJSON(b []byte) error {
	var w row
	if err := w.UnmarshalJSON(b); err != nil {
		return err
	}
	if w.text("type") == "company" {
		f.Data = []row{w}
		return nil
	}
	return decode(b, &f.list)
}

// search asks for contacts by a filter, in the order of their times.
func search(op string, filter map[string]any, after string) rest.Request {
	page := map[string]any{"per_page": pageSize}
	if after != "" {
		page["starting_after"] = after
	}
	return rest.Request{Op: op, Method: http.MethodPost, Path: "/contacts/search", Body: map[string]any{
		"query": filter, "sort": map[string]string{"field": "updated_at", "order": "ascending"}, "pagination": page,
	}}
}
