package main

import (
	_ "embed"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// plantedText are bugs that a person would write, one a block: what goes wrong,
// the package and the function, the lines as they are (-) and as they would be
// (+). In the latter, planted stands for the choice of this bug; without a
// choice they have to do what the others do. The file does not matter: code that
// moves takes its bugs along.
//
//go:embed planted.txt
var plantedText string

// body is the text of a function.
type body struct {
	file     string
	src      []byte
	from, to int
}

// bodies are the functions of the packages that were looked into, by package.
type bodies map[string]map[string]body

func (b bodies) of(dir string) (map[string]body, error) {
	if b[dir] != nil {
		return b[dir], nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	b[dir] = map[string]body{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				b[dir][functionName(fn)] = body{filepath.ToSlash(name), src, fset.Position(fn.Pos()).Offset, fset.Position(fn.End()).Offset}
			}
		}
	}
	return b[dir], nil
}

// plantedBugs reads them against the sources. One whose lines were changed since
// has to be written anew: until then there is an error.
func plantedBugs(text string) ([]mutant, error) {
	var out []mutant
	var unfit []error
	known := bodies{}
	for block := range strings.SplitSeq(text, "\n\n") {
		var m mutant
		var was, is []string
		for line := range strings.Lines(block) {
			line = strings.TrimRight(line, "\n")
			switch {
			case strings.HasPrefix(line, "#") || line == "":
			case strings.HasPrefix(line, "-"):
				was = append(was, strings.TrimSpace(line[1:]))
			case strings.HasPrefix(line, "+"):
				is = append(is, strings.TrimSpace(line[1:]))
			case m.function == "":
				m.function = line
			default:
				m.file = line
			}
		}
		if m.function == "" {
			continue
		}
		if err := m.place(known, was, is); err != nil {
			unfit = append(unfit, fmt.Errorf("planted.txt: %s: %w", m.function, err))
			continue
		}
		out = append(out, m)
	}
	return out, errors.Join(unfit...)
}

// place finds where the bug belongs.
func (m *mutant) place(known bodies, was, is []string) error {
	dir, function, _ := strings.Cut(m.file, " ")
	functions, err := known.of(filepath.FromSlash(dir))
	if err != nil {
		return err
	}
	lines := make([]string, len(was))
	for i, line := range was {
		lines[i] = regexp.QuoteMeta(line)
	}
	pattern, err := regexp.Compile(strings.Join(lines, `\n[ \t]*`))
	if err != nil {
		return err
	}
	bug := strings.Join(is, "\n")
	if len(was) == 0 || !strings.Contains(bug, "planted") {
		return errors.New("it says nothing to replace, or its bug lacks the word planted")
	}
	b, ok := functions[function]
	found := pattern.FindAllIndex(b.src[b.from:b.to], -1)
	if !ok || len(found) != 1 {
		var there []string
		for name, o := range functions {
			if pattern.Match(o.src[o.from:o.to]) {
				there = append(there, name)
			}
		}
		return fmt.Errorf("its lines stand %d times in %s of %s, want once (they stand in %q)", len(found), function, dir, there)
	}
	m.pkg, m.file = "./"+dir, b.file
	m.from, m.to = b.from+found[0][0], b.from+found[0][1]
	m.line = 1 + strings.Count(string(b.src[:m.from]), "\n")
	m.end = m.line + len(was) - 1
	m.was, m.is = string(b.src[m.from:m.to]), strings.ReplaceAll(bug, "planted", "true")
	bug = strings.ReplaceAll(bug, "planted", helperIs+"(%d)")
	m.weave = weave{ends: &[2]int{m.from, m.from}, between: bug, whole: true}
	return nil
}
