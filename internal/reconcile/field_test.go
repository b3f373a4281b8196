package reconcile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// fieldCase is one text mapping of a linked pair: "" is blank.
type fieldCase struct {
	was         string // last agreement; "-" = none
	left, right string
	sync        func(*crm.Sync)
	mapping     func(*crm.Mapping)
	newer       crm.Side // has the later record time
	first       bool     // not linked yet
	returns     bool     // other connections bring the target's edits to the source
	byApp       crm.Side // nobody edited the side since we wrote it
	decided     bool     // a person chose the side that moved

	rule      FieldRule
	wantLeft  string // after the decision
	wantRight string
}

// mail is the key that all pairs here share: without one they would be excluded.
var mail = crm.TextValue("a@example.com")

func toRight(m *crm.Mapping)   { m.Direction = crm.DirectionToRight }
func toLeft(m *crm.Mapping)    { m.Direction = crm.DirectionToLeft }
func clears(m *crm.Mapping)    { m.Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true} }
func writeOnce(m *crm.Mapping) { m.WriteOnce = true }

func policy(p crm.ConflictPolicy) func(*crm.Mapping) {
	return func(m *crm.Mapping) { m.Conflict = &p }
}

func both(fs ...func(*crm.Mapping)) func(*crm.Mapping) {
	return func(m *crm.Mapping) {
		for _, f := range fs {
			f(m)
		}
	}
}

func defaultTo(right, left string) func(*crm.Mapping) {
	return func(m *crm.Mapping) {
		m.Default = crm.PerWay[crm.Value]{ToRight: crm.TextValue(right), ToLeft: crm.TextValue(left)}
	}
}

func fillRight(s *crm.Sync) { s.FillBlanksOnly.ToRight = true }

func behave(right, left crm.Behavior) func(*crm.Sync) {
	return func(s *crm.Sync) { s.Behavior = crm.PerWay[crm.Behavior]{ToRight: right, ToLeft: left} }
}

func (f fieldCase) run(t *testing.T) {
	t.Helper()
	m := one("note", "note", "Note")
	if f.mapping != nil {
		f.mapping(&m)
	}
	sync := baseSync(m)
	if f.sync != nil {
		f.sync(&sync)
	}
	s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	p := Pair{
		Left:   &crm.Record{ID: "L1", ModifiedAt: noon, Fields: crm.Fields{"email": mail, "note": crm.TextValue(f.left)}},
		Right:  &crm.Record{ID: "R1", ModifiedAt: noon, Fields: crm.Fields{"Email": mail, "Note": crm.TextValue(f.right)}},
		Linked: !f.first, Now: noon, Returns: map[crm.MappingID]bool{"note": f.returns},
	}
	if f.newer == crm.Left {
		p.Left.ModifiedAt = noon.Add(time.Second)
	}
	if f.newer == crm.Right {
		p.Right.ModifiedAt = noon.Add(time.Second)
	}
	if f.was != "-" {
		p.Base = crm.Base{"note": crm.Agree(s.specs[0].revision, crm.TextValue(f.was))}
	}
	if f.byApp != "" {
		p.ByApp.Set(f.byApp, ^uint64(0))
	}
	p.Decided = map[crm.MappingID]bool{"note": f.decided}
	decision := s.Reconcile(p)
	after := apply(p, decision)
	after.ByApp, after.Decided = crm.PerSide[uint64]{}, nil
	got := []string{
		string(ruleOf(&decision, "note").Rule), after.Left.Fields["note"].Text(), after.Right.Fields["Note"].Text(),
	}
	if diff := cmp.Diff([]string{string(f.rule), f.wantLeft, f.wantRight}, got); diff != "" {
		t.Errorf("rule and values (-want +got):\n%s", diff)
	}
	if second := s.Reconcile(after); !second.Empty() || second.Rebase {
		t.Errorf("the second decision is not empty: %#v", second)
	}
}

func runFields(t *testing.T, cases map[string]fieldCase) {
	t.Helper()
	t.Parallel()
	for name, c := range cases {
		t.Run(name, c.run)
	}
}

func TestRow43_TwoWayByDefault(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"agreed":             {was: "a", left: "a", right: "a", rule: RuleAgreed, wantLeft: "a", wantRight: "a"},
		"same edit on both":  {was: "a", left: "b", right: "b", rule: RuleAgreed, wantLeft: "b", wantRight: "b"},
		"left edited":        {was: "a", left: "b", right: "a", rule: RuleLeftChanged, wantLeft: "b", wantRight: "b"},
		"right edited":       {was: "a", left: "a", right: "b", rule: RuleRightChanged, wantLeft: "b", wantRight: "b"},
		"only spacing":       {was: "a", left: " a ", right: "a", rule: RuleAgreed, wantLeft: " a ", wantRight: "a"},
		"typed in on left":   {was: "", left: "b", right: "", rule: RuleFillBlank, wantLeft: "b", wantRight: "b"},
		"first meeting same": {was: "-", left: "b", right: "b", first: true, rule: RuleAgreed, wantLeft: "b", wantRight: "b"},
	})
}

func TestRow138_BothSidesBecomeMoreComplete(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"left fills right": {was: "-", left: "a", first: true, rule: RuleFillBlank, wantLeft: "a", wantRight: "a"},
		"right fills left": {was: "-", right: "a", first: true, rule: RuleFillBlank, wantLeft: "a", wantRight: "a"},
		"spaces are blank": {
			was: "-", left: " \t ", right: "a", first: true, rule: RuleFillBlank, wantLeft: "a", wantRight: "a",
		},
	})
}

func TestRow119_ConflictPolicies(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"left by default": {was: "a", left: "b", right: "c", rule: RuleConflictLeft, wantLeft: "b", wantRight: "b"},
		"right": {
			was: "a", left: "b", right: "c", mapping: policy(crm.ConflictRight), rule: RuleConflictRight,
			wantLeft: "c", wantRight: "c",
		},
		"newest left": {
			was: "a", left: "b", right: "c", mapping: policy(crm.ConflictNewest), newer: crm.Left,
			rule: RuleConflictNewest, wantLeft: "b", wantRight: "b",
		},
		"newest right": {
			was: "a", left: "b", right: "c", mapping: policy(crm.ConflictNewest), newer: crm.Right,
			rule: RuleConflictNewest, wantLeft: "c", wantRight: "c",
		},
		"newest, a draw": {
			was: "a", left: "b", right: "c", mapping: policy(crm.ConflictNewest), rule: RuleConflictNewest,
			wantLeft: "b", wantRight: "b",
		},
		"draw under right": {
			was: "a", left: "b", right: "c", mapping: policy(crm.ConflictNewest), sync: func(s *crm.Sync) {
				s.Conflict = crm.ConflictRight
			}, rule: RuleConflictNewest, wantLeft: "c", wantRight: "c",
		},
		"review": {
			was: "a", left: "b", right: "c", mapping: policy(crm.ConflictReview), rule: RuleConflictReview,
			wantLeft: "b", wantRight: "c",
		},
		"mapping over sync": {
			was: "a", left: "b", right: "c", mapping: policy(crm.ConflictLeft), sync: func(s *crm.Sync) {
				s.Conflict = crm.ConflictRight
			},
			rule: RuleConflictLeft, wantLeft: "b", wantRight: "b",
		},
		"first difference": {
			was: "-", left: "b", right: "c", first: true, rule: RuleFirstDifference, wantLeft: "b",
			wantRight: "b",
		},
		"first difference right": {
			was: "-", left: "b", right: "c", first: true, mapping: policy(crm.ConflictRight),
			rule: RuleFirstDifference, wantLeft: "c", wantRight: "c",
		},
		"first difference review": {
			was: "-", left: "b", right: "c", first: true, mapping: policy(crm.ConflictReview),
			rule: RuleFirstReview, wantLeft: "b", wantRight: "c",
		},
	})
}

func TestRow119_Blanks(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"blanked without clear stays blank": {
			was: "a", left: "", right: "a", rule: RuleBlankKept, wantLeft: "", wantRight: "a",
		},
		"winner's blank does not erase": {
			was: "a", left: "", right: "c", rule: RuleBlankKept, wantLeft: "", wantRight: "c",
		},
		"loser's blank is filled": {
			was: "a", left: "", right: "c", mapping: policy(crm.ConflictRight), rule: RuleConflictRight, wantLeft: "c",
			wantRight: "c",
		},
		"blank against an edit, review": {
			was: "a", left: "", right: "c", mapping: policy(crm.ConflictReview), rule: RuleConflictReview, wantLeft: "",
			wantRight: "c",
		},
		"blanked with clear erases": {
			was: "a", left: "", right: "a", mapping: clears, rule: RuleBlankErased, wantLeft: "", wantRight: "",
		},
		"clear only the other way": {
			was: "a", left: "", right: "a", mapping: func(m *crm.Mapping) { m.Clear.ToLeft = true },
			rule: RuleBlankKept, wantLeft: "", wantRight: "a",
		},
		"clear against an edit, left": {
			was: "a", left: "", right: "c", mapping: clears, rule: RuleConflictLeft, wantLeft: "", wantRight: "",
		},
		"clear against an edit, right": {
			was: "a", left: "", right: "c", mapping: both(clears, policy(crm.ConflictRight)),
			rule: RuleConflictRight, wantLeft: "c", wantRight: "c",
		},
		"clear against an edit, review": {
			was: "a", left: "", right: "c", mapping: both(clears, policy(crm.ConflictReview)),
			rule: RuleConflictReview, wantLeft: "", wantRight: "c",
		},
		"clear never on first meeting": {
			was: "-", left: "", right: "c", first: true, mapping: clears, rule: RuleFillBlank,
			wantLeft: "c", wantRight: "c",
		},
		"one way keeps": {
			was: "a", left: "", right: "a", mapping: toRight, rule: RuleBlankKept, wantLeft: "",
			wantRight: "a",
		},
		"one way with clear erases": {
			was: "a", left: "", right: "a", mapping: both(toRight, clears), rule: RuleBlankErased, wantLeft: "", wantRight: "",
		},
		"one way, clear, first meeting": {
			was: "-", left: "", right: "a", first: true, mapping: both(toRight, clears), rule: RuleBlankKept, wantLeft: "",
			wantRight: "a",
		},
		"one way, clear, target typed": {
			was: "", left: "", right: "a", mapping: both(toRight, clears), rule: RuleBlankErased, wantLeft: "", wantRight: "",
		},
	})
}

func TestRow44_OneWay(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"source edited": {
			was: "a", left: "b", right: "a", mapping: toRight, rule: RuleLeftChanged, wantLeft: "b",
			wantRight: "b",
		},
		"target edited": {
			was: "a", left: "a", right: "b", mapping: toRight, rule: RuleOneWay, wantLeft: "a",
			wantRight: "a",
		},
		"both edited": {
			was: "a", left: "b", right: "c", mapping: both(toRight, policy(crm.ConflictRight)),
			rule: RuleOneWay, wantLeft: "b", wantRight: "b",
		},
		"first meeting": {
			was: "-", left: "b", right: "c", first: true, mapping: both(toRight, policy(crm.ConflictRight)), rule: RuleOneWay,
			wantLeft: "b", wantRight: "b",
		},
		"first meeting, review": {
			was: "-", left: "b", right: "c", first: true, mapping: both(toRight, policy(crm.ConflictReview)), rule: RuleOneWay,
			wantLeft: "b", wantRight: "b",
		},
		"target has more": {
			was: "-", left: "", right: "c", first: true, mapping: toRight, rule: RuleBlankKept,
			wantLeft: "", wantRight: "c",
		},
		"to the left": {
			was: "a", left: "b", right: "a", mapping: toLeft, rule: RuleOneWay, wantLeft: "a", wantRight: "a",
		},
		"a one-way sync": {
			was: "a", left: "a", right: "b", sync: func(s *crm.Sync) { s.Direction = crm.DirectionToRight },
			rule: RuleOneWay, wantLeft: "a", wantRight: "a",
		},
	})
}

// TestRow53_ThereAndBack: where the edits of a one-way target come to the source by
// other connections, they are not put back.
func TestRow53_ThereAndBack(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"target edited": {
			was: "a", left: "a", right: "b", returns: true, mapping: toRight, rule: RuleReturns, wantLeft: "a", wantRight: "b",
		},
		"target edited, to the left": {
			was: "a", left: "b", right: "a", returns: true, mapping: toLeft, rule: RuleReturns, wantLeft: "b", wantRight: "a",
		},
		"target cleared": {
			was: "a", left: "a", right: "", returns: true, mapping: toRight, rule: RuleReturns, wantLeft: "a",
		},
		"target typed": {
			was: "", left: "", right: "b", returns: true, mapping: both(toRight, clears), rule: RuleReturns, wantRight: "b",
		},
		"source edited": {
			was: "a", left: "b", right: "a", returns: true, mapping: toRight, rule: RuleLeftChanged,
			wantLeft: "b", wantRight: "b",
		},
		"both edited": {
			was: "a", left: "b", right: "c", returns: true, mapping: toRight, rule: RuleOneWay, wantLeft: "b", wantRight: "b",
		},
		"first meeting": {
			was: "-", left: "b", right: "c", first: true, returns: true, mapping: toRight, rule: RuleOneWay,
			wantLeft: "b", wantRight: "b",
		},
		"both ways": {
			was: "a", left: "a", right: "b", returns: true, rule: RuleRightChanged, wantLeft: "b", wantRight: "b",
		},
	})
}

// TestS35_ChosenIsWritten: what an app made of our write stays where it is, until a
// person chooses it.
func TestS35_ChosenIsWritten(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"of the app": {
			was: "a", left: "a", right: "b", byApp: crm.Right, rule: RuleSettled, wantLeft: "a", wantRight: "b",
		},
		"chosen": {
			was: "a", left: "a", right: "b", byApp: crm.Right, decided: true, rule: RuleRightChanged,
			wantLeft: "b", wantRight: "b",
		},
		"chosen, on the left": {
			was: "a", left: "b", right: "a", byApp: crm.Left, decided: true, rule: RuleLeftChanged,
			wantLeft: "b", wantRight: "b",
		},
		"the other side chosen": {
			was: "a", left: "b", right: "a", byApp: crm.Right, decided: true, rule: RuleLeftChanged,
			wantLeft: "b", wantRight: "b",
		},
	})
}

// TestRow28_HierarchyOfControl goes through all combinations of the direction
// of a sync and of a mapping: the inner one never widens the outer one.
func TestRow28_HierarchyOfControl(t *testing.T) {
	t.Parallel()
	directions := []crm.Direction{crm.DirectionBoth, "", crm.DirectionToRight, crm.DirectionToLeft, crm.DirectionOff}
	for _, outer := range directions {
		for _, inner := range directions {
			m := one("note", "note", "Note")
			m.Direction = inner
			sync := baseSync(m)
			sync.Direction = outer
			s := compile(sync)
			for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
				left, right := "new", "old"
				if way == crm.ToLeft {
					left, right = right, left
				}
				p := Pair{
					Left:  &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "note": crm.TextValue(left)}},
					Right: &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Note": crm.TextValue(right)}}, Linked: true,
					Now: noon,
				}
				p.Base = crm.Base{"note": crm.Agree(s.specs[0].revision, crm.TextValue("old"))}
				decision := s.Reconcile(p)
				open := outer.Allows(way) && inner.Allows(way)
				if wrote := decision.Write(way.Target()) != nil; wrote != open {
					t.Errorf("sync %q, mapping %q: an edit travels %s: %t, want %t", outer, inner, way, wrote, open)
				}
				if outer == crm.DirectionOff && (decision.Outcome != crm.Skipped || decision.Code != CodeDirection ||
					!decision.Link) {
					t.Errorf("a sync that is off gives %s %s", decision.Outcome, decision.Code)
				}
				if s.Open(way) != outer.Allows(way) {
					t.Errorf("Open(%s) under %q is %t", way, outer, s.Open(way))
				}
			}
		}
	}
}

func TestRow50_MappingsOwnDirection(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"off": {
			was: "a", left: "b", right: "a", mapping: func(m *crm.Mapping) { m.Direction = crm.DirectionOff }, rule: RuleClosed,
			wantLeft: "b", wantRight: "a",
		},
		"switched off": {
			was: "a", left: "b", right: "a", mapping: func(m *crm.Mapping) { m.Enabled = new(bool) },
			rule: RuleClosed, wantLeft: "b", wantRight: "a",
		},
		"push under a pull": {
			was: "a", left: "b", right: "a", mapping: toRight, sync: func(s *crm.Sync) { s.Direction = crm.DirectionToLeft },
			rule: RuleClosed, wantLeft: "b", wantRight: "a",
		},
		"both under a pull": {
			was: "a", left: "b", right: "a", sync: func(s *crm.Sync) { s.Direction = crm.DirectionToLeft },
			rule: RuleOneWay, wantLeft: "a", wantRight: "a",
		},
	})
}

func TestRow117_FillBlanksOnly(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"target has a value": {
			was: "a", left: "b", right: "a", sync: fillRight, rule: RuleFillOnly, wantLeft: "b",
			wantRight: "a",
		},
		"target blank": {
			was: "-", left: "b", first: true, sync: fillRight, rule: RuleFillBlank, wantLeft: "b",
			wantRight: "b",
		},
		"target of spaces": {
			was: "-", left: "b", right: "  ", first: true, sync: fillRight, rule: RuleFillBlank,
			wantLeft: "b", wantRight: "b",
		},
		"blanked later": {
			was: "a", left: "a", right: "", sync: fillRight, rule: RuleFillBlank, wantLeft: "a",
			wantRight: "a",
		},
		"target edited flows back": {
			was: "a", left: "a", right: "b", sync: fillRight, rule: RuleRightChanged, wantLeft: "b", wantRight: "b",
		},
		"first difference stays": {
			was: "-", left: "a", right: "b", first: true, sync: fillRight, rule: RuleFillOnly,
			wantLeft: "a", wantRight: "b",
		},
		"one way, target edited": {
			was: "a", left: "a", right: "b", sync: fillRight, mapping: toRight, rule: RuleFillOnly,
			wantLeft: "a", wantRight: "b",
		},
		"clear does not erase there": {
			was: "a", left: "", right: "a", sync: fillRight, mapping: clears, rule: RuleFillOnly,
			wantLeft: "", wantRight: "a",
		},
		"write once has a value": {
			was: "a", left: "b", right: "a", mapping: writeOnce, rule: RuleWriteOnce, wantLeft: "b", wantRight: "a",
		},
		"write once into a blank": {
			was: "", left: "b", right: "", mapping: writeOnce, rule: RuleFillBlank, wantLeft: "b",
			wantRight: "b",
		},
	})
}

// TestRow117_DeclinedEditIsNoConflictForEver: an edit that fill blanks only
// declined leaves the pair at rest; what the target's user types later travels
// back, and is named a conflict because it replaces a value never agreed on.
func TestRow117_DeclinedEditIsNoConflictForEver(t *testing.T) {
	t.Parallel()
	sync := baseSync(one("note", "note", "Note"))
	sync.FillBlanksOnly.ToRight = true
	s := compile(sync)
	p := linked(s, "a", "a", "a")
	steps := []struct {
		left, right string // what users type; "" = nothing
		rule        FieldRule
		wantLeft    string
		wantRight   string
	}{
		{left: "b", rule: RuleFillOnly, wantLeft: "b", wantRight: "a"},
		{left: "c", rule: RuleFillOnly, wantLeft: "c", wantRight: "a"},
		{right: "z", rule: RuleConflictRight, wantLeft: "z", wantRight: "z"},
		{right: "y", rule: RuleRightChanged, wantLeft: "y", wantRight: "y"},
	}
	for i, step := range steps {
		if step.left != "" {
			p.Left.Fields["note"] = crm.TextValue(step.left)
		}
		if step.right != "" {
			p.Right.Fields["Note"] = crm.TextValue(step.right)
		}
		decision := s.Reconcile(p)
		p = apply(p, decision)
		got := []string{string(decision.Fields[0].Rule), p.Left.Fields["note"].Text(), p.Right.Fields["Note"].Text()}
		if diff := cmp.Diff([]string{string(step.rule), step.wantLeft, step.wantRight}, got); diff != "" {
			t.Fatalf("step %d (-want +got):\n%s", i, diff)
		}
		if again := s.Reconcile(p); !again.Empty() || again.Rebase {
			t.Fatalf("step %d: the pair is not at rest", i)
		}
	}
	// Switched off, the setting's differences are looked at anew, from what was
	// agreed on before: the left's edit was declined and travels now.
	p.Left.Fields["note"] = crm.TextValue("q")
	p = apply(p, s.Reconcile(p))
	sync.FillBlanksOnly.ToRight = false
	decision := compile(sync).Reconcile(p)
	if got := apply(p, decision).Right.Fields["Note"].Text(); decision.Fields[0].Rule != RuleLeftChanged || got != "q" {
		t.Errorf("after fill blanks only is switched off the rule is %s and the right holds %q", decision.Fields[0].Rule, got)
	}
}

// TestRow119_ApartAndReview: where a person is to be asked, that goes for a
// value that was left apart too.
func TestRow119_ApartAndReview(t *testing.T) {
	t.Parallel()
	sync := baseSync(one("note", "note", "Note"))
	sync.Conflict, sync.FillBlanksOnly.ToRight = crm.ConflictReview, true
	s := compile(sync)
	p := linked(s, "a", "b", "a")
	p = apply(p, s.Reconcile(p)) // declined
	p.Right.Fields["Note"] = crm.TextValue("z")
	decision := s.Reconcile(p)
	if f := decision.Fields[0]; f.Rule != RuleConflictReview || !decision.Empty() || decision.Outcome != crm.Conflict ||
		decision.Detail != "note ↔ Note" {
		t.Errorf("the rule is %s, the outcome %s (%s)", f.Rule, decision.Outcome, decision.Detail)
	}
}

// linked is a pair that agreed on was.
func linked(s *Settings, was, left, right string) Pair {
	return Pair{
		Left:  &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "note": crm.TextValue(left)}},
		Right: &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Note": crm.TextValue(right)}}, Linked: true,
		Now:  noon,
		Base: crm.Base{"note": crm.Agree(s.specs[0].revision, crm.TextValue(was))},
	}
}

func TestRow129_DefaultValue(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"first meeting": {
			was: "-", first: true, mapping: both(toRight, defaultTo("d", "")), rule: RuleDefault, wantRight: "d",
		},
		"met before": {was: "", mapping: both(toRight, defaultTo("d", "")), rule: RuleAgreed},
		"it does not travel back": {
			was: "-", first: true, mapping: defaultTo("d", ""), rule: RuleDefault, wantRight: "d",
		},
		"a new mapping of a linked pair": {was: "-", mapping: defaultTo("d", ""), rule: RuleDefault, wantRight: "d"},
		"target has a value": {
			was: "-", right: "x", first: true, mapping: both(toRight, defaultTo("d", "")),
			rule: RuleBlankKept, wantRight: "x",
		},
		"source has a value": {
			was: "-", left: "x", first: true, mapping: defaultTo("d", ""), rule: RuleFillBlank,
			wantLeft: "x", wantRight: "x",
		},
		"a default each way, left": {
			was: "-", first: true, mapping: defaultTo("r", "l"), rule: RuleDefault, wantRight: "r",
		},
		"a default each way, right": {
			was: "-", first: true, mapping: both(defaultTo("r", "l"), policy(crm.ConflictRight)), rule: RuleDefault,
			wantLeft: "l",
		},
		"cleared is no default": {
			was: "a", left: "", right: "a", mapping: both(clears, defaultTo("d", "")), rule: RuleBlankErased,
		},
		"cleared by both": {was: "a", mapping: both(clears, defaultTo("d", "l")), rule: RuleAgreed},
		"source may not be filled": {
			was: "-", first: true, mapping: both(clears, defaultTo("d", "")), sync: behave("", crm.BehaviorNothing),
			rule: RuleDefault, wantRight: "d",
		},
		"one way cleared": {
			was: "a", left: "", right: "a", mapping: both(clears, toRight, defaultTo("d", "")),
			rule: RuleBlankErased,
		},
		"one way, target cleared": {
			was: "d", left: "d", right: "", mapping: both(toRight, defaultTo("d", "")), rule: RuleFillBlank, wantLeft: "d",
			wantRight: "d",
		},
	})
}

func TestRow113_Behaviors(t *testing.T) {
	runFields(t, map[string]fieldCase{
		"create only": {
			was: "a", left: "b", right: "a", sync: behave(crm.BehaviorCreateOnly, ""), rule: RuleClosed, wantLeft: "b",
			wantRight: "a",
		},
		"create only, other way open": {
			was: "a", left: "a", right: "b", sync: behave(crm.BehaviorCreateOnly, ""), rule: RuleRightChanged, wantLeft: "b",
			wantRight: "b",
		},
		"do nothing": {
			was: "a", left: "a", right: "b", sync: behave("", crm.BehaviorNothing), rule: RuleClosed, wantLeft: "a",
			wantRight: "b",
		},
		"update only": {
			was: "a", left: "b", right: "a", sync: behave(crm.BehaviorUpdateOnly, ""), rule: RuleLeftChanged, wantLeft: "b",
			wantRight: "b",
		},
		"refill is closed": {
			was: "a", left: "", right: "a", sync: behave("", crm.BehaviorNothing), rule: RuleBlankKept, wantLeft: "",
			wantRight: "a",
		},
		"fill is closed": {
			was: "", left: "", right: "a", sync: behave("", crm.BehaviorNothing), rule: RuleClosed, wantLeft: "", wantRight: "a",
		},
	})
}

func TestRow137_OptionsByName(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(twelve()[8]))
	p := Pair{
		Left:  &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "stage": crm.TextValue("CUSTOMER")}},
		Right: &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail}}, Linked: true,
	}
	if decision := s.Reconcile(p); decision.Right == nil || decision.Right.Fields["Stage"].Text() != "Won" {
		t.Errorf("an option in another case gives %#v", decision.Right)
	}
	p.Left.Fields["stage"] = crm.TextValue("other")
	decision := s.Reconcile(p)
	if f := decision.Fields[0]; f.Rule != RuleFailed || f.Code == "" || decision.Code != CodeFieldFailed ||
		!decision.Empty() {
		t.Errorf("an option that the target lacks gives %#v", f)
	}
}

func TestRow143_FullName(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(twelve()[2]))
	for name, c := range map[string]struct{ first, last, full, wantFull string }{
		"two words":   {"Ann", "Lee", "", "Ann Lee"},
		"three words": {"Ann Marie", "Lee", "", "Ann Marie Lee"},
		"only last":   {"", "Lee", "", "Lee"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Pair{
				Left: &crm.Record{
					ID: "L1", Fields: crm.Fields{"email": mail, "first": crm.TextValue(c.first), "last": crm.TextValue(c.last)},
				},
				Right: &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Name": crm.TextValue(c.full)}}, Linked: true,
			}
			decision := s.Reconcile(p)
			after := apply(p, decision)
			if got := after.Right.Fields["Name"].Text(); got != c.wantFull {
				t.Errorf("the name is %q, want %q", got, c.wantFull)
			}
			if decision.Left != nil {
				t.Errorf("the parts drift: %#v", decision.Left.Fields)
			}
			if again := s.Reconcile(after); !again.Empty() {
				t.Errorf("the second decision writes %#v %#v", again.Left, again.Right)
			}
		})
	}
}

func TestRow134_ListsAreMerged(t *testing.T) {
	t.Parallel()
	type tagCase struct {
		was, left, right []string
		first            bool
		mapping          func(*crm.Mapping)
		sync             func(*crm.Sync)
		rule             FieldRule
		want             [2][]string
	}
	list := func(s ...string) []string { return s }
	for name, c := range map[string]tagCase{
		"adds of both": {
			was: list("a"), left: list("a", "b"), right: list("a", "c"), rule: RuleSetMerge,
			want: [2][]string{{"a", "b", "c"}, {"a", "b", "c"}},
		},
		"add and remove": {
			was: list("a", "b"), left: list("a", "b", "c"), right: list("b"), rule: RuleSetMerge, want: [2][]string{
				{"b", "c"}, {"b", "c"},
			},
		},
		"removed on left": {
			was: list("a", "b"), left: list("a"), right: list("a", "b"), rule: RuleLeftChanged,
			want: [2][]string{{"a"}, {"a"}},
		},
		"union at first": {
			first: true, left: list("a"), right: list("b"), rule: RuleSetMerge, want: [2][]string{{"a", "b"}, {"a", "b"}},
		},
		"case says nothing": {
			was: list("A", "Ö"), left: list("A", "Ö"), right: list("a", "ö"), rule: RuleAgreed,
			want: [2][]string{{"A", "Ö"}, {"a", "ö"}},
		},
		"removed in another spelling": {
			was: list("a", "b"), left: list("B"), right: list("A", "b"), rule: RuleLeftChanged,
			want: [2][]string{{"B"}, {"b"}},
		},
		"each keeps its spelling": {
			was: list("a"), left: list("A", "New"), right: list("a"), rule: RuleLeftChanged,
			want: [2][]string{{"A", "New"}, {"New", "a"}},
		},
		"doubles of one side": {
			first: true, left: list("A", "a"), right: list("b"), rule: RuleSetMerge,
			want: [2][]string{{"A", "b"}, {"A", "b"}},
		},
		"order says nothing": {
			was: list("a", "b"), left: list("b", "a"), right: list("a", "b", "a"), rule: RuleAgreed, want: [2][]string{
				{"b", "a"}, {"a", "b", "a"},
			},
		},
		"emptied is emptied": {
			was: list("a"), left: nil, right: list("a"), rule: RuleLeftChanged, want: [2][]string{nil, nil},
		},
		"emptied against an addition": {
			was: list("a"), left: nil, right: list("a", "b"), rule: RuleSetMerge, want: [2][]string{{"b"}, {"b"}},
		},
		"emptied, blanks are filled": {
			was: list("a"), left: list("a"), right: nil, sync: fillRight, rule: RuleFillBlank,
			want: [2][]string{{"a"}, {"a"}},
		},
		"one way emptied": {
			was: list("a"), left: nil, right: list("a"), mapping: toRight, rule: RuleBlankErased, want: [2][]string{nil, nil},
		},
		"one way, target's own": {
			was: nil, left: nil, right: list("x"), mapping: toRight, rule: RuleBlankKept,
			want: [2][]string{nil, {"x"}},
		},
		"emptied with clear": {
			was: list("a"), left: nil, right: list("a", "b"), mapping: clears, rule: RuleSetMerge, want: [2][]string{
				{"b"}, {"b"},
			},
		},
		"each removed one": {
			was: list("a", "b"), left: list("a"), right: list("b"), rule: RuleSetMerge, want: [2][]string{nil, nil},
		},
		"fill blanks only": {
			was: list("a"), left: list("a", "b"), right: list("a", "c"), sync: fillRight,
			rule: RuleSetMerge, want: [2][]string{{"a", "b", "c"}, {"a", "c"}},
		},
		"each removed one, half closed": {
			was: list("a", "b"), left: list("a"), right: list("b"), sync: fillRight, rule: RuleFillOnly,
			want: [2][]string{{"a"}, {"b"}},
		},
		"one way follows": {
			was: list("a"), left: list("a"), right: list("a", "x"), mapping: toRight, rule: RuleOneWay,
			want: [2][]string{{"a"}, {"a"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := one("tags", "tags", "Tags")
			if c.mapping != nil {
				c.mapping(&m)
			}
			sync := baseSync(m)
			if c.sync != nil {
				c.sync(&sync)
			}
			s := compile(sync)
			p := Pair{
				Left:   &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "tags": crm.ListValue(c.left...)}},
				Right:  &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Tags": crm.ListValue(c.right...)}},
				Linked: !c.first,
			}
			if !c.first {
				p.Base = crm.Base{"tags": crm.Agree(s.specs[0].revision, crm.ListValue(c.was...))}
			}
			decision := s.Reconcile(p)
			after := apply(p, decision)
			if decision.Fields[0].Rule != c.rule {
				t.Errorf("the rule is %s, want %s", decision.Fields[0].Rule, c.rule)
			}
			got := [2][]string{after.Left.Fields["tags"].Items(), after.Right.Fields["Tags"].Items()}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("lists (-want +got):\n%s", diff)
			}
			if again := s.Reconcile(after); !again.Empty() || again.Rebase {
				t.Errorf("the second decision is not empty: %#v %#v", again.Left, again.Right)
			}
		})
	}
}

// TestRow134_WithheldListChangesKeepTheirStory: additions and removals that a
// filter withholds on one side travel once the filter lets them.
func TestRow134_WithheldListChangesKeepTheirStory(t *testing.T) {
	t.Parallel()
	sync := baseSync(one("tags", "tags", "Tags"))
	sync.Rules = []crm.Rule{{ID: "ok", Direction: crm.DirectionToLeft, Filter: &crm.Filter{Field: "OK", Op: "is_true"}}}
	s := compile(sync)
	p := Pair{
		Left:  &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "tags": crm.ListValue("a", "b", "l")}},
		Right: &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Tags": crm.ListValue("b", "r")}}, Linked: true,
		Base: crm.Base{"tags": crm.Agree(s.specs[0].revision, crm.ListValue("a", "b"))},
	}
	decision := s.Reconcile(p)
	p = apply(p, decision)
	if diff := cmp.Diff([]string{"b", "l", "r"}, p.Right.Fields["Tags"].Items()); diff != "" || decision.Left != nil {
		t.Fatalf("while the left is closed (-want +got):\n%s%#v", diff, decision.Left)
	}
	if again := s.Reconcile(p); !again.Empty() || again.Rebase {
		t.Fatalf("not at rest: %#v %#v", again.Left, again.Right)
	}
	p.Right.Fields["OK"] = crm.BoolValue(true)
	p = apply(p, s.Reconcile(p))
	if diff := cmp.Diff([]string{"b", "l", "r"}, p.Left.Fields["tags"].Items()); diff != "" {
		t.Errorf("once the left is open (-want +got):\n%s", diff)
	}
}

// TestS8_AMergeThatLandedOnOneSideLosesNothing: the process dies between the
// two writes of a set merge; what the other side was yet to get is no removal.
func TestS8_AMergeThatLandedOnOneSideLosesNothing(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(one("tags", "tags", "Tags"), one("note", "note", "Note")))
	left := &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "tags": crm.ListValue("a", "l")}}
	right := &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Tags": crm.ListValue("a", "gone", "r")}}
	p := Pair{
		Left: left, Right: right, Linked: true, Base: crm.Base{
			"tags": crm.Agree(s.specs[0].revision, crm.ListValue("a", "gone")),
		},
	}
	decision := s.Reconcile(p)
	// this write landed, the left one did not
	p.Right = &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Tags": decision.Right.Fields["Tags"]}}
	entry, ok := s.Landed("tags", p.Base, crm.Right, decision.Right.Intended["tags"], left, false)
	if !ok {
		t.Fatal("nothing to remember")
	}
	p.Base = crm.Base{"tags": entry}
	p.Right.Fields["Tags"] = crm.ListValue("a", "gone", "l", "r") // and somebody puts one back
	p = apply(p, s.Reconcile(p))
	want := []string{"a", "gone", "l", "r"}
	if diff := cmp.Diff([2][]string{want, want}, [2][]string{
		p.Left.Fields["tags"].Items(), p.Right.Fields["Tags"].Items(),
	}); diff != "" {
		t.Errorf("after recovery (-want +got):\n%s", diff)
	}
	if _, ok := s.Landed("tags", p.Base, crm.Right, crm.ListValue("a"), nil, false); ok {
		t.Error("a set is agreed on without a look at the other side")
	}
	edited := &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "tags": crm.ListValue("a", "new")}}
	if e, ok := s.Landed("tags", p.Base, crm.Right, crm.ListValue("a", "b"), edited, true); !ok ||
		!e.Is(crm.ListValue("a", "b")) {
		t.Errorf("a list that was all on the other side is remembered as %#v: what is taken out there since would come back",
			e)
	}
	if e, ok := s.Landed("note", nil, crm.Right, crm.TextValue("x"), nil, false); !ok || !e.Is(crm.TextValue("x")) {
		t.Errorf("a text that landed is remembered as %#v", e)
	}
	if _, ok := s.Landed("nobody", nil, crm.Right, crm.TextValue("x"), nil, false); ok {
		t.Error("a mapping that is not there is agreed on")
	}
}

// TestS2_AClearingOverWhatWasNeverAgreedIsTold: two values that were left apart
// are no agreement; a side that is emptied then erases the other one's value
// where the mapping clears, as a conflict, or leaves it to a person.
func TestS2_AClearingOverWhatWasNeverAgreedIsTold(t *testing.T) {
	t.Parallel()
	for policy, want := range map[crm.ConflictPolicy]FieldRule{
		crm.ConflictLeft: RuleConflictRight, crm.ConflictReview: RuleConflictReview,
	} {
		m := one("note", "note", "Note")
		m.Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true}
		sync := baseSync(m)
		sync.Conflict = policy
		s := compile(sync)
		left := &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "note": crm.TextValue("theirs")}}
		right := &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Note": crm.TextValue("ours")}}
		entry, ok := s.Settled("note", nil, left, right, crm.Difference{Reason: crm.ReasonFromNowOn})
		if !ok {
			t.Fatal("nothing to settle")
		}
		right = &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail}}
		decision := s.Reconcile(Pair{Left: left, Right: right, Linked: true, Base: crm.Base{"note": entry}})
		if got := decision.Fields[0].Rule; got != want {
			t.Errorf("%s: decided as %s, want %s", policy, got, want)
		}
		if erased := decision.Left != nil && decision.Left.Fields["note"].Blank(); erased != (policy == crm.ConflictLeft) {
			t.Errorf("%s: erased %v", policy, erased)
		}
	}
}
