package main

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/proof/arch"
)

// target is one fuzz function.
type target struct{ Package, Name string }

// discover lists the fuzz functions below the root of fsys whose
// "package.Target" the expression matches, in order.
func discover(fsys fs.FS, match *regexp.Regexp) ([]target, error) {
	var found []target
	err := arch.Sources(fsys, func(name string, src []byte) error {
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && isFuzz(fn) && match.MatchString(path.Dir(name)+"."+fn.Name.Name) {
				found = append(found, target{path.Dir(name), fn.Name.Name})
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b target) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Name, b.Name))
	})
	return found, err
}

// isFuzz asks for func FuzzX(f *testing.F), as the go command does.
func isFuzz(fn *ast.FuncDecl) bool {
	if fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") || len(fn.Type.Params.List) != 1 {
		return false
	}
	star, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	sel, ok := star.X.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "F"
}

var status = regexp.MustCompile(`execs: (\d+) .*new interesting: (\d+)`)

// progress reads the last status line of the fuzzing engine.
func progress(output string) (execs, interesting int) {
	all := status.FindAllStringSubmatch(output, -1)
	if len(all) == 0 {
		return 0, 0
	}
	last := all[len(all)-1]
	execs, _ = strconv.Atoi(last[1]) // digits by the expression
	interesting, _ = strconv.Atoi(last[2])
	return execs, interesting
}

var slip = regexp.MustCompile(`--- FAIL: \w+ \([\d.]+s\)\n    context deadline exceeded\n`)

// cutOff tells the engine's own slip from a failure of the target: when the
// time is up while an input runs, Go before 1.27 may report its own deadline as
// a failure, https://github.com/golang/go/issues/75804. The target has run its
// time by then; a failure of its own would have left an input behind.
func cutOff(output string) bool {
	return slip.MatchString(output) && !strings.Contains(output, "Failing input written")
}
