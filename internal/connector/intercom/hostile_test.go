package intercom_test

import (
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const one = "6762f0dd1bb69f9f2193bb83"

const ann = `{"type":"contact","id":"` + one +
	`","updated_at":1767225600,"name":"Ann","tags":{"data":[],"has_more":false},"custom_attributes":{}}`

// answering returns a connector whose calls all get this answer.
func answering(t testing.TB, status int, body string) connector.Connector {
	t.Helper()
	return opened(t, fakekit.Transport(connectortest.Says(status, body)), connectortest.NewClock().Now)
}

// TestX13_Answers gives wrong answers: each is malformed, none is an empty page.
func TestX13_Answers(t *testing.T) {
	t.Parallel()
	list := func(body string) error {
		_, err := answering(t, 200, body).Changes(t.Context(), connector.ChangesRequest{
			Object: "contacts", Fields: []string{"name", "tags"}, Full: true,
		})
		return err
	}
	page := func(rows, next string) string { return `{"data":[` + rows + `],"pages":{"next":` + next + `}}` }
	if err := list(page(ann, "null")); err != nil {
		t.Fatal(err)
	}
	_, errSince := answering(t, 200, page(ann, "null")).Changes(t.Context(), connector.ChangesRequest{
		Object: "contacts", Cursor: "@1900000000000",
	})
	reads, errRead := answering(t, 200, strings.Replace(ann, one, strings.ReplaceAll(one, "b", "c"),
		1)).BatchRead(t.Context(), "contacts", []crm.RecordID{one}, nil)
	if errRead == nil {
		errRead = reads[0].Err
	}
	_, errFields := answering(t, 200, `{"data":[]}`).Fields(t.Context(), "contacts")
	_, errTest := answering(t, 200, `{}`).Test(t.Context())
	_, errWrite := answering(t, 200, `{"id":"7"}`).BatchWrite(t.Context(), "contacts", []connector.Write{
		{Op: connector.Update, ID: one, Fields: crm.Fields{"name": crm.TextValue("x")}},
	})
	for name, err := range map[string]error{
		"odd ID":          list(page(strings.Replace(ann, one, "7", 1), "null")),
		"no time":         list(page(strings.Replace(ann, "updated_at", "at", 1), "null")),
		"odd value":       list(page(strings.Replace(ann, `"Ann"`, `{"a":1}`, 1), "null")),
		"odd tags":        list(page(strings.Replace(ann, `{"data":[],"has_more":false}`, `"x"`, 1), "null")),
		"odd attributes":  list(page(strings.Replace(ann, `"custom_attributes":{}`, `"custom_attributes":[1]`, 1), "null")),
		"more of nothing": list(page("", `{"starting_after":"x"}`)),
		"odd place":       list(page(ann, `{"starting_after":"x y"}`)),
		"not asked for":   errSince, "another record": errRead, "no fields": errFields, "no workspace": errTest,
		"another written": errWrite,
	} {
		if fault.CodeOf(err) != connector.CodeMalformed {
			t.Errorf("%s: %v, want malformed_answer", name, err)
		}
	}
}

// TestChanges_TooManyCompanies says so before a part of them is taken for all.
func TestChanges_TooManyCompanies(t *testing.T) {
	t.Parallel()
	for count, want := range map[string]bool{"10000": true, "10001": false} {
		c := answering(t, 200, `{"data":[],"total_count":`+count+`}`)
		if _, err := c.Changes(t.Context(), connector.ChangesRequest{
			Object: "companies", Full: true,
		}); (err == nil) != want || !want && !fault.Is(err, fault.Unsupported) {
			t.Errorf("%s companies: %v", count, err)
		}
	}
}

// TestFields: types, and what can be written.
func TestFields(t *testing.T) {
	t.Parallel()
	c := answering(t, 200, `{"data":[{"full_name":"id","data_type":"string","label":"ID"},{"full_name":"company_id","data_type":"string","api_writable":true},
		{"full_name":"external_id","data_type":"string","api_writable":true},{"full_name":"custom_attributes.day",
			"data_type":"date","api_writable":true},
		{"full_name":"custom_attributes.old","archived":true},{"full_name":"tags"},{"full_name":"custom_attributes.tier","data_type":"string","api_writable":true,"options":["a","b"]}]}`)
	const common = "external_id text unique, custom_attributes.day date, custom_attributes.tier option"
	for object, want := range map[string]string{
		"contacts":  "id text read-only, company_id text unique, " + common + ", tags list",
		"companies": "id text read-only, company_id text unique required, " + common,
	} {
		fields, err := c.Fields(t.Context(), object)
		var got []string
		for _, f := range fields {
			one := f.Name + " " + string(f.Type)
			for _, flag := range []struct {
				word string
				set  bool
			}{{" read-only", f.ReadOnly}, {" unique", f.Unique}, {" required", f.Required}} {
				if flag.set {
					one += flag.word
				}
			}
			if got = append(got, one); f.Label == "" {
				t.Errorf("%s has no label", f.Name)
			}
		}
		if one := strings.Join(got, ", "); err != nil || one != want {
			t.Errorf("%s are %q, %v; want %q", object, one, err, want)
		}
	}
}

// FuzzIntercomAnswer gives arbitrary answers to every call: no panic, and either a whole
// result or a classified error.
func FuzzIntercomAnswer(f *testing.F) {
	f.Add(200, `{"data":[`+ann+`],"pages":{"next":{"starting_after":"x"}}}`)
	f.Add(200, ann)
	f.Add(409, `{"type":"error.list","errors":[{"code":"conflict","message":"exists with id=`+one+`"}]}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, ctx := answering(t, status, body), t.Context()
		reads, errRead := c.BatchRead(ctx, "contacts", []crm.RecordID{one}, []string{"name", "tags"})
		found, errFind := c.BatchFind(ctx, "contacts", crm.Field{Name: "email"}, []string{"a@example.com"}, []string{"name"})
		wrote, errWrite := c.BatchWrite(ctx, "contacts", []connector.Write{
			{Op: connector.Update, ID: one, Fields: crm.Fields{"tags": crm.ListValue("x"), "name": {}}},
		})
		page, errScan := c.Changes(ctx, connector.ChangesRequest{Object: "contacts"})
		_, errCompanies := c.Changes(ctx, connector.ChangesRequest{Object: "companies"})
		_, errFields := c.Fields(ctx, "companies")
		_, errOwner := c.Extras().OwnerEmail(ctx, "7")
		for _, err := range []error{errRead, errFind, errWrite, errScan, errCompanies, errFields, errOwner} {
			if err != nil && fault.KindOf(err) == fault.Other {
				t.Fatalf("unclassified: %v", err)
			}
		}
		if errRead == nil && len(reads) != 1 || errFind == nil && len(found) != 1 || errWrite == nil && len(wrote) != 1 ||
			errScan == nil && (page.Next == "") == (page.Cursor == "") {
			t.Fatal("an answer has another number of entries than were asked for, or a page neither or both of position and " +
				"cursor")
		}
	})
}
