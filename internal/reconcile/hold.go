package reconcile

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// Agrees reports whether a record still holds, in every mapping, what the base
// says was agreed on (or settled) there. Then its side asks for nothing:
// whatever the other side did comes with hints of its own.
func (s *Settings) Agrees(side crm.Side, r *crm.Record, base crm.Base) bool {
	for i := range s.specs {
		one := &s.specs[i]
		if one.problem != nil {
			return false
		}
		if one.m == nil {
			continue
		}
		m, strays, err := one.remembered(side, r, base)
		if err != nil || m.kind == unknown || strays {
			return false
		}
	}
	return true
}

// Strays reports whether a record holds something else than the base says of a
// mapping that is remembered and can be read. What the base does not know, or
// knows of another revision, says nothing.
func (s *Settings) Strays(side crm.Side, r *crm.Record, base crm.Base) bool {
	for i := range s.specs {
		one := &s.specs[i]
		if one.problem != nil || one.m == nil {
			continue
		}
		if _, strays, err := one.remembered(side, r, base); err == nil && strays {
			return true
		}
	}
	return false
}

// remembered is what the base says of a mapping, and whether a side's record holds
// something else: records without a twin, too, that are not known to be waited for.
func (one *spec) remembered(side crm.Side, r *crm.Record, base crm.Base) (m memory, strays bool, err error) {
	var raw [2]crm.Fields
	raw[side.Index()] = r.Fields
	m = one.recall(base, raw, occasion{})
	shown, _ := oneNamed(one.m, side, r.Fields, func(v crm.Value) bool {
		return m.kind == agreed && !m.moved(side.Index(), v)
	})
	v, err := one.m.Canonical(side, shown)
	strays = m.moved(side.Index(), v) || m.kind == agreed && len(one.unlinked(side.Index(), r.Fields)) > 0
	return m, strays, err
}

// Holds reports whether fields, as an app answered a write, hold the canonical
// values that the write intended. If not, the app put something else in their
// place, which is a change of its own.
func (s *Settings) Holds(side crm.Side, fields crm.Fields, intended map[crm.MappingID]crm.Value) bool {
	for id, want := range intended {
		m := s.Mapping(id)
		if m == nil {
			return false
		}
		shown, _ := oneNamed(m, side, fields, want.Equal)
		got, err := m.Canonical(side, shown)
		if err != nil || !(got.Equal(want) || got.Blank() && want.Blank()) {
			return false
		}
	}
	return true
}

// KeyField returns the field on side by which a record is created or updated
// in one keyed step: one that holds the other side's ID and that the app keeps
// as an external key. ok is false when the settings name none.
func (s *Settings) KeyField(side crm.Side) (field string, ok bool) {
	here := side.Index()
	for i := range s.steps[here] {
		st := &s.steps[here][i]
		if st.idField != "" && st.idSide == 1-here && s.schema[here][st.idField].External {
			return st.idField, true
		}
	}
	return "", false
}

// FilterTraces returns every clause that the rules of a way look at in a
// record, with what it found; for explain.
func (s *Settings) FilterTraces(way crm.Way, r *crm.Record, now time.Time) []rule.RuleTrace {
	return s.decide(way, r.Fields, now).Traces
}
