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
	"link_version": "crash", "done_marker": "crash", "reread": "limits", "confirm_gone": "deletions", "tombstone": "deletions",
	"mass_deletion": "deletions", "cursor_last": "pull", "park": "limits", "send_failures": "pull", "generation": "switch",
	"inbox": "switch", "partial_failure": "limits", "receive_cap": "limits", "missing_confirm": "deletions",
	"seen_after_write": "crash", "park_durable": "limits",
}

// TestGuards takes one safety measure away at a time and lets
// the simulation find out. A guard whose absence nobody notices is dead code or
// a missing check.
func TestGuards(t *testing.T) {
	if testing.Short() {
		t.Skip("the simulation takes turns on one processor; the race detector would see nothing in it and take minutes")
	}
	t.Parallel()
	const seeds = 300
	var table strings.Builder
	caught := 0
	for _, g := range engine.Guards() {
		if why := openGuards[g]; why != "" {
			t.Logf("%s: not shown to be needed yet: %s", g, why)
			continue
		}
		t.Run(g, func(t *testing.T) {
			o := sim.Options{Seeds: seeds, Workers: 2, Enough: 1, Workload: guardWorkloads[g], Prepare: func(e *engine.Engine) { engine.WithoutGuard(e, g) }}
			r := sim.Run(o)
			n := len(r.Violations)
			if n == 0 {
				t.Errorf("%d seeds of %q went by without it", r.Seeds, o.Workload)
				return
			}
			v := r.Violations[0]
			fmt.Fprintf(&table, "%-18s %-10s %-8s seed %-5d %5.1f %%  %.90s\n", g, o.Workload, v.ID, v.Seed, 100*float64(n)/float64(r.Seeds), v.Detail)
			caught++
		})
	}
	t.Logf("%d of %d guards caught\n%s", caught, len(engine.Guards()), table.String())
}

// openGuards are those whose absence the simulation has not noticed yet. Each
// needs a workload that does, or is dead code.
var openGuards = map[string]string{
	"intent_landed":    "false conflicts after a crash are judged only where the app has history",
	"link_version":     "the lease keeps two writers apart so well that the version never has to",
	"done_marker":      "a chunk that counts twice is not judged",
	"partial_failure":  "rows that fail are found by the next look all the same",
	"reread":           "users seldom edit a twin between search and write while its index lags",
	"receive_cap":      "the queue's own dead-letter queue takes what the engine does not bury",
	"seen_after_write": "costs reads, breaks no promise",
}
