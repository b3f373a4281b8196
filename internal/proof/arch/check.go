package arch

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the import path of the module that the rules speak about.
const Module = "github.com/lockstep-crm/lockstep"

// Rule says what the packages of one kind may know and use. The first rule of
// a table whose Packages match a package is the one that applies to it.
type Rule struct {
	Kind     string   // what these packages are, in a word or two
	Packages []string // patterns
	May      []string // patterns of packages of this module that may be imported; "./**" is the importer's own subtree
	MayNot   []string // patterns that stay forbidden although May holds them
	Outside  []string // import path prefixes of other modules that may be imported; "*" is any
	NotStd   []string // patterns of standard packages that may not be imported
	NotUse   []string // identifiers such as "time.Now" that may not be named, called or not
	NoGo     bool     // no go statement, and no method Go that starts one
	Reason   string   // why, for the person who runs into it
}

// Allowance lets one file do what its rule forbids. One that nothing needs any
// more is a violation itself.
type Allowance struct {
	File   string // path below the module root
	What   string // "go", an identifier such as "time.Sleep", or an import path
	Reason string
}

// Table is everything the checker needs to know about the house.
type Table struct {
	Rules      []Rule
	Everywhere []string // identifiers that no file may name, test files included, unless the file runs in virtual time
	Allow      []Allowance
}

// Violation is one place where the code and the table disagree.
type Violation struct {
	Pos string // file:line, or the package where no line is to blame
	Msg string
}

func (v Violation) String() string { return v.Pos + ": " + v.Msg }

// Check holds every Go file below the root of fsys against the table and
// returns the violations in order of their position. It returns an error only
// for what it cannot read or parse.
func Check(fsys fs.FS, t Table) ([]Violation, error) {
	c := &checker{table: t, used: make([]bool, len(t.Allow)), homeless: map[string]bool{}}
	if err := Sources(fsys, c.file); err != nil {
		return nil, fmt.Errorf("arch: %w", err)
	}
	for i, a := range t.Allow {
		if !c.used[i] {
			c.add(a.File, "the allowance of %q is not needed any more: take it out of rules.go", a.What)
		}
	}
	slices.SortStableFunc(c.found, func(a, b Violation) int { return cmp.Compare(a.Pos, b.Pos) })
	return c.found, nil
}

// Sources calls fn with every Go file below the root of fsys, in lexical
// order, without testdata, hidden folders and nested modules. An error of fn
// ends the walk.
func Sources(fsys fs.FS, fn func(name string, src []byte) error) error {
	return fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(fsys, p)
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		src, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		return fn(p, src)
	})
}

// skip leaves out what the go command leaves out too, and nested modules.
func skip(fsys fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	name := path.Base(dir)
	if name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

type checker struct {
	table    Table
	used     []bool          // by index of table.Allow
	homeless map[string]bool // packages already reported as named by no rule
	found    []Violation
}

func (c *checker) add(pos, format string, args ...any) {
	c.found = append(c.found, Violation{Pos: pos, Msg: fmt.Sprintf(format, args...)})
}

func (c *checker) file(name string, src []byte) error {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	pkg := path.Dir(name)
	rule, ok := c.rule(pkg)
	if !ok {
		if !c.homeless[pkg] {
			c.homeless[pkg] = true
			c.add(pkg, "no rule names this package: say in internal/proof/arch/rules.go where it belongs")
		}
		return nil
	}
	v := &visit{checker: c, file: name, pkg: pkg, rule: rule, fset: fset}
	if strings.HasSuffix(name, "_test.go") {
		rule = Rule{Kind: "test"}
		v.rule, v.test = rule, true
	}
	v.imports(f)
	ast.Inspect(f, v.node)
	return nil
}

func (c *checker) rule(pkg string) (Rule, bool) {
	for _, r := range c.table.Rules {
		if matchAny(r.Packages, pkg) {
			return r, true
		}
	}
	return Rule{}, false
}

func (c *checker) allowed(file, what string) bool {
	for i, a := range c.table.Allow {
		if a.File == file && a.What == what {
			c.used[i] = true
			return true
		}
	}
	return false
}

// visit is the walk through one file.
type visit struct {
	*checker
	file, pkg string
	rule      Rule
	test      bool
	virtual   bool // the file runs its time in testing/synctest
	fset      *token.FileSet
	names     map[string]string // local name of an import -> its path
}

func (v *visit) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", v.file, v.fset.Position(n.Pos()).Line)
}

func (v *visit) imports(f *ast.File) {
	v.names = map[string]string{}
	for _, s := range f.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			continue // the parser has checked it
		}
		name := path.Base(p)
		if len(name) > 1 && name[0] == 'v' && name[1] >= '0' && name[1] <= '9' {
			name = path.Base(path.Dir(p)) // math/rand/v2 is rand
		}
		if s.Name != nil {
			name = s.Name.Name
		}
		v.names[name] = p
		v.virtual = v.virtual || p == "testing/synctest"
		if v.test {
			continue
		}
		if name == "." {
			v.add(v.at(s), "dot import of %s: nobody can see what is used", p)
		}
		if why := v.refuse(p); why != "" && !v.allowed(v.file, p) {
			v.add(v.at(s), "%s may not import %s (%s): %s", v.rule.Kind, strings.TrimPrefix(p, Module+"/"), why, v.rule.Reason)
		}
	}
}

// refuse says why the rule does not let the file import p, or "".
func (v *visit) refuse(p string) string {
	if rel, ok := strings.CutPrefix(p, Module+"/"); ok {
		switch {
		case matchAny(v.rule.MayNot, rel):
			return "forbidden by name"
		case matchAny(v.rule.May, rel) || slices.Contains(v.rule.May, "./**") && v.own(rel):
			return ""
		}
		return "not in the list of its kind"
	}
	if first, _, _ := strings.Cut(p, "/"); !strings.Contains(first, ".") {
		if matchAny(v.rule.NotStd, p) {
			return "standard, but not for this kind"
		}
		return ""
	}
	for _, o := range v.rule.Outside {
		if o == "*" || p == o || strings.HasPrefix(p, o+"/") {
			return ""
		}
	}
	return "another module"
}

// own reports whether rel lies in the subtree that the importer's rule names
// with a last "**", or below the importer itself.
func (v *visit) own(rel string) bool {
	for _, p := range v.rule.Packages {
		root, deep := strings.CutSuffix(p, "/**")
		if deep && match(p, v.pkg) && match(p, rel) && !strings.Contains(root, "*") {
			return true
		}
	}
	return strings.HasPrefix(rel, v.pkg+"/")
}

func (v *visit) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		v.selector(n)
	case *ast.GoStmt:
		if v.rule.NoGo && !v.allowed(v.file, "go") {
			v.add(v.at(n), "%s may not start a goroutine: %s", v.rule.Kind, v.rule.Reason)
		}
	case *ast.CallExpr:
		s, ok := n.Fun.(*ast.SelectorExpr)
		if ok && s.Sel.Name == "Go" && len(n.Args) == 1 && v.rule.NoGo && !v.allowed(v.file, "go") {
			v.add(v.at(n), "%s may not start a goroutine through a method Go: %s", v.rule.Kind, v.rule.Reason)
		}
	}
	return true
}

func (v *visit) selector(s *ast.SelectorExpr) {
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return
	}
	p, ok := v.names[x.Name]
	if !ok {
		return
	}
	what := p + "." + s.Sel.Name
	switch {
	case slices.Contains(v.rule.NotUse, what) && !v.allowed(v.file, what):
		v.add(v.at(s), "%s may not use %s: %s", v.rule.Kind, what, v.rule.Reason)
	case slices.Contains(v.table.Everywhere, what) && !v.virtual && !v.allowed(v.file, what):
		v.add(v.at(s), "nobody may use %s outside virtual time: wait for the condition or the context instead", what)
	}
}

func matchAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, pkg) })
}

// match reports whether the pattern stands for the package.
func match(pattern, pkg string) bool {
	ps, ns := strings.Split(pattern, "/"), strings.Split(pkg, "/")
	for i, p := range ps {
		if p == "**" && i == len(ps)-1 {
			return true
		}
		if i >= len(ns) {
			return false
		}
		if ok, err := path.Match(p, ns[i]); err != nil || !ok {
			return false
		}
	}
	return len(ps) == len(ns)
}
