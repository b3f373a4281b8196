package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// The codes of problems found at set-up, beside those of packages mapping and rule.
const (
	CodeUnknownBehavior = "unknown_behavior"
	CodeUnknownSchedule = "unknown_schedule"
	CodeUnknownInitial  = "unknown_initial"
	CodeUnknownDeletion = "unknown_delete_policy"
	CodeMissingTag      = "missing_tag"
	CodeUnknownZone     = "unknown_time_zone"
	CodeUnknownStep     = "unknown_match_step"
	CodeMissingMatch    = "missing_match_step"
	CodeMissingPairs    = "missing_pairs"
	CodeBadIDStep       = "wrong_id_step"
	CodeUnknownChoice   = "unknown_choice"
	CodeFieldTaken      = "field_is_mapped" // a stamp or written-back ID where a mapping writes too
	CodeMappingCycle    = "mapping_cycle"
	CodeUnknownSync     = "unknown_sync"              // an association's sync is none of the connection
	CodeOtherObject     = "reference_to_other_object" // an association names records that its sync is not about
)

// check collects every problem of one sync.
type check struct {
	s        *Settings
	problems []mapping.Problem
}

func (k *check) add(pointer, code, format string, args ...any) {
	k.problems = append(k.problems, mapping.Problem{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// zone finds a time zone; an unknown one is UTC and a problem of the whole
// sync, because the document names zones beside its syncs.
func (k *check) zone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" { // the machine's own zone differs from machine to machine
		k.add("", CodeUnknownZone, "there is no time zone %q: use an IANA name such as \"America/New_York\"", name)
		return time.UTC
	}
	return zone
}

// oneOf checks an enumeration; the empty word stands for the default.
func oneOf[T ~string](k *check, pointer, code string, got T, allowed ...T) {
	if got == "" || slices.Contains(allowed, got) {
		return
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	k.add(pointer, code, "%q is not known here: use %s", got, strings.Join(words, ", "))
}

func (k *check) enums() {
	s := &k.s.sync
	oneOf(k, "/direction", mapping.CodeUnknownDirection, s.Direction, crm.Directions...)
	oneOf(k, "/conflict", mapping.CodeUnknownConflict, s.Conflict, crm.ConflictPolicies...)
	oneOf(k, "/schedule", CodeUnknownSchedule, s.Schedule, crm.Schedules...)
	oneOf(k, "/initial", CodeUnknownInitial, s.Initial, crm.Initials...)
	for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
		at := "/" + string(way)
		oneOf(k, "/behavior"+at, CodeUnknownBehavior, s.Behavior.Get(way), crm.Behaviors...)
		oneOf(k, "/deletes"+at, CodeUnknownDeletion, s.Deletes.Get(way), crm.Deletions...)
		oneOf(k, "/unsubscribes"+at, CodeUnknownDeletion, s.Unsubscribes.Get(way), crm.DeleteIgnore, crm.DeleteTag)
	}
}

// field checks that a side has a field, and where it is to be written that the
// app takes it.
func (k *check) field(pointer string, side int, name string, write bool) bool {
	field, known := k.s.schema[side][name]
	word := crm.Sides[side]
	switch {
	case strings.TrimSpace(name) == "":
		k.add(pointer, mapping.CodeMissingField, "name a field of the %s object", word)
	case k.s.schema[side] != nil && !known:
		k.add(pointer, mapping.CodeUnknownField, "the %s object has no field %q: choose one of its fields", word, name)
	case write && field.ReadOnly:
		k.add(pointer, mapping.CodeReadOnlyField, "the %s field %q is read-only in the app: choose another", word, name)
	default:
		return true
	}
	return false
}

// cycles refuses mappings that feed each other round in a ring: each would
// write what the other read before, for ever. One two-way mapping says what is
// meant. A chain that ends is fine; it takes a pass per mapping. What closes a
// ring is broken, so that even settings with this problem come to rest.
func (k *check) cycles() {
	for {
		n, found := findCycle(k.s.specs)
		if !found {
			return
		}
		one := &k.s.specs[n]
		at := k.s.pointer("/mappings/" + strconv.Itoa(n))
		k.add(at, CodeMappingCycle, "the mapping %q and others write what each of them reads, "+
			"so values would go round for ever: use one mapping with the direction both", one.id)
		problem := k.problems[len(k.problems)-1]
		one.m, one.problem = nil, &problem
	}
}

// findCycle walks from what a mapping writes to the mappings that read it on
// their way back, and returns the mapping at which a ring closes.
func findCycle(specs []spec) (int, bool) {
	const active, done = 1, 2
	seen := make([][2]int, len(specs))
	var visit func(n, to int) (int, bool)
	visit = func(n, to int) (int, bool) {
		if seen[n][to] != 0 {
			return n, seen[n][to] == active
		}
		seen[n][to] = active
		for other := range specs {
			if other == n || specs[other].m == nil || !specs[other].open[1-to] ||
				!overlap(specs[n].names[to], specs[other].names[to]) {
				continue
			}
			if at, found := visit(other, 1-to); found {
				return at, true
			}
		}
		seen[n][to] = done
		return n, false
	}
	for n := range specs {
		for to := range crm.Sides {
			if specs[n].m == nil || !specs[n].open[to] {
				continue
			}
			if at, found := visit(n, to); found {
				return at, true
			}
		}
	}
	return 0, false
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
}

// compileExtras prepares stamps and written-back IDs. A field that a mapping
// also reads or writes belongs to the mapping: a stamp there would be an edit.
func (s *Settings) compileExtras(k *check) {
	for i, side := range crm.Sides {
		values := s.sync.Stamp.Get(crm.WayTo(side))
		for _, name := range sortedNames(values) {
			at := "/stamp/" + string(crm.WayTo(side)) + "/" + pointerPart(name)
			if s.lacks(i, name) && !values[name].Blank() {
				s.hold(HeldStamp, name, at, i, name)
			}
			switch {
			case !k.field(at, i, name, true):
			case s.mapped(i, name):
				k.add(at, CodeFieldTaken, "the %s field %q is mapped: give the mapping a default value instead", side, name)
			case !values[name].Blank():
				s.stamps[i] = append(s.stamps[i], stamp{name, values[name]})
			}
		}
	}
	reported := map[string]bool{}
	for _, st := range slices.Concat(s.steps[1], s.steps[0]) {
		if !st.spec.WriteBack || !st.usable || st.idSide < 0 {
			continue
		}
		b := back{1 - st.idSide, st.idField}
		at := st.at + "/" + string(crm.Sides[b.side])
		switch {
		case slices.Contains(s.backs, b), reported[at]:
		case s.mapped(b.side, b.field):
			reported[at] = true // the step may serve both ways
			k.add(at, CodeFieldTaken, "the %s field %q is mapped, so the ID cannot be kept there: remove the mapping",
				crm.Sides[b.side], b.field)
		default:
			s.backs = append(s.backs, b)
		}
	}
}

func (s *Settings) mapped(side int, field string) bool {
	return slices.ContainsFunc(s.specs, func(one spec) bool {
		return (one.m != nil || one.held != nil) && slices.Contains(one.names[side], field)
	})
}

func sortedNames(f crm.Fields) []string {
	names := make([]string, 0, len(f))
	for n := range f {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// pointerPart writes a key as a part of a JSON Pointer (RFC 6901).
func pointerPart(key string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }
