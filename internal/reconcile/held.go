package reconcile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// The codes of what is held.
const (
	CodeFieldMissing = "field_missing" // the app's object lacks a field
	CodeFieldChanged = "field_changed" // the app made another kind of field of it: see Held.Code
)

// Held is a part of the settings that rests because a field is gone: archived,
// renamed, or no longer shown to us; or because it is another one than it was: of
// another type, read-only, without an option. Nothing is written, left out or made
// because of it, and what was agreed on is kept; when the field is back, or the part
// is mended, it goes on from there.
type Held struct {
	Kind    HeldKind
	ID      string // of the mapping or rule; the index of a match step; the field of a stamp
	Pointer string // relative to the sync
	Side    crm.Side
	Field   string
	Code    string // what of the mapping does not fit the field any more; "" = the field is gone
	Detail  string // the same in words
}

// HeldKind says what is held.
type HeldKind string

// The kinds of parts that are held.
const (
	HeldMapping HeldKind = "mapping"
	HeldRule    HeldKind = "rule"
	HeldAction  HeldKind = "action"
	HeldMatch   HeldKind = "match_step"
	HeldStamp   HeldKind = "stamp"
)

// drifts are the problems of a mapping that a change of the app's schema brings about:
// settings that had them when they were saved were refused.
var drifts = []string{
	mapping.CodeReadOnlyField, mapping.CodeIncompatible, mapping.CodeNotRoundTrip, mapping.CodeUnknownOption,
	mapping.CodeBadDefault, mapping.CodeNotReference,
}

// Drifts reports whether a problem of that code may be one that settings come to have
// because an app changed a field.
func Drifts(code string) bool { return slices.Contains(drifts, code) }

// Held lists what rests for want of a field, in the order of the document.
func (s *Settings) Held() []Held { return slices.Clone(s.held) }

// lacks reports whether a side's object is known not to have a field.
func (s *Settings) lacks(side int, name string) bool {
	if s.schema[side] == nil || name == "" || name == recordID {
		return false
	}
	_, known := s.schema[side][name]
	return !known
}

// hold notes that a part of the settings rests.
func (s *Settings) hold(kind HeldKind, id, pointer string, side int, field string) {
	h := Held{Kind: kind, ID: id, Pointer: pointer, Side: crm.Sides[side], Field: field}
	if !slices.Contains(s.held, h) {
		s.held = append(s.held, h)
	}
}

// holdMapping marks a mapping that is on and has a field that is gone. What
// else is wrong with it cannot be told before the field is back.
func (s *Settings) holdMapping(index int, m *crm.Mapping, one *spec) bool {
	if !m.On() {
		return false
	}
	for i, side := range crm.Sides {
		for n, name := range one.names[i] {
			if !s.lacks(i, name) {
				continue
			}
			one.held = append(one.held, string(side)+" "+name)
			at := "/mappings/" + strconv.Itoa(index) + "/" + string(side) + "/" + strconv.Itoa(n)
			s.hold(HeldMapping, string(m.ID), s.pointer(at), i, name)
		}
		for _, name := range one.names[i] {
			one.required[i] = one.required[i] || s.schema[i][name].Required
		}
	}
	return len(one.held) > 0
}

// holdChanged marks a mapping that does not fit a field any more. It is no problem of
// each of the records: they wait for whoever mends it.
func (s *Settings) holdChanged(m *crm.Mapping, one *spec, p *mapping.Problem) bool {
	if !m.On() || !Drifts(p.Code) {
		return false
	}
	i := 0 // the side that the problem is found on
	at := strings.Split(p.Pointer, "/")
	for n, side := range crm.Sides {
		to := "/" + string(side)
		if strings.Contains(p.Pointer, to) || strings.HasSuffix(p.Pointer, string(crm.WayTo(side))) ||
			p.Code == mapping.CodeUnknownOption && strings.Contains(p.Detail, "the "+string(side)+" field") {
			i = n
		}
	}
	if len(one.names[i]) == 0 {
		i = 1 - i
	}
	if len(one.names[i]) == 0 {
		return false
	}
	name := one.names[i][0]
	if n, err := strconv.Atoi(at[len(at)-1]); err == nil && n < len(one.names[i]) {
		name = one.names[i][n]
	}
	one.held, one.changed = []string{string(crm.Sides[i]) + " " + name}, p.Detail
	h := Held{
		Kind: HeldMapping, ID: string(m.ID), Pointer: s.pointer(p.Pointer), Side: crm.Sides[i], Field: name,
		Code: p.Code, Detail: p.Detail,
	}
	s.held = append(s.held, h)
	for side := range crm.Sides {
		for _, name := range one.names[side] {
			one.required[side] = one.required[side] || s.schema[side][name].Required
		}
	}
	return true
}

// rests says why a mapping is held.
func (one *spec) rests() (code, detail string) {
	if one.changed != "" {
		return CodeFieldChanged, one.changed
	}
	return CodeFieldMissing, "the app does not have the field " + list(one.held)
}

// holdRules lists the rules and actions that rest.
func (s *Settings) holdRules() {
	for i := range s.sync.Rules {
		r := &s.sync.Rules[i]
		if !r.On() {
			continue
		}
		at := "/rules/" + strconv.Itoa(i)
		for side, word := range crm.Sides {
			if r.Direction.Allows(crm.WayTo(word.Other())) {
				for _, name := range filterFields(r.Filter) {
					if s.lacks(side, name) {
						s.hold(HeldRule, r.ID, at+"/filter", side, name)
					}
				}
			}
			for _, name := range actionFields(r, word) {
				if s.lacks(side, name) {
					s.hold(HeldAction, r.ID, at+"/actions", side, name)
				}
			}
		}
	}
}

// filterFields names the fields that a filter looks at.
func filterFields(f *crm.Filter) []string {
	if f == nil {
		return nil
	}
	var names []string
	if f.Field != "" {
		names = append(names, f.Field)
	}
	names = append(names, filterFields(f.Not)...)
	for _, list := range [][]crm.Filter{f.All, f.Any} {
		for i := range list {
			names = append(names, filterFields(&list[i])...)
		}
	}
	return names
}

// holdStep reports whether a match step has a field that is gone.
func (s *Settings) holdStep(at string, index int, m *crm.MatchStep) bool {
	before := len(s.held)
	found := false
	look := func(side int, name string) {
		if s.lacks(side, name) {
			found = true
			s.hold(HeldMatch, strconv.Itoa(index), at, side, name)
		}
	}
	if m.By == crm.MatchByID {
		look(0, m.Left)
		look(1, m.Right)
	}
	for _, p := range slices.Concat(m.Pairs, m.Verify) {
		look(0, p[0])
		look(1, p[1])
	}
	for _, name := range m.Protect {
		look(0, name)
	}
	return found || len(s.held) > before
}

// Blind reports whether twins of a side's records cannot be looked for as usual,
// because a step that finds them is held.
func (s *Settings) Blind(side crm.Side) bool {
	_, held := s.heldStep(side)
	return held
}

// heldStep reports whether a step by which records of the side find their twins
// rests, and names its fields.
func (s *Settings) heldStep(side crm.Side) (detail string, held bool) {
	for i := range s.steps[side.Other().Index()] {
		if st := &s.steps[side.Other().Index()][i]; st.held {
			return s.heldFields(HeldMatch, strconv.Itoa(st.index)), true
		}
	}
	return "", false
}

// heldNames lists the fields, without their sides, that a part waits for.
func (s *Settings) heldNames(kind HeldKind, id string) []string {
	var names []string
	for _, h := range s.held {
		if h.Kind == kind && h.ID == id && !slices.Contains(names, h.Field) {
			names = append(names, h.Field)
		}
	}
	return names
}

// heldFields names the fields that a part of the settings waits for.
func (s *Settings) heldFields(kind HeldKind, id string) string {
	var names []string
	for _, h := range s.held {
		if name := string(h.Side) + " " + h.Field; h.Kind == kind && (id == "" || h.ID == id) &&
			!slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return list(names)
}
