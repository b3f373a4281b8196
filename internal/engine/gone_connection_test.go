package engine_test

import (
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestADeletedConnectionGoesWhateverFails: the document of a deleted connection is
// the last of it that goes, and it does go, with nothing left on the agenda, at
// whatever request to either of them the process stops or is told of a failure.
func TestADeletedConnectionGoesWhateverFails(t *testing.T) {
	t.Parallel()
	// gone deletes a connection of two syncs whose erasures end together.
	gone := func(mode crashMode, what string, nth int) *crashBed {
		b := newCrashBed(t, -1, mode, func(c *crm.Connection) {
			second := c.Syncs[0]
			second.ID = "seconds"
			c.Syncs = append(c.Syncs, second)
		}, nil)
		b.begin(false)
		b.what, b.nth = what, nth
		b.ask(func(e *engine.Engine) error {
			return e.DeleteConnection(t.Context(), testbed.Workspace, testbed.Connection)
		})
		for range 20 {
			b.turn()
		}
		b.live = false
		if _, _, err := store.LoadConnection(t.Context(), b.store, testbed.Workspace, testbed.Connection); !fault.Is(err,
			fault.NotFound) {
			t.Errorf("%s at %s %d: the connection is still there, %v", mode, what, nth, err)
		}
		b.store.Each(store.Links, func(it store.Item) bool {
			if it.Partition == "agenda" {
				t.Errorf("%s at %s %d: on the agenda is still %s", mode, what, nth, it.Sort)
			}
			return true
		})
		return b
	}
	plain := gone(failOnce, "", 0)
	if !plain.marks["connection_erased"] {
		t.Fatal("no connection was erased")
	}
	for _, what := range sortedKeys(plain.seen) {
		if !strings.Contains(what, "agenda") && !strings.Contains(what, "connection") {
			continue
		}
		for nth := range min(plain.seen[what], 6) {
			for mode := range crashModes {
				gone(mode, what, nth)
			}
		}
	}
}
