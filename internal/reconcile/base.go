package reconcile

import (
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// memory is what is known of the past of one mapping of one pair.
//
// Beside agreement there is a second kind of knowledge: a settled difference,
// two values that were looked at and left as they are, with the reason. Then
// nothing happens until a side holds something else than it did; that side has
// the word. Where the reason rests on settings and these have changed, or a
// refused value is due to be tried again, the difference is in force no longer
// and the agreement before it counts.
type memory struct {
	kind  memoryKind
	entry crm.Agreed      // the agreement; of a settled difference the one before
	had   bool            // there is an agreement in entry
	met   bool            // the link has an entry, of whatever revision
	diff  *crm.Difference // settled
	again bool            // refused, and to be tried again if nobody moved
	stale bool            // settled under another revision of the mapping: raw values are compared
	byRaw bool            // settled, and what the fields hold counts, not what it stands for
	raw   [2]string       // fingerprints of the sides as they are, if stale or byRaw
}

type memoryKind uint8

const (
	unknown memoryKind = iota // never met, or under another revision of the mapping
	agreed                    // both sides held the entry's value
	settled                   // each side held a value of its own
)

// recall reads a base entry. Raw are the fields of both sides as they are.
func (one *spec) recall(base crm.Base, raw [2]crm.Fields, at occasion) memory {
	entry, found := base[one.id]
	if !found {
		return memory{}
	}
	d := entry.Settled
	if d == nil {
		if d = one.leftApart(entry); d == nil {
			if entry.Revision != one.revision {
				return memory{met: true}
			}
			return memory{kind: agreed, entry: entry, had: true, met: true}
		}
		entry = crm.Agreed{Revision: one.revision}
	}
	m := memory{entry: entry, met: true, stale: entry.Revision != one.revision}
	m.entry.Settled = nil
	if m.had = !m.stale && entry.Kind != crm.Absent; !m.had {
		m.entry = crm.Agreed{}
	}
	switch {
	case d.Fields != one.fields, !one.stands(d, m.stale, at):
		if m.had {
			m.kind = agreed
		}
	default:
		m.kind, m.diff = settled, d
		m.again = d.Reason == crm.ReasonRefused &&
			(at.retry || !d.Again.IsZero() && !at.now.IsZero() && !at.now.Before(d.Again))
		// What a reference stands for changes with the links, and nobody edited it.
		m.byRaw = one.m != nil && one.m.Joins() != ""
		for side := range m.raw {
			if m.stale || m.byRaw {
				m.raw[side] = one.rawPrint(side, raw[side])
			}
		}
	}
	return m
}

// occasion is when, and for whom, a memory is asked.
type occasion struct {
	now   time.Time // zero: at no time anything is due
	retry bool      // a person asks to try refused values again
}

// stands reports whether what a difference rests on is as it was.
func (one *spec) stands(d *crm.Difference, stale bool, at occasion) bool {
	switch d.Reason {
	case crm.ReasonRestrained:
		return d.Terms == one.terms
	case crm.ReasonRefused:
		return !stale
	case crm.ReasonInvalidPhone:
		return !stale
	case crm.ReasonFromNowOn:
		return one.lastsOn(d)
	case crm.ReasonCleared, crm.ReasonDefault, crm.ReasonChangedByApp, crm.ReasonUndone, crm.ReasonNotClearable,
		crm.ReasonProtected, crm.ReasonSecondary, crm.ReasonUnknownOwner,
		crm.ReasonNotLinked:
	}
	return true
}

// leftApart reads how releases before settled differences kept two values that
// stay as they are: under a revision of its own, with a fingerprint per side.
func (one *spec) leftApart(entry crm.Agreed) *crm.Difference {
	terms, ok := strings.CutPrefix(entry.Revision, one.revision+"~")
	if !ok || len(entry.Items) != 2 {
		return nil
	}
	d := &crm.Difference{Reason: crm.ReasonRestrained, Fields: one.fields, Terms: terms, Held: [2]string(entry.Items)}
	if terms == noTerms {
		d.Reason, d.Terms = crm.ReasonProtected, ""
	}
	return d
}

// moved reports whether side's value is another than the one remembered.
// Without memory nobody is known to have moved.
func (m memory) moved(side int, v crm.Value) bool {
	switch {
	case m.kind == agreed:
		return !m.entry.Is(v)
	case m.kind == settled && (m.stale || m.byRaw):
		return m.diff.Raw[side] != m.raw[side]
	case m.kind == settled:
		return m.diff.Held[side] != crm.Fingerprint(v)
	}
	return false
}

// saidYes reports whether a checkbox was ticked on a side as last remembered.
func (m memory) saidYes(side int) bool {
	switch {
	case m.kind == agreed:
		return m.entry.Is(crm.BoolValue(true))
	case m.kind == settled:
		return m.diff.Held[side] == crm.Fingerprint(crm.BoolValue(true))
	}
	return false
}

// settle is the entry for two values that stay as they are. What was agreed on
// before stays known. Of a set that is what both hold, and what one of them has
// held since the last agreement.
func (one *spec) settle(base memory, d crm.Difference, v [2]crm.Value, raw [2]crm.Fields) crm.Agreed {
	d.Fields = one.fields
	switch {
	case d.Reason == crm.ReasonRestrained:
		d.Terms = one.terms
	case d.Reason == crm.ReasonFromNowOn && d.Terms == "" && one.later > 0:
		d.Terms = one.since()
	}
	for side := range v {
		d.Held[side], d.Raw[side] = crm.Fingerprint(v[side]), one.rawPrint(side, raw[side])
	}
	before := base.entry
	if one.set {
		before = one.setBase(base, v)
	}
	return crm.Settle(one.revision, before, d)
}

// rawPrint is the fingerprint of a mapping's fields as an app holds them.
func (one *spec) rawPrint(side int, f crm.Fields) string {
	var b strings.Builder
	blank := true
	for _, name := range one.names[side] {
		v := f[name]
		if one.m != nil && one.m.JoinsSeveral() { // in no order
			v = crm.ListValue(slices.Sorted(slices.Values(mapping.RecordsNamed(v)))...)
		}
		print := crm.Fingerprint(v)
		blank = blank && print == ""
		b.WriteString(print)
		b.WriteByte('.')
	}
	switch {
	case blank:
		return ""
	case len(one.names[side]) == 1:
		return strings.TrimSuffix(b.String(), ".")
	}
	return crm.Fingerprint(crm.TextValue(b.String()))
}

// Settled returns the entry of a mapping whose sides differ and are to be left
// so, for a reason that only whoever writes can know: what an app refused, what
// it stored instead, what an undo put back. Left and right are the records as
// they now are; d says why, and the fingerprints are filled in. Base is what the
// link remembers, whose agreement is kept beside the difference. ok is false
// where there is no such mapping that works, or a value does not fit it, or the
// sides are equal: then there is nothing to settle.
func (s *Settings) Settled(
	id crm.MappingID, base crm.Base, left, right *crm.Record, d crm.Difference,
) (entry crm.Agreed, ok bool) {
	one := s.spec(id)
	if one == nil || one.m == nil || left == nil || right == nil {
		return crm.Agreed{}, false
	}
	raw := [2]crm.Fields{left.Fields, right.Fields}
	var v [2]crm.Value
	for side, word := range crm.Sides {
		got, err := one.m.Canonical(word, raw[side])
		if err != nil {
			return crm.Agreed{}, false
		}
		v[side] = got
	}
	if same(v[0], v[1]) {
		return crm.Agreed{}, false
	}
	return one.settle(one.recall(base, raw, occasion{}), d, v, raw), true
}

// Moved reports whether a side of a pair holds another value of a mapping than
// its link remembers that side to have held. Without memory nobody is known to
// have moved, and a value that does not fit is none; nor is a list, of which a
// link may remember less than a side held.
func (s *Settings) Moved(id crm.MappingID, base crm.Base, side crm.Side, left, right *crm.Record) bool {
	one := s.spec(id)
	if one == nil || one.m == nil || one.set || left == nil || right == nil {
		return false
	}
	raw := [2]crm.Fields{left.Fields, right.Fields}
	v, err := one.m.Canonical(side, raw[side.Index()])
	return err == nil && one.recall(base, raw, occasion{}).moved(side.Index(), v)
}

func (s *Settings) spec(id crm.MappingID) *spec {
	for i := range s.specs {
		if s.specs[i].id == id {
			return &s.specs[i]
		}
	}
	return nil
}

// mergeSets returns the items that survive additions and removals of both
// sides: those on both, and those on one side that are new there. Items of one
// side that the base held were removed on the other.
func mergeSets(base memory, v [2]crm.Value) crm.Value {
	var out []string
	left, right := itemsByKey(v[0]), itemsByKey(v[1])
	for key, item := range left {
		if _, both := right[key]; both {
			out = append(out, item)
		} else {
			out = keepNew(out, base, v[0], item)
		}
	}
	for key, item := range right {
		if _, both := left[key]; !both {
			out = keepNew(out, base, v[1], item)
		}
	}
	if len(out) == 0 {
		return crm.NullValue()
	}
	slices.Sort(out)
	if v[0].Folds() || v[1].Folds() {
		return crm.TagsValue(out...)
	}
	return crm.ListValue(out...)
}

// itemsByKey are the items of a list by what tells them apart.
func itemsByKey(v crm.Value) map[string]string {
	out := map[string]string{}
	for _, item := range v.Items() {
		out[v.ItemKey(item)] = item
	}
	return out
}

func keepNew(out []string, base memory, of crm.Value, item string) []string {
	if base.had && base.entry.HasItem(of, item) {
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
		for key := range itemsByKey(side) {
			keep[key]++
		}
	}
	entry := crm.Agreed{Revision: one.revision, Kind: crm.List, Items: []string{}}
	all := mergeSets(memory{}, v)
	for _, item := range all.Items() { // all of them, in canonical order
		if key := all.ItemKey(item); keep[key] == 2 || base.had && base.entry.HasItem(all, item) {
			entry.Items = append(entry.Items, crm.ItemDigest(key))
		}
	}
	return entry
}

// same reports whether two canonical values are equal; all blanks are.
func same(a, b crm.Value) bool { return a.Blank() && b.Blank() || a.Equal(b) }

// Inherit returns a base with what was agreed on in another sync over the same
// objects: of each mapping that means the same there, whatever its ID.
func (s *Settings) Inherit(base, from crm.Base) crm.Base {
	out := make(crm.Base, len(s.specs))
	for id, e := range base {
		out[id] = e
	}
	by := make(map[string]crm.Agreed, len(from))
	for _, e := range from {
		by[Meaning(e.Revision)] = e
	}
	for i := range s.specs {
		one := &s.specs[i]
		if e, ok := by[Meaning(one.revision)]; ok && one.m != nil {
			e.Revision = one.revision
			out[one.id] = e
		}
	}
	return out
}
