package fakes_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakes"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// TestEveryAppHasAFake: each app has a fake, which its credentials open, and a page.
func TestEveryAppHasAFake(t *testing.T) {
	t.Parallel()
	all, drivers := fakes.All(), apps.Drivers()
	if len(all) != len(drivers) {
		t.Errorf("%d fakes of %d apps", len(all), len(drivers))
	}
	for id, d := range drivers {
		kind, ok := all[id]
		if !ok {
			t.Errorf("%s has no fake", id)
			continue
		}
		if _, err := os.Stat(filepath.Join("..", "..", "..", "docs", "apps", string(id)+".md")); err != nil {
			t.Errorf("%s has no page: %v", id, err)
		}
		if d.App.SignsWebhooks != (kind.HookSecret != "") && id != "salesforce" {
			t.Errorf("%s: webhooks are signed: %v, the fake has a secret: %v", id, d.App.SignsWebhooks, kind.HookSecret != "")
		}
		if kind.Credentials["kind"] == string(crm.AuthOAuth2) {
			continue
		}
		fields := map[string]secret.Text{}
		for name, v := range kind.Credentials {
			fields[name] = secret.NewText(v)
		}
		fake := kind.Start(fakekit.Config{Seed: 3})
		c, err := d.Open(connector.Config{
			Kind: crm.AuthKind(kind.Credentials["kind"]), Credentials: fields, BaseURL: "https://crm.example.com", Now: time.Now,
			HTTP: &http.Client{Transport: fakekit.Transport(fake)},
		})
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		if _, err := c.Test(t.Context()); err != nil {
			t.Errorf("%s: its credentials do not open the fake: %v", id, err)
		}
		if d.App.Can(crm.AbilityPush) { // it cannot be asked for them
			if n := len(fake.Core().Records(kind.Objects)); n != 3 {
				t.Errorf("%s: %d of 3 made-up people", id, n)
			}
			continue
		}
		if page, err := c.Changes(t.Context(), connector.ChangesRequest{Object: kind.Objects, Full: true}); err != nil ||
			len(page.Records) != 3 {
			t.Errorf("%s: %d of 3 made-up people, %v", id, len(page.Records), err)
		}
	}
}
