package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// undo plans to take a run back and returns the plan with what it lists.
func (l *live) undo(run crm.RunID) (p engine.PlanView, changes []engine.Change) {
	l.t.Helper()
	l.want(202, "POST", "/v1/runs/"+string(run)+"/undo", nil).into(&p)
	l.drain()
	at := "/v1/plans/" + string(p.ID)
	l.want(200, "GET", at, nil).into(&p)
	if p.State != engine.RunDone || p.Kind != "undo" || p.Undoes != run {
		l.t.Fatalf("the plan is %+v", p)
	}
	return p, each[engine.Change](l, at+"/changes")
}

func (l *live) applied(p engine.PlanView) engine.Run {
	l.t.Helper()
	return l.run("POST", "/v1/plans/"+string(p.ID)+"/apply", nil)
}

// TestLive_ARunIsUndone: what a run wrote is put back, on both sides, and what it
// made and joined is archived and apart, unless somebody edited it since; each
// change that is not taken back says why. The undo of the undo restores.
func TestLive_ARunIsUndone(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		a, b, c := l.person(crm.Left, "a"), l.person(crm.Left, "b", "city", "Old"), l.person(crm.Left, "c")
		l.connect()
		initial := l.start()
		ra, rb, rc := l.twin(crm.Right, "a"), l.twin(crm.Right, "b"), l.twin(crm.Right, "c")
		if until := initial.CreatedAt.AddDate(0, 0, 90); !l.runOf(initial.ID).UndoUntil.Equal(until) {
			t.Errorf("it can be undone until %s, want %s", l.runOf(initial.ID).UndoUntil, until)
		}
		l.edit(crm.Left, a, "city", "Ghent")
		l.edit(crm.Right, rb, "Title", "Cooper")
		l.edit(crm.Left, b, "city", "New")
		l.edit(crm.Left, c, "jobtitle", "Weaver")
		d := l.person(crm.Left, "d")
		e, re := l.person(crm.Left, "e", "city", "Ghent"), l.person(crm.Right, "e", "LastName", "Of e")
		run := l.pull()
		rd := l.twin(crm.Right, "d")
		l.edit(crm.Right, rc, "Title", "Tailor") // since
		if p := l.planned(nil); l.do("POST", "/v1/runs/"+string(p.Run)+"/undo", nil).code() != "not_undoable" {
			t.Error("a dry run can be undone")
		}
		l.refused(404, "not_found", "POST", "/v1/runs/run_none/undo", nil)

		p, changes := l.undo(run.ID)
		if n := p.Totals; n[crm.Updated] != 2 || n[crm.Stale] != 1 || n[crm.Deleted] != 1 || n[crm.Excluded] != 1 ||
			len(changes) != 5 {
			t.Fatalf("totals %v, changes %+v", p.Totals, changes)
		}
		for _, ch := range changes {
			if ch.Entry == "" || ch.Action == crm.Stale && (ch.Code != "edited_since" || len(ch.Kept) != 1 ||
				ch.Kept[0].Code != "edited_since" || ch.Kept[0].Field != "Title") {
				t.Errorf("change %+v", ch)
			}
		}
		undo := l.applied(p)
		said := func(when string) {
			t.Helper()
			if got := l.held(crm.Right, ra)["MailingCity"]; got != "" || l.held(crm.Left, a)["city"] != "Ghent" {
				t.Errorf("%s: a's city is %q on the right, %v on the left", when, got, l.held(crm.Left, a)["city"])
			}
			if l.held(crm.Right, rb)["MailingCity"] != "Old" || l.held(crm.Left, b)["jobtitle"] != "" ||
				l.held(crm.Left, b)["city"] != "New" || l.held(crm.Right, rb)["Title"] != "Cooper" {
				t.Errorf("%s: b is %v | %v", when, l.held(crm.Left, b), l.held(crm.Right, rb))
			}
			if l.held(crm.Right, rd) != nil || l.held(crm.Left, d) == nil || l.held(crm.Right, re)["MailingCity"] != "" {
				t.Errorf("%s: d's twin is %v, e's %v", when, l.held(crm.Right, rd), l.held(crm.Right, re))
			}
			if v := l.view(crm.Left, a); v.State != crm.StateInSync || !slices.ContainsFunc(v.Settled,
				func(f engine.SettledField) bool { return f.Mapping == "city" && f.Reason == "undone" }) {
				t.Errorf("%s: a is %s, settled %+v", when, v.State, v.Settled)
			}
			if v := l.view(crm.Left, e); v.Code != "unlinked" || l.view(crm.Left, d).Code != "create_undone" {
				t.Errorf("%s: e is %s, d %s", when, v.Code, l.view(crm.Left, d).Code)
			}
			var x engine.Explanation
			l.want(200, "GET", l.record(crm.Left, a)+"/explain", nil).into(&x)
			if !slices.ContainsFunc(x.Fields, func(f engine.FieldVerdict) bool {
				return f.Mapping == "city" && f.Reason == "undone"
			}) {
				t.Errorf("%s: explained as %+v", when, x.Fields)
			}
		}
		said("undone")
		l.pull()
		l.run("POST", l.sync+"/resync", nil)
		said("looked at again")
		if _, st := l.standing(); st.Settled.Reasons["undone"] != 2 {
			t.Errorf("the status counts %v", st.Settled)
		}

		p, changes = l.undo(undo.ID)
		if p.Totals[crm.Updated] != 2 || p.Totals[crm.Linked] != 1 || p.Totals[crm.Stale] != 1 {
			t.Fatalf("totals %v, changes %+v", p.Totals, changes)
		}
		l.applied(p)
		l.pull()
		if l.held(crm.Right, ra)["MailingCity"] != "Ghent" || l.held(crm.Left, b)["jobtitle"] != "Cooper" ||
			l.held(crm.Right, re)["MailingCity"] != "Ghent" || string(l.view(crm.Left, e).Partner) != re ||
			len(l.view(crm.Left, a).Settled) != 0 {
			t.Errorf("restored: %v, %v, %v", l.held(crm.Right, ra), l.held(crm.Left, b), l.held(crm.Right, re))
		}
	})
}

func (l *live) runOf(id crm.RunID) (r engine.Run) {
	l.t.Helper()
	l.want(200, "GET", "/v1/runs/"+string(id), nil).into(&r)
	return r
}

// TestLive_AFieldIsRestored: the history of a field names run, side, settings and
// the value before each write, page by page back to the first; any of these values
// is put back, and the two sides are left so.
func TestLive_AFieldIsRestored(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		a := l.person(crm.Left, "a", "city", "First")
		l.connect()
		l.start()
		ra := l.twin(crm.Right, "a")
		for i := range 3 {
			l.edit(crm.Left, a, "city", fmt.Sprintf("Ghent %d", i))
			l.edit(crm.Left, a, "jobtitle", fmt.Sprintf("Cooper %d", i))
			l.pull()
		}
		at := l.record(crm.Left, a)
		past := each[engine.FieldChange](l, at+"/history?field=city&limit=1")
		var told []string
		for _, c := range past {
			told = append(told, c.Before.Text()+">"+c.After.Text())
			if c.Run == "" || c.Settings == 0 || c.Side != crm.Right || c.Source != crm.Left || c.Mapping != "city" ||
				c.Time.IsZero() || c.Rule == "" {
				t.Errorf("a change is %+v", c)
			}
		}
		if got := strings.Join(told, " "); got != "Ghent 1>Ghent 2 Ghent 0>Ghent 1 First>Ghent 0 >First" {
			t.Fatalf("the history is %s", got)
		}
		if all := each[engine.FieldChange](l, l.record(crm.Right, ra)+"/history"); len(all) <= len(past) {
			t.Errorf("the whole history has %d changes", len(all))
		}
		l.run("POST", at+"/restore", map[string]string{"field": "city", "entry": past[2].Entry})
		l.pull()
		if got := l.held(crm.Right, ra); got["MailingCity"] != "First" || got["Title"] != "Cooper 2" ||
			l.held(crm.Left, a)["city"] != "Ghent 2" {
			t.Errorf("restored: %v", got)
		}
		l.run("POST", at+"/restore", map[string]string{"entry": past[0].Entry}) // all that it wrote
		if got := l.held(crm.Right, ra); got["MailingCity"] != "Ghent 1" || got["Title"] != "Cooper 1" {
			t.Errorf("the record restored: %v", got)
		}
		l.edit(crm.Left, a, "city", "Last")
		l.pull()
		if got := l.held(crm.Right, ra)["MailingCity"]; got != "Last" {
			t.Errorf("an edit after it came to %q", got)
		}
		b := l.person(crm.Left, "b")
		l.refused(404, "record_unknown", "POST", l.record(crm.Left, b)+"/restore", map[string]string{"entry": past[0].Entry})
		l.refused(404, "record_unknown", "GET", l.record(crm.Left, b)+"/history", nil)
		l.pull()
		l.refused(404, "not_found", "POST", l.record(crm.Left, b)+"/restore", map[string]string{"entry": past[0].Entry})
		l.refused(404, "not_found", "POST", at+"/restore", map[string]string{"entry": "log_none"})
		l.refused(400, "unknown_key", "POST", at+"/restore", map[string]string{"entry": past[0].Entry, "field": "none"})
		mail := map[string]string{"entry": past[0].Entry, "field": "email"}
		l.refused(400, "nothing_to_restore", "POST", at+"/restore", mail)
		l.want(200, "POST", l.con+"/pause", nil)
		l.refused(409, "connection_paused", "POST", at+"/restore", map[string]string{"entry": past[0].Entry})
		l.move(91 * 24 * time.Hour)
		l.refused(404, "not_found", "POST", at+"/restore", map[string]string{"entry": past[0].Entry})
		if left := each[engine.FieldChange](l, at+"/history"); len(left) != 0 {
			t.Errorf("the log is over, and the history %+v", left)
		}
	})
}
