package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/weave"
)

// verdict is what became of a mutant.
type verdict string

const (
	caught      verdict = "caught"
	survived    verdict = "SURVIVED"
	called      verdict = "equivalent"
	unbuildable verdict = "no build"
)

// judge is a program that holds all woven mutants and notices some.
type judge struct {
	name  string // "tests of ./internal/api", "simulation"
	path  string
	dir   string   // where it runs
	sim   []string // what the simulation is called with; nil = it is a program of tests
	wants string   // what the simulation says when it noticed nothing; "" = its exit code tells
	flags []string
	parts []part
}

// part is one test of a judge, or the whole simulation.
type part struct {
	name    string
	took    time.Duration // of a processor, without a mutant: a busy machine makes no test slow
	reached map[int]bool  // the mutants that it comes by
}

// rounds are how much of a mutant's tests each judge runs at a time, the quick ones
// first: most mutants are caught by those.
var rounds = []time.Duration{2 * time.Second, 15 * time.Second, time.Hour}

// simulates is the round before which the simulation's first seeds are asked.
const simulates = 2

// newTests returns the tests of a package as they were built, and what each
// reaches, some tests at a time.
func newTests(ctx context.Context, pkg, program, scratch string, jobs int) (*judge, error) {
	j := &judge{name: "tests of " + pkg, path: program, dir: pkg}
	// A property that a mutant breaks would leave its example in the checkout.
	j.flags = []string{"-rapid.nofailfile"}
	out, err := exec.CommandContext(ctx, program, append(j.flags, "-test.list", "^Test")...).Output()
	if err != nil {
		j.flags = nil // there are none
		out, err = exec.CommandContext(ctx, program, "-test.list", "^Test").Output()
	}
	if err != nil {
		return nil, fmt.Errorf("list the %s: %w", j.name, err)
	}
	var names []string
	for name := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(name, "Test") {
			names = append(names, name)
		}
	}
	all, wrong := make([]part, len(names)), make([]error, len(names))
	next := make(chan int)
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for i := range next {
				all[i].name = names[i]
				for range 2 { // a busy machine makes one fail now and then
					if wrong[i] = j.record(ctx, &all[i], scratch, j.tests(all[i:i+1], 10*time.Minute)); wrong[i] == nil {
						break
					}
				}
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for i, p := range all {
		if wrong[i] != nil {
			fmt.Printf("%s fails without a mutant and judges none\n", p.name)
			continue
		}
		if len(p.reached) > 0 {
			j.parts = append(j.parts, p)
		}
	}
	slices.SortStableFunc(j.parts, func(a, b part) int { return cmp.Compare(a.took, b.took) })
	return j, nil
}

// newSimulation returns the simulation as it was built, of some seeds; 0 is the short
// one as "make sim" runs it.
func newSimulation(ctx context.Context, program, scratch string, seeds int) (*judge, error) {
	j := &judge{name: "the short simulation", path: program, dir: ".", sim: []string{"sim"}}
	if seeds > 0 { // so few do not reach every rare state, and the exit code says so
		j.name, j.wants = "the simulation's first seeds", ": 0 broken promises"
		j.sim = append(j.sim, "--seeds", strconv.Itoa(seeds))
	}
	p := part{name: "sim"}
	if err := j.record(ctx, &p, scratch, j.sim); err != nil {
		return nil, fmt.Errorf("%s without a mutant: %w", j.name, err)
	}
	j.parts = []part{p}
	return j, nil
}

func (j *judge) tests(parts []part, limit time.Duration) []string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return append([]string{
		"-test.short", "-test.v", "-test.failfast", "-test.timeout", limit.String(), "-test.run",
		"^(" + strings.Join(names, "|") + ")$",
	}, j.flags...)
}

// record runs a part without a mutant and notes what it reaches.
func (j *judge) record(ctx context.Context, p *part, scratch string, args []string) error {
	file := filepath.Join(scratch, "reached-"+p.name)
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	r := j.run(ctx, 30*time.Minute, "MUTANT_REACHED="+file, args)
	if r.failed {
		return errors.New("it fails")
	}
	p.took = r.used
	p.reached = map[int]bool{}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for word := range strings.FieldsSeq(string(text)) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		p.reached[n] = true
	}
	return nil
}

// court is a judge that looks at one mutant.
type court struct {
	*judge
	number int    // by which its program has the mutant
	left   []part // what comes by the mutant and was not asked
	asked  bool
	build  func(ctx context.Context) error // of a program with this mutant alone; nil = there is one
	plain  *judge                          // the same without it; nil = its program has that, too
}

// sit asks the quickest of what is left, as much as takes this long together, and
// says which test noticed the mutant. One that fails has to fail again, and one that
// hangs must not hang without the mutant: a busy machine does either to a test.
func (c *court) sit(ctx context.Context, size time.Duration) (noticed bool, by string, err error) {
	var batch []part
	var sum time.Duration
	for len(c.left) > 0 && (len(batch) == 0 || sum+c.left[0].took <= size) {
		sum += c.left[0].took
		batch, c.left = append(batch, c.left[0]), c.left[1:]
	}
	if len(batch) > 0 && c.build != nil {
		if err := c.build(ctx); err != nil {
			return false, "", err
		}
		c.build = nil
	}
	for len(batch) > 0 && ctx.Err() == nil {
		c.asked = true
		r := c.ask(ctx, c.number, batch)
		if !r.failed {
			break
		}
		if c.sure(ctx, batch, r) {
			return true, r.told(), nil
		}
		at := max(0, slices.IndexFunc(batch, func(p part) bool { return p.name == r.test }))
		fmt.Printf("%s failed, and not again: it is not counted\n", batch[at].name)
		batch = slices.Delete(batch, at, at+1)
	}
	return false, "", nil
}

// sure asks once more.
func (c *court) sure(ctx context.Context, batch []part, r result) bool {
	if r.late {
		return !c.without(ctx, batch).failed
	}
	if c.sim != nil { // a seed does the same each time
		return true
	}
	if at := slices.IndexFunc(batch, func(p part) bool { return p.name == r.test }); at >= 0 {
		batch = batch[at : at+1]
	}
	return c.ask(ctx, c.number, batch).failed
}

// without asks the same without the mutant.
func (c *court) without(ctx context.Context, batch []part) result {
	if c.plain == nil {
		return c.ask(ctx, 0, batch)
	}
	return c.plain.ask(ctx, 0, batch)
}

// ask runs parts of a judge with a mutant in place; 0 is none.
func (j *judge) ask(ctx context.Context, number int, batch []part) result {
	var sum time.Duration
	for _, p := range batch {
		sum += p.took
	}
	limit := 2*time.Minute + 20*sum // one that hangs is noticed, one that waits for a processor is not
	args := j.sim
	if args == nil {
		args = j.tests(batch, limit)
	}
	return j.run(ctx, limit+10*time.Second, "MUTANT="+strconv.Itoa(number), args)
}

// crashStride is how many requests the crash test of the engine leaves out.
const crashStride = "CRASH_STRIDE=23"

// result is what came of a run.
type result struct {
	failed bool          // or a promise was broken
	late   bool          // its time was over
	test   string        // which of the tests; "" = it is not told
	used   time.Duration // of a processor
}

// told says it in the list of mutants.
func (r result) told() string {
	if r.late {
		return "it hangs"
	}
	return r.test
}

// run runs the program. Tests are stopped at the first line that says that one
// failed.
func (j *judge) run(ctx context.Context, limit time.Duration, env string, args []string) result {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := exec.CommandContext(ctx, j.path, args...)
	c.Dir, c.Env, c.WaitDelay = j.dir, append(os.Environ(), env, "STORE=embedded", crashStride), time.Second
	if j.sim != nil {
		out, err := c.Output()
		failed := err != nil
		if j.wants != "" { // a failure lacks the line
			failed = !strings.Contains(string(out), j.wants)
		}
		return result{failed: failed, late: errors.Is(ctx.Err(), context.DeadlineExceeded), used: cpu(c)}
	}
	w := &watch{stop: cancel}
	c.Stdout, c.Stderr = w, w
	failed := c.Run() != nil || w.failed
	late := w.late || errors.Is(ctx.Err(), context.DeadlineExceeded)
	return result{failed: failed, late: late && !w.failed, test: w.test, used: cpu(c)}
}

// cpu is what a program that has ended used of the processors.
func cpu(c *exec.Cmd) time.Duration {
	if c.ProcessState == nil { // it never began
		return 0
	}
	return c.ProcessState.UserTime() + c.ProcessState.SystemTime()
}

// watch looks for a failure in what tests print.
type watch struct {
	stop   func()
	line   []byte
	failed bool
	late   bool
	test   string
}

func (w *watch) Write(p []byte) (int, error) {
	for _, b := range p {
		if b != '\n' {
			w.line = append(w.line, b)
			continue
		}
		w.read(string(bytes.TrimSpace(w.line)))
		w.line = w.line[:0]
	}
	return len(p), nil
}

func (w *watch) read(line string) {
	if strings.HasPrefix(line, "panic: test timed out") {
		w.late = true
	}
	if name, found := strings.CutPrefix(line, "--- FAIL: "); found && !w.failed && !w.late {
		w.failed = true
		w.test, _, _ = strings.Cut(strings.Fields(name + " ")[0], "/")
		w.stop()
	}
}

// builder compiles woven mutants, and sorts out those that cannot be woven.
type builder struct {
	dir     string
	mutants map[int]mutant
	alone   map[int]bool // has to be compiled by itself
}

// overlay writes the woven files of what is left.
func (b *builder) overlay() (string, error) {
	byFile := map[string]map[int][]weave.Place{}
	for n, m := range b.mutants {
		place := m.weave
		if b.alone[n] { // who comes into its function is told
			if m.body == 0 {
				continue
			}
			at := &[2]int{m.body, m.body}
			place = weave.Place{From: m.body, To: m.body, Ends: at, Before: " " + weave.Is + "(%d); "}
		}
		if byFile[m.file] == nil {
			byFile[m.file] = map[int][]weave.Place{}
		}
		byFile[m.file][n] = []weave.Place{place}
	}
	return weave.Overlay(b.dir, byFile)
}

// complaint is where the compiler finds something wrong, and what.
var complaint = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):\d+: (.*)$`)

// wanted is the type that a literal has to have where it stands.
var wanted = []*regexp.Regexp{
	regexp.MustCompile(`value of type int\) as ([\w.]+) value`),
	regexp.MustCompile(`mismatched types ([\w.]+) and int\)`),
	regexp.MustCompile(`mismatched types int and ([\w.]+)\)`),
}

// typed gives a literal the type that the compiler misses, once.
func (b *builder) typed(n int, message string) bool {
	m := b.mutants[n]
	if m.weave.After != oneMore {
		return false
	}
	for _, find := range wanted {
		if found := find.FindStringSubmatch(message); found != nil {
			m.weave.After = " + " + found[1] + "(" + weave.One + "(%d)))"
			b.mutants[n] = m
			return true
		}
	}
	return false
}

// keepApart takes out of the weave what replaces a place of another mutant, and
// what cannot stand beside the original.
func (b *builder) keepApart() {
	for n, m := range b.mutants {
		if m.weave.Before == "" && m.weave.Between == "" { // a statement that is in no list
			b.alone[n] = true
		}
		for k, o := range b.mutants {
			if k < n && m.file == o.file && m.weave.Whole && o.weave.Whole && m.from < o.to && o.from < m.to {
				b.alone[n] = true
			}
		}
	}
}

// settle compiles the packages until only what can be woven is left.
func (b *builder) settle(ctx context.Context, pkgs []string) error {
	for range 30 {
		overlay, err := b.overlay()
		if err != nil {
			return err
		}
		out, err := exec.CommandContext(ctx, "go",
			slices.Concat([]string{"build", "-overlay", overlay, "-gcflags=-e", "-o", os.DevNull}, pkgs)...).CombinedOutput()
		if err == nil {
			return nil
		}
		if b.sort(out) == 0 {
			return fmt.Errorf("the woven mutants do not build: %w\n%s", err, out)
		}
	}
	return errors.New("the woven mutants do not build")
}

// sort takes the mutants that the compiler complains of out of the weave.
func (b *builder) sort(out []byte) (taken int) {
	for _, at := range complaint.FindAllSubmatch(out, -1) {
		line, err := strconv.Atoi(string(at[2]))
		if err != nil {
			continue
		}
		before, found := 0, false
		for n, m := range b.mutants {
			if b.alone[n] || filepath.Base(string(at[1])) != weave.Name(m.file) {
				continue
			}
			if m.line <= line && line <= m.end {
				if !b.typed(n, string(at[3])) {
					b.alone[n] = true
				}
				found = true
				taken++
			} else if m.line < line && m.line > b.mutants[before].line {
				before = n
			}
		}
		if !found && before != 0 && !b.alone[before] { // "missing return" stands at the end of its function
			b.alone[before] = true
			taken++
		}
	}
	return taken
}

// single writes the overlay of one mutant that cannot be woven.
func (b *builder) single(number int) (string, error) {
	m := b.mutants[number]
	src, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	to := filepath.Join(b.dir, fmt.Sprintf("single%d.go", number))
	if err := os.WriteFile(to, []byte(string(src[:m.from])+m.is+string(src[m.to:])), 0o600); err != nil {
		return "", err
	}
	name := filepath.Join(b.dir, fmt.Sprintf("overlay%d.json", number))
	return name, weave.Replace(name, map[string]string{path: to})
}

// bench has all judges of a sample.
type bench struct {
	builder
	beside map[string][]string // the packages whose tests judge, by package
	tests  map[string]*judge
	sims   []*judge // the first seeds, then the short simulation
	seeds  int
	jobs   int
	most   time.Duration // of a judge's tests that are asked
}

// passed lists the tests that came by a mutant and let it through.
func (b *bench) passed(number int) string {
	var out strings.Builder
	for _, by := range b.beside[b.mutants[number].pkg] {
		var names []string
		for _, p := range b.tests[by].parts {
			if p.reached[number] {
				names = append(names, p.name)
			}
		}
		if more := len(names) - 12; more > 0 {
			names = append(names[:12], fmt.Sprintf("and %d more", more))
		}
		if names != nil {
			fmt.Fprintf(&out, "  passed by %s: %s\n", b.tests[by].name, strings.Join(names, " "))
		}
	}
	return out.String()
}

// compile builds the programs of all judges, by package; "" is the simulation.
func (b *bench) compile(ctx context.Context) (map[string]string, error) {
	var pkgs []string
	for _, m := range b.mutants {
		pkgs = append(pkgs, m.pkg)
	}
	slices.Sort(pkgs)
	pkgs = slices.Compact(pkgs)
	b.keepApart()
	if err := b.settle(ctx, pkgs); err != nil {
		return nil, err
	}
	overlay, err := b.overlay()
	if err != nil {
		return nil, err
	}
	programs := map[string]string{}
	for _, p := range pkgs {
		for _, by := range b.beside[p] {
			if programs[by] != "" {
				continue
			}
			programs[by] = filepath.Join(b.dir, strings.NewReplacer("./", "", "/", "_").Replace(by)+".test")
			if out, err := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-c", "-vet=off", "-o", programs[by],
				by).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("build the tests of %s: %w\n%s", by, err, out)
			}
		}
	}
	if b.seeds > 0 {
		programs[""] = filepath.Join(b.dir, "lockstep")
		if out, err := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", programs[""],
			"./functions/local").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the simulation: %w\n%s", err, out)
		}
	}
	return programs, nil
}

// open builds the judges and lets each run once without a mutant.
func (b *bench) open(ctx context.Context) error {
	programs, err := b.compile(ctx)
	if err != nil {
		return err
	}
	b.tests = map[string]*judge{}
	for _, by := range slices.Sorted(maps.Keys(programs)) {
		if by == "" {
			continue
		}
		began := time.Now()
		if b.tests[by], err = newTests(ctx, by, programs[by], b.dir, b.jobs); err != nil {
			return err
		}
		fmt.Printf("%s: %d of them come by a mutant, %.0f s\n", b.tests[by].name, len(b.tests[by].parts),
			time.Since(began).Seconds())
	}
	if programs[""] == "" {
		return nil
	}
	for _, seeds := range []int{b.seeds, 0} {
		began := time.Now()
		sim, err := newSimulation(ctx, programs[""], b.dir, seeds)
		if err != nil && ctx.Err() == nil {
			fmt.Printf("%v: it judges none\n", err)
			continue
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s: %.0f s\n", sim.name, time.Since(began).Seconds())
		b.sims = append(b.sims, sim)
	}
	return nil
}

// courts are those that look at a mutant: tests, then what simulates.
func (b *bench) courts(ctx context.Context, number int) (tests, sims []*court, err error) {
	m := b.mutants[number]
	open := func(j *judge) *court {
		c := &court{judge: j, number: number}
		for _, p := range j.parts {
			if p.reached[number] {
				c.left = append(c.left, p)
			}
		}
		return c
	}
	for _, name := range b.beside[m.pkg] {
		tests = append(tests, open(b.tests[name]))
	}
	for _, j := range b.sims {
		sims = append(sims, open(j))
	}
	if !b.alone[number] {
		return tests, sims, nil
	}
	overlay, err := b.single(number)
	if err != nil {
		return nil, nil, err
	}
	for i, c := range slices.Concat(tests, sims) {
		own := *c.judge
		own.path = filepath.Join(b.dir, fmt.Sprintf("single%d_%d", number, i))
		c.plain, c.judge, c.number = c.judge, &own, 0
		if m.body == 0 && c.sim == nil { // what comes by is not known
			c.left = slices.Clone(own.parts)
		}
		args := []string{"build", "-overlay", overlay, "-o", own.path, "./functions/local"}
		if c.sim == nil {
			args = []string{"test", "-overlay", overlay, "-c", "-vet=off", "-o", own.path, b.beside[m.pkg][i]}
		}
		c.build = func(ctx context.Context) error { return exec.CommandContext(ctx, "go", args...).Run() }
	}
	return tests, sims, exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", os.DevNull, m.pkg).Run()
}

// try asks who notices a mutant: the quick tests of each judge first.
func (b *bench) try(ctx context.Context, number int) (v verdict, by string) {
	tests, sims, err := b.courts(ctx, number)
	all := slices.Concat(tests, sims)
	defer func() {
		for _, c := range all {
			if c.plain != nil {
				_ = os.Remove(c.path) // it may not have been built
			}
		}
	}()
	if err != nil {
		return unbuildable, "the compiler"
	}
	sit := func(c *court, size time.Duration) bool {
		noticed, test, err := c.sit(ctx, size)
		switch {
		case err != nil:
			v, by = unbuildable, "the compiler"
		case noticed:
			v, by = caught, strings.TrimSuffix(c.name+": "+test, ": ")
		}
		return err != nil || noticed
	}
	for i, size := range rounds {
		if i == simulates && len(sims) > 1 && sit(sims[0], size) {
			return v, by
		}
		for _, c := range tests {
			if sit(c, min(size, b.most)) {
				return v, by
			}
		}
		if size >= b.most {
			break
		}
	}
	for _, c := range sims {
		if sit(c, time.Hour) {
			return v, by
		}
	}
	var looked []string
	for _, c := range all {
		if c.asked {
			looked = append(looked, c.name)
		}
	}
	if looked == nil {
		return survived, "nobody comes by"
	}
	return survived, "not by " + strings.Join(looked, ", ")
}

// readEquivalent reads the mutants that change nothing: "key # argument" a line.
func readEquivalent(name string) (map[string]string, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range bytes.Lines(b) {
		line := strings.TrimSpace(string(line))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, argument, found := strings.Cut(line, " # ")
		if !found || strings.TrimSpace(argument) == "" {
			return nil, errors.New("equivalent.txt: every line needs an argument after \" # \": " + line)
		}
		out[strings.TrimSpace(key)] = strings.TrimSpace(argument)
	}
	return out, nil
}
