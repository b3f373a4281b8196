// Command fuzz runs every fuzz target of the module for a while, one after the
// other, and prints a table:
//
//	go run ./scripts/fuzz -time 5s
//
// Targets are found by reading the source: a new one needs no entry anywhere.
// The exit code is 0 only if none failed and at least -min were found. A
// failing target's output is shown in full; the input that broke it stays in
// the package's testdata/fuzz folder, where "go test" runs it from then on.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"text/tabwriter"
	"time"
)

func main() {
	each := flag.Duration("time", 5*time.Second, "how long to run each target")
	only := flag.String("match", "", "regular expression on package.Target")
	least := flag.Int("min", 0, "fail if fewer targets are found")
	list := flag.Bool("list", false, "list the targets, run none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *each, *only, *least, *list); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, each time.Duration, only string, least int, list bool) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	targets, err := discover(os.DirFS("."), match)
	if err != nil {
		return err
	}
	if len(targets) < least {
		return fmt.Errorf("%d targets found, at least %d expected", len(targets), least)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "package\ttarget\tinputs tried\tnew paths\ttime\tresult")
	failed := 0
	for _, t := range targets {
		if list {
			_, _ = fmt.Fprintf(table, "%s\t%s\n", t.Package, t.Name)
			continue
		}
		r := fuzz(ctx, t, each)
		if !r.ok {
			failed++
			fmt.Printf("--- FAIL  %s %s\n%s\n", t.Package, t.Name, r.output)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%.0fs\t%s\n", t.Package, t.Name, r.execs, r.interesting, r.took.Seconds(),
			word(r.ok))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Printf("%d targets, %d failed\n", len(targets), failed)
	if failed > 0 {
		return fmt.Errorf("%d of %d targets failed", failed, len(targets))
	}
	return ctx.Err()
}

func word(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAIL"
}

// result is what became of one target.
type result struct {
	ok                 bool
	execs, interesting int
	took               time.Duration
	output             string
}

func fuzz(ctx context.Context, t target, each time.Duration) result {
	start := time.Now()
	// The packages and names come from the module's own source.
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-fuzz=^"+t.Name+"$", "-fuzztime="+each.String(),
		"./"+t.Package)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	r := result{ok: err == nil || cutOff(string(out)), took: time.Since(start), output: string(out)}
	r.execs, r.interesting = progress(r.output)
	if r.ok && r.execs == 0 {
		r.ok = false // a target that never ran proves nothing
	}
	return r
}
