package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/sim"
)

// guardWorkloads says where the absence of each safety measure does harm soonest.
var guardWorkloads = map[string]string{
	"lease": "crash", "lease_deadline": "slow", "pause_check": "switch", "intent": "crash", "intent_landed": "crash",
	"recover": "crash", "claim": "crowd", "index_lag": "crowd", "own_duplicates": "stale", "twin_taken": "stale",
	"link_version": "crash", "done_marker": "crash", "reread": "stale", "confirm_gone": "deletions", "tombstone": "deletions",
	"mass_deletion": "deletions", "cursor_last": "pull", "park": "limits", "send_failures": "pull", "generation": "switch",
	"inbox": "switch", "partial_failure": "limits", "receive_cap": "limits", "missing_confirm": "deletions",
	"seen_after_write": "crash", "park_durable": "limits",
}

// TestS0_EveryGuardIsNeeded takes one safety measure away at a time and lets
// the simulation find out. A guard whose absence nobody notices is dead code or
// a missing check.
func TestS0_EveryGuardIsNeeded(t *testing.T) {
	t.Parallel()
	seeds := 300
	if testing.Short() {
		seeds = 40
	}
	var table strings.Builder
	for _, g := range engine.Guards() {
		t.Run(g, func(t *testing.T) {
			o := sim.Options{Seeds: seeds, Workers: 2, Workload: guardWorkloads[g], Prepare: func(e *engine.Engine) { engine.WithoutGuard(e, g) }}
			r := sim.Run(o)
			n := len(r.Violations)
			if n == 0 {
				t.Errorf("%d seeds of %q went by without it", r.Seeds, o.Workload)
				return
			}
			v := r.Violations[0]
			fmt.Fprintf(&table, "%-18s %-10s %-8s seed %-5d %5.1f %%  %.90s\n", g, o.Workload, v.ID, v.Seed, 100*float64(n)/float64(r.Seeds), v.Detail)
			if 100*n < int(r.Seeds) {
				t.Errorf("only %d of %d seeds noticed", n, r.Seeds)
			}
		})
	}
	t.Log("\n" + table.String())
}
