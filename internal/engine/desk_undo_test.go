package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// wroteCity is what the log tells of a run that wrote Bob's city on the right.
func wroteCity(before, after string) Diff {
	return Diff{
		Mapping: "city", Side: crm.Right, Field: "City", Before: crm.TextValue(before), After: crm.TextValue(after),
		Rule: string(reconcile.RuleLeftChanged),
	}
}

// takesBack is Bob's pair, whose change by a run is to be taken back.
func (d *desk) takesBack(entries ...Entry) *unit {
	u := d.linked(d.newcomer(crm.Left, bobLeft, "bob@example.com"), d.known())
	u.hint.Undo, u.hint.Entry, u.hint.Force = "run", today+"0", true
	for i := range entries {
		e := &entries[i]
		e.Run, e.Time = "run", d.now.Add(time.Duration(i-10)*time.Minute)
		if e.Side == "" {
			e.Side, e.Record, e.Partner = crm.Left, bobLeft, bobRight
		}
	}
	u.back = &takeBack{entries: entries}
	return u
}

// TestWhatIsTakenBack: what becomes of a record whose change by a run is to be taken back,
// by what was told of it and what it is by now; what cannot be taken back says why.
func TestWhatIsTakenBack(t *testing.T) {
	t.Parallel()
	update := Entry{Outcome: crm.Updated, Diffs: []Diff{wroteCity("Oslo", "Rome")}}
	created := Entry{Outcome: crm.Created, Diffs: []Diff{wroteCity("", "Rome")}}
	with := func(e Entry, change func(e *Entry)) Entry {
		e.Diffs = slices.Clone(e.Diffs)
		change(&e)
		return e
	}
	var out strings.Builder
	for _, c := range []struct {
		name    string
		entries []Entry
		change  func(d *desk, u *unit)
	}{
		{"nothing in the log", nil, func(*desk, *unit) {}},
		{"an update", []Entry{update}, func(*desk, *unit) {}},
		{"an update that stands for no other", []Entry{update}, func(_ *desk, u *unit) { u.back.second = true }},
		{"two updates of a field", []Entry{
			with(update, func(e *Entry) { e.Diffs[0] = wroteCity("Lund", "Oslo") }), update,
		}, func(*desk, *unit) {}},
		{"an update that was edited since", []Entry{update}, func(d *desk, u *unit) {
			u.rec.Right = d.person(crm.Right, bobRight, "Bergen", "bob@example.com")
		}},
		{"an update of what the app made something else of", []Entry{with(update, func(e *Entry) {
			e.Diffs = append(e.Diffs, Diff{
				Mapping: "city", Side: crm.Right, Field: "City", After: crm.TextValue("ROME"), Rule: ruleChangedByApp,
			})
		})}, func(d *desk, u *unit) { u.rec.Right = d.person(crm.Right, bobRight, "ROME", "bob@example.com") }},
		{"an update that is taken back already", []Entry{update}, func(d *desk, u *unit) {
			u.rec.Right = d.person(crm.Right, bobRight, "Oslo", "bob@example.com")
		}},
		{"a stamp, an action and the twin's ID", []Entry{with(update, func(e *Entry) {
			e.Diffs = []Diff{
				{Side: crm.Right, Field: "Stamp", After: crm.TextValue("x"), Rule: string(reconcile.RuleStamp)},
				{Side: crm.Right, Field: "Act", After: crm.TextValue("x"), Rule: "act"},
				{Side: crm.Right, Field: "Twin", After: crm.TextValue("x"), Rule: string(reconcile.RuleWriteBack)},
			}
		})}, func(*desk, *unit) {}},
		{"what nobody is shown", []Entry{with(update, func(e *Entry) {
			e.Diffs[0].Before = crm.TextValue(notShown)
		})}, func(*desk, *unit) {}},
		{"what nobody is shown any more", []Entry{with(update, func(e *Entry) {
			e.Diffs[0].After = crm.TextValue(notShown)
		})}, func(*desk, *unit) {}},
		{"of a mapping that is no more", []Entry{with(update, func(e *Entry) { e.Diffs[0].Mapping = "gone" })}, nil},
		{"a merge", []Entry{with(update, func(e *Entry) { e.Code = codeMergeFollowed })}, nil},
		{"a merge that left a twin", []Entry{with(update, func(e *Entry) { e.Code = codeMergedTwin })}, nil},
		{"a deletion", []Entry{with(update, func(e *Entry) { e.Outcome = crm.Deleted })}, nil},
		{"of a record that was merged since", []Entry{update}, func(_ *desk, u *unit) { u.hint.ID = "l_before" }},
		{"of a record that is gone", []Entry{update}, func(_ *desk, u *unit) { u.rec.Left = nil }},
		{"of a twin that is gone", []Entry{update}, func(_ *desk, u *unit) { u.rec.Right = nil }},
		{"of another pair", []Entry{with(update, func(e *Entry) {
			e.Side, e.Record, e.Partner = crm.Left, bobLeft, "r_before"
		})}, nil},
		{"of a pair that was told without its twin", []Entry{with(update, func(e *Entry) {
			e.Side, e.Record = crm.Left, bobLeft
		})}, nil},
		{"of a pair that ended", []Entry{update}, func(_ *desk, u *unit) {
			u.link.State, u.rec.Right = crm.StateDeleted, nil
		}},
		{"of a pair that was taken apart", []Entry{update}, func(_ *desk, u *unit) { u.link = &link{Left: bobLeft} }},
		{"a pair that the run made", []Entry{with(update, func(e *Entry) { e.Outcome = crm.Linked })}, func(_ *desk, u *unit) {
			u.link.By = "run"
		}},
		{
			"a parting",
			[]Entry{with(update, func(e *Entry) { e.Code, e.Outcome = codeUnlinked, crm.Excluded })},
			func(_ *desk, u *unit) {
				u.link, u.hint.Op, u.hint.Partner = &link{Left: bobLeft, State: crm.StateExcluded}, opLink, bobRight
			},
		},
		{
			"a parting whose twin is gone",
			[]Entry{with(update, func(e *Entry) { e.Code = codeUnlinked })},
			func(_ *desk, u *unit) {
				u.link, u.hint.Op, u.hint.Partner = &link{Left: bobLeft, State: crm.StateExcluded}, opLink, bobRight
				u.rec.Right = nil
			},
		},
		{"a record that was made", []Entry{created}, func(*desk, *unit) {}},
		{"a record that was made, and cannot be archived", []Entry{created}, func(d *desk, _ *unit) {
			d.s.ends[1].app.Abilities = nil
		}},
		{"a record that was made, and touched since", []Entry{created}, func(_ *desk, u *unit) { u.back.touched = true }},
		{"a record that was made, and is gone", []Entry{created}, func(_ *desk, u *unit) { u.rec.Right = nil }},
		{"a record that was made, and was archived", []Entry{created}, func(_ *desk, u *unit) {
			u.rec.Right, u.link.State, u.link.Code = nil, crm.StateDeleted, codeCreateUndone
		}},
		{"a record that was made, and was deleted", []Entry{created}, func(_ *desk, u *unit) {
			u.rec.Right, u.link.State, u.link.Code = nil, crm.StateDeleted, "deleted_on_right"
		}},
		{"a record that was made on this side", []Entry{with(created, func(e *Entry) {
			e.Side, e.Record, e.Partner = crm.Right, bobRight, bobLeft
		})}, func(*desk, *unit) {}},
		{"restored", []Entry{update}, func(d *desk, u *unit) {
			u.hint.Undo, u.hint.Op = "", opRestore
			u.rec.Right = d.person(crm.Right, bobRight, "Bergen", "bob@example.com")
		}},
		{"one field restored", []Entry{with(update, func(e *Entry) {
			e.Diffs = append(e.Diffs, Diff{
				Mapping: "tags", Side: crm.Right, Field: "Tags", Before: crm.ListValue("a"), After: crm.ListValue(), Rule: "x",
			})
		})}, func(_ *desk, u *unit) {
			u.hint.Undo, u.hint.Op, u.hint.Fields = "", opRestore, []crm.MappingID{"tags"}
		}},
		{"a record that was made is restored", []Entry{created}, func(_ *desk, u *unit) {
			u.hint.Undo, u.hint.Op = "", opRestore
		}},
	} {
		d := newDesk(t)
		d.s.ends[0].app.Abilities = []crm.Ability{crm.AbilityArchive}
		d.s.ends[1].app.Abilities = []crm.Ability{crm.AbilityArchive}
		u := d.takesBack(slices.Clone(c.entries)...)
		if c.change != nil {
			c.change(d, u)
		}
		d.s.decide([]*unit{u})
		b := u.back
		fmt.Fprintf(&out, "# %s\n%s; wants %t, ends %t, joins %t, buries %q; kept %s; came by %s\n", c.name, u.fullVerdict(),
			b.wants(), b.ends, b.joins, b.buries, compact(b.kept), d.met())
		for _, x := range b.targets {
			fmt.Fprintf(&out, "  %s %s is to be %q\n", x.Side, x.Field, x.Value.Text())
		}
		if b.buries != "" {
			u.fail(b.buries, fault.New("desk", fault.Denied, codePermission, "you may not"))
			u.judgeBurial()
			fmt.Fprintf(&out, "  and refused: %s %s %q %q\n", u.decision.Outcome, u.decision.State, u.decision.Code,
				u.decision.Detail)
		}
	}
	written.Check(t, "desk/undone.txt", out.String())
}

// TestWhoWasAtARecordThatARunMade: it is archived only if nobody was.
func TestWhoWasAtARecordThatARunMade(t *testing.T) {
	t.Parallel()
	created := Entry{Outcome: crm.Created, Diffs: []Diff{wroteCity("", "Rome")}}
	later := func(rule string) func(d *desk, u *unit) {
		return func(d *desk, u *unit) {
			diff := wroteCity("Rome", "Oslo")
			diff.Rule = rule
			u.back.later = []Entry{{Time: d.now, Outcome: crm.Updated, Diffs: []Diff{diff}}}
			u.rec.Right.ModifiedAt = d.now.Add(ourGrace)
		}
	}
	for name, c := range map[string]struct {
		change func(d *desk, u *unit)
		want   bool
	}{
		"nobody":              {func(*desk, *unit) {}, false},
		"of an update":        {func(_ *desk, u *unit) { u.back.entries[0].Outcome = crm.Updated }, false},
		"it is gone":          {func(_ *desk, u *unit) { u.rec.Right = nil }, false},
		"it is no pair":       {func(_ *desk, u *unit) { u.link = &link{Left: bobLeft} }, false},
		"its city was edited": {func(_ *desk, u *unit) { u.rec.Right.Fields["City"] = crm.TextValue("Oslo") }, true},
		"a field that it was not made with was edited": {func(_ *desk, u *unit) {
			u.back.entries[0].Diffs, u.rec.Right.Fields["City"] = nil, crm.TextValue("Oslo")
		}, true},
		"a list was, of which nobody can tell": {func(_ *desk, u *unit) {
			u.rec.Right.Fields["Tags"] = crm.ListValue("a")
		}, false},
		"an edit traveled":            {later("x"), true},
		"we wrote back the twin's ID": {later(string(reconcile.RuleWriteBack)), false},
		"modified with our write": {func(_ *desk, u *unit) {
			u.rec.Right.ModifiedAt = u.back.entries[0].Time.Add(ourGrace)
		}, false},
		"modified after our write": {func(_ *desk, u *unit) {
			u.rec.Right.ModifiedAt = u.back.entries[0].Time.Add(ourGrace + 1)
		}, true},
		"modified by us": {func(d *desk, u *unit) {
			u.rec.Right.ModifiedAt, u.rec.Right.ModifiedBy = d.now, ourUser
		}, false},
		"modified by somebody": {func(d *desk, u *unit) {
			u.rec.Right.ModifiedAt, u.rec.Right.ModifiedBy = d.now, "somebody"
		}, true},
	} {
		d := newDesk(t)
		d.apps[1].self = func(context.Context) (string, error) { return ourUser, d.fails("right who we are") }
		u := d.takesBack(created)
		c.change(d, u)
		if got, err := d.s.touched(t.Context(), u); err != nil || got != c.want {
			t.Errorf("%s: touched %t, %v", name, got, err)
		}
		if strings.HasPrefix(name, "modified by") {
			d.selves.drop(recoverAcc)
			d.asked, d.at = nil, 0
			if _, err := d.s.touched(t.Context(), u); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s, and the app does not say who we are: %v", name, err)
			}
		}
	}
}
