package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// massBed is a running bed whose title field clears both ways.
func massBed(t *testing.T, people int, tuning engine.Tuning) bed {
	t.Helper()
	inner, err := testbed.New(t.Context(), testbed.Options{People: people, Tuning: tuning}, func(c *crm.Connection) {
		for i := range c.Syncs[0].Mappings {
			if m := &c.Syncs[0].Mappings[i]; m.ID == titleMapping {
				m.Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b := bed{inner, t}
	for i, r := range b.live("contacts") {
		b.edit(0, r.ID, map[string]string{"jobtitle": fmt.Sprintf("Title %d", i)})
	}
	b.start()
	b.settle(20 * time.Minute)
	return b
}

const titleMapping = crm.MappingID("title")

var massFields = [2]struct{ title, city string }{{"jobtitle", "city"}, {"Title", "MailingCity"}}

// pairs lists the linked pairs, by both IDs.
func (b bed) pairs() [][2]string {
	b.t.Helper()
	var out [][2]string
	cursor := ""
	for {
		rs, next, err := b.Engine.ListRecords(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
			engine.RecordFilter{State: crm.StateInSync}, 100, cursor)
		b.must(err)
		for _, r := range rs {
			if r.Side == crm.Left && r.Partner != "" {
				out = append(out, [2]string{string(r.ID), string(r.Partner)})
			}
		}
		if cursor = next; cursor == "" {
			slices.SortFunc(out, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
			return out
		}
	}
}

// tell sends the app's webhook for records, so many to a delivery.
func (b bed) tell(side int, ids []string, size int) {
	b.t.Helper()
	account, object := testbed.LeftAccount, "contacts"
	if side == 1 {
		account, object = testbed.RightAccount, "Contact"
	}
	for part := range slices.Chunk(ids, size) {
		var events []connector.Event
		for _, id := range part {
			events = append(events, connector.Event{Kind: connector.EventChanged, Object: object, ID: crm.RecordID(id)})
		}
		b.must(b.Engine.Webhook(b.t.Context(), testbed.Workspace, account, events))
	}
}

// massEdit gives n pairs a title on one side, and each a city of its own.
func (b bed) massEdit(side int, pairs [][2]string, title string) (ids []string) {
	b.t.Helper()
	for i, p := range pairs {
		b.edit(side, p[side], map[string]string{
			massFields[side].title: title, massFields[side].city: fmt.Sprintf("Town %d", i),
		})
		ids = append(ids, p[side])
	}
	return ids
}

// titles counts the pairs whose side holds a title.
func (b bed) titles(side int, pairs [][2]string, title string) (n int) {
	held := b.values(side, massFields[side].title)
	for _, p := range pairs {
		if held[p[side]] == title {
			n++
		}
	}
	return n
}

// change saves the connection's document anew.
func (b bed) change(f func(*crm.Connection)) {
	b.t.Helper()
	c, v, err := store.LoadConnection(b.t.Context(), b.Store, testbed.Workspace, testbed.Connection)
	b.must(err)
	f(c)
	c.Version++
	_, err = store.SaveConnection(b.t.Context(), b.Store, testbed.Workspace, c, v)
	b.must(err)
}

// arrivals are the ways by which changes come in.
var arrivals = map[string]func(b bed, side int, ids []string){
	"pull":             func(b bed, _ int, _ []string) { b.pullLate() },
	"one delivery":     func(b bed, side int, ids []string) { b.tell(side, ids, 100); b.drain() },
	"many deliveries":  func(b bed, side int, ids []string) { b.tell(side, ids, 10); b.drain() },
	"one by one":       func(b bed, side int, ids []string) { b.tell(side, ids, 1); b.drain() },
	"pull and webhook": func(b bed, side int, ids []string) { b.tell(side, ids[:10], 2); b.pullLate() },
}

// TestS37_AMassChangeHaltsItsMapping: many values replaced by a blank, or by one
// value, stop that mapping before the first of them is written, however they come
// in; the other mappings go on. A person confirms or discards them.
func TestS37_AMassChangeHaltsItsMapping(t *testing.T) {
	t.Parallel()
	for how, arrive := range arrivals {
		for _, title := range []string{"", "Imported"} {
			for side, name := range [2]string{"HubSpot", "Salesforce"} {
				t.Run(fmt.Sprintf("%s/%q/%s", how, title, name), func(t *testing.T) {
					t.Parallel()
					b := massBed(t, 160, engine.Tuning{ChunkSize: 25, LotSize: 25, ChangeShare: 0.1})
					pairs := b.pairs()[:70]
					other := 1 - side
					ids := b.massEdit(side, pairs, title)
					arrive(b, side, ids)
					b.settle(time.Hour / 3)
					if n := b.titles(other, pairs, title); n != 0 {
						t.Fatalf("%d titles were replaced before anybody was asked", n)
					}
					if held := b.values(other, massFields[other].city); held[pairs[3][other]] != "Town 3" ||
						held[pairs[69][other]] != "Town 69" {
						t.Error("another mapping does not go on")
					}
					st := b.status()
					if len(st.Changes) != 1 || !slices.Contains(st.Warnings, "mass_change") {
						t.Fatalf("the status names %+v, warnings %v", st.Changes, st.Warnings)
					}
					h := st.Changes[0]
					kind := map[string]string{"": "blank"}[title]
					if kind == "" {
						kind = "one_value"
					}
					if h.Mapping != titleMapping || h.Side != crm.Sides[other] || h.Kind != kind ||
						h.Field != massFields[other].title || h.Count <= 50 || h.Waiting != 70 || h.Links < 70 || h.Remedy == "" {
						t.Errorf("the halt says %+v", h)
					}
					if v := b.record(crm.Sides[side], pairs[0][side]); v.State != crm.StateWaiting || v.Code != "mass_change" {
						t.Errorf("a record of it is %s, %s", v.State, v.Code)
					}
				})
			}
		}
	}
}

// TestS37_ConfirmedOrDiscarded: a confirmation lets that change through and no
// other one; discarded, the sides stay apart through resyncs, and later edits travel.
func TestS37_ConfirmedOrDiscarded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for side, name := range [2]string{"HubSpot", "Salesforce"} {
		for _, title := range []string{"", "Imported"} {
			t.Run(fmt.Sprintf("%s/%q", name, title), func(t *testing.T) {
				t.Parallel()
				b := massBed(t, 160, engine.Tuning{ChangeShare: 0.1})
				pairs, other := b.pairs()[:60], 1-side
				decide := func(f func() error) { b.must(f()); b.settle(20 * time.Minute) }
				if err := b.Engine.ConfirmChanges(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
					titleMapping); err == nil {
					t.Error("a confirmation of nothing was taken")
				}
				b.massEdit(side, pairs, title)
				b.settle(20 * time.Minute)
				decide(func() error {
					return b.Engine.DiscardChanges(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, titleMapping)
				})
				_, err := b.Engine.StartRun(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
				b.must(err)
				b.drain()
				b.settle(2 * time.Hour)
				st := b.status()
				if n := b.titles(other, pairs, title); n != 0 || b.titles(side, pairs, title) != 60 || len(st.Changes) != 0 ||
					st.Settled.Reasons[crm.ReasonUndone] != 60 {
					t.Fatalf("discarded: %d of the other side replaced, %d stand, halts %v, settled %v", n,
						b.titles(side, pairs, title), st.Changes, st.Settled)
				}
				for i, p := range pairs {
					b.edit(side, p[side], map[string]string{massFields[side].title: fmt.Sprintf("Back %d", i)})
				}
				b.settle(2 * time.Hour)
				if n := b.titles(other, pairs[7:8], "Back 7"); n != 1 || b.status().Settled.Links != 0 {
					t.Fatalf("a later edit did not travel; settled %v", b.status().Settled)
				}
				b.massEdit(side, pairs, title)
				b.settle(20 * time.Minute)
				if n := b.titles(other, pairs, title); n != 0 || len(b.status().Changes) != 1 {
					t.Fatalf("the second mass change: %d written, halts %v", n, b.status().Changes)
				}
				decide(func() error {
					return b.Engine.ConfirmChanges(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, titleMapping)
				})
				if n := b.titles(other, pairs, title); n != 60 || len(b.status().Changes) != 0 {
					t.Fatalf("confirmed: %d of 60 written, halts %v", n, b.status().Changes)
				}
				for i, p := range pairs {
					b.edit(side, p[side], map[string]string{massFields[side].title: fmt.Sprintf("Again %d", i)})
				}
				b.settle(20 * time.Minute)
				b.massEdit(side, pairs, title)
				b.settle(20 * time.Minute)
				if n := b.titles(other, pairs, title); n != 0 || len(b.status().Changes) != 1 {
					t.Errorf("the next mass change rode on the confirmation: %d written, halts %v", n, b.status().Changes)
				}
			})
		}
	}
}

// TestS37_TrickledEditsHaltOnCrossing: edits that come one by one are written
// until the hour has too many of them; those written are found in the log.
func TestS37_TrickledEditsHaltOnCrossing(t *testing.T) {
	t.Parallel()
	for _, title := range []string{"", "Imported"} {
		t.Run(fmt.Sprintf("%q", title), func(t *testing.T) {
			t.Parallel()
			b := massBed(t, 160, engine.Tuning{ChangeShare: 0.1})
			pairs := b.pairs()
			for i := range 60 {
				b.edit(0, pairs[i][0], map[string]string{"jobtitle": title})
				ids := []string{pairs[i][0]}
				b.tell(0, ids, 1)
				b.drain()
				b.Move(30 * time.Second)
				// edits in between push nothing out
				b.edit(0, pairs[100+i%20][0], map[string]string{"jobtitle": fmt.Sprintf("Other %d", i)})
				b.tell(0, []string{pairs[100+i%20][0]}, 1)
				b.drain()
			}
			st := b.status()
			if n := b.titles(1, pairs, title); n != 50 || len(st.Changes) != 1 {
				t.Fatalf("%d of 60 written, halts %+v; want 50 and a halt", n, st.Changes)
			}
			f := engine.LogFilter{
				Connection: testbed.Connection, Mapping: titleMapping, From: st.Changes[0].From,
				To: st.Changes[0].Since.Add(time.Second),
			}
			written := 0
			for cursor, more := "", true; more; more = cursor != "" {
				es, next, err := b.Engine.ListLog(t.Context(), testbed.Workspace, f, 200, cursor)
				b.must(err)
				for _, e := range es {
					for _, d := range e.Diffs {
						if d.Mapping == titleMapping && d.After.Text() == title {
							written++
						}
					}
				}
				cursor = next
			}
			if written != 50 {
				t.Errorf("the log of the hour has %d of the 50 written", written)
			}
		})
	}
}

// TestS37_WhatIsNoMassChange: first syncs, fills, new mappings, plans that were
// confirmed, edits to many values and edits spread over hours go through.
func TestS37_WhatIsNoMassChange(t *testing.T) {
	t.Parallel()
	t.Run("fills", func(t *testing.T) {
		t.Parallel()
		b := massBed(t, 160, engine.Tuning{ChangeShare: 0.1})
		pairs := b.pairs()[:70]
		for _, p := range pairs {
			b.edit(0, p[0], map[string]string{"phone": ""})
			b.edit(1, p[1], map[string]string{"Phone": ""})
		}
		b.settle(20 * time.Minute)
		for _, p := range pairs {
			b.edit(0, p[0], map[string]string{"phone": "+1 212 555 0100"})
		}
		b.settle(20 * time.Minute)
		if got := b.status(); len(got.Changes) != 0 || b.values(1, "Phone")[pairs[9][1]] == "" {
			t.Errorf("filling blanks halted: %+v", got.Changes)
		}
	})
	t.Run("a new mapping", func(t *testing.T) {
		t.Parallel()
		b := massBed(t, 160, engine.Tuning{ChangeShare: 0.1})
		pairs := b.pairs()
		for _, p := range pairs {
			b.edit(0, p[0], map[string]string{"country": "Freedonia"})
			b.edit(1, p[1], map[string]string{"MailingCountry": "Sylvania"})
		}
		b.settle(20 * time.Minute)
		b.change(func(c *crm.Connection) {
			c.Syncs[0].Mappings = append(c.Syncs[0].Mappings, crm.Mapping{
				ID: "country", Left: []string{"country"}, Right: []string{"MailingCountry"},
			})
		})
		_, err := b.Engine.StartRun(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
		b.must(err)
		b.drain()
		if got := b.status(); len(got.Changes) != 0 || b.values(1, "MailingCountry")[pairs[9][1]] != "Freedonia" {
			t.Errorf("a back-fill halted: %+v", got.Changes)
		}
	})
	t.Run("a confirmed plan", func(t *testing.T) {
		t.Parallel()
		b := massBed(t, 160, engine.Tuning{ChangeShare: 0.1})
		pairs := b.pairs()[:70]
		b.massEdit(0, pairs, "")
		p, err := b.Engine.CreatePlan(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
		b.must(err)
		b.drainPlan(p.ID)
		_, err = b.Engine.ApplyPlan(t.Context(), testbed.Workspace, p.ID)
		b.must(err)
		b.drain()
		if n := b.titles(1, pairs, ""); n != 70 || len(b.status().Changes) != 0 {
			t.Errorf("%d of 70 applied, halts %+v", n, b.status().Changes)
		}
	})
	t.Run("many values", func(t *testing.T) {
		t.Parallel()
		b := massBed(t, 160, engine.Tuning{ChangeShare: 0.1})
		pairs := b.pairs()
		for i, p := range pairs {
			b.edit(0, p[0], map[string]string{"jobtitle": fmt.Sprintf("Renamed %d", i)})
		}
		b.settle(20 * time.Minute)
		if got := b.status(); len(got.Changes) != 0 || b.titles(1, pairs[9:10], "Renamed 9") != 1 {
			t.Errorf("edits to values of their own halted: %+v", got.Changes)
		}
	})
	t.Run("over hours", func(t *testing.T) {
		t.Parallel()
		b := massBed(t, 160, engine.Tuning{ChangeShare: 0.1})
		pairs := b.pairs()[:90]
		for part := range slices.Chunk(pairs, 30) {
			b.massEdit(0, part, "")
			b.settle(90 * time.Minute)
		}
		if n := b.titles(1, pairs, ""); n != 90 || len(b.status().Changes) != 0 {
			t.Errorf("%d of 90 written, halts %+v", n, b.status().Changes)
		}
	})
}

// TestS37_TwoWhoMeetWhileItIsHalted: two records that meet for the first time
// while a mapping waits for a person are linked, with that mapping left as it is,
// and are looked at again when the person has decided.
func TestS37_TwoWhoMeetWhileItIsHalted(t *testing.T) {
	t.Parallel()
	b := massBed(t, 160, engine.Tuning{ChangeShare: 0.1})
	pairs := b.pairs()[:60]
	b.tell(0, b.massEdit(0, pairs, ""), 100)
	b.drain()
	b.settle(20 * time.Minute)
	if len(b.status().Changes) != 1 {
		t.Fatalf("halted: %+v", b.status().Changes)
	}
	hub := b.newPerson("contacts", map[string]string{"email": "new@example.com", "lastname": "New", "jobtitle": "Cooper"})
	force := b.newPerson("Contact", map[string]string{"Email": "new@example.com", "LastName": "New", "Title": "Smith"})
	b.pullLate()
	b.settle(20 * time.Minute)
	if v := b.record(crm.Left, hub); string(v.Partner) != force || v.State != crm.StateWaiting || v.Code != "mass_change" {
		t.Errorf("they are %s (%s), linked to %q", v.State, v.Code, v.Partner)
	}
	if n := b.Marks["panic_recovered"]; n > 0 {
		t.Errorf("an internal check failed %d times", n)
	}
	if a, b := b.get("contacts", hub)["jobtitle"], b.get("Contact", force)["Title"]; a != "Cooper" || b != "Smith" {
		t.Errorf("their titles are %q and %q before anybody decided", a, b)
	}
	b.must(b.Engine.ConfirmChanges(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, titleMapping))
	b.settle(20 * time.Minute)
	if a, c := b.get("contacts", hub)["jobtitle"], b.get("Contact", force)["Title"]; a != c ||
		b.record(crm.Left, hub).State != crm.StateInSync {
		t.Errorf("decided, they are %s, with the titles %q and %q", b.record(crm.Left, hub).State, a, c)
	}
}
