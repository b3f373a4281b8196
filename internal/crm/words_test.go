package crm

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestEveryWordIsListed reads the constants of each enumeration out of the
// source: a list that forgets one would refuse it in documents.
func TestEveryWordIsListed(t *testing.T) {
	t.Parallel()
	listed := map[string][]string{
		"Status": words(Statuses), "Direction": words(Directions), "Behavior": words(Behaviors),
		"ConflictPolicy": words(ConflictPolicies), "Deletion": words(Deletions), "MatchBy": words(MatchBys),
		"MappingPolicy": words(MappingPolicies), "FieldType": words(FieldTypes), "Outcome": words(Outcomes),
		"State": words(States),
	}
	declared := map[string][]string{}
	collect := func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil || len(spec.Values) != 1 {
			return true
		}
		name, _ := spec.Type.(*ast.Ident)
		value, _ := spec.Values[0].(*ast.BasicLit)
		if name != nil && value != nil && value.Kind == token.STRING {
			word, _ := strconv.Unquote(value.Value)
			declared[name.Name] = append(declared[name.Name], word)
		}
		return true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, collect)
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		got, want := slices.Sorted(slices.Values(listed[name])), slices.Sorted(slices.Values(declared[name]))
		if len(want) < 3 || !slices.Equal(got, want) {
			t.Errorf("%s: listed %v, declared %v", name, got, want)
		}
	}
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}
