package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestTakenBy: an earlier sync takes what its direction, behaviour, rules and keys
// let through, on the side where it has the object; while a field is gone by which
// it tells, nobody takes anything.
func TestTakenBy(t *testing.T) {
	t.Parallel()
	fields := func(names ...string) (out []crm.Field) {
		for _, n := range names {
			out = append(out, crm.Field{Name: n, Type: crm.TypeText})
		}
		return out
	}
	mapped := []crm.Mapping{{ID: "m", Left: []string{"email"}, Right: []string{"Email"}}}
	keys := crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}})
	late := crm.Sync{
		ID: "late", Direction: crm.DirectionBoth, Left: crm.ObjectEnd{Object: "person"}, Right: crm.ObjectEnd{
			Object: "Contact",
		}, Mappings: mapped, Match: keys,
	}
	rules := []crm.Rule{
		{ID: "r", Direction: crm.DirectionToRight, Filter: &crm.Filter{
			Field: "kind", Op: "equals", Value: crm.TextValue("lead"),
		}},
		{ID: "b", Direction: crm.DirectionToLeft, Filter: &crm.Filter{Field: "Email", Op: "is_empty"}},
	}
	early := late
	early.ID, early.Rules = "early", rules
	lead := &crm.Record{
		ID: "1", Fields: crm.Fields{"email": crm.TextValue("a@example.com"), "kind": crm.TextValue("lead")},
	}
	with := func(change func(*crm.Sync)) crm.Sync {
		s := early
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		early crm.Sync
		rec   *crm.Record
		gone  bool // the field of the filter
		order bool // it comes after the one that is asked
		taken crm.SyncID
		held  bool
	}{
		"passes its filter": {early: early, rec: lead, taken: "early"},
		"does not": {
			early: early, rec: &crm.Record{
				ID: "2", Fields: crm.Fields{"email": crm.TextValue("b@example.com"), "kind": crm.TextValue("user")},
			},
		},
		"has no key": {early: early, rec: &crm.Record{ID: "3", Fields: crm.Fields{"kind": crm.TextValue("lead")}}},
		"has no key and needs none": {
			early: with(func(s *crm.Sync) { s.AvoidDuplicates = new(bool) }), rec: &crm.Record{
				ID: "3", Fields: crm.Fields{"kind": crm.TextValue("lead")},
			}, taken: "early",
		},
		"comes later":       {early: early, rec: lead, order: true},
		"another object":    {early: with(func(s *crm.Sync) { s.Left.Object = "company" }), rec: lead},
		"another twin":      {early: with(func(s *crm.Sync) { s.Right.Object = "Lead" }), rec: lead, taken: "early"},
		"off":               {early: with(func(s *crm.Sync) { s.Direction = crm.DirectionOff }), rec: lead},
		"other way":         {early: with(func(s *crm.Sync) { s.Direction = crm.DirectionToLeft }), rec: lead},
		"does nothing":      {early: with(func(s *crm.Sync) { s.Behavior.ToRight = crm.BehaviorNothing }), rec: lead},
		"its field is gone": {early: early, rec: lead, gone: true, held: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := &crm.Connection{Left: crm.End{Account: "a"}, Right: crm.End{Account: "b"}, Syncs: []crm.Sync{c.early, late}}
			if c.order {
				slices.Reverse(conn.Syncs)
			}
			left := fields("email", "kind")
			if c.gone {
				left = left[:1]
			}
			alone, _ := Compile(nil, &late, left, fields("Email"))
			s, _ := Compile(conn, &late, left, fields("Email"))
			taken, held := s.TakenBy(crm.Left, c.rec, time.Time{})
			if taken != c.taken || held != c.held {
				t.Fatalf("taken by %q, held %t; want %q, %t", taken, held, c.taken, c.held)
			}
			right := &crm.Record{ID: "9", Fields: crm.Fields{"Email": c.rec.Fields["email"]}}
			decision := s.Reconcile(Pair{Left: c.rec, Right: right, Linked: true})
			switch {
			case c.taken != "" && (decision.Code != CodeTakenByOther || decision.State != crm.StateExcluded ||
				!decision.Empty() || !decision.Link):
				t.Errorf("the pair is %s (%s)", decision.State, decision.Code)
			case c.held && (decision.State != crm.StateWaiting || !decision.Empty()):
				t.Errorf("the pair is %s (%s)", decision.State, decision.Code)
			case c.taken == "" && decision.Code == CodeTakenByOther:
				t.Errorf("the pair is left to %s", decision.Detail)
			}
			asks := slices.Contains(s.ReadFields(crm.Left), "kind")
			if is := len(s.takers[0]) > 0; asks != (is && !c.gone) ||
				(s.Digest() != alone.Digest()) != (is || len(s.takers[1]) > 0) {
				t.Errorf("takers: %t; reads their field: %t; its digest differs: %t", is, asks, s.Digest() != alone.Digest())
			}
		})
	}
}
