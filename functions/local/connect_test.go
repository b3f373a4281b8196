package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// TestConnectByPreset: a connection of a preset is saved as a draft, or started, by one
// command; what cannot be is said with what there is.
func TestConnectByPreset(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		f := filed{companyApps{newServed(t, 0, on), t, titledObjects}, t.TempDir()}
		accounts := f.accounts()
		names := [2]string{f.fakes[0].kind.name, f.fakes[1].kind.name}
		connect := func(want int, preset, left, right string, more ...string) string {
			t.Helper()
			return f.lockstep(want, append([]string{
				"connect", "--preset", preset, "--left", left, "--right", right,
			}, more...)...)
		}
		const people = "hubspot-salesforce-contacts"
		f.says(connect(2, "nonsense", names[0], names[1]), `"nonsense"`, people, "hubspot-googlecontacts-contacts")
		f.says(connect(2, people, "nobody", names[1]), `--left: 0 accounts are called "nobody"`, "GET /v1/accounts")
		f.says(connect(2, people, names[0], names[0]), "--right", "is an account of hubspot", "one of salesforce")
		f.says(connect(2, "hubspot-pipedrive", names[1], names[1]), "--left", "is an account of salesforce",
			"one of hubspot or pipedrive") // its one preset
		f.says(connect(2, "salesforce-hubspot", names[0], names[1]), "several presets", people, "hubspot-salesforce-leads")
		f.says(f.lockstep(2, "connect"), "--preset")

		for i, left := range accounts { // its apps in either order
			said := connect(exitNothing, people, string(left), names[1-i], "--name", "Later", "--country", "DE")
			f.says(said, "a draft between "+names[i]+" and "+names[1-i], "/start")
			draft, _, _ := strings.Cut(said, ":")
			var c crm.Connection
			if err := f.api.Call(t.Context(), http.MethodGet, "/v1/connections/"+draft, nil, &c); err != nil {
				t.Fatal(err)
			}
			if c.Status != crm.StatusDraft || c.Name != "Later" || c.Country != "DE" || c.Left.Account != left ||
				c.Syncs[0].Mappings[0].Left[0] != [2]string{"email", "Email"}[i] {
				t.Errorf("the draft: %+v", c)
			}
			if _, err := f.api.Do(t.Context(), http.MethodDelete, "/v1/connections/"+draft+"?confirm=Later", nil, nil,
				"If-Match", "*"); err != nil {
				t.Fatal(err)
			}
		}
		f.says(connect(exitNothing, people, names[0], names[1], "--start"), "started contacts: run run_")
		f.stop(t)
	})
}
