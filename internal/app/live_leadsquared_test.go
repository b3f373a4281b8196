package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared/leadsquaredfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// leadsOf finds the living leads of a fake by e-mail.
func leadsOf(core *fakekit.Core) map[string]*fakekit.Record {
	return byMail(core, "leads", "EmailAddress")
}

// TestLive_LeadSquaredStaysInStep: contacts of HubSpot and leads of LeadSquared through
// the whole program: what the preset maps and a number, a first sync, edits on both
// sides, a double that a unique field refuses, a webhook that has to be answered with 200
// whatever it is, and a resync that finds nothing to do.
func TestLive_LeadSquaredStaysInStep(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		l, core, lsq := with(t, o, "leadsquared", func(c fakekit.Config) fakekit.Fake { return leadsquaredfake.New(c) })
		for i := range 5 { // a plan has ten calls in five seconds
			who := fmt.Sprintf("p%d", i)
			if i < 3 {
				l.person(crm.Left, who, "firstname", "Ann "+who, "phone", fmt.Sprintf("(202) 555-01%02d", i))
			}
			if i >= 2 {
				if _, err := core.CreateRecord("leads", map[string]string{
					"FirstName": "Ann " + who, "LastName": "Of " + who, "EmailAddress": strings.ToUpper(who) + "@example.com",
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		l.right = lsq
		l.preset("hubspot-leadsquared-contacts")
		sync := l.must(200, "GET", l.con, nil)["syncs"].([]any)[0].(map[string]any)
		sync["schedule"], sync["conflict"] = "manual", "newest"
		sync["mappings"] = append(sync["mappings"].([]any), map[string]any{
			"id": "age", "left": []string{"score"}, "right": []string{"mx_Age"},
		})
		l.must(200, "PATCH", l.con, map[string]any{"syncs": []any{sync}}, "If-Match", "*", "Content-Type", mergePatch)
		if run := l.start(); run.Outcomes[crm.Failed] != 0 {
			t.Errorf("the first sync: %v", run.Outcomes)
		}
		if leads := leadsOf(core); len(leads) != 5 || l.living(crm.Left) != 5 {
			t.Fatalf("%d leads and %d contacts, want 5 on both sides", len(leads), l.living(crm.Left))
		}

		l.edit(crm.Left, l.twin(crm.Left, "p0"), "lastname", "Changed")
		l.edit(crm.Left, l.twin(crm.Left, "p1"), "score", "12.5")
		change := func(who string, fields map[string]string) {
			t.Helper()
			l.move(2 * time.Second)
			if _, err := core.UpdateRecord("leads", leadsOf(core)[who+"@example.com"].ID, fields); err != nil {
				t.Fatal(err)
			}
		}
		change("p3", map[string]string{"JobTitle": "Nurse"})
		l.pull()
		if p := leadsOf(core); p["p0@example.com"].Fields["LastName"] != "Changed" ||
			p["p1@example.com"].Fields["mx_Age"] != "12.5" {
			t.Errorf("p0 is %v, p1 is %v", p["p0@example.com"].Fields, p["p1@example.com"].Fields)
		}
		if c := l.held(crm.Left, l.twin(crm.Left, "p3")); c["jobtitle"] != "Nurse" {
			t.Errorf("p3's title is %q", c["jobtitle"])
		}

		var hooks struct{ Items []hookView }
		l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
		for _, h := range hooks.Items {
			if h.Side == crm.Right {
				core.SetWebhooks(fakekit.Webhooks{URL: h.URL, Secret: leadsquaredfake.HookSecret})
				l.want(200, "HEAD", strings.TrimPrefix(h.URL, l.url), nil)
			}
		}
		change("p4", map[string]string{"JobTitle": "By hook"})
		for _, d := range core.Take() {
			forged := d.Packed
			forged.Header = forged.Header.Clone()
			forged.Header.Set(leadsquaredfake.HookHeader, "another")
			for _, p := range []fakekit.Packed{d.Packed, forged} {
				if status := l.post(p); status != http.StatusOK {
					t.Errorf("a delivery is answered with %d", status)
				}
			}
		}
		l.drain()
		if c := l.held(crm.Left, l.twin(crm.Left, "p4")); c["jobtitle"] != "By hook" {
			t.Errorf("p4's title is %q, want what the webhook told of", c["jobtitle"])
		}
		core.SetWebhooks(fakekit.Webhooks{})
		l.move(time.Hour)
		if run := l.run("POST", l.sync+"/resync",
			nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
			t.Errorf("a resync: %v", run.Outcomes)
		}
	})
}

// TestLive_TwoAccountsOfOneApp: leads of two LeadSquared accounts in one connection, each
// with keys of its own: what changes in one arrives in the other, once, and by the phone
// where there is no e-mail.
func TestLive_TwoAccountsOfOneApp(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		var sides [2]*third
		for i := range sides {
			sides[i] = thirdOf(t, "leadsquared", func(c fakekit.Config) fakekit.Fake { return leadsquaredfake.New(c) })
			o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(sides[i].url, "http://"))
		}
		l := launched(t, o, engine.Tuning{})
		l.left, l.right = sides[0].account(l), sides[1].account(l)
		left, right := sides[0].Core(), sides[1].Core()
		make := func(core *fakekit.Core, fields ...string) {
			t.Helper()
			in := map[string]string{}
			for i := 0; i < len(fields); i += 2 {
				in[fields[i]] = fields[i+1]
			}
			if _, err := core.CreateRecord("leads", in); err != nil {
				t.Fatal(err)
			}
		}
		make(left, "FirstName", "Ann", "EmailAddress", "a@example.com", "Source", "Fair")
		make(right, "FirstName", "Ann", "EmailAddress", "A@example.com")
		make(left, "FirstName", "Bea", "Phone", "+1 202 555 0147")
		make(right, "FirstName", "Bea", "LastName", "Roe", "Phone", "+12025550147")
		make(right, "FirstName", "Cay", "EmailAddress", "c@example.com")
		l.preset("leadsquared-leadsquared-leads")
		sync := l.must(200, "GET", l.con, nil)["syncs"].([]any)[0].(map[string]any)
		sync["schedule"] = "manual"
		l.must(200, "PATCH", l.con, map[string]any{"syncs": []any{sync}}, "If-Match", "*", "Content-Type", mergePatch)
		if run := l.start(); run.Outcomes[crm.Failed]+run.Outcomes[crm.Conflict] != 0 {
			t.Errorf("the first sync: %v", run.Outcomes)
		}
		for i, core := range []*fakekit.Core{left, right} {
			by := map[string]map[string]string{}
			for _, r := range core.Records("leads") {
				by[r.Fields["FirstName"]] = r.Fields
			}
			if len(core.Records("leads")) != 3 || by["Ann"]["Source"] != "Fair" || by["Bea"]["LastName"] != "Roe" ||
				by["Cay"]["EmailAddress"] != "c@example.com" {
				t.Errorf("account %d holds %v", i, by)
			}
		}
		for i, core := range []*fakekit.Core{left, right} {
			l.move(2 * time.Second)
			if _, err := core.UpdateRecord("leads", leadsOf(core)["c@example.com"].ID, map[string]string{
				"Company": fmt.Sprint("Of ", i),
			}); err != nil {
				t.Fatal(err)
			}
			l.pull()
			for _, other := range []*fakekit.Core{left, right} {
				if got := leadsOf(other)["c@example.com"].Fields["Company"]; got != fmt.Sprint("Of ", i) {
					t.Errorf("after an edit in account %d the company is %q", i, got)
				}
			}
		}
		l.move(time.Hour)
		if run := l.run("POST", l.sync+"/resync",
			nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
			t.Errorf("a resync: %v", run.Outcomes)
		}
	})
}
