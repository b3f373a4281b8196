package rule_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// TestFiltersAnswerAsWritten asks every operator on every type of field about
// many values, with every kind of wanted value.
func TestFiltersAnswerAsWritten(t *testing.T) {
	t.Parallel()
	values := []crm.Value{
		absent, null, blank, nobody, spaces, text("Ann"), text("ann lee"), text("LEE"), text("5"), text("5.0"), text("12"),
		text("true"), text("no"), text("2026-03-10"), text("2026-03-09"), text("2026-03-10T11:59:59Z"),
		text("2026-03-10T12:00:01Z"), text("2026-03-03T12:00:00Z"), text("2026-03-03T11:59:59Z"), text("1773144000000"),
		number("5"), number("-5.50"), number("1773144000000"), crm.BoolValue(true), crm.BoolValue(false),
		list("Ann"), list("ann", "Lee"), list("5", "12"), list("Lee", "Ann"), text("+1 (212) 555-0100"),
		text("ANN@Example.com"),
	}
	wanted := []crm.Value{
		absent, null, blank, text("ann"), text("Lee"), text("5"), number("5"), number("7"), number("0"), number("1.5"),
		number("-1"), number("4000"), crm.BoolValue(true), text("2026-03-10"), text("2026-03-10T12:00:00Z"),
		list("ann", "lee"), list("5"), list("Ann"), nobody, text("+12125550100"), text("ann@example.com"),
	}
	types := []crm.FieldType{
		"", crm.TypeText, crm.TypeEmail, crm.TypePhone, crm.TypeNumber, crm.TypeBoolean, crm.TypeDate, crm.TypeDateTime,
		crm.TypeOption, crm.TypeOptions, crm.TypeList, crm.TypeReference, crm.TypeURL, crm.TypeOwner,
	}
	var out strings.Builder
	for _, op := range rule.Operators() {
		for _, typ := range types {
			alike := map[string][]string{}
			for _, w := range wanted {
				filter := &crm.Filter{Field: "f", Op: op.Word, Value: w}
				f, problems := rule.Compile(filter, schema(typ), zone(t, "America/New_York"))
				said := told(problems)
				if problems == nil {
					said = fmt.Sprintf("timed %t ", rule.Timed(filter))
					for _, v := range values {
						ok, trace := f.Match(crm.Fields{"f": v}, noon)
						said += map[bool]string{true: "+", false: "."}[ok]
						if len(trace) != 1 || trace[0].Result != ok {
							t.Errorf("%s %v: trace %v", op.Word, v, trace)
						}
					}
				}
				alike[said] = append(alike[said], fmt.Sprintf("%q", w.Items()))
			}
			for _, said := range slices.Sorted(maps.Keys(alike)) {
				fmt.Fprintf(&out, "%s on %s, wanted %s: %s\n", op.Word, typ, strings.Join(alike[said], " "), said)
			}
		}
	}
	written.Check(t, "filters.txt", out.String())
}

func told(problems []mapping.Problem) string {
	parts := make([]string, len(problems))
	for i, p := range problems {
		parts[i] = fmt.Sprintf("%s %s %q", p.Pointer, p.Code, p.Detail)
	}
	return strings.Join(parts, "; ")
}

// TestTreesAreCheckedAsWritten nests filters to the limits and beyond, and leaves
// parts of them out.
func TestTreesAreCheckedAsWritten(t *testing.T) {
	t.Parallel()
	is := func(field, value string) crm.Filter {
		return crm.Filter{Field: field, Op: "equals", Value: text(value)}
	}
	a, b := is("f", "a"), is("g", "b")
	deep := func(n int) crm.Filter {
		f := a
		for range n {
			f = crm.Filter{Not: &f}
		}
		return f
	}
	wide := func(n int) crm.Filter { return crm.Filter{Any: slices.Repeat([]crm.Filter{a}, n)} }
	long := func(n int) crm.Filter { return is("f", strings.Repeat("x", n)) }
	many := func(n int) crm.Filter {
		return crm.Filter{Field: "f", Op: "in", Value: list(slices.Repeat([]string{"x"}, n)...)}
	}
	trees := []crm.Filter{
		{},
		a,
		{All: []crm.Filter{a, b}},
		{Any: []crm.Filter{a, b}},
		{Not: &a},
		{All: []crm.Filter{}},
		{Any: []crm.Filter{}},
		{All: []crm.Filter{a}, Any: []crm.Filter{b}},
		{All: []crm.Filter{a}, Not: &b},
		{Field: "f", Op: "equals", Value: text("a"), Not: &b},
		{Field: "f"},
		{Op: "equals", Value: text("a")},
		{Field: "f", Op: "resembles", Value: text("a")},
		{Field: "none", Op: "is_empty"},
		{Field: " ", Op: "is_empty"},
		{All: []crm.Filter{{Any: []crm.Filter{a, {Not: &b}}}, {All: []crm.Filter{a, {}}}}},
		{Field: "f", Op: "is_empty", Value: text("x")},
		{Field: "f", Op: "in_last_days", Value: number("36500")},
		{Field: "f", Op: "in_last_days", Value: number("36501")},
	}
	for n := 1; n < 14; n++ {
		trees = append(trees, deep(n))
	}
	for _, n := range []int{1, 2, 19, 20, 21, 49, 50, 51, 99, 100, 101, 199, 200, 201, 256, 257, 500, 501, 1000, 1001} {
		trees = append(trees, wide(n), long(n), many(n))
	}
	records := []crm.Fields{{}, {"f": text("a")}, {"g": text("b")}, {"f": text("a"), "g": text("b")}}
	var out strings.Builder
	for i := range trees {
		f, problems := rule.Compile(&trees[i], map[string]crm.Field{
			"f": {Name: "f", Type: crm.TypeText}, "g": {Name: "g", Type: crm.TypeText},
		}, nil)
		fmt.Fprintf(&out, "%d %s\n", i, told(problems))
		if problems != nil {
			continue
		}
		fmt.Fprintf(&out, "  %q %q", f.Fields(), f.Missing())
		for _, r := range records {
			ok, trace := f.Match(r, noon)
			fmt.Fprintf(&out, " %t", ok)
			for k, step := range trace {
				if k < 4 {
					fmt.Fprintf(&out, "/%s %s %q %t", step.Field, step.Op, step.Value.Text(), step.Result)
				}
			}
		}
		fmt.Fprintln(&out)
	}
	written.Check(t, "trees.txt", out.String())
}

// TestActionsAreCheckedAsWritten has actions write values of every kind to fields of
// every kind; beside it what a field is to hold that is set.
func TestActionsAreCheckedAsWritten(t *testing.T) {
	t.Parallel()
	fields := map[string]crm.Field{"Id": {Name: "Id", Type: crm.TypeText, ReadOnly: true}}
	for _, typ := range append(slices.Clone(crm.FieldTypes), "") {
		one := "one " + string(typ)
		fields[one] = crm.Field{Name: one, Type: typ}
	}
	fields["several texts"] = crm.Field{Name: "several texts", Type: crm.TypeText, Multiple: true}
	for _, typ := range []crm.FieldType{crm.TypeOption, crm.TypeOptions, crm.TypeText} {
		for name, open := range map[string]bool{"closed": false, "open": true} {
			name += " " + string(typ)
			fields[name] = crm.Field{Name: name, Type: typ, OpenOptions: open, Options: []crm.Option{{Value: "a"}}}
		}
	}
	var out strings.Builder
	for _, name := range append(slices.Sorted(maps.Keys(fields)), "gone", "") {
		fmt.Fprintf(&out, "%s\n", name)
		for _, action := range []string{rule.ActionAddTag, rule.ActionSetField, "dance"} {
			alike := map[string]string{}
			var order []string
			for _, value := range []string{" ", "a", " a ", "b", " 7.50 ", "true"} {
				rules := []crm.Rule{{ID: "r", Direction: crm.DirectionToRight, Actions: []crm.RuleAction{
					{Type: action, Field: name, Value: value},
				}}}
				_, problems := rule.CompileRules(rules, rule.Env{Right: fields})
				said := told(problems)
				if action == rule.ActionSetField {
					v, ok := rule.ActionValue(fields[name], value)
					said += fmt.Sprintf(" %d %q %t", v.Kind(), v.Text(), ok)
				}
				said = strings.ReplaceAll(said, fmt.Sprintf("%q", fmt.Sprintf("%q", value)), "…")
				if alike[said] == "" {
					order = append(order, said)
				}
				alike[said] += fmt.Sprintf(" %q", value)
			}
			for _, said := range order {
				fmt.Fprintf(&out, "  %s%s: %s\n", action, alike[said], said)
			}
		}
		for _, p := range rule.CheckTag(name, "b", crm.Right, rule.Env{Right: fields}) {
			fmt.Fprintf(&out, "  tag: %s %s %s\n", p.Pointer, p.Code, p.Detail)
		}
	}
	written.Check(t, "actions.txt", out.String())
}

// TestRulesDecideAsWritten lets sets of rules decide about records, both ways,
// with fields that are there, gone and unknown.
func TestRulesDecideAsWritten(t *testing.T) {
	t.Parallel()
	sets := [][]crm.Rule{
		nil,
		{named("a", crm.DirectionBoth, "web", "hot")},
		{named("a", crm.DirectionToRight, "web"), named("b", crm.DirectionToLeft, "fair", "x", "y")},
		{named("a", "", ""), named("a", crm.DirectionToRight, "web")},
		{disabled(named("a", crm.DirectionBoth, "web"))},
		{disabled(named("a", crm.DirectionToRight, "web")), named("b", crm.DirectionToRight, "")},
		{named("", crm.DirectionOff, "web")},
		{{ID: "a", Direction: "up", Actions: []crm.RuleAction{
			{Type: "dance"},
			{Type: rule.ActionAddTag},
			{Type: rule.ActionAddTag, Field: "gone", Value: "x"},
			{Type: rule.ActionAddTag, Field: "source", Value: "x"},
		}}},
		{{ID: "a", Direction: crm.DirectionBoth, Filter: &crm.Filter{Field: "gone", Op: "is_empty"}}},
		{{ID: "a", Direction: crm.DirectionToRight, Undo: true, Filter: &crm.Filter{
			Field: "source", Op: "in_last_days", Value: number("3"),
		}}},
		{undone(named("a", crm.DirectionToRight, "web", "x")), named("b", crm.DirectionToRight, "fair", "y")},
		{{
			ID: "a", Direction: crm.DirectionToRight, Actions: named("", "", "", "x").Actions,
			Filter:         &crm.Filter{Field: "tags", Op: "not_contains", Value: text("No_CRM")},
			OtherWayAround: crm.OtherWayAround{Enabled: true, Exclude: &crm.Exclude{Field: "tags", Value: "No_CRM"}},
		}},
		{disabled(undone(named("a", crm.DirectionToRight, "web", "x"))), named("b", crm.DirectionToRight, "fair")},
		{{
			ID: "a", Direction: crm.DirectionToRight, Undo: true, Actions: named("", "", "", "x").Actions,
			Filter: &crm.Filter{Field: "gone", Op: "is_empty"},
		}},
		{disabled(crm.Rule{
			ID: "a", Direction: crm.DirectionToRight, Actions: named("", "", "", "x").Actions,
			Filter:         &crm.Filter{Field: "tags", Op: "not_contains", Value: text("No_CRM")},
			OtherWayAround: crm.OtherWayAround{Enabled: true, Exclude: &crm.Exclude{Field: "tags", Value: "No_CRM"}},
		})},
	}
	fields := map[string]crm.Field{
		"source": {Name: "source", Type: crm.TypeText}, "tags": {Name: "tags", Type: crm.TypeList},
	}
	both := crm.PerSide[map[string]crm.Field]{Left: fields, Right: fields}
	envs := map[string]rule.Env{
		"checked": {Left: fields, Right: fields}, "unknown": {}, "left known": {Left: fields}, "working": {
			Left: fields, Right: fields, Hold: true, Exists: both,
		}, "working blind": {Hold: true},
	}
	var out strings.Builder
	for i, set := range sets {
		for _, name := range slices.Sorted(maps.Keys(envs)) {
			rules, problems := rule.CompileRules(set, envs[name])
			fmt.Fprintf(&out, "%d %s: %s\n", i, name, told(problems))
			if problems != nil {
				continue
			}
			fmt.Fprintf(&out, "  fields %q %q\n", rules.Fields(crm.Left), rules.Fields(crm.Right))
			for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
				for _, r := range []crm.Fields{{}, {"source": text("web")}, {"source": text("fair"), "tags": list("x")}} {
					fmt.Fprintf(&out, "  %s %q: %+v\n", way, r["source"].Text(), rules.Decide(way, r, noon))
				}
			}
		}
	}
	written.Check(t, "rules.txt", out.String())
}
