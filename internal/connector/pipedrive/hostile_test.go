package pipedrive_test

import (
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const person = `{"id":7,"name":"Ann","emails":[{"value":"a@example.com"}],"add_time":"2026-01-01T10:00:00Z","update_time":"2026-01-02T10:00:00Z","custom_fields":{}}`

// answering returns a connector whose calls get these answers by turns, the last one for ever.
func answering(t testing.TB, status int, bodies ...string) connector.Connector {
	t.Helper()
	return opened(t, connectortest.Says(status, bodies...))
}

func rowsOf(rows, next string) string {
	return `{"success":true,"data":[` + rows + `],"additional_data":{"next_cursor":` + next + `}}`
}

// TestX13_Answers gives wrong answers to listings, look-ups and descriptions: each is
// malformed, none is an empty page.
func TestX13_Answers(t *testing.T) {
	t.Parallel()
	list := func(c connector.Connector) error {
		full := connector.ChangesRequest{Object: "persons", Fields: []string{"name", "emails"}, Full: true}
		_, err := c.Changes(t.Context(), full)
		return err
	}
	// the app ignores parameters that it does not know, and would list everything
	since := func(c connector.Connector) error {
		_, err := c.Changes(t.Context(), connector.ChangesRequest{Object: "persons", Cursor: "@1900000000000"})
		return err
	}
	find := func(c connector.Connector) error {
		_, err := c.BatchFind(t.Context(), "persons", crm.Field{Name: "emails"}, []string{"a@example.com"}, []string{"name"})
		return err
	}
	fields := func(c connector.Connector) error { _, err := c.Fields(t.Context(), "persons"); return err }
	swap := func(old, with string) string { return rowsOf(strings.Replace(person, old, with, 1), "null") }
	hit := `{"success":true,"data":{"items":[{"item":{"id":7}}]}}`
	field := `{"field_name":"Name","field_code":"name","field_type":"varchar"}`
	if err := list(answering(t, 200, rowsOf(person, "null"))); err != nil {
		t.Fatal(err)
	}
	last := rowsOf(strings.ReplaceAll(field, `:"n`, `:"m`), "null")
	got, err := answering(t, 200, rowsOf(field, `"a"`), last).Fields(t.Context(), "persons")
	if err != nil || len(got) != 2 {
		t.Errorf("fields on two pages: %+v, %v", got, err)
	}
	for name, err := range map[string]error{
		"no success":       list(answering(t, 200, `{"data":[]}`)),
		"no ID":            list(answering(t, 200, swap(`"id":7,`, ""))),
		"odd ID":           list(answering(t, 200, swap(`"id":7`, `"id":"7'"`))),
		"no time":          list(answering(t, 200, swap(`"update_time":"2026-01-02T10:00:00Z",`, ""))),
		"odd time":         list(answering(t, 200, swap("2026-01-02T10:00:00Z", "yesterday"))),
		"odd list":         list(answering(t, 200, swap(`[{"value":"a@example.com"}]`, `"a@example.com"`))),
		"odd value":        list(answering(t, 200, swap(`"Ann"`, `{"first":"Ann"}`))),
		"odd custom":       list(answering(t, 200, swap(`"custom_fields":{}`, `"custom_fields":[1]`))),
		"more of nothing":  list(answering(t, 200, rowsOf("", `"x"`))),
		"odd cursor":       list(answering(t, 200, rowsOf(person, `"x y"`))),
		"found without ID": find(answering(t, 200, `{"success":true,"data":{"items":[{"item":{}}]}}`)),
		"found, then odd":  find(answering(t, 200, hit, swap(`"id":7,`, ""))),
		"not asked for":    since(answering(t, 200, rowsOf(person, "null"))),
		"no fields":        fields(answering(t, 200, rowsOf("", "null"))),
		"the same fields":  fields(answering(t, 200, rowsOf(field, `"a"`))),
	} {
		if fault.CodeOf(err) != connector.CodeMalformed {
			t.Errorf("%s: %v, want malformed_answer", name, err)
		}
	}
}

// FuzzPipedriveAnswer gives arbitrary answers to every call: no panic, and either a
// whole result or a classified error.
func FuzzPipedriveAnswer(f *testing.F) {
	f.Add(200, rowsOf(person, `"x"`))
	f.Add(200, `{"success":true,"data":`+person+`}`)
	f.Add(200, `{"success":true,"data":{"items":[{"item":{"id":7}}]}}`)
	f.Add(403, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, ctx := answering(t, status, body), t.Context()
		reads, errRead := c.BatchRead(ctx, "persons", []crm.RecordID{"7"}, []string{"name", "emails"})
		found, errFind := c.BatchFind(ctx, "persons", crm.Field{Name: "emails"}, []string{"a@example.com"}, []string{"name"})
		change := connector.Write{Op: connector.Update, ID: "7", Fields: crm.Fields{"emails": crm.NullValue(), "name": {}}}
		wrote, errWrite := c.BatchWrite(ctx, "persons", []connector.Write{change})
		page, errScan := c.Changes(ctx, connector.ChangesRequest{Object: "persons"})
		_, errFields := c.Fields(ctx, "persons")
		_, errOwner := c.Extras().OwnerEmail(ctx, "7")
		for _, err := range []error{errRead, errFind, errWrite, errScan, errFields, errOwner} {
			if err != nil && fault.KindOf(err) == fault.Other {
				t.Fatalf("unclassified: %v", err)
			}
		}
		if errRead == nil && len(reads) != 1 || errFind == nil && len(found) != 1 || errWrite == nil && len(wrote) != 1 ||
			errScan == nil && (page.Next == "") == (page.Cursor == "") {
			t.Fatal("not one entry for each that was asked for, or a page with neither or both of position and cursor")
		}
	})
}
