// Command mutate plants small bugs, one at a time, and asks whether anybody
// notices:
//
//	go run ./scripts/mutate -seed 1 -n 100
//
// A mutant is one changed expression or one statement left out (sites.go); what
// asks for an error that cannot be, of encoding our own types, is left alone. All
// mutants of a sample are woven into one program, of which an environment
// variable chooses one (internal/proof/weave), so that nothing is compiled again for each;
// what cannot be woven is compiled by itself, and what fails to build is no
// mutant. No file of the checkout changes. Judges are the package's own tests,
// with -short, and those of the packages that stand on it (below), the quick ones
// first; before the slow ones the first seeds of the simulation, and at last the
// short simulation as "make sim" runs it. Each judge runs once without a mutant and
// notes where it would make a difference on the spot: only what comes by a mutant is
// asked about it. A test has to fail twice. A mutant that makes one hang is caught
// when the same test ends without it.
//
// The sample is drawn by the seed: the same seed and sources give the same
// mutants. Survivors are listed. One that changes nothing anybody could observe
// may be called equivalent, in equivalent.txt, with an argument; such calls are
// bounded, and counted apart.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"
)

// packages are those whose bugs would lose or leak data, and whose tests judge
// each: its own, then those that drive it.
var packages = map[string][]string{
	"./internal/engine":                   {"./internal/engine", "./internal/app", "./internal/app/rows"},
	"./internal/reconcile":                {"./internal/reconcile", "./internal/engine", "./internal/app/rows"},
	"./internal/api":                      {"./internal/api", "./internal/app", "./internal/app/rows"},
	"./internal/account":                  {"./internal/account", "./internal/api", "./internal/app", "./internal/app/rows"},
	"./internal/access":                   {"./internal/access", "./internal/api", "./internal/app", "./internal/app/rows"},
	"./internal/api/idempotency":          {"./internal/api/idempotency", "./internal/api"},
	"./internal/mapping":                  {"./internal/mapping", "./internal/reconcile", "./internal/engine", "./internal/app/rows"},
	"./internal/rule":                     {"./internal/rule", "./internal/reconcile", "./internal/engine", "./internal/app/rows"},
	"./internal/store/memstore":           {"./internal/store/memstore", "./internal/engine"},
	"./internal/store/sqlitestore":        {"./internal/store/sqlitestore", "./internal/app"},
	"./internal/store/dynamostore":        {"./internal/store/dynamostore"},
	"./internal/queue/memqueue":           {"./internal/queue/memqueue"},
	"./internal/queue/sqlitequeue":        {"./internal/queue/sqlitequeue", "./internal/app"},
	"./internal/queue/sqsqueue":           {"./internal/queue/sqsqueue"},
	"./internal/connector/declared":       {"./internal/connector/declared", "./internal/connector/fakes"},
	"./internal/connector/carddav":        {"./internal/connector/carddav", "./internal/app"},
	"./internal/connector/googlecontacts": {"./internal/connector/googlecontacts", "./internal/app"},
	"./internal/connector/hubspot":        {"./internal/connector/hubspot", "./internal/app"},
	"./internal/connector/intercom":       {"./internal/connector/intercom", "./internal/app"},
	"./internal/connector/leadsquared":    {"./internal/connector/leadsquared", "./internal/app"},
	"./internal/connector/realgeeks":      {"./internal/connector/realgeeks", "./internal/app"},
	"./internal/connector/salesforce":     {"./internal/connector/salesforce", "./internal/app"},
	"./internal/connector/pipedrive":      {"./internal/connector/pipedrive", "./internal/app"},
	"./internal/connector/kept":           {"./internal/connector/kept", "./internal/app"},
	"./internal/connector/paced":          {"./internal/connector/paced"},
	"./internal/connector/hook": {
		"./internal/connector/hook", "./internal/connector/hubspot", "./internal/connector/salesforce",
	},
	"./internal/connector/rest": {
		"./internal/connector/rest", "./internal/connector/hubspot", "./internal/connector/salesforce",
	},
	"./internal/connector/rows": {
		"./internal/connector/rows", "./internal/connector/hubspot", "./internal/connector/salesforce",
	},
	"./internal/connector/scan": {
		"./internal/connector/scan", "./internal/connector/hubspot", "./internal/connector/salesforce",
	},
	"./functions/api":     {"./functions/api"},
	"./functions/keeper":  {"./functions/keeper"},
	"./functions/pull":    {"./functions/pull"},
	"./functions/sync":    {"./functions/sync"},
	"./functions/webhook": {"./functions/webhook"},
}

// The shares that the figure demands.
const (
	wantCaught    = 0.95
	maxEquivalent = 0.05
)

// options are the flags.
type options struct {
	seed  uint64
	n     int
	where []string
	sim   int
	jobs  int
	own   bool
	most  time.Duration
	out   string
	hand  bool
	list  bool
	again string
	build string
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "draws the sample")
	flag.IntVar(&o.n, "n", 100, "how many mutants that build to try")
	only := flag.String("packages", strings.Join(slices.Sorted(maps.Keys(packages)), ","), "where to plant")
	flag.IntVar(&o.sim, "sim", 200,
		"seeds of the simulation for what the quick tests let through, and the short one for what all do; 0 = neither")
	flag.IntVar(&o.jobs, "jobs", 2, "mutants at a time")
	flag.BoolVar(&o.own, "own", false, "ask a package's own tests only, and no simulation: quick, and a lower bound")
	flag.DurationVar(&o.most, "most", time.Hour,
		"of a judge's tests, ask the quick ones that take this long together: a lower bound, too")
	flag.StringVar(&o.out, "survivors", "",
		"write the survivors to this `file` as they are found: the lines, and the tests that came by")
	flag.BoolVar(&o.hand, "planted", false, "try the bugs of planted.txt, all of them")
	flag.BoolVar(&o.list, "list", false, "list the sample, try none")
	flag.StringVar(&o.again, "again", "", "a `file` of keys, one a line: try these and no others")
	flag.StringVar(&o.build, "build", "",
		"leave the woven programs in this `folder`, print the numbers to choose by MUTANT, try none")
	flag.Parse()
	o.where = strings.Split(*only, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// gather finds the mutants to draw from.
func gather(o *options) ([]mutant, error) {
	if o.hand {
		bugs, err := plantedBugs(plantedText)
		if err != nil {
			return nil, err
		}
		bugs = slices.DeleteFunc(bugs, func(m mutant) bool { return !slices.Contains(o.where, m.pkg) })
		o.n = len(bugs)
		return bugs, nil
	}
	var all []mutant
	for _, p := range o.where {
		if packages[p] == nil {
			return nil, fmt.Errorf("%s is none of the packages", p)
		}
		found, err := sites(p)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func run(ctx context.Context, o options) (err error) {
	all, err := gather(&o)
	if err != nil {
		return err
	}
	sample, err := drawn(all, &o)
	if err != nil {
		return err
	}
	if o.list {
		for _, m := range sample[:min(o.n, len(sample))] {
			fmt.Println(m)
		}
		return nil
	}
	equivalent, err := readEquivalent("scripts/mutate/equivalent.txt")
	if err != nil {
		return err
	}
	dir := o.build
	if dir == "" {
		if dir, err = os.MkdirTemp("", "mutate"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	}
	judges := packages
	if o.own {
		o.sim, judges = 0, map[string][]string{}
		for p, by := range packages {
			judges[p] = by[:1]
		}
	}
	b := &bench{
		builder: builder{dir: dir, mutants: map[int]mutant{}, alone: map[int]bool{}}, beside: judges, seeds: o.sim,
		jobs: max(o.jobs, 1), most: o.most,
	}
	for i, m := range sample {
		b.mutants[i+1] = m
	}
	if o.build != "" {
		for n := range len(sample) {
			fmt.Printf("%d  %s\n", n+1, sample[n])
		}
		_, err := b.compile(ctx)
		return err
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	t := tally{bench: b, wanted: o.n, equivalent: equivalent, count: map[string]map[verdict]int{}}
	if o.out != "" {
		if t.out, err = os.Create(o.out); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.out.Close()) }()
	}
	t.work(ctx, b.jobs)
	return t.report(len(all), o.seed)
}

// drawn is the sample, with some to spare for those that do not build.
func drawn(all []mutant, o *options) ([]mutant, error) {
	if o.again == "" {
		sample := draw(all, o.seed)
		return sample[:min(o.n+o.n/4+1, len(sample))], nil
	}
	text, err := os.ReadFile(o.again)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for line := range bytes.Lines(text) {
		keys[strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(string(line)), "key: "))] = true
	}
	sample := slices.DeleteFunc(all, func(m mutant) bool { return !keys[m.key()] })
	o.n = len(sample)
	return sample, nil
}

// draw shuffles the mutants so that every package comes in proportion.
func draw(all []mutant, seed uint64) []mutant {
	sample := slices.Clone(all)
	rnd := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a sample that can be drawn again
	rnd.Shuffle(len(sample), func(i, k int) { sample[i], sample[k] = sample[k], sample[i] })
	return sample
}

// tally goes through a sample and counts.
type tally struct {
	bench      *bench
	wanted     int
	equivalent map[string]string

	mu        sync.Mutex
	next      int                        // number of the last mutant that was handed out
	busy      int                        // mutants that are being tried
	count     map[string]map[verdict]int // by package
	survivors []mutant
	out       *os.File // of the survivors, or nil
}

// sum counts over all packages.
func (t *tally) sum(vs ...verdict) (n int) {
	for _, of := range t.count {
		for _, v := range vs {
			n += of[v]
		}
	}
	return n
}

func (t *tally) tried() int { return t.sum(caught, survived, called) }

// take hands out the next mutant; 0 when those at work would be enough.
func (t *tally) take() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next >= len(t.bench.mutants) || t.tried()+t.busy >= t.wanted {
		return 0
	}
	t.next++
	t.busy++
	return t.next
}

// work tries the mutants, some at a time.
func (t *tally) work(ctx context.Context, jobs int) {
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for n := t.take(); n != 0 && ctx.Err() == nil; n = t.take() {
				t.try(ctx, n)
			}
		})
	}
	wg.Wait()
}

func (t *tally) try(ctx context.Context, n int) {
	m, began := t.bench.mutants[n], time.Now()
	v, by := t.bench.try(ctx, n)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy--
	if ctx.Err() != nil {
		return
	}
	if argument := t.equivalent[m.key()]; v == survived && argument != "" {
		v, by = called, argument
	}
	if v == survived {
		t.survivors = append(t.survivors, m)
		if t.out != nil {
			_, err := fmt.Fprintf(t.out, "%s:%d %s\n  key: %s\n%s%s\n", m.file, m.line, m.function, m.key(), m.diff(),
				t.bench.passed(n))
			if err != nil {
				fmt.Println("the survivors are not written:", err)
			}
		}
	}
	if t.count[m.pkg] == nil {
		t.count[m.pkg] = map[verdict]int{}
	}
	t.count[m.pkg][v]++
	fmt.Printf("%-10s %4.0f s  %s  (%s)\n", v, time.Since(began).Seconds(), m, by)
}

func (t *tally) report(all int, seed uint64) error {
	fmt.Printf("\n%d survivors\n", len(t.survivors))
	for _, m := range t.survivors {
		fmt.Printf("  %s\n    key: %s\n", m, m.key())
	}
	tried := t.tried()
	if tried == 0 {
		return errors.New("no mutant could be tried")
	}
	fmt.Printf("\n%-34s %7s %7s %9s %11s %s\n", "package", "mutants", "caught", "survived", "equivalent", "share caught")
	for _, pkg := range slices.Sorted(maps.Keys(t.count)) {
		c := t.count[pkg]
		n := c[caught] + c[survived] + c[called]
		fmt.Printf("%-34s %7d %7d %9d %11d %.1f %%\n", pkg, n, c[caught], c[survived], c[called],
			100*float64(c[caught])/float64(max(n-c[called], 1)))
	}
	score := float64(t.sum(caught)) / float64(max(tried-t.sum(called), 1))
	fmt.Printf("seed %d: %d mutants of %d places: %d caught, %d survived, %d called equivalent, %d did not build; "+
		"score %.1f %%\n",
		seed, tried, all, t.sum(caught), t.sum(survived), t.sum(called), t.sum(unbuildable), 100*score)
	if score < wantCaught {
		return fmt.Errorf("%.1f %% caught, want %.0f %%", 100*score, 100*wantCaught)
	}
	if share := float64(t.sum(called)) / float64(tried); share > maxEquivalent {
		return fmt.Errorf("%.1f %% called equivalent, at most %.0f %% may be", 100*share, 100*maxEquivalent)
	}
	return nil
}
