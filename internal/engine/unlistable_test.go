package engine_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// TestS34_RefusedListingsAreSaid: a first sync, a pull or a plan whose listing
// an app refuses for good ends as failed, with the app's code and reason; status
// says what waits since when, no run is added for the same refusal, and the sync
// catches up by itself once the app lists again.
func TestS34_RefusedListingsAreSaid(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"bad request": 400, "long URL": 414, "many headers": 431, "large": 413} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 20, nil)
			ctx := t.Context()
			refuse := func(endpoint string) {
				b.must(b.Hub.Core().Inject(fakekit.Fault{
					Kind: fakekit.FaultFail, Status: status, Endpoint: endpoint, Times: 1_000_000, Body: "<html>no</html>",
				}))
			}
			refuse("GET /crm/v3/objects/contacts")
			run := b.start()
			if run.State != engine.RunFailed || run.Code != "listing_refused" ||
				!strings.Contains(run.Detail, "left: list changes: rejected") ||
				!strings.Contains(run.Detail, strconv.Itoa(status)) {
				t.Fatalf("the first sync is %s, %q, %q", run.State, run.Code, run.Detail)
			}
			b.waitsToList()
			plan, err := b.Engine.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
			b.must(err)
			b.drain()
			if p, err := b.Engine.GetPlan(ctx, testbed.Workspace, plan.ID); err != nil || p.State != engine.RunFailed {
				t.Errorf("the plan is %s, %v", p.State, err)
			}
			b.Hub.Core().ClearFaults()
			b.Move(2 * time.Minute)
			b.drain()
			if st := b.status(); st.States.Left[crm.StateInSync] == 0 || len(st.Waiting) > 0 {
				t.Errorf("after the app listed again %v, waiting %v", st.States.Left, st.Waiting)
			}
			b.must(b.Quiet(ctx))
			refuse("POST /crm/v3/objects/contacts/search")
			for range 3 {
				b.Move(5 * time.Minute)
				if err := b.Engine.Pull(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts); err == nil {
					t.Error("a pull that was refused said nothing")
				}
			}
			b.waitsToList()
			runs, _, err := b.Engine.ListRuns(ctx, testbed.Workspace, testbed.Connection, 100, "")
			b.must(err)
			failed := 0
			for _, r := range runs {
				if r.State == engine.RunFailed && r.Kind == engine.RunPull {
					failed++
				}
			}
			if failed != 1 {
				t.Errorf("%d failed pulls are kept for one refusal, want 1", failed)
			}
		})
	}
}

// waitsToList checks that the status says what the sync waits for.
func (b bed) waitsToList() {
	b.t.Helper()
	st := b.status()
	i := slices.IndexFunc(st.Waiting, func(w engine.Waiting) bool { return w.Code == "listing_refused" })
	if i < 0 || !slices.Contains(st.Warnings, "listing_refused") {
		b.t.Fatalf("warnings %v, waiting %+v", st.Warnings, st.Waiting)
	}
	if w := st.Waiting[i]; w.Side != crm.Left || w.Since.IsZero() || w.Detail == "" || w.Account != testbed.LeftAccount {
		b.t.Errorf("it waits as %+v", w)
	}
}
