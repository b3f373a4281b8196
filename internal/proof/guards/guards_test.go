package guards

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/sim"
	"github.com/lockstep-crm/lockstep/internal/proof/weave"
)

//go:embed guards.txt
var guardsText string

// fewest is how many measures the table has at least: they become more, not fewer.
const fewest = 47

// openSeeds are seeds of a workload that break a promise with every guard in
// place and are not mended yet; docs/simulation.md tells of them. They show
// nothing of a guard, so the next seed that fails is looked at.
var openSeeds = map[string]string{}

// guard is one safety measure.
type guard struct {
	name, workload string
	number         int // that MUTANT chooses
	patch          weave.Patch
}

// guards reads the table against the sources.
func guards() ([]guard, error) {
	patches, err := weave.Patches(guardsText)
	if err != nil {
		return nil, fmt.Errorf("guards.txt: %w", err)
	}
	var out []guard
	for i, p := range patches {
		parts := strings.Split(p.Name, " | ")
		if len(parts) != 3 {
			return nil, fmt.Errorf("guards.txt: %q is not name, workload and purpose", p.Name)
		}
		if !slices.Contains(sim.Workloads(), parts[1]) {
			return nil, fmt.Errorf("guards.txt: %s: %q is no workload of the simulation", parts[0], parts[1])
		}
		out = append(out, guard{name: parts[0], workload: parts[1], number: i + 1, patch: p})
	}
	return out, nil
}

// atTheRoot goes to the root of the module, which the table's places begin at.
func atTheRoot(t *testing.T) {
	t.Helper()
	t.Chdir(filepath.Join("..", "..", ".."))
}

// TestTable: every measure has its places in the sources, its name to itself and
// its row in docs/simulation.md, which has no others.
func TestTable(t *testing.T) {
	atTheRoot(t)
	list, err := guards()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < fewest {
		t.Errorf("%d guards, want %d or more", len(list), fewest)
	}
	text, err := os.ReadFile("docs/simulation.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Guards\n")
	if !found {
		t.Fatal("docs/simulation.md has no section of guards")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]bool{}
	for line := range strings.Lines(section) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ = strings.Cut(name, "`")
			rows[name] = true
		}
	}
	for _, g := range list {
		if !rows[g.name] {
			t.Errorf("%s: twice in guards.txt, or without a row in docs/simulation.md", g.name)
		}
		delete(rows, g.name)
	}
	for name := range rows {
		t.Errorf("docs/simulation.md tells of a guard %s that guards.txt does not have", name)
	}
}

// order is what the woven program is asked for, by the variable askedBy.
type order struct {
	Workload               string
	Seeds, Workers, Enough int
}

const askedBy = "GUARDS_ORDER"

// answer is what it found.
type answer struct {
	Seeds, Steps, Writes int64
	Violations           []sim.Violation
}

func (o *order) run() answer {
	r := sim.Run(sim.Options{Workload: o.Workload, Seeds: o.Seeds, Workers: o.Workers, Enough: o.Enough})
	return answer{r.Seeds, r.Steps, r.Writes, r.Violations}
}

// TestMain makes the tests of this package, compiled from woven sources, the
// program that runs without a measure.
func TestMain(m *testing.M) {
	text := os.Getenv(askedBy)
	if text == "" {
		os.Exit(m.Run())
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(o.run()); err != nil {
		panic(err)
	}
}

// weaver compiles all measures' absences into one program.
func weaver(t *testing.T, list []guard) (program string) {
	t.Helper()
	files := map[string]map[int][]weave.Place{}
	for _, g := range list {
		for _, h := range g.patch.Hunks {
			if files[h.File] == nil {
				files[h.File] = map[int][]weave.Place{}
			}
			files[h.File][g.number] = append(files[h.File][g.number], h.Place())
		}
	}
	dir := t.TempDir()
	overlay, err := weave.Overlay(dir, files)
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "woven.test")
	args := []string{"test", "-overlay", overlay, "-vet=off", "-c", "-o", program, "./internal/proof/guards"}
	c := exec.CommandContext(t.Context(), "go", args...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("the woven program does not build: %v\n%s", err, out)
	}
	return program
}

// without runs the woven program without a measure; 0 = with all.
func without(t *testing.T, program string, number int, o order) answer {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program)
	c.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(number), askedBy+"="+string(text))
	var told bytes.Buffer
	c.Stderr = &told
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, told.String())
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return a
}

// TestGuards takes one safety measure away at a time and lets the simulation
// find out, within the first seeds of the measure's own workload. A guard whose
// absence nobody notices is dead code or a missing check; a seed that fails with
// all guards in place shows nothing. SEEDS=200 goes through so many seeds of
// each instead and prints the shares that docs/simulation.md shows;
// GUARDS=lease,claim chooses some, WORKLOAD=stale another workload,
// WORKLOAD=default the mix of the short run.
func TestGuards(t *testing.T) {
	if testing.Short() {
		t.Skip("the simulation takes turns on one processor; the race detector would see nothing in it and take minutes")
	}
	atTheRoot(t)
	list, err := guards()
	if err != nil {
		t.Fatal(err)
	}
	program := weaver(t, list)
	// Woven and not asked for anything, it goes the way of the product, step by step.
	plain := order{Workload: "crash", Seeds: 3, Workers: 1}
	if got, want := without(t, program, 0, plain), plain.run(); got.Steps != want.Steps || got.Writes != want.Writes {
		t.Errorf("the woven program took %d steps and %d writes, the product %d and %d",
			got.Steps, got.Writes, want.Steps, want.Writes)
	}
	if s := os.Getenv("GUARDS"); s != "" {
		list = slices.DeleteFunc(list, func(g guard) bool { return !slices.Contains(strings.Split(s, ","), g.name) })
	}
	rows := map[string]string{}
	for _, g := range list {
		t.Run(g.name, func(t *testing.T) {
			if row := caught(t, program, g); row != "" {
				rows[g.name] = row
			}
		})
	}
	table := strings.Join(slices.Sorted(maps.Values(rows)), "")
	const heads = "guard             workload   promise   seeds      first"
	t.Logf("%d of %d guards caught\n%s\n%s", len(rows), len(list), heads, table)
}

// asked is what to run without a measure.
func asked(t *testing.T, g guard) order {
	t.Helper()
	o := order{Workload: g.workload, Seeds: 400, Workers: 2, Enough: 2}
	switch w := os.Getenv("WORKLOAD"); w {
	case "":
	case "default": // the run of bin/lockstep sim, up to the first seed that notices
		o.Workload, o.Seeds, o.Enough = "", 2000, 1
	default:
		o.Workload = w
	}
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil {
		o.Seeds, o.Enough = n, 0
	}
	return o
}

// caught returns the guard's row of the table, if its absence is noticed.
func caught(t *testing.T, program string, g guard) (row string) {
	t.Helper()
	o := asked(t, g)
	r := without(t, program, g.number, o)
	n := len(r.Violations)
	if n == 0 {
		t.Errorf("%d seeds of %q went by without it", r.Seeds, o.Workload)
		return ""
	}
	with := func(seed uint64) []sim.Violation {
		return sim.Seed(seed, &sim.Options{Workload: o.Workload}).Violations
	}
	v := r.Violations[0]
	if why := openSeeds[fmt.Sprintf("%s/%d", o.Workload, v.Seed)]; why != "" && n > 1 {
		if len(with(v.Seed)) == 0 {
			t.Errorf("seed %d of %q holds now: take it out of openSeeds", v.Seed, o.Workload)
		}
		v = r.Violations[1]
	}
	if broken := with(v.Seed); len(broken) > 0 {
		t.Errorf("seed %d of %q breaks a promise with every guard in place too: %s", v.Seed, o.Workload, broken[0].Detail)
		return ""
	}
	return fmt.Sprintf("%-17s %-10s %-4s %3d of %3d  seed %-4d %.90s\n",
		g.name, o.Workload, v.ID, n, r.Seeds, v.Seed, v.Detail)
}
