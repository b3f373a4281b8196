package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/proof/weave"
)

// mutant is one small bug: a piece of a file replaced by another text.
type mutant struct {
	pkg       string // as given to go test
	file      string // relative to the module
	line, end int
	function  string // with its receiver's type
	was, is   string
	before    string      // what stands before it on its line
	after     string      // and behind
	again     int         // 2 for the second mutant of a function that reads alike
	from, to  int         // byte offsets
	body      int         // where its function's statements begin; 0 = that is not known
	weave     weave.Place // how to have it beside the original in one program
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d %s: %s -> %s", m.file, m.line, m.function, short(m.was), short(m.is))
}

// key names the mutant in equivalent.txt, and no other; it moves neither with the
// lines nor with the file.
func (m mutant) key() string {
	key := strings.Join([]string{m.pkg, m.function, short(m.before + "‹" + m.was + "›" + m.after), short(m.is)}, " | ")
	if m.again > 1 {
		key += fmt.Sprintf(" | %d", m.again)
	}
	return key
}

// diff shows the lines as they are and as the mutant has them.
func (m mutant) diff() string {
	var out strings.Builder
	for _, side := range [][2]string{{"- ", m.was}, {"+ ", m.is}} {
		for line := range strings.SplitSeq(m.before+side[1]+m.after, "\n") {
			if line = strings.TrimSpace(line); line != "" {
				out.WriteString("    " + side[0] + line + "\n")
			}
		}
	}
	return out.String()
}

// short is a text on one line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return "(nothing)"
	}
	if r := []rune(s); len(r) > 110 {
		return string(r[:70]) + "…" + string(r[len(r)-39:])
	}
	return s
}

// sites returns every mutant of a package, tests left out.
func sites(pkg string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
	if err != nil {
		return nil, err
	}
	var out []mutant
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
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			p := planter{
				pkg: pkg, file: filepath.ToSlash(name), function: weave.Function(fn), src: src, fset: fset,
				alone: map[ast.Stmt]bool{}, sure: map[*ast.IfStmt]bool{}, body: fset.Position(fn.Body.Lbrace).Offset + 1,
			}
			ast.Inspect(fn.Body, p.visit)
			out = append(out, p.found...)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nothing to plant in %s", pkg)
	}
	seen := map[string]int{}
	for i := range out {
		key := out[i].key()
		seen[key]++
		out[i].again = seen[key]
	}
	return out, nil
}

// planter collects the mutants of one function.
type planter struct {
	pkg, file, function string
	src                 []byte
	fset                *token.FileSet
	body                int                  // where the function's statements begin
	alone               map[ast.Stmt]bool    // statements of a list: each may become a block
	sure                map[*ast.IfStmt]bool // they ask for an error that cannot be
	found               []mutant
}

func (p *planter) replace(from, to token.Pos, is string, w weave.Place) {
	a, b := p.fset.Position(from), p.fset.Position(to)
	if w.Ends == nil {
		w.Ends = &[2]int{a.Offset, b.Offset}
	}
	before, after := p.src[:a.Offset], p.src[b.Offset:]
	before = before[bytes.LastIndexByte(before, '\n')+1:]
	after, _, _ = bytes.Cut(after, []byte("\n"))
	w.From, w.To = a.Offset, b.Offset
	p.found = append(p.found, mutant{
		pkg: p.pkg, file: p.file, line: a.Line, end: b.Line, function: p.function,
		was: string(p.src[a.Offset:b.Offset]), is: is, before: string(before), after: string(after),
		from: a.Offset, to: b.Offset, body: p.body, weave: w,
	})
}

// leaveOut takes a statement away.
func (p *planter) leaveOut(n ast.Stmt) {
	w := weave.Place{}
	if p.alone[n] {
		w = weave.Place{Before: "if !" + weave.Is + "(%d) { ", After: " }"}
	}
	p.replace(n.Pos(), n.End(), "", w)
}

func (p *planter) text(n ast.Node) string {
	return string(p.src[p.fset.Position(n.Pos()).Offset:p.fset.Position(n.End()).Offset])
}

// neighbours are the operators that one mistakes for another.
var neighbours = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+",
}

func (p *planter) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BlockStmt:
		p.list(n.List)
	case *ast.CaseClause:
		p.list(n.Body)
	case *ast.CommClause:
		p.list(n.Body)
	case *ast.BinaryExpr:
		p.operator(n)
	case *ast.IfStmt:
		if p.sure[n] {
			return false
		}
		p.replace(n.Cond.Pos(), n.Cond.End(), "!("+p.text(n.Cond)+")", weave.Place{
			Before: "((", After: ") != " + weave.Is + "(%d))",
		})
		p.replace(n.Cond.Pos(), n.Cond.End(), "false && ("+p.text(n.Cond)+")", weave.Place{
			Before: "((", After: ") && !" + weave.Is + "(%d))",
		})
	case *ast.ExprStmt:
		p.leaveOut(n)
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			p.leaveOut(n)
		}
	case *ast.IncDecStmt:
		p.leaveOut(n)
	case *ast.DeferStmt:
		p.leaveOut(n)
	case *ast.BranchStmt:
		if n.Tok == token.CONTINUE || n.Tok == token.BREAK {
			p.leaveOut(n)
		}
	case *ast.ReturnStmt:
		p.returned(n)
	case *ast.BasicLit:
		if v, err := strconv.Atoi(n.Value); n.Kind == token.INT && err == nil {
			p.replace(n.Pos(), n.End(), strconv.Itoa(v+1), weave.Place{Before: "(", After: oneMore})
		}
	}
	return true
}

// oneMore stands behind a literal.
const oneMore = " + " + weave.One + "(%d))"

func (p *planter) list(stmts []ast.Stmt) {
	for i, s := range stmts {
		p.alone[s] = true
		if check, ok := s.(*ast.IfStmt); ok && p.text(check.Cond) == "err != nil" &&
			(check.Init != nil && encodes(check.Init) || check.Init == nil && i > 0 && encodes(stmts[i-1])) {
			p.sure[check] = true
		}
	}
}

// encoders write our own types, which cannot fail: that their errors are looked
// at is good manners, and no test can tell.
var encoders = map[string]bool{
	"Marshal": true, "encode": true, "pack": true, "item": true, "aliasItem": true, "asWrite": true,
}

func encodes(s ast.Stmt) bool {
	assign, ok := s.(*ast.AssignStmt)
	if !ok || len(assign.Rhs) != 1 {
		return false
	}
	call, ok := assign.Rhs[0].(*ast.CallExpr)
	if !ok {
		return false
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return encoders[f.Name]
	case *ast.SelectorExpr:
		return encoders[f.Sel.Name]
	}
	return false
}

// operator exchanges an operator for its neighbour.
func (p *planter) operator(n *ast.BinaryExpr) {
	other := neighbours[n.Op]
	if other == "" || n.Op == token.ADD && p.isText(n) { // texts are added only
		return
	}
	whole := &[2]int{p.fset.Position(n.Pos()).Offset, p.fset.Position(n.End()).Offset}
	w := weave.Place{Ends: whole, Before: weave.Operators[n.Op] + "(%d, ", Between: ", ", After: ")"}
	switch n.Op {
	case token.EQL, token.NEQ:
		w = weave.Place{Ends: whole, Before: "((", After: ") != " + weave.Is + "(%d))"}
	case token.LAND, token.LOR:
		w.Between, w.After = ", func() bool { return (", ") })"
	}
	p.replace(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), other, w)
}

// isText reports whether texts are added, as far as literals show it.
func (p *planter) isText(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return p.isText(e.X) || p.isText(e.Y)
	case *ast.BasicLit:
		return e.Kind == token.STRING
	case *ast.CallExpr:
		f, ok := e.Fun.(*ast.Ident)
		return ok && f.Name == "string"
	}
	return false
}

// returned turns what a function answers: a truth, or an error into none.
func (p *planter) returned(n *ast.ReturnStmt) {
	for _, r := range n.Results {
		id, ok := r.(*ast.Ident)
		if !ok {
			continue
		}
		switch id.Name {
		case "true":
			p.replace(id.Pos(), id.End(), "false", weave.Place{Before: "(", After: " && !" + weave.Is + "(%d))"})
		case "false":
			p.replace(id.Pos(), id.End(), "true", weave.Place{Before: "(", After: " || " + weave.Is + "(%d))"})
		case "err":
			p.replace(id.Pos(), id.End(), "nil", weave.Place{Before: weave.None + "(%d, ", After: ")"})
		}
	}
}
