package follow_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/schedule/follow"
	"github.com/lockstep-crm/lockstep/internal/schedule/memschedule"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

const (
	ws  = crm.WorkspaceID("ws_1")
	con = crm.ConnectionID("con_1")
)

// world is a store that schedules follow, and the means to look at both.
type world struct {
	*follow.Store
	plain     store.Store
	schedules *memschedule.Schedules
	log       bytes.Buffer
}

func newWorld() *world {
	w := &world{plain: memstore.New(time.Now), schedules: new(memschedule.Schedules)}
	w.Store = &follow.Store{Store: w.plain, Schedules: w.schedules, Log: slog.New(slog.NewTextHandler(&w.log, nil))}
	return w
}

// document is an active connection: a sync every five minutes, one by hand, one
// that is off.
func document() *crm.Connection {
	return &crm.Connection{ID: con, Enabled: true, Status: crm.StatusActive, Syncs: []crm.Sync{
		{ID: "people"}, {ID: "deals", Schedule: "manual"}, {ID: "firms", Schedule: "15m", Direction: crm.DirectionOff},
	}}
}

func save(t *testing.T, st store.Store, c *crm.Connection) {
	t.Helper()
	_, seen, err := store.LoadConnection(t.Context(), st, ws, c.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	if _, err := store.SaveConnection(t.Context(), st, ws, c, seen); err != nil {
		t.Fatal(err)
	}
}

// shown is what is scheduled: "sync every" or "sync every paused", by sync.
func shown(t *testing.T, s schedule.Schedules) map[string]string {
	t.Helper()
	page, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, sc := range page.Schedules {
		text := sc.Every.String()
		if sc.Paused {
			text += " paused"
		}
		out[string(sc.Sync)] = text
	}
	return out
}

// TestSchedulesFollow saves a connection in each of its states, one after the other.
func TestSchedulesFollow(t *testing.T) {
	t.Parallel()
	w := newWorld()
	c := document()
	for _, step := range []struct {
		name   string
		change func()
		want   map[string]string
	}{
		{"draft", func() { c.Status = crm.StatusDraft }, map[string]string{}},
		{"started", func() { c.Status = crm.StatusActive }, map[string]string{"people": "5m0s"}},
		{"renamed", func() { c.Name = "other" }, map[string]string{"people": "5m0s"}},
		{"every minute", func() { c.Syncs[0].Schedule = "1m" }, map[string]string{"people": "1m0s"}},
		{"another by the clock", func() { c.Syncs[1].Schedule = "60m" }, map[string]string{
			"people": "1m0s", "deals": "1h0m0s",
		}},
		{"a third on", func() { c.Syncs[2].Direction = crm.DirectionBoth }, map[string]string{
			"people": "1m0s", "deals": "1h0m0s", "firms": "15m0s",
		}},
		{"back to two", func() { c.Syncs = c.Syncs[:2] }, map[string]string{"people": "1m0s", "deals": "1h0m0s"}},
		{"paused", func() { c.Status = crm.StatusPaused }, map[string]string{
			"people": "1m0s paused", "deals": "1h0m0s paused",
		}},
		{"resumed", func() { c.Status = crm.StatusActive }, map[string]string{"people": "1m0s", "deals": "1h0m0s"}},
		{"switched off", func() { c.Enabled = false }, map[string]string{"people": "1m0s paused", "deals": "1h0m0s paused"}},
		{"switched on", func() { c.Enabled = true }, map[string]string{"people": "1m0s", "deals": "1h0m0s"}},
		{"waits for a login", func() { c.Status = crm.StatusNeedsAuth }, map[string]string{
			"people": "1m0s", "deals": "1h0m0s",
		}},
		{"halted", func() { c.Status = crm.StatusHalted }, map[string]string{"people": "1m0s", "deals": "1h0m0s"}},
		{"by hand", func() { c.Syncs[0].Schedule = "manual" }, map[string]string{"deals": "1h0m0s"}},
		{"being deleted", func() { c.Status = crm.StatusDeleting }, map[string]string{}},
	} {
		step.change()
		save(t, w, c)
		if diff := cmp.Diff(step.want, shown(t, w.schedules)); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	if w.log.Len() > 0 {
		t.Errorf("the log says %s", w.log.String())
	}
}

func TestDeletedItem(t *testing.T) {
	t.Parallel()
	w := newWorld()
	save(t, w, document())
	if _, err := w.Write(t.Context(), store.Write{
		Op: store.Delete, Item: store.Item{Key: store.ConnectionKey(ws, con)},
	}); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, w.schedules); len(got) > 0 {
		t.Errorf("schedules %v of a connection that is gone", got)
	}
}

// TestRefusedSave changes no schedule.
func TestRefusedSave(t *testing.T) {
	t.Parallel()
	w := newWorld()
	save(t, w, document())
	c := document()
	c.Status = crm.StatusPaused
	if _, err := store.SaveConnection(t.Context(), w, ws, c, 77); !fault.Is(err, fault.Conflict) {
		t.Fatalf("saved over another version: %v", err)
	}
	if diff := cmp.Diff(map[string]string{"people": "5m0s"}, shown(t, w.schedules)); diff != "" {
		t.Error(diff)
	}
}

// broken is a scheduler that does nothing, after doing what first says.
type broken struct {
	schedule.Schedules
	first func()
}

var errDown = errors.New("down")

// Put implements schedule.Schedules.
func (b broken) Put(context.Context, schedule.Schedule) error { b.first(); return errDown }

// Delete implements schedule.Schedules.
func (b broken) Delete(context.Context, string) error { b.first(); return errDown }

// TestASaveStands without its schedules, and says so.
func TestASaveStands(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.Schedules = broken{w.schedules, func() {}}
	save(t, w, document())
	if _, _, err := store.LoadConnection(t.Context(), w.plain, ws, con); err != nil {
		t.Error(err)
	}
	if !strings.Contains(w.log.String(), "schedules do not follow yet") {
		t.Errorf("the log says %q", w.log.String())
	}
}

// rebuild begins a rebuild of schedules with one connection.
func (w *world) rebuild(t *testing.T, schedules schedule.Schedules, c *crm.Connection) *follow.Rebuilder {
	t.Helper()
	r, err := follow.List(t.Context(), w.plain, schedules)
	if err != nil {
		t.Fatal(err)
	}
	r.Connection(t.Context(), ws, c)
	return r
}

// TestRebuild mends each thing that can be wrong, and touches nothing else.
func TestRebuild(t *testing.T) {
	t.Parallel()
	right := schedule.Schedule{
		Name: schedule.Name(ws, con, "people"), Workspace: ws, Connection: con, Sync: "people",
		Every: 5 * time.Minute,
	}
	altered := func(change func(*schedule.Schedule)) schedule.Schedule {
		sc := right
		change(&sc)
		return sc
	}
	gone := schedule.Schedule{
		Name: schedule.Name(ws, "con_gone", "people"), Workspace: ws, Connection: "con_gone",
		Sync: "people", Every: 5 * time.Minute,
	}
	dropped := altered(func(sc *schedule.Schedule) { sc.Name, sc.Sync = schedule.Name(ws, con, "dropped"), "dropped" })
	for name, tt := range map[string]struct {
		there  []schedule.Schedule
		mended int
	}{
		"as it should be":        {[]schedule.Schedule{right}, 0},
		"missing":                {nil, 1},
		"another interval":       {[]schedule.Schedule{altered(func(sc *schedule.Schedule) { sc.Every = time.Hour })}, 1},
		"paused":                 {[]schedule.Schedule{altered(func(sc *schedule.Schedule) { sc.Paused = true })}, 1},
		"for another sync":       {[]schedule.Schedule{altered(func(sc *schedule.Schedule) { sc.Sync = "other" })}, 1},
		"of a gone connection":   {[]schedule.Schedule{right, gone}, 1},
		"of a sync that is gone": {[]schedule.Schedule{right, dropped}, 1},
		"all at once": {
			[]schedule.Schedule{altered(func(sc *schedule.Schedule) { sc.Every = time.Hour }), gone, dropped}, 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			save(t, w.plain, document())
			for _, sc := range tt.there {
				if err := w.schedules.Put(t.Context(), sc); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range []int{tt.mended, 0} { // twice: the second finds nothing to do
				r := w.rebuild(t, w.schedules, document())
				if n, err := r.Finish(t.Context()); n != want || err != nil {
					t.Errorf("mended %d, %v; want %d", n, err, want)
				}
			}
			if diff := cmp.Diff(map[string]string{"people": "5m0s"}, shown(t, w.schedules)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRebuildMeetsASave has the settings change after they were read.
func TestRebuildMeetsASave(t *testing.T) {
	t.Parallel()
	w := newWorld()
	late := document()
	late.Syncs[0].Schedule = "30m"
	save(t, w.plain, late)
	w.rebuild(t, w.schedules, document()) // as it was before
	if diff := cmp.Diff(map[string]string{"people": "30m0s"}, shown(t, w.schedules)); diff != "" {
		t.Error(diff)
	}
}

// TestTroubleOfOneSchedule leaves the others mended.
func TestTroubleOfOneSchedule(t *testing.T) {
	t.Parallel()
	w := newWorld()
	c := document()
	c.Syncs[1].Schedule = "10m"
	save(t, w.plain, c)
	calls := 0
	r := w.rebuild(t, broken{w.schedules, func() { calls++ }}, c)
	if n, err := r.Finish(t.Context()); n != 0 || !errors.Is(err, errDown) || calls != 2 {
		t.Errorf("mended %d with %d calls, %v; want both tried", n, calls, err)
	}
}
