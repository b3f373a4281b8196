package reconcile

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Result is what became of one side when a decision was carried out.
type Result struct {
	Refused  map[crm.MappingID]string // mappings that the app refused, with the code of each
	Failed   bool                     // the app refused the write whole
	Fields   crm.Fields               // what the record holds now, as far as known
	Answered bool                     // the app said so: what was written is in Fields as it was stored
	Acts     map[string]string        // fields of rules' actions that the app refused, with the code of each
}

// Stored is one mapping of which the app holds something else than was written.
type Stored struct {
	Mapping crm.MappingID
	Side    crm.Side
	Sent    crm.Value // canonical, what was written
	Held    crm.Value // what the side holds now
	Kept    bool      // the app kept what it had
}

// Settle returns what is to be remembered of a pair once a decision's writes have
// been answered: the decision's base as far as they succeeded, a difference where
// an app refused a field or stored something else, and what was remembered
// before where a whole write was refused.
func (s *Settings) Settle(p Pair, decision *Decision, results crm.PerSide[Result]) (crm.Base, []Stored) {
	m := &merger{s: s, base: decision.Base}
	var stored []Stored
	for i := range s.specs {
		one := &s.specs[i]
		if one.m == nil || i >= len(decision.Fields) {
			continue
		}
		if found := m.settleField(one, &decision.Fields[i], p, decision, results); found != nil {
			stored = append(stored, *found)
		}
	}
	m.settleActs(p, decision, results)
	return m.base, stored
}

// settleField is Settle for one mapping.
func (m *merger) settleField(
	one *spec, f *FieldDecision, p Pair, decision *Decision, results crm.PerSide[Result],
) (found *Stored) {
	observed := [2]crm.Value{f.Left, f.Right}
	failed := false
	var why *crm.Difference
	for i, side := range crm.Sides {
		r := results.Get(side)
		if code, refused := r.Refused[one.id]; refused {
			if code == CodeFieldMissing { // held: as if it had not been tried
				failed = true
				continue
			}
			if reason, lack := one.m.Lack(); code == lack {
				why = &crm.Difference{Reason: reason, Side: side}
				continue
			}
			why = &crm.Difference{Reason: crm.ReasonRefused, Side: side, Code: code, Since: p.Now, Tries: 1}
			if old := p.Base[one.id].Settled; old != nil && old.Reason == crm.ReasonRefused && old.Code == code &&
				old.Side == side {
				why.Since, why.Tries = old.Since, old.Tries+1
			}
			continue
		}
		w := decision.Write(side)
		if w == nil {
			continue
		}
		sent, written := w.Intended[one.id]
		if failed = failed || written && r.Failed; !written || r.Failed || !r.Answered {
			continue
		}
		shown, _ := oneNamed(one.m, side, r.Fields, func(v crm.Value) bool { return same(v, sent) })
		held, err := one.m.Canonical(side, shown)
		if err != nil || same(held, sent) {
			continue
		}
		if one.uncovers(sent, held) && !same(held, observed[i]) {
			why = &crm.Difference{Reason: crm.ReasonCleared}
			continue
		}
		found = &Stored{Mapping: one.id, Side: side, Sent: sent, Held: held, Kept: same(held, observed[i])}
		why = &crm.Difference{Reason: crm.ReasonChangedByApp, Side: side, Since: p.Now}
		if found.Kept {
			why.Note = NoteKept
		}
	}
	if why == nil {
		if failed {
			m.restore(one.id, p.Base)
		}
		return nil
	}
	left, right := &crm.Record{Fields: results.Left.Fields}, &crm.Record{Fields: results.Right.Fields}
	entry, ok := m.s.Settled(one.id, p.Base, left, right, *why)
	if !ok { // the app made of it what the other side holds
		if v, err := one.m.Canonical(crm.Left, left.Fields); err == nil {
			m.settle(one.id, crm.Agree(one.revision, v))
		}
		return nil
	}
	m.settle(one.id, entry)
	return found
}

// uncovers reports whether a reference that we emptied shows the next of several records
// that its field names: the one that both sides knew is gone, the others are nobody's
// business over there. The app stored what was written.
func (one *spec) uncovers(sent, held crm.Value) bool {
	return one.m.Joins() != "" && !one.m.JoinsSeveral() && sent.Blank() && !held.Blank()
}

// NoteKept marks a difference whose app answered success and kept its old value.
const NoteKept = "kept"

// restore puts back what was remembered of a mapping before the decision.
func (m *merger) restore(id crm.MappingID, before crm.Base) {
	if old, found := before[id]; found {
		m.settle(id, old)
		return
	}
	if _, found := m.base[id]; found {
		m.settle(id, crm.Agreed{})
		delete(m.base, id)
	}
}

// MappingOf returns the mapping that writes a field of a side.
func (s *Settings) MappingOf(side crm.Side, field string) (crm.MappingID, bool) {
	for i := range s.specs {
		if one := &s.specs[i]; one.m != nil && slices.Contains(one.names[side.Index()], field) && one.open[side.Index()] {
			return one.id, true
		}
	}
	return "", false
}

// Mates returns the fields of a side that are written or held whole with a
// field: the other parts of its mapping, and what the schema says it means
// something only together with.
func (s *Settings) Mates(side crm.Side, field string) []string {
	i := side.Index()
	var out []string
	add := func(names []string) {
		for _, n := range names {
			if n != field && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	for k := range s.specs {
		if one := &s.specs[k]; one.m != nil && one.open[i] && slices.Contains(one.names[i], field) {
			add(one.names[i])
		}
	}
	add(s.schema[i][field].With)
	for name, f := range s.schema[i] {
		if slices.Contains(f.With, field) {
			add([]string{name})
		}
	}
	slices.Sort(out)
	return out
}

// Required reports whether the app demands the field to create a record.
func (s *Settings) Required(side crm.Side, field string) bool {
	return s.schema[side.Index()][field].Required
}

// IsKey reports whether records of the side are found by the field.
func (s *Settings) IsKey(side crm.Side, field string) bool {
	i := side.Index()
	for _, st := range s.steps[i] {
		if st.idField == field && st.idSide != i {
			return true
		}
		for k := range st.pairs {
			if st.pairs[k].names[i] == field {
				return true
			}
		}
	}
	return false
}

// Label names the fields of a mapping on both sides.
func (s *Settings) Label(id crm.MappingID) string {
	for i := range s.specs {
		if s.specs[i].id == id {
			return s.specs[i].label
		}
	}
	return string(id)
}

// Target returns the side that a mapping writes, seen from the side whose
// record asked.
func (s *Settings) Target(id crm.MappingID, from crm.Side) crm.Side {
	if to, ok := s.OneWay(id); ok {
		return to
	}
	return from.Other()
}

// OneWay returns the only side that a mapping writes; ok is false where it writes both
// or none.
func (s *Settings) OneWay(id crm.MappingID) (to crm.Side, ok bool) {
	for i := range s.specs {
		if one := &s.specs[i]; one.id == id && one.m != nil && one.open[0] != one.open[1] {
			if one.open[0] {
				return crm.Left, true
			}
			return crm.Right, true
		}
	}
	return "", false
}

// Troubles lists the fields that do not get across, for Decision.Detail: those
// that do not fit, and those that an app refused, with the code.
func (s *Settings) Troubles(fields []FieldDecision, base crm.Base) string {
	var out []string
	for i := range s.specs {
		one := &s.specs[i]
		switch d := base[one.id].Settled; {
		case i < len(fields) && fields[i].Rule == RuleFailed:
			out = append(out, one.label)
		case one.m != nil && d != nil && d.Reason == crm.ReasonRefused:
			out = append(out, one.label+" ("+d.Code+")")
		}
	}
	return list(append(out, s.refusedActs(base)...))
}

// Lacking lists the fields that name users or records which the other app does
// not have, and the code of the first.
func (s *Settings) Lacking(base crm.Base) (fields, code string) {
	var out []string
	for i := range s.specs {
		d := base[s.specs[i].id].Settled
		if s.specs[i].m != nil && d != nil && d.Reason.Lacks() {
			out = append(out, s.specs[i].label)
			if code == "" {
				_, code = s.specs[i].m.Lack()
			}
		}
	}
	return list(out), code
}

// Kept lists the fields of which an app kept its own value although it said yes
// to ours.
func (s *Settings) Kept(base crm.Base) string {
	var out []string
	for i := range s.specs {
		if d := base[s.specs[i].id].Settled; s.specs[i].m != nil && d != nil && d.Reason == crm.ReasonChangedByApp &&
			d.Note == NoteKept {
			out = append(out, s.specs[i].label)
		}
	}
	return list(out)
}

// rouse finds the refused fields that are tried again because one that they
// were held with has changed: together they may make sense now. Fields that
// were refused together have the same side, code and time.
func (m *merger) rouse(base crm.Base) {
	moved := map[crm.Difference]bool{}
	key := func(d *crm.Difference) crm.Difference {
		return crm.Difference{Side: d.Side, Code: d.Code, Since: d.Since}
	}
	each := func(f func(one *spec, d *crm.Difference)) {
		for i := range m.s.specs {
			one := &m.s.specs[i]
			if d := base[one.id].Settled; one.m != nil && d != nil && d.Reason == crm.ReasonRefused {
				f(one, d)
			}
		}
	}
	each(func(one *spec, d *crm.Difference) {
		source := 1 - d.Side.Index()
		raw := [2]crm.Fields{m.records[0].Fields, m.records[1].Fields}
		v, err := one.m.Canonical(crm.Sides[source], raw[source])
		if err == nil && one.recall(base, raw, occasion{}).moved(source, v) {
			moved[key(d)] = true
		}
	})
	if len(moved) == 0 {
		return
	}
	m.roused = map[crm.MappingID]bool{}
	each(func(one *spec, d *crm.Difference) {
		if moved[key(d)] {
			m.roused[one.id] = true
		}
	})
}

// place is the bit of the mapping at an index.
func place(i int) uint64 {
	if i >= 64 {
		return 0
	}
	return 1 << i
}

// Trace is as much of a value as tells whether an app kept what it had.
func Trace(v crm.Value) string {
	if v.Blank() {
		return "-"
	}
	return crm.Fingerprint(v)[:4]
}

// Placed returns the mappings of bits, in their order.
func (s *Settings) Placed(bits uint64) []crm.MappingID {
	var out []crm.MappingID
	for i := range s.specs {
		if bits&s.specs[i].bit != 0 {
			out = append(out, s.specs[i].id)
		}
	}
	return out
}

// Places returns the bits of the mappings of a write, for Pair.ByApp.
func (s *Settings) Places(intended map[crm.MappingID]crm.Value) (bits uint64) {
	for i := range s.specs {
		if _, written := intended[s.specs[i].id]; written {
			bits |= s.specs[i].bit
		}
	}
	return bits
}
