package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// overtaking lets somebody else do something just before an item of the agenda is written.
type overtaking struct {
	store.Store
	first func()
}

func (s *overtaking) Write(ctx context.Context, w store.Write) (int64, error) {
	if kind, _ := store.KindOf(w.Item.Key); kind.Name == "agenda" && s.first != nil {
		first := s.first
		s.first = nil
		first()
	}
	return s.Store.Write(ctx, w)
}

// TestSavedSettingsBeginWhatTheyAskFor: which run a save begins or names, what it leaves to
// the tick because something is in the way, and that no failed request hides it.
func TestSavedSettingsBeginWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	const version = 3
	asked := owedRun(RunResync, false, version)
	for name, c := range map[string]struct {
		st   scanState
		lay  func(d *desk)
		want []crm.RunID // "new" is one that was begun
		due  bool        // the tick is to look at the sync
	}{
		"nothing is in the way":           {scanState{}, nil, []crm.RunID{"new"}, true},
		"it is applied":                   {scanState{All: version}, nil, nil, false},
		"the tick was faster":             {scanState{Owed: asked, OwedBy: "run_done"}, nil, []crm.RunID{"run_done"}, false},
		"the tick was faster, and failed": {scanState{Owed: asked, OwedBy: "run_other"}, nil, []crm.RunID{"run_other"}, false},
		"a run of older settings was begun": {
			scanState{Owed: owedRun(RunResync, false, version-1), OwedBy: "run_done"}, nil, []crm.RunID{"new"}, true,
		},
		"who began it was not noted": {scanState{Owed: asked}, nil, []crm.RunID{"new"}, true},
		"it is paused":               {scanState{}, func(d *desk) { d.runs(crm.StatusPaused) }, nil, true},
		"it is switched off": {scanState{}, func(d *desk) {
			d.conn.Enabled = false
			d.runs(crm.StatusActive)
		}, nil, true},
		"a run is open":                    {scanState{OpenRun: "run_open"}, nil, nil, true},
		"a run is open that ends just now": {scanState{OpenRun: "run_done"}, nil, nil, true},
		"a pull comes between": {scanState{}, func(d *desk) {
			d.Store = &overtaking{d.Store, func() {
				d.putJSON(d.sc.scan(), scanState{V: 1, OpenRun: "run_open", LatestPull: d.now})
			}}
		}, nil, true},
	} {
		lay := func() *desk {
			d := newDesk(t)
			d.conn.Version, d.conn.Changes = version, map[crm.SyncID]crm.Changes{d.sc.sync: {All: version}}
			d.runs(crm.StatusActive)
			for id, state := range map[crm.RunID]RunState{"run_done": RunDone, "run_other": RunFailed, "run_open": RunRunning} {
				r := storedRun{V: 1, Phase: phaseOver, Run: Run{
					ID: id, Kind: RunPull, State: state, Connection: d.sc.con, Sync: d.sc.sync, CreatedAt: d.now.Add(-time.Hour),
				}}
				if r.open() {
					r.Phase = phaseLeft
				}
				d.must(d.saveRun(t.Context(), d.sc.ws, &r))
			}
			c.st.V, c.st.LatestPull = 1, d.now.Add(-time.Minute)
			d.putJSON(d.sc.scan(), c.st)
			if c.lay != nil {
				c.lay(d)
			}
			d.asked = nil
			return d
		}
		d := lay()
		runs, err := d.SettingsChanged(t.Context(), d.sc.ws, d.sc.con)
		d.must(err)
		requests := len(d.asked)
		st, err := d.loadScan(t.Context(), d.sc)
		d.must(err)
		var got []crm.RunID
		for i := range runs {
			id := runs[i].ID
			if id == st.OpenRun && runs[i].Kind == RunResync && st.Owed == asked && st.OwedBy == id {
				id = "new"
			}
			got = append(got, id)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: named %v, want %v", name, got, c.want)
		}
		if begun := slices.Contains(c.want, "new"); !begun && st.Owed != c.st.Owed {
			t.Errorf("%s: a run began: %+v", name, st)
		}
		if due := d.get(agendaKey(d.sc)) != nil; due != c.due {
			t.Errorf("%s: on the agenda %t, want %t", name, due, c.due)
		}
		for at := range requests {
			d := lay()
			d.at = at
			if _, err := d.SettingsChanged(t.Context(), d.sc.ws, d.sc.con); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: %s fails, and what is said is %v", name, d.asked[at], err)
			}
		}
	}
}
