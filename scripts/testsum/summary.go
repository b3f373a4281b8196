package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json; "go doc test2json" describes it.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build events
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string
}

// Summary counts tests and subtests. A package that fails without any test of
// its own failing (build, panic, time-out) counts as one failed test.
type Summary struct {
	Passed, Failed, Skipped int
}

// OK reports whether something ran and nothing failed.
func (s Summary) OK() bool { return s.Failed == 0 && s.Passed > 0 }

// pkgState is what is known about a package while it runs.
type pkgState struct {
	Summary
	output map[string][]string // by test name, "" for the package itself; dropped when a test passes
}

type skipped struct{ pkg, test, reason string }

type summarizer struct {
	w      io.Writer
	total  Summary
	pkgs   map[string]*pkgState
	builds map[string][]string // output of builds, by import path
	skips  []skipped
}

// summarize reads events until r ends, writes the report to w as it goes and
// returns the counts. It returns an error for input that cannot be read, or
// that holds no test at all.
func summarize(r io.Reader, w io.Writer) (Summary, error) {
	s := &summarizer{w: w, pkgs: map[string]*pkgState{}, builds: map[string][]string{}}
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.total, err
		}
	}
	s.unfinished()
	s.report()
	if s.total == (Summary{}) {
		return s.total, errors.New("no test ran")
	}
	return s.total, nil
}

func (s *summarizer) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(s.w, format, args...) // a broken pipe ends the program anyhow
}

func (s *summarizer) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		s.printf("%s", line) // what the go command says outside the protocol
		return
	}
	switch e.Action {
	case "build-output":
		s.builds[e.ImportPath] = append(s.builds[e.ImportPath], e.Output)
		return
	case "build-fail":
		return // the package that needed it says so
	}
	p := s.pkgs[e.Package]
	if p == nil {
		p = &pkgState{output: map[string][]string{}}
		s.pkgs[e.Package] = p
	}
	switch {
	case e.Action == "output":
		p.output[e.Test] = append(p.output[e.Test], e.Output)
	case e.Test == "":
		s.packageEnds(p, e)
	default:
		s.testEnds(p, e)
	}
}

func (s *summarizer) testEnds(p *pkgState, e event) {
	switch e.Action {
	case "pass":
		p.Passed++
	case "fail":
		p.Failed++
		s.printf("\n--- FAIL  %s %s (%.2fs)\n%s\n", e.Package, e.Test, e.Elapsed, strings.Join(p.output[e.Test], ""))
	case "skip":
		reason := skipReason(p.output[e.Test])
		s.skips = append(s.skips, skipped{e.Package, e.Test, reason})
		if reason == "" {
			p.Failed++
		} else {
			p.Skipped++
		}
	default:
		return // run, pause, cont, bench, attr: not an end
	}
	delete(p.output, e.Test)
}

func (s *summarizer) packageEnds(p *pkgState, e event) {
	switch e.Action {
	case "pass":
		s.printf("ok    %-60s %7.2fs  %d passed%s\n", e.Package, e.Elapsed, p.Passed, some(p.Skipped, " skipped"))
	case "fail":
		if p.Failed == 0 {
			p.Failed++
		}
		s.printf("\nFAIL  %s (%.2fs)\n%s%s\n", e.Package, e.Elapsed, strings.Join(s.builds[e.FailedBuild], ""), rest(p))
	case "skip": // no test files
	default:
		return // start
	}
	s.total.Passed += p.Passed
	s.total.Failed += p.Failed
	s.total.Skipped += p.Skipped
	delete(s.pkgs, e.Package)
}

// rest is the output of everything in the package that did not end: what
// remains after a panic, an exit or a time-out.
func rest(p *pkgState) string {
	var b strings.Builder
	for _, test := range sortedKeys(p.output) {
		if test != "" && len(p.output[test]) > 0 {
			fmt.Fprintf(&b, "    did not end: %s\n", test)
		}
		b.WriteString(strings.Join(p.output[test], ""))
	}
	return b.String()
}

// unfinished fails the packages that the stream left without an end.
func (s *summarizer) unfinished() {
	for _, name := range sortedKeys(s.pkgs) {
		p := s.pkgs[name]
		s.printf("\nFAIL  %s: the output ended before the package did\n%s\n", name, rest(p))
		s.total.Passed += p.Passed
		s.total.Failed += p.Failed + 1
		s.total.Skipped += p.Skipped
	}
}

func (s *summarizer) report() {
	slices.SortFunc(s.skips, func(a, b skipped) int {
		return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.test, b.test))
	})
	if len(s.skips) > 0 {
		s.printf("\nskipped:\n")
	}
	for _, k := range s.skips {
		if k.reason == "" {
			s.printf("  %s %s: WITHOUT A REASON, counted as failed\n", k.pkg, k.test)
			continue
		}
		s.printf("  %s %s: %s\n", k.pkg, k.test, k.reason)
	}
	s.printf("\n%d passed, %d failed, %d skipped\n", s.total.Passed, s.total.Failed, s.total.Skipped)
}

// where is the "file.go:12: " that the testing package puts before a message.
var where = regexp.MustCompile(`^\s*[\w.-]+\.go:\d+:\s*`)

// skipReason takes the message out of a skipped test's output, "" if there is
// none.
func skipReason(output []string) string {
	var words []string
	for _, o := range output {
		o = strings.TrimSpace(o)
		if strings.HasPrefix(o, "=== ") || strings.HasPrefix(o, "--- SKIP") {
			continue
		}
		if o = strings.TrimSpace(where.ReplaceAllString(o+" ", "")); o != "" {
			words = append(words, o)
		}
	}
	return strings.Join(words, " ")
}

func some(n int, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d%s", n, what)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
