// Command mutate plants small bugs, one at a time, and asks whether anybody
// notices:
//
//	go run ./scripts/mutate -seed 1 -n 100
//
// A mutant is one changed expression or one statement left out (sites.go). It is
// compiled into its package by an overlay, so that no file of the checkout
// changes, and judged by the package's own tests: the short ones first, then
// all, then the first seeds of the simulation, which sees the engine, the
// reconciler and what they stand on. One that fails to build is no mutant; one
// that makes a test hang is caught by the test's time-out.
//
// The sample is drawn by the seed: the same seed and sources give the same
// mutants. Survivors are listed. One that changes nothing anybody could observe
// may be called equivalent, in equivalent.txt, with an argument; such calls are
// bounded, and counted apart.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// The packages whose bugs would lose data, and what else judges each.
var packages = []string{
	"./internal/engine", "./internal/reconcile", "./internal/api", "./internal/mapping", "./internal/rule",
	"./internal/store/memstore", "./internal/store/sqlitestore", "./internal/store/dynamostore",
	"./internal/queue/memqueue", "./internal/queue/sqlitequeue", "./internal/queue/sqsqueue",
	"./internal/connector/hubspot", "./internal/connector/salesforce", "./internal/connector/paced", "./internal/connector/scan",
}

// The shares that the figure demands.
const (
	wantCaught    = 0.95
	maxEquivalent = 0.05
)

func main() {
	seed := flag.Uint64("seed", 1, "draws the sample")
	n := flag.Int("n", 100, "how many mutants that build to try")
	only := flag.String("packages", strings.Join(packages, ","), "where to plant")
	seeds := flag.Int("sim", 200, "seeds of the simulation for what the tests let through; 0 = none")
	list := flag.Bool("list", false, "list the sample, try none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *seed, *n, strings.Split(*only, ","), *seeds, *list); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, seed uint64, n int, where []string, seeds int, list bool) error {
	var all []mutant
	for _, p := range where {
		found, err := sites(p)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	equivalent, err := readEquivalent("scripts/mutate/equivalent.txt")
	if err != nil {
		return err
	}
	sample := draw(all, seed)
	if list {
		for _, m := range sample[:min(n, len(sample))] {
			fmt.Println(m)
		}
		return nil
	}
	j, err := newJudge(seeds)
	if err != nil {
		return err
	}
	defer j.close()
	count := map[verdict]int{}
	var survivors []mutant
	for _, m := range sample {
		if tried := count[caught] + count[survived] + count[called]; tried >= n || ctx.Err() != nil {
			break
		}
		began := time.Now()
		v, by := j.try(ctx, m)
		if ctx.Err() != nil {
			break
		}
		if v == survived && equivalent[m.key()] != "" {
			v, by = called, equivalent[m.key()]
		}
		if v == survived {
			survivors = append(survivors, m)
		}
		count[v]++
		if v != unbuildable {
			fmt.Printf("%-10s %4.0f s  %s  (%s)\n", v, time.Since(began).Seconds(), m, by)
		}
	}
	return report(count, survivors, len(all), seed)
}

// draw shuffles the mutants so that every package comes in proportion.
func draw(all []mutant, seed uint64) []mutant {
	sample := slices.Clone(all)
	rnd := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a sample that can be drawn again
	rnd.Shuffle(len(sample), func(i, k int) { sample[i], sample[k] = sample[k], sample[i] })
	return sample
}

func report(count map[verdict]int, survivors []mutant, all int, seed uint64) error {
	fmt.Printf("\n%d survivors\n", len(survivors))
	for _, m := range survivors {
		fmt.Printf("  %s\n    key: %s\n", m, m.key())
	}
	tried := count[caught] + count[survived] + count[called]
	if tried == 0 {
		return fmt.Errorf("no mutant could be tried")
	}
	real := tried - count[called]
	score := float64(count[caught]) / float64(max(real, 1))
	fmt.Printf("seed %d: %d mutants of %d places: %d caught, %d survived, %d called equivalent, %d did not build; score %.1f %%\n",
		seed, tried, all, count[caught], count[survived], count[called], count[unbuildable], 100*score)
	if score < wantCaught {
		return fmt.Errorf("%.1f %% caught, want %.0f %%", 100*score, 100*wantCaught)
	}
	if share := float64(count[called]) / float64(tried); share > maxEquivalent {
		return fmt.Errorf("%.1f %% called equivalent, at most %.0f %% may be", 100*share, 100*maxEquivalent)
	}
	return nil
}
