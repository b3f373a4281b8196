package reconcile

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestS33_WhatIsRememberedOutlivesSettingsAsFarAsItMay: a pair that agreed on one address
// holds another one on the left now, or was left apart so. What that says under settings of another day
// is a matter of what it rests on.
func TestS33_WhatIsRememberedOutlivesSettingsAsFarAsItMay(t *testing.T) {
	t.Parallel()
	refused := crm.Difference{Reason: crm.ReasonRefused, Side: crm.Right, Code: "unknown_option", Since: noon}
	fromNowOn := crm.Difference{Reason: crm.ReasonFromNowOn}
	asMail := func(m *crm.Mapping) { m.Transform.Type = crm.TransformEmail }
	for name, c := range map[string]struct {
		settled *crm.Difference // nil: they only agreed on "a"
		never   bool            // they had agreed on nothing before
		then    func(m *crm.Mapping)
		rule    FieldRule
	}{
		"agreed":                        {rule: RuleLeftChanged},
		"agreed, as something else":     {then: asMail, rule: RuleFirstDifference},
		"refused":                       {settled: &refused, rule: RuleSettled},
		"refused, as something else":    {settled: &refused, then: asMail, rule: RuleFirstDifference},
		"refused, never agreed":         {settled: &refused, never: true, rule: RuleSettled},
		"left apart":                    {settled: &fromNowOn, rule: RuleSettled},
		"left apart, as something else": {settled: &fromNowOn, then: asMail, rule: RuleSettled},
		"left apart, in another field": {
			settled: &fromNowOn, then: func(m *crm.Mapping) { m.Right = []string{"Title"} }, rule: RuleFirstDifference,
		},
		"left apart, from another field": {
			settled: &fromNowOn, then: func(m *crm.Mapping) { m.Left = []string{"title"} }, rule: RuleFirstDifference,
		},
		"left apart in another field, never agreed": {
			settled: &fromNowOn, never: true, then: func(m *crm.Mapping) { m.Right = []string{"Title"} },
			rule: RuleFirstDifference,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := one("note", "note", "Note")
			s := compile(baseSync(m))
			p := linked(s, "a@b.de", "b@b.de", "a@b.de")
			p.Left.Fields["title"], p.Right.Fields["Title"] = crm.TextValue("b@b.de"), crm.TextValue("a@b.de")
			if c.never {
				p.Base = crm.Base{}
			}
			if c.settled != nil {
				entry, ok := s.Settled("note", p.Base, p.Left, p.Right, *c.settled)
				if !ok {
					t.Fatal("there is nothing to settle")
				}
				p.Base = crm.Base{"note": entry}
			}
			if c.then != nil {
				c.then(&m)
				s = compile(baseSync(m))
			}
			decision := s.Reconcile(p)
			if f := decision.Fields[0]; f.Rule != c.rule {
				t.Errorf("decided by %s, want %s", f.Rule, c.rule)
			}
		})
	}
}

// TestS33_ARefusalWithoutADayIsNotTriedAgain: not by itself, however late it is; a person
// may ask for it.
func TestS33_ARefusalWithoutADayIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(one("note", "note", "Note")))
	p := settledPair(t, s, "b", "a", crm.Difference{Reason: crm.ReasonRefused, Side: crm.Right, Since: noon})
	for now, want := range map[time.Time]FieldRule{
		noon: RuleSettled, noon.AddDate(10, 0, 0): RuleSettled, {}: RuleSettled,
	} {
		p.Now = now
		if decision := s.Reconcile(p); decision.Fields[0].Rule != want {
			t.Errorf("at %s decided by %s, want %s", now, decision.Fields[0].Rule, want)
		}
	}
	if p.Retry = true; s.Reconcile(p).Fields[0].Rule != RuleLeftChanged {
		t.Error("asked for, it is not tried")
	}
}

// TestTheFieldsOfADifferenceAreNamedAsBefore: under another name for the same fields
// every difference that is stored would be looked at anew after an upgrade.
func TestTheFieldsOfADifferenceAreNamedAsBefore(t *testing.T) {
	t.Parallel()
	name := crm.Mapping{
		ID: "note", Left: []string{"first", "last"}, Right: []string{"Name"},
		Transform: crm.Transform{Type: crm.TransformFullName},
	}
	for stored, m := range map[string]crm.Mapping{
		"8c48163f": one("note", "note", "Note"), "023ffc44": name,
	} {
		s := compile(baseSync(m))
		p := linked(s, "a", "b", "a")
		p.Left.Fields["first"], p.Left.Fields["last"] = crm.TextValue("Ann"), crm.TextValue("Lee")
		p.Right.Fields["Name"] = crm.TextValue("Bo")
		entry, ok := s.Settled("note", nil, p.Left, p.Right, crm.Difference{Reason: crm.ReasonFromNowOn})
		if !ok || entry.Settled.Fields != stored {
			t.Errorf("%v: stored as %q, want %q", m.Left, entry.Settled.Fields, stored)
		}
	}
}

// TestRow124_OneOfTwoFieldsIsRequired: a name that does not fit the two fields of which
// the app demands the first is told as what it is, and not as a field that is missing.
func TestRow124_OneOfTwoFieldsIsRequired(t *testing.T) {
	t.Parallel()
	for _, demanded := range []string{"first", "last"} {
		schema := leftSchema()
		for i := range schema {
			schema[i].Required = schema[i].Name == demanded
			if schema[i].Name == "first" || schema[i].Name == "last" {
				schema[i].MaxLength = 2
			}
		}
		sync := baseSync(twelve()[:3]...)
		s, _ := Compile(conn(), &sync, schema, rightSchema())
		decision := s.Reconcile(Pair{Right: annRight(), Origin: crm.Right, Now: noon})
		if decision.Outcome != crm.Failed || decision.Code != CodeFieldFailed || decision.Detail != "first+last ↔ Name" {
			t.Errorf("%s is demanded: %s %s %q", demanded, decision.Outcome, decision.Code, decision.Detail)
		}
	}
}

// TestFurtherAddressesOfBothSides: where each side holds the other's first address as a
// further one, whoever they are, nothing is written over.
func TestFurtherAddressesOfBothSides(t *testing.T) {
	t.Parallel()
	left, right := leftSchema(), rightSchema()
	left[0].Also, right[0].Also = []string{"note"}, []string{"Note"}
	sync := baseSync(one("email", "email", "Email"))
	s, problems := Compile(conn(), &sync, left, right)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text := crm.TextValue
	p := Pair{
		Left:  &crm.Record{ID: "L1", Fields: crm.Fields{"email": text("a@example.com"), "note": text("b@example.com")}},
		Right: &crm.Record{ID: "R1", Fields: crm.Fields{"Email": text("b@example.com"), "Note": text("a@example.com")}},
		Now:   noon, Linked: true,
	}
	decision := s.Reconcile(p)
	if f := decision.Fields[0]; f.Rule != RuleSettled || f.Reason != crm.ReasonSecondary || !decision.Empty() {
		t.Errorf("decided by %s (%s)", f.Rule, f.Reason)
	}
}
