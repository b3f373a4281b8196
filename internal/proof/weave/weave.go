package weave

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Place says how a change is written beside what it changes: text before and after
// a piece of the source, which reads the number of the change for %d, and text in
// the stead of a piece inside, such as an operator.
type Place struct {
	From, To      int     // what is changed, in bytes of the file
	Ends          *[2]int // what Before and After stand around
	Before, After string
	Between       string // in the stead of From..To; "" = that stays
	Whole         bool   // Between stands in the stead of all that was there
}

// The names of the helpers that woven code calls.
const (
	Is   = "mutantIs"
	One  = "mutantOne"
	None = "mutantNone"
)

// Operators are the helpers that stand for operators.
var Operators = map[token.Token]string{
	token.LSS: "mutantLess", token.LEQ: "mutantAtMost", token.GTR: "mutantMore", token.GEQ: "mutantAtLeast",
	token.LAND: "mutantAnd", token.LOR: "mutantOr", token.ADD: "mutantPlus", token.SUB: "mutantMinus",
}

// Helpers is the file that is added to every woven package. MUTANT chooses one;
// with MUTANT_REACHED the numbers of those that would have made a difference on
// the spot are written there: a judge that never comes to such a spot cannot
// notice the mutant, and need not be asked.
const Helpers = `package %s

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

// HelperFile is the name of the added file.
const HelperFile = "zz_mutants.go"

// edit is one insertion into a file; what stands in at..to goes.
type edit struct {
	at, to int
	text   string
	opens  bool
	span   int // length of the place that it belongs to
	number int
}

// File writes changes into the text of a file, each under its number.
func File(src []byte, changes map[int][]Place) string {
	var edits []edit
	for n, places := range changes {
		number := func(s string) string { return strings.ReplaceAll(s, "%d", fmt.Sprint(n)) }
		for _, p := range places {
			span := p.Ends[1] - p.Ends[0]
			edits = append(edits,
				edit{p.Ends[0], p.Ends[0], number(p.Before), true, span, n},
				edit{p.Ends[1], p.Ends[1], number(p.After), false, span, n})
			if p.Between != "" {
				edits = append(edits, edit{p.From, p.To, number(p.Between), true, 0, n})
			}
		}
	}
	edits = slices.DeleteFunc(edits, func(e edit) bool { return e.text == "" && e.at == e.to })
	slices.SortFunc(edits, inOrder)
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

// inOrder puts what closes before what opens; inside, the smaller place is.
func inOrder(a, b edit) int {
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
}

// Overlay writes the woven files into a folder, by their names below the working
// directory, and the file that `go build -overlay` wants, whose name it returns.
func Overlay(dir string, files map[string]map[int][]Place) (string, error) {
	replace, dirs := map[string]string{}, map[string]bool{}
	put := func(name, text string) error {
		path, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		replace[path] = filepath.Join(dir, Name(name))
		return os.WriteFile(replace[path], []byte(text), 0o600)
	}
	for name, changes := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		if err := put(name, File(src, changes)); err != nil {
			return "", err
		}
		dirs[filepath.Dir(name)] = true
	}
	for d := range dirs {
		name, err := packageName(d)
		if err != nil {
			return "", err
		}
		if err := put(filepath.Join(d, HelperFile), fmt.Sprintf(Helpers, name)); err != nil {
			return "", err
		}
	}
	name := filepath.Join(dir, "overlay.json")
	return name, Replace(name, replace)
}

// Name is the name of a woven file, which the compiler reports.
func Name(file string) string { return strings.ReplaceAll(file, string(filepath.Separator), "_") }

// Replace writes what `go build -overlay` reads: which file stands for which.
func Replace(name string, files map[string]string) error {
	text, err := json.Marshal(map[string]map[string]string{"Replace": files})
	if err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o600)
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
