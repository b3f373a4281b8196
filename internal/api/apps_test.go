package api

import (
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/account"
)

// TestUnknownAppNamesTheKnown: who misspells an app is told which there are,
// wherever an app can be named.
func TestUnknownAppNamesTheKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		status               int
		method, target, body string
		pointer              bool
	}{
		{400, "POST", "/v1/accounts", `{"app":"nosuch","name":"x","credentials":{"kind":"token","token":"t"}}`, true},
		{404, "GET", "/v1/apps/nosuch", "", false},
		{
			404, "PUT", "/v1/apps/nosuch/client",
			`{"client_id":"i","client_secret":"s","redirect_uri":"https://app.example.com/cb"}`, false,
		},
		{404, "POST", "/v1/oauth/nosuch/authorizations", `{"name":"x"}`, false},
	} {
		p := w.must(c.status, c.method, c.target, c.body).problem(t)
		for _, want := range []string{"hubspot, salesforce", "GET /v1/apps"} {
			if p.Code != account.CodeUnknownApp || !strings.Contains(p.Detail, want) {
				t.Errorf("%s %s: %+v does not say %q", c.method, c.target, p, want)
			}
		}
		if c.pointer && (len(p.Errors) != 1 || p.Errors[0].Pointer != "/app" || p.Errors[0].Detail != p.Detail) {
			t.Errorf("%s %s: %+v does not point at the app", c.method, c.target, p)
		}
	}
}
