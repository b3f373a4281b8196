package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts/googlecontactsfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestLive_GoogleContactsStaysInStep: contacts of HubSpot and of a Google user, who
// agreed in the browser, through the whole program: what the preset maps and labels, a
// first sync, edits and deletions that come by sync token, a token that has expired, and
// a resync that finds nothing to do.
func TestLive_GoogleContactsStaysInStep(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		l, core, google := with(t, o, "googlecontacts", func(c fakekit.Config) fakekit.Fake {
			c.Lag = time.Minute
			return googlecontactsfake.New(c)
		})
		by := func() map[string]*fakekit.Record { return byMail(core, "contacts", "emailAddresses") }
		for i := range 12 {
			who := fmt.Sprintf("p%d", i)
			if i < 8 {
				l.person(crm.Left, who, "firstname", "Ann "+who, "phone", fmt.Sprintf("(202) 555-01%02d", i), "city", "Lund",
					"interests", "sailing;chess")
			}
			if i >= 4 {
				if _, err := core.CreateRecord("contacts", map[string]string{
					"names/givenName": "Ann " + who, "names/familyName": "Of " + who, "emailAddresses": strings.ToUpper(who) +
						"@example.com;" + who + "@example.net", "memberships": "tea",
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		l.move(time.Hour)
		l.right = google
		l.preset("hubspot-googlecontacts-contacts")
		sync := l.must(200, "GET", l.con, nil)["syncs"].([]any)[0].(map[string]any)
		sync["schedule"], sync["conflict"] = "manual", "newest"
		sync["mappings"] = append(sync["mappings"].([]any),
			map[string]any{"id": "labels", "left": []string{"interests"}, "right": []string{"memberships"}})
		l.must(200, "PATCH", l.con, map[string]any{"syncs": []any{sync}}, "If-Match", "*", "Content-Type", mergePatch)
		if run := l.start(); run.Outcomes[crm.Failed] != 0 {
			t.Errorf("the first sync: %v", run.Outcomes)
		}
		if people := by(); len(people) != 12 || l.living(crm.Left) != 12 {
			t.Fatalf("%d Google contacts and %d of HubSpot, want 12 on both sides", len(people), l.living(crm.Left))
		}
		if p := by()["p1@example.com"]; p.Fields["names/familyName"] != "Of p1" || p.Fields["addresses/city"] != "Lund" ||
			p.Fields["memberships"] != "chess;sailing" && p.Fields["memberships"] != "sailing;chess" {
			t.Errorf("a new contact holds %v", p.Fields)
		}
		change := func(who string, fields map[string]string) {
			t.Helper()
			l.move(time.Second)
			if _, err := core.UpdateRecord("contacts", by()[who+"@example.com"].ID, fields); err != nil {
				t.Fatal(err)
			}
		}
		pull := func() {
			t.Helper()
			l.move(2 * time.Minute) // until listings know of it
			l.pull()
		}
		l.edit(crm.Left, l.twin(crm.Left, "p1"), "lastname", "Changed")
		l.edit(crm.Left, l.twin(crm.Left, "p5"), "email", "p5@example.org")
		change("p9", map[string]string{"organizations/title": "Nurse"})
		pull()
		people := by()
		if p := people["p1@example.com"]; p.Fields["names/familyName"] != "Changed" {
			t.Errorf("p1 is called %q", p.Fields["names/familyName"])
		}
		if p := people["p5@example.org"]; p == nil || p.Fields["emailAddresses"] != "p5@example.org;p5@example.net" ||
			!strings.Contains(p.Fields["memberships"], "tea") {
			t.Errorf("p5 is %+v", p)
		}
		if c := l.held(crm.Left, l.twin(crm.Left, "p9")); c["jobtitle"] != "Nurse" || c["interests"] != "tea" {
			t.Errorf("p9 is %q and likes %q", c["jobtitle"], c["interests"])
		}

		gone := l.twin(crm.Left, "p10")
		l.move(time.Second)
		if err := core.DeleteRecord("contacts", by()["p10@example.com"].ID); err != nil {
			t.Fatal(err)
		}
		pull()
		if state := l.must(200, "GET", l.record(crm.Left, gone), nil)["state"]; state != string(crm.StateDeleted) {
			t.Errorf("the twin of a deleted contact is %v", state)
		}

		l.move(8 * 24 * time.Hour)
		change("p11", map[string]string{"organizations/title": "Cook"})
		pull()
		l.drain()
		if c := l.held(crm.Left, l.twin(crm.Left, "p11")); c["jobtitle"] != "Cook" {
			t.Errorf("p11's title is %q after the token expired", c["jobtitle"])
		}
		l.move(time.Hour)
		if run := l.run("POST", l.sync+"/resync",
			nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
			t.Errorf("a resync: %v", run.Outcomes)
		}
	})
}
