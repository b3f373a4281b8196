package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// finished waits for a run and returns it.
func (b bed) finished(r engine.Run, err error) engine.Run {
	b.t.Helper()
	b.must(err)
	b.drain()
	r, err = b.Engine.GetRun(b.t.Context(), testbed.Workspace, r.ID)
	b.must(err)
	if r.State != engine.RunDone {
		b.t.Fatalf("run %s is %s, want done", r.ID, r.State)
	}
	return r
}

func (b bed) editHub(id, field, value string) {
	b.t.Helper()
	b.Move(time.Second)
	_, err := b.Hub.Core().UpdateRecord("contacts", id, map[string]string{field: value})
	b.must(err)
}

func (b bed) editForce(id, field, value string) {
	b.t.Helper()
	b.Move(time.Second)
	_, err := b.Force.Core().UpdateRecord("Contact", id, map[string]string{field: value})
	b.must(err)
}

func TestRow119_ReviewWaitsForAPersonAndOtherFieldsTravel(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, func(c *crm.Connection) { c.Syncs[0].Conflict = crm.ConflictReview })
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	if b.record(crm.Left, hub).State != crm.StateInSync {
		t.Fatal("the pair is not in sync to begin with")
	}
	b.editHub(hub, "jobtitle", "Cooper")
	b.editForce(force, "Title", "Weaver")
	b.editHub(hub, "city", "Ghent")
	b.Move(5 * time.Minute)
	b.pull()
	v := b.record(crm.Left, hub)
	if v.State != crm.StateConflict || b.get("Contact", force)["Title"] != "Weaver" ||
		b.get("contacts", hub)["jobtitle"] != "Cooper" {
		t.Fatalf("state %s, titles %q and %q; want a conflict with both values kept", v.State,
			b.get("contacts", hub)["jobtitle"], b.get("Contact", force)["Title"])
	}
	if got := b.get("Contact", force)["MailingCity"]; got != "Ghent" {
		t.Errorf("the other field: got %q, want Ghent", got)
	}
	b.finished(b.Engine.ResolveRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub),
		map[crm.MappingID]engine.Resolution{"title": {Side: crm.Right}}))
	if got := b.get("contacts", hub)["jobtitle"]; got != "Weaver" {
		t.Errorf("after the right side was chosen the left holds %q, want Weaver", got)
	}
	if got := b.record(crm.Left, hub).State; got != crm.StateInSync {
		t.Errorf("state after the decision: got %s, want in_sync", got)
	}
	b.editHub(hub, "jobtitle", "Baker")
	b.editForce(force, "Title", "Miller")
	b.Move(5 * time.Minute)
	b.pull()
	own := crm.TextValue("Fisher")
	b.finished(b.Engine.ResolveRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Right,
		crm.RecordID(force),
		map[crm.MappingID]engine.Resolution{"title": {Value: &own}}))
	if l, r := b.get("contacts", hub)["jobtitle"], b.get("Contact", force)["Title"]; l != "Fisher" || r != "Fisher" {
		t.Errorf("after a value of the admin's own: left %q, right %q, want Fisher on both", l, r)
	}
}

func TestS2_TheLoserOfAConflictIsInTheLog(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, func(c *crm.Connection) { c.Syncs[0].Conflict = crm.ConflictRight })
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	b.editHub(hub, "jobtitle", "Cooper")
	b.editForce(force, "Title", "Weaver")
	b.Move(5 * time.Minute)
	b.pull()
	v := b.record(crm.Left, hub)
	for _, e := range v.History {
		for _, d := range e.Diffs {
			if d.Side == crm.Left && d.Field == "jobtitle" && d.Before.Text() == "Cooper" && d.After.Text() == "Weaver" &&
				d.Rule == "conflict_right" {
				return
			}
		}
	}
	t.Errorf("no log entry names the value that lost: %+v", v.History)
}

func TestUnlinkedPairsStayApartUntilLinkedByHand(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	b.finished(b.Engine.UnlinkRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub)))
	b.editHub(hub, "jobtitle", "Cooper")
	b.Move(5 * time.Minute)
	b.pull()
	if got := b.get("Contact", force)["Title"]; got == "Cooper" {
		t.Error("an edit crossed a link that was taken apart")
	}
	if n := len(b.live("Contact")); n != len(b.Force.Core().Records("Contact")) {
		t.Errorf("Salesforce holds %d live people of %d", n, len(b.Force.Core().Records("Contact")))
	}
	b.finished(b.Engine.LinkRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub), crm.RecordID(force)))
	if got := b.get("Contact", force)["Title"]; got != "Cooper" {
		t.Errorf("after linking by hand the title is %q, want Cooper", got)
	}
}

func TestRow111_DuplicatesAreFreedWhenTheirDoubleGoes(t *testing.T) {
	t.Parallel()
	b := newBed(t, 200, nil)
	b.start()
	ctx := t.Context()
	rs, _, err := b.Engine.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{State: crm.StateDuplicate}, 50, "")
	b.must(err)
	if len(rs) == 0 {
		t.Fatal("no duplicates to begin with")
	}
	one := rs[0]
	if len(one.Others) == 0 {
		t.Fatalf("duplicate %s does not name its doubles", one.ID)
	}
	var events []connector.Event
	for _, other := range one.Others {
		b.must(b.Force.Core().DeleteRecord("Contact", string(other)))
		events = append(events, connector.Event{Kind: connector.EventDeleted, Object: "Contact", ID: other})
	}
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.RightAccount, events))
	b.drain()
	b.Move(2 * time.Second)
	b.drain()
	if v := b.record(crm.Right, string(one.ID)); v.State != crm.StateInSync || v.Partner == "" {
		t.Errorf("the remaining record is %s with partner %q, want in sync with a twin", v.State, v.Partner)
	}
}

func TestS17_LinksFollowTheSurvivorOfAMerge(t *testing.T) {
	t.Parallel()
	b := newBed(t, 40, nil)
	b.start()
	ctx := t.Context()
	var pairs []engine.RecordView
	rs, _, err := b.Engine.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{State: crm.StateInSync}, 200, "")
	b.must(err)
	for _, r := range rs {
		if r.Partner != "" && r.Side == crm.Left {
			pairs = append(pairs, r)
		}
	}
	loser := pairs[0]
	fresh, err := b.Force.Core().CreateRecord("Contact", map[string]string{"LastName": "Newcomer"})
	b.must(err)
	before := len(b.live("contacts"))
	b.Move(time.Second)
	_, err = b.Force.Core().MergeRecord("Contact", string(loser.Partner), fresh.ID)
	b.must(err)
	b.Move(5 * time.Minute)
	b.pull()
	v := b.record(crm.Left, string(loser.ID))
	if v.Partner != crm.RecordID(fresh.ID) {
		t.Errorf("the link points to %s, want the survivor %s; state %s", v.Partner, fresh.ID, v.State)
	}
	if after := len(b.live("contacts")); after != before {
		t.Errorf("HubSpot holds %d people, want %d: a merge created somebody", after, before)
	}
}

func TestS6_KeyedUpsertUsesTheConfiguredExternalField(t *testing.T) {
	t.Parallel()
	b := newBed(t, 40, func(c *crm.Connection) {
		s := &c.Syncs[0]
		byID := crm.MatchStep{By: crm.MatchByID, Left: "$id", Right: "Lockstep_Id__c"}
		s.Match = crm.SameMatch(append([]crm.MatchStep{byID}, s.Match.ToRight...)...)
	})
	run := b.start()
	if run.Outcomes[crm.Created] == 0 {
		t.Fatal("nothing was created")
	}
	n := 0
	for _, r := range b.live("Contact") {
		if r.Fields["Lockstep_Id__c"] != "" {
			n++
		}
	}
	if n == 0 {
		t.Error("no record was created by its key")
	}
}

func TestS23_RedriveTwiceDoesNothingMore(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	b.editHub(hub, "jobtitle", "Cooper")
	b.Force.Core().SetClock(0)
	b.breakForce(true)
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, []connector.Event{
		{Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(hub)},
	}))
	for range 40 {
		_, err := b.Work(ctx)
		b.must(err)
		_, err = b.Engine.Round(ctx) // it hears that the app as such is up
		b.must(err)
		b.Move(time.Minute)
	}
	dead, _, err := b.Engine.ListDead(ctx, testbed.Workspace, testbed.Connection, 10, "")
	b.must(err)
	if len(dead) != 1 || dead[0].Receives != 10 || dead[0].Reason == "" {
		t.Fatalf("dead items: %+v, want one after ten receives, with a reason", dead)
	}
	b.breakForce(false)
	if n, err := b.Engine.RedriveDead(ctx, testbed.Workspace, testbed.Connection); err != nil || n != 1 {
		t.Fatalf("redrive: %d, %v", n, err)
	}
	b.drain()
	if got := b.get("Contact", force)["Title"]; got != "Cooper" {
		t.Errorf("after redrive the title is %q, want Cooper", got)
	}
	if n, err := b.Engine.RedriveDead(ctx, testbed.Workspace, testbed.Connection); err != nil || n != 0 {
		t.Errorf("a second redrive sent %d, %v", n, err)
	}
}

// breakForce makes every call to Salesforce about records fail with 503, or mends it.
func (b bed) breakForce(on bool) {
	b.t.Helper()
	if !on {
		b.Force.Core().ClearFaults()
		return
	}
	b.must(b.Force.Core().Inject(fakekit.Fault{
		Kind: fakekit.FaultFail, Endpoint: "/services/data/v67.0/composite", Status: 503, Times: 1_000_000,
	}))
}

func TestExplainNamesStepsFiltersAndFields(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, func(c *crm.Connection) {
		c.Syncs[0].Rules = []crm.Rule{
			{ID: "no-cooks", Direction: crm.DirectionToRight, Filter: &crm.Filter{
				Field: "jobtitle", Op: "not_contains", Value: crm.TextValue("cook"),
			}},
		}
	})
	b.start()
	ctx := t.Context()
	made, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
		"email": "cook@example.net", "lastname": "Pan", "jobtitle": "Head cook",
	})
	b.must(err)
	x, err := b.Engine.Explain(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(made.ID))
	b.must(err)
	if x.Outcome != crm.Excluded || x.Code != "filtered_out" || len(x.Filters) == 0 || x.Filters[0].Holds {
		t.Errorf("explain: %+v, want excluded by the filter with its clause", x)
	}
	hub, _ := b.twins(ctx)
	x, err = b.Engine.Explain(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, crm.RecordID(hub))
	b.must(err)
	if len(x.Fields) != 6 || x.Outcome != crm.Unchanged {
		t.Errorf("explain of a pair: outcome %s with %d fields, want unchanged with 6", x.Outcome, len(x.Fields))
	}
}

func TestS25_DeletedConnectionWritesNothingAndLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, 60, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	_, err := b.Engine.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	b.must(err)
	b.drain()
	b.editHub(hub, "jobtitle", "Cooper")
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, []connector.Event{
		{Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(hub)},
	}))
	if left := b.leftovers(); left["log plans"] == 0 || len(left) < 10 {
		t.Fatalf("there is less to go than there should be: %v", left)
	}
	b.must(b.Engine.DeleteConnection(ctx, testbed.Workspace, testbed.Connection))
	_, err = b.Work(ctx)
	b.must(err)
	if b.get("Contact", force)["Title"] == "Cooper" {
		t.Error("a deleted connection wrote")
	}
	for range 10 {
		_, err := b.Engine.Round(ctx)
		b.must(err)
	}
	if left := b.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// leftovers names the partitions that still hold something of the connection.
func (b bed) leftovers() map[string]int {
	b.t.Helper()
	out := map[string]int{}
	mem, ok := b.Store.(*memstore.Store)
	if !ok {
		b.t.Fatal("the bed's store is not in memory")
	}
	for _, table := range store.Tables {
		mem.Each(table, func(it store.Item) bool {
			for _, about := range []string{"runs", "runcounts", "schema", "e#"} {
				if strings.HasPrefix(it.Partition, about) {
					return true // runs and what an app's fields were are history, kept for their time
				}
			}
			out[string(table)+" "+it.Partition]++
			return true
		})
	}
	return out
}
