package rows

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
)

// TestRow12_WhatIsGranted: an account shows what its app said that it granted, and which
// of it a connection lacks, for which of its records and with what to do. Where an app
// does not tell, that is what is said.
func TestRow12_WhatIsGranted(t *testing.T) {
	row(t, func(w *world) {
		w.want(204, "PUT", "/v1/apps/hubspot/client", map[string]string{
			"client_id": hubspotfake.ClientID, "client_secret": hubspotfake.ClientSecret, "redirect_uri": w.p.url + "/v1/oauth/callback",
		})
		type granted struct {
			Told    bool
			Scopes  []string
			Missing []struct {
				Scope, Object, Access string
				Connections           []string
			}
			Detail, Remedy string
		}
		look := func(of *world, account string) granted {
			w.Helper()
			var one struct{ Granted granted }
			of.get("/v1/accounts/"+account, &one)
			for _, a := range list[struct {
				ID      string
				Granted granted
			}](of, "/v1/accounts") {
				if a.ID == account {
					equal(w, "what the list says of "+account, fmt.Sprint(a.Granted), fmt.Sprint(one.Granted))
				}
			}
			return one.Granted
		}
		const read, write = "crm.objects.contacts.read", "crm.objects.contacts.write"
		at := w.consents(w.left, write)
		w.left.account = strings.TrimPrefix(at, "/v1/accounts/")
		g := look(w, w.left.account)
		if !g.Told || !slices.Contains(g.Scopes, read) || slices.Contains(g.Scopes, write) || g.Detail == "" {
			w.Errorf("after a consent without %s it says %+v", write, g)
		}
		equal(w, "what nobody needs", len(g.Missing), 0)
		equal(w, "a remedy for nothing", g.Remedy, "")

		w.connect("/access", raw(`{"mode":"roles","roles":["sales"]}`))
		id := strings.TrimPrefix(w.con, "/v1/connections/")
		missing := func(of *world) string { w.Helper(); return fmt.Sprint(look(of, w.left.account).Missing) }
		equal(w, "what the connection lacks", missing(w), fmt.Sprintf("[{%s contacts write [%s]}]", write, id))
		if g := look(w, w.left.account); !strings.Contains(g.Remedy, "/v1/oauth/hubspot/authorizations") ||
			!strings.Contains(g.Remedy, w.left.account) {
			w.Errorf("the remedy does not say how to authorise again: %s", g.Remedy)
		}
		equal(w, "for one who may not see the connection",
			missing(w.as("member", `{"email":"s@example.com","roles":["support"]}`)), "[]")
		w.change("direction", "to_right")
		equal(w, "what it lacks where this app is only read", missing(w), "[]")
		w.change("direction", "both", "behavior", raw(`{"to_left":"nothing"}`))
		equal(w, "what it lacks where nothing is done to the left", missing(w), "[]")
		w.change("behavior", raw(`{"to_left":"update_only"}`))
		if m := look(w, w.left.account).Missing; len(m) != 1 || m[0].Access != "write" {
			w.Errorf("to update it lacks %+v", m)
		}
		w.change("direction", "off")
		equal(w, "what it lacks while it is off", missing(w), "[]")
		w.change("direction", "both")
		equal(w, "the account that is authorised again", w.consents(w.left), at)
		g = look(w, w.left.account)
		if !slices.Contains(g.Scopes, write) || len(g.Missing) > 0 || g.Remedy != "" {
			w.Errorf("after a whole consent it says %+v", g)
		}

		w.want(200, "POST", "/v1/accounts/"+w.right.account+"/test", nil).says(`"ok":true`)
		if g := look(w, w.right.account); !g.Told || !slices.Contains(g.Scopes, "api") || len(g.Missing) > 0 {
			w.Errorf("of a client's own credentials it says %+v", g)
		}
		key := w.accountAt(w.left, kinds["hubspot"].credentials)
		w.change("/left.account", key)
		g = look(w, key)
		if g.Told || len(g.Scopes)+len(g.Missing) > 0 || !strings.Contains(g.Detail, "does not tell") {
			w.Errorf("of a token it says %+v", g)
		}
	})
}
