package wire_test

import (
	"slices"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

func TestTheFirstKnownWordIsTheType(t *testing.T) {
	t.Parallel()
	types := wire.Types{"enum": crm.TypeOption, "enum/many": crm.TypeOptions, "blob": ""}
	for want, words := range map[crm.FieldType][]string{
		crm.TypeOptions: {"enum/many", "enum"}, crm.TypeOption: {"enum/one", "enum"}, crm.TypeText: {"new"},
		"": {"blob", "enum"},
	} {
		if got := types.Of(crm.TypeText, words...); got != want {
			t.Errorf("%q is %q, want %q", words, got, want)
		}
	}
}

func TestTheOthersOfAGroup(t *testing.T) {
	t.Parallel()
	g := wire.Groups{"deals": {{"amount", "currency"}, {"pipeline", "stage", "step"}}}
	for name, want := range map[string][]string{"stage": {"pipeline", "step"}, "amount": {"currency"}, "owner": nil} {
		if got := g.With("deals", name); !slices.Equal(got, want) {
			t.Errorf("with %s: %q, want %q", name, got, want)
		}
	}
	if got := g.With("contacts", "amount"); got != nil {
		t.Errorf("of another object: %q", got)
	}
	if g["deals"][1][1] != "stage" {
		t.Error("the table was changed")
	}
}

func TestOnlyChoicesHaveOptions(t *testing.T) {
	t.Parallel()
	active := func(s string) (crm.Option, bool) { return crm.Option{Value: s, Label: s}, s != "old" }
	for typ, want := range map[crm.FieldType]int{crm.TypeOption: 2, crm.TypeOptions: 2, crm.TypeText: 0} {
		f := crm.Field{Type: typ}
		wire.Choice(&f, []string{"a", "old", "b"}, active)
		if len(f.Options) != want || f.Multiple != (typ == crm.TypeOptions) {
			t.Errorf("%s: %+v", typ, f)
		}
	}
}

func TestWhatStandsAtAPointer(t *testing.T) {
	t.Parallel()
	doc := map[string]any{"a": []any{"x", map[string]any{"b/c": 1.0, "~": nil}}}
	for pointer, want := range map[string]any{"/a/0": "x", "/a/1/b~1c": 1.0, "/a/1/~0": nil} {
		if got, ok := wire.At(doc, pointer); !ok || got != want {
			t.Errorf("%s: %v, %t, want %v", pointer, got, ok, want)
		}
	}
	if got, ok := wire.At(doc, ""); !ok || len(got.(map[string]any)) != 1 {
		t.Errorf("the whole document: %v, %t", got, ok)
	}
	for _, pointer := range []string{"/b", "/a/2", "/a/-1", "/a/x", "/a/0/x"} {
		if got, ok := wire.At(doc, pointer); ok {
			t.Errorf("%s: %v, want nothing", pointer, got)
		}
	}
}
