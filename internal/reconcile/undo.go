package reconcile

import (
	"maps"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Past is one field of one side as the log tells that it was changed.
type Past struct {
	Mapping crm.MappingID // "" = no mapping writes it
	Side    crm.Side
	Field   string
	Before  crm.Value // as the app held it
	After   crm.Value // as it was written
	// Held is what the app made of After, in canonical form; nil = it stored that,
	// as far as known.
	Held *crm.Value
}

// Undo is what is to be taken back of a pair.
type Undo struct {
	Changes []Past
	// Whatever puts a value back although the field was edited since: a person
	// named that very value.
	Whatever bool
	// Anew says that the two records were no pair meanwhile. Nothing is known of
	// what they agreed on: where they differ they are left so.
	Anew bool
}

// Target is a field of a side that is to hold a value once an undo is done,
// whether or not it does already.
type Target struct {
	Side  crm.Side
	Field string
	Value crm.Value
}

// Kept is a field that an undo leaves as it is, and why: a code of the error
// dictionary.
type Kept struct {
	Mapping crm.MappingID
	Side    crm.Side
	Field   string
	Code    string
}

// The reasons for which an undo leaves something as it is.
const (
	KeptEdited       = "edited_since"       // somebody, or a later sync, changed it
	KeptMapping      = "mapping_gone"       // the sync does not map the field any more
	KeptOnce         = "undo_write_once"    // it is written once and never again
	KeptNotClearable = "undo_not_clearable" // it was blank before, and the app demands a value
	KeptUnfit        = "value_does_not_fit" // what it held does not fit the mapping any more
)

// Undo decides which fields of a pair are put back. A field is put back only if
// it still holds what was written, and the other side has no edit that has yet to
// travel: that edit is newer. What is put back differs from the other side, as a
// rule, and is settled as undone until somebody edits one of the two. Behaviours,
// directions and filters do not matter: a person asks for it. State, Code and
// Detail of the decision are the caller's.
func (s *Settings) Undo(p Pair, u Undo) (Decision, []Target, []Kept) {
	m := &merger{s: s, records: [2]*crm.Record{p.Left, p.Right}, base: p.Base}
	m.decision = Decision{
		Link: true, Base: p.Base, Outcome: crm.Unchanged, Fields: make([]FieldDecision, len(s.specs)),
	}
	t := takeBack{merger: m, Undo: u}
	for i := range s.specs {
		t.mapping(&s.specs[i], &m.decision.Fields[i], p.Base)
	}
	t.unmapped()
	d := &m.decision
	d.Left, d.Right, d.Base, d.Rebase = m.writes[0], m.writes[1], m.base, m.changed
	if !d.Empty() {
		d.Outcome = crm.Updated
	}
	return *d, t.targets, t.kept
}

// takeBack is an undo while it is decided.
type takeBack struct {
	*merger
	Undo
	targets []Target
	kept    []Kept
}

// unmapped is for fields that no mapping writes.
func (t *takeBack) unmapped() {
	for _, c := range t.Changes {
		i := c.Side.Index()
		switch now := t.records[i].Fields[c.Field]; {
		case c.Mapping != "" && t.s.spec(c.Mapping) == nil:
			t.keep(c, KeptMapping)
		case c.Mapping != "":
		case same(now, c.Before):
			t.aim(c)
		case !same(now, c.After) && !t.Whatever:
			t.keep(c, KeptEdited)
		default:
			t.aim(c)
			t.writing(i).Fields[c.Field] = nullOr(c.Before)
		}
	}
}

func (t *takeBack) keep(c Past, code string) {
	t.kept = append(t.kept, Kept{c.Mapping, c.Side, c.Field, code})
}

func (t *takeBack) aim(c Past) {
	t.targets = append(t.targets, Target{c.Side, c.Field, nullOr(c.Before)})
}

// nullOr is a value as it is written: what was not there was blank.
func nullOr(v crm.Value) crm.Value {
	if v.Kind() == crm.Absent {
		return crm.NullValue()
	}
	return v
}

// mapping takes back what was changed of one mapping.
func (t *takeBack) mapping(one *spec, out *FieldDecision, base crm.Base) {
	out.Mapping, out.Rule = one.id, RuleClosed
	var mine [2][]Past
	for _, c := range t.Changes {
		if c.Mapping == one.id {
			mine[c.Side.Index()] = append(mine[c.Side.Index()], c)
		}
	}
	if one.m == nil {
		code := KeptMapping
		if one.held != nil {
			code, _ = one.rests()
		}
		t.tell(mine, [2]string{code, code})
		return
	}
	raw := [2]crm.Fields{t.records[0].Fields, t.records[1].Fields}
	now, err := one.canonical(raw)
	out.Left, out.Right = now[0], now[1]
	if err != nil {
		t.tell(mine, [2]string{KeptUnfit, KeptUnfit})
		return
	}
	known := one.recall(base, raw, occasion{})
	var write [2]crm.Fields
	var code [2]string
	for side := range mine {
		write[side], code[side] = t.side(one, side, mine[side], raw[side], now, known)
	}
	after := overlaid(raw, write)
	v, err := one.canonical(after)
	if err != nil {
		for side := range write {
			if len(write[side]) > 0 {
				write[side], code[side] = nil, KeptUnfit
			}
		}
		after, v = raw, now
	}
	t.tell(mine, code)
	if len(write[0])+len(write[1]) == 0 && !t.Anew {
		return
	}
	for side, fields := range write {
		if len(fields) == 0 {
			continue
		}
		w := t.writing(side)
		maps.Copy(w.Fields, fields)
		w.Intended[one.id] = v[side]
	}
	if len(write[0])+len(write[1]) > 0 {
		out.Rule = RuleUndone
	}
	if same(v[0], v[1]) {
		t.settle(one.id, crm.Agree(one.revision, v[0]))
		return
	}
	out.Reason = crm.ReasonUndone
	// The value from before is what both agreed on then: whoever edits the other
	// side next replaces what was known, and not somebody's word.
	if !one.set && len(write[0]) == 0 != (len(write[1]) == 0) {
		back := 0
		if len(write[1]) > 0 {
			back = 1
		}
		known = memory{had: true, entry: crm.Agree(one.revision, v[back])}
	}
	t.settle(one.id, one.settle(known, crm.Difference{Reason: crm.ReasonUndone}, v, after))
}

// tell says of each change whether its value from before is to be held, or with
// its side's code why not.
func (t *takeBack) tell(mine [2][]Past, code [2]string) {
	for side, list := range mine {
		for _, c := range list {
			if code[side] != "" {
				t.keep(c, code[side])
			} else {
				t.aim(c)
			}
		}
	}
}

// canonical is what both sides say of a mapping.
func (one *spec) canonical(raw [2]crm.Fields) (v [2]crm.Value, err error) {
	for side, word := range crm.Sides {
		if v[side], err = one.m.Canonical(word, raw[side]); err != nil {
			return v, err
		}
	}
	return v, nil
}

// side decides on the fields of a mapping on one side, which are put back together
// or, with a code, not at all.
func (t *takeBack) side(
	one *spec, side int, mine []Past, raw crm.Fields, now [2]crm.Value, known memory,
) (write crm.Fields, code string) {
	if len(mine) == 0 {
		return nil, ""
	}
	before := crm.Fields{}
	for _, c := range mine {
		before[c.Field] = nullOr(c.Before)
	}
	there := one.stateOf(side, mine, raw, now[side])
	blank := func() bool {
		v, err := one.m.Canonical(crm.Sides[side], overlaid([2]crm.Fields{raw}, [2]crm.Fields{before})[0])
		return err == nil && v.Blank()
	}
	switch {
	case !one.writes(side, mine):
		code = KeptMapping
	case one.only[side] == RuleWriteOnce:
		code = KeptOnce
	case there == asBefore:
	case there == edited && !t.Whatever, known.moved(1-side, now[1-side]) && !t.Whatever:
		code = KeptEdited
	case one.demanded[side] && blank():
		code = KeptNotClearable
	default:
		write = before
		if one.m.JoinsSeveral() { // who has no twin was not our doing, and stays
			v, err := one.m.Canonical(crm.Sides[side], before)
			if err == nil {
				write, err = one.m.Render(crm.Sides[side], v, raw)
			}
			if err != nil {
				return nil, KeptUnfit
			}
		}
	}
	return write, code
}

// writes reports whether a mapping has all the fields on a side.
func (one *spec) writes(side int, mine []Past) bool {
	names := map[string]bool{}
	for _, n := range one.names[side] {
		names[n] = true
	}
	for _, c := range mine {
		if !names[c.Field] {
			return false
		}
	}
	return true
}

// standing is how a field compares with what the log tells of it.
type standing uint8

const (
	edited   standing = iota // it holds something else
	asBefore                 // it holds what it held before
	asAfter                  // it holds what was written
)

// stateOf tells how the fields of a mapping on a side stand. What they hold to
// the letter counts first, then what it stands for: apps write things their way.
func (one *spec) stateOf(side int, mine []Past, raw crm.Fields, now crm.Value) standing {
	before, after := crm.Fields{}, crm.Fields{}
	var held *crm.Value
	asIs := [2]bool{true, true}
	for _, c := range mine {
		before[c.Field], after[c.Field] = nullOr(c.Before), c.After
		asIs[0], asIs[1] = asIs[0] && same(raw[c.Field], c.Before), asIs[1] && same(raw[c.Field], c.After)
		if c.Held != nil {
			held = c.Held
		}
	}
	means := func(f crm.Fields) bool {
		v, err := one.m.Canonical(crm.Sides[side], overlaid([2]crm.Fields{raw}, [2]crm.Fields{f})[0])
		return err == nil && same(v, now)
	}
	switch {
	case asIs[0]:
		return asBefore
	case asIs[1]:
		return asAfter
	case held != nil && same(*held, now):
		return asAfter
	case means(before):
		return asBefore
	case means(after):
		return asAfter
	}
	return edited
}

// StillHolds reports whether a record still holds all that was written to it.
func (s *Settings) StillHolds(r *crm.Record, changes []Past) bool {
	mine := map[crm.MappingID][]Past{}
	for _, c := range changes {
		one := s.spec(c.Mapping)
		if one == nil || one.m == nil {
			if !same(r.Fields[c.Field], c.After) {
				return false
			}
			continue
		}
		mine[c.Mapping] = append(mine[c.Mapping], c)
	}
	for id, list := range mine {
		one, side := s.spec(id), list[0].Side
		now, err := one.m.Canonical(side, r.Fields)
		if err != nil {
			return false
		}
		if at := one.stateOf(side.Index(), list, r.Fields, now); at != asAfter {
			// Where it was written as it was, it is both.
			if v, err := one.m.Canonical(side, withAfter(r.Fields, list)); err != nil || !same(v, now) {
				return false
			}
		}
	}
	return true
}

func withAfter(f crm.Fields, list []Past) crm.Fields {
	out := f.Clone()
	for _, c := range list {
		out[c.Field] = c.After
	}
	return out
}
