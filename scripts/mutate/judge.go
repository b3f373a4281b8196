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
	dir   string // where it runs
	seeds int    // of the simulation; 0 = it is a program of tests
	flags []string
	parts []part
	all   []part // with those that come by no mutant
}

// part is one test of a judge, or the whole simulation.
type part struct {
	name    string
	took    time.Duration // of a processor, without a mutant: a busy machine makes no test slow
	reached map[int]bool  // the mutants that it comes by
}

// batches are how much of a mutant's tests run at a time, the quick ones first:
// most mutants are caught by those.
var batches = []time.Duration{2 * time.Second, 15 * time.Second, time.Hour}

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
				wrong[i] = j.record(ctx, &all[i], scratch, j.tests(all[i:i+1], 10*time.Minute))
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
		j.all = append(j.all, p)
		if len(p.reached) > 0 {
			j.parts = append(j.parts, p)
		}
	}
	quick := func(a, b part) int { return cmp.Compare(a.took, b.took) }
	slices.SortStableFunc(j.parts, quick)
	slices.SortStableFunc(j.all, quick)
	return j, nil
}

// newSimulation returns the simulation as it was built.
func newSimulation(ctx context.Context, program, scratch string, seeds int) (*judge, error) {
	j := &judge{name: "the simulation", path: program, dir: ".", seeds: seeds}
	p := part{name: "sim"}
	if err := j.record(ctx, &p, scratch, j.simulation()); err != nil {
		return nil, fmt.Errorf("the simulation without a mutant: %w", err)
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

func (j *judge) simulation() []string { return []string{"sim", "--seeds", strconv.Itoa(j.seeds)} }

// record runs a part without a mutant and notes what it reaches.
func (j *judge) record(ctx context.Context, p *part, scratch string, args []string) error {
	file := filepath.Join(scratch, "reached-"+p.name)
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	noticed, took := j.run(ctx, 10*time.Minute, "MUTANT_REACHED="+file, args)
	if noticed {
		return errors.New("it fails")
	}
	p.took = took
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

// notices runs what reaches a mutant with the mutant in place.
func (j *judge) notices(ctx context.Context, number int, most time.Duration) (noticed, asked bool) {
	parts := slices.DeleteFunc(slices.Clone(j.parts), func(p part) bool { return !p.reached[number] })
	asked = len(parts) > 0
	for _, size := range batches {
		size = min(size, most)
		var batch []part
		var sum time.Duration
		for len(parts) > 0 && (len(batch) == 0 || sum+parts[0].took <= size) {
			sum += parts[0].took
			batch, parts = append(batch, parts[0]), parts[1:]
		}
		if len(batch) == 0 {
			break
		}
		limit := 2*time.Minute + 20*sum // one that hangs is noticed, one that waits for a processor is not
		args := j.tests(batch, limit)
		if j.seeds > 0 {
			args = j.simulation()
		}
		if noticed, _ := j.run(ctx, limit+10*time.Second, "MUTANT="+strconv.Itoa(number), args); noticed {
			return true, true
		}
		if size == most {
			break
		}
	}
	return false, asked
}

// crashStride is how many requests the crash test of the engine leaves out.
const crashStride = "CRASH_STRIDE=23"

// run reports whether the program fails, or breaks a promise, and how much of a
// processor it used. Tests are stopped at the first line that says so.
func (j *judge) run(
	ctx context.Context, limit time.Duration, env string, args []string,
) (failed bool, used time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := exec.CommandContext(ctx, j.path, args...)
	c.Dir, c.Env, c.WaitDelay = j.dir, append(os.Environ(), env, "STORE=embedded", crashStride), time.Second
	if j.seeds > 0 { // so few seeds do not reach every rare state, and the exit code says so
		out, _ := c.Output() // a failure lacks the line
		return !strings.Contains(string(out), ": 0 broken promises"), cpu(c)
	}
	w := &watch{stop: cancel}
	c.Stdout = w
	return c.Run() != nil || w.failed, cpu(c)
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
}

func (w *watch) Write(p []byte) (int, error) {
	for _, b := range p {
		if b != '\n' {
			w.line = append(w.line, b)
			continue
		}
		if !w.failed && bytes.HasPrefix(bytes.TrimSpace(w.line), []byte("--- FAIL: ")) {
			w.failed = true
			w.stop()
		}
		w.line = w.line[:0]
	}
	return len(p), nil
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
		if b.alone[n] {
			continue
		}
		if byFile[m.file] == nil {
			byFile[m.file] = map[int][]weave.Place{}
		}
		byFile[m.file][n] = []weave.Place{m.weave}
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
	sim    *judge
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
	if programs[""] != "" {
		b.sim, err = newSimulation(ctx, programs[""], b.dir, b.seeds)
	}
	return err
}

// try asks who notices a mutant.
func (b *bench) try(ctx context.Context, number int) (v verdict, by string) {
	m := b.mutants[number]
	if b.alone[number] {
		return b.trySingle(ctx, number)
	}
	judges := make([]*judge, 0, 4)
	for _, name := range b.beside[m.pkg] {
		judges = append(judges, b.tests[name])
	}
	if b.sim != nil {
		judges = append(judges, b.sim)
	}
	var looked []string
	for _, j := range judges {
		noticed, asked := j.notices(ctx, number, b.most)
		if noticed {
			return caught, j.name
		}
		if asked {
			looked = append(looked, j.name)
		}
	}
	if looked == nil {
		return survived, "nobody comes by"
	}
	return survived, "not by " + strings.Join(looked, ", ")
}

// trySingle compiles a mutant by itself.
func (b *bench) trySingle(ctx context.Context, number int) (v verdict, by string) {
	m := b.mutants[number]
	overlay, err := b.single(number)
	if err != nil {
		return unbuildable, err.Error()
	}
	if err := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", os.DevNull, m.pkg).Run(); err != nil {
		return unbuildable, "the compiler"
	}
	for _, p := range b.beside[m.pkg] {
		program := filepath.Join(b.dir, fmt.Sprintf("single%d.test", number))
		if err := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-c", "-vet=off", "-o", program,
			p).Run(); err != nil {
			return unbuildable, "the compiler"
		}
		j := &judge{path: program, dir: p, flags: b.tests[p].flags}
		var quick []part
		var sum time.Duration
		for _, one := range b.tests[p].all { // what comes by is not known here
			if sum += one.took; sum > b.most {
				break
			}
			quick = append(quick, one)
		}
		noticed, _ := j.run(ctx, 10*time.Minute, "MUTANT=0", j.tests(quick, 10*time.Minute))
		if err := os.Remove(program); err != nil {
			return unbuildable, err.Error()
		}
		if noticed {
			return caught, b.tests[p].name
		}
	}
	if b.seeds == 0 {
		return survived, "nobody"
	}
	program := filepath.Join(b.dir, fmt.Sprintf("single%d", number))
	defer func() { _ = os.Remove(program) }()
	if err := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", program,
		"./functions/local").Run(); err != nil {
		return unbuildable, "the linker"
	}
	j := &judge{path: program, dir: ".", seeds: b.seeds}
	if noticed, _ := j.run(ctx, 10*time.Minute, "MUTANT=0", j.simulation()); noticed {
		return caught, "the simulation"
	}
	return survived, "nobody"
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
