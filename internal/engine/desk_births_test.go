package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// newcomer is a unit whose record has no twin that anybody found.
func (d *desk) newcomer(side crm.Side, id crm.RecordID, mail string) *unit {
	u := &unit{side: side, id: id, hint: hint{ID: id}, jobs: []*job{{chunk: &chunk{Kind: RunPull}}}}
	u.rec.Set(side, d.person(side, id, "Rome", mail))
	u.keys = d.s.set.IdentityKeys(side, u.own())
	u.match = reconcile.Match{Kind: reconcile.MatchNone}
	return u
}

// meets lets a unit have found its twin.
func (d *desk) meets(u *unit, twin crm.RecordID, mail string) *unit {
	r := d.person(u.side.Other(), twin, "Rome", mail)
	u.rec.Set(u.side.Other(), r)
	u.match = reconcile.Match{Kind: reconcile.MatchFound, Record: r}
	return u
}

// linked is a unit whose record has a twin for long.
func (d *desk) linked(u *unit, l *link) *unit {
	u.link = l
	if l.paired() {
		u.rec.Set(u.side.Other(), d.person(u.side.Other(), l.id(u.side.Other()), "Rome", "bob@example.com"))
	}
	return u
}

// verdictsOn are what is decided about units that are worked together.
var verdictsOn = []struct {
	name string
	lay  func(d *desk) []*unit
}{
	{"one of each side, and one without a key", func(d *desk) []*unit {
		return []*unit{
			d.newcomer(crm.Left, annLeft, "ann@example.com"), d.newcomer(crm.Right, bobRight, "bob@example.com"),
			d.newcomer(crm.Left, "l_nobody", ""),
		}
	}},
	{"two of one side alike", func(d *desk) []*unit {
		return []*unit{
			d.newcomer(crm.Left, annLeft, "ann@example.com"), d.newcomer(crm.Left, bobLeft, "Ann@example.com"),
		}
	}},
	{"three of one side alike", func(d *desk) []*unit {
		return []*unit{
			d.newcomer(crm.Right, "r_a", "ann@example.com"), d.newcomer(crm.Right, "r_b", "ann@example.com"),
			d.newcomer(crm.Right, "r_c", "ann@example.com"),
		}
	}},
	{"one person on both sides", func(d *desk) []*unit {
		return []*unit{
			d.newcomer(crm.Left, annLeft, "ann@example.com"), d.newcomer(crm.Right, annRight, "ann@example.com"),
			d.newcomer(crm.Right, bobRight, "bob@example.com"), d.newcomer(crm.Left, bobLeft, "bob@example.com"),
		}
	}},
	{"doubles, one of which others found", func(d *desk) []*unit {
		u := d.newcomer(crm.Left, annLeft, "ann@example.com")
		u.twins = []crm.RecordID{"l_other"}
		return []*unit{u}
	}},
	{"a birth that is called off by its twin", func(d *desk) []*unit {
		return []*unit{
			d.newcomer(crm.Left, annLeft, "ann@example.com"),
			d.meets(d.newcomer(crm.Right, annRight, "ann@example.com"), annLeft, "ann@example.com"),
			d.newcomer(crm.Left, bobLeft, "ann@example.com"),
		}
	}},
	{"a birth that its twin is ahead of", func(d *desk) []*unit {
		return []*unit{
			d.meets(d.newcomer(crm.Right, annRight, "ann@example.com"), annLeft, "ann@example.com"),
			d.newcomer(crm.Left, annLeft, "ann@example.com"),
		}
	}},
	{"twins that found each other", func(d *desk) []*unit {
		return []*unit{
			d.meets(d.newcomer(crm.Left, annLeft, "ann@example.com"), annRight, "ann@example.com"),
			d.meets(d.newcomer(crm.Right, annRight, "ann@example.com"), annLeft, "ann@example.com"),
		}
	}},
	{"two that found the same twin", func(d *desk) []*unit {
		return []*unit{
			d.meets(d.newcomer(crm.Left, annLeft, "ann@example.com"), annRight, "ann@example.com"),
			d.meets(d.newcomer(crm.Left, bobLeft, "ann@example.com"), annRight, "ann@example.com"),
			d.meets(d.newcomer(crm.Right, annRight, "ann@example.com"), "l_third", "ann@example.com"),
		}
	}},
	{"one twin that two are joined with by hand", func(d *desk) []*unit {
		first := d.meets(d.newcomer(crm.Left, annLeft, "ann@example.com"), bobRight, "bob@example.com")
		second := d.meets(d.newcomer(crm.Left, bobLeft, "bob@example.com"), bobRight, "bob@example.com")
		back := d.meets(d.newcomer(crm.Right, annRight, "ann@example.com"), annLeft, "ann@example.com")
		apart := d.meets(d.newcomer(crm.Left, "l_x", "x@example.com"), "r_x", "x@example.com")
		for _, u := range []*unit{first, second, back, apart} {
			u.hint.Op, u.hint.Partner = opLink, u.partner().ID
		}
		return []*unit{first, second, back, apart}
	}},
	{"a twin that is not there any more", func(d *desk) []*unit {
		gone := d.meets(d.newcomer(crm.Left, bobLeft, "bob@example.com"), bobRight, "bob@example.com")
		gone.absent.Set(crm.Right, true)
		unread := d.meets(d.newcomer(crm.Left, annLeft, "ann@example.com"), annRight, "ann@example.com")
		unread.rec.Set(crm.Right, nil)
		return []*unit{gone, unread}
	}},
	{"twins of a deleted pair that may come to life", func(d *desk) []*unit {
		leaves := d.meets(d.newcomer(crm.Left, bobLeft, "bob@example.com"), bobRight, "bob@example.com")
		leaves.leaves = &formerPair{&link{Left: "l_was", Right: bobRight, State: crm.StateDeleted}, 1}
		lapsed := d.meets(d.newcomer(crm.Right, "r_new", "a@example.com"), "l_lapsed", "a@example.com")
		lapsed.lapsed = &link{Left: "l_lapsed", Right: "r_lapsed", State: crm.StateDeleted}
		again := d.meets(d.newcomer(crm.Left, "l_x", "x@example.com"), "r_x", "x@example.com")
		again.lapsed = &link{Left: "l_y", Right: "r_lapsed", State: crm.StateDeleted}
		other := d.meets(d.newcomer(crm.Left, "l_z", "z@example.com"), "r_z", "z@example.com")
		other.leaves = &formerPair{&link{Left: "l_was", Right: "r_z", State: crm.StateDeleted}, 1}
		return []*unit{
			leaves, lapsed, again, other, d.newcomer(crm.Left, "l_was", "was@example.com"),
			d.newcomer(crm.Right, "r_lapsed", "lapsed@example.com"),
		}
	}},
	{"creates that are open", func(d *desk) []*unit {
		d.s.coming.wait(&intentEntry{Side: crm.Right, Left: annLeft, Lag: 3 * time.Second, Claims: []string{annMail}})
		d.s.coming.wait(&intentEntry{Side: crm.Left, Right: "r_keyless", Lag: 2 * time.Second})
		d.s.beside.wait(&intentEntry{Side: crm.Right, Left: bobLeft, Claims: []string{bobMail}})
		return []*unit{
			d.newcomer(crm.Left, annLeft, "ann2@example.com"), d.newcomer(crm.Right, annRight, "ann@example.com"),
			d.newcomer(crm.Left, "l_keyless", ""), d.newcomer(crm.Right, "r_also", ""),
			d.newcomer(crm.Left, bobLeft, "robert@example.com"), d.newcomer(crm.Right, bobRight, "bob@example.com"),
			d.meets(d.newcomer(crm.Left, "l_x", "ann@example.com"), "r_x", "ann@example.com"),
			d.meets(d.newcomer(crm.Right, "r_y", "bob@example.com"), "l_y", "bob@example.com"),
			d.meets(d.newcomer(crm.Left, "l_free", "free@example.com"), "r_free", "free@example.com"),
		}
	}},
	{"pairs of another sync", func(d *desk) []*unit {
		former := d.newcomer(crm.Left, annLeft, "ann@example.com")
		former.former = &link{Left: annLeft, Right: annRight, State: crm.StateInSync}
		later := d.newcomer(crm.Right, annRight, "ann@example.com")
		later.former, later.hint.Tries = former.former, 1
		ended := d.newcomer(crm.Left, bobLeft, "bob@example.com")
		ended.ended = &link{Left: bobLeft, Right: bobRight, State: crm.StateDeleted, Code: "deleted_on_right"}
		return []*unit{former, later, ended}
	}},
	{"every kind of match", func(d *desk) []*unit {
		var out []*unit
		for i, m := range []reconcile.Match{
			{Kind: reconcile.MatchAmbiguous, Code: "several", Others: []crm.RecordID{"r_1", "r_2"}},
			{Kind: reconcile.MatchConflict, Code: "keys", Others: []crm.RecordID{"r_1"}},
			{Kind: reconcile.MatchConflict, Code: reconcile.CodeDisagree, Others: []crm.RecordID{"r_1"}},
			{Kind: reconcile.MatchCrowded, Code: "crowd"},
			{Kind: reconcile.MatchHeld},
			{Kind: reconcile.MatchMissing, Code: "nobody"},
			{},
		} {
			u := d.newcomer(crm.Left, crm.RecordID(fmt.Sprint("l_", i)), fmt.Sprint(i, "@example.com"))
			u.match = m
			out = append(out, u)
		}
		return out
	}},
	{"records that are not there", func(d *desk) []*unit {
		var out []*unit
		for i, l := range []*link{
			nil,
			{State: crm.StateExcluded, Code: "filtered"},
			{State: crm.StateDuplicate, Code: codeMergedTwin, Detail: "why"},
			{State: crm.StateDeleted, Code: "record_deleted"},
			{Right: annRight, State: crm.StateInSync},
			{Right: annRight, State: crm.StateDeleted, Code: "deleted_on_left"},
			{Right: annRight, State: crm.StateDeleted, Code: "archive_failed"},
		} {
			for k, h := range []hint{{}, {Gone: true}, {Missed: true}, {Confirm: true}, {Confirm: true, Gone: true}} {
				id := crm.RecordID(fmt.Sprintf("l_%d_%d", i, k))
				u := d.newcomer(crm.Left, id, "")
				u.rec.Set(crm.Left, nil)
				h.ID = id
				u.hint = h
				if l != nil {
					mine := *l
					mine.Left = id
					u.link = &mine
				}
				if l.paired() || l != nil && l.Right != "" {
					u.rec.Set(crm.Right, d.person(crm.Right, annRight, "Rome", "ann@example.com"))
				}
				out = append(out, u)
			}
		}
		asked := d.newcomer(crm.Left, "l_asked", "")
		asked.rec.Set(crm.Left, nil)
		asked.jobs[0].chunk.Kind = RunRetry
		asked.link = &link{Left: "l_asked", Right: annRight, State: crm.StateDeleted, Code: "archive_failed"}
		return append(out, asked)
	}},
	{"pairs", func(d *desk) []*unit {
		var out []*unit
		n := 0
		for _, state := range []crm.State{crm.StateInSync, crm.StateDeleted, crm.StateFailing} {
			for _, change := range []func(u *unit){
				func(*unit) {},
				func(u *unit) { u.absent.Set(crm.Right, true) },
				func(u *unit) { u.rec.Set(crm.Right, nil) },
				func(u *unit) { u.own().Fields["city"] = crm.TextValue("Oslo") },
				func(u *unit) { u.hint.Op, u.hint.Partner = opUnlink, "r_other" },
				func(u *unit) { u.hint.Op, u.hint.Partner = opUnlink, u.link.Right },
				func(u *unit) {
					u.hint.Op, u.hint.Partner = opResolve, u.link.Right
					u.resolutions = map[crm.MappingID]Resolution{"city": {Side: crm.Right}}
					u.own().Fields["city"] = crm.TextValue("Lund")
				},
				func(u *unit) {
					u.hint.Op, u.hint.Partner = opResolve, "r_other"
					u.resolutions = map[crm.MappingID]Resolution{"city": {Side: crm.Right}}
				},
			} {
				n++
				id := fmt.Sprint(n)
				u := d.newcomer(crm.Left, crm.RecordID("l_"+id), id+"@example.com")
				l := &link{Left: u.id, Right: crm.RecordID("r_" + id), State: state, Code: "code", Detail: "detail"}
				l.Base = crm.Base{"city": crm.Agree(d.s.set.Mapping("city").Revision(), crm.TextValue("Rome"))}
				change(d.linked(u, l))
				out = append(out, u)
			}
		}
		return out
	}},
	{"failed before, and unchanged", func(d *desk) []*unit {
		var out []*unit
		for i, change := range []func(u *unit){
			func(*unit) {},
			func(u *unit) { u.hint.Force = true },
			func(u *unit) { u.hint.Again = true },
			func(u *unit) { u.jobs[0].chunk.Kind = RunRetry },
			func(u *unit) { u.jobs[0].chunk.Kind = RunResync },
			func(u *unit) { u.hint.Expect = "digest" },
			func(u *unit) { u.own().Fields["city"] = crm.TextValue("Oslo") },
			func(u *unit) { u.partner().Fields["City"] = crm.TextValue("Oslo") },
			func(u *unit) { u.link.Once = false },
			func(u *unit) { u.link.Settings = "of another day" },
			func(u *unit) { u.link.State = crm.StateInSync },
			func(u *unit) { u.link.Right, u.link.SeenR = "", "" },
			func(u *unit) {
				u.link.Right, u.link.SeenR = "", ""
				u.rec.Set(crm.Right, nil)
			},
		} {
			id := fmt.Sprint(i)
			u := d.newcomer(crm.Left, crm.RecordID("l_"+id), id+"@example.com")
			d.linked(u, &link{
				Left: u.id, Right: crm.RecordID("r_" + id), State: crm.StateFailing, Code: "rejected", Detail: "because",
				Once:     true,
				Settings: d.s.set.Digest(), Others: []crm.RecordID{"r_o"},
			})
			for _, side := range crm.Sides {
				u.link.setSeen(side, u.rec.Get(side).Fields.Digest(d.s.end(side).fields))
			}
			change(u)
			out = append(out, u)
		}
		return out
	}},
}

// TestVerdictsOnBatches: what is decided about records that are worked together,
// whole: outcome, state, whom it names, what it claims, whom it waits for.
func TestVerdictsOnBatches(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, c := range verdictsOn {
		for _, reversed := range []bool{false, true} {
			d := newDesk(t)
			us := c.lay(d)
			if reversed {
				slices.Reverse(us)
			}
			d.s.decide(us)
			fmt.Fprintf(&out, "# %s, reversed %t; came by %s\n", c.name, reversed, d.met())
			for _, u := range us {
				fmt.Fprintln(&out, u.fullVerdict())
			}
			fmt.Fprintln(&out)
		}
	}
	written.Check(t, "desk/verdicts.txt", out.String())
}

// fullVerdict is all that was made of a unit.
func (u *unit) fullVerdict() string {
	v := fmt.Sprintf("%s %s: %s %q %q %q", u.side, u.id, u.decision.Outcome, u.decision.State, u.decision.Code,
		u.decision.Detail)
	say := func(is bool, format string, a ...any) {
		if is {
			v += fmt.Sprintf(format, a...)
		}
	}
	say(!u.decided, ", undecided")
	say(len(u.others) > 0, ", of %v", u.others)
	say(len(u.claims) > 0, ", claims %v", u.claims)
	say(u.fate.wait > 0, ", waits %s for %s, blameless %t", u.fate.wait, u.fate.why, u.fate.blameless)
	say(u.quiet, ", quiet")
	say(u.idle, ", idle")
	say(u.keeps, ", keeps")
	say(u.decision.Link, ", link")
	say(u.decision.Held, ", held")
	say(u.into != nil, ", stood for")
	for _, o := range u.took {
		say(true, ", stands for %s", o.id)
	}
	for _, side := range crm.Sides {
		if w := u.decision.Write(side); w != nil {
			say(true, ", %s create %t archive %t %s", side, w.Create, w.Archive, fieldsText(w.Fields))
		}
	}
	for _, f := range u.decision.Fields {
		say(true, ", %s by %s", f.Mapping, f.Rule)
	}
	return v
}

func fieldsText(f crm.Fields) string {
	var out []string
	for name, v := range f {
		out = append(out, fmt.Sprintf("%s=%s", name, strings.Join(v.Items(), "+")))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
