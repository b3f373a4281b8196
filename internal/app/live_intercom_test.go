package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/intercom/intercomfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestLive_IntercomStaysInStep: contacts of HubSpot and of Intercom, which has one name
// for two, through the whole program: what the preset maps, tags and a number, a first
// sync, edits on both sides, one that comes by webhook, two contacts that were merged, and a
// resync that finds nothing to do.
func TestLive_IntercomStaysInStep(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		l, core, inter := with(t, o, "intercom", func(c fakekit.Config) fakekit.Fake { return intercomfake.New(c) })
		by := func() map[string]*fakekit.Record { return byMail(core, "contacts", "email") }
		for i := range 8 {
			who := fmt.Sprintf("p%d", i)
			if i < 5 {
				l.person(crm.Left, who, "firstname", "Ann "+who, "phone", fmt.Sprintf("(202) 555-01%02d", i), "interests",
					"sailing;chess")
			}
			if i >= 3 {
				if _, err := core.CreateRecord("contacts", map[string]string{
					"name": "Ann " + who + " Of " + who, "email": strings.ToUpper(who) + "@example.com", "tags": "tea",
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		l.move(time.Hour)
		l.right = inter
		l.preset("hubspot-intercom-contacts")
		sync := l.must(200, "GET", l.con, nil)["syncs"].([]any)[0].(map[string]any)
		sync["schedule"], sync["conflict"] = "manual", "newest"
		sync["mappings"] = append(sync["mappings"].([]any),
			map[string]any{"id": "tags", "left": []string{"interests"}, "right": []string{"tags"}},
			map[string]any{"id": "nickname", "left": []string{"jobtitle"}, "right": []string{intercomfake.Nickname}},
			map[string]any{"id": "score", "left": []string{"score"}, "right": []string{intercomfake.Score}})
		l.must(200, "PATCH", l.con, map[string]any{"syncs": []any{sync}}, "If-Match", "*", "Content-Type", mergePatch)
		if run := l.start(); run.Outcomes[crm.Failed] != 0 {
			t.Errorf("the first sync: %v", run.Outcomes)
		}
		if people := by(); len(people) != 8 || l.living(crm.Left) != 8 {
			t.Fatalf("%d contacts of Intercom and %d of HubSpot, want 8 on both sides", len(people), l.living(crm.Left))
		}
		if p := by()["p1@example.com"]; p.Fields["name"] != "Ann p1 Of p1" ||
			p.Fields["tags"] != "sailing;chess" && p.Fields["tags"] != "chess;sailing" {
			t.Errorf("a new contact holds %v", p.Fields)
		}
		change := func(who string, fields map[string]string) {
			t.Helper()
			l.move(2 * time.Second)
			if _, err := core.UpdateRecord("contacts", by()[who+"@example.com"].ID, fields); err != nil {
				t.Fatal(err)
			}
		}
		l.edit(crm.Left, l.twin(crm.Left, "p1"), "lastname", "Changed")
		l.edit(crm.Left, l.twin(crm.Left, "p2"), "score", "12")
		change("p6", map[string]string{intercomfake.Nickname: "Nan", "tags": "music"})
		l.pull()
		if p := by(); p["p1@example.com"].Fields["name"] != "Ann p1 Changed" ||
			p["p2@example.com"].Fields[intercomfake.Score] != "12" {
			t.Errorf("p1 is %v, p2 is %v", p["p1@example.com"].Fields, p["p2@example.com"].Fields)
		}
		if c := l.held(crm.Left, l.twin(crm.Left, "p6")); c["jobtitle"] != "Nan" || c["interests"] != "music" {
			t.Errorf("p6 is %q and likes %q", c["jobtitle"], c["interests"])
		}

		var hooks struct{ Items []hookView }
		l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
		for _, h := range hooks.Items {
			if h.Side == crm.Right {
				core.SetWebhooks(fakekit.Webhooks{URL: h.URL, Secret: intercomfake.ClientSecret})
			}
		}
		kept, gone := by()["p7@example.com"].ID, l.twin(crm.Left, "p5")
		change("p7", map[string]string{intercomfake.Nickname: "By hook"})
		l.move(2 * time.Second)
		if _, err := core.MergeRecord("contacts", by()["p5@example.com"].ID, kept); err != nil {
			t.Fatal(err)
		}
		for _, d := range core.Take() {
			if status := l.post(d.Packed); status != 200 {
				t.Errorf("a delivery is answered with %d", status)
			}
		}
		l.drain()
		if c := l.held(crm.Left, l.twin(crm.Left, "p7")); c["jobtitle"] != "By hook" {
			t.Errorf("p7's title is %q, want what the webhook told of", c["jobtitle"])
		}
		if l.living(crm.Left) != 8 || l.held(crm.Left, gone)["email"] == "" {
			t.Errorf("%d contacts are left: a merge there deletes nobody here", l.living(crm.Left))
		}
		core.SetWebhooks(fakekit.Webhooks{})
		l.move(time.Hour)
		if run := l.run("POST", l.sync+"/resync",
			nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
			t.Errorf("a resync: %v", run.Outcomes)
		}
	})
}
