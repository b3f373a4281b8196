package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// TestDeadApp: HubSpot hangs up on every call when the first sync is to list
// it. For five seconds the program knocks now and then, says so in its log and
// in the status, and does the sync once it is answered.
func TestDeadApp(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		s := newServed(t, 60, on)
		ctx := t.Context()
		s.seedDumps(t)
		if err := s.connect(ctx); err != nil {
			t.Fatal(err)
		}
		hub := apiclient.New(s.fakes[0].url, "")
		knob := func(method, path string, in any) {
			t.Helper()
			if err := hub.Call(ctx, method, path, in, nil); err != nil {
				t.Fatal(err)
			}
		}
		knob(http.MethodPost, "/_fake/drop", map[string]any{"times": 1_000_000})
		if err := s.api.Call(ctx, http.MethodPost, s.path("/start"), nil, nil); err != nil {
			t.Fatal(err)
		}
		status := func(ctx context.Context) engine.SyncStatus {
			t.Helper()
			var got struct {
				Syncs []engine.SyncStatus `json:"syncs"`
			}
			if err := s.api.Call(ctx, http.MethodGet, s.path("/status"), nil, &got); err != nil || len(got.Syncs) != 1 {
				t.Fatalf("status: %v, %v", got, err)
			}
			return got.Syncs[0]
		}
		var dead engine.SyncStatus
		if err := until(ctx, 20*time.Second, "the warning", func(ctx context.Context) (bool, error) {
			dead = status(ctx)
			return len(dead.Warnings) > 0, nil
		}); err != nil {
			t.Fatalf("%v\n%s", err, s.child.errs)
		}
		if !slices.Equal(dead.Warnings, []string{"app_unreachable"}) || len(dead.Outages) != 1 ||
			dead.Outages[0].App != "hubspot" {
			t.Errorf("warnings %v, unreachable %+v, want HubSpot", dead.Warnings, dead.Outages)
		}
		before := s.requests(t, 0).Total
		if err := until(ctx, 30*time.Second, "five seconds more", func(context.Context) (bool, error) {
			return time.Since(dead.Outages[0].Since) > 5*time.Second, nil
		}); err != nil {
			t.Fatal(err)
		}
		if n := s.requests(t, 0).Total - before; n > 10 {
			t.Errorf("%d calls to a dead app within five seconds", n)
		}
		if n := strings.Count(s.child.errs.String(), "sync not attended"); n == 0 || n > 6 {
			t.Errorf("%d lines about the sync within five seconds, want one for each longer wait\n%s", n, s.child.errs)
		}
		knob(http.MethodDelete, "/_fake/faults", nil)
		if err := s.verify(ctx); err != nil {
			t.Errorf("%v: %+v\n%s", err, status(ctx), s.child.errs)
		}
		if err := until(ctx, 40*time.Second, "the end of the warning", func(ctx context.Context) (bool, error) {
			return len(status(ctx).Warnings) == 0, nil
		}); err != nil {
			t.Error(err)
		}
		s.stop(t)
	})
}
