package main

import (
	"fmt"
	"os"

	"github.com/lockstep-crm/lockstep/internal/proof/sim"
)

// traces runs seeds twice and returns the exit code: 0 when each gave the same
// trace both times.
func traces(seeds int) int {
	differ := 0
	for seed := range uint64(seeds) {
		a, b := sim.Seed(seed, &sim.Options{}), sim.Seed(seed, &sim.Options{})
		if a.Trace != b.Trace || a.Steps != b.Steps {
			differ++
			fmt.Fprintf(os.Stderr, "seed %d: traces %x and %x, %d and %d steps\n", seed, a.Trace, b.Trace, a.Steps, b.Steps)
		}
	}
	fmt.Printf("%d seeds twice: %d differ\n", seeds, differ)
	return min(differ, 1)
}
