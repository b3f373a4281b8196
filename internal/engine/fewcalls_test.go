package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/paced"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// frugal is an app without batches that lets few calls out in a window.
type frugal struct {
	connector.Connector
	calls int
	in    time.Duration
}

// App implements connector.Connector.
func (f frugal) App() crm.App {
	app := f.Connector.App()
	l := &app.Limits
	l.ReadBatch, l.FindBatch, l.WriteBatch = 1, 1, 1
	l.BurstCalls, l.BurstWindow, l.SearchCalls, l.SearchWindow, l.DailyCalls = f.calls, f.in, 0, 0, 0
	return app
}

// TestFewCallsInALongWindow: a first sync ends, and the next pull finds nothing to
// do, on an app whose window holds the calls of a few records and is too long to be
// waited for in the middle of work, with never more calls in it than the app allows.
func TestFewCallsInALongWindow(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		calls int
		in    time.Duration
		sides []crm.AccountID
	}{
		{10, time.Minute, []crm.AccountID{testbed.RightAccount}},
		{10, time.Minute, []crm.AccountID{testbed.LeftAccount, testbed.RightAccount}},
		{5, time.Minute, []crm.AccountID{testbed.LeftAccount, testbed.RightAccount}},
		{5, 2500 * time.Millisecond, []crm.AccountID{testbed.RightAccount}},
	} {
		t.Run(fmt.Sprint(x.calls, " in ", x.in, " on ", len(x.sides)), func(t *testing.T) {
			t.Parallel()
			clock, never := testbed.NewClock(), 0
			items := memstore.New(clock.Now)
			called := map[crm.AccountID][]time.Time{}
			inner, err := testbed.New(t.Context(), testbed.Options{
				People: 20, Clock: clock, Store: items,
				Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
					for _, side := range x.sides {
						if side == id {
							c = frugal{c, x.calls, x.in}
						}
					}
					return paced.Wrap(c, paced.Budget{
						Store: items, Workspace: testbed.Workspace, Account: id, Now: clock.Now, Holder: "one", MaxWait: 5 * time.Second,
						Sleep: func(_ context.Context, d time.Duration) { clock.Move(d) },
						OnCall: func(id crm.AccountID, _ string) {
							called[id] = append(called[id], clock.Now())
							clock.Move(200 * time.Millisecond)
						},
					})
				},
			}, func(c *crm.Connection) { c.Syncs[0].AuditHours = &never })
			if err != nil {
				t.Fatal(err)
			}
			b, began := bed{inner, t}, clock.Now()
			b.start()
			took := clock.Now().Sub(began)
			b.must(b.Quiet(t.Context()))
			st := b.status()
			t.Logf("%s to the end, %d and %d calls; states %v", took, len(called[testbed.LeftAccount]),
				len(called[testbed.RightAccount]), st.States)
			paired := st.States.Left[crm.StateInSync]
			if n := st.States.Right[crm.StateInSync]; n != paired || paired < 20 {
				t.Errorf("%d records are in sync on the left, %d on the right", paired, n)
			}
			for _, side := range crm.Sides {
				for state, n := range st.States.Get(side) {
					if n > 0 && (state == crm.StateWaiting || state == crm.StateFailing) {
						t.Errorf("%d records of the %s are %s", n, side, state)
					}
				}
			}
			if took > time.Hour {
				t.Errorf("the first sync took %s", took)
			}
			for _, side := range x.sides {
				at := called[side]
				for i := range at {
					if j := i + x.calls; j < len(at) && at[j].Sub(at[i]) < x.in {
						t.Fatalf("%s: more than %d calls in %s from %s", side, x.calls, x.in, at[i])
					}
				}
			}
		})
	}
}
