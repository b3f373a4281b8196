package reconcile

import (
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Landed returns the base entry for a mapping whose intended value is known to
// have been stored on side, although nobody lived to remember it. For a single
// value that is an agreement, or, where the other side is blank and the field
// was never met before, its default. A set is agreed whole if nothing of it was
// yet to be written to the other side; otherwise only what the other side holds
// too: agreeing on all of it would make the items that it was yet to get look
// removed there. Other is the other side's record as it is now; ok is false when
// the entry must stay as it is.
func (s *Settings) Landed(
	id crm.MappingID, base crm.Base, side crm.Side, landed crm.Value, other *crm.Record, whole bool,
) (entry crm.Agreed, ok bool) {
	one := s.spec(id)
	switch {
	case one == nil || one.m == nil:
		return crm.Agreed{}, false
	case other == nil:
		return crm.Agree(one.revision, landed), !one.set || whole
	}
	held, err := one.m.Canonical(side.Other(), other.Fields)
	if _, met := base[id]; !met && err == nil && held.Blank() && one.isDefault(side, landed) {
		return one.defaulted(side, landed), true
	}
	switch {
	case !one.set || whole:
		return crm.Agree(one.revision, landed), true
	case err != nil:
		return crm.Agreed{}, false
	}
	return one.setBase(one.recall(base, [2]crm.Fields{}, occasion{}), pairOf(side.Index(), landed, held)), true
}

// Born returns the base entry for a value that a record was created with on
// side, where its source is not at hand. A default value is taken for one: if
// the source held the same, the two agree at the next look.
func (s *Settings) Born(id crm.MappingID, side crm.Side, v crm.Value) (entry crm.Agreed, ok bool) {
	one := s.spec(id)
	switch {
	case one == nil || one.m == nil:
		return crm.Agreed{}, false
	case one.isDefault(side, v):
		return one.defaulted(side, v), true
	}
	return crm.Agree(one.revision, v), true
}

// isDefault reports whether v is what a way writes for a blank.
func (one *spec) isDefault(side crm.Side, v crm.Value) bool {
	d := one.fallback[side.Index()]
	return one.open[side.Index()] && !d.Blank() && same(v, d)
}

// defaulted is the entry for a default value on side, its source being blank.
func (one *spec) defaulted(side crm.Side, d crm.Value) crm.Agreed {
	var raw [2]crm.Fields
	if f, err := one.m.Render(side, d, nil); err == nil {
		raw[side.Index()] = f
	}
	return one.settle(one.beforeDefault(d), crm.Difference{Reason: crm.ReasonDefault},
		pairOf(side.Index(), d, crm.NullValue()), raw)
}

// beforeDefault is the agreement that stays known beside a default value: to
// replace it costs nobody a value. A set is merged instead.
func (one *spec) beforeDefault(d crm.Value) memory {
	if one.set {
		return memory{}
	}
	return memory{had: true, entry: crm.Agree(one.revision, d)}
}
