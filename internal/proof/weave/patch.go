package weave

import (
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

// Patch is a change as a person writes it: a name and the places where lines are
// exchanged for others.
type Patch struct {
	Name  string
	Hunks []Hunk
}

// Hunk is one exchange of lines within a function. In Is the word planted stands
// for the choice of the patch: without a choice Is has to do what Was does.
type Hunk struct {
	Dir       string // the package's folder, below the working directory
	Function  string // with its receiver's type: Type.name
	File      string
	From, To  int // bytes of the file
	Line, End int
	Was, Is   string
}

// Place is how the hunk is written beside the lines that it exchanges.
func (h *Hunk) Place() Place {
	return Place{
		From: h.From, To: h.To, Ends: &[2]int{h.From, h.From}, Whole: true,
		Between: strings.ReplaceAll(h.Is, "planted", Is+"(%d)"),
	}
}

// Patches reads patches against the sources below the working directory. A block
// of the text is one patch: its name on a line, then for each place package and
// function on a line, the lines as they are behind a minus, and as they would be
// behind a plus. Neither the file nor where lines are broken matters: code that
// moves or is wrapped takes its patches along.
// A place whose lines do not stand in its function exactly once is an error, and
// its patch is left out.
func Patches(text string) ([]Patch, error) {
	var out []Patch
	var unfit []error
	known := bodies{}
	for block := range strings.SplitSeq(text, "\n\n") {
		p := read(block)
		if p.Name == "" {
			continue
		}
		fits := len(p.Hunks) > 0
		for i := range p.Hunks {
			if err := p.Hunks[i].find(known); err != nil {
				unfit, fits = append(unfit, fmt.Errorf("%s: %w", p.Name, err)), false
			}
		}
		if fits {
			out = append(out, p)
		} else if len(p.Hunks) == 0 {
			unfit = append(unfit, fmt.Errorf("%s: it says nothing to replace", p.Name))
		}
	}
	return out, errors.Join(unfit...)
}

// read takes a block apart.
func read(block string) (p Patch) {
	add := func(to *string, line string) {
		if *to != "" {
			*to += "\n"
		}
		*to += strings.TrimSpace(line)
	}
	for line := range strings.SplitSeq(block, "\n") {
		switch {
		case strings.HasPrefix(line, "#") || line == "":
		case strings.HasPrefix(line, "-") && len(p.Hunks) > 0:
			add(&p.Hunks[len(p.Hunks)-1].Was, line[1:])
		case strings.HasPrefix(line, "+") && len(p.Hunks) > 0:
			add(&p.Hunks[len(p.Hunks)-1].Is, line[1:])
		case p.Name == "":
			p.Name = line
		default:
			dir, function, _ := strings.Cut(line, " ")
			p.Hunks = append(p.Hunks, Hunk{Dir: filepath.FromSlash(dir), Function: function})
		}
	}
	return p
}

// find finds where the hunk belongs.
func (h *Hunk) find(known bodies) error {
	functions, err := known.of(h.Dir)
	if err != nil {
		return err
	}
	pattern, err := regexp.Compile(wrapped(h.Was))
	if err != nil {
		return err
	}
	if h.Was == "" || !strings.Contains(h.Is, "planted") {
		return errors.New("it says nothing to replace, or what stands instead lacks the word planted")
	}
	b := functions[h.Function]
	found := pattern.FindAllIndex(b.src[b.from:b.to], -1)
	if len(found) != 1 {
		var there []string
		for name, o := range functions {
			if pattern.Match(o.src[o.from:o.to]) {
				there = append(there, name)
			}
		}
		return fmt.Errorf("the lines %q stand %d times in %s of %s, want once (they stand in %q)",
			h.Was, len(found), h.Function, h.Dir, there)
	}
	h.File, h.From, h.To = b.file, b.from+found[0][0], b.from+found[0][1]
	h.Line = 1 + strings.Count(string(b.src[:h.From]), "\n")
	h.Was = string(b.src[h.From:h.To])
	h.End = h.Line + strings.Count(h.Was, "\n")
	return nil
}

// wrapped is a pattern for code, however its lines are broken.
func wrapped(code string) string {
	var p strings.Builder
	for i, word := range strings.Fields(code) {
		if i > 0 {
			p.WriteString(`\s+`)
		}
		for _, r := range word {
			switch r {
			case ')', '}', ']':
				p.WriteString(`,?\s*`)
			}
			p.WriteString(regexp.QuoteMeta(string(r)))
			switch r {
			case '(', '{', '[':
				p.WriteString(`\s*`)
			}
		}
	}
	return strings.TrimSuffix(p.String(), `\s*`) // the end of the last line is not the hunk's
}

// body is the text of a function.
type body struct {
	file     string
	src      []byte
	from, to int
}

// bodies are the functions of the packages that were looked into, by folder.
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
				from, to := fset.Position(fn.Pos()).Offset, fset.Position(fn.End()).Offset
				b[dir][Function(fn)] = body{name, src, from, to}
			}
		}
	}
	return b[dir], nil
}

// Function names a function within its package: Type.name, or name.
func Function(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	of := fn.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.IndexExpr:
			of = t.X
		case *ast.IndexListExpr:
			of = t.X
		case *ast.Ident:
			return t.Name + "." + fn.Name.Name
		default:
			return fn.Name.Name
		}
	}
}
