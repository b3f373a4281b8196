package main

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/sim"
)

// The sizes of docs/invariants.md.
const (
	shortSeeds, shortEach = 100, 100 // of the mix, and of each workload
	fullSeeds, fullEach   = 10_000, 500
)

type simCommand struct {
	Seeds int     `default:"0" placeholder:"N" help:"How many seeds of the mix; 100 without it, 10,000 with --full."`
	Each  int     `default:"0" placeholder:"N" help:"How many seeds of each workload after the mix; without it 100, with --full 500; none when --seeds says how many."`
	From  uint64  `default:"1" placeholder:"SEED" help:"The first of them (${default})."`
	Seed  *uint64 `placeholder:"SEED" help:"Replay this one seed, telling every step."`
	Full  bool    `help:"The long run of a release."`

	Workload string `placeholder:"NAME" help:"One thing going wrong often instead of the mix; an unknown name lists them."`
}

// Run runs the simulation and fails when a promise was broken.
func (c *simCommand) Run(ctx context.Context, w *world) error {
	o := sim.Options{Seeds: c.Seeds, From: c.From, Workers: runtime.GOMAXPROCS(0), Workload: c.Workload, Out: w.out}
	switch {
	case c.Workload != "" && !slices.Contains(sim.Workloads(), c.Workload):
		return fault.New("sim: settings", fault.Invalid, "invalid_config", "--workload is one of "+
			strings.Join(sim.Workloads(), ", "))
	case c.Seeds < 0 || c.Each < 0:
		return fault.New("sim: settings", fault.Invalid, "invalid_config", "--seeds and --each cannot be negative")
	case c.Seed != nil:
		o.Seeds, o.From, o.Workers, o.Verbose = 1, *c.Seed, 1, true
	case c.Seeds > 0:
	case c.Full:
		o.Seeds, o.Each = fullSeeds, fullEach
	default:
		o.Seeds, o.Each = shortSeeds, shortEach
	}
	if c.Each > 0 {
		o.Each = c.Each
	}
	ended := make(chan *sim.Report, 1)
	go func() { ended <- sim.Run(o) }()
	select {
	case <-ctx.Done():
		return ctx.Err() // it holds nothing that would have to be given back
	case r := <-ended:
		return c.judge(newScreen(w), r)
	}
}

// judge prints what was met and what was broken.
func (c *simCommand) judge(s *screen, r *sim.Report) error {
	for _, part := range []struct {
		title  string
		counts map[string]int64
	}{
		{"fault", r.Faults},
		{"rare state", r.Rare()},
		{"met beside", r.Beside()},
		{"seeds of a workload", r.Workloads},
		{"seeds with the connector of", r.Apps},
	} {
		if len(part.counts) == 0 {
			continue
		}
		s.say("\n%-34s %s", part.title, "times")
		for _, name := range slices.Sorted(maps.Keys(part.counts)) {
			s.say("  %-32s %s", name, number(part.counts[name]))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(sim.Exempt())) {
		s.say("\n%s is in no seed: %s", id, sim.Exempt()[id])
	}
	s.say("\n%s seeds (%s of workloads, %s with the real connectors), %s changes, %s steps, %s writes, %s calls in "+
		"%.1f s: %d broken promises",
		number(r.Seeds), number(r.Named), number(r.Real), number(r.Changes), number(r.Steps), number(r.Writes),
		number(r.Calls), r.Took.Seconds(), len(r.Violations))
	for _, v := range r.Violations {
		s.say("  %s: replay with: %s", v.ID, v.Replay())
	}
	if n := len(r.Violations); n > 0 {
		return fmt.Errorf("%d promises were broken", n)
	}
	if c.Seed == nil {
		if never := slices.Concat(r.Unreached, r.UnreachedMarks, r.Strays); len(never) > 0 {
			return fmt.Errorf("never reached, or not in the table: %v", never)
		}
	}
	return nil
}
