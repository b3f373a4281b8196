package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// line is a row as it is printed.
type line struct {
	number int
	title  string
	why    string // no test is asked for
	screen bool   // shown in a browser
	waits  []string
}

func table(titles map[int]string, wanted []int) (out []line) {
	for _, n := range slices.Sorted(maps.Keys(titles)) {
		if wanted == nil || slices.Contains(wanted, n) {
			out = append(out, line{n, titles[n], why(n), isScreen(n), waitsFor(n)})
		}
	}
	return out
}

// result is what became of one test on both storages.
type result struct{ passed, failed, skipped int }

// event is a line of go test -json.
type event struct{ Action, Test, Output string }

// runTests runs the tests of the rows and counts, by name of the test without
// its storage. The output of what fails is shown.
func runTests(ctx context.Context, run string) (map[string]*result, error) {
	c := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout=15m", "-run", run, tests)
	c.Stderr = os.Stderr
	out, err := c.Output()
	results, said := read(bytes.NewReader(out))
	for _, name := range slices.Sorted(maps.Keys(said)) {
		fmt.Print(said[name])
	}
	if err != nil && len(results) == 0 {
		return nil, fmt.Errorf("the tests do not run: %w", err)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", tests, err)
	}
	return results, err
}

// read counts results of leaves, and keeps what failing ones said.
func read(r io.Reader) (results map[string]*result, said map[string]string) {
	results, said = map[string]*result{}, map[string]string{}
	heard := map[string]string{}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var e event
		if json.Unmarshal(sc.Bytes(), &e) != nil || e.Action == "" {
			fmt.Println(sc.Text()) // the compiler's
			continue
		}
		heard[e.Test] += e.Output
		name, leaf, _ := strings.Cut(e.Test, "/")
		if len(rowsOf(name)) == 0 {
			if e.Action == "fail" {
				said[e.Test] = heard[e.Test]
			}
			continue
		}
		if results[name] == nil {
			results[name] = new(result)
		}
		if leaf == "" && e.Action != "fail" {
			continue
		}
		switch e.Action {
		case "pass":
			results[name].passed++
		case "fail":
			results[name].failed++
			said[e.Test] = heard[e.Test]
		case "skip":
			results[name].skipped++
		}
	}
	return results, said
}

// report prints the table; untried says why no screen was tried, "" = they were.
// The error says what is missing.
func report(rows []line, results map[string]*result, untried string) error {
	missing, bad, good, unseen := 0, 0, 0, 0
	for _, row := range rows {
		var names []string
		var sum result
		seen := false // in a browser
		for _, name := range slices.Sorted(maps.Keys(results)) {
			if slices.Contains(rowsOf(name), row.number) {
				if screenRows(name) != nil {
					seen = true
					names = append(names, webFolder+"/"+screenTests)
				} else {
					names = append(names, name)
				}
				sum.passed += results[name].passed
				sum.failed += results[name].failed
				sum.skipped += results[name].skipped
			}
		}
		verdict := "pass"
		switch {
		case len(names) == 0 && row.why != "":
			verdict = row.why
		case row.screen && !seen && untried != "":
			verdict = "screen, not tried: " + untried
			unseen++
		case len(names) == 0 || row.screen && !seen:
			verdict = "NO TEST"
			missing++
		case sum.failed > 0 || sum.passed == 0:
			verdict = "FAIL"
			bad++
		default:
			good++
			if row.screen {
				verdict = "pass (screen)"
			}
			if sum.skipped > 0 {
				verdict = "pass (skipped where stand-ins are missing: make standins)"
			}
		}
		for _, app := range row.waits {
			verdict += "; app pending: " + app
		}
		fmt.Printf("%4d  %-44s  %-60s  %s\n", row.number, row.title, strings.Join(names, " "), verdict)
	}
	fmt.Printf("%d rows pass, %d fail, %d in scope have no test, %d screens were not tried\n", good, bad, missing, unseen)
	if missing+bad > 0 {
		return fmt.Errorf("%d rows fail and %d have no test", bad, missing)
	}
	return nil
}
