package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// use is one place that names an entry of the docs.
type use struct {
	pos string // file:line
	id  string // "S11", "1.7", "design 3.4", "row 119", "page " and a path
}

// names is everything that tests and comments name.
type names struct {
	uses []use
	rows map[int]string // row -> the first test that carries its number

	public  map[int]bool // rows that a test shows through the public API
	patched map[int]bool // rows that a patch takes away
}

func newNames() names {
	return names{rows: map[int]string{}, public: map[int]bool{}, patched: map[int]bool{}}
}

var (
	testName = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark|Example)((?:[SPX]\d+_|Row\d+_)+)`)
	testPart = regexp.MustCompile(`([SPX]|Row)(\d+)_`)

	ids        = `[SPX]\d{1,2}(?:(?:, ?|; ?|/| and | to |[-–])[SPX]\d{1,2})*`
	inBrackets = regexp.MustCompile(`\((` + ids + `)\)`)
	afterWord  = regexp.MustCompile(`INVARIANTS(?:\.md)?,? (` + ids + `)`)
	oneID      = regexp.MustCompile(`[SPX]\d{1,2}`)
	designRule = regexp.MustCompile(`INVARIANTS(?:\.md)?,? (?:section )?(\d)(?:\.| point )(\d+)`)
	design     = regexp.MustCompile(`DESIGN(?:\.md)?,? (?:section |§ ?)?(\d+(?:\.\d+)?)`)
	rowWord    = regexp.MustCompile(`(?:FEATURES(?:\.md)?,? |\()rows? (\d+(?:(?:, ?| and | to |[-–])\d+)*)`)
	number     = regexp.MustCompile(`\d+`)
	address    = regexp.MustCompile(`https?://\S+`)
	page       = regexp.MustCompile(`[A-Za-z0-9_./-]*[A-Za-z0-9_-]\.md\b`)
)

// source adds what one Go file names.
func (n *names) source(name string, src []byte) error {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	at := func(p token.Pos) string { return name + ":" + strconv.Itoa(fset.Position(p).Line) }
	if strings.HasSuffix(name, "_test.go") {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				n.test(at(fn.Pos()), fn.Name.Name)
			}
		}
	}
	for _, g := range f.Comments {
		n.comment(at(g.Pos()), g.Text())
	}
	return nil
}

func (n *names) add(pos, id string) { n.uses = append(n.uses, use{pos, id}) }

func (n *names) test(pos, name string) {
	m := testName.FindStringSubmatch(name)
	if m == nil {
		return
	}
	for _, p := range testPart.FindAllStringSubmatch(m[1], -1) {
		if p[1] != "Row" {
			n.add(pos, p[1]+p[2])
			continue
		}
		n.add(pos, "row "+p[2])
		row, err := strconv.Atoi(p[2])
		if err != nil {
			continue
		}
		if n.rows[row] == "" {
			n.rows[row] = pos + " " + name
		}
		n.public[row] = n.public[row] || strings.HasPrefix(pos, rowTests)
	}
}

// screens adds the rows that tests of the console name. They go through a browser,
// which no patch is woven into, so that they show a row partly.
func (n *names) screens(name string, src []byte) {
	for _, at := range screenTest.FindAllSubmatchIndex(src, -1) {
		pos := name + ":" + strconv.Itoa(1+strings.Count(string(src[:at[0]]), "\n"))
		for word := range strings.FieldsSeq(string(src[at[2]:at[3]])) {
			row, _ := strconv.Atoi(word) // digits by the expression
			n.add(pos, "row "+word)
			if n.rows[row] == "" {
				n.rows[row] = pos
			}
		}
	}
}

func (n *names) comment(pos, text string) {
	text = strings.Join(strings.Fields(address.ReplaceAllString(text, "")), " ")
	for _, re := range []*regexp.Regexp{inBrackets, afterWord} {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			for _, id := range oneID.FindAllString(m[1], -1) {
				n.add(pos, id)
			}
		}
	}
	for _, m := range designRule.FindAllStringSubmatch(text, -1) {
		n.add(pos, m[1]+"."+m[2])
	}
	for _, m := range design.FindAllStringSubmatch(text, -1) {
		n.add(pos, "design "+m[1])
	}
	for _, m := range rowWord.FindAllStringSubmatch(text, -1) {
		for _, row := range number.FindAllString(m[1], -1) {
			n.add(pos, "row "+row)
		}
	}
	for _, p := range page.FindAllString(text, -1) {
		n.add(pos, "page "+path.Clean(p))
	}
}
