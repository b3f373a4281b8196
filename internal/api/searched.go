package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// searchable refuses match steps by fields that an app cannot be asked by. Whoever
// comes new on a side is looked for on the other side by the steps of that way,
// and for doubles on its own side by the keys of all any_key steps. A listing of
// everything asks as well: the keys that it saw are looked at besides.
func (v *validation) searchable(s *crm.Sync, at string, fields [2][]crm.Field) {
	asked := [2]bool{} // sides on which somebody may be looked for by any key: those that records come from
	for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
		asked[way.Source().Index()] = s.Direction.Allows(way) && s.Behavior.Get(way) != crm.BehaviorNothing
	}
	for _, list := range matchLists(s.Match, at+"/match") {
		for i, step := range list.steps {
			here := list.at + "/" + strconv.Itoa(i)
			for _, side := range crm.Sides {
				// whose twins are on this side come from the other one
				twins := asked[side.Other().Index()] && list.serves(crm.WayTo(side))
				doubles := asked[side.Index()] && step.By == crm.MatchByAnyKey
				if twins || doubles {
					v.searchedBy(s, step, here, side, fields[side.Index()])
				}
			}
		}
	}
}

// serves reports whether the steps of a list are those of a way.
func (l matchList) serves(way crm.Way) bool { return l.way == "" || l.way == way }

// searchedBy refuses the fields of one side of a step that the app does not search.
func (v *validation) searchedBy(s *crm.Sync, step crm.MatchStep, here string, side crm.Side, fields []crm.Field) {
	known := byName(fields)
	refuse := func(pointer, name string) {
		f, there := known[name]
		if !there || f.Find != crm.FindNone {
			return
		}
		v.add(pointer, CodeNotSearched, "the %s app cannot be asked for records of %s by %q, and this step needs that: %s",
			side, s.Object(side), name, instead(fields))
	}
	if step.By == crm.MatchByID {
		if own := [2]string{step.Left, step.Right}[side.Index()]; own != idOfRecord { // by its own ID a record is read
			refuse(here+"/"+string(side), own)
		}
		return
	}
	for i, pair := range step.Pairs {
		refuse(here+"/pairs/"+strconv.Itoa(i), pair[side.Index()])
	}
}

// instead names fields that can be searched, those first that people are known by.
func instead(fields []crm.Field) string {
	var names []string
	for _, types := range [][]crm.FieldType{{crm.TypeEmail, crm.TypePhone}, {crm.TypeText, crm.TypeURL}} {
		for _, f := range fields {
			if f.Find != crm.FindNone && slices.Contains(types, f.Type) && len(names) < 5 {
				names = append(names, strconv.Quote(f.Name))
			}
		}
	}
	if len(names) == 0 {
		return "no field of it can be searched, so leave the step out"
	}
	return "match by " + strings.Join(names, ", ") + ", or leave the step out"
}
