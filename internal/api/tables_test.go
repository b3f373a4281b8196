package api

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// TestTablesInTheDocs holds the page on filters and transforms, and the schemas
// that clients read, against the tables that carry them out. LOCKSTEP_UPDATE=1
// writes the page.
func TestTablesInTheDocs(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Filters and transforms\n\nMade from the tables that carry them out: " +
		"`internal/rule/operators.go` and `internal/mapping/transforms.go`.\n\n## Operators of a filter\n\n" +
		"A clause is `field`, `op` and `value`; `all`, `any` and `not` nest them. " +
		"Texts are compared without case and outer\n" +
		"blanks. Blank is absent, null, only white space, or a list of nothing.\n\n" +
		"| op | the field | value | works on | a blank passes |\n|---|---|---|---|---|\n")
	var operators, transforms []any
	for _, o := range rule.Operators() {
		operators = append(operators, string(o.Word))
		passes := "no"
		if o.Blank {
			passes = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", o.Word, o.Means, o.Value, typesText(o.Fields), passes)
	}
	b.WriteString("\n## Transforms of a mapping\n\nA transform says what two fields have in common, " +
		"so that a value is the same on both sides however each app writes it.\n\n| type | what travels | fields | " +
		"options |\n|---|---|---|---|\n")
	for _, r := range mapping.Transforms() {
		transforms = append(transforms, string(r.Word))
		fields, options := typesText(r.Fields), r.Options
		if len(r.Fields) == 0 {
			fields = "types that fit"
		}
		if options == "" {
			options = "none"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Word, r.Means, fields, options)
	}
	path := filepath.Join("..", "..", "docs", "filters-and-transforms.md")
	if os.Getenv("LOCKSTEP_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(page)); diff != "" {
		t.Errorf("the page is not what the tables say: run LOCKSTEP_UPDATE=1 "+
			"go test ./internal/api -run TestTablesInTheDocs\n%s", diff)
	}
	schemas := newRegistry().Map()
	for name, c := range map[string]struct {
		prop string
		want []any
	}{
		"Filter": {"op", operators}, "Transform": {"type", transforms},
	} {
		if diff := cmp.Diff(c.want, schemas[name+inputSuffix].Properties[c.prop].Enum); diff != "" {
			t.Errorf("%s.%s (-table +schema)\n%s", name, c.prop, diff)
		}
		// An answer shows a draft as it was sent, so that its words are said and not required.
		shown := schemas[name].Properties[c.prop]
		if shown.Enum != nil || !strings.Contains(shown.Description, joined(c.want)) {
			t.Errorf("%s.%s in an answer: %v, %s", name, c.prop, shown.Enum, shown.Description)
		}
	}
}

// TestFieldTypesInTheDocs holds the page on types against the compiler of
// mappings, pair by pair. LOCKSTEP_UPDATE=1 writes the page.
func TestFieldTypesInTheDocs(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Which types of fields fit\n\nMade from `internal/mapping/fits.go`, which compiles a mapping of " +
		"every pair of types under every\n" +
		"transform: what stands here is what a save takes. `none` is without a transform. A field of another type is " +
		"refused with the reason.\n\n" +
		"| from | to | one way | both ways | why |\n|---|---|---|---|---|\n")
	words := func(list []crm.TransformType) string {
		if len(list) == 0 {
			return "no"
		}
		out := make([]string, len(list))
		for i, w := range list {
			out[i] = "`" + string(w) + "`"
		}
		return strings.Join(out, " ")
	}
	fits := mapping.Fits()
	if len(fits) != len(crm.FieldTypes)*len(crm.FieldTypes) {
		t.Errorf("%d pairs", len(fits))
	}
	back := map[[2]crm.FieldType]string{}
	for _, f := range fits {
		back[[2]crm.FieldType{f.From, f.To}] = words(f.BothWays)
		if f.Reason == "" {
			t.Errorf("%s to %s has no reason", f.From, f.To)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.From, f.To, words(f.OneWay), words(f.BothWays), f.Reason)
	}
	for pair, both := range back {
		if other := back[[2]crm.FieldType{pair[1], pair[0]}]; other != both {
			t.Errorf("both ways between %v: %s, seen from the other end %s", pair, both, other)
		}
	}
	for _, none := range [][2]crm.FieldType{
		{crm.TypeText, crm.TypeEmail}, {crm.TypeOwner, crm.TypeReference}, {crm.TypeReference, crm.TypeReference},
	} {
		if f := mapping.FitOf(none[0], none[1]); len(f.OneWay) > 0 {
			t.Errorf("%v fits: %+v", none, f)
		}
	}
	if f := mapping.FitOf(crm.TypeDateTime, crm.TypeDate); len(f.OneWay) == 0 || len(f.BothWays) > 0 {
		t.Errorf("a moment and a day: %+v", f)
	}
	b.WriteString("\n## References as associations\n\n" +
		"A field that names records of its app is joined with one of the other " +
		"app by an association, and to no field of another type.\n\n| left | right | what travels |\n|---|---|---|\n")
	for _, j := range mapping.Joints() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", j.Left, j.Right, j.Means)
	}
	path := filepath.Join("..", "..", "docs", "field-types.md")
	if os.Getenv("LOCKSTEP_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(page)); diff != "" {
		t.Errorf("the page is not what the compiler does: run LOCKSTEP_UPDATE=1 go test ./internal/api -run "+
			"TestFieldTypesInTheDocs\n%s", diff)
	}
}

func typesText(types []crm.FieldType) string {
	if len(types) == len(crm.FieldTypes) {
		return "every type"
	}
	return strings.Join(wordsOf(types), ", ")
}
