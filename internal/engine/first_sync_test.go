package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// bed is a testbed that fails its test instead of returning errors.
type bed struct {
	*testbed.Bed
	t *testing.T
}

func newBed(t *testing.T, people int, change func(*crm.Connection)) bed {
	t.Helper()
	b, err := testbed.New(t.Context(), testbed.Options{People: people}, change)
	if err != nil {
		t.Fatal(err)
	}
	return bed{b, t}
}

func (b bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b bed) drain() { b.t.Helper(); b.must(b.Drain(b.t.Context())) }

// start begins the first sync and waits for its end.
func (b bed) start() engine.Run {
	b.t.Helper()
	runs, err := b.Engine.StartConnection(b.t.Context(), testbed.Workspace, testbed.Connection)
	b.must(err)
	b.drain()
	if len(runs) == 0 {
		return engine.Run{}
	}
	run, err := b.Engine.GetRun(b.t.Context(), testbed.Workspace, runs[0].ID)
	b.must(err)
	return run
}

func (b bed) pull() {
	b.t.Helper()
	b.must(b.Pull(b.t.Context()))
}

func (b bed) status() engine.SyncStatus {
	b.t.Helper()
	st, err := b.Engine.Status(b.t.Context(), testbed.Workspace, testbed.Connection)
	b.must(err)
	return st[0]
}

// calls counts the requests made to both apps since the last reset.
func (b bed) calls() (hub, force int) {
	for _, n := range b.Hub.Core().Requests().ByEndpoint {
		hub += n
	}
	for _, n := range b.Force.Core().Requests().ByEndpoint {
		force += n
	}
	return hub, force
}

func (b bed) resetCalls() {
	b.Hub.Core().ResetRequests()
	b.Force.Core().ResetRequests()
}

func TestS1_FirstSyncOfTwoApps(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1000, nil)
	run := b.start()
	want := fakekit.Expected(1000)
	if run.State != engine.RunDone || run.Done != run.Total {
		t.Errorf("run: got %s with %d of %d, want done with all", run.State, run.Done, run.Total)
	}
	got := b.status().States
	wantLeft := map[crm.State]int64{
		"in_sync": int64(want.Linked), "excluded": int64(want.NoEmail[0]), "duplicate": 0,
		"conflict": 0, "failing": 0, "waiting": 0, "deleted": 0,
	}
	wantRight := map[crm.State]int64{
		"in_sync": int64(want.Linked), "excluded": int64(want.NoEmail[1]), "duplicate": int64(want.DuplicateMembers),
		"conflict": 0, "failing": 0, "waiting": 0, "deleted": 0,
	}
	if d := cmp.Diff(crm.PerSide[map[crm.State]int64]{Left: wantLeft, Right: wantRight}, got); d != "" {
		t.Errorf("states (-want +got):\n%s", d)
	}
	if n := len(b.Hub.Core().Records("contacts")); n != want.After[0] {
		t.Errorf("HubSpot holds %d people, want %d", n, want.After[0])
	}
	if n := len(b.Force.Core().Records("Contact")); n != want.After[1] {
		t.Errorf("Salesforce holds %d people, want %d", n, want.After[1])
	}
}

func TestS5_QuietPullIsTwoCalls(t *testing.T) {
	t.Parallel()
	for _, people := range []int{100, 2000} {
		b := newBed(t, people, nil)
		b.start()
		b.Move(3 * time.Minute) // past the overlap in which the first sync's own writes are met
		b.pull()
		b.Move(3 * time.Minute)
		b.resetCalls()
		b.pull()
		hub, force := b.calls()
		if hub != 1 || force != 1 {
			t.Errorf("%d people: a pull with nothing changed made %d + %d calls, want 1 + 1: %v %v", people, hub, force,
				b.Hub.Core().Requests(), b.Force.Core().Requests())
		}
	}
}

func TestS1_EditsTravelBothWays(t *testing.T) {
	t.Parallel()
	b := newBed(t, 50, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	_, err := b.Hub.Core().UpdateRecord("contacts", hub, map[string]string{"jobtitle": "Cooper"})
	b.must(err)
	_, err = b.Force.Core().UpdateRecord("Contact", force, map[string]string{"MailingCity": "Ghent"})
	b.must(err)
	b.Move(5 * time.Minute)
	b.pull()
	l, r := b.get("contacts", hub), b.get("Contact", force)
	if l["city"] != "Ghent" || r["Title"] != "Cooper" || r["MailingCity"] != "Ghent" || l["jobtitle"] != "Cooper" {
		t.Errorf("after edits on both sides: left %v, right %v", l, r)
	}
	b.Move(5 * time.Minute)
	b.resetCalls()
	b.pull()
	for name, n := range b.Hub.Core().Requests().ByEndpoint {
		if name == "POST /crm/v3/objects/{object}/batch/update" && n > 0 {
			t.Errorf("the pull after an edit wrote %d times to HubSpot", n)
		}
	}
}

func TestS24_WebhooksOfAPausedSyncWaitAndAreCaughtUp(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	b.must(b.Engine.PauseConnection(ctx, testbed.Workspace, testbed.Connection))
	_, err := b.Hub.Core().UpdateRecord("contacts", hub, map[string]string{"jobtitle": "Cooper"})
	b.must(err)
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, []connector.Event{
		{Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(hub)},
	}))
	_, err = b.Work(ctx)
	b.must(err)
	if got := b.get("Contact", force)["Title"]; got == "Cooper" {
		t.Fatal("a paused sync wrote")
	}
	if st := b.status(); st.Inbox != 1 {
		t.Fatalf("inbox: got %d, want 1", st.Inbox)
	}
	b.start()
	if got := b.get("Contact", force)["Title"]; got != "Cooper" {
		t.Errorf("after resume the title is %q, want Cooper", got)
	}
}

func TestS16_DeletionIsRememberedAndNeverUndone(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	b.must(b.Hub.Core().DeleteRecord("contacts", hub))
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, []connector.Event{
		{Kind: connector.EventDeleted, Object: "contacts", ID: crm.RecordID(hub)},
	}))
	b.drain()
	if v := b.record(crm.Right, force); v.State != crm.StateDeleted {
		t.Errorf("state of the twin: got %s, want deleted", v.State)
	}
	_, err := b.Force.Core().UpdateRecord("Contact", force, map[string]string{"Title": "Cooper"})
	b.must(err)
	before := len(b.live("contacts"))
	b.Move(5 * time.Minute)
	b.pull()
	_, err = b.Engine.StartRun(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
	b.must(err)
	b.drain()
	if after := len(b.live("contacts")); after != before {
		t.Errorf("HubSpot holds %d people, want %d: a deleted one came back", after, before)
	}
	if len(b.get("Contact", force)) == 0 {
		t.Error("the twin was deleted, too")
	}
}

func TestS16_SuddenEmptinessHalts(t *testing.T) {
	t.Parallel()
	b := newBed(t, 200, nil)
	b.start()
	ctx := t.Context()
	var events []connector.Event
	for i, r := range b.live("contacts") {
		if i < 80 {
			b.must(b.Hub.Core().DeleteRecord("contacts", r.ID))
			events = append(events, connector.Event{Kind: connector.EventDeleted, Object: "contacts", ID: crm.RecordID(r.ID)})
		}
	}
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, events))
	b.drain()
	st := b.status()
	if st.Halted == nil || st.States.Right[crm.StateDeleted] != 0 {
		t.Fatalf("80 of %d deletions at once: halted %v, %d applied; want a halt with none applied", len(b.live("contacts")),
			st.Halted, st.States.Right[crm.StateDeleted])
	}
	b.must(b.Engine.ConfirmDeletions(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
	b.drain()
	if got := b.status().States.Left[crm.StateDeleted]; got < 70 {
		t.Errorf("after the admin confirmed, %d are deleted, want about 80", got)
	}
}

func TestRow35_PlanThenApplyDoesWhatItListed(t *testing.T) {
	t.Parallel()
	b := newBed(t, 100, nil)
	ctx := t.Context()
	p, err := b.Engine.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	b.must(err)
	b.drainPlan(p.ID)
	p, err = b.Engine.GetPlan(ctx, testbed.Workspace, p.ID)
	b.must(err)
	want := fakekit.Expected(100)
	if n := len(b.live("contacts")); n != want.Records[0] {
		t.Fatalf("the plan wrote: HubSpot holds %d, want %d", n, want.Records[0])
	}
	if got := p.Totals[crm.Created]; got != int64(want.Linked-want.Shared) {
		t.Errorf("creates planned: got %d, want %d; totals %v", got, want.Linked-want.Shared, p.Totals)
	}
	var changes []engine.Change
	for cursor := ""; ; {
		page, next, err := b.Engine.PlanChanges(ctx, testbed.Workspace, p.ID, 7, cursor)
		b.must(err)
		changes = append(changes, page...)
		if cursor = next; cursor == "" {
			break
		}
	}
	var total int64
	for _, n := range p.Totals {
		total += n
	}
	if int64(len(changes)) != total-p.Totals[crm.Unchanged]-p.Totals[crm.Dropped] {
		t.Errorf("changes: got %d, want those of %v", len(changes), p.Totals)
	}
	run, err := b.Engine.ApplyPlan(ctx, testbed.Workspace, p.ID)
	b.must(err)
	b.drain()
	run, err = b.Engine.GetRun(ctx, testbed.Workspace, run.ID)
	b.must(err)
	for o, n := range p.Totals {
		if o != crm.Unchanged && o != crm.Dropped && run.Outcomes[o] != n {
			t.Errorf("%s: planned %d, applied %d", o, n, run.Outcomes[o])
		}
	}
	if n := len(b.live("contacts")); n != want.After[0] {
		t.Errorf("HubSpot holds %d, want %d", n, want.After[0])
	}
}

func (b bed) drainPlan(id crm.PlanID) {
	b.t.Helper()
	for range 1000 {
		_, err := b.Work(b.t.Context())
		b.must(err)
		_, err = b.Engine.Round(b.t.Context())
		b.must(err)
		p, err := b.Engine.GetPlan(b.t.Context(), testbed.Workspace, id)
		b.must(err)
		if p.State == engine.RunDone {
			return
		}
	}
	b.t.Fatal("the plan does not end")
}

// twins returns the IDs of one linked pair.
func (b bed) twins(ctx context.Context) (hub, force string) {
	b.t.Helper()
	rs, _, err := b.Engine.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{State: crm.StateInSync}, 50, "")
	b.must(err)
	for _, r := range rs {
		if r.Partner != "" {
			return string(r.ID), string(r.Partner)
		}
	}
	b.t.Fatal("no pair is linked")
	return "", ""
}

func (b bed) record(side crm.Side, id string) engine.RecordView {
	b.t.Helper()
	v, err := b.Engine.GetRecord(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, side,
		crm.RecordID(id))
	b.must(err)
	return v
}

func (b bed) core(object string) *fakekit.Core {
	if object == "contacts" {
		return b.Hub.Core()
	}
	return b.Force.Core()
}

func (b bed) live(object string) []*fakekit.Record {
	var out []*fakekit.Record
	for _, r := range b.core(object).Records(object) {
		if !r.Deleted {
			out = append(out, r)
		}
	}
	return out
}

func (b bed) get(object, id string) map[string]string {
	for _, r := range b.live(object) {
		if r.ID == id {
			return r.Fields
		}
	}
	return nil
}
