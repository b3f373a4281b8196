package api

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// weakKeys warns about match steps by fields that several records of an app can
// share: such records are no twins of anybody, but duplicates. Nothing is
// refused because of it. Fields that are not known are left to validation.
func weakKeys(sync *crm.Sync, at string, fields [2][]crm.Field) []ProblemItem {
	var out []ProblemItem
	for _, list := range matchLists(sync.Match, at+"/match") {
		for i, step := range list.steps {
			out = append(out, weakStep(step, list.at+"/"+strconv.Itoa(i), fields)...)
		}
	}
	return out
}

type matchList struct {
	at    string
	way   crm.Way // "" = of both
	steps []crm.MatchStep
}

// matchLists are the steps as the document has them: one list for both ways, or two.
func matchLists(m crm.Match, at string) []matchList {
	if !m.Split() {
		return []matchList{{at, "", m.ToRight}}
	}
	return []matchList{
		{at + "/" + string(crm.ToRight), crm.ToRight, m.ToRight}, {at + "/" + string(crm.ToLeft), crm.ToLeft, m.ToLeft},
	}
}

func weakStep(step crm.MatchStep, at string, fields [2][]crm.Field) []ProblemItem {
	var out []ProblemItem
	for side := range crm.Sides {
		known := byName(fields[side])
		shared := func(name string) bool {
			f, ok := known[name]
			return ok && !f.Unique
		}
		warn := func(pointer, name string) {
			out = append(out, ProblemItem{Pointer: pointer, Code: CodeKeyNotUnique, Detail: fmt.Sprintf(
				"the %s app does not keep %q unique: records that share a value are listed as duplicates and not synced; "+
					"match by a unique field where there is one, or let the app refuse doubles", crm.Sides[side], name)})
		}
		switch step.By {
		case crm.MatchByID:
			if name := [2]string{step.Left, step.Right}[side]; shared(name) {
				warn(at+"/"+string(crm.Sides[side]), name)
			}
		case crm.MatchByAnyKey:
			for i, p := range step.Pairs {
				if shared(p[side]) {
					warn(at+"/pairs/"+strconv.Itoa(i), p[side])
				}
			}
		case crm.MatchByAllKeys: // one unique field among them is enough
			if len(step.Pairs) > 0 && !slices.ContainsFunc(step.Pairs, func(p [2]string) bool { return !shared(p[side]) }) {
				warn(at+"/pairs", step.Pairs[0][side])
			}
		}
	}
	return out
}

// leftOvers warns of syncs to which an earlier one leaves no record of an object:
// both have it, and the earlier one takes all that there are.
func leftOvers(c *crm.Connection) (out []ProblemItem) {
	for i := range c.Syncs {
		for n := range i {
			for _, at := range crm.Sides {
				for _, side := range crm.Sides {
					late, early := &c.Syncs[i], &c.Syncs[n]
					if c.Account(at) != c.Account(side) || early.Object(at) != late.Object(side) || !takesAll(early, at) ||
						late.Direction == crm.DirectionOff {
						continue
					}
					out = append(out, ProblemItem{
						Pointer: "/syncs/" + strconv.Itoa(i) + "/" + string(side) + "/object", Code: reconcile.CodeTakenByOther,
						Detail: fmt.Sprintf("the sync %q comes first and takes every record of %s that has a key: put a filter into "+
							"it, or move it behind this one", early.ID, late.Object(side)),
					})
				}
			}
		}
	}
	return out
}

// takesAll reports whether a sync leaves no record of a side out by its rules.
func takesAll(s *crm.Sync, side crm.Side) bool {
	way := crm.WayTo(side.Other())
	if !s.Direction.Allows(way) || s.Behavior.Get(way) == crm.BehaviorNothing {
		return false
	}
	rules := slices.DeleteFunc(slices.Clone(s.Rules), func(r crm.Rule) bool { return !r.Direction.Allows(way) })
	return len(rules) == 0 || slices.ContainsFunc(rules, func(r crm.Rule) bool { return r.On() && r.Filter == nil })
}
