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
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
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
	binaries := map[string]binary{}
	if !list {
		dir, err := os.MkdirTemp("", "fuzz")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binaries = build(ctx, dir, targets)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "package\ttarget\tinputs tried\tnew paths\ttime\tresult")
	failed := 0
	for _, t := range targets {
		if list {
			_, _ = fmt.Fprintf(table, "%s\t%s\n", t.Package, t.Name)
			continue
		}
		r := fuzz(ctx, binaries[t.Package], t, each)
		if r.idle { // all of its time went into its seeds, on a machine that is busy
			r = fuzz(ctx, binaries[t.Package], t, 4*each)
		}
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
	idle               bool // nothing is wrong but that no input was tried
	execs, interesting int
	took               time.Duration
	output             string
}

// binary is the tests of a package, built to be fuzzed.
type binary struct {
	path, cache string
	err         error // why it could not be built
}

// build builds the tests of every package that has targets, several at once.
// "go test -fuzz" would link them anew for each target, on one core.
func build(ctx context.Context, dir string, targets []target) map[string]binary {
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	seen := filepath.Join(strings.TrimSpace(string(cache)), "fuzz") // where "go test" keeps what it found
	out := map[string]binary{}
	var mu sync.Mutex
	var all sync.WaitGroup
	turn := make(chan struct{}, runtime.NumCPU())
	for i, t := range targets {
		if i > 0 && targets[i-1].Package == t.Package {
			continue // they come in the order of their packages
		}
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			b := binary{filepath.Join(dir, strconv.Itoa(i)+".test"), filepath.Join(seen, t.Package), err}
			if b.err == nil {
				// The packages and names come from the module's own source.
				said, err := exec.CommandContext(ctx, "go", "test", "-c", "-fuzz=.", "-o", b.path, "./"+t.Package).CombinedOutput()
				if err != nil {
					b.err = fmt.Errorf("%w: %s", err, said)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			out[t.Package] = b
		})
	}
	all.Wait()
	return out
}

func fuzz(ctx context.Context, b binary, t target, each time.Duration) result {
	start := time.Now()
	if b.err != nil {
		return result{output: b.err.Error()}
	}
	cmd := exec.CommandContext(ctx, b.path, "-test.run=^$", "-test.fuzz=^"+t.Name+"$", "-test.fuzztime="+each.String(),
		"-test.fuzzcachedir="+b.cache)
	cmd.Dir = filepath.FromSlash(t.Package) // where its seeds are, and what breaks it is left
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	r := result{ok: err == nil || cutOff(string(out)), took: time.Since(start), output: string(out)}
	r.execs, r.interesting = progress(r.output)
	if r.ok && r.execs == 0 {
		r.ok, r.idle = false, true // a target that never ran proves nothing
	}
	return r
}
