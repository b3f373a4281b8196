package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/schedule/memschedule"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// failing is a store of which one query fails.
type failing struct {
	store.Store
	queries, failAt int
}

// Query implements store.Store.
func (f *failing) Query(ctx context.Context, q store.Query) (store.Page, error) {
	if f.queries++; f.queries == f.failAt {
		return store.Page{}, errors.New("down")
	}
	return f.Store.Query(ctx, q)
}

// told is an engine that answers from a table.
type told struct {
	status  map[crm.ConnectionID][]engine.SyncStatus
	wrong   map[crm.ConnectionID]error
	resumed []string
	refuse  error
	meant   func(context.Context) // runs in Status; or nil
}

// Status implements syncs.
func (e *told) Status(ctx context.Context, _ crm.WorkspaceID, id crm.ConnectionID) ([]engine.SyncStatus, error) {
	if e.meant != nil {
		e.meant(ctx)
	}
	return e.status[id], e.wrong[id]
}

// AccountAuthorized implements syncs.
func (e *told) AccountAuthorized(_ context.Context, ws crm.WorkspaceID, id crm.AccountID) error {
	e.resumed = append(e.resumed, string(ws)+"/"+string(id))
	return e.refuse
}

// round is a handler over many workspaces.
type round struct {
	*handler
	t       *testing.T
	store   *failing
	engine  *told
	metrics bytes.Buffer
	said    bytes.Buffer
}

func newRound(t *testing.T, workspaces int) *round {
	t.Helper()
	clock := testclock.At(time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC))
	r := &round{
		t: t, store: &failing{Store: memstore.New(clock.Now)},
		engine: &told{status: map[crm.ConnectionID][]engine.SyncStatus{}, wrong: map[crm.ConnectionID]error{}},
	}
	r.handler = &handler{
		store: r.store, engine: r.engine, now: clock.Now, stage: "test", metrics: &r.metrics,
		log: slog.New(slog.NewJSONHandler(&r.said, nil)),
		budget: func(_ context.Context, _ crm.WorkspaceID, a account.Account) (float64, error) {
			if a.ID == "uncounted" {
				return 0, errors.New("down")
			}
			return map[crm.AccountID]float64{"busy": 0.51}[a.ID], nil
		},
		account: func(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (account.Account, error) {
			if id == "gone" {
				return account.Account{}, fault.New("test", fault.NotFound, "", "")
			}
			status := account.StatusOK
			if strings.HasPrefix(string(id), "closed") {
				status = account.StatusNeedsAuth
			}
			return account.Account{ID: id, Status: status}, nil
		},
	}
	for i := range workspaces {
		r.workspace(crm.WorkspaceID(fmt.Sprintf("w%03d", i)))
	}
	return r
}

func (r *round) workspace(id crm.WorkspaceID) {
	r.t.Helper()
	if _, err := store.SaveWorkspace(r.t.Context(), r.store, store.Workspace{ID: id, Name: "W"}, 0); err != nil {
		r.t.Fatal(err)
	}
}

func (r *round) connection(ws crm.WorkspaceID, c crm.Connection) {
	r.t.Helper()
	if _, err := store.SaveConnection(r.t.Context(), r.store, ws, &c, 0); err != nil {
		r.t.Fatal(err)
	}
}

// lines are what the log says, but for the time.
func (r *round) lines() (out []map[string]any) {
	r.t.Helper()
	for line := range strings.Lines(r.said.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			r.t.Fatal(err)
		}
		delete(l, "time")
		out = append(out, l)
	}
	r.said.Reset()
	return out
}

// TestEveryWorkspace has each looked at once, home first, over several pages;
// trouble with one, or with a page, ends it.
func TestEveryWorkspace(t *testing.T) {
	t.Parallel()
	r := newRound(t, 2*page+1)
	r.workspace(home)
	var asked []crm.WorkspaceID
	stop := crm.WorkspaceID("none")
	trouble := errors.New("down")
	r.alerts = func(_ context.Context, ws crm.WorkspaceID) error {
		if asked = append(asked, ws); ws == stop {
			return trouble
		}
		return nil
	}
	event := json.RawMessage(`{"alerts":true}`)
	look := func() error {
		asked, r.store.queries = nil, 0
		return r.Handle(t.Context(), event)
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	pages := r.store.queries
	all := slices.Clone(asked)
	if distinct := slices.Compact(slices.Sorted(slices.Values(asked))); asked[0] != home || len(asked) != 2*page+2 ||
		len(distinct) != len(asked) || pages != 3 {
		t.Errorf("%d workspaces, %d different, %s first, %d pages; want each of %d once, home first, 3 pages", len(asked),
			len(distinct), asked[0], pages, 2*page+2)
	}
	for _, at := range []int{0, 1, page, len(all) - 1} {
		stop = all[at]
		if err := look(); !errors.Is(err, trouble) || len(asked) != at+1 {
			t.Errorf("%v after %d workspaces, want the trouble of %s, the %d.", err, len(asked), stop, at+1)
		}
	}
	stop = "none"
	for r.store.failAt = 1; r.store.failAt <= pages; r.store.failAt++ {
		if err := look(); err == nil || len(asked) > 1+page*(r.store.failAt-1) {
			t.Errorf("page %d fails: %v after %d workspaces", r.store.failAt, err, len(asked))
		}
	}
}

// TestWhoIsOverdue has connections in every state, and each told of as it is.
func TestWhoIsOverdue(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1)
	ago := func(d time.Duration) []engine.SyncStatus {
		return []engine.SyncStatus{{Sync: "s", LatestPull: r.now().Add(-d)}}
	}
	running, never, other := ago(time.Hour), ago(time.Hour), ago(time.Hour)
	running[0].OpenRun, never[0].LatestPull, other[0].Sync = "run_1", time.Time{}, "unknown"
	for name, tt := range map[string]struct {
		status   crm.Status
		schedule string
		off      bool
		left     crm.AccountID
		right    crm.AccountID
		is       []engine.SyncStatus
		wrong    error
	}{
		"late":      {is: ago(15*time.Minute + time.Second), left: "busy"},
		"in time":   {is: ago(15 * time.Minute)},
		"later too": {is: slices.Concat(running, never, other, ago(time.Hour))},
		"manual":    {is: ago(time.Hour), schedule: "manual"},
		"running":   {is: running}, "never": {is: never}, "other": {is: other},
		"off":     {is: ago(time.Hour), off: true},
		"paused":  {is: ago(time.Hour), status: crm.StatusPaused},
		"unread":  {wrong: errors.New("no status")},
		"counted": {is: ago(0), left: "uncounted", right: "gone"},
		"waits":   {status: crm.StatusNeedsAuth, left: "closed-1", right: "closed-2"},
		"waits 2": {status: crm.StatusNeedsAuth, left: "fine", right: "closed-2"},
		"waits 3": {status: crm.StatusNeedsAuth, left: "gone", right: "closed-3"},
		"resumes": {status: crm.StatusNeedsAuth, left: "fine", right: "fine too"},
	} {
		if tt.status == "" {
			tt.status = crm.StatusActive
		}
		if tt.schedule == "" {
			tt.schedule = "5m"
		}
		id := crm.ConnectionID(name)
		r.engine.status[id], r.engine.wrong[id] = tt.is, tt.wrong
		r.connection("w000", crm.Connection{
			ID: id, Status: tt.status, Enabled: !tt.off, Left: crm.End{Account: tt.left},
			Right: crm.End{Account: tt.right}, Syncs: []crm.Sync{{ID: "s", Schedule: tt.schedule}},
		})
	}
	if err := r.Handle(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	said := map[string][]string{}
	for _, l := range r.lines() {
		msg, _ := l["msg"].(string)
		delete(l, "msg")
		delete(l, "level")
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(l)) {
			parts = append(parts, fmt.Sprintf("%s=%v", k, l[k]))
		}
		said[msg] = append(said[msg], strings.Join(parts, " "))
		slices.Sort(said[msg])
	}
	if diff := cmp.Diff(map[string][]string{
		"sync overdue": {
			"age=15m1s connection=late interval=5m0s sync=s workspace=w000",
			"age=1h0m0s connection=later too interval=5m0s sync=s workspace=w000",
		},
		"calls of an account not counted": {
			"account=gone error=test: not_found workspace=w000", "account=uncounted error=down workspace=w000",
		},
		"connection not looked over": {
			"connection=unread error=no status workspace=w000", "connection=waits 3 error=test: not_found workspace=w000",
		},
		"connection resumed: both accounts are authorised": {"connection=resumes workspace=w000"},
		"looked over": {
			"connections=15 overdue=2 resumed=1 schedules_mended=0 to_authorize=3 troubles=2 whole=true",
		},
	}, said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"w000/fine"}, r.engine.resumed); diff != "" {
		t.Errorf("resumed (-want +got):\n%s", diff)
	}
	var m struct{ SyncsOverdue, AccountsToAuthorize, APIBudgetUsed float64 }
	if err := json.Unmarshal(bytes.ReplaceAll(r.metrics.Bytes(), []byte("ApiB"), []byte("APIB")), &m); err != nil ||
		m.SyncsOverdue != 2 || m.AccountsToAuthorize != 3 || m.APIBudgetUsed != 51 {
		t.Errorf("metrics %+v, %v", m, err)
	}
	// A resumption that fails is none, and is said.
	r.engine.refuse = errors.New("no resuming")
	if err := r.Handle(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if l := r.lines(); l[len(l)-1]["resumed"] != 0.0 || l[len(l)-1]["troubles"] != 3.0 {
		t.Errorf("%v", l[len(l)-1])
	}
}

// TestManyConnections are read page by page; when a page fails, or the time is
// over, the look fails, and no schedule is removed.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	r := newRound(t, 0)
	for i := range page + 1 {
		r.connection(home, crm.Connection{ID: crm.ConnectionID(fmt.Sprintf("c%03d", i)), Status: crm.StatusPaused})
	}
	if err := r.Handle(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if l := r.lines(); len(l) != 1 || l[0]["connections"] != float64(page+1) || r.store.queries != 3 {
		t.Errorf("%v by %d queries, want all, by two and one", l, r.store.queries)
	}
	for n := 1; n <= 3; n++ {
		r.store.queries, r.store.failAt = 0, n
		r.metrics.Reset()
		if err := r.Handle(t.Context(), nil); err == nil || r.metrics.Len() > 0 {
			t.Errorf("query %d fails: %v, metrics %s", n, err, r.metrics.String())
		}
		if l := r.lines(); l[len(l)-1]["whole"] != false {
			t.Errorf("query %d fails, and the look is said to be whole", n)
		}
	}
	r.store.failAt = 0
	ctx, cancel := context.WithCancel(t.Context())
	r.connection(home, crm.Connection{ID: "c", Status: crm.StatusActive, Enabled: true})
	var seen context.Context
	r.engine.meant = func(within context.Context) { seen = within }
	if err := r.Handle(ctx, nil); err != nil || seen.Err() == nil {
		t.Errorf("%v; what the look was given ends with it: %v", err, seen.Err())
	}
	r.engine.meant = func(context.Context) { cancel() }
	r.engine.wrong["c"] = context.Canceled
	r.said.Reset()
	if err := r.Handle(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("the time is over: %v", err)
	}
	if l := r.lines(); len(l) != 1 || l[0]["troubles"] != 0.0 {
		t.Errorf("%v; want no trouble of the connection", l)
	}
}

// stubborn schedules cannot be removed.
type stubborn struct{ *memschedule.Schedules }

// Delete implements schedule.Schedules.
func (stubborn) Delete(context.Context, string) error { return errors.New("stuck") }

// TestScheduleThatStays is told of, and hinders nothing else.
func TestScheduleThatStays(t *testing.T) {
	t.Parallel()
	w, s := newWorld(t), new(memschedule.Schedules)
	stray := all(t, s)["none"]
	stray.Name, stray.Workspace, stray.Connection, stray.Sync, stray.Every = "hand", "x", "y", "z", time.Minute
	if err := s.Put(t.Context(), stray); err != nil {
		t.Fatal(err)
	}
	w.h.schedules = stubborn{s}
	w.look(t)
	if !strings.Contains(w.said.String(), "schedules not all mended") || len(all(t, s)) != 2 {
		t.Errorf("%d schedules; the log says %s", len(all(t, s)), w.said.String())
	}
}

// TestMetricsThatCannotBeWritten are an error: alarms would wait for them.
func TestMetricsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newRound(t, 0)
	into, out := io.Pipe()
	_ = into.Close() // a pipe's end
	r.handler.metrics = out
	if err := r.Handle(t.Context(), nil); err == nil {
		t.Error("metrics that are not written are no error")
	}
}
