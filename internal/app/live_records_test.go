package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// TestLive_LinkAndUnlink: a pair taken apart stays apart until it is linked by
// hand; two records are linked only when both are there and free.
func TestLive_LinkAndUnlink(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		a := l.person(crm.Left, "a", "city", "Ghent")
		l.person(crm.Left, "b", "city", "Bruges")
		l.connect()
		l.start()
		ra, rb := l.twin(crm.Right, "a"), l.twin(crm.Right, "b")

		link := func(partner string) map[string]string { return map[string]string{"partner": partner} }
		l.refused(409, "twin_taken", "POST", l.record(crm.Left, a)+"/link", link(rb))
		l.refused(400, "partner_unknown", "POST", l.record(crm.Left, a)+"/link", link("003000000000000AAA"))
		l.refused(404, "record_unknown", "POST", l.record(crm.Left, "999999")+"/link", link(rb))
		l.refused(404, "not_found", "POST", l.con+"/syncs/none/records/left/"+a+"/link", link(rb))

		l.run("POST", l.record(crm.Left, a)+"/unlink", nil)
		if v := l.view(crm.Left, a); v.Partner != "" || v.State == crm.StateInSync {
			t.Errorf("taken apart: %+v", v)
		}
		l.edit(crm.Left, a, "city", "Antwerp")
		l.pull()
		l.run("POST", l.sync+"/resync", nil)
		if l.held(crm.Right, ra)["MailingCity"] != "Ghent" || l.living(crm.Right) != 2 || l.living(crm.Left) != 2 {
			t.Errorf("a pair that was taken apart is synced, linked or made anew: %v, %d and %d", l.held(crm.Right, ra),
				l.living(crm.Left), l.living(crm.Right))
		}
		l.run("POST", l.record(crm.Right, ra)+"/link", link(a))
		v := l.view(crm.Left, a)
		if string(v.Partner) != ra {
			t.Errorf("linked by hand: %+v", v)
		}
		if v.State == crm.StateConflict { // the cities differ, and this sync asks
			l.run("POST", l.record(crm.Left, a)+"/resolve", map[string]any{"fields": map[string]string{"city": "left"}})
		}
		if got := l.held(crm.Right, ra)["MailingCity"]; got != "Antwerp" || l.view(crm.Left, a).State != crm.StateInSync {
			t.Errorf("after linking: city %q, %+v", got, l.view(crm.Left, a))
		}
		l.edit(crm.Right, ra, "Title", "Pilot")
		l.pull()
		if l.held(crm.Left, a)["jobtitle"] != "Pilot" {
			t.Errorf("the pair does not sync: %v", l.held(crm.Left, a))
		}
	})
}

// TestLive_ResolveDecidesConflicts: by a side, by a value of one's own, for the
// named fields alone.
func TestLive_ResolveDecidesConflicts(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		a := l.person(crm.Left, "a", "city", "Ghent", "jobtitle", "Cook")
		l.connect()
		l.start()
		ra := l.twin(crm.Right, "a")
		l.edit(crm.Left, a, "city", "Antwerp")
		l.edit(crm.Right, ra, "MailingCity", "Liège")
		l.edit(crm.Left, a, "jobtitle", "Baker")
		l.edit(crm.Right, ra, "Title", "Miller")
		l.pull()
		if v := l.view(crm.Left, a); v.State != crm.StateConflict {
			t.Fatalf("state %s, want a conflict", v.State)
		}
		if got := each[engine.RecordView](l, l.sync+"/records?state=conflict"); len(got) != 1 || string(got[0].ID) != a {
			t.Errorf("conflicts listed: %+v", got)
		}
		resolve := l.record(crm.Left, a) + "/resolve"
		l.refused(400, "unknown_key", "POST", resolve, map[string]any{"fields": map[string]string{"shoe_size": "left"}})
		if a := l.do("POST", resolve, map[string]any{"fields": map[string]string{"city": "middle"}}); a.status != 400 {
			t.Errorf("a side that is none: %d", a.status)
		}
		if a := l.do("POST", resolve, map[string]any{"fields": map[string]string{}}); a.status != 400 {
			t.Errorf("no field: %d", a.status)
		}
		l.run("POST", resolve, map[string]any{"fields": map[string]any{"city": "right"}})
		if l.held(crm.Left, a)["city"] != "Liège" || l.held(crm.Left, a)["jobtitle"] != "Baker" ||
			l.held(crm.Right, ra)["Title"] != "Miller" {
			t.Errorf("one field was decided: %v, %v", l.held(crm.Left, a), l.held(crm.Right, ra))
		}
		if v := l.view(crm.Left, a); v.State != crm.StateConflict {
			t.Errorf("state %s, want a conflict about the title", v.State)
		}
		l.run("POST", l.record(crm.Right, ra)+"/resolve", map[string]any{
			"fields": map[string]any{"title": map[string]string{"value": "Fisher"}},
		})
		if l.held(crm.Left, a)["jobtitle"] != "Fisher" || l.held(crm.Right, ra)["Title"] != "Fisher" ||
			l.view(crm.Left, a).State != crm.StateInSync {
			t.Errorf("a value of one's own: %v, %v", l.held(crm.Left, a), l.held(crm.Right, ra))
		}
		l.want(200, "POST", l.con+"/pause", nil)
		l.refused(409, "connection_paused", "POST", resolve, map[string]any{"fields": map[string]string{"city": "left"}})
	})
}

// TestLive_RecordsAreListedOnceAtEveryPageSize: every pair once, whatever the
// page size; by state; by ID on either side.
func TestLive_RecordsAreListedOnceAtEveryPageSize(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		for i := range 40 {
			l.person(crm.Left, fmt.Sprintf("p%d", i))
		}
		lone, err := l.hub.Core().CreateRecord("contacts", map[string]string{"lastname": "No Address"})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			l.person(crm.Right, "double")
		}
		l.connect()
		l.start()
		for _, limit := range []int{1, 7, 13, 200} {
			seen := map[string]int{}
			for _, v := range each[engine.RecordView](l, fmt.Sprintf("%s/records?limit=%d", l.sync, limit)) {
				seen[string(v.Side)+string(v.ID)]++
			}
			if len(seen) != 43 {
				t.Errorf("by pages of %d: %d records, want 43", limit, len(seen))
			}
			for id, n := range seen {
				if n != 1 {
					t.Errorf("by pages of %d: %s is listed %d times", limit, id, n)
				}
			}
			for state, want := range map[crm.State]int{
				crm.StateInSync: 40, crm.StateExcluded: 1, crm.StateDuplicate: 2, crm.StateFailing: 0,
			} {
				if got := each[engine.RecordView](l, fmt.Sprintf("%s/records?limit=%d&state=%s", l.sync, limit,
					state)); len(got) != want {
					t.Errorf("%s by pages of %d: %d, want %d", state, limit, len(got), want)
				}
			}
		}
		right := l.twin(crm.Right, "p7")
		for _, q := range []string{l.twin(crm.Left, "p7"), right} {
			if got := each[engine.RecordView](l, l.sync+"/records?q="+q); len(got) != 1 || string(got[0].ID) != q {
				t.Errorf("by ID: %+v", got)
			}
		}
		if got := each[engine.RecordView](l, l.sync+"/records?state=failing&q="+right); len(got) != 0 {
			t.Errorf("by ID and another state: %+v", got)
		}
		var x engine.Explanation
		l.want(200, "GET", l.record(crm.Left, lone.ID)+"/explain", nil).into(&x)
		if x.Outcome != crm.Excluded || x.Code == "" {
			t.Errorf("explained: %+v", x)
		}
		l.refused(404, "record_unknown", "GET", l.record(crm.Left, "999999")+"/explain", nil)
		l.refused(404, "record_unknown", "GET", l.record(crm.Left, "999999"), nil)
		l.refused(400, "cursor_malformed", "GET", l.sync+"/records?cursor=AAAA", nil)

		// One record alone, at once, without a pull.
		p := l.twin(crm.Left, "p7")
		l.edit(crm.Left, p, "city", "Ghent")
		l.edit(crm.Left, l.twin(crm.Left, "p8"), "city", "Bruges")
		l.move(time.Minute)
		if r := l.run("POST", l.record(crm.Left, p)+"/sync", nil); r.Kind != engine.RunRecord || r.Done != 1 ||
			r.Outcomes[crm.Updated] != 1 {
			t.Errorf("one record: %+v", r)
		}
		if l.held(crm.Right, right)["MailingCity"] != "Ghent" ||
			l.held(crm.Right, l.twin(crm.Right, "p8"))["MailingCity"] != "" {
			t.Error("not that record alone was synced")
		}
		if v := l.view(crm.Left, p); len(v.History) < 2 || v.Values.Left == nil || v.Values.Right == nil || v.Base == nil {
			t.Errorf("seen alone: %+v", v)
		}
	})
}
