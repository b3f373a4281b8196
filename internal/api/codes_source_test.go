package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// portCodes reads the codes that the port declares.
func portCodes(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "connector", "codes.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			word, _ := strconv.Unquote(lit.Value)
			if codes[word] {
				t.Errorf("the code %q has two names", word)
			}
			codes[word] = true
		}
		return true
	})
	return codes
}

// TestDictionaryKnowsThePort: each code that a connector may give is in the dictionary.
func TestDictionaryKnowsThePort(t *testing.T) {
	t.Parallel()
	codes := portCodes(t)
	for code := range codes {
		if _, known := meanings[code]; !known {
			t.Errorf("the port declares %q, which is not in the dictionary", code)
		}
	}
	if len(codes) < 30 {
		t.Errorf("%d codes were found, want the port's", len(codes))
	}
}

// TestConnectorsAddNoCodes reads the sources of connectors and their kits: no
// error is given a code that is written out in place, whether the port has it
// or not, and no word of the port stands anywhere else in them.
func TestConnectorsAddNoCodes(t *testing.T) {
	t.Parallel()
	codes, named := portCodes(t), 0
	given := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	root := filepath.Join("..", "connector")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := filepath.Base(path)
		if d.IsDir() {
			// The model is a reference beside the port, fakes speak their apps' words.
			if base == "fakekit" || base == "modelapp" || base == "connectortest" || strings.HasSuffix(base, "fake") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") || base == "codes.go" {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		written := func(e ast.Expr) {
			if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if word, _ := strconv.Unquote(lit.Value); given.MatchString(word) {
					t.Errorf("%s gives %q: codes are constants of the port", fset.Position(lit.Pos()), word)
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if k, ok := n.Key.(*ast.Ident); ok && (k.Name == "Code" || k.Name == "code") {
					written(n.Value)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "New" && len(n.Args) == 4 {
					if x, isIdent := f.X.(*ast.Ident); isIdent && x.Name == "fault" {
						written(n.Args[2])
					}
				}
			case *ast.SelectorExpr:
				if strings.HasPrefix(n.Sel.Name, "Code") {
					named++
				}
			case *ast.BasicLit:
				// RFC 6749 has the word of one of our codes for the same fact.
				word, _ := strconv.Unquote(n.Value)
				if n.Kind == token.STRING && strings.Contains(word, "_") && codes[word] && word != "invalid_client" &&
					word != "invalid_request" {
					t.Errorf("%s writes out %q: codes are constants of the port", fset.Position(n.Pos()), word)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if named < 60 {
		t.Errorf("codes are named %d times, want the connectors' own", named)
	}
}
