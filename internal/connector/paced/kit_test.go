package paced

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

func newClock() *testclock.Clock { return testclock.New() }

// app is what all workers of an account call: it notes when.
type app struct {
	limits crm.Limits
	now    func() time.Time

	mu     sync.Mutex
	calls  map[lane][]time.Time
	answer error
	rows   error // of the rows of batch calls
}

func newApp(l crm.Limits, now func() time.Time) *app {
	return &app{limits: l, now: now, calls: map[lane][]time.Time{}}
}

func (a *app) note(x lane) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[x] = append(a.calls[x], a.now())
	return a.answer
}

func (a *app) count(lanes ...lane) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, x := range lanes {
		n += len(a.calls[x])
	}
	return n
}

// busiest is the largest number of calls in any half-open window of length d.
func (a *app) busiest(d time.Duration, lanes ...lane) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	var at []time.Time
	for _, x := range lanes {
		at = append(at, a.calls[x]...)
	}
	slices.SortFunc(at, time.Time.Compare)
	most, first := 0, 0
	for i := range at {
		for at[i].Sub(at[first]) >= d {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func (a *app) respond(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = err
}

// bare is a connector without extras.
type bare struct {
	connector.Connector
	app *app
}

func (b bare) App() crm.App { return crm.App{ID: "fakecrm", Limits: b.app.limits} }

func (b bare) Extras() connector.Extras { return connector.Extras{} }

func (b bare) Test(context.Context) (connector.Identity, error) {
	return connector.Identity{}, b.app.note(laneCall)
}

func (b bare) Objects(context.Context) ([]crm.Object, error) {
	return []crm.Object{{ID: "o"}}, b.app.note(laneCall)
}

func (b bare) Fields(_ context.Context, object string) ([]crm.Field, error) {
	return []crm.Field{{Name: object}}, b.app.note(laneCall)
}

func (b bare) Changes(_ context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	if req.Full {
		return connector.ChangesPage{}, b.app.note(laneBoth)
	}
	return connector.ChangesPage{}, b.app.note(laneSearch)
}

func (b bare) BatchFind(context.Context, string, crm.Field, []string, []string) ([][]crm.Record, error) {
	return nil, b.app.note(laneSearch)
}

func (b bare) BatchRead(_ context.Context, _ string, ids []crm.RecordID, _ []string) ([]connector.Read, error) {
	out := make([]connector.Read, len(ids))
	for i := range out {
		out[i] = connector.Read{ID: ids[i], Err: b.app.rows}
	}
	return out, b.app.note(laneCall)
}

func (b bare) BatchWrite(_ context.Context, _ string, writes []connector.Write) ([]connector.Written, error) {
	out := make([]connector.Written, len(writes))
	for i := range out {
		out[i].Err = b.app.rows
	}
	return out, b.app.note(laneCall)
}

// full has every extra; its look-ups by "id" do not lag.
type full struct{ bare }

// Extras implements connector.Connector.
func (f full) Extras() connector.Extras {
	return connector.Extras{
		Deleted: func(context.Context, string, string, string) (connector.DeletedPage, error) {
			return connector.DeletedPage{Cursor: "c"}, f.app.note(laneBoth)
		},
		History: func(context.Context, string, []crm.RecordID, []string) ([]map[string][]crm.Value, error) {
			return []map[string][]crm.Value{{}}, f.app.note(laneCall)
		},
		CreateField: func(_ context.Context, _ string, x crm.Field) (crm.Field, error) {
			return x, f.app.note(laneCall)
		},
		DeleteField:  func(context.Context, string, string) error { return f.app.note(laneCall) },
		OwnerByEmail: func(context.Context, string) (string, error) { return "u1", f.app.note(laneCall) },
		OwnerEmail:   func(context.Context, string) (string, error) { return "a@example.com", f.app.note(laneCall) },
		FindLag: func(_ string, field crm.Field) time.Duration {
			if field.Name == "id" {
				return 0
			}
			return f.app.limits.IndexLag
		},
	}
}

func (f full) BatchFind(_ context.Context, _ string, field crm.Field, _, _ []string) ([][]crm.Record, error) {
	if field.Name == "id" {
		return nil, f.app.note(laneCall)
	}
	return nil, f.app.note(laneSearch)
}

// counting counts the writes of a store, and may break them.
type counting struct {
	store.Store
	mu     sync.Mutex
	writes int
	reads  int
	after  func(n int) error // the answer to the n-th write, which has landed
}

func newStore(now func() time.Time) *counting { return &counting{Store: memstore.New(now)} }

func (c *counting) Get(ctx context.Context, k store.Key) (store.Item, error) {
	c.mu.Lock()
	c.reads++
	c.mu.Unlock()
	return c.Store.Get(ctx, k)
}

func (c *counting) Write(ctx context.Context, w store.Write) (int64, error) {
	v, err := c.Store.Write(ctx, w)
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	if c.after != nil {
		err = c.after(c.writes)
	}
	return v, err
}

func (c *counting) counts() (writes, reads int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes, c.reads
}

func budget(s store.Store, now func() time.Time) Budget {
	return Budget{Store: s, Workspace: "ws_1", Account: "acc_1", Now: now}
}

func wantThrottled(t *testing.T, err error, code string) time.Duration {
	t.Helper()
	if !fault.Is(err, fault.Throttled) || fault.CodeOf(err) != code || fault.RetryAfter(err) <= 0 ||
		fault.MayHaveLanded(err) {
		t.Errorf("error %v, want Throttled %s with a wait, and nothing sent", err, code)
	}
	return fault.RetryAfter(err)
}
