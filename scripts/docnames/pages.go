package main

import (
	"bytes"
	"fmt"
	"regexp"
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
	partly  = "partly"  // a test names it; its text is not yet shown whole
	done    = "done"    // tests show its whole text through the public API
)

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
		if status != planned && status != partly && status != done {
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
		want := r.status
		switch tested := n.rows[row] != ""; {
		case tested && r.status == planned:
			want = partly
		case !tested:
			want = planned
		}
		if want != r.status {
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
