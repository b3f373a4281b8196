package engine_test

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestUnlinkedPairsStayApartWhenALinkIsRefused: a request to link that cannot
// be carried out any more leaves a record apart that was taken apart.
func TestUnlinkedPairsStayApartWhenALinkIsRefused(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	b.finished(b.Engine.UnlinkRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub)))
	run, err := b.Engine.LinkRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub), crm.RecordID(force))
	b.must(err)
	b.must(b.Force.Core().DeleteRecord("Contact", force))
	people := len(b.live("Contact"))
	if r := b.finished(run, nil); r.Outcomes[crm.Failed] != 1 {
		t.Errorf("the run's outcomes are %v, want one failure", r.Outcomes)
	}
	b.editHub(hub, "jobtitle", "Cooper")
	for range 2 {
		b.Move(5 * time.Minute)
		b.pull()
	}
	if v := b.record(crm.Left, hub); v.State != crm.StateExcluded || v.Code != "unlinked" {
		t.Errorf("the record is %s (%s), want excluded (unlinked)", v.State, v.Code)
	}
	if n := len(b.live("Contact")); n != people {
		t.Errorf("Salesforce holds %d live people of %d: somebody who was taken apart was made anew", n, people)
	}
	entries, _, err := b.Engine.ListLog(ctx, testbed.Workspace, engine.LogFilter{
		Connection: testbed.Connection, Outcomes: []crm.Outcome{crm.Failed},
	}, 10, "")
	b.must(err)
	if len(entries) != 1 || entries[0].Code != "partner_not_found" {
		t.Errorf("the log tells of %+v, want one failure: partner_not_found", entries)
	}
}

// TestAStartThatGotNoFurtherThanTheSwitchGoesOn: a start whose process ended
// once the connection was active never made the first run. Whoever comes next
// does, another start or a pull, and does what the settings say of it.
func TestAStartThatGotNoFurtherThanTheSwitchGoesOn(t *testing.T) {
	t.Parallel()
	for how, next := range map[string]func(b bed){
		"start": func(b bed) {
			runs, err := b.Engine.StartConnection(b.t.Context(), testbed.Workspace, testbed.Connection)
			b.must(err)
			if len(runs) != 1 || runs[0].Kind != engine.RunInitial {
				b.t.Errorf("the second start began %+v, want the initial run", runs)
			}
		},
		"pull": func(b bed) {
			b.must(b.Engine.Pull(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts))
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 30, func(c *crm.Connection) { c.Syncs[0].Initial = "changes_only" })
			b.Move(3 * time.Hour) // nobody is new any more
			people := len(b.live("Contact"))
			conn, version, err := store.LoadConnection(t.Context(), b.Store, testbed.Workspace, testbed.Connection)
			b.must(err)
			conn.Status = crm.StatusActive
			_, err = store.SaveConnection(t.Context(), b.Store, testbed.Workspace, conn, version)
			b.must(err)
			next(b)
			b.drain()
			b.Move(5 * time.Minute)
			b.pull()
			if n := len(b.live("Contact")); n != people {
				t.Errorf("Salesforce holds %d people of %d: changes_only carried over who was there before", n, people)
			}
			runs, _, err := b.Engine.ListRuns(t.Context(), testbed.Workspace, testbed.Connection, 10, "")
			b.must(err)
			if len(runs) == 0 || runs[len(runs)-1].Kind != engine.RunInitial {
				t.Errorf("the runs are %+v, want an initial one first", runs)
			}
		})
	}
}
