package main

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// weave says how a mutant is written beside the original, so that one program
// holds many of them and an environment variable chooses: text before and after
// the place, which reads the number of the mutant for %d, and text in the
// operator's stead.
type weave struct {
	ends          *[2]int // offsets of before and after
	before, after string
	between       string // "" = the operator stays
	whole         bool   // between stands in the stead of all that was there
}

// The names of the helpers that woven code calls.
const (
	helperIs   = "mutantIs"
	helperOne  = "mutantOne"
	helperNone = "mutantNone"
)

// chosen are the helpers that stand for operators.
var chosen = map[token.Token]string{
	token.LSS: "mutantLess", token.LEQ: "mutantAtMost", token.GTR: "mutantMore", token.GEQ: "mutantAtLeast",
	token.LAND: "mutantAnd", token.LOR: "mutantOr", token.ADD: "mutantPlus", token.SUB: "mutantMinus",
}

// helpers is the file that is added to every woven package. MUTANT chooses one;
// with MUTANT_REACHED the numbers of those that would have made a difference on
// the spot are written there: a judge that never comes to such a spot cannot
// notice the mutant, and need not be asked.
const helpers = `package %s

import (
	"cmp"
	"os"
	"strconv"
	"sync"
)

var (
	mutantActive, _ = strconv.Atoi(os.Getenv("MUTANT"))
	mutantRecord    = os.Getenv("MUTANT_REACHED")
	mutantReached   sync.Map
)

func mutantIs(n int) bool {
	if mutantRecord != "" {
		mutantReach(n)
	}
	return mutantActive == n
}

func mutantReach(n int) {
	if _, known := mutantReached.LoadOrStore(n, true); known {
		return
	}
	f, err := os.OpenFile(mutantRecord, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	if _, err := f.WriteString(strconv.Itoa(n) + "\n"); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
}

func mutantOne(n int) int {
	if mutantIs(n) {
		return 1
	}
	return 0
}

func mutantNone(n int, err error) error {
	if err != nil && mutantIs(n) {
		return nil
	}
	return err
}

func mutantLess[T cmp.Ordered](n int, a, b T) bool    { return a < b || a == b && mutantIs(n) }
func mutantAtMost[T cmp.Ordered](n int, a, b T) bool  { return a < b || a == b && !mutantIs(n) }
func mutantMore[T cmp.Ordered](n int, a, b T) bool    { return a > b || a == b && mutantIs(n) }
func mutantAtLeast[T cmp.Ordered](n int, a, b T) bool { return a > b || a == b && !mutantIs(n) }

func mutantAnd(n int, a bool, b func() bool) bool {
	if a {
		return b() || mutantIs(n)
	}
	return mutantIs(n) && b()
}

func mutantOr(n int, a bool, b func() bool) bool {
	if a {
		return !mutantIs(n) || b()
	}
	return b() && !mutantIs(n)
}

type mutantNumber interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

func mutantPlus[T mutantNumber](n int, a, b T) T {
	if mutantIs(n) {
		return a - b
	}
	return a + b
}

func mutantMinus[T mutantNumber](n int, a, b T) T {
	if mutantIs(n) {
		return a + b
	}
	return a - b
}
`

// helperFile is the name of the added file.
const helperFile = "zz_mutants.go"

// edit is one insertion into a file; what stands in at..to goes.
type edit struct {
	at, to int
	text   string
	opens  bool
	span   int // length of the place that it belongs to
	number int
}

// woven writes the mutants of one file into it, each under its number.
func woven(src []byte, mutants map[int]mutant) string {
	var edits []edit
	for n, m := range mutants {
		w := m.weave
		number := func(s string) string { return strings.ReplaceAll(s, "%d", fmt.Sprint(n)) }
		span := w.ends[1] - w.ends[0]
		edits = append(edits,
			edit{w.ends[0], w.ends[0], number(w.before), true, span, n},
			edit{w.ends[1], w.ends[1], number(w.after), false, span, n})
		if w.between != "" {
			edits = append(edits, edit{m.from, m.to, number(w.between), true, 0, n})
		}
	}
	edits = slices.DeleteFunc(edits, func(e edit) bool { return e.text == "" && e.at == e.to })
	// What closes stands before what opens; inside, the smaller place does.
	slices.SortFunc(edits, func(a, b edit) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		if a.opens != b.opens {
			if b.opens {
				return -1
			}
			return 1
		}
		if a.opens {
			return cmp.Or(cmp.Compare(b.span, a.span), cmp.Compare(a.number, b.number))
		}
		return cmp.Or(cmp.Compare(a.span, b.span), cmp.Compare(b.number, a.number))
	})
	var out strings.Builder
	at := 0
	for _, e := range edits {
		out.Write(src[at:e.at])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(src[at:])
	return out.String()
}

// packageName reads the name of the package in a folder.
func packageName(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly)
		if err != nil {
			return "", err
		}
		return f.Name.Name, nil
	}
	return "", fmt.Errorf("no source in %s", dir)
}
