package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	featuresPage   = "docs/features.md"
	invariantsPage = "docs/invariants.md"
	designPage     = "docs/design.md"
	featureRows    = 213
)

// The words of the status column.
const (
	planned = "planned" // no test names the row
	partly  = "partly"  // a test names it, but not through the public API, or nothing shows that the test can fail
	shown   = "shown"   // a test shows it through the public API, and fails under a patch that takes it away
	done    = "done"    // shown, and somebody read its whole text against the tests
)

var statuses = []string{planned, partly, shown, done}

// Where the tests of rows through the public API are, and the patches.
const (
	rowTests   = "internal/app/rows/"
	rowPatches = "scripts/rows/patches/"
	rowScreens = "internal/console/web/test/rows.test.mjs" // of rows that are screens
)

// screenTest is a test of the console that names rows.
var screenTest = regexp.MustCompile(`(?m)^test\('row ((?:\d+ )*\d+): `)

// patchHeading is the first line of a patch, see scripts/rows.
var patchHeading = regexp.MustCompile(`(?m)^row (\d+(?: \d+)*):`)

// patchedRows are the rows that a file of patches takes away.
func patchedRows(src []byte) (rows []int) {
	for _, m := range patchHeading.FindAllSubmatch(src, -1) {
		for word := range strings.FieldsSeq(string(m[1])) {
			row, _ := strconv.Atoi(word) // digits by the expression
			rows = append(rows, row)
		}
	}
	return rows
}

// earned is the most that can be said of a row without reading it.
func (n *names) earned(row int) string {
	switch {
	case n.rows[row] == "":
		return planned
	case n.public[row] && n.patched[row]:
		return shown
	}
	return partly
}

// stands reports whether a row's status is what it has earned. A person makes done
// of shown.
func stands(status, earned string) bool { return status == earned || status == done && earned == shown }

var (
	featureRow   = regexp.MustCompile(`^\| (\d+) \|.*\| (\w+) \|$`)
	invariantRow = regexp.MustCompile(`^\| ([SPX]\d+|\d\.\d+) \|`)
	heading      = regexp.MustCompile(`^#{1,6} +(.+?)\s*$`)
	designNumber = regexp.MustCompile(`^#{2,4} (\d+(?:\.\d+)?)\b`)
)

// feature is one row of docs/features.md.
type feature struct {
	line   int // from 0
	status string
}

type features struct {
	lines    [][]byte
	rows     map[int]feature
	problems []string
}

func readFeatures(src []byte) features {
	f := features{lines: bytes.Split(src, []byte("\n")), rows: map[int]feature{}}
	for i, l := range f.lines {
		m := featureRow.FindSubmatch(l)
		if m == nil {
			continue
		}
		row, _ := strconv.Atoi(string(m[1])) // digits by the expression
		status := string(m[2])
		if _, twice := f.rows[row]; twice {
			f.problems = append(f.problems, fmt.Sprintf("%s:%d: row %d is there twice", featuresPage, i+1, row))
		}
		if !slices.Contains(statuses, status) {
			f.problems = append(f.problems, fmt.Sprintf("%s:%d: row %d: unknown status %q", featuresPage, i+1, row, status))
		}
		f.rows[row] = feature{i, status}
	}
	for row := 1; row <= featureRows; row++ {
		if _, ok := f.rows[row]; !ok {
			f.problems = append(f.problems, fmt.Sprintf("%s: row %d is missing", featuresPage, row))
		}
	}
	return f
}

// withStatus is the page with the status column brought up to date.
func (f features) withStatus(n names) []byte {
	lines := make([][]byte, len(f.lines))
	copy(lines, f.lines)
	for row, r := range f.rows {
		if want := n.earned(row); !stands(r.status, want) {
			body, _ := bytes.CutSuffix(lines[r.line], []byte("| "+r.status+" |"))
			lines[r.line] = append(bytes.Clone(body), "| "+want+" |"...)
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// entries are the identifiers that a page explains.
func entries(src []byte, re *regexp.Regexp, prefix string) map[string]bool {
	found := map[string]bool{}
	for l := range strings.SplitSeq(string(src), "\n") {
		if m := re.FindStringSubmatch(l); m != nil {
			found[prefix+m[1]] = true
		}
	}
	return found
}

var (
	fence      = regexp.MustCompile("(?ms)^```.*?^```[ \t]*$")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	link       = regexp.MustCompile(`\]\(([^)\s]+)(?: "[^"]*")?\)`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// links are the targets of a page's inline links, with their lines from 1.
func links(src []byte) map[string]int {
	blank := func(b []byte) []byte { return bytes.Repeat([]byte("\n"), bytes.Count(b, []byte("\n"))) }
	src = inlineCode.ReplaceAllFunc(fence.ReplaceAllFunc(src, blank), blank)
	found := map[string]int{}
	for i, l := range bytes.Split(src, []byte("\n")) {
		for _, m := range link.FindAllSubmatch(l, -1) {
			if _, seen := found[string(m[1])]; !seen {
				found[string(m[1])] = i + 1
			}
		}
	}
	return found
}

// anchors are the names under which GitHub reaches a page's headings.
func anchors(src []byte) map[string]bool {
	src = fence.ReplaceAll(src, nil)
	found := map[string]bool{}
	for l := range strings.SplitSeq(string(src), "\n") {
		m := heading.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		slug := strings.ToLower(notInSlug.ReplaceAllString(m[1], ""))
		slug = strings.ReplaceAll(slug, " ", "-")
		for n, base := 1, slug; found[slug]; n++ {
			slug = base + "-" + strconv.Itoa(n)
		}
		found[slug] = true
	}
	return found
}
