package declared_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestListingsAreAsWritten reads pages of every kind to their end and from places
// that no listing has, looks records up in every way, and asks which fields there
// are: each request and what becomes of each answer is in testdata.
func TestListingsAreAsWritten(t *testing.T) {
	t.Parallel()
	const (
		page  = "page: {kind: cursor, next: /next}"
		find  = "        fields: [email, last_name, phone]\n        items: /data\n"
		since = "        format: rfc3339_ms\n        grain: 1ms\n        overlap: 1m\n"
		first = "first_name: {label: First name}"
		limit = "limits: {calls: 100, per: 10s, read: 100, page: 100, lag: 30s}"
	)
	person := func(id int, at string) string {
		return fmt.Sprintf(`{"id":%d,"email":"a@example.com","first_name":null,"phone":"4155550100",
			"created_at":"2025-01-01T10:00:00Z","updated_at":%q}`, id, at)
	}
	day := func(n int) string { return fmt.Sprintf("2026-01-%02dT10:00:00Z", n) }
	var out []string
	for _, c := range []struct {
		name  string
		edits []string
		pages [][2]string // what the address of a request has, and its answer
	}{
		{"cursor", nil, [][2]string{
			{"cursor=n2", rowsOf(person(3, day(3)), "null")}, {"", rowsOf(person(1, day(1))+","+person(2, day(2)), `"n2"`)},
		}},
		{"cursor that stays", nil, [][2]string{{"", rowsOf(person(1, day(1)), `"n2"`)}}},
		{"number", []string{page, "page: {kind: number, first: 1}", limit, "limits: {page: 2}"}, [][2]string{
			{"cursor=1", rowsOf(person(1, day(1))+","+person(2, day(2)), "null")},
			{"cursor=2", rowsOf(person(3, day(3)), "null")},
		}},
		{"number, from 0", []string{page, "page: {kind: number}", limit, "limits: {page: 2}"}, [][2]string{
			{"cursor=0", rowsOf(person(1, day(1))+","+person(2, day(2)), "null")}, {"cursor=1", rowsOf("", "null")},
		}},
		{"offset", []string{page, "page: {kind: offset}", limit, "limits: {page: 2}"}, [][2]string{
			{"cursor=0", rowsOf(person(1, day(1))+","+person(2, day(2)), "null")},
			{"cursor=2", rowsOf(person(3, day(3)), "null")},
		}},
		{"the same page again", []string{page, "page: {kind: offset}", limit, "limits: {page: 2}"}, [][2]string{
			{"cursor=", rowsOf(person(1, day(1))+","+person(2, day(2)), "null")},
		}},
		{"any order", []string{since, since + "        order: other\n"}, [][2]string{
			{"cursor=n2", rowsOf(person(3, day(2)), "null")}, {"", rowsOf(person(1, day(3))+","+person(2, day(1)), `"n2"`)},
		}},
		{"days", []string{since, "        format: day\n        order: other\n"}, [][2]string{
			{"", rowsOf(person(1, day(1))+","+person(2, day(2))+","+person(3, day(3)), "null")},
		}},
		{"one record", []string{find, "        fields: [email, last_name, phone]\n        record: /one\n"}, [][2]string{
			{"email=", `{"one":` + person(1, day(1)) + `}`},
			{"phone=", `{"one":null}`},
			{"last_name=", `{}`},
			{"", rowsOf("", "null")},
		}},
		{"too many", []string{limit, "limits: {page: 2}"}, [][2]string{
			{"email=", rowsOf(person(1, day(1)), "null")},
			{"phone=", rowsOf(person(1, day(1))+","+person(2, day(1)), "null")},
			{"", rowsOf("", "null")},
		}},
		{"ten digits", []string{"type: phone}", "type: phone, codec: ten_digits}"}, [][2]string{
			{"", rowsOf(person(1, day(1)), "null")},
		}},
		{"fields", []string{first, "first_name: {type: option, options: [{value: a}, {value: b, label: B}]}"}, [][2]string{
			{"/v1/fields/people", `{"fields":[{"name":"email","label":"Mine"},{"name":"score","label":"Score","kind":"int"},
				{"name":"tier","kind":"choice","choices":[{"id":"g","label":"Gold"},{"id":"s"}],"computed":true},
				{"label":"nameless"},{"name":"score","label":"again"}]}`},
			{"", rowsOf("", "null")},
		}},
		{"fields of other types", []string{"          map: {text", "          other: text\n          map: {text"}, [][2]string{
			{"/v1/fields/people", `{"fields":[{"name":"odd","kind":"thing"}]}`}, {"", rowsOf("", "null")},
		}},
		{"fields of unknown types", nil, [][2]string{
			{"/v1/fields/people", `{"fields":[{"name":"odd","kind":"thing"}]}`}, {"", rowsOf("", "null")},
		}},
		{"fields without names", nil, [][2]string{{"/v1/fields/people", `{"fields":[{"label":"x"}]}`}, {"", rowsOf("", "null")}}},
		{"fields, none", nil, [][2]string{{"/v1/fields/people", `{"fields":[]}`}, {"", rowsOf("", "null")}}},
	} {
		say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
		say("\n# %s", c.name)
		asked := 0
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked++; asked < 200 {
				say("  %s %s", r.Method, r.URL.RequestURI())
			}
			for _, p := range append(c.pages, [2]string{"/v1/fields/people", `{"fields":[]}`}) {
				if p[0] == "" && strings.Contains(r.URL.Path, "fields") {
					continue
				}
				if strings.Contains(r.URL.RequestURI(), p[0]) {
					_, _ = w.Write([]byte(p[1]))
					return
				}
			}
			w.WriteHeader(http.StatusNotFound)
		})
		con := opened(t, edited(t, c.edits...), h)
		list := func(req connector.ChangesRequest) {
			req.Object, req.Fields = "people", []string{"first_name", "phone"}
			for range 4 {
				got, err := con.Changes(t.Context(), req)
				if err != nil {
					say("%s %s", fault.KindOf(err), fault.CodeOf(err))
					return
				}
				say("next %q, cursor %q, mark %q, of %d: %s", got.Next, got.Cursor, got.Mark, got.Total, recordsText(got.Records))
				if got.Next == "" {
					return
				}
				req.Position = got.Next
			}
		}
		say("all:")
		list(connector.ChangesRequest{Full: true})
		for _, cursor := range []string{"@1767200000000", "@1767304800000", "x", "@", "@1767304800000 n2"} {
			say("since %q:", cursor)
			list(connector.ChangesRequest{Cursor: cursor})
		}
		for _, look := range [][2]string{
			{"email", "a@example.com"},
			{"phone", "+1 415 555 0100"},
			{"phone", "12"},
			{"last_name", "A&B"},
			{"last_name", " "},
			{"first_name", "Ann"},
		} {
			say("find %s %q:", look[0], look[1])
			got, err := con.BatchFind(t.Context(), "people", crm.Field{Name: look[0]}, []string{look[1]}, []string{"phone"})
			for _, records := range got {
				say("  %s", recordsText(records))
			}
			if err != nil {
				say("  %s %s", fault.KindOf(err), fault.CodeOf(err))
			}
		}
		if !strings.HasPrefix(c.name, "fields") {
			continue
		}
		say("fields:")
		fields, err := con.Fields(t.Context(), "people")
		for _, f := range fields {
			say("  %+v", f)
		}
		if err != nil {
			say("  %s %s", fault.KindOf(err), fault.CodeOf(err))
		}
	}
	written.Check(t, "listings.txt", strings.Join(out, "\n"))
}

// recordsText is what records are, in one line.
func recordsText(records []crm.Record) string {
	parts := make([]string, len(records))
	for i, r := range records {
		var fields []string
		for name, v := range r.Fields {
			fields = append(fields, fmt.Sprintf("%s=%q", name, v.Text()))
		}
		slices.Sort(fields)
		parts[i] = fmt.Sprintf("%s of %s, %s", r.ID, r.ModifiedAt.Format("01-02T15:04"), strings.Join(fields, " "))
	}
	return strings.Join(parts, "; ")
}
