package crm_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// everywhere is a sync that names a field wherever one can: those of the left object
// begin with "l.", those of the right one with "r.". What stands in it need not make
// sense, only be there.
func everywhere(split bool) crm.Sync {
	step := crm.MatchStep{
		By: crm.MatchByID, Left: "l.id", Right: "r.id", OnMissing: "next", WriteBack: true,
		Pairs: [][2]string{{"l.pair", "r.pair"}}, Verify: [][2]string{{"l.verify", "r.verify"}}, OnDisagreement: "first",
		Protect: []string{"l.protect"},
	}
	match := crm.SameMatch(step)
	if split {
		match = crm.SplitMatch([]crm.MatchStep{step}, []crm.MatchStep{step})
	}
	off, minutes := false, 3
	conflict, policy := crm.ConflictLeft, crm.PolicyNone
	value := crm.TextValue("v")
	filter := func(side string) *crm.Filter {
		one := crm.Filter{Field: side + ".clause", Op: "equals", Value: value}
		return &crm.Filter{
			All: []crm.Filter{{Not: &one}}, Any: []crm.Filter{one}, Not: &one,
			Field: side + ".clause", Op: "equals", Value: value,
		}
	}
	rule := func(d crm.Direction, source, target string) crm.Rule {
		return crm.Rule{
			ID: string(d), Direction: d, Enabled: &off, Filter: filter(source), Undo: true,
			Actions: []crm.RuleAction{{Type: "add_tag", Field: target + ".action", Value: "v"}},
			OtherWayAround: crm.OtherWayAround{
				Enabled: true, Exclude: &crm.Exclude{Field: source + ".exclude", Value: "v"},
			},
		}
	}
	mapping := crm.Mapping{
		ID: "m", Left: []string{"l.first", "l.second"}, Right: []string{"r.mapped"}, Direction: crm.DirectionOff,
		Enabled: &off, Origin: "custom", Conflict: &conflict, WriteOnce: true, Policy: &policy,
		Transform: crm.Transform{Type: crm.TransformOptions, Options: map[string]string{"k": "v"}},
		Default:   crm.PerWay[crm.Value]{ToRight: value, ToLeft: value}, Clear: crm.PerWay[bool]{ToRight: true, ToLeft: true},
	}
	return crm.Sync{
		ID: "s", Left: crm.ObjectEnd{Object: "o"}, Right: crm.ObjectEnd{Object: "o"}, Direction: crm.DirectionOff,
		Schedule: "5m", Initial: "all", SecondLook: &minutes, AuditHours: &minutes, AvoidDuplicates: &off,
		Behavior:       crm.PerWay[crm.Behavior]{ToRight: crm.BehaviorNothing, ToLeft: crm.BehaviorNothing},
		FillBlanksOnly: crm.PerWay[bool]{ToRight: true, ToLeft: true}, Conflict: crm.ConflictLeft,
		Deletes: crm.Deletes{
			ToRight: crm.DeleteTag, ToLeft: crm.DeleteTag, Tag: "t",
			Field: crm.PerSide[string]{Left: "l.trash", Right: "r.trash"},
		},
		Unsubscribes: crm.Unsubscribes{
			ToRight: crm.DeleteTag, ToLeft: crm.DeleteTag, Tag: "t",
			Field: crm.PerSide[string]{Left: "l.unsubscribed", Right: "r.unsubscribed"},
			When:  crm.PerSide[string]{Left: "l.when", Right: "r.when"},
		},
		Match: match, Rules: []crm.Rule{rule(crm.DirectionToRight, "l", "r"), rule(crm.DirectionToLeft, "r", "l")},
		Mappings:     []crm.Mapping{mapping},
		Associations: []crm.Association{{Left: "l.ref", Right: "r.ref", Sync: "s", Clear: mapping.Clear}},
		Activities: crm.Activities{
			Enabled: true, Existing: true, SystemNotes: true, Mappings: []crm.Mapping{mapping},
			Left: crm.ActivityEnd{Object: "o", Parent: "l.parent"}, Right: crm.ActivityEnd{Object: "o", Parent: "r.parent"},
			Behavior: crm.PerWay[crm.Behavior]{ToRight: crm.BehaviorNothing, ToLeft: crm.BehaviorNothing},
		},
		Stamp: crm.PerWay[crm.Fields]{ToRight: crm.Fields{"r.stamp/~": value}, ToLeft: crm.Fields{"l.stamp/~": value}},
	}
}

// TestRow148_PlacesAreAllThatNameAField holds the list against the document itself,
// in which nothing is left out: a setting that is new stands in everywhere or fails
// here, and if it names a field it stands in Places or fails here.
func TestRow148_PlacesAreAllThatNameAField(t *testing.T) {
	t.Parallel()
	for _, split := range []bool{false, true} {
		s := everywhere(split)
		unfilled(t, reflect.ValueOf(s), "sync")
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		var want [2][]string
		named(doc, "", &want)
		activities, ok := s.OfActivities()
		if !ok {
			t.Fatal("there are no activities")
		}
		for _, side := range crm.Sides {
			var got []string
			for _, p := range s.Places(side) {
				got = append(got, p.Pointer+" "+p.Field)
			}
			for _, p := range activities.Places(side) {
				got = append(got, "/activities"+p.Pointer+" "+p.Field)
			}
			slices.Sort(got)
			slices.Sort(want[side.Index()])
			if diff := cmp.Diff(want[side.Index()], got); diff != "" {
				t.Errorf("split %t, %s (-want +got):\n%s", split, side, diff)
			}
		}
	}
}

// TestRow148_ARuleOfBothWaysNamesBothSides, and one whose direction says nothing;
// "$id" is no field.
func TestRow148_ARuleOfBothWaysNamesBothSides(t *testing.T) {
	t.Parallel()
	for _, d := range []crm.Direction{crm.DirectionBoth, "", crm.DirectionOff, "sideways"} {
		s := crm.Sync{
			Match: crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "$id", Right: "own"}),
			Rules: []crm.Rule{{
				Direction: d, Filter: &crm.Filter{Field: "f"}, Actions: []crm.RuleAction{{Field: "a"}},
				OtherWayAround: crm.OtherWayAround{Exclude: &crm.Exclude{Field: "e"}},
			}},
		}
		rule := []crm.Place{
			{"/rules/0/filter/field", "f"}, {"/rules/0/other_way_around/exclude/field", "e"}, {"/rules/0/actions/0/field", "a"},
		}
		if diff := cmp.Diff(rule, s.Places(crm.Left)); diff != "" {
			t.Errorf("direction %q, left (-want +got):\n%s", d, diff)
		}
		if diff := cmp.Diff(append([]crm.Place{{"/match/0/right", "own"}}, rule...), s.Places(crm.Right)); diff != "" {
			t.Errorf("direction %q, right (-want +got):\n%s", d, diff)
		}
	}
}

// named finds the names of fields in a document, keys among them.
func named(v any, at string, out *[2][]string) {
	note := func(at, text string) {
		for side, begins := range []string{"l.", "r."} {
			if strings.HasPrefix(text, begins) {
				out[side] = append(out[side], at+" "+text)
			}
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			below := at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
			note(below, key)
			named(inner, below, out)
		}
	case []any:
		for i, inner := range v {
			named(inner, at+"/"+strconv.Itoa(i), out)
		}
	case string:
		note(at, v)
	}
}

// unfilled complains of every part of a document that is left at its zero value.
func unfilled(t *testing.T, v reflect.Value, at string) {
	t.Helper()
	switch {
	case v.IsZero():
		if !strings.Contains(at, ".All[0]") && !strings.Contains(at, ".Any[0]") && !strings.Contains(at, ".Not") &&
			at != "sync.Match.split" {
			t.Errorf("%s is not filled", at)
		}
	case v.Kind() == reflect.Pointer:
		if v.Elem().Kind() == reflect.Struct {
			unfilled(t, v.Elem(), at)
		}
	case v.Kind() == reflect.Slice && v.Len() > 0:
		unfilled(t, v.Index(0), at+"[0]")
	case v.Type() == reflect.TypeFor[crm.Value]():
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("json") != "-" {
				unfilled(t, v.Field(i), at+"."+f.Name)
			}
		}
	}
}
