package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive/pipedrivefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestLive_PipedriveStaysInStep: contacts of HubSpot and persons of Pipedrive, which
// has one name for two and lists of addresses, through the whole program: what the
// preset maps and two custom fields, a first sync, edits on both sides, one that
// comes by webhook, and a resync that finds nothing to do.
func TestLive_PipedriveStaysInStep(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		l, core, pipe := with(t, o, "pipedrive", func(c fakekit.Config) fakekit.Fake { return pipedrivefake.New(c) })
		by := func() map[string]*fakekit.Record { return byMail(core, "persons", "emails") }
		for i := range 12 {
			who := fmt.Sprintf("p%d", i)
			if i < 8 {
				l.person(crm.Left, who, "firstname", "Ann "+who, "phone", fmt.Sprintf("(202) 555-01%02d", i))
			}
			if i >= 4 {
				if _, err := core.CreateRecord("persons", map[string]string{
					"name": "Ann " + who + " Of " + who, "emails": strings.ToUpper(who) + "@example.com;" + who + "@example.net",
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		l.right = pipe
		l.preset("hubspot-pipedrive-contacts")
		sync := l.must(200, "GET", l.con, nil)["syncs"].([]any)[0].(map[string]any)
		sync["schedule"], sync["conflict"] = "manual", "newest"
		sync["mappings"] = append(sync["mappings"].([]any),
			map[string]any{"id": "title", "left": []string{"jobtitle"}, "right": []string{pipedrivefake.Nickname}},
			map[string]any{"id": "score", "left": []string{"score"}, "right": []string{pipedrivefake.Score}})
		l.must(200, "PATCH", l.con, map[string]any{"syncs": []any{sync}}, "If-Match", "*", "Content-Type", mergePatch)
		if run := l.start(); run.Outcomes[crm.Failed] != 0 {
			t.Errorf("the first sync: %v", run.Outcomes)
		}
		if people := by(); len(people) != 12 || l.living(crm.Left) != 12 {
			t.Fatalf("%d persons and %d contacts, want 12 on both sides", len(people), l.living(crm.Left))
		}
		if got := by()["p5@example.com"].Fields["emails"]; got != "P5@example.com;p5@example.net" &&
			got != "P5@EXAMPLE.COM;p5@example.net" {
			t.Errorf("the other address of a person is gone: %q", got)
		}
		if got := by()["p1@example.com"].Fields["name"]; got != "Ann p1 Of p1" {
			t.Errorf("a new person is called %q", got)
		}

		l.edit(crm.Left, l.twin(crm.Left, "p1"), "lastname", "Changed")
		l.edit(crm.Left, l.twin(crm.Left, "p2"), "score", "12.5")
		l.edit(crm.Left, l.twin(crm.Left, "p5"), "email", "p5@example.org")
		change := func(who string, fields map[string]string) {
			t.Helper()
			l.move(time.Second)
			if _, err := core.UpdateRecord("persons", by()[who+"@example.com"].ID, fields); err != nil {
				t.Fatal(err)
			}
		}
		change("p9", map[string]string{pipedrivefake.Nickname: "Nan"})
		change("p10", map[string]string{"name": "Bea Of p10"})
		l.pull()
		people := by()
		if p := people["p1@example.com"]; p.Fields["name"] != "Ann p1 Changed" {
			t.Errorf("p1 is called %q", p.Fields["name"])
		}
		if p := people["p2@example.com"]; p.Fields[pipedrivefake.Score] != "12.5" {
			t.Errorf("the number of p2 is %q", p.Fields[pipedrivefake.Score])
		}
		if p := people["p5@example.org"]; p == nil || p.Fields["emails"] != "p5@example.org;p5@example.net" {
			t.Errorf("the addresses of p5 are %v", p)
		}
		if c := l.held(crm.Left, l.twin(crm.Left, "p9")); c["jobtitle"] != "Nan" {
			t.Errorf("p9's title is %q", c["jobtitle"])
		}
		if c := l.held(crm.Left, l.twin(crm.Left, "p10")); c["firstname"] != "Bea Of" && c["firstname"] != "Bea" {
			t.Errorf("p10 is called %q %q", c["firstname"], c["lastname"])
		}
		var hooks struct{ Items []hookView }
		l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
		for _, h := range hooks.Items {
			if h.Side == crm.Right {
				core.SetWebhooks(fakekit.Webhooks{URL: h.URL, Secret: pipedrivefake.HookPassword})
			}
		}
		change("p11", map[string]string{pipedrivefake.Nickname: "By hook"})
		for _, d := range core.Take() {
			if status := l.post(d.Packed); status != 200 {
				t.Errorf("a delivery is answered with %d", status)
			}
		}
		l.drain()
		if c := l.held(crm.Left, l.twin(crm.Left, "p11")); c["jobtitle"] != "By hook" {
			t.Errorf("p11's title is %q, want what the webhook told of", c["jobtitle"])
		}
		core.SetWebhooks(fakekit.Webhooks{})
		l.move(time.Hour)
		if run := l.run("POST", l.sync+"/resync",
			nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
			t.Errorf("a resync: %v", run.Outcomes)
		}
	})
}
