package main

import (
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/wiretest"
)

// TestWire has every part in its place.
func TestWire(t *testing.T) {
	t.Parallel()
	wiretest.Run(t, wiretest.Function[*handler]{
		Wire: wire, Handle: func(h *handler) any { return h.Handle },
		Asks: map[string][]string{"sync-batch": {"GetItem settings"}},
		More: func(t *testing.T, h *handler, asked func() []string) {
			t.Helper()
			h.hide(t.Context(), []string{"r"}, time.Minute)
			if got := asked(); !slices.Equal(got, []string{"ChangeMessageVisibilityBatch changes"}) {
				t.Errorf("hiding a message asks for %q", got)
			}
		},
	})
}

// TestMainStops where the environment says nothing, and says so.
func TestMainStops(t *testing.T) { wiretest.Main(t, main) } //nolint:paralleltest // it may end the process
