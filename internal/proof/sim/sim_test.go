package sim_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/sim"
)

// TestS1toS30_Seeds runs a few seeds on every test run; "bin/lockstep sim" runs
// thousands. SEEDS, FROM, WORKLOAD and VERBOSE choose others.
func TestS1toS30_Seeds(t *testing.T) {
	o := sim.Options{Seeds: 60, Out: os.Stdout, Verbose: os.Getenv("VERBOSE") != "", Workload: os.Getenv("WORKLOAD")}
	if s := os.Getenv("SEEDS"); s != "" {
		o.Seeds, _ = strconv.Atoi(s)
	}
	o.From, _ = strconv.ParseUint(os.Getenv("FROM"), 10, 64)
	if !o.Verbose {
		o.Out = nil
	}
	r := sim.Run(o)
	r.Print(os.Stdout)
	met := map[uint64]bool{}
	for _, v := range r.Violations {
		if why := openSeeds[v.Seed]; why != "" && o.Workload == "" {
			t.Logf("seed %d, known and open: %s: %s", v.Seed, why, v.Detail)
			met[v.Seed] = true
			continue
		}
		t.Errorf("seed %d: %s is broken: %s", v.Seed, v.ID, v.Detail)
	}
	for seed := range openSeeds {
		if !met[seed] && o.Workload == "" && seed >= o.From && seed < o.From+uint64(o.Seeds) {
			t.Errorf("seed %d holds now: take it off the list of open ones", seed)
		}
	}
}

// openSeeds break a promise today. Each is a fault to be mended, not a seed to
// be left out; "bin/lockstep sim" fails on them.
var openSeeds = map[uint64]string{}

// TestSameSeedSameTrace replays seeds and compares their traces.
func TestSameSeedSameTrace(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		a, b := sim.Seed(seed, &sim.Options{}), sim.Seed(seed, &sim.Options{})
		if a.Trace != b.Trace || a.Steps != b.Steps {
			t.Errorf("seed %d: traces %x and %x, %d and %d steps", seed, a.Trace, b.Trace, a.Steps, b.Steps)
		}
	}
}

// TestMarksAreKnown: a rare state that a workload reaches is in one of the two
// tables, so that the long run does not find it out.
func TestMarksAreKnown(t *testing.T) {
	t.Parallel()
	for _, name := range sim.Workloads() {
		if r := sim.Run(sim.Options{Seeds: 4, From: 1, Workload: name}); len(r.Strays) > 0 {
			t.Errorf("%s reaches %v, which no table of marks.go names", name, r.Strays)
		}
	}
}

// TestSeedsThatBroke replays seeds of workloads that broke a promise once.
func TestSeedsThatBroke(t *testing.T) {
	t.Parallel()
	for name, seeds := range map[string][]uint64{
		"apps":     {10, 24, 397, 773, 780, 934},
		"notes":    {36, 91, 120, 136, 155, 483, 890, 978},
		"newborn":  {272, 290, 319, 354, 422, 573, 927},
		"erasures": {50, 93, 151, 307, 341, 1238, 1267, 1548, 1798, 3022, 5026},
		"policies": {21, 120, 206},
		"rules":    {143, 158, 164, 188, 222, 258},
		"siblings": {4, 11, 26, 40, 111, 147},
	} {
		for _, seed := range seeds {
			for _, v := range sim.Seed(seed, &sim.Options{Workload: name}).Violations {
				t.Errorf("seed %d of %s: %s is broken: %s", seed, name, v.ID, v.Detail)
			}
		}
	}
	for _, seed := range []uint64{484, 1227, 60632, 5000123} {
		for _, v := range sim.Seed(seed, &sim.Options{}).Violations {
			t.Errorf("seed %d of the mix: %s is broken: %s", seed, v.ID, v.Detail)
		}
	}
}
