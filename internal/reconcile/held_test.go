package reconcile

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// without returns a schema without a field.
func without(schema []crm.Field, name string) []crm.Field {
	return slices.DeleteFunc(slices.Clone(schema), func(f crm.Field) bool { return f.Name == name })
}

// lose takes a field from the records of a side.
func lose(p Pair, side int, name string) Pair {
	for i, r := range []**crm.Record{&p.Left, &p.Right} {
		if i == side && *r != nil {
			c := **r
			c.Fields = c.Fields.Clone()
			delete(c.Fields, name)
			*r = &c
		}
	}
	return p
}

// TestS31_AFieldThatIsGoneSaysNothing: whatever the settings and the pair, when
// a field leaves an app nothing is written for it, nobody is left out or made for
// want of it, what was agreed on is kept, and when it is back the decision is what it
// would have been.
func TestS31_AFieldThatIsGoneSaysNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		side := rapid.IntRange(0, 1).Draw(t, "side")
		schemas := [2][]crm.Field{leftSchema(), rightSchema()}
		name := rapid.SampledFrom(schemas[side]).Draw(t, "gone").Name
		schemas[side] = without(schemas[side], name)
		s, _ := Compile(conn(), &c.sync, schemas[0], schemas[1])
		p := lose(c.p, side, name)
		decision := s.Reconcile(p)
		holds := map[HeldKind]bool{}
		for _, h := range s.Held() {
			holds[h.Kind] = true
			if h.Side != crm.Sides[side] || h.Field != name {
				t.Fatalf("held for another field: %+v", h)
			}
		}
		for i := range c.sync.Mappings {
			m := &c.sync.Mappings[i]
			if !slices.Contains([][]string{m.Left, m.Right}[side], name) || !m.On() {
				continue
			}
			checkHeldMapping(t, s, m, p, decision)
		}
		if w := decision.Write(crm.Sides[side]); w != nil {
			if _, written := w.Fields[name]; written {
				t.Fatalf("%s is written although it is gone", name)
			}
		}
		ruled := c.sync.Rules != nil && slices.ContainsFunc(s.Held(), func(h Held) bool { return h.Kind == HeldRule })
		if ruled && decision.Code == CodeFiltered && c.decision.Code != CodeFiltered && decision.Outcome == crm.Excluded {
			t.Fatalf("left out by a rule that rests: %+v", decision)
		}
		if holds[HeldMatch] {
			for _, w := range []*Write{decision.Left, decision.Right} {
				if w != nil && w.Create {
					t.Fatalf("somebody is made although a match step rests")
				}
			}
			if decision.Code == CodeNoIdentity {
				t.Fatal("left out for want of a key that is only hidden")
			}
		}
		if slices.ContainsFunc(decision.Fields, func(f FieldDecision) bool {
			return f.Rule == RuleFailed && f.Code == "unknown_field"
		}) {
			t.Fatal("a field that is gone fails instead of resting")
		}
		// Back again: from the base that was kept and the values as they are.
		back := p
		back.Left, back.Right, back.Base = c.p.Left, c.p.Right, c.p.Base
		if diff := cmp.Diff(shape(c.decision, false), shape(c.s.Reconcile(back), false)); diff != "" {
			t.Fatalf("when it is back (-want +got):\n%s", diff)
		}
	})
}

// checkHeldMapping holds one mapping of a field that is gone to its promises.
func checkHeldMapping(t *rapid.T, s *Settings, m *crm.Mapping, p Pair, decision Decision) {
	if f := ruleOf(&decision, m.ID); len(decision.Fields) > 0 &&
		(f.Rule != RuleHeld || f.Code != CodeFieldMissing || f.Winner != "") {
		t.Fatalf("the mapping %s says %+v", m.ID, f)
	}
	for i, w := range []*Write{decision.Left, decision.Right} {
		if w == nil {
			continue
		}
		if _, meant := w.Intended[m.ID]; meant {
			t.Fatalf("the mapping %s writes the %s", m.ID, crm.Sides[i])
		}
	}
	if p.Linked && !cmp.Equal(decision.Base[m.ID], p.Base[m.ID]) {
		t.Fatalf("the agreement on %s was %#v and is %#v", m.ID, p.Base[m.ID], decision.Base[m.ID])
	}
	if !slices.ContainsFunc(s.Held(), func(h Held) bool { return h.Kind == HeldMapping && h.ID == string(m.ID) }) {
		t.Fatalf("the mapping %s is not listed as held", m.ID)
	}
}

// TestS31_AFilterOnAFieldThatIsGoneMovesNobody: whatever the operator, it lets
// nobody through and throws nobody out.
func TestS31_AFilterOnAFieldThatIsGoneMovesNobody(t *testing.T) {
	t.Parallel()
	ops := map[crm.FilterOp]crm.Value{
		"is_empty": {}, "is_not_empty": {}, "not_equals": crm.TextValue("x"), "not_contains": crm.TextValue("x"),
		"not_in": crm.ListValue("x"), "equals": crm.TextValue("x"), "in": crm.ListValue("x"),
	}
	for op, v := range ops {
		for _, negated := range []bool{false, true} {
			f := &crm.Filter{Field: "title", Op: op, Value: v}
			if negated {
				f = &crm.Filter{Not: f}
			}
			sync := baseSync(one("first", "first", "Name"))
			sync.Rules = []crm.Rule{{ID: "r", Direction: crm.DirectionToRight, Filter: f}}
			s, _ := Compile(conn(), &sync, without(leftSchema(), "title"), rightSchema())
			alone := s.Reconcile(Pair{Left: ann(), Origin: crm.Left, Now: noon})
			if !alone.Held || !alone.Empty() || alone.Outcome == crm.Excluded || alone.Code != CodeFieldMissing {
				t.Errorf("%s (not: %t): a new record is %s %s", op, negated, alone.Outcome, alone.Code)
			}
			p := Pair{Left: ann(), Right: annRight(), Linked: true, Now: noon}
			p.Left.Fields["first"] = crm.TextValue("Anna")
			base := crm.Base{"first": crm.Agree(s.Mapping("first").Revision(), crm.TextValue("Ann"))}
			p.Right.Fields["Name"], p.Base = crm.TextValue("Ann"), base
			linked := s.Reconcile(p)
			if !linked.Held || !linked.Empty() || !cmp.Equal(linked.Base["first"], base["first"]) {
				t.Errorf("%s (not: %t): a linked pair is %s %s, held %t, writes %+v", op, negated, linked.Outcome, linked.Code,
					linked.Held, linked.Right)
			}
		}
	}
}

// TestS31_AMatchStepThatRestsMakesNobody: an earlier step may still find the
// twin; nobody is matched by a later one, or made.
func TestS31_AMatchStepThatRestsMakesNobody(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:6]...)
	sync.Match = crm.SameMatch(
		crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}},
		crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"title", "Title"}}},
		crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"phone", "Phone"}}},
	)
	s, _ := Compile(conn(), &sync, leftSchema(), without(rightSchema(), "Title"))
	left, twin := ann(), annRight()
	found := s.Decide(crm.Left, left, [][]crm.Record{{*twin}})
	if found.Kind != MatchFound {
		t.Errorf("the step before finds %s", found.Kind)
	}
	stranger := *twin
	stranger.Fields = twin.Fields.Clone()
	stranger.Fields["Email"] = crm.TextValue("other@example.com")
	held := s.Decide(crm.Left, left, [][]crm.Record{nil, {stranger}})
	if held.Kind != MatchHeld || held.Code != CodeFieldMissing || held.Record != nil {
		t.Errorf("with nobody before it: %+v", held)
	}
	if decision := s.Reconcile(Pair{Left: left, Origin: crm.Left, Now: noon}); !decision.Held || !decision.Empty() {
		t.Errorf("made all the same: %s %s", decision.Outcome, decision.Code)
	}
	if q := s.Lookups(crm.Left, left); slices.ContainsFunc(q, func(l Lookup) bool { return l.Step == 1 }) {
		t.Error("the step that rests is asked")
	}
}

// TestS31_WhatTheAppDemandsIsHeldTogether: a record is not made without a field
// that the app demands and whose source is gone, and that is no failure.
func TestS31_WhatTheAppDemandsIsHeldTogether(t *testing.T) {
	t.Parallel()
	schema := rightSchema()
	schema[3].Required = true // Title
	sync := baseSync(twelve()[:6]...)
	s, _ := Compile(conn(), &sync, without(leftSchema(), "title"), schema)
	decision := s.Reconcile(Pair{Left: ann(), Origin: crm.Left, Now: noon})
	if !decision.Held || !decision.Empty() || decision.State != crm.StateWaiting || decision.Code != CodeFieldMissing {
		t.Errorf("the decision is %s %s %s", decision.Outcome, decision.State, decision.Code)
	}
}
