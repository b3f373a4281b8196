// Command rows holds the feature table against its tests:
//
//	go run ./scripts/rows             every row: number, title, tests, pass or fail
//	go run ./scripts/rows -patched    every row's test fails without the row's behaviour
//
// Titles stand in docs/features.md, what is asked of a row in scope.go. A row's
// tests are those of internal/app/rows whose name begins with its number:
// TestRow119_…, TestRow8_Row9_…. A row in scope without a test fails. Rows that are
// screens are shown by tests of the console, "row 15: …", in a browser; where there
// is none the row says so.
//
// patches holds, for every row, a bug that takes its behaviour away, as
// internal/proof/weave reads them, under a heading "row 119: what goes wrong", or
// "row 47 48: …" where rows share it. All of them are woven into one program of
// tests, in which an environment variable chooses one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
)

// tests is the package whose tests show the rows.
const tests = "./internal/app/rows"

func main() {
	patched := flag.Bool("patched", false, "show that each row's test fails under its patch")
	only := flag.String("only", "", "rows to look at, \"43-50,119\"; empty = all")
	jobs := flag.Int("jobs", 2, "patches at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *patched, *only, *jobs); err != nil {
		fmt.Fprintln(os.Stderr, "rows:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, patched bool, only string, jobs int) error {
	titles, err := readTitles("docs/features.md")
	if err != nil {
		return err
	}
	wanted, err := chosen(only)
	if err != nil {
		return err
	}
	if patched {
		return underPatches(ctx, wanted, jobs)
	}
	rows := table(titles, wanted)
	results, broken := runTests(ctx, pattern(wanted))
	if results == nil {
		return broken
	}
	untried := noBrowser()
	if untried == "" && slices.ContainsFunc(rows, func(l line) bool { return l.screen }) {
		screens, failed := runScreens(ctx, wanted)
		maps.Copy(results, screens)
		broken = errors.Join(broken, failed)
	}
	return errors.Join(report(rows, results, untried), broken)
}
