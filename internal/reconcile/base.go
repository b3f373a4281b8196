package reconcile

import (
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// memory is what is known of the past of one mapping of one pair.
//
// Beside agreement there is a second kind of knowledge: two values that were
// looked at and deliberately left apart, because a setting (fill blanks only,
// write once, a behaviour) or the match step (protect) forbids to write. It is
// kept in the base as an entry of its own revision with a digest per side, so
// that nothing more happens until one side moves; then that side has the word.
type memory struct {
	kind  memoryKind
	entry crm.Agreed
}

type memoryKind uint8

const (
	unknown memoryKind = iota // never met, or under another revision of the mapping
	agreed                    // both sides held the entry's value
	apart                     // each side held a value of its own
)

// recall reads a base entry.
func (one *spec) recall(base crm.Base) memory {
	entry, found := base[one.id]
	switch {
	case found && entry.Revision == one.revision:
		return memory{agreed, entry}
	case found && entry.Revision == one.apart && len(entry.Items) == 2:
		return memory{apart, entry}
	default:
		return memory{}
	}
}

// moved reports whether side's value is another than the one remembered.
// Without memory nobody is known to have moved.
func (m memory) moved(side int, v crm.Value) bool {
	switch m.kind {
	case agreed:
		return !m.entry.Is(v)
	case apart:
		return m.entry.Items[side] != fingerprint(v)
	case unknown:
	}
	return false
}

// leftApart is the entry for two values that stay as they are.
func (one *spec) leftApart(v [2]crm.Value) crm.Agreed {
	return crm.Agreed{Revision: one.apart, Items: []string{fingerprint(v[0]), fingerprint(v[1])}}
}

func fingerprint(v crm.Value) string {
	if v.Blank() {
		return ""
	}
	return v.Digest()[:16]
}

// mergeSets returns the items that survive additions and removals of both
// sides: those on both, and those on one side that are new there. Items of one
// side that the base held were removed on the other.
func mergeSets(base memory, v [2]crm.Value) crm.Value {
	left, right := v[0].Items(), v[1].Items()
	var out []string
	for len(left) > 0 || len(right) > 0 {
		switch {
		case len(left) > 0 && len(right) > 0 && left[0] == right[0]:
			out = append(out, left[0])
			left, right = left[1:], right[1:]
		case len(right) == 0 || len(left) > 0 && left[0] < right[0]:
			out = keepNew(out, base, left[0])
			left = left[1:]
		default:
			out = keepNew(out, base, right[0])
			right = right[1:]
		}
	}
	if len(out) == 0 {
		return crm.NullValue()
	}
	return crm.ListValue(out...)
}

func keepNew(out []string, base memory, item string) []string {
	if base.kind == agreed && base.entry.HasItem(item) {
		return out
	}
	return append(out, item)
}

// setBase is what to remember of two sets after writing: what both hold, and
// of items on one side only, those that the base held before. Such an item
// could not be written or removed over there; its story stays open.
func (one *spec) setBase(base memory, v [2]crm.Value) crm.Agreed {
	if same(v[0], v[1]) {
		return crm.Agree(one.revision, v[0])
	}
	keep := map[string]int{}
	for _, side := range v {
		for _, item := range side.Items() {
			keep[item]++
		}
	}
	entry := crm.Agreed{Revision: one.revision, Kind: crm.List, Items: []string{}}
	for _, item := range mergeSets(memory{}, v).Items() { // all of them, in canonical order
		if keep[item] == 2 || base.kind == agreed && base.entry.HasItem(item) {
			entry.Items = append(entry.Items, crm.ItemDigest(item))
		}
	}
	return entry
}

// same reports whether two canonical values are equal; all blanks are.
func same(a, b crm.Value) bool { return a.Blank() && b.Blank() || a.Equal(b) }

// sameEntry reports whether two base entries say the same.
func sameEntry(a, b crm.Agreed) bool {
	if a.Revision != b.Revision || a.Kind != b.Kind || a.Text != b.Text || a.Digest != b.Digest || len(a.Items) != len(b.Items) {
		return false
	}
	for i := range a.Items {
		if a.Items[i] != b.Items[i] {
			return false
		}
	}
	return true
}

// Landed returns the base entry for a mapping whose intended value is known to
// have been stored on side, although nobody lived to remember it. For a single
// value that is an agreement. For a set it is only what the other side holds
// too: agreeing on all of it would make the items that the other side was yet
// to get look removed there. Other is the other side's record as it is now; ok
// is false when the entry must stay as it is.
func (s *Settings) Landed(id crm.MappingID, base crm.Base, side crm.Side, landed crm.Value, other *crm.Record) (entry crm.Agreed, ok bool) {
	for i := range s.specs {
		one := &s.specs[i]
		if one.id != id || one.m == nil {
			continue
		}
		if !one.set {
			return crm.Agree(one.revision, landed), true
		}
		if other == nil {
			return crm.Agreed{}, false
		}
		held, err := one.m.Canonical(side.Other(), other.Fields)
		if err != nil {
			return crm.Agreed{}, false
		}
		return one.setBase(one.recall(base), pairOf(side.Index(), landed, held)), true
	}
	return crm.Agreed{}, false
}
