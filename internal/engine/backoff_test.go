package engine_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// lines counts what was logged, by level and message.
type lines struct {
	mu sync.Mutex
	n  map[string]int
}

func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *lines) WithGroup(string) slog.Handler                    { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n[r.Level.String()+" "+r.Message]++
	return nil
}

func (b bed) listenToLog() *lines {
	l := &lines{n: map[string]int{}}
	b.Engine.Log = slog.New(l)
	return l
}

// serve goes round for a while as the program does, and works the queue when work says so.
func (b bed) serve(d time.Duration, work bool) {
	b.t.Helper()
	for end := b.Now().Add(d); b.Now().Before(end); {
		if work {
			_, err := b.Work(b.t.Context())
			b.must(err)
		}
		busy, err := b.Engine.Round(b.t.Context())
		b.must(err)
		if busy {
			b.Move(100 * time.Millisecond)
		} else {
			b.Move(time.Second)
		}
	}
}

// TestDeadAppIsLeftAlone kills one app before its listing begins.
func TestDeadAppIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := newBed(t, 250, nil)
	log := b.listenToLog()
	ctx := t.Context()
	died := b.Now()
	b.must(b.Hub.Core().Inject(fakekit.Fault{
		Kind: fakekit.FaultFail, Status: http.StatusServiceUnavailable, Times: 1 << 30,
	}))
	runs, err := b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection)
	b.must(err)
	b.resetCalls()

	b.serve(10*time.Minute, true)
	// 1, 2, 4, 8, 16, then every 30 seconds.
	if hub, _ := b.calls(); hub < 10 || hub > 30 {
		t.Errorf("%d calls to the dead app in 10 minutes, want about 24", hub)
	}
	if n := log.n["WARN tick: sync not attended"]; n < 2 || n > 6 {
		t.Errorf("%d lines about the sync, want one for each longer wait: %v", n, log.n)
	}
	if n := log.n["WARN app does not answer"]; n != 1 {
		t.Errorf("%d lines about the app, want one", n)
	}
	st := b.status()
	if len(st.Warnings) != 1 || st.Warnings[0] != "app_unreachable" || len(st.Outages) != 1 {
		t.Fatalf("warnings %v, unreachable %v, want the one app that is dead", st.Warnings, st.Outages)
	}
	if s := st.Outages[0]; s.Side != crm.Left || s.App != "hubspot" || s.Account != testbed.LeftAccount ||
		s.Since.Sub(died) > 2*time.Second || s.Code != "unavailable" || s.Detail == "" {
		t.Errorf("unreachable: got %+v", s)
	}

	b.Hub.Core().ClearFaults()
	b.serve(31*time.Second, true)
	b.drain()
	if st := b.status(); len(st.Warnings) != 0 || len(st.Outages) != 0 {
		t.Errorf("after the app came back: warnings %v, unreachable %v", st.Warnings, st.Outages)
	}
	if log.n["INFO app answers again"] != 1 || log.n["INFO tick: sync attended again"] != 1 {
		t.Errorf("the end of it is not in the log: %v", log.n)
	}
	run, err := b.Engine.GetRun(ctx, testbed.Workspace, runs[0].ID)
	b.must(err)
	if want := int64(fakekit.Expected(250).Linked); run.State != engine.RunDone ||
		b.status().States.Left[crm.StateInSync] != want {
		t.Errorf("run %s with %d pairs, want it done with %d", run.State, b.status().States.Left[crm.StateInSync], want)
	}
}

// TestDeadAppMeetsWhatIsQueued kills the app that is written to once
// everything is listed: only the workers notice, and nothing is given up.
func TestDeadAppMeetsWhatIsQueued(t *testing.T) {
	t.Parallel()
	b := newBed(t, 250, nil)
	log := b.listenToLog()
	_, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection)
	b.must(err)
	b.serve(2*time.Second, false)
	b.must(b.Force.Core().Inject(fakekit.Fault{
		Kind: fakekit.FaultFail, Status: http.StatusServiceUnavailable, Times: 1 << 30,
	}))
	b.resetCalls()

	b.serve(20*time.Minute, true)
	if st := b.status(); strings.Join(st.Warnings, " ") != "app_unreachable" || len(st.Outages) != 1 ||
		st.Outages[0].Side != crm.Right {
		t.Errorf("warnings %v, unreachable %+v, want the right one", st.Warnings, st.Outages)
	}
	if _, force := b.calls(); force > 500 {
		t.Errorf("%d calls to the dead app in 20 minutes", force)
	}
	b.Force.Core().ClearFaults()
	b.serve(2*time.Minute, true)
	b.drain()
	st := b.status()
	if want := int64(fakekit.Expected(250).Linked); len(st.Warnings) != 0 || st.States.Left[crm.StateInSync] != want ||
		st.Dead != 0 {
		t.Errorf("after the app came back: warnings %v, %d pairs of %d, %d dead items; log %v", st.Warnings,
			st.States.Left[crm.StateInSync], want, st.Dead, log.n)
	}
}

// TestGrantGoneWhileListing takes the grant away while only the tick asks the app.
func TestGrantGoneWhileListing(t *testing.T) {
	t.Parallel()
	b := newBed(t, 250, nil)
	_, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection)
	b.must(err)
	b.must(b.Force.Core().Inject(fakekit.Fault{Kind: fakekit.FaultFail, Status: http.StatusUnauthorized, Times: 1 << 30}))
	b.serve(time.Minute, false)
	conn, _, err := store.LoadConnection(t.Context(), b.Store, testbed.Workspace, testbed.Connection)
	b.must(err)
	if conn.Status != crm.StatusNeedsAuth {
		t.Errorf("the connection is %s, want it to ask for an authorisation", conn.Status)
	}
}
