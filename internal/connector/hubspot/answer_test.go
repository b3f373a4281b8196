package hubspot_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestX13_Answers gives wrong answers to searches, lists, sweeps and descriptions:
// each is malformed, none is an empty page.
func TestX13_Answers(t *testing.T) {
	t.Parallel()
	const row = `{"id":"7","properties":{"lastname":"Roe"},"createdAt":"2026-01-01T10:00:00Z","updatedAt":"2026-01-02T10:00:00Z"}`
	page := func(rows string) string { return `{"total":1,"results":[` + rows + `]}` }
	swap := func(old, with string) string { return page(strings.Replace(row, old, with, 1)) }
	calls := map[string]func(connector.Connector) error{
		"search": func(c connector.Connector) error {
			_, err := c.Changes(t.Context(), connector.ChangesRequest{Object: "contacts"})
			return err
		},
		"list": func(c connector.Connector) error {
			_, err := c.Changes(t.Context(), connector.ChangesRequest{Object: "contacts", Full: true})
			return err
		},
		"sweep": func(c connector.Connector) error {
			_, err := c.Extras().Deleted(t.Context(), "contacts", "", "")
			return err
		},
		"fields": func(c connector.Connector) error { _, err := c.Fields(t.Context(), "contacts"); return err },
	}
	for _, tc := range []struct{ calls, body, code string }{
		{"search list sweep", page(row), "other"},
		{"search list sweep", swap(`"id":"7",`, ""), connector.CodeMalformed},
		{"search list sweep", swap(`"id":"7"`, `"id":"7'"`), connector.CodeMalformed},
		{"search list", swap(`,"updatedAt":"2026-01-02T10:00:00Z"`, ""), connector.CodeMalformed},
		{"search list sweep", `{"results":[],"paging":{"next":{"after":"7"}}}`, connector.CodeMalformed},
		{"search list sweep fields", `{"results":7}`, connector.CodeMalformed},
		{"fields", `{"results":[]}`, connector.CodeMalformed},
		{"fields", `{"results":[{"name":"x","archived":true}]}`, connector.CodeMalformed},
	} {
		for _, call := range strings.Fields(tc.calls) {
			c := opened(fakekit.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(tc.body))
			})))
			if err := calls[call](c); fault.CodeOf(err) != tc.code {
				t.Errorf("%s of %s: %v, want %s", call, tc.body, err, tc.code)
			}
		}
	}
}
