package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// TestWhatFollowsFromAnswers: outcome and state of a record by what its apps did to its
// fields: a direction that failed comes first, then what a person has to look at.
func TestWhatFollowsFromAnswers(t *testing.T) {
	t.Parallel()
	refused := fault.New("desk: write", fault.Invalid, "rejected", "no")
	kept := crm.Difference{Reason: crm.ReasonChangedByApp, Note: reconcile.NoteKept}
	lacks := crm.Difference{Reason: crm.ReasonUnknownOwner}
	no := crm.Difference{Reason: crm.ReasonRefused, Code: "too_long"}
	settled := func(of map[crm.MappingID]crm.Difference) crm.Base {
		base := crm.Base{}
		for id, d := range of {
			base[id] = crm.Agreed{Settled: &d}
		}
		return base
	}
	var out strings.Builder
	for _, c := range []struct {
		name   string
		base   map[crm.MappingID]crm.Difference
		change func(u *unit)
	}{
		{"nothing", nil, func(*unit) {}},
		{"kept", map[crm.MappingID]crm.Difference{"city": kept}, func(*unit) {}},
		{"kept just now", map[crm.MappingID]crm.Difference{"city": kept}, func(u *unit) {
			u.stored = []reconcile.Stored{{Mapping: "city", Kept: true}, {Mapping: "tags"}}
		}},
		{"changed by the app", map[crm.MappingID]crm.Difference{"city": {Reason: crm.ReasonChangedByApp}}, func(u *unit) {
			u.stored = []reconcile.Stored{{Mapping: "city"}}
		}},
		{"refused", map[crm.MappingID]crm.Difference{"city": no}, func(*unit) {}},
		{"unfit", nil, func(u *unit) { u.decision.Fields = []reconcile.FieldDecision{{Rule: reconcile.RuleFailed}} }},
		{"lacking", map[crm.MappingID]crm.Difference{"tags": lacks}, func(*unit) {}},
		{"lacking, of a code", map[crm.MappingID]crm.Difference{"tags": lacks}, func(u *unit) { u.decision.Code = "code" }},
		{"kept and refused", map[crm.MappingID]crm.Difference{"city": kept, "tags": no}, func(*unit) {}},
		{"refused and lacking", map[crm.MappingID]crm.Difference{"city": lacks, "tags": no}, func(*unit) {}},
		{"a person is asked already", map[crm.MappingID]crm.Difference{"city": no}, func(u *unit) {
			u.decision.State, u.decision.Code = crm.StateConflict, reconcile.CodeConflict
		}},
		{"of another conflict", map[crm.MappingID]crm.Difference{"city": no}, func(u *unit) {
			u.decision.State, u.decision.Code = crm.StateConflict, reconcile.CodeChangedByApp
		}},
		{"the left failed", map[crm.MappingID]crm.Difference{"city": no}, func(u *unit) { u.failures.Left = refused }},
		{"the right failed", nil, func(u *unit) { u.failures.Right = refused }},
	} {
		for _, changed := range []bool{false, true} {
			d := newDesk(t)
			u := d.newcomer(crm.Left, bobLeft, "bob@example.com")
			u.decision.Outcome, u.decision.State, u.decision.Base = crm.Updated, crm.StateInSync, settled(c.base)
			if changed {
				u.written.Right = &connector.Written{ID: bobRight}
			}
			c.change(u)
			d.s.sumUp(u)
			p := &u.decision
			fmt.Fprintf(&out, "%s, changed %t: %s %s %q %q; came by %s\n", c.name, changed, p.Outcome, p.State, p.Code, p.Detail,
				d.met())
		}
	}
	for _, c := range []struct {
		name   string
		change func(u *unit)
	}{
		{"a deletion that was carried out", func(*unit) {}},
		{"a deletion that failed", func(u *unit) { u.failures.Right = refused }},
		{"a deletion that failed on its own side", func(u *unit) { u.failures.Left = refused }},
		{"a deletion whose tag was refused", func(u *unit) {
			u.refused.Right = []refusedField{{mapping: "tags", field: "Tags", code: "too_long"}}
		}},
	} {
		d := newDesk(t)
		u := d.linked(d.newcomer(crm.Left, bobLeft, "bob@example.com"), d.known())
		u.decision.Outcome, u.decision.State = crm.Deleted, crm.StateDeleted
		c.change(u)
		d.s.judge(u)
		fmt.Fprintf(&out, "%s: %s %s %q %q; came by %s\n", c.name, u.decision.Outcome, u.decision.State, u.decision.Code,
			u.decision.Detail, d.met())
	}
	written.Check(t, "desk/judged.txt", out.String())
}

// TestWhatFailsForGood: a record that failed for a reason that another try cannot change
// is tried once.
func TestWhatFailsForGood(t *testing.T) {
	t.Parallel()
	final := map[fault.Kind]bool{
		fault.Invalid: true, fault.Unsupported: true, fault.Denied: true, fault.Conflict: false, fault.Other: false,
		fault.NotFound: false, fault.Throttled: false, fault.Unavailable: false,
	}
	check := func(name string, want bool, change func(u *unit)) {
		t.Helper()
		u := &unit{}
		u.decision.State = crm.StateFailing
		change(u)
		if u.final() != want {
			t.Errorf("%s: final %t", name, u.final())
		}
		if u.decision.State = crm.StateInSync; u.final() {
			t.Errorf("%s, and it is in sync all the same: final", name)
		}
	}
	for kind, want := range final {
		err := fault.New("desk", kind, "odd", "odd")
		check(kind.String(), want, func(u *unit) { u.fate.err = err })
		check(kind.String()+", left", want, func(u *unit) { u.failures.Left = err })
		check(kind.String()+", right", want, func(u *unit) { u.failures.Right = err })
	}
	check("nothing failed", false, func(*unit) {})
	check("idle", true, func(u *unit) { u.idle = true })
	check("there is one", true, func(u *unit) { u.failures.Left = fault.New("desk", fault.Conflict, codeExists, "") })
	check("a rule of theirs", true, func(u *unit) {
		u.failures.Right = fault.New("desk", fault.Conflict, codeDuplicateRule, "")
	})
}

// TestWhatHoldsFromNowOnIsNotedAlone: what differs is remembered of a pair, and nothing
// else of it; where that could not be found out, what was agreed stays.
func TestWhatHoldsFromNowOnIsNotedAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	noted := crm.Base{"city": crm.Agreed{Settled: &crm.Difference{Reason: crm.ReasonFromNowOn}}}
	for name, base := range map[string]crm.Base{"noted": noted, "not found out": nil} {
		u := d.linked(d.newcomer(crm.Left, bobLeft, "bob@example.com"), d.known())
		u.link.Since = d.now.Add(-time.Hour)
		u.decision = reconcile.Decision{Outcome: crm.Unchanged, State: crm.StateConflict, Code: "of another day", Base: base}
		b := &books{s: d.s}
		b.rememberLater(u)
		if base == nil {
			if len(b.links) > 0 {
				t.Errorf("%s: what was agreed is replaced by %s", name, b.links[0].Item.Data)
			}
			continue
		}
		if len(b.links) != 1 {
			t.Fatalf("%s: %d links are stored", name, len(b.links))
		}
		l, err := decodeLink(b.links[0].Item)
		d.must(err)
		want := d.known()
		want.Since, want.Base = u.link.Since, base
		if !sameLink(l, want) {
			t.Errorf("%s: %s", name, compact(l))
		}
	}
}

// TestAFreeConflictIsTriedAtOnce: who only met somebody at work on the same thing does not
// wait, a few times; then it waits like any other.
func TestAFreeConflictIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	met := fault.New("desk", fault.Conflict, "moving", "somebody was faster")
	for i := range freeConflicts + 1 {
		busy := d.backOff(t.Context(), d.sc, met, false)
		left, failing := d.Backoff()
		some, whole := d.backsOff(d.sc)
		if free := i < freeConflicts; busy != free || some == free || whole || !failing || (left == 0) != free {
			t.Errorf("after %d conflicts: again at once %t, waits %t, %t, %s", i+1, busy, some, whole, left)
		}
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	other := scope{"ws", "con", "other"}
	if d.backOff(ended, other, met, false) {
		t.Error("our own end is taken for the sync's trouble")
	}
	if _, known := d.backoffs.get(other); known {
		t.Error("a sync waits because of our own end")
	}
}

// TestFrozenFieldsAreListed: since when, as far as that is known.
func TestFrozenFieldsAreListed(t *testing.T) {
	t.Parallel()
	l := &loop{Frozen: []crm.MappingID{"a", "b"}, Since: map[crm.MappingID]int64{"a": 1}}
	got := l.fields()
	if len(got) != 2 || got[0].Mapping != "a" || !got[0].Since.Equal(time.Unix(1, 0)) || got[1].Mapping != "b" ||
		!got[1].Since.IsZero() || got[1].Code != reconcile.CodeLoop || got[1].Remedy == "" {
		t.Errorf("%+v", got)
	}
	l.release(func(id crm.MappingID) bool { return id == "a" })
	if len(l.fields()) != 1 || len(l.Since) != 0 || (*loop)(nil).fields() != nil {
		t.Errorf("what was let go is listed: %+v", l.fields())
	}
}

// TestAListingThatCannotBeReadIsSaid: nobody of a page of it is taken for not listed.
func TestAListingThatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		d := newDesk(t)
		r := &storedRun{V: 1, Phase: phaseSendLeft, Salt: "salt", Run: Run{ID: "run", Kind: RunResync, Connection: d.sc.con}}
		page := (&seenRecord{id: "l_1", keys: []uint64{1}}).append(nil)
		d.put(d.sc.seenPage("run", side, 1), page[:len(page)-1], nil)
		d.put(d.sc.seenPage("run", side.Other(), 1), page, nil)
		if err := d.s.stepSend(t.Context(), r); !errors.Is(err, errSeenPage) || len(r.Rest) > 0 || r.Phase != phaseSendLeft {
			t.Errorf("sent, of the %s: %v, %d", side, err, len(r.Rest))
		}
		if _, err := d.s.loadSeen(t.Context(), r, side); !errors.Is(err, errSeenPage) {
			t.Errorf("missing, of the %s: %v", side, err)
		}
		r.Phase, r.Position = phaseMissing, map[crm.Side]string{crm.Left: "", crm.Right: onTheRight}[side]
		if err := d.s.stepMissing(t.Context(), r); !errors.Is(err, errSeenPage) || r.Phase != phaseMissing {
			t.Errorf("missing, of the %s: %v, then %s", side, err, r.Phase)
		}
	}
	old := newDesk(t) // the release before kept eight bytes of each
	r := &storedRun{V: 1, Run: Run{ID: "run"}}
	listed := []crm.Record{{ID: "a"}, {ID: "b"}, {ID: "c", Deleted: true}}
	if _, err := old.s.saveSeen(t.Context(), r, crm.Left, listed); err != nil {
		t.Fatal(err)
	}
	seen, err := old.s.loadSeen(t.Context(), r, crm.Left)
	want := []uint64{hash64("a"), hash64("b")}
	slices.Sort(want)
	if err != nil || !slices.Equal(seen, want) {
		t.Errorf("of a run of the release before: %v, %v", seen, err)
	}
}
