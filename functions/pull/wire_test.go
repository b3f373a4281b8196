package main

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/wiretest"
)

// TestWire has every part in its place.
func TestWire(t *testing.T) {
	t.Parallel()
	wiretest.Run(t, wiretest.Function[*handler]{
		Wire: wire, Handle: func(h *handler) any { return h.Handle },
		Asks: map[string][]string{"pull-tick": {"Query links"}, "pull-sync": {"GetItem settings"}},
	})
}

// TestMainStops where the environment says nothing, and says so.
func TestMainStops(t *testing.T) { wiretest.Main(t, main) } //nolint:paralleltest // it may end the process
