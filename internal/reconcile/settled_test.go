package reconcile

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// settledPair is a linked pair that agreed on "a" and holds left and right now,
// with the difference that somebody else settled.
func settledPair(t *testing.T, s *Settings, left, right string, d crm.Difference) Pair {
	t.Helper()
	p := linked(s, "a", left, right)
	entry, ok := s.Settled("note", p.Base, p.Left, p.Right, d)
	if !ok {
		t.Fatal("there is nothing to settle")
	}
	p.Base = crm.Base{"note": entry}
	return p
}

// TestS33_ARefusedValueRests: the pair is at rest while both sides hold what
// they did, and the refused value is tried again when it is due, when a person
// asks, when the mapping is another one, or when its user types anew.
func TestS33_ARefusedValueRests(t *testing.T) {
	t.Parallel()
	refused := crm.Difference{
		Reason: crm.ReasonRefused, Side: crm.Right, Code: "unknown_option", Since: noon, Again: noon.Add(time.Hour),
	}
	for name, c := range map[string]struct {
		then  func(*Pair)
		sync  func(*crm.Sync)
		rule  FieldRule
		right string
	}{
		"nobody moved": {rule: RuleSettled, right: "a"},
		"due":          {then: func(p *Pair) { p.Now = noon.Add(time.Hour) }, rule: RuleLeftChanged, right: "b"},
		"asked for":    {then: func(p *Pair) { p.Retry = true }, rule: RuleLeftChanged, right: "b"},
		"typed anew": {
			then: func(p *Pair) { p.Left.Fields["note"] = crm.TextValue("c") }, rule: RuleLeftChanged,
			right: "c",
		},
		"another spelling": {
			then: func(p *Pair) { p.Left.Fields["note"] = crm.TextValue(" b ") }, rule: RuleSettled,
			right: "a",
		},
		"the refuser's": {
			then: func(p *Pair) { p.Right.Fields["Note"] = crm.TextValue("z") }, rule: RuleConflictRight,
			right: "z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := compile(baseSync(one("note", "note", "Note")))
			p := settledPair(t, s, "b", "a", refused)
			if c.then != nil {
				c.then(&p)
			}
			decision := s.Reconcile(p)
			after := apply(p, decision)
			if f := decision.Fields[0]; f.Rule != c.rule || after.Right.Fields["Note"].Text() != c.right {
				t.Errorf("the rule is %s and the right holds %q", f.Rule, after.Right.Fields["Note"].Text())
			}
			if f := decision.Fields[0]; c.rule == RuleSettled &&
				(f.Reason != crm.ReasonRefused || decision.Rebase || !decision.Empty()) {
				t.Errorf("not at rest: %#v", decision)
			}
		})
	}
}

// TestS32_EntriesOfEarlierReleasesAreRead: what was left apart before there were
// settled differences stays at rest, and says what it can of why.
func TestS32_EntriesOfEarlierReleasesAreRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		terms  string
		sync   func(*crm.Sync)
		reason crm.Reason
	}{
		"fill blanks only": {".f.", fillRight, crm.ReasonRestrained},
		"protected":        {"..", func(*crm.Sync) {}, crm.ReasonProtected},
	} {
		t.Run(name, func(t *testing.T) {
			sync := baseSync(one("note", "note", "Note"))
			c.sync(&sync)
			s := compile(sync)
			p := linked(s, "", "b", "z")
			p.Base["note"] = crm.Agreed{
				Revision: s.specs[0].revision + "~" + c.terms,
				Items:    []string{crm.Fingerprint(crm.TextValue("b")), crm.Fingerprint(crm.TextValue("z"))},
			}
			decision := s.Reconcile(p)
			if f := decision.Fields[0]; f.Reason != c.reason || decision.Rebase || !decision.Empty() {
				t.Errorf("it is %#v, rebase %t", f, decision.Rebase)
			}
			p.Right.Fields["Note"] = crm.TextValue("y")
			if decision := s.Reconcile(p); decision.Fields[0].Rule != RuleConflictRight {
				t.Errorf("an edit is decided by %s", decision.Fields[0].Rule)
			}
		})
	}
}

func TestS32_NothingToSettle(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(one("note", "note", "Note"), one("age", "age", "Age")))
	p := linked(s, "a", "a", " a")
	p.Left.Fields["age"], p.Right.Fields["Age"] = crm.TextValue("old"), crm.NumberValue("1")
	for _, id := range []crm.MappingID{"note", "age", "nobody"} {
		if e, ok := s.Settled(id, p.Base, p.Left, p.Right, crm.Difference{Reason: crm.ReasonRefused}); ok {
			t.Errorf("%s is settled: %#v", id, e)
		}
	}
}
