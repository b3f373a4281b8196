package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// undoPlan plans to take a run back, and waits for the plan.
func (b bed) undoPlan(run crm.RunID) (engine.PlanView, []engine.Change) {
	b.t.Helper()
	ctx := b.t.Context()
	p, err := b.Engine.UndoRun(ctx, testbed.Workspace, run)
	b.must(err)
	b.drainPlan(p.ID)
	p, err = b.Engine.GetPlan(ctx, testbed.Workspace, p.ID)
	b.must(err)
	var out []engine.Change
	for cursor := ""; ; {
		changes, next, err := b.Engine.PlanChanges(ctx, testbed.Workspace, p.ID, 50, cursor)
		b.must(err)
		out = append(out, changes...)
		if cursor = next; cursor == "" {
			return p, out
		}
	}
}

// apply carries a plan out.
func (b bed) apply(id crm.PlanID) engine.Run {
	b.t.Helper()
	return b.finished(b.Engine.ApplyPlan(b.t.Context(), testbed.Workspace, id))
}

// pulled pulls and returns the run that did.
func (b bed) pulled() engine.Run {
	b.t.Helper()
	b.Move(5 * time.Minute)
	b.pull()
	runs, _, err := b.Engine.ListRuns(b.t.Context(), testbed.Workspace, testbed.Connection, 10, "")
	b.must(err)
	for _, r := range runs {
		if r.Kind == engine.RunPull {
			return r
		}
	}
	b.t.Fatal("nothing was pulled")
	return engine.Run{}
}

// undone reports whether a pair's field is left apart because of an undo.
func (b bed) undone(hub string, field crm.MappingID) bool {
	b.t.Helper()
	for _, f := range b.record(crm.Left, hub).Settled {
		if f.Mapping == field && f.Reason == crm.ReasonUndone {
			return true
		}
	}
	return false
}

// TestUndo_ARunIsTakenBackAndTheUndoToo: what a pull wrote goes back to what it
// was, and stays apart, however often it is looked at; what was edited since is
// kept and listed; the undo of the undo restores.
func TestUndo_ARunIsTakenBackAndTheUndoToo(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	pairs := b.pairs()[:4]
	before := b.values(1, "MailingCity")
	for i, p := range pairs {
		b.editHub(p[0], "city", fmt.Sprintf("Ghent %d", i))
	}
	run := b.pulled()
	b.must(b.Engine.UndoUntil(t.Context(), testbed.Workspace, &run))
	if !run.UndoUntil.Equal(run.CreatedAt.AddDate(0, 0, 90)) {
		t.Errorf("it can be undone until %s", run.UndoUntil)
	}
	b.editForce(pairs[3][1], "MailingCity", "Bruges") // newer than the run
	plan, changes := b.undoPlan(run.ID)
	if plan.Kind != "undo" || plan.Undoes != run.ID || plan.Totals[crm.Updated] != 3 || plan.Totals[crm.Stale] != 1 ||
		len(changes) != 4 {
		t.Fatalf("the plan %+v lists %+v", plan, changes)
	}
	for _, c := range changes {
		switch {
		case c.Action == crm.Updated && len(c.Diffs) == 1 && c.Diffs[0].Side == crm.Right && c.Diffs[0].Rule == "undone":
		case c.Action == crm.Stale && c.Code == "edited_since" && c.Digest == "" && len(c.Kept) == 1 &&
			c.Kept[0].Field == "MailingCity" && c.Kept[0].Reason != "":
		default:
			t.Errorf("the plan lists %+v", c)
		}
	}
	undo := b.apply(plan.ID)
	if undo.Outcomes[crm.Updated] != 3 {
		t.Errorf("the undo came to %v", undo.Outcomes)
	}
	look := func(when string, right string) {
		t.Helper()
		for i, p := range pairs[:3] {
			want := right
			if want == "" {
				want = before[p[1]]
			}
			if want == "new" {
				want = fmt.Sprintf("Ghent %d", i)
			}
			if hub, force := b.get("contacts", p[0])["city"], b.get("Contact", p[1])["MailingCity"]; force != want ||
				hub != fmt.Sprintf("Ghent %d", i) {
				t.Errorf("%s: %s | %s, want %s on the right", when, hub, force, want)
			}
			if b.undone(p[0], "city") != (right == "") {
				t.Errorf("%s: settled: %+v", when, b.record(crm.Left, p[0]).Settled)
			}
		}
	}
	look("undone", "")
	for range 2 {
		b.Move(5 * time.Minute)
		b.pull()
	}
	b.finished(b.Engine.StartRun(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync))
	look("looked at again", "")
	if got := b.get("contacts", pairs[3][0])["city"]; got != "Bruges" {
		t.Errorf("what was edited since did not travel: %s", got)
	}
	again, changes := b.undoPlan(undo.ID)
	if again.Totals[crm.Updated] != 3 || len(changes) != 3 {
		t.Fatalf("the undo of the undo %+v lists %+v", again, changes)
	}
	b.apply(again.ID)
	look("restored", "new")
	b.Move(5 * time.Minute)
	b.pull()
	look("restored and looked at", "new")
	// Until somebody edits one of the two.
	b.apply(func() crm.PlanID { p, _ := b.undoPlan(run.ID); return p.ID }())
	look("undone once more", "")
	b.editHub(pairs[0][0], "city", "Liege")
	b.Move(5 * time.Minute)
	b.pull()
	if got := b.get("Contact", pairs[0][1])["MailingCity"]; got != "Liege" || b.undone(pairs[0][0], "city") {
		t.Errorf("an edit after the undo came to %q", got)
	}
}

// TestUndo_AnEditUnderWayIsNewer: where the source was edited again and that has
// yet to travel, the undo leaves the field to it.
func TestUndo_AnEditUnderWayIsNewer(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	p := b.pairs()[0]
	b.editHub(p[0], "city", "Ghent")
	run := b.pulled()
	plan, _ := b.undoPlan(run.ID)
	b.editHub(p[0], "city", "Liege")
	b.editHub(p[0], "jobtitle", "Cooper")
	got := b.apply(plan.ID)
	if got.Outcomes[crm.Stale] != 1 {
		t.Errorf("the undo came to %v", got.Outcomes)
	}
	b.Move(5 * time.Minute)
	b.pull()
	if r := b.get("Contact", p[1]); r["MailingCity"] != "Liege" || r["Title"] != "Cooper" {
		t.Errorf("the edit came to %v", r)
	}
	// An edit of another field is no reason to leave this one, and is not lost.
	b.editHub(p[0], "city", "Namur")
	run = b.pulled()
	plan, _ = b.undoPlan(run.ID)
	b.editHub(p[0], "jobtitle", "Weaver")
	b.apply(plan.ID)
	b.Move(5 * time.Minute)
	b.pull()
	if r := b.get("Contact", p[1]); r["MailingCity"] != "Liege" || r["Title"] != "Weaver" || !b.undone(p[0], "city") {
		t.Errorf("the undo came to %v", r)
	}
}

// TestUndo_CreatesAndLinks: whom a run made is archived unless somebody was at it
// since, and is not made again; whom it joined is apart again, and stays so.
func TestUndo_CreatesAndLinks(t *testing.T) {
	t.Parallel()
	b := newBed(t, 10, nil)
	b.start()
	first := b.newPerson("contacts", map[string]string{"email": "una@example.com", "lastname": "Una", "city": "Ghent"})
	second := b.newPerson("contacts", map[string]string{"email": "duo@example.com", "lastname": "Duo"})
	left := b.newPerson("contacts", map[string]string{"email": "both@example.com", "lastname": "Both", "city": "Ghent"})
	right := b.newPerson("Contact", map[string]string{"Email": "both@example.com", "LastName": "Both"})
	run := b.pulled()
	made, touched := b.record(crm.Left, first).Partner, b.record(crm.Left, second).Partner
	if made == "" || touched == "" || string(b.record(crm.Left, left).Partner) != right ||
		b.get("Contact", right)["MailingCity"] != "Ghent" {
		t.Fatal("the pull did not make or join them")
	}
	b.Move(time.Hour)
	b.editForce(string(touched), "Department", "Sales") // of no mapping
	plan, changes := b.undoPlan(run.ID)
	if plan.Totals[crm.Deleted] != 1 || plan.Totals[crm.Stale] != 1 || plan.Totals[crm.Excluded] != 1 {
		t.Fatalf("the plan %+v lists %+v", plan.Totals, changes)
	}
	undo := b.apply(plan.ID)
	check := func(when string) {
		t.Helper()
		if b.get("Contact", string(made)) != nil || b.get("Contact", string(touched)) == nil {
			t.Errorf("%s: not the untouched one was archived", when)
		}
		if v := b.record(crm.Left, first); v.State != crm.StateDeleted || v.Code != "create_undone" {
			t.Errorf("%s: its source is %s %s", when, v.State, v.Code)
		}
		if v := b.record(crm.Left, left); v.State != crm.StateExcluded || v.Code != "unlinked" || v.Partner != "" ||
			b.get("Contact", right)["MailingCity"] != "" {
			t.Errorf("%s: whom the run joined: %+v, %v", when, v, b.get("Contact", right))
		}
	}
	check("undone")
	b.editHub(first, "city", "Liege")
	b.editHub(left, "city", "Liege")
	for range 2 {
		b.Move(5 * time.Minute)
		b.pull()
	}
	b.finished(b.Engine.StartRun(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync))
	check("looked at again")
	b.editHub(left, "city", "Ghent")
	again, changes := b.undoPlan(undo.ID)
	if again.Totals[crm.Linked] != 1 || again.Totals[crm.Stale] != 1 {
		t.Fatalf("the undo of the undo %+v lists %+v", again.Totals, changes)
	}
	b.apply(again.ID)
	b.Move(5 * time.Minute)
	b.pull()
	if string(b.record(crm.Left, left).Partner) != right || b.get("Contact", right)["MailingCity"] != "Ghent" ||
		len(b.live("Contact")) == 0 {
		t.Errorf("the undo of the undo came to %+v, %v", b.record(crm.Left, left), b.get("Contact", right))
	}
}

// TestUndo_WhatCannotBeUndoneSaysSo: an open run, a run of no kind that writes, one
// that the log does not hold any more, one of another account, none at all.
func TestUndo_WhatCannotBeUndoneSaysSo(t *testing.T) {
	t.Parallel()
	b, ctx := newBed(t, 10, nil), t.Context()
	want := func(id crm.RunID, kind fault.Kind, code string) {
		t.Helper()
		_, err := b.Engine.UndoRun(ctx, testbed.Workspace, id)
		if !fault.Is(err, kind) || fault.CodeOf(err) != code && code != "" {
			t.Errorf("the undo of %s: %v, want %s", id, err, code)
		}
	}
	runs, err := b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection)
	b.must(err)
	want(runs[0].ID, fault.Conflict, "run_not_over")
	b.drain()
	want("run_none", fault.NotFound, "")
	p, err := b.Engine.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	b.must(err)
	b.drainPlan(p.ID)
	want(p.Run, fault.Invalid, "not_undoable")
	b.Move(91 * 24 * time.Hour)
	_, err = b.Engine.UndoRun(ctx, testbed.Workspace, runs[0].ID)
	if err == nil {
		t.Error("a run of long ago can be undone")
	}
}

// TestUndo_OneFieldIsRestored: a field goes back to what it held before any entry
// of its history, which names run, side, settings and the value before.
func TestUndo_OneFieldIsRestored(t *testing.T) {
	t.Parallel()
	b, ctx := newBed(t, 20, nil), t.Context()
	b.start()
	p := b.pairs()[0]
	old := b.get("Contact", p[1])["MailingCity"]
	for i := range 12 { // more than a link names
		b.editHub(p[0], "city", fmt.Sprintf("Ghent %d", i))
		b.pulled()
	}
	list := func() (out []engine.FieldChange) {
		for cursor := ""; ; {
			got, next, err := b.Engine.FieldHistory(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
				crm.RecordID(p[0]), []crm.MappingID{"city"}, 5, cursor)
			b.must(err)
			out = append(out, got...)
			if cursor = next; cursor == "" {
				return out
			}
		}
	}
	got := list()
	if len(got) < 12 || got[0].After.Text() != "Ghent 11" || got[0].Before.Text() != "Ghent 10" ||
		got[0].Side != crm.Right || got[0].Source != crm.Left || got[0].Run == "" || got[0].Settings == 0 ||
		got[11].After.Text() != "Ghent 0" || got[11].Before.Text() != old {
		t.Fatalf("the history of %d is %+v", len(got), got)
	}
	restore := func(entry string, fields ...crm.MappingID) (engine.Run, error) {
		return b.Engine.RestoreRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
			crm.RecordID(p[0]), fields, entry)
	}
	b.finished(restore(got[5].Entry, "city"))
	want := got[5].Before.Text()
	for range 2 {
		if hub, force := b.get("contacts", p[0])["city"], b.get("Contact", p[1])["MailingCity"]; force != want ||
			hub != "Ghent 11" || !b.undone(p[0], "city") {
			t.Errorf("restored: %s | %s, want %s", hub, force, want)
		}
		b.Move(5 * time.Minute)
		b.pull()
	}
	if h := list(); len(h) != len(got)+1 || h[0].Rule != "undone" || h[0].After.Text() != want {
		t.Errorf("the history begins with %+v", h[0])
	}
	b.finished(restore(got[11].Entry))
	if force := b.get("Contact", p[1])["MailingCity"]; force != old {
		t.Errorf("restored from the first entry: %q, want %q", force, old)
	}
	if _, err := restore(got[0].Entry, "title"); fault.CodeOf(err) != "nothing_to_restore" {
		t.Errorf("a field that the entry did not write: %v", err)
	}
	if _, err := restore("log_none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an entry that is not there: %v", err)
	}
}
