package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/schedule/memschedule"
)

func all(t *testing.T, s schedule.Schedules) map[string]schedule.Schedule {
	t.Helper()
	page, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]schedule.Schedule{}
	for _, sc := range page.Schedules {
		out[sc.Name] = sc
	}
	return out
}

// TestHealsSchedules has what a half-done change leaves behind: a schedule that
// is missing, one that is stale, one of a connection that is gone.
func TestHealsSchedules(t *testing.T) {
	t.Parallel()
	name := schedule.Name(testbed.Workspace, testbed.Connection, testbed.Contacts)
	right := schedule.Schedule{
		Name: name, Workspace: testbed.Workspace, Connection: testbed.Connection, Sync: testbed.Contacts,
		Every: 5 * time.Minute,
	}
	stale, orphan := right, right
	stale.Every, stale.Paused = time.Hour, true
	orphan.Connection = "con_gone"
	orphan.Name = schedule.Name(orphan.Workspace, orphan.Connection, orphan.Sync)
	for what, there := range map[string][]schedule.Schedule{
		"missing": nil, "stale": {stale}, "orphaned": {right, orphan}, "by other hands": {
			right, {Name: "hand", Workspace: "x", Connection: "y", Sync: "z", Every: time.Minute},
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w, s := newWorld(t), new(memschedule.Schedules)
			w.h.schedules = s
			for _, sc := range there {
				if err := s.Put(t.Context(), sc); err != nil {
					t.Fatal(err)
				}
			}
			w.look(t)
			if diff := cmp.Diff(map[string]schedule.Schedule{name: right}, all(t, s)); diff != "" {
				t.Errorf("schedules (-want +got):\n%s", diff)
			}
			if !strings.Contains(w.said.String(), "schedules_mended=1") {
				t.Errorf("the log says %s, want one schedule mended", w.said.String())
			}
		})
	}
}

// TestPausedConnectionKeepsItsSchedule, paused.
func TestPausedConnectionKeepsItsSchedule(t *testing.T) {
	t.Parallel()
	w, s := newWorld(t), new(memschedule.Schedules)
	w.h.schedules = s
	w.status(t, crm.StatusPaused)
	w.look(t)
	for _, sc := range all(t, s) {
		if !sc.Paused {
			t.Errorf("%+v fires", sc)
		}
	}
	if len(all(t, s)) != 1 {
		t.Errorf("%d schedules, want 1", len(all(t, s)))
	}
}

// mute lists nothing but an error.
type mute struct{ schedule.Schedules }

// List implements schedule.Schedules.
func (mute) List(context.Context, string) (schedule.Page, error) {
	return schedule.Page{}, errors.New("down")
}

// TestWithoutScheduler looks over everything else.
func TestWithoutScheduler(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.h.schedules = mute{}
	w.status(t, crm.StatusNeedsAuth)
	w.look(t)
	if w.status(t, "") != crm.StatusActive || !strings.Contains(w.said.String(), "schedules not listed") {
		t.Errorf("status %s, log %s; want the connection resumed all the same", w.status(t, ""), w.said.String())
	}
}

// TestNoScheduleRemovedBlindly: when the settings cannot be read to the end,
// nobody knows whose schedules are.
func TestNoScheduleRemovedBlindly(t *testing.T) {
	t.Parallel()
	w, s := newWorld(t), new(memschedule.Schedules)
	w.h.schedules = s
	sc := schedule.Schedule{Name: "hand", Workspace: "x", Connection: "y", Sync: "z", Every: time.Minute}
	if err := s.Put(t.Context(), sc); err != nil {
		t.Fatal(err)
	}
	w.h.store = down{w.Store}
	if err := w.h.Handle(t.Context(), nil); err == nil {
		t.Error("a store that is down is no failure")
	}
	if len(all(t, s)) != 1 {
		t.Error("the schedule was removed")
	}
}
