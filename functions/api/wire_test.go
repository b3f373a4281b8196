package main

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/invocation"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/wiretest"
)

// TestWire has every part in its place.
func TestWire(t *testing.T) {
	t.Parallel()
	wiretest.Run(t, wiretest.Function[*invocation.HTTP]{
		Wire: wire, Handle: func(h *invocation.HTTP) any { return h.Handle },
		Refuses: map[string]string{"LOCKSTEP_ADMIN_KEY_PARAMETER": "other", "LOCKSTEP_PUBLIC_URL": "ftp://api.example.com"},
		Start:   []string{"GetParameter admin-key"},
		Asks: map[string][]string{
			"api-list-apps": {"Query settings"}, // the documents of the workspace
			"api-create-connection": {
				"GetItem settings", "PutItem settings", "Query settings", "TransactWriteItems", "UpdateItem settings",
			},
		},
	})
}

// TestMainStops where the environment says nothing, and says so.
func TestMainStops(t *testing.T) { wiretest.Main(t, main) } //nolint:paralleltest // it may end the process
