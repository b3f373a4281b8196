package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// planned makes a plan and works it out.
func (l *live) planned(body any) engine.PlanView {
	l.t.Helper()
	var p engine.PlanView
	a := l.want(202, "POST", l.sync+"/plans", body)
	a.into(&p)
	if a.header.Get("Location") != "/v1/plans/"+string(p.ID) {
		l.t.Errorf("Location %q, want that of the plan %s", a.header.Get("Location"), p.ID)
	}
	l.drain()
	l.want(200, "GET", "/v1/plans/"+string(p.ID), nil).into(&p)
	if p.State != engine.RunDone {
		l.t.Fatalf("the plan is %s, want done", p.State)
	}
	return p
}

// TestLive_PlansAreAppliedAsTheyAreOrNotAtAll: a plan writes nothing; applied,
// it does what it lists; what has changed since is left as stale, and a second
// application finds nothing to do.
func TestLive_PlansAreAppliedAsTheyAreOrNotAtAll(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		for i := range 6 {
			l.person(crm.Left, fmt.Sprintf("l%d", i))
		}
		for _, who := range []string{"l4", "l5", "r0"} {
			l.person(crm.Right, who, "LastName", "Of "+who)
		}
		l.connect()
		p := l.planned(nil)
		if p.Totals[crm.Created] != 5 || l.living(crm.Left) != 6 || l.living(crm.Right) != 3 {
			t.Fatalf("totals %v, %d and %d people; want 5 creates planned and nothing done", p.Totals, l.living(crm.Left),
				l.living(crm.Right))
		}
		list := "/v1/plans/" + string(p.ID) + "/changes"
		whole := each[engine.Change](l, list+"?limit=200")
		listed := int64(0)
		for _, n := range p.Totals {
			listed += n
		}
		if int64(len(whole)) != listed-p.Totals[crm.Unchanged] || len(whole) < 6 {
			t.Errorf("%d changes, the totals say %v", len(whole), p.Totals)
		}
		for _, limit := range []int{1, 2, 3, 5} {
			if again := each[engine.Change](l, fmt.Sprintf("%s?limit=%d", list, limit)); fmt.Sprint(again) != fmt.Sprint(whole) {
				t.Errorf("by pages of %d: %d changes, want the %d of the whole in their order", limit, len(again), len(whole))
			}
		}
		l.refused(404, "not_found", "GET", "/v1/plans/pln_none", nil)
		l.refused(404, "not_found", "GET", "/v1/plans/pln_none/changes", nil)
		l.refused(404, "not_found", "POST", "/v1/plans/pln_none/apply", nil)

		// Two of the planned creates go stale: one is renamed, one appears over there.
		gone, twin := l.twin(crm.Left, "l0"), l.person(crm.Right, "l1", "LastName", "Somebody Else")
		l.edit(crm.Left, gone, "lastname", "Changed Since")
		l.move(time.Minute)
		apply := l.run("POST", "/v1/plans/"+string(p.ID)+"/apply", nil)
		if apply.Plan != p.ID || apply.Outcomes[crm.Stale] != 2 || apply.Outcomes[crm.Created] != 3 {
			t.Errorf("applied: %v, want 2 stale and 3 created", apply.Outcomes)
		}
		if got := l.held(crm.Right, twin)["LastName"]; got != "Somebody Else" {
			t.Errorf("a stale change was written: %q", got)
		}
		if l.living(crm.Right) != 6 || l.living(crm.Left) != 7 {
			t.Errorf("%d and %d people after it", l.living(crm.Left), l.living(crm.Right))
		}
		stale := each[engine.Entry](l, "/v1/log?connection="+l.id()+"&run="+string(apply.ID))
		n := 0
		for _, e := range stale {
			if e.Outcome == crm.Stale {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d entries say stale, want 2", n)
		}
		again := l.run("POST", "/v1/plans/"+string(p.ID)+"/apply", nil)
		if again.Outcomes[crm.Created]+again.Outcomes[crm.Updated] != 0 {
			t.Errorf("applied again: %v, want nothing written", again.Outcomes)
		}
		if l.living(crm.Right) != 6 || l.living(crm.Left) != 7 {
			t.Errorf("%d and %d people after the second time", l.living(crm.Left), l.living(crm.Right))
		}
	})
}

// TestLive_PlansOfSomeRecords: a plan of named records lists those; one that is
// not worked out yet cannot be applied; a change of the document after a plan
// makes what it changes stale; a paused connection applies nothing, and one that is
// at work on something else says so.
func TestLive_PlansOfSomeRecords(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		a, b := l.person(crm.Left, "a", "city", "Ghent"), l.person(crm.Left, "b", "city", "Bruges")
		l.connect()
		l.start()
		ra, rb := l.twin(crm.Right, "a"), l.twin(crm.Right, "b")
		l.edit(crm.Left, a, "city", "Antwerp")
		l.edit(crm.Left, b, "city", "Leuven")
		some := map[string]any{"records": []map[string]string{{"side": "left", "id": a}}}
		var open engine.PlanView
		l.want(202, "POST", l.sync+"/plans", some).into(&open)
		l.refused(409, "plan_not_ready", "POST", "/v1/plans/"+string(open.ID)+"/apply", nil)
		l.drain()
		if l.held(crm.Right, ra)["MailingCity"] != "Ghent" {
			t.Error("a plan wrote")
		}
		changes := each[engine.Change](l, "/v1/plans/"+string(open.ID)+"/changes")
		if len(changes) != 1 || string(changes[0].Record) != a || changes[0].Action != crm.Updated ||
			len(changes[0].Diffs) != 1 || changes[0].Diffs[0].After.Text() != "Antwerp" {
			t.Errorf("changes: %+v", changes)
		}
		l.want(200, "POST", l.con+"/pause", nil)
		l.refused(409, "connection_paused", "POST", "/v1/plans/"+string(open.ID)+"/apply", nil)
		l.want(202, "POST", l.con+"/start", nil)
		l.drain() // what was missed is caught up
		if l.held(crm.Right, rb)["MailingCity"] != "Leuven" {
			t.Fatalf("the catch-up did not come: %v", l.held(crm.Right, rb))
		}
		// The plan's change has been made meanwhile: nothing is left of it.
		run := l.run("POST", "/v1/plans/"+string(open.ID)+"/apply", nil)
		if run.Outcomes[crm.Updated] != 0 {
			t.Errorf("applied after the catch-up: %v", run.Outcomes)
		}

		l.edit(crm.Left, a, "city", "Mechelen")
		p := l.planned(some)
		tag := l.want(200, "GET", l.con, nil).header.Get("ETag")
		off := `{"syncs":` + l.syncsWith(`"right":["MailingCity"]`, `"right":["MailingCity"],"enabled":false`) + `}`
		l.want(200, "PATCH", l.con, off, "If-Match", tag, "Content-Type", "application/merge-patch+json")
		l.refused(409, "plan_outdated", "POST", "/v1/plans/"+string(p.ID)+"/apply", nil)
		if l.held(crm.Right, ra)["MailingCity"] != "Antwerp" {
			t.Errorf("a plan made under other settings was applied: %v", l.held(crm.Right, ra))
		}

		p = l.planned(some)
		l.want(202, "POST", l.sync+"/resync", nil)
		l.refused(409, "other_run_open", "POST", "/v1/plans/"+string(p.ID)+"/apply", nil)
		l.drain()
	})
}
