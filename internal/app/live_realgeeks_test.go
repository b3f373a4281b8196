package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/realgeeks/realgeeksfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// geeks are the leads of a Real Geeks site that tells the program of them.
type geeks struct {
	*live
	core *fakekit.Core
}

func (g geeks) lead(who string) *fakekit.Record {
	g.t.Helper()
	for _, r := range g.core.Records(realgeeksfake.Object) {
		if !r.Deleted && strings.EqualFold(r.Fields["email"], who+"@example.com") {
			return r
		}
	}
	g.t.Fatalf("there is no lead %s", who)
	return nil
}

// edit is an agent's edit; it is told when somebody says so.
func (g geeks) edit(who, field, value string) {
	g.t.Helper()
	g.move(2 * time.Second)
	if _, err := g.core.UpdateRecord(realgeeksfake.Object, g.lead(who).ID, map[string]string{field: value}); err != nil {
		g.t.Fatal(err)
	}
}

// told delivers, in the order given by at, or as they were sent, and waits until all is worked.
func (g geeks) told(all []fakekit.Delivery, at ...int) {
	g.t.Helper()
	if at == nil {
		for i := range all {
			at = append(at, i)
		}
	}
	for _, i := range at {
		if status := g.post(all[i].Packed); status != 200 {
			g.t.Errorf("a delivery is answered with %d", status)
		}
		g.drain()
	}
}

// kept counts what is kept of the site.
func (g geeks) kept() (n int) {
	g.t.Helper()
	err := g.app.eachWorkspace(g.t.Context(), func(ws crm.WorkspaceID) error {
		for _, q := range store.KeptQueries(ws, g.right) {
			page, err := g.app.Store.Query(g.t.Context(), q)
			if err != nil {
				return err
			}
			n += len(page.Items)
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

func (g geeks) standing() engine.SyncStatus {
	g.t.Helper()
	var s struct{ Syncs []engine.SyncStatus }
	g.want(200, "GET", g.con+"/status", nil).into(&s)
	return s.Syncs[0]
}

// TestLive_RealGeeksStaysInStep: contacts of HubSpot and leads of Real Geeks, which cannot be
// asked for any, through the whole program: what was told before the start, a first sync,
// edits on both sides, deliveries that come late, twice and in the wrong order, what was
// never told, a resync of what is kept, and nothing that is left of a deleted connection.
func TestLive_RealGeeksStaysInStep(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		l, core, site := with(t, o, "realgeeks", func(c fakekit.Config) fakekit.Fake { return realgeeksfake.New(c) })
		g := geeks{l, core}
		l.right = site
		l.preset("hubspot-realgeeks-contacts")
		sync := l.must(200, "GET", l.con, nil)["syncs"].([]any)[0].(map[string]any)
		sync["schedule"], sync["conflict"] = "manual", "newest"
		l.must(200, "PATCH", l.con, map[string]any{"default_country": "US", "syncs": []any{sync}}, "If-Match", "*",
			"Content-Type", mergePatch)
		make := func(who string, more ...string) {
			t.Helper()
			in := map[string]string{
				"email":      strings.ToUpper(who) + "@example.com",
				"first_name": "Ann " + who,
				"last_name":  "Of " + who,
			}
			for i := 0; i < len(more); i += 2 {
				in[more[i]] = more[i+1]
			}
			if _, err := core.CreateRecord(realgeeksfake.Object, in); err != nil {
				t.Fatal(err)
			}
		}
		make("before") // there is a webhook: nobody tells of it
		if st := g.standing(); !slices.Contains(st.Warnings, "told_only") || !slices.Contains(st.Warnings, "nothing_told") ||
			len(st.Told) != 1 ||
			st.Told[0].Side != crm.Right ||
			!slices.ContainsFunc(st.Waiting, func(w engine.Waiting) bool {
				return w.Code == "nothing_told" && w.Account == site && w.Remedy != ""
			}) {
			t.Errorf("before anything was told: %+v", st)
		}
		var hooks struct{ Items []hookView }
		l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
		for _, h := range hooks.Items {
			if h.Side == crm.Right {
				core.SetWebhooks(fakekit.Webhooks{URL: h.URL, Secret: realgeeksfake.HookSecret})
			}
		}
		for i := range 3 {
			l.person(crm.Left, fmt.Sprintf("p%d", i), "firstname", "Ann", "phone", fmt.Sprintf("(808) 555-01%02d", i))
		}
		make("p2")
		make("p3", "phone", "808-555-0103", "city", "Hilo")
		g.told(core.Take())
		if run := l.start(); run.Outcomes[crm.Failed] != 0 || !strings.Contains(run.Detail, "told_only") {
			t.Errorf("the first sync: %v, %q", run.Outcomes, run.Detail)
		}
		if n := len(core.Records(realgeeksfake.Object)); n != 5 || l.living(crm.Left) != 4 {
			t.Fatalf("%d leads and %d contacts, want p0 to p3 on both sides, and one that nobody told of", n, l.living(crm.Left))
		}
		if p := g.lead("p0").Fields; p["phone"] != "808-555-0100" || p["source"] == "" {
			t.Errorf("p0 is %v", p)
		}
		g.told(core.Take()) // of our own writes

		l.edit(crm.Left, l.twin(crm.Left, "p0"), "lastname", "Changed")
		g.edit("p3", "last_name", "Told")
		g.told(core.Take())
		l.pull()
		if p := g.lead("p0").Fields; p["last_name"] != "Changed" {
			t.Errorf("p0 is %v", p)
		}
		if c := l.held(crm.Left, l.twin(crm.Left, "p3")); c["lastname"] != "Told" || c["city"] != "Hilo" {
			t.Errorf("p3 is %v", c)
		}
		g.told(core.Take())

		g.edit("p3", "city", "Kona")
		g.edit("p3", "city", "Lihue")
		late := core.Take()
		g.told(late, 1, 0, 1)
		if c := l.held(crm.Left, l.twin(crm.Left, "p3")); c["city"] != "Lihue" || g.lead("p3").Fields["city"] != "Lihue" {
			t.Errorf("after a late delivery p3's city is %q and %q", c["city"], g.lead("p3").Fields["city"])
		}
		l.edit(crm.Left, l.twin(crm.Left, "p3"), "city", "Hana")
		l.pull()
		g.told(append(late, core.Take()...), 0, 1, 2)
		if c := l.held(crm.Left, l.twin(crm.Left, "p3")); c["city"] != "Hana" || g.lead("p3").Fields["city"] != "Hana" {
			t.Errorf("after our write p3's city is %q and %q", c["city"], g.lead("p3").Fields["city"])
		}

		if err := core.DeleteRecord(realgeeksfake.Object, g.lead("p2").ID); err != nil {
			t.Fatal(err)
		}
		l.move(time.Hour)
		run := l.run("POST", l.sync+"/resync", nil)
		if run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed]+run.Outcomes[crm.Deleted] != 0 ||
			!strings.Contains(run.Detail, "told_only: the right app") {
			t.Errorf("a resync: %v, %q", run.Outcomes, run.Detail)
		}
		if st := g.standing(); !slices.Contains(st.Warnings, "told_only") || slices.Contains(st.Warnings, "nothing_told") ||
			st.Told[0].Since.IsZero() {
			t.Errorf("at last: %+v", st)
		}
		if n := g.kept(); n == 0 {
			t.Fatal("nothing is kept")
		}
		l.want(202, "DELETE", l.con+"?confirm=Preset", nil, "If-Match", "*")
		l.drain()
		g.edit("p3", "city", "Nowhere")
		g.told(core.Take())
		if n := g.kept(); n != 0 {
			t.Errorf("%d items are left of a deleted connection", n)
		}
	})
}
