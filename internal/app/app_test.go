package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(storages.Main{M: m}, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"),
		// Connections to AWS are kept for the next call.
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"))
}

func opened(t *testing.T, o Options) *App {
	t.Helper()
	if o.DataDir == "" && o.Remote == nil {
		o.DataDir = t.TempDir()
	}
	a, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	storages.AtEnd(t, func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestOpenOnePerFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := opened(t, Options{DataDir: dir})
	_, err := Open(t.Context(), Options{DataDir: dir})
	if !fault.Is(err, fault.Conflict) || fault.CodeOf(err) != "data_folder_in_use" {
		t.Errorf("a second Open: %v, want the folder in use", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	opened(t, Options{DataDir: dir})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no folder":  {},
		"hosts":      {DataDir: t.TempDir(), AllowHosts: []string{"http://x"}},
		"public URL": {DataDir: t.TempDir(), PublicURL: "nowhere"},
	} {
		if _, err := Open(t.Context(), o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
		if o.DataDir == "" {
			continue
		}
		// What was refused is left to the next one.
		opened(t, Options{DataDir: o.DataDir})
	}
}

func TestAdminKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := opened(t, Options{DataDir: dir})
	first, fresh := a.AdminKey()
	if !fresh || !strings.HasPrefix(first.Reveal(), "lsk_") {
		t.Errorf("the first key is fresh: %v; want a new one", fresh)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b := opened(t, Options{DataDir: dir})
	again, fresh := b.AdminKey()
	if fresh || again != first {
		t.Errorf("the key changed, or counts as fresh (%v)", fresh)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	own := secret.NewText("the-operator's-own-key")
	c := opened(t, Options{DataDir: dir, AdminKey: own})
	if got, fresh := c.AdminKey(); got != own || fresh {
		t.Error("the operator's own key does not count")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, AdminKeyFile)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{DataDir: dir}); fault.CodeOf(err) != "key_file_open_to_others" {
		t.Errorf("a key file that others may read: %v", err)
	}
}

func TestIdentifiersSort(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	newID := identifiers(func() time.Time { return now })
	var ids []string
	for i := range 200 {
		if i%50 == 49 {
			now = now.Add(time.Millisecond)
		}
		ids = append(ids, newID([]string{"run", "run_"}[i%2]))
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("identifiers do not sort by time, or repeat: %v", ids[:4])
	}
	if !strings.HasPrefix(ids[0], "run_0") || strings.Contains(ids[0], "__") {
		t.Errorf("got %q, want a prefix and one underscore", ids[0])
	}
}

// Every driver has what the surface lists of it.
func TestDrivers(t *testing.T) {
	t.Parallel()
	for id, d := range apps.Drivers() {
		if d.App.ID != id || d.Open == nil || d.App.Name == "" || len(d.App.Objects) == 0 {
			t.Errorf("%s: the driver is incomplete", id)
		}
	}
}

// connection stores an active connection whose accounts do not exist: enough
// for what looks at settings only.
func connection(t *testing.T, a *App, schedule string) engine.SyncRef {
	t.Helper()
	c := &crm.Connection{
		ID: "con_1", Name: "x", Enabled: true, Status: crm.StatusActive, Version: 1, Generation: 1,
		Left: crm.End{Account: "acc_l"}, Right: crm.End{Account: "acc_r"},
		Syncs: []crm.Sync{
			{
				ID: "contacts", Left: crm.ObjectEnd{Object: "a"}, Right: crm.ObjectEnd{Object: "b"}, Direction: crm.DirectionBoth,
				Schedule: schedule,
			},
		},
	}
	if _, err := store.SaveConnection(t.Context(), a.Store, api.DefaultWorkspace, c, 0); err != nil {
		t.Fatal(err)
	}
	return engine.SyncRef{Workspace: api.DefaultWorkspace, Connection: c.ID, Sync: "contacts"}
}

func TestDuePulls(t *testing.T) {
	t.Parallel()
	for schedule, want := range map[string]bool{"1m": true, "manual": false} {
		t.Run(schedule, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, o Options) {
				a := opened(t, o)
				ref := connection(t, a, schedule)
				due, err := a.Engine.DuePulls(t.Context(), api.DefaultWorkspace, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if got := slices.Contains(due, ref); got != want {
					t.Errorf("schedule %s: due = %v, want %v", schedule, got, want)
				}
				if _, err := a.Engine.StartRun(t.Context(), ref.Workspace, ref.Connection, ref.Sync, engine.RunPull); err != nil {
					t.Fatal(err)
				}
				if due, err = a.Engine.DuePulls(t.Context(), api.DefaultWorkspace, time.Now()); err != nil || due != nil {
					t.Errorf("schedule %s: due beside an open run: %v, %v", schedule, due, err)
				}
				if err := a.Engine.PauseConnection(t.Context(), ref.Workspace, ref.Connection); err != nil {
					t.Fatal(err)
				}
				if due, err = a.Engine.DuePulls(t.Context(), api.DefaultWorkspace, time.Now().Add(time.Hour)); err != nil ||
					due != nil {
					t.Errorf("schedule %s: due while paused: %v, %v", schedule, due, err)
				}
			})
		})
	}
}

// TestScheduleBacksOff: a sync's pulls do not overlap, and one that fails is left
// alone for longer and longer, at least as long as the app asks for.
func TestScheduleBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		var answer atomic.Value
		answer.Store(error(fault.New("x", fault.Unavailable, "", "")))
		hold := make(chan struct{})
		a := &App{now: time.Now, tick: newBell(), log: slog.New(slog.DiscardHandler)}
		s := &schedule{
			app: a, running: map[engine.SyncRef]bool{}, waits: map[engine.SyncRef]pullWait{}, slots: make(chan struct{}, 1),
		}
		s.pull = func(context.Context, crm.WorkspaceID, crm.ConnectionID, crm.SyncID) error {
			calls.Add(1)
			<-hold
			return answer.Load().(error)
		}
		ref := engine.SyncRef{Sync: "contacts"}
		fire := func(wait time.Duration) int32 {
			time.Sleep(wait) //nolint:forbidigo // virtual time
			s.fire(t.Context(), ref)
			synctest.Wait()
			return calls.Load()
		}
		fire(0)
		if n := fire(time.Hour); n != 1 {
			t.Errorf("%d pulls at once, want 1", n)
		}
		s.fire(t.Context(), engine.SyncRef{Sync: "deals"})
		synctest.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("%d pulls with one slot, want 1", n)
		}
		close(hold)
		synctest.Wait()
		for _, step := range []struct {
			wait time.Duration
			want int32
		}{{pullBackoff.First - time.Second, 1}, {time.Second, 2}, {2*pullBackoff.First - time.Second, 2}, {time.Second, 3}} {
			if n := fire(step.wait); n != step.want {
				t.Errorf("after %s more: %d pulls, want %d", step.wait, n, step.want)
			}
		}
		answer.Store(error(&fault.Error{Kind: fault.Throttled, RetryAfter: time.Minute}))
		fire(4 * pullBackoff.First)
		if n := fire(59 * time.Second); n != 4 {
			t.Errorf("%d pulls before the app's wait is over, want 4", n)
		}
		if n := fire(time.Second); n != 5 {
			t.Errorf("%d pulls after the app's wait, want 5", n)
		}
		s.wg.Wait()
	})
}

// TestTakeOver: a process that starts has nobody to wait for.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := opened(t, Options{DataDir: dir})
	connection(t, a, "manual")
	// What a killed process leaves: a message in flight and a lease.
	if errs := a.Queue.Send(t.Context(), []queue.Message{{Group: "g", Dedup: "d", Body: []byte("{}")}}); errs != nil {
		t.Fatal(errs)
	}
	if ds, err := a.Queue.Receive(t.Context(), 1, time.Hour); err != nil || len(ds) != 1 {
		t.Fatalf("received %d, %v", len(ds), err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b := opened(t, Options{DataDir: dir})
	if ds, err := b.Queue.Receive(t.Context(), 1, time.Hour); err != nil || len(ds) != 1 {
		t.Errorf("received %d, %v: what was in flight is not free", len(ds), err)
	}
}

// TestRunStops: Run ends soon after its context, and leaves nothing behind.
func TestRunStops(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		a := opened(t, o)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		errs := a.Queue.Send(ctx, []queue.Message{{Group: "g", Dedup: "d", Body: []byte("not one of ours")}})
		if errs != nil {
			t.Fatal(errs)
		}
		deadline := time.Now().Add(10 * time.Second)
		for a.Queue.Counts().Received == 0 && time.Now().Before(deadline) {
			pause(ctx, nil, 5*time.Millisecond)
		}
		if a.Queue.Counts().Received == 0 {
			t.Error("the message was not received")
		}
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(receiveWait + 5*time.Second): // a worker that waits at a queue in AWS goes when it is answered
			t.Fatal("Run goes on")
		}
	})
}

// TestBell: rings before anybody listens are not lost, and count as one.
func TestBell(t *testing.T) {
	t.Parallel()
	b := newBell()
	b.ring()
	b.ring()
	if !pause(t.Context(), b.heard(), time.Minute) {
		t.Error("the ring was lost")
	}
	if pause(t.Context(), b.heard(), time.Millisecond) {
		t.Error("the ring was heard twice")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if pause(gone, b.heard(), time.Minute) {
		t.Error("the end of the context was taken for a ring")
	}
}

// The surface knows the key that Open made.
func TestSurfaceKnowsTheKey(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		a := opened(t, o)
		key, _ := a.AdminKey()
		keys := access.NewKeys(a.Store, time.Now, identifiers(time.Now), key, api.DefaultWorkspace)
		if p, err := keys.Authenticate(t.Context(), key.Reveal()); err != nil || p.Role != access.Admin {
			t.Errorf("got %v, %v; want an admin", p.Role, err)
		}
		if _, err := keys.Authenticate(t.Context(), "lsk_other"); !errors.As(err, new(*fault.Error)) {
			t.Errorf("another key: %v", err)
		}
	})
}
