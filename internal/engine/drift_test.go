package engine

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// TestDrift_ChangesAreFollowed: a field is remembered as it was before its app changed it,
// however often it is changed again; one that is as it was, or is so for long, is not.
func TestDrift_ChangesAreFollowed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	options := func(values ...string) (out []crm.Option) {
		for _, v := range values {
			out = append(out, crm.Option{Value: v, Label: "Label of " + v})
		}
		return out
	}
	text := crm.Field{Name: "f", Type: crm.TypeText}
	cs := cachedSchema{At: at}
	cs.follow(cachedSchema{}, at)
	turn := func(after time.Duration, f crm.Field) *changedField {
		t.Helper()
		at = at.Add(after)
		next := cachedSchema{At: at, Fields: []crm.Field{f, {Name: "other", Type: crm.TypeText}}}
		next.follow(cs, at)
		cs = next
		c, ok := cs.Changed["f"]
		if len(cs.Changed) > 1 || ok != (len(cs.Changed) == 1) {
			t.Fatalf("changed: %v", cs.Changed)
		}
		if !ok {
			return nil
		}
		return &c
	}
	for i, step := range []struct {
		after time.Duration
		is    crm.Field
		was   *FieldShape
	}{
		{0, text, nil},
		{time.Hour, crm.Field{Name: "f", Type: crm.TypeText, Label: "Another label", Required: true}, nil},
		{time.Hour, crm.Field{Name: "f", Type: crm.TypeText, ReadOnly: true}, &FieldShape{Type: crm.TypeText}},
		{time.Hour, crm.Field{Name: "f", Type: crm.TypeNumber}, &FieldShape{Type: crm.TypeText}},
		{time.Hour, text, nil},
		{time.Hour, crm.Field{Name: "f", Type: crm.TypeText, Multiple: true}, &FieldShape{Type: crm.TypeText}},
		{changedFor - time.Second, crm.Field{Name: "f", Type: crm.TypeText, Multiple: true}, &FieldShape{Type: crm.TypeText}},
		{time.Second, crm.Field{Name: "f", Type: crm.TypeText, Multiple: true}, nil},
		{time.Hour, crm.Field{Name: "f", Type: crm.TypeOption, Options: options("a", "b")}, &FieldShape{
			Type: crm.TypeText, Multiple: true,
		}},
		{changedFor, crm.Field{Name: "f", Type: crm.TypeOption, Options: options("b", "a")}, nil},
		{time.Hour, crm.Field{Name: "f", Type: crm.TypeOption, Options: options("b")}, &FieldShape{
			Type: crm.TypeOption, Options: options("b", "a"),
		}},
		{time.Hour, crm.Field{Name: "f", Type: crm.TypeOption, Options: options("a", "b")}, nil},
	} {
		c := turn(step.after, step.is)
		if (c == nil) != (step.was == nil) {
			t.Errorf("step %d: %+v, want %+v", i, c, step.was)
			continue
		}
		if c != nil && (c.Was.differs(step.was) || c.At.After(at)) {
			t.Errorf("step %d: %+v, want %+v", i, c, step.was)
		}
	}
}

// TestDrift_ARepairIsProposed where one is known, and none where a person has to know.
func TestDrift_ARepairIsProposed(t *testing.T) {
	t.Parallel()
	option := func(value, label string) crm.Option { return crm.Option{Value: value, Label: label} }
	lines := func(m map[string]string) crm.Mapping {
		return crm.Mapping{ID: "m", Transform: crm.Transform{Type: crm.TransformOptions, Options: m}}
	}
	two := map[string]string{"hot": "A", "cold": "B"}
	for name, c := range map[string]struct {
		code    string
		side    crm.Side
		m       crm.Mapping
		was, is []crm.Option
		want    string
	}{
		"read-only on the left":   {code: mapping.CodeReadOnlyField, side: crm.Left, want: `{"direction":"to_right"}`},
		"read-only on the right":  {code: mapping.CodeReadOnlyField, side: crm.Right, want: `{"direction":"to_left"}`},
		"read-only, and one way":  {code: mapping.CodeReadOnlyField, side: crm.Right, m: crm.Mapping{Direction: crm.DirectionToRight}, want: `null`},
		"of another type":         {code: mapping.CodeIncompatible, side: crm.Left, want: `null`},
		"one for one, left":       {mapping.CodeUnknownOption, crm.Left, lines(two), []crm.Option{option("hot", "Hot")}, []crm.Option{option("warm", "Warm")}, `{"transform":{"options":{"hot":null,"warm":"A"}}}`},
		"one for one, right":      {mapping.CodeUnknownOption, crm.Right, lines(two), []crm.Option{option("B", "B")}, []crm.Option{option("C", "See")}, `{"transform":{"options":{"cold":"C"}}}`},
		"two by their labels":     {mapping.CodeUnknownOption, crm.Left, lines(two), []crm.Option{option("hot", "Hot"), option("cold", "Cold")}, []crm.Option{option("2", "COLD"), option("1", "hot"), option("3", "New")}, `{"transform":{"options":{"1":"A","2":"B","cold":null,"hot":null}}}`},
		"one of two by its label": {mapping.CodeUnknownOption, crm.Left, lines(two), []crm.Option{option("hot", "Hot"), option("cold", "Cold")}, []crm.Option{option("1", "Hot"), option("3", "New")}, `{"transform":{"options":{"1":"A","hot":null}}}`},
		"gone, and nothing new":   {mapping.CodeUnknownOption, crm.Left, lines(two), []crm.Option{option("hot", "Hot")}, nil, `null`},
		"several new ones":        {mapping.CodeUnknownOption, crm.Left, lines(two), []crm.Option{option("hot", "Hot")}, []crm.Option{option("x", "X"), option("y", "Y")}, `null`},
	} {
		p := &HeldPart{Side: c.side, Was: &FieldShape{Options: c.was}, Is: &FieldShape{Options: c.is}}
		got, err := json.Marshal(repair(p, c.code, &c.m))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}
