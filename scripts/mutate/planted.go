package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// plantedText are bugs that a person would write, one a block: what goes wrong,
// the file, the lines as they are (-) and as they would be (+). In the latter,
// planted stands for the choice of this bug; without a choice they have to do
// what the others do.
//
//go:embed planted.txt
var plantedText string

// plantedBugs reads them against the sources. Unfit are those whose lines were
// changed since: they have to be written anew.
func plantedBugs(text string) (out []mutant, unfit []error) {
	for block := range strings.SplitSeq(text, "\n\n") {
		var m mutant
		var was, is []string
		for line := range strings.Lines(block) {
			line = strings.TrimRight(line, "\n")
			switch {
			case strings.HasPrefix(line, "#") || line == "":
			case strings.HasPrefix(line, "-"):
				was = append(was, strings.TrimSpace(line[1:]))
			case strings.HasPrefix(line, "+"):
				is = append(is, strings.TrimSpace(line[1:]))
			case m.function == "":
				m.function = line
			default:
				m.file = line
			}
		}
		if m.function == "" {
			continue
		}
		if err := m.place(was, is); err != nil {
			unfit = append(unfit, fmt.Errorf("%s: %w", m.function, err))
			continue
		}
		out = append(out, m)
	}
	return out, unfit
}

// place finds where the bug belongs.
func (m *mutant) place(was, is []string) error {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return err
	}
	lines := make([]string, len(was))
	for i, line := range was {
		lines[i] = regexp.QuoteMeta(line)
	}
	pattern, err := regexp.Compile(strings.Join(lines, `\n[ \t]*`))
	if err != nil {
		return err
	}
	found := pattern.FindAllIndex(src, -1)
	bug := strings.Join(is, "\n")
	if len(was) == 0 || len(found) != 1 || !strings.Contains(bug, "planted") {
		return fmt.Errorf("its lines stand %d times in %s, want once, and its bug wants the word planted", len(found), m.file)
	}
	m.pkg = "./" + filepath.ToSlash(filepath.Dir(m.file))
	m.from, m.to = found[0][0], found[0][1]
	m.line = 1 + strings.Count(string(src[:m.from]), "\n")
	m.end = m.line + len(was) - 1
	m.was, m.is = string(src[m.from:m.to]), strings.ReplaceAll(bug, "planted", "true")
	bug = strings.ReplaceAll(bug, "planted", helperIs+"(%d)")
	m.weave = weave{ends: &[2]int{m.from, m.from}, between: bug, whole: true}
	return nil
}
