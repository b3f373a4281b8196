package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// ghent is a sync that comes before the bed's own and takes people of one city.
const ghent crm.SyncID = "ghent"

// twoSyncs is a bed whose connection joins people by two syncs. Where the sides
// differ and nobody knows who changed what, the right one wins.
func twoSyncs(t *testing.T, change func(*crm.Connection)) bed {
	t.Helper()
	return newBed(t, 6, func(c *crm.Connection) {
		c.Syncs[0].Conflict = crm.ConflictRight
		first := c.Syncs[0]
		first.ID = ghent
		lives := func(id, field string, d crm.Direction) crm.Rule {
			return crm.Rule{ID: id, Direction: d, Filter: &crm.Filter{Field: field, Op: "equals", Value: crm.TextValue("Ghent")}}
		}
		first.Rules = []crm.Rule{
			lives("out", "city", crm.DirectionToRight), lives("back", "MailingCity", crm.DirectionToLeft),
		}
		c.Syncs = append([]crm.Sync{first}, c.Syncs...)
		if change != nil {
			change(c)
		}
	})
}

// pullEach pulls the syncs in an order.
func (b bed) pullEach(order ...crm.SyncID) {
	b.t.Helper()
	b.Move(testbed.Overlap)
	for _, id := range order {
		b.must(b.Engine.Pull(b.t.Context(), ws, con, id))
		b.drain()
	}
}

// stands looks how a record of the left side stands in a sync.
func (b bed) stands(id crm.SyncID, rec string, state crm.State, code string) {
	b.t.Helper()
	v, err := b.Engine.GetRecord(b.t.Context(), ws, con, id, crm.Left, crm.RecordID(rec))
	b.must(err)
	if v.State != state || v.Code != code {
		b.t.Errorf("in %s the record is %s (%s), want %s (%s)", id, v.State, v.Code, state, code)
	}
}

// TestS6_TheFirstSyncTakesTheRecord: of two syncs of one connection that could take
// a record the first of the document does; the other leaves it alone, and says so.
// A record that changes from one to the other keeps its twin and what was agreed
// on, whichever of them hears of it first, and an edit made by that very moment
// travels. A pair is the first one's as long as it takes either record.
func TestS6_TheFirstSyncTakesTheRecord(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]crm.SyncID{
		"first first": {ghent, testbed.Contacts}, "second first": {testbed.Contacts, ghent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := twoSyncs(t, nil)
			b.start()
			people := len(b.live("Contact"))
			hub, force := b.twins(t.Context())
			for _, step := range []struct{ city, title string }{{"Ghent", "Mayor"}, {"Bruges", "Baker"}, {"Ghent", "Cooper"}} {
				_, err := b.Hub.Core().UpdateRecord("contacts", hub, map[string]string{"city": step.city, "jobtitle": step.title})
				b.must(err)
				if step.city != "Ghent" {
					b.pullEach(order...)
					b.stands(testbed.Contacts, hub, crm.StateExcluded, "taken_by_other_sync") // its twin still lives in Ghent
				}
				_, err = b.Force.Core().UpdateRecord("Contact", force, map[string]string{"MailingCity": step.city})
				b.must(err)
				b.pullEach(order...)
				b.pullEach(order...)
				for side, got := range map[crm.Side]string{
					crm.Left: b.get("contacts", hub)["jobtitle"], crm.Right: b.get("Contact", force)["Title"],
				} {
					if got != step.title {
						t.Errorf("in %s the title is %q on the %s, want %q", step.city, got, side, step.title)
					}
				}
				if step.city == "Ghent" {
					b.stands(ghent, hub, crm.StateInSync, "")
					b.stands(testbed.Contacts, hub, crm.StateExcluded, "taken_by_other_sync")
				} else {
					b.stands(ghent, hub, crm.StateExcluded, "filtered_out")
					b.stands(testbed.Contacts, hub, crm.StateInSync, "")
				}
			}
			b.Move(10 * time.Minute)
			b.editForce(force, "Title", "Miller")
			b.pullEach(order...)
			if got := b.get("contacts", hub)["jobtitle"]; got != "Miller" {
				t.Errorf("an edit on the other side arrives as %q", got)
			}
			if now := len(b.live("Contact")); now != people {
				t.Errorf("%d people on the right, there were %d", now, people)
			}
		})
	}
}

// TestS6_ANewRecordIsMadeOnce: who is new and belongs to the first sync is made by
// it alone, whichever sync hears of them first, from either side.
func TestS6_ANewRecordIsMadeOnce(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]crm.SyncID{
		"first first": {ghent, testbed.Contacts}, "second first": {testbed.Contacts, ghent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := twoSyncs(t, nil)
			b.start()
			_, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
				"email": "new@example.com", "lastname": "New", "city": "Ghent",
			})
			b.must(err)
			_, err = b.Force.Core().CreateRecord("Contact", map[string]string{
				"Email": "other@example.com", "LastName": "Other", "MailingCity": "Ghent",
			})
			b.must(err)
			left, right := len(b.live("contacts")), len(b.live("Contact"))
			for range 3 {
				b.pullEach(order...)
			}
			if l, r := len(b.live("contacts"))-left, len(b.live("Contact"))-right; l != 1 || r != 1 {
				t.Errorf("%d were made on the left and %d on the right, want one each", l, r)
			}
			if st := b.status(); st.States.Left[crm.StateInSync] != 2 {
				t.Errorf("the first sync has %d in sync, want the two", st.States.Left[crm.StateInSync])
			}
		})
	}
}

// TestS16_APairThatEndedInOneSyncIsNotMadeAnewByAnother: of a pair of the first sync
// one record is deleted, and the other one changes to the second sync, which has
// never heard of the deletion, or not yet.
func TestS16_APairThatEndedInOneSyncIsNotMadeAnewByAnother(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]crm.SyncID{
		"first first": {ghent, testbed.Contacts}, "second first": {testbed.Contacts, ghent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := twoSyncs(t, nil)
			b.start()
			made, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
				"email": "new@example.com", "lastname": "New", "city": "Ghent",
			})
			b.must(err)
			b.pullEach(order...)
			b.pullEach(order...)
			pair, err := b.Engine.GetRecord(t.Context(), ws, con, ghent, crm.Left, crm.RecordID(made.ID))
			b.must(err)
			b.must(b.Force.Core().DeleteRecord("Contact", string(pair.Partner)))
			_, err = b.Hub.Core().UpdateRecord("contacts", made.ID, map[string]string{"city": "Bruges"})
			b.must(err)
			people := len(b.live("Contact"))
			for range 3 {
				b.pullEach(order...)
			}
			if now := len(b.live("Contact")); now != people {
				t.Errorf("%d people on the right, want the %d that were left", now, people)
			}
			b.stands(testbed.Contacts, made.ID, crm.StateDeleted, "deleted_on_right")
		})
	}
}

// lives lets both records of a person name a city.
func (b bed) lives(hub, force, city string) {
	b.t.Helper()
	_, err := b.Hub.Core().UpdateRecord("contacts", hub, map[string]string{"city": city})
	b.must(err)
	_, err = b.Force.Core().UpdateRecord("Contact", force, map[string]string{"MailingCity": city})
	b.must(err)
}

// TestS13_WhatWeWriteMayLetARecordIn: the filter of one way lets a record through
// only since we wrote to it. What it holds then travels, without anybody's edit.
func TestS13_WhatWeWriteMayLetARecordIn(t *testing.T) {
	t.Parallel()
	b := twoSyncs(t, nil)
	b.start()
	hub, force := b.twins(t.Context())
	b.lives(hub, force, "Bruges")
	b.pullEach(ghent, testbed.Contacts)
	_, err := b.Hub.Core().UpdateRecord("contacts", hub, map[string]string{"jobtitle": "Miller"})
	b.must(err)
	_, err = b.Force.Core().UpdateRecord("Contact", force, map[string]string{"MailingCity": "Ghent"})
	b.must(err)
	for range 3 {
		b.pullEach(ghent, testbed.Contacts)
	}
	if city, title := b.get("contacts", hub)["city"], b.get("Contact", force)["Title"]; city != "Ghent" ||
		title != "Miller" {
		t.Errorf("the left lives in %q and the right is a %q, want Ghent and Miller", city, title)
	}
}

// TestS13_WhatWeWriteMakesRulesAct: our own write brings the target over the edge of
// the way back, into its filter or out of it. The rule of that way acts, or takes
// back, with the next pull, although nobody edits anything.
func TestS13_WhatWeWriteMakesRulesAct(t *testing.T) {
	t.Parallel()
	b := newCrashBed(t, -1, dieBefore, func(c *crm.Connection) {
		s := &c.Syncs[0]
		s.Mappings = s.Mappings[:4] // the tags are the rule's
		s.Rules = []crm.Rule{{
			ID: "back", Direction: crm.DirectionToLeft, Undo: true,
			Filter:  &crm.Filter{Field: "r_city", Op: "equals", Value: crm.TextValue("Ghent")},
			Actions: []crm.RuleAction{{Type: "add_tag", Field: "l_tags", Value: "ghent"}},
		}}
	}, nil)
	b.begin(false)
	left := b.byEmail(crm.Left, ann)
	for _, step := range []struct{ city, tags string }{
		{"Ghent", "a;b;ghent"}, {"Bruges", "a;b"}, {"Ghent", "a;b;ghent"},
	} {
		b.edit(crm.Left, left, "city", step.city)
		b.settled()
		if got := b.tags(crm.Left, left); got != step.tags {
			t.Errorf("lives in %s: the tags are %q, want %q", step.city, got, step.tags)
		}
	}
}

// TestS16_TheTagOfADeletionLeavesWithAnotherTwin: a record whose twin was deleted has
// the tag of the policy. Once it is another record's twin the tag goes, and a tag of
// the same name that a person put there stays.
func TestS16_TheTagOfADeletionLeavesWithAnotherTwin(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides { // where the twin is deleted
		for _, own := range []bool{false, true} {
			t.Run(fmt.Sprint(side, own), func(t *testing.T) {
				t.Parallel()
				b := newCrashBed(t, -1, dieBefore, func(c *crm.Connection) {
					s := &c.Syncs[0]
					s.Mappings = s.Mappings[:4] // the tags are the policy's
					s.Deletes = crm.Deletes{
						ToRight: crm.DeleteTag, ToLeft: crm.DeleteTag, Tag: "gone",
						Field: crm.PerSide[string]{Left: "l_tags", Right: "r_tags"},
					}
				}, nil)
				b.begin(false)
				other := side.Other()
				kept := b.byEmail(other, bob)
				want := "gone"
				if own {
					b.edit(other, kept, "tags", "gone")
				}
				b.now = b.now.Add(time.Second)
				b.must(b.apps[side.Index()].Delete(b.byEmail(side, bob)))
				b.settled()
				if got := b.tags(other, kept); got != "gone" {
					t.Fatalf("after the deletion the tags are %q, want gone", got)
				}
				b.create(side, "email", bob, "first", "Bob")
				b.settled()
				if !own {
					want = ""
				}
				if got := b.tags(other, kept); got != want {
					t.Errorf("with another twin the tags are %q, want %q", got, want)
				}
				v, err := b.eng.GetRecord(t.Context(), ws, con, testbed.Contacts, other, kept)
				if err != nil || v.State != crm.StateInSync {
					t.Errorf("the record is %s (%s), %v; want in_sync", v.State, v.Code, err)
				}
			})
		}
	}
}

// settled lets three pulls go by.
func (b *crashBed) settled() {
	for range 3 {
		b.pull()
		b.rest()
	}
}

func (b *crashBed) tags(side crm.Side, id crm.RecordID) string {
	app := b.apps[side.Index()]
	row, _ := app.Row(id)
	return strings.Join(row.Fields[app.Name(modelapp.Tags)].Items(), ";")
}

func (b *crashBed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}
