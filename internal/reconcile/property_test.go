package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// scene is one random situation, decided and carried out once.
type scene struct {
	sync     crm.Sync
	s        *Settings
	p        Pair
	was      pasts
	decision Decision
	after    Pair
}

func drawScene(t *rapid.T) scene {
	c := scene{sync: drawSync(t)}
	c.s = compile(c.sync)
	c.p, c.was = drawPair(t)
	if c.p.Linked {
		c.p.Base = c.was.base(c.s, false)
	}
	c.decision = c.s.Reconcile(c.p)
	c.after = apply(c.p, c.decision)
	return c
}

// way reports whether a side of a pair may be written by behaviour and rules;
// it repeats the specification, not the code.
func (c *scene) way(side int) bool {
	way := crm.WayTo(crm.Sides[side])
	b := c.sync.Behavior.Get(way)
	target, source := c.p.Right, c.p.Left
	if side == 0 {
		target, source = source, target
	}
	switch {
	case !c.sync.Direction.Allows(way) || source == nil && target == nil:
		return false
	case target == nil && !(b == "" || b == crm.BehaviorCreateAndUpdate || b == crm.BehaviorCreateOnly),
		target != nil && !(b == "" || b == crm.BehaviorCreateAndUpdate || b == crm.BehaviorUpdateOnly):
		return false
	case source == nil:
		return c.s.rules.Decide(way, c.after.records()[1-side].Fields, noon).Pass
	}
	return c.s.rules.Decide(way, source.Fields, noon).Pass
}

func (p Pair) records() [2]*crm.Record {
	out := [2]*crm.Record{p.Left, p.Right}
	for i := range out {
		if out[i] == nil {
			out[i] = &crm.Record{}
		}
	}
	return out
}

func (c *scene) mapping(id crm.MappingID) crm.Mapping {
	i := slices.IndexFunc(c.sync.Mappings, func(m crm.Mapping) bool { return m.ID == id })
	return c.sync.Mappings[i]
}

// writer returns the spec that owns a raw field of a side.
func (c *scene) writer(side int, field string) *spec {
	for i := range c.s.specs {
		sp := &c.s.specs[i]
		if sp.m != nil && sp.open[side] && slices.Contains(sp.names[side], field) {
			return sp
		}
	}
	return nil
}

// TestS5_SecondDecisionIsEmpty: one decision reaches rest, whatever the settings.
func TestS5_SecondDecisionIsEmpty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		second := c.s.Reconcile(c.after)
		if !second.Empty() || second.Rebase {
			t.Fatalf("the second decision is not empty\n%s", story(&c, &second))
		}
	})
}

// story tells what a decision and its successor did.
func story(c *scene, second *Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "first %s %s, second %s %s, rebase %t\n", c.decision.Outcome, c.decision.Code, second.Outcome,
		second.Code, second.Rebase)
	for i := range second.Fields {
		f, g := second.Fields[i], ruleOf(&c.decision, second.Fields[i].Mapping)
		was, is, next := c.p.Base[f.Mapping], c.decision.Base[f.Mapping], second.Base[f.Mapping]
		quiet := (f.Rule == RuleAgreed || f.Rule == RuleClosed) && is.Same(next)
		if !quiet {
			fmt.Fprintf(&b, "%s\n  first  %#v\n  second %#v\n  base %#v\n    -> %#v\n    -> %#v\n", f.Mapping, g, f, was, is,
				next)
		}
	}
	for i, w := range []*Write{c.decision.Left, c.decision.Right, second.Left, second.Right} {
		if w != nil {
			fmt.Fprintf(&b, "write %d %#v\n", i, w.Fields)
		}
	}
	return b.String()
}

// TestS1_OnePlanMakesSidesEqual: where both ways are open and nobody has to be
// asked, both sides hold the same after one decision; a one-way target holds what
// its source holds.
func TestS1_OnePlanMakesSidesEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		if c.after.Left == nil || c.after.Right == nil {
			return
		}
		for i := range c.s.specs {
			sp := &c.s.specs[i]
			f := ruleOf(&c.decision, sp.id)
			if sp.m == nil || f.Rule == RuleFailed || f.Rule == RuleProtected || len(c.decision.Fields) == 0 ||
				c.decision.Outcome == crm.Failed {
				continue
			}
			v, ok := canonical(sp, c.after)
			open := [2]bool{sp.open[0] && c.way(0), sp.open[1] && c.way(1)}
			if ok && f.Reason != "" {
				c.checkSettled(t, sp, f, v)
				continue
			}
			switch {
			case !ok || sp.only[0] != "" || sp.only[1] != "":
			case sp.open[0] && sp.open[1] && open[0] && open[1]:
				review := sp.policy == crm.ConflictReview && (f.Rule == RuleConflictReview || f.Rule == RuleFirstReview)
				if !review && !same(v[0], v[1]) {
					t.Fatalf("%s: both ways are open and the sides differ: %#v, %#v (%s)", sp.id, v[0], v[1], f.Rule)
				}
			case open[0] != open[1] && sp.open[0] != sp.open[1]:
				source := 0
				if open[0] {
					source = 1
				}
				if !v[source].Blank() && !same(v[0], v[1]) {
					t.Fatalf("%s: the target does not follow the source: %#v, %#v (%s)", sp.id, v[0], v[1], f.Rule)
				}
			}
		}
	})
}

// checkSettled holds a settled field to S1: it is remembered with its reason,
// and each side holds what its own user left there, but for a default value and
// for the items that one side of a list may be given.
func (c *scene) checkSettled(t *rapid.T, sp *spec, f FieldDecision, v [2]crm.Value) {
	d := c.decision.Base[sp.id].Settled
	if d == nil && c.p.Base[sp.id].Revision != sp.revision { // of an earlier release
		d = sp.leftApart(c.p.Base[sp.id])
	}
	if d == nil || d.Reason != f.Reason || same(v[0], v[1]) {
		t.Fatalf("%s: said to be settled (%s), but %#v and %#v are remembered as %#v", sp.id, f.Reason, v[0], v[1], d)
	}
	was := [2]crm.Value{f.Left, f.Right}
	for side := range v {
		if !same(was[side], v[side]) && f.Reason != crm.ReasonDefault && !sp.set {
			t.Fatalf("%s: settled (%s), but %#v became %#v", sp.id, f.Reason, was[side], v[side])
		}
	}
}

// TestS32_ClearedStaysCleared: a side that a person emptied is blank after the
// decision, unless blanks are filled there, the mapping has another master, or the
// other side was edited as well. The other side is emptied only with clear, or
// where it is a list.
func TestS32_ClearedStaysCleared(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		if !c.p.Linked {
			return
		}
		for i := range c.s.specs {
			sp := &c.s.specs[i]
			f := ruleOf(&c.decision, sp.id)
			if sp.m == nil || f.Mapping == "" || f.Rule == RuleFailed {
				continue
			}
			v, ok := canonical(sp, c.after)
			mem := sp.recall(c.p.Base, [2]crm.Fields{c.p.Left.Fields, c.p.Right.Fields}, c.p.occasion())
			was := [2]crm.Value{f.Left, f.Right}
			for side := range was {
				other := 1 - side
				if !ok || mem.kind == unknown || !was[side].Blank() || was[other].Blank() || !mem.moved(side, was[side]) ||
					mem.moved(other, was[other]) {
					continue
				}
				if !sp.open[other] && sp.open[side] {
					continue // the other side is the master
				}
				if !v[side].Blank() && sp.only[side] != RuleFillOnly {
					t.Fatalf("%s: cleared on side %d, and it holds %#v again (%s)", sp.id, side, v[side], f.Rule)
				}
				if v[other].Blank() && !sp.clear[other] && !sp.set {
					t.Fatalf("%s: cleared on side %d, and %#v is erased without clear (%s)", sp.id, side, was[other], f.Rule)
				}
			}
		}
	})
}

// TestS14_ClosedWaysAreNeverWritten holds every raw field of every write
// against direction, behaviour, rules, fill blanks only and write once.
func TestS14_ClosedWaysAreNeverWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		before := c.p.records()
		for side, word := range crm.Sides {
			w := c.decision.Write(word)
			if w == nil {
				continue
			}
			if !c.way(side) {
				t.Fatalf("the %s side is written though its way is closed: %#v", word, w.Fields)
			}
			if w.Create != (before[side].ID == "") {
				t.Fatalf("create is %t on the %s side, which holds %q", w.Create, word, before[side].ID)
			}
			for field := range w.Fields {
				sp := c.writer(side, field)
				if sp == nil {
					t.Fatalf("the %s field %q is written by no open mapping", word, field)
				}
				m := c.mapping(sp.id)
				if held, err := sp.m.Canonical(word, before[side].Fields); err == nil && !held.Blank() &&
					(m.WriteOnce || c.sync.FillBlanksOnly.Get(crm.WayTo(word))) {
					t.Fatalf("the %s field %q has a value and only blanks may be filled", word, field)
				}
			}
		}
	})
}

// TestS2_LosersAreListed: a value that is overwritten stands in the decision with
// the rule that overwrote it.
func TestS2_LosersAreListed(t *testing.T) {
	t.Parallel()
	overwriting := []FieldRule{
		RuleLeftChanged, RuleRightChanged, RuleSetMerge, RuleConflictLeft, RuleConflictRight, RuleConflictNewest,
		RuleFirstDifference, RuleBlankErased, RuleOneWay, RuleDefault,
	}
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		for side, word := range crm.Sides {
			w := c.decision.Write(word)
			if w == nil {
				continue
			}
			for field := range w.Fields {
				old := c.p.records()[side].Fields[field]
				if old.Blank() {
					continue
				}
				sp := c.writer(side, field)
				f := ruleOf(&c.decision, sp.id)
				listed := f.Left
				if word == crm.Right {
					listed = f.Right
				}
				want, err := sp.m.Canonical(word, c.p.records()[side].Fields)
				if err != nil || !same(listed, want) || !slices.Contains(overwriting, f.Rule) || !same(f.After, w.Intended[sp.id]) {
					t.Fatalf("%s: %#v is overwritten, but the decision says %#v", field, old, f)
				}
			}
		}
	})
}

// TestS2_ConflictsAreRealAndNamed: an edit that was never agreed on is only
// overwritten under a rule that says so, and a conflict is only called one
// when both sides moved (S3).
func TestS2_ConflictsAreRealAndNamed(t *testing.T) {
	t.Parallel()
	conflicts := []FieldRule{RuleConflictLeft, RuleConflictRight, RuleConflictNewest, RuleConflictReview}
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		for i := range c.s.specs {
			sp := &c.s.specs[i]
			f := ruleOf(&c.decision, sp.id)
			if sp.m == nil || !sp.open[0] || !sp.open[1] || sp.set || f.Rule == RuleFailed {
				continue
			}
			mem := sp.recall(c.p.Base, [2]crm.Fields{c.p.records()[0].Fields, c.p.records()[1].Fields}, c.p.occasion())
			moved := [2]bool{mem.moved(0, f.Left), mem.moved(1, f.Right)}
			if slices.Contains(conflicts, f.Rule) && mem.kind != settled && !(moved[0] && moved[1]) {
				t.Fatalf("%s: %s, but moved %v since %#v: %#v %#v", sp.id, f.Rule, moved, mem.entry, f.Left, f.Right)
			}
			for side, word := range crm.Sides {
				lost := []crm.Value{f.Left, f.Right}[side]
				w := c.decision.Write(word)
				if w == nil || lost.Blank() || mem.kind != agreed || !moved[side] {
					continue
				}
				if after, written := w.Intended[sp.id]; written && !same(after, lost) && !slices.Contains(conflicts, f.Rule) {
					t.Fatalf("%s: an edit on the %s side is overwritten under %s", sp.id, word, f.Rule)
				}
			}
		}
	})
}

// TestRow119_BlanksNeverEraseWithoutClear: no value becomes blank unless the
// mapping lets blanks erase on that way and the other side was blanked.
func TestRow119_BlanksNeverEraseWithoutClear(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		for side, word := range crm.Sides {
			w := c.decision.Write(word)
			if w == nil {
				continue
			}
			for id, after := range w.Intended {
				f := ruleOf(&c.decision, id)
				held, other := f.Left, f.Right
				if word == crm.Right {
					held, other = other, held
				}
				if !after.Blank() || held.Blank() {
					continue
				}
				m := c.mapping(id)
				removed := c.s.spec(id).set // taking items out needs no leave
				if !removed && (!m.Clear.Get(crm.WayTo(word)) || !other.Blank() || c.p.Base[id].Revision == "") {
					t.Fatalf("%s: %#v on the %s side is erased (%s), side %d", id, held, word, f.Rule, side)
				}
			}
		}
	})
}

// TestRow134_SetMergeKeepsAddsAndRemoves: what one side added is there after,
// what one side removed is gone.
func TestRow134_SetMergeKeepsAddsAndRemoves(t *testing.T) {
	t.Parallel()
	items := rapid.SliceOfDistinct(rapid.SampledFrom(strings.Split("abcdefg", "")), rapid.ID)
	rapid.Check(t, func(t *rapid.T) {
		base, left, right := items.Draw(t, "base"), items.Draw(t, "left"), items.Draw(t, "right")
		m := one("tags", "tags", "Tags")
		m.Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true}
		s := compile(baseSync(m))
		sp := &s.specs[0]
		raw := func(list []string) crm.Fields {
			return crm.Fields{"tags": crm.ListValue(list...), "Tags": crm.ListValue(list...), "email": mail, "Email": mail}
		}
		was, err := sp.m.Canonical(crm.Left, raw(base))
		if err != nil {
			t.Fatal(err)
		}
		p := Pair{
			Left: &crm.Record{ID: "L1", Fields: raw(left)}, Right: &crm.Record{ID: "R1", Fields: raw(right)},
			Linked: true, Base: crm.Base{"tags": crm.Agree(sp.revision, was)}, Now: noon,
		}
		decision := s.Reconcile(p)
		after := apply(p, decision)
		v, _ := canonical(sp, after)
		if !same(v[0], v[1]) {
			t.Fatalf("sides differ: %#v %#v", v[0], v[1])
		}
		for _, x := range strings.Split("abcdefg", "") {
			in := func(list []string) bool { return slices.Contains(list, x) }
			want := in(left) && in(right) || in(left) != in(right) && !in(base)
			if got := in(v[0].Items()); got != want {
				t.Fatalf("%s: base %v left %v right %v gives %v (%s)", x, base, left, right, v[0].Items(), decision.Fields[0].Rule)
			}
		}
	})
}

// TestS5_ReformattingIsNoEdit: an app that writes values in its own way after
// the sync does not set off another decision.
func TestS5_ReformattingIsNoEdit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		if c.decision.Outcome == crm.Failed {
			return
		}
		for _, r := range []*crm.Record{c.after.Left, c.after.Right} {
			if r == nil {
				continue
			}
			r.Fields = r.Fields.Clone()
			for name, v := range r.Fields {
				r.Fields[name] = reformat(name, v)
			}
		}
		if second := c.s.Reconcile(c.after); !second.Empty() || second.Rebase {
			t.Fatalf("reformatted values count as edits: left %#v right %#v", second.Left, second.Right)
		}
	})
}

// reformat writes a value as another app might.
func reformat(name string, v crm.Value) crm.Value {
	switch {
	case v.Blank():
		return crm.NullValue()
	case strings.EqualFold(name, "email") && strings.Contains(v.Text(), "@"):
		return crm.TextValue(" " + strings.ToUpper(v.Text()))
	case strings.EqualFold(name, "phone"):
		return crm.TextValue(strings.NewReplacer("+14155550132", "1 (415) 555 0132", "+14155550199",
			"415-555-0199").Replace(v.Text()))
	case strings.EqualFold(name, "tags"):
		items := mapping.Items(v)
		slices.Reverse(items)
		return crm.ListValue(items...)
	case strings.EqualFold(name, "age") && v.Kind() == crm.Number:
		return crm.TextValue(v.Text() + ".00")
	case v.Kind() == crm.Text:
		return crm.TextValue(v.Text() + " ")
	}
	return v
}

// TestRow45_MirroredSidesMirrorThePlan: swapping the sides of every input
// swaps the decision. Two settings one way each thus behave as one two-way sync.
func TestRow45_MirroredSidesMirrorThePlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		sync := mirrorSync(c.sync)
		m, _ := Compile(conn(), &sync, rightSchema(), leftSchema())
		m.tie = 1 - c.s.tie
		p := Pair{Left: c.p.Right, Right: c.p.Left, Linked: c.p.Linked, Origin: c.p.Origin.Other(), Now: c.p.Now}
		if c.p.Linked {
			p.Base = c.was.base(m, true)
		}
		if c.p.MatchedBy != nil {
			p.MatchedBy = &crm.MatchStep{Protect: []string{"Email", "Name", "Tags", "Note"}}
		}
		got := m.Reconcile(p)
		if diff := cmp.Diff(shape(c.decision, false), shape(got, true)); diff != "" {
			t.Fatalf("the mirrored decision differs (-decision +mirrored):\n%s", diff)
		}
	})
}

// decisionShape is what must mirror: everything but canonical values, which have
// the right side's names for options.
type decisionShape struct {
	Outcome     crm.Outcome
	State       crm.State
	Code        string
	Link        bool
	Left, Right crm.Fields
	Fields      []fieldShape
	Base        []string
}

type fieldShape struct {
	ID     crm.MappingID
	Rule   FieldRule
	Winner crm.Side
	Merged bool
}

func shape(p Decision, mirrored bool) decisionShape {
	out := decisionShape{Outcome: p.Outcome, State: p.State, Code: p.Code, Link: p.Link}
	left, right := p.Left, p.Right
	if mirrored {
		left, right = right, left
	}
	if left != nil {
		out.Left = left.Fields
	}
	if right != nil {
		out.Right = right.Fields
	}
	swap := map[FieldRule]FieldRule{
		RuleLeftChanged: RuleRightChanged, RuleRightChanged: RuleLeftChanged,
		RuleConflictLeft: RuleConflictRight, RuleConflictRight: RuleConflictLeft,
	}
	for _, f := range p.Fields {
		s := fieldShape{f.Mapping, f.Rule, f.Winner, f.Merged}
		if mirrored {
			if r, ok := swap[s.Rule]; ok {
				s.Rule = r
			}
			if s.Winner != "" {
				s.Winner = s.Winner.Other()
			}
		}
		out.Fields = append(out.Fields, s)
	}
	for id, e := range p.Base {
		out.Base = append(out.Base, string(id)+[...]string{"absent", "null", "text", "number", "bool", "list"}[e.Kind])
	}
	slices.Sort(out.Base)
	return out
}

func mirrorSync(s crm.Sync) crm.Sync {
	s.Direction = mirrorDirection(s.Direction)
	s.Behavior = crm.PerWay[crm.Behavior]{ToRight: s.Behavior.ToLeft, ToLeft: s.Behavior.ToRight}
	s.FillBlanksOnly = crm.PerWay[bool]{ToRight: s.FillBlanksOnly.ToLeft, ToLeft: s.FillBlanksOnly.ToRight}
	s.Conflict = mirrorPolicy(s.Conflict)
	mirrorSteps := func(steps []crm.MatchStep) []crm.MatchStep {
		out := slices.Clone(steps)
		for i := range out {
			out[i].Pairs = slices.Clone(out[i].Pairs)
			for j, p := range out[i].Pairs {
				out[i].Pairs[j] = [2]string{p[1], p[0]}
			}
		}
		return out
	}
	s.Match = crm.SplitMatch(mirrorSteps(s.Match.ToLeft), mirrorSteps(s.Match.ToRight))
	s.Rules = slices.Clone(s.Rules)
	for i := range s.Rules {
		s.Rules[i].Direction = mirrorDirection(s.Rules[i].Direction)
	}
	s.Mappings = slices.Clone(s.Mappings)
	for i, m := range s.Mappings {
		m.Left, m.Right = m.Right, m.Left
		m.Direction = mirrorDirection(m.Direction)
		m.Clear = crm.PerWay[bool]{ToRight: m.Clear.ToLeft, ToLeft: m.Clear.ToRight}
		m.Default = crm.PerWay[crm.Value]{ToRight: m.Default.ToLeft, ToLeft: m.Default.ToRight}
		if m.Conflict != nil {
			p := mirrorPolicy(*m.Conflict)
			m.Conflict = &p
		}
		if m.Transform.Type == crm.TransformOptions {
			swapped := map[string]string{}
			for k, v := range m.Transform.Options {
				swapped[v] = k
			}
			m.Transform.Options = swapped
		}
		s.Mappings[i] = m
	}
	return s
}

func mirrorDirection(d crm.Direction) crm.Direction {
	switch d {
	case crm.DirectionToRight:
		return crm.DirectionToLeft
	case crm.DirectionToLeft:
		return crm.DirectionToRight
	case crm.DirectionBoth, crm.DirectionOff:
	}
	return d
}

func mirrorPolicy(p crm.ConflictPolicy) crm.ConflictPolicy {
	switch p {
	case crm.ConflictRight:
		return crm.ConflictLeft
	case crm.ConflictLeft, "":
		return crm.ConflictRight
	case crm.ConflictNewest, crm.ConflictReview:
	}
	return p
}

// TestS5_AtRestAfterEveryStep follows pairs through edits and filters that open
// and close: after each step one decision brings them to rest again, from a base
// that earlier decisions made.
func TestS5_AtRestAfterEveryStep(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawScene(t)
		p := c.after
		if p.Left == nil || p.Right == nil {
			return
		}
		p.Linked = true
		for step := range rapid.IntRange(1, 6).Draw(t, "steps") {
			before := p
			p.Left, p.Right = edit(t, p.Left, leftSchema()), edit(t, p.Right, rightSchema())
			decision := c.s.Reconcile(p)
			rest := apply(p, decision)
			if second := c.s.Reconcile(rest); !second.Empty() || second.Rebase {
				c.p, c.decision = p, decision
				t.Fatalf("step %d from %#v: not at rest\n%s", step, before.Base, story(&c, &second))
			}
			p = rest
		}
	})
}

func edit(t *rapid.T, r *crm.Record, schema []crm.Field) *crm.Record {
	out := *r
	out.Fields = r.Fields.Clone()
	for range rapid.IntRange(0, 3).Draw(t, "edits") {
		field := pick(t, "field", schema...).Name
		out.Fields[field] = pick(t, field, values[poolOf[field]]...)
	}
	return &out
}
