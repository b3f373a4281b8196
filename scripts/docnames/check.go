package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// collected is what the docs hold and what the rest names.
type collected struct {
	names    names
	features features
	known    map[string]bool // "S11", "1.7", "design 3.4", "row 119"
	pages    map[string][]byte
	sources  map[string][]byte // Go, without tests
	problems []string
}

// check returns every problem in the given files of fsys, in order, and a line
// of figures.
func check(fsys fs.FS, files []string) (problems []string, stats string, err error) {
	c, err := collect(fsys, files)
	if err != nil {
		return nil, "", err
	}
	problems = slices.Concat(c.problems, c.features.problems, c.unknown(files), c.status(), c.brokenLinks(files),
		c.glossary(files))
	slices.SortStableFunc(problems, func(a, b string) int { return cmp.Compare(place(a), place(b)) })
	stats = fmt.Sprintf("%d files, %d names used, %d rows named by tests, %d pages",
		len(files), len(c.names.uses), len(c.names.rows), len(c.pages))
	return slices.Compact(problems), stats, nil
}

func place(problem string) string {
	file, _, _ := strings.Cut(problem, ":")
	return file
}

func collect(fsys fs.FS, files []string) (*collected, error) {
	c := &collected{
		names: newNames(), known: map[string]bool{}, pages: map[string][]byte{},
		sources: map[string][]byte{},
	}
	for _, name := range files {
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		if bytes.IndexByte(src, 0) >= 0 {
			continue // not text
		}
		c.problems = append(c.problems, foreign(name, src)...)
		switch {
		case strings.HasSuffix(name, ".md"):
			c.pages[name] = src
		case strings.HasPrefix(name, rowPatches):
			for _, row := range patchedRows(src) {
				c.names.patched[row] = true
			}
		case name == rowScreens:
			c.names.screens(name, src)
		case strings.HasSuffix(name, ".go") && !strings.Contains(name, "testdata/"):
			if err := c.names.source(name, src); err != nil {
				return nil, err
			}
			if !strings.HasSuffix(name, "_test.go") {
				c.sources[name] = src
			}
		}
	}
	c.features = readFeatures(c.pages[featuresPage])
	for row := range c.features.rows {
		c.known[fmt.Sprint("row ", row)] = true
	}
	maps.Copy(c.known, entries(c.pages[invariantsPage], invariantRow, ""))
	maps.Copy(c.known, entries(c.pages[designPage], designNumber, "design "))
	return c, nil
}

// unknown lists the names that no page explains.
func (c *collected) unknown(files []string) []string {
	var problems []string
	for _, u := range c.names.uses {
		if p, ok := strings.CutPrefix(u.id, "page "); ok {
			from, _, _ := strings.Cut(u.pos, ":")
			if !pageExists(files, path.Dir(from), p) {
				problems = append(problems, fmt.Sprintf("%s: there is no page %s", u.pos, p))
			}
			continue
		}
		if !c.known[u.id] {
			problems = append(problems, fmt.Sprintf("%s: names %s, which the docs do not hold (%s, %s, %s)",
				u.pos, u.id, featuresPage, invariantsPage, designPage))
		}
	}
	return problems
}

// pageExists looks for a page as a comment may name it: from the root, from
// the file's own folder, or by its bare name anywhere in docs.
func pageExists(files []string, dir, name string) bool {
	return slices.ContainsFunc(files, func(f string) bool {
		return f == name || f == path.Join(dir, name) ||
			strings.HasPrefix(f, "docs/") && strings.EqualFold(path.Base(f), path.Base(name))
	})
}

// status holds the status column against the tests and the patches.
func (c *collected) status() []string {
	var problems []string
	for row, r := range c.features.rows {
		test, earned := c.names.rows[row], c.names.earned(row)
		if stands(r.status, earned) || !slices.Contains(statuses, r.status) { // of which was told
			continue
		}
		var why string
		switch {
		case test == "":
			why = fmt.Sprintf("but no test named TestRow%d_… shows it", row)
		case r.status == planned:
			why = "but tested by " + test
		case earned == shown:
			why = "but a test of " + rowTests + " and a patch of " + rowPatches + " show it"
		default:
			why = "which takes a test of " + rowTests + " and a patch of " + rowPatches
		}
		problems = append(problems, fmt.Sprintf("%s:%d: row %d is %s, %s (make docs-status)",
			featuresPage, r.line+1, row, r.status, why))
	}
	return problems
}

func (c *collected) brokenLinks(files []string) []string {
	var problems []string
	for name, src := range c.pages {
		for target, line := range links(src) {
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if why := c.broken(files, name, target); why != "" {
				problems = append(problems, fmt.Sprintf("%s:%d: link %s: %s", name, line, target, why))
			}
		}
	}
	return problems
}

func (c *collected) broken(files []string, from, target string) string {
	file, anchor, _ := strings.Cut(target, "#")
	to := from
	if file != "" {
		to = path.Join(path.Dir(from), file)
	}
	exists := slices.ContainsFunc(files, func(f string) bool {
		return f == to || strings.HasPrefix(f, strings.TrimSuffix(to, "/")+"/")
	})
	if !exists && to != "." {
		return "there is no " + to
	}
	if src, ok := c.pages[to]; ok && anchor != "" && !anchors(src)[anchor] {
		return "no heading with that name in " + to
	}
	return ""
}

// A word that must not stand in a committed file. The expressions are put
// together from parts, so that this file passes its own check.
var forbidden = []struct {
	re  *regexp.Regexp
	why string
}{
	{regexp.MustCompile(`/wor` + `k/(?:main|shared|\.library)\b`), "a path of one machine"},
	{
		regexp.MustCompile(`/tmp/` + `brief\b|\bshared/` + `(?:[A-Z]+\.md|connectors/|dependencies)`),
		"a path of one machine",
	},
	{regexp.MustCompile(`\b(?:proxy|sum)\.` + `golang\.org\b`), "the host of a package registry"},
	{
		regexp.MustCompile(`\bregistry\.` + `(?:npmjs\.org|yarnpkg\.com)\b|\bregistry-1\.` + `docker\.io\b`),
		"the host of a package registry",
	},
	{regexp.MustCompile(`\b(?:files\.` + `pythonhosted\.org|pypi` + `\.org)\b`), "the host of a package registry"},
	{regexp.MustCompile(`\brepo1?\.` + `maven\.(?:org|apache\.org)\b`), "the host of a package registry"},
	{
		regexp.MustCompile(`^\s*"resol` + `ved": "http`),
		"a resolved address in a lock file (omit-lockfile-registry-resolved=true)",
	},
}

func foreign(name string, src []byte) []string {
	var problems []string
	for i, l := range bytes.Split(src, []byte("\n")) {
		for _, f := range forbidden {
			if m := f.re.Find(l); m != nil {
				problems = append(problems, fmt.Sprintf("%s:%d: holds %q: %s", name, i+1, m, f.why))
			}
		}
	}
	return problems
}
