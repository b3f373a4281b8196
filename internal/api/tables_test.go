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
		"so that a value is the same on both sides however each app writes it.\n\n| type | what travels | fields | options |\n|---|---|---|---|\n")
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
		"Filter": {"op", operators}, "FilterInput": {"op", operators},
		"Transform": {"type", transforms}, "TransformInput": {"type", transforms},
	} {
		if diff := cmp.Diff(c.want, schemas[name].Properties[c.prop].Enum); diff != "" {
			t.Errorf("%s.%s (-table +schema)\n%s", name, c.prop, diff)
		}
	}
}

func typesText(types []crm.FieldType) string {
	if len(types) == len(crm.FieldTypes) {
		return "every type"
	}
	return strings.Join(wordsOf(types), ", ")
}
