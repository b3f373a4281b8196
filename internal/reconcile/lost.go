package reconcile

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// lostKeys reports whether one of two linked records holds no key any more by
// which the match steps could tell whose twin it is: every key of every step is
// blank on that side. A pair joined by an ID that one of them holds, or by a
// person, needs no key.
func (s *Settings) lostKeys(p *Pair) bool {
	if !p.Linked || p.ByHand || !s.sync.AvoidsDuplicates() {
		return false
	}
	records := [2]*crm.Record{p.Left, p.Right}
	asked, held := false, [2]bool{}
	for to, side := range crm.Sides {
		if !s.Open(crm.WayTo(side)) {
			continue
		}
		for i := range s.steps[to] {
			st := &s.steps[to][i]
			switch {
			case !st.usable:
			case st.spec.By == crm.MatchByID && s.joins(st, records):
				return false
			case st.spec.By != crm.MatchByID:
				for _, pair := range st.pairs {
					asked = true
					for at := range held {
						held[at] = held[at] || pair.held(at, records[at])
					}
				}
			}
		}
	}
	return asked && !(held[0] && held[1])
}

// joins reports whether an ID that one of the records holds is the other's, or
// both hold the same foreign one.
func (s *Settings) joins(st *step, records [2]*crm.Record) bool {
	if st.idSide < 0 {
		return st.pairs[0].agree(0, records[0].Fields, records[1].Fields, s.country)
	}
	return heldID(records[1-st.idSide], st.idField) == records[st.idSide].ID
}

// held reports whether a record holds anything in the fields of a key.
func (p *identity) held(side int, r *crm.Record) bool {
	blank := func(name string) bool { return r.Get(name).Blank() }
	return !blank(p.names[side]) || slices.ContainsFunc(p.also[side], func(n string) bool { return !blank(n) })
}
