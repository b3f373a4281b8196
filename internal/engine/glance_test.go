package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestAGlanceSaysWhatTheStatusSays: the numbers that both have are the same, whatever
// waits, and wherever.
func TestAGlanceSaysWhatTheStatusSays(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(d *desk){
		"nothing was ever done": func(*desk) {},
		"everything waits":      (*desk).stuck,
		"a run is open":         func(d *desk) { d.busy(RunInitial) },
		"an admin has to decide": func(d *desk) {
			d.stuck()
			d.halted()
		},
		"it is paused": func(d *desk) {
			d.stuck()
			d.runs(crm.StatusPaused)
		},
		"a run that is gone": func(d *desk) {
			d.putJSON(d.sc.scan(), scanState{V: 1, OpenRun: "run_gone", LatestPull: d.now})
		},
		"work was given up": func(d *desk) {
			d.putJSON(dead(d.sc.ws, d.sc.con, "x"), deadItem{V: 1, At: d.now})
		},
		"counted": func(d *desk) {
			d.must(d.mem.Transact(d.t.Context(), addWrite(nil, d.sc.counts(), map[string]int64{
				"left:in_sync": 7, "right:failing": 2,
			}, time.Time{})))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			prepare(d)
			all, err := d.Status(t.Context(), d.sc.ws, d.sc.con)
			d.must(err)
			g, err := d.glanced(t.Context())
			d.must(err)
			if len(all) != 1 || len(g.Syncs) != 1 {
				t.Fatalf("status %+v, glance %+v", all, g)
			}
			st, s := all[0], g.Syncs[0]
			got := []any{s.Sync, s.LatestPull, s.Backlog, s.Parked, g.Dead, s.States}
			want := []any{st.Sync, st.LatestPull, st.Backlog, st.Parked, st.Dead, st.States}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-status +glance):\n%s", diff)
			}
			if waits := st.Backlog+st.Parked > 0 || st.OpenRun != ""; waits && s.Oldest.IsZero() && name != "a run is open" {
				t.Errorf("something waits since nobody knows when: %+v", s)
			} else if !waits && !s.Oldest.IsZero() {
				t.Errorf("nothing waits, since %v", s.Oldest)
			}
		})
	}
}

// TestAGlanceIsBounded: of what waits it reads a part, however much there is, and of a
// sync for which nothing waits nothing of that.
func TestAGlanceIsBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var ws []store.Write
	for i := range 2 * glanceMost {
		ws = append(ws, store.Write{Item: store.Item{
			Key: d.sc.inbox(crm.Left, crm.RecordID(fmt.Sprintf("x%05d", i))), Data: []byte(`{"v":1,"at":"2026-01-01T00:00:00Z"}`),
		}})
	}
	if _, errs := d.mem.BatchWrite(t.Context(), ws); errs != nil {
		t.Fatal(errs[0])
	}
	read := func(look func() (Glance, error)) (Glance, int64) {
		before := d.mem.Counts()
		g, err := look()
		d.must(err)
		return g, d.mem.Counts().Since(before).Read()
	}
	g, n := read(func() (Glance, error) { return d.Glance(t.Context(), d.sc.ws, d.conn) })
	if n > 5 || g.Read != 0 {
		t.Errorf("without an entry on the agenda %d items were read, and %d said", n, g.Read)
	}
	g, n = read(func() (Glance, error) { return d.glanced(t.Context()) })
	if n > glanceMost+20 || g.Read < glanceMost || g.Syncs[0].Backlog != glanceMost {
		t.Errorf("%d items were read, %d said, and a backlog of %d", n, g.Read, g.Syncs[0].Backlog)
	}
	if want := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); !g.Syncs[0].Oldest.Equal(want) {
		t.Errorf("the oldest waits since %v", g.Syncs[0].Oldest)
	}
	for _, status := range []crm.Status{crm.StatusDraft, crm.StatusDeleting} {
		c := *d.conn
		c.Status = status
		if g, n := read(func() (Glance, error) { return d.Glance(t.Context(), d.sc.ws, &c) }); n != 0 || g.Syncs != nil {
			t.Errorf("of a connection that is %s %d items were read", status, n)
		}
	}
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	conn := func(change func(*crm.Connection)) *crm.Connection {
		c := &crm.Connection{
			Status: crm.StatusActive, Enabled: true, Syncs: []crm.Sync{{ID: "s", Schedule: "5m", Direction: crm.DirectionBoth}},
		}
		change(c)
		return c
	}
	same := func(*crm.Connection) {}
	for name, c := range map[string]struct {
		change func(*crm.Connection)
		age    time.Duration
		open   bool
		want   bool
	}{
		"in time":          {same, 15 * time.Minute, false, false},
		"late":             {same, 15*time.Minute + time.Second, false, true},
		"a run is open":    {same, time.Hour, true, false},
		"paused":           {func(c *crm.Connection) { c.Status = crm.StatusPaused }, time.Hour, false, false},
		"off":              {func(c *crm.Connection) { c.Enabled = false }, time.Hour, false, false},
		"no schedule":      {func(c *crm.Connection) { c.Syncs[0].Schedule = "manual" }, time.Hour, false, false},
		"no such sync":     {func(c *crm.Connection) { c.Syncs = nil }, time.Hour, false, false},
		"never looked yet": {same, 0, false, false},
	} {
		at := now.Add(-c.age)
		if c.age == 0 {
			at = time.Time{}
		}
		if got := Overdue(conn(c.change), "s", at, c.open, now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
