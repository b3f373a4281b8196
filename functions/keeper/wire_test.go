package main

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/wiretest"
)

// TestWire has every part in its place.
func TestWire(t *testing.T) {
	t.Parallel()
	wiretest.Run(t, wiretest.Function[*handler]{
		Wire: wire, Handle: func(h *handler) any { return h.Handle }, Asks: map[string][]string{
			"keeper-hour": {"GET /schedules", "Query settings"}, "keeper-alerts": {"Query settings"},
		},
		More: func(t *testing.T, h *handler, _ func() []string) {
			t.Helper()
			e, ok := h.engine.(*engine.Engine)
			if !ok {
				t.Fatalf("the engine is a %T", h.engine)
			}
			if _, err := e.Open(t.Context(), "w", "a"); !fault.Is(err, fault.Unsupported) {
				t.Errorf("opening an account: %v, want that this function calls no app", err)
			}
			if used, err := h.budget(t.Context(), "w", account.Account{ID: "a", App: "hubspot"}); used != 0 || err != nil {
				t.Errorf("part of the calls used: %v, %v; want none", used, err)
			}
			if _, err := h.account(t.Context(), "w", "a"); !fault.Is(err, fault.NotFound) {
				t.Errorf("an account that is not there: %v", err)
			}
		},
	})
}

// TestMainStops where the environment says nothing, and says so.
func TestMainStops(t *testing.T) { wiretest.Main(t, main) } //nolint:paralleltest // it may end the process
