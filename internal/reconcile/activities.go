package reconcile

import (
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// A sync of activities is one like any other, but that nothing makes two activities
// one except their link, that each is about a record of another sync, and that those
// from before it was switched on are nobody's business.

// Codes of activities that are left alone.
const (
	CodeNoParent  = "activity_without_parent" // it is about no record of the sync
	CodeOlder     = "activity_made_before"    // it was made before activities were switched on
	CodeParentOut = "parent_excluded"         // the record that it is about is left out of the sync, or deleted
)

// About is the field that names the record which an activity of a side is about; "" in
// every other sync.
func (s *Settings) About(side crm.Side) string {
	if s.sync.About == nil || len(s.sync.Associations) == 0 {
		return ""
	}
	if side == crm.Left {
		return s.sync.Associations[0].Left
	}
	return s.sync.Associations[0].Right
}

// MadeSince reports whether a record is an activity that was made since activities were
// switched on. Apps tell that in seconds; what was made in that of the switch is new.
func (s *Settings) MadeSince(r *crm.Record) bool {
	a := s.sync.About
	return a != nil && !a.Since.IsZero() && !r.CreatedAt.Before(a.Since.Truncate(time.Second))
}

// leavesActivity says why an activity without a link is left alone, if it is.
func (s *Settings) leavesActivity(side crm.Side, r *crm.Record) (code string, left bool) {
	a := s.sync.About
	switch {
	case a == nil:
		return "", false
	case !s.namesParent(side, r):
		return CodeNoParent, true
	case !a.Existing && !s.MadeSince(r):
		return CodeOlder, true
	}
	return "", false
}

// namesParent reports whether an activity is about a record of the object that its
// sync is about: a field may name records of others, too.
func (s *Settings) namesParent(side crm.Side, r *crm.Record) bool {
	name := s.About(side)
	id := mapping.RecordNamed(r.Get(name))
	parent := s.joined[s.sync.About.Sync]
	if id == "" || parent == nil {
		return id != ""
	}
	begins := s.schema[side.Index()][name].Refers[parent.Object(side)]
	return strings.HasPrefix(id, begins)
}

// orphan is the decision for an activity whose parent has no twin, if that is so: it
// waits for the twin, and is listed as left out while its parent is. Either way it is
// noted under its parent, whose link wakes it.
func (s *Settings) orphan(m *merger, source int) (Decision, bool) {
	if s.sync.About == nil {
		return Decision{}, false
	}
	for i := range s.specs {
		one, target := &s.specs[i], 1-source
		if one.m == nil || one.m.Joins() != s.sync.About.Sync || m.decision.Fields[i].Rule == RuleFillBlank {
			continue
		}
		p := Decision{
			Outcome: crm.Skipped, State: crm.StateWaiting, Code: mapping.CodePartnerNotLinked, Rules: m.decision.Rules,
			Traces: m.decision.Traces, Timed: s.timed,
		}
		p.Detail = one.m.LackRemark(crm.Sides[target])
		raw := m.records[source].Get(one.names[source][0])
		if code, out := one.m.Out(crm.Sides[source], raw); out {
			p.Outcome, p.State, p.Code = crm.Excluded, crm.StateExcluded, CodeParentOut
			p.Detail = "the record that it is about is out of the sync " + string(s.sync.About.Sync) + ": " + code
		}
		field := m.decision.Fields[i]
		field.Rule, field.Lacks, field.Code, field.Detail = RuleSettled, crm.Sides[target], p.Code, p.Detail
		p.Fields = []FieldDecision{field}
		return p, true
	}
	return Decision{}, false
}
