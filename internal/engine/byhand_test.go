package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
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

// TestALinkByHandMeetsTheBirthOfItsTwin: of two records that a person links, one may be
// about to be made in the other app, in the same piece of work and in whatever order:
// nobody is made.
func TestALinkByHandMeetsTheBirthOfItsTwin(t *testing.T) {
	t.Parallel()
	for _, from := range crm.Sides {
		for _, linkFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, link first %t", from, linkFirst), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, 30, nil)
				b.start()
				ctx := t.Context()
				hub, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
					"email": "new.here@example.org", "firstname": "Ann", "lastname": "Here",
				})
				b.must(err)
				force, err := b.Force.Core().CreateRecord("Contact", map[string]string{
					"Email": "new.there@example.org", "FirstName": "Ann", "LastName": "There",
				})
				b.must(err)
				contacts, people := len(b.live("contacts")), len(b.live("Contact"))
				ids := crm.PerSide[crm.RecordID]{Left: crm.RecordID(hub.ID), Right: crm.RecordID(force.ID)}
				account, object := testbed.RightAccount, "Contact"
				if from == crm.Right { // the link is asked for on one side, the other one's record is told of
					account, object = testbed.LeftAccount, "contacts"
				}
				tell := func() {
					b.must(b.Engine.Webhook(ctx, testbed.Workspace, account, []connector.Event{
						{Kind: connector.EventChanged, Object: object, ID: ids.Get(from.Other())},
					}))
				}
				if !linkFirst {
					tell()
				}
				run, err := b.Engine.LinkRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, from,
					ids.Get(from), ids.Get(from.Other()))
				b.must(err)
				if linkFirst {
					tell()
				}
				b.finished(run, nil)
				if c, p := len(b.live("contacts")), len(b.live("Contact")); c != contacts || p != people {
					t.Errorf("HubSpot holds %d of %d people and Salesforce %d of %d: somebody was made", c, contacts, p, people)
				}
				if v := b.record(crm.Left, hub.ID); v.State != crm.StateInSync || v.Partner != ids.Right {
					t.Errorf("the record is %s (%s) with %q", v.State, v.Code, v.Partner)
				}
			})
		}
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
