package engine

import (
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// Codes of refusals that the engine tells apart.
const (
	codeExists        = "already_exists" // a unique value is another record's
	codeDuplicateRule = "duplicate_rule" // a rule of the app takes the record for a double
)

// maxNarrowed is how often a row is written again without the fields that its
// app refused.
const maxNarrowed = 2

// refusedField is one field that an app refused, with what it was to hold.
type refusedField struct {
	mapping crm.MappingID // "" = a fixed value of creation
	field   string
	code    string
	before  crm.Value
	value   crm.Value
	request *connector.Exchange
}

func exists(err error) bool { return fault.CodeOf(err) == codeExists }

// fail notes that a side's write was refused for good. A record that could not
// be created has no other direction.
func (u *unit) fail(side crm.Side, err error) {
	u.failures.Set(side, err)
	if w := u.decision.Write(side); w != nil && w.Create {
		u.fate.err = err
	}
}

func (u *unit) failed(side crm.Side) bool { return u.failures.Get(side) != nil }

// again returns the rows that are to be written once more, without what their
// app refused.
func again(side crm.Side, rows []row) []row {
	var out []row
	for _, r := range rows {
		n := r.u.narrowed.Get(side)
		if n >= 0 {
			continue
		}
		r.u.narrowed.Set(side, -n)
		w := r.u.decision.Write(side)
		if len(w.Fields) == 0 {
			r.u.decision.Drop(side)
			continue
		}
		r.Fields = w.Fields
		out = append(out, r)
	}
	return out
}

// narrow takes the fields that an app names out of a write, with those that
// mean something only together with them. False: it names none, or the write
// makes no sense without them, so that the row fails whole.
func (s *session) narrow(side crm.Side, r row, answer *connector.Written) bool {
	u, w := r.u, r.u.decision.Write(side)
	kind := fault.KindOf(answer.Err)
	if kind != fault.Invalid && kind != fault.Conflict {
		return false
	}
	codes := s.named(side, w.Fields, fault.FieldFaults(answer.Err))
	for _, field := range u.unassigned.Get(side) {
		codes[field] = mapping.CodeUnknownOwner
	}
	drop := s.together(side, w.Fields, codes)
	if len(drop) == 0 {
		return false
	}
	spent := u.narrowed.Get(side) >= maxNarrowed
	if w.Create && (spent || len(drop) == len(w.Fields) || s.indispensable(side, u, drop)) {
		return false
	}
	s.leaveOut(side, r, answer, drop)
	if spent { // the row fails, and what is left of it is written when it comes again
		s.Mark("refused_in_turns")
		u.more = len(w.Fields) > 0
		return false
	}
	u.narrowed.Set(side, -(u.narrowed.Get(side) + 1))
	return true
}

// leaveOut takes refused fields out of a write, and remembers them as such.
func (s *session) leaveOut(side crm.Side, r row, answer *connector.Written, drop map[string]string) {
	u, w := r.u, r.u.decision.Write(side)
	var gone []refusedField
	for _, field := range sortedFields(drop) {
		m, ok := s.set.MappingOf(side, field)
		if !ok && !w.Create {
			m = reconcile.BackID(field) // the twin's ID: the record's own values do not wait for it
		}
		if act := u.decision.ActOn(side, field); act != "" {
			m = act
		}
		f := refusedField{mapping: m, field: field, code: drop[field], value: w.Fields[field], request: answer.Exchange}
		if rec := u.rec.Get(side); rec != nil {
			f.before = rec.Fields[field]
		}
		gone = append(gone, f)
	}
	for _, f := range gone {
		if f.code == codeFieldMissing {
			s.dropped.Set(side, append(s.dropped.Get(side), f.field))
		}
		if f.code == connector.CodeReadOnly || f.code == connector.CodeOption {
			s.doubted.Set(side, true)
		}
		delete(w.Fields, f.field)
		delete(w.Intended, f.mapping)
	}
	s.Mark("fields_refused")
	u.refused.Set(side, append(u.refused.Get(side), gone...))
}

// named matches what an app names with what was written; apps may spell names
// in another case.
func (s *session) named(side crm.Side, written crm.Fields, faults []fault.FieldFault) map[string]string {
	out := map[string]string{}
	for _, f := range faults {
		for name := range written {
			if strings.EqualFold(name, f.Field) {
				out[name] = f.Code
			}
		}
	}
	return out
}

// together adds the fields that are written or held whole with those named: the
// parts of one mapping, and what the app's schema says belongs together. A
// field that is held for another one's sake has that one's code.
func (s *session) together(side crm.Side, written crm.Fields, named map[string]string) map[string]string {
	out := map[string]string{}
	queue := sortedFields(named)
	for _, n := range queue {
		out[n] = named[n]
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		for _, mate := range s.set.Mates(side, name) {
			if _, is := written[mate]; is && out[mate] == "" {
				out[mate] = out[name]
				queue = append(queue, mate)
			}
		}
	}
	return out
}

// indispensable reports whether a record cannot be created without the fields:
// the app demands one of them, its twin is found by it, or it says what an activity is
// about.
func (s *session) indispensable(side crm.Side, u *unit, fields map[string]string) bool {
	for name := range fields {
		if s.set.Required(side, name) || s.set.IsKey(side, name) || s.set.About(side) == name {
			return true
		}
	}
	return false
}

func sortedFields(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}
