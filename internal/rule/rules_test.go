package rule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// checkFilter asks a filter that compiles about records, and its negation.
func checkFilter(t *testing.T, filter *crm.Filter, schema map[string]crm.Field, value string, unix int64) {
	t.Helper()
	compiled, problems := rule.Compile(filter, schema, time.FixedZone("x", 5*3600))
	if (compiled == nil) == (len(problems) == 0) {
		t.Fatalf("filter %v with problems %v", compiled != nil, problems)
	}
	if compiled == nil {
		return
	}
	now := time.Unix(unix%4_000_000_000, 0)
	negated, problems := rule.Compile(&crm.Filter{Not: filter}, schema, time.FixedZone("x", 5*3600))
	for _, v := range []crm.Value{
		{}, crm.NullValue(), crm.TextValue(value), crm.ListValue(value, "b"), crm.BoolValue(true), crm.NumberValue("5"),
	} {
		r := crm.Fields{}
		for _, n := range compiled.Fields() {
			r[n] = v
		}
		ok, trace := compiled.Match(r, now)
		if len(trace) == 0 {
			t.Fatal("a filter without a trace")
		}
		if again, _ := compiled.Match(r, now); again != ok {
			t.Fatal("two answers to one question")
		}
		if problems != nil {
			continue // one level too deep
		}
		if not, _ := negated.Match(r, now); not == ok {
			t.Fatalf("the filter and its negation both say %v", ok)
		}
	}
}

func named(id string, d crm.Direction, value string, tags ...string) crm.Rule {
	r := crm.Rule{ID: id, Direction: d}
	if value != "" {
		r.Filter = &crm.Filter{Field: "source", Op: "equals", Value: text(value)}
	}
	for _, tag := range tags {
		r.Actions = append(r.Actions, crm.RuleAction{Type: rule.ActionAddTag, Field: "tags", Value: tag})
	}
	return r
}

// mirrored is a rule that leaves out what has the mark x in a field.
func mirrored(d crm.Direction, field string, mark *crm.Exclude) crm.Rule {
	r := named("a", d, "", "tag")
	r.Filter = &crm.Filter{All: []crm.Filter{{Field: field, Op: "not_contains", Value: text("x")}}}
	if field == "tags" {
		r.Filter = &crm.Filter{Field: field, Op: "not_contains", Value: text("x")}
	}
	r.OtherWayAround = crm.OtherWayAround{Enabled: true, Exclude: mark}
	return r
}

func undone(r crm.Rule) crm.Rule {
	r.Undo = true
	return r
}

func disabled(r crm.Rule) crm.Rule {
	off := false
	r.Enabled = &off
	return r
}

func TestRow73_AnyRuleSuffices(t *testing.T) {
	t.Parallel()
	record := crm.Fields{"source": text("web")}
	tests := map[string]struct {
		rules []crm.Rule
		pass  bool
		ids   []string
		tags  []string
	}{
		"no rules":               {nil, true, nil, nil},
		"rules of the other way": {[]crm.Rule{named("a", "to_left", "phone")}, true, nil, nil},
		"no filter":              {[]crm.Rule{named("a", "to_right", "")}, true, []string{"a"}, nil},
		"one of two": {
			[]crm.Rule{named("a", "to_right", "phone", "A"), named("b", "both", "web", "B")},
			true,
			[]string{"b"},
			[]string{"B"},
		},
		"both, actions united": {
			[]crm.Rule{named("a", "to_right", "web", "A", "B"), named("b", "to_right", "", "B", "C")},
			true,
			[]string{"a", "b"},
			[]string{"A", "B", "C"},
		},
		"none": {[]crm.Rule{named("a", "to_right", "phone", "A")}, false, nil, nil},
		"the one that matches is off": {
			[]crm.Rule{named("a", "to_right", "phone"), disabled(named("b", "to_right", "web"))},
			false, nil, nil,
		},
		"one off does not stop others": {
			[]crm.Rule{disabled(named("a", "to_right", "")), named("b", "to_right", "web")},
			true,
			[]string{"b"},
			nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, problems := rule.CompileRules(tt.rules, rule.Env{})
			if problems != nil {
				t.Fatal(problems)
			}
			d := rules.Decide(crm.ToRight, record, noon)
			var tags []string
			for _, a := range d.Actions {
				tags = append(tags, a.Value)
			}
			if d.Pass != tt.pass {
				t.Errorf("pass %v, want %v", d.Pass, tt.pass)
			}
			if diff := cmp.Diff(tt.ids, d.Rules); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.tags, tags); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRow36_AllRulesOffExcludesEverything(t *testing.T) {
	t.Parallel()
	rules, problems := rule.CompileRules([]crm.Rule{
		disabled(named("a", "to_right", "")), disabled(named("b", "both", "web")),
	}, rule.Env{})
	if problems != nil {
		t.Fatal(problems)
	}
	d := rules.Decide(crm.ToRight, crm.Fields{"source": text("web")}, noon)
	want := []rule.RuleTrace{{Rule: "a"}, {Rule: "b"}}
	if diff := cmp.Diff(want, d.Traces); diff != "" || d.Pass {
		t.Errorf("pass %v, traces (-want +got):\n%s", d.Pass, diff)
	}
	if got := rules.Fields(crm.Left); len(got) != 0 {
		t.Errorf("rules that are off need the fields %v", got)
	}
}

func TestRow72_NilRulesLetEverythingThrough(t *testing.T) {
	t.Parallel()
	var rules *rule.Rules
	if d := rules.Decide(crm.ToLeft, nil, noon); !d.Pass || d.Rules != nil || rules.Fields(crm.Left) != nil {
		t.Errorf("decision %+v", d)
	}
}

func TestCompileRules_ProblemsAtTheirPlace(t *testing.T) {
	t.Parallel()
	env := rule.Env{
		Left: map[string]crm.Field{
			"source": {Name: "source", Type: crm.TypeText}, "labels": {Name: "labels", Type: crm.TypeList},
		},
		Right: map[string]crm.Field{
			"tags": {Name: "tags", Type: crm.TypeOptions}, "Id": {Name: "Id", Type: crm.TypeText, ReadOnly: true},
			"Age": {Name: "Age", Type: crm.TypeNumber},
		},
	}
	tag := func(kind, field, value string) []crm.RuleAction {
		return []crm.RuleAction{{Type: kind, Field: field, Value: value}}
	}
	tests := map[string]struct {
		rules []crm.Rule
		want  []string
	}{
		"fine": {[]crm.Rule{named("a", "to_right", "web", "x")}, nil},
		"IDs": {
			[]crm.Rule{named("", "to_right", ""), named("a", "to_right", ""), named("a", "to_right", "")},
			[]string{"/rules/0/id missing_id", "/rules/2/id duplicate_id"},
		},
		"direction": {[]crm.Rule{named("a", "off", "")}, []string{"/rules/0/direction unknown_direction"}},
		"filter":    {[]crm.Rule{named("a", "to_left", "web")}, []string{"/rules/0/filter/field unknown_field"}},
		"off is checked": {
			[]crm.Rule{disabled(named("a", "to_left", "web"))}, []string{"/rules/0/filter/field unknown_field"},
		},
		"action": {
			[]crm.Rule{{ID: "a", Direction: "to_right", Actions: tag("email", "tags", " ")}}, []string{
				"/rules/0/actions/0/type unknown_action", "/rules/0/actions/0/value wrong_value",
			},
		},
		"no such field": {
			[]crm.Rule{{ID: "a", Direction: "to_right", Actions: tag("add_tag", "labels", "x")}}, []string{
				"/rules/0/actions/0/field unknown_field",
			},
		},
		"read-only field": {
			[]crm.Rule{{ID: "a", Direction: "to_right", Actions: tag("add_tag", "Id", "x")}}, []string{
				"/rules/0/actions/0/field read_only_field",
			},
		},
		"number field": {
			[]crm.Rule{{ID: "a", Direction: "to_right", Actions: tag("add_tag", "Age", "x")}}, []string{
				"/rules/0/actions/0/field incompatible_types",
			},
		},
		"no field": {
			[]crm.Rule{{ID: "a", Direction: "to_right", Actions: tag("add_tag", "", "x")}}, []string{
				"/rules/0/actions/0/field missing_field",
			},
		},
		"reported once": {
			[]crm.Rule{{ID: "a", Direction: "both", Actions: tag("email", "tags", "x")}}, []string{
				"/rules/0/actions/0/type unknown_action", "/rules/0/actions/0/field unknown_field",
			},
		},
		"to set": {
			[]crm.Rule{{ID: "a", Direction: "to_right", Actions: tag("set_field", "Age", "old")}},
			[]string{"/rules/0/actions/0/value wrong_value"},
		},
		"to set a list": {
			[]crm.Rule{{ID: "a", Direction: "to_right", Actions: tag("set_field", "tags", "x")}},
			[]string{"/rules/0/actions/0/field incompatible_types"},
		},
		"no list": {
			[]crm.Rule{{ID: "a", Direction: "to_left", Actions: tag("add_to_list", "source", "x")}},
			[]string{"/rules/0/actions/0/field incompatible_types"},
		},
		"undo of nothing": {[]crm.Rule{{ID: "a", Undo: true}}, []string{"/rules/0/undo rule_incomplete"}},
		"undo": {
			[]crm.Rule{{ID: "a", Direction: "to_right", Undo: true, Filter: named("", "", "web").Filter}},
			[]string{"/rules/0/undo rule_incomplete"},
		},
		"mirror without a mark": {
			[]crm.Rule{mirrored("to_right", "labels", nil)}, []string{"/rules/0/other_way_around/exclude rule_incomplete"},
		},
		"mirror of both ways": {
			[]crm.Rule{mirrored("both", "labels", &crm.Exclude{Field: "labels", Value: "x"})},
			[]string{
				"/rules/0/other_way_around/enabled rule_incomplete", "/rules/0/filter/all/0/field unknown_field",
				"/rules/0/actions/0/field unknown_field", "/rules/0/other_way_around/exclude/field unknown_field",
			},
		},
		"mirror with another mark": {
			[]crm.Rule{mirrored("to_right", "labels", &crm.Exclude{Field: "labels", Value: "y"})},
			[]string{"/rules/0/other_way_around/exclude rule_incomplete"},
		},
		"mirror without a tag": {
			[]crm.Rule{{ID: "a", Direction: "to_right", OtherWayAround: crm.OtherWayAround{Enabled: true}}},
			[]string{"/rules/0/other_way_around/enabled rule_incomplete"},
		},
		"mirror with a mark of no field": {
			[]crm.Rule{mirrored("to_right", "tags", &crm.Exclude{Field: "tags", Value: "x"})},
			[]string{"/rules/0/filter/field unknown_field", "/rules/0/other_way_around/exclude/field unknown_field"},
		},
		"mirror": {[]crm.Rule{mirrored("to_right", "labels", &crm.Exclude{Field: "labels", Value: "x"})}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, problems := rule.CompileRules(tt.rules, env)
			if diff := cmp.Diff(tt.want, codes(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if (rules == nil) != (len(tt.want) > 0) {
				t.Errorf("rules %v with problems %v", rules, problems)
			}
		})
	}
}

func TestRules_FieldsOfTheSourceSide(t *testing.T) {
	t.Parallel()
	rules, problems := rule.CompileRules([]crm.Rule{named("a", "both", "web"), named("b", "to_right", "")}, rule.Env{})
	if problems != nil {
		t.Fatal(problems)
	}
	for _, side := range crm.Sides {
		if diff := cmp.Diff([]string{"source"}, rules.Fields(side)); diff != "" {
			t.Errorf("%s fields (-want +got):\n%s", side, diff)
		}
	}
}

// TestTagsAreOffered: a tag goes into a field of several values that offers it.
func TestTagsAreOffered(t *testing.T) {
	t.Parallel()
	env := rule.Env{Right: map[string]crm.Field{
		"Open":   {Name: "Open", Type: crm.TypeList, Multiple: true, OpenOptions: true, Options: []crm.Option{{Value: "a"}}},
		"Closed": {Name: "Closed", Type: crm.TypeList, Multiple: true, Options: []crm.Option{{Value: "a"}}},
		"Any":    {Name: "Any", Type: crm.TypeList, Multiple: true},
		"One":    {Name: "One", Type: crm.TypeText},
	}}
	for _, c := range []struct{ field, tag, want string }{
		{"Open", "b", ""},
		{"Closed", "a", ""},
		{"Closed", " a ", ""},
		{"Closed", "b", "/tag " + mapping.CodeUnknownOption},
		{"Closed", " ", ""},
		{"Any", "b", ""},
		{"One", "a", " " + mapping.CodeIncompatible},
	} {
		got := ""
		for _, p := range rule.CheckTag(c.field, c.tag, crm.Right, env) {
			got = p.Pointer + " " + p.Code
		}
		if got != c.want {
			t.Errorf("%q in %s: %q, want %q", c.tag, c.field, got, c.want)
		}
	}
	for range 20 { // names of a map come in any order
		if p := rule.CheckTag("One", "a", crm.Right, env); !strings.Contains(p[0].Detail, "choose Any, Closed, Open") {
			t.Fatalf("what to choose: %s", p[0].Detail)
		}
	}
}
