package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const glossaryPage = "docs/glossary.md"

var quoted = regexp.MustCompile("`([^`]+)`")

// glossary holds the last column of the glossary against the code: its first
// name is a path, the others are words in the sources there.
func (c *collected) glossary(files []string) []string {
	var problems []string
	rows := 0
	for n, line := range strings.Split(string(c.pages[glossaryPage]), "\n") {
		cells := strings.Split(line, " | ")
		names := quoted.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if !strings.HasPrefix(line, "| ") || len(names) == 0 {
			continue
		}
		rows++
		at, dir := fmt.Sprintf("%s:%d", glossaryPage, n+1), names[0][1]
		if !slices.ContainsFunc(files, func(f string) bool { return f == dir || strings.HasPrefix(f, dir+"/") }) {
			problems = append(problems, fmt.Sprintf("%s: there is no %s", at, dir))
			continue
		}
		for _, word := range names[1:] {
			if !c.holds(dir, word[1]) {
				problems = append(problems, fmt.Sprintf("%s: no source of %s has the word %s", at, dir, word[1]))
			}
		}
	}
	if _, there := c.pages[glossaryPage]; there && rows == 0 {
		problems = append(problems, glossaryPage+":1: no row names a place")
	}
	return problems
}

// holds looks for a word in the sources in and below dir.
func (c *collected) holds(dir, word string) bool {
	whole := regexp.MustCompile(`\b` + regexp.QuoteMeta(word) + `\b`)
	for name, src := range c.sources {
		if strings.HasPrefix(name, dir+"/") && whole.Match(src) {
			return true
		}
	}
	return false
}
