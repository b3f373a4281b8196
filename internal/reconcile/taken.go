package reconcile

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// taker is an earlier sync of the connection that has an object of this one, too:
// what it takes is none of this sync's business.
type taker struct {
	sync crm.SyncID
	set  *Settings
	at   crm.Side // the side on which it has the object
	name string   // of the settings that decide what it takes
}

// compileTakers reads the earlier syncs of the document that have an object of
// this one. The other object's fields are known where it is the same, too.
func (s *Settings) compileTakers(c *crm.Connection, left, right []crm.Field) {
	if c == nil {
		return
	}
	fields := [2][]crm.Field{left, right}
	known := func(side crm.Side, object string) []crm.Field {
		for i, mine := range crm.Sides {
			if object == s.sync.Object(mine) && c.Account(side) == c.Account(mine) {
				return fields[i]
			}
		}
		return nil
	}
	for i := range c.Syncs {
		earlier := &c.Syncs[i]
		if earlier.ID == s.sync.ID {
			return
		}
		if earlier.Direction == crm.DirectionOff {
			continue
		}
		var set *Settings
		for _, at := range crm.Sides {
			for n, side := range crm.Sides {
				if c.Account(at) != c.Account(side) || earlier.Object(at) != s.sync.Object(side) {
					continue
				}
				if set == nil {
					set, _ = compileAlone(c, earlier, known(crm.Left, earlier.Object(crm.Left)),
						known(crm.Right, earlier.Object(crm.Right)))
				}
				s.takers[n] = append(s.takers[n], taker{earlier.ID, set, at, takes(earlier, at)})
				s.timed = s.timed || set.timed
			}
		}
	}
}

// takes names all that decides what a sync takes of a side's records.
func takes(sync *crm.Sync, at crm.Side) string {
	b, err := json.Marshal([]any{
		sync.ID, at, sync.Direction, sync.Behavior, sync.Rules, sync.Match, sync.AvoidDuplicates, sync.About,
	})
	if err != nil { // a Value of an unknown kind: no two such settings are the same
		return err.Error()
	}
	return string(b)
}

// reads are the fields by which a taker tells what it takes.
func (t *taker) reads() []string {
	names := t.set.rules.Fields(t.at)
	if name := t.set.About(t.at); name != "" {
		names = append(names, name)
	}
	for _, steps := range t.set.steps {
		for n := range steps {
			names = append(names, steps[n].fields(t.at.Index())...)
		}
	}
	return names
}

// TakenBy names the earlier sync of the connection that takes a record, if one
// does. While it cannot be told, because a field by which that sync tells is gone,
// held is true.
func (s *Settings) TakenBy(side crm.Side, r *crm.Record, now time.Time) (sync crm.SyncID, held bool) {
	for i := range s.takers[side.Index()] {
		t := &s.takers[side.Index()][i]
		p, ok := t.set.Admit(t.at, r, now)
		if ok {
			return t.sync, false
		}
		held = held || p.Held
	}
	return "", held
}

// leaves is the decision for a pair, or for one record, that an earlier sync takes.
func (s *Settings) leaves(left, right *crm.Record, now time.Time) (p Decision, taken bool) {
	for i, r := range [2]*crm.Record{left, right} {
		sync, held := s.TakenBy(crm.Sides[i], r, now)
		if held {
			return s.waits(p, "a field is gone by which an earlier sync tells whether it takes the record"), true
		}
		if sync != "" {
			return Decision{
				Outcome: crm.Excluded, State: crm.StateExcluded, Code: CodeTakenByOther, Timed: s.timed,
				Detail: "the sync " + strconv.Quote(string(sync)) + " takes the record on the " + string(crm.Sides[i]) +
					" side, and comes first",
			}, true
		}
	}
	return p, false
}
