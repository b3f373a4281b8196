package reconcile

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// actRules are rules whose actions meet: tags added and taken off, fields set,
// undone and mirrored, in both ways.
func actRules(t *rapid.T) []crm.Rule {
	bools := rapid.Bool()
	tag := func(label, field string) crm.RuleAction {
		kind := rapid.SampledFrom([]string{rule.ActionAddTag, rule.ActionAddToList, rule.ActionRemoveTag}).Draw(t, label)
		if kind == rule.ActionRemoveTag { // of a tag of its own: what it takes off may be a person's
			return crm.RuleAction{Type: kind, Field: field, Value: "old"}
		}
		return crm.RuleAction{Type: kind, Field: field, Value: rapid.SampledFrom([]string{"x", "y"}).Draw(t, label+" value")}
	}
	var rules []crm.Rule
	for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
		id := string(rune('a' + i))
		r := crm.Rule{ID: id, Direction: crm.DirectionToRight}
		clause := crm.Filter{Field: "vip", Op: "is_true"}
		field, mark := "Tags", "tags"
		if bools.Draw(t, id+" to left") {
			r.Direction, clause.Field, field, mark = crm.DirectionToLeft, "OK", "tags", "Tags"
		}
		unmarked := crm.Filter{Field: mark, Op: "not_contains", Value: crm.TextValue("No")}
		r.Filter = &crm.Filter{All: []crm.Filter{unmarked}}
		if bools.Draw(t, id+" more") {
			r.Filter.All = append(r.Filter.All, clause)
		}
		for range rapid.IntRange(1, 2).Draw(t, id+" actions") {
			r.Actions = append(r.Actions, tag(id+" tag", field))
		}
		if field == "Tags" && bools.Draw(t, id+" sets") {
			r.Actions = append(r.Actions, crm.RuleAction{Type: rule.ActionSetField, Field: "Source", Value: id})
		}
		r.Undo = bools.Draw(t, id+" undo")
		adds := slices.ContainsFunc(r.Actions, func(a crm.RuleAction) bool { return rule.Adds(a.Type) })
		if adds && bools.Draw(t, id+" mirror") {
			r.OtherWayAround = crm.OtherWayAround{Enabled: true, Exclude: &crm.Exclude{Field: mark, Value: "No"}}
		}
		off := rapid.IntRange(0, 5).Draw(t, id+" off") > 0
		r.Enabled = &off
		rules = append(rules, r)
	}
	return rules
}

// acted is a pair with rules, and who put which tag.
type acted struct {
	s     *Settings
	p     Pair
	owned map[string]bool        // side and tag: a person put it, and nobody took it off
	last  crm.PerSide[crm.Value] // the tags as last looked at
}

func (a *acted) fields(side crm.Side) crm.Fields {
	if side == crm.Left {
		return a.p.Left.Fields
	}
	return a.p.Right.Fields
}

func tagField(side crm.Side) string {
	if side == crm.Left {
		return "tags"
	}
	return "Tags"
}

// person edits one thing.
func (a *acted) person(t *rapid.T) {
	side := rapid.SampledFrom(crm.Sides[:]).Draw(t, "side")
	f := a.fields(side)
	switch what := rapid.SampledFrom([]string{"x", "y", "old", "No", "mine", "gate", "set"}).Draw(t, "edits"); what {
	case "gate":
		name := map[crm.Side]string{crm.Left: "vip", crm.Right: "OK"}[side]
		f[name] = crm.BoolValue(rapid.Bool().Draw(t, "value"))
	case "set":
		if side == crm.Right {
			f["Source"] = crm.TextValue(rapid.SampledFrom([]string{"", "typed", "a"}).Draw(t, "typed"))
		}
	default:
		add := !tagged(f[tagField(side)], what)
		f[tagField(side)] = retag(f[tagField(side)], what, add)
		// Nobody can see that a tag was taken off and put back between two looks.
		a.owned[string(side)+what] = add && !tagged(a.last.Get(side), what)
	}
}

// work plans and carries out once, and says whether anything was done.
func (a *acted) work(t *rapid.T) bool {
	plan := a.s.Reconcile(a.p)
	for _, side := range crm.Sides {
		w := plan.Write(side)
		if w == nil {
			continue
		}
		for name, v := range w.Fields {
			a.fields(side)[name] = v
		}
	}
	for _, side := range crm.Sides {
		a.last.Set(side, a.fields(side)[tagField(side)])
	}
	moved := !plan.Empty() || plan.Rebase
	if plan.Link {
		a.p.Linked, a.p.Base = true, plan.Base
	} else if !plan.Empty() {
		t.Fatalf("a pair that is not linked is written: %+v", plan)
	}
	for key, owned := range a.owned {
		side := crm.Left
		if key[0] == 'r' {
			side = crm.Right
		}
		what := key[len(side):]
		if owned && what != "old" && !tagged(a.fields(side)[tagField(side)], what) {
			t.Fatalf("the tag %s that a person put on the %s side was taken off: %+v", what, side, plan)
		}
	}
	return moved
}

// TestRow88_89_NoPingPong: whatever the rules and the history, all comes to rest
// by itself, and nothing that a person put is taken off.
func TestRow88_Row89_NoPingPong(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sync := baseSync(one("email", "email", "Email"), one("title", "title", "Title"))
		sync.Rules = actRules(t)
		s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
		if len(problems) > 0 {
			t.Fatalf("%v", problems)
		}
		a := &acted{s: s, owned: map[string]bool{}, p: Pair{Now: noon, Origin: crm.Left}}
		mail := crm.TextValue("ann@example.com")
		a.p.Left = &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail}}
		a.p.Right = &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail}}
		for range rapid.IntRange(0, 12).Draw(t, "edits") {
			a.person(t)
			if rapid.Bool().Draw(t, "looked at") {
				a.work(t)
			}
		}
		rounds := 0
		for a.work(t) {
			if rounds++; rounds > 4 {
				t.Fatalf("it does not come to rest: left %v right %v base %v", a.p.Left.Fields, a.p.Right.Fields, a.p.Base)
			}
		}
		mirrored := slices.ContainsFunc(sync.Rules, func(r crm.Rule) bool { return r.OtherWayAround.Enabled })
		for _, side := range crm.Sides {
			r := a.p.Left
			if side == crm.Right {
				r = a.p.Right
			}
			if a.p.Linked && !s.Acted(side, r, a.p.Base, noon) && !mirrored { // else a look tells more
				t.Fatalf("at rest, the %s side still asks for something", side)
			}
		}
	})
}

// acting is a pair under one rule to the right that adds a tag for who is vip.
func acting(undo, mirror bool) *acted {
	sync := baseSync(one("email", "email", "Email"))
	r := crm.Rule{
		ID: "r", Direction: crm.DirectionToRight, Undo: undo,
		Filter: &crm.Filter{All: []crm.Filter{
			{Field: "tags", Op: "not_contains", Value: crm.TextValue("No")}, {Field: "vip", Op: "is_true"},
		}},
		Actions: []crm.RuleAction{{Type: rule.ActionAddTag, Field: "Tags", Value: "x"}},
	}
	if mirror {
		r.OtherWayAround = crm.OtherWayAround{Enabled: true, Exclude: &crm.Exclude{Field: "tags", Value: "No"}}
	}
	if sync.Rules = []crm.Rule{r}; !mirror {
		sync.Direction = crm.DirectionToRight
	}
	a := &acted{s: compile(sync), owned: map[string]bool{}, p: Pair{Now: noon, Origin: crm.Left}}
	mail := crm.TextValue("ann@example.com")
	a.p.Left = &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "vip": crm.BoolValue(true)}}
	a.p.Right = &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Tags": crm.ListValue("keep")}}
	return a
}

func (a *acted) do(t *testing.T) Decision {
	t.Helper()
	plan := a.s.Reconcile(a.p)
	for _, side := range crm.Sides {
		if w := plan.Write(side); w != nil {
			for name, v := range w.Fields {
				a.fields(side)[name] = v
			}
		}
	}
	a.p.Linked, a.p.Base = plan.Link, plan.Base
	return plan
}

func (a *acted) has(t *testing.T, side crm.Side, want ...string) {
	t.Helper()
	if got := mapping.Items(a.fields(side)[tagField(side)]); !slices.Equal(got, want) {
		t.Errorf("the %s side has the tags %q, want %q", side, got, want)
	}
}

func TestRow86_ActionsRunOnce(t *testing.T) {
	t.Parallel()
	a := acting(false, false)
	a.do(t)
	a.has(t, crm.Right, "keep", "x")
	if plan := a.do(t); !plan.Empty() || plan.Rebase {
		t.Errorf("it runs again: %+v", plan)
	}
	a.fields(crm.Right)["Tags"] = crm.ListValue("keep") // a person takes it off
	a.do(t)
	a.has(t, crm.Right, "keep")
}

func TestRow88_Undo(t *testing.T) {
	t.Parallel()
	a := acting(true, false)
	a.do(t)
	a.fields(crm.Left)["vip"] = crm.BoolValue(false)
	if plan := a.do(t); plan.State != crm.StateExcluded || plan.Code != CodeFiltered || plan.Outcome != crm.Updated {
		t.Errorf("%s %s %s", plan.Outcome, plan.State, plan.Code)
	}
	a.has(t, crm.Right, "keep")
	a.fields(crm.Right)["Tags"] = crm.ListValue("keep", "x") // a person puts it
	a.fields(crm.Left)["vip"] = crm.BoolValue(true)
	a.do(t)
	a.fields(crm.Left)["vip"] = crm.BoolValue(false)
	a.do(t)
	a.has(t, crm.Right, "keep", "x")
}

func TestRow89_OtherWayAround(t *testing.T) {
	t.Parallel()
	a := acting(false, true)
	a.do(t) // the twin has no tag yet, and that marks nobody
	a.has(t, crm.Right, "keep", "x")
	a.has(t, crm.Left)
	a.fields(crm.Right)["Tags"] = crm.ListValue("keep")
	if plan := a.do(t); plan.State != crm.StateExcluded {
		t.Errorf("%s %s %s", plan.Outcome, plan.State, plan.Code)
	}
	a.has(t, crm.Left, "No")
	a.do(t)
	a.has(t, crm.Right, "keep")
	a.fields(crm.Right)["Tags"] = crm.ListValue("keep", "x")
	a.do(t)
	a.has(t, crm.Left)
	a.has(t, crm.Right, "keep", "x")
}

func TestActRefused(t *testing.T) {
	t.Parallel()
	a := acting(false, false)
	plan := a.s.Reconcile(a.p)
	refused := Result{Fields: a.fields(crm.Right), Acts: map[string]string{"Tags": "value_too_long"}}
	base, _ := a.s.Settle(a.p, &plan, crm.PerSide[Result]{Left: Result{Fields: a.fields(crm.Left)}, Right: refused})
	a.p.Linked, a.p.Base = true, base
	if plan := a.s.Reconcile(a.p); !plan.Empty() || plan.State != crm.StateFailing {
		t.Errorf("what was refused is tried again, or not said: %+v", plan)
	}
	a.p.Retry = true
	if plan := a.s.Reconcile(a.p); plan.Empty() {
		t.Error("a person asks to try it again, and nothing is tried")
	}
	a.p.Retry, a.p.Now = false, noon.Add(time.Hour)
	failed := crm.PerSide[Result]{Right: Result{Failed: true}}
	if base, _ := a.s.Settle(Pair{}, &plan, failed); len(base) != 1 {
		t.Errorf("a write that failed whole left %v", base)
	}
}

// TestActHeld: an action whose field is gone writes nothing, and what it did is
// neither forgotten nor taken back.
func TestActHeld(t *testing.T) {
	t.Parallel()
	a := acting(true, false)
	a.do(t)
	sync := a.s.Sync()
	gone := slices.DeleteFunc(rightSchema(), func(f crm.Field) bool { return f.Name == "Tags" })
	held, _ := Compile(conn(), &sync, leftSchema(), gone)
	if !slices.ContainsFunc(held.Held(), func(h Held) bool { return h.Kind == HeldAction && h.Field == "Tags" }) {
		t.Errorf("held: %v", held.Held())
	}
	a.fields(crm.Left)["vip"] = crm.BoolValue(false)
	blind := a.p
	blind.Right = &crm.Record{ID: "R1", Fields: crm.Fields{"Email": a.fields(crm.Right)["Email"]}}
	plan := held.Reconcile(blind)
	if !plan.Empty() {
		t.Errorf("without the field: %+v", plan)
	}
	a.p.Base = plan.Base
	a.do(t)
	a.has(t, crm.Right, "keep")
}
