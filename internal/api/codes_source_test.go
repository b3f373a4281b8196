package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDictionaryKnowsTheConnectors reads the connectors' sources: each code that
// they keep by name, or give with an error or a meaning, is in the dictionary.
func TestDictionaryKnowsTheConnectors(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile(`^[a-z]+(_[a-z]+)+$`)
	found := 0
	for _, app := range []string{"hubspot", "salesforce"} {
		path := filepath.Join("..", "connector", app, "errors.go")
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			word := strings.Trim(lit.Value, "\"`")
			if !code.MatchString(word) || word == "ten_secondly" {
				return true
			}
			found++
			if _, known := meanings[word]; !known {
				t.Errorf("%s gives %q, which is not in the dictionary", app, word)
			}
			return true
		})
	}
	if found < 20 {
		t.Errorf("%d codes were found, want the connectors' own", found)
	}
}
