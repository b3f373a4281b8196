package engine_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// grant gives HubSpot's token all scopes but those named.
func (b bed) grant(without ...string) {
	b.Hub.Core().AllowTokens()
	b.Hub.WithoutScopes(without...)
}

// rounds is what a minute of ticks does.
func (b bed) rounds(minutes int) {
	b.t.Helper()
	for range minutes {
		b.Move(time.Minute)
		b.must(b.Engine.Tick(b.t.Context(), time.Second))
		_, err := b.Work(b.t.Context())
		b.must(err)
	}
}

// createBoth makes one new person in each app.
func createBoth(b bed, i int) error {
	_, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
		"email": fmt.Sprintf("hub%d@new.example", i), "lastname": fmt.Sprintf("New%d", i),
	})
	if err != nil {
		return err
	}
	_, err = b.Force.Core().CreateRecord("Contact", map[string]string{
		"Email": fmt.Sprintf("force%d@new.example", i), "LastName": fmt.Sprintf("New%d", i),
	})
	return err
}

// countNew counts the people that createBoth made and that an app holds.
func countNew(b bed, object, field string) (n int) {
	core := b.Hub.Core()
	if object == "Contact" {
		core = b.Force.Core()
	}
	for _, r := range core.Records(object) {
		if strings.HasPrefix(r.Fields[field], "New") {
			n++
		}
	}
	return n
}

// TestS34_MissingRightStopsOneDirection takes the right to write contacts away
// from us in one app: what comes from that app travels on, what goes to it
// waits, visibly, and arrives soon after the right is back.
func TestS34_MissingRightStopsOneDirection(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	b.start()
	b.must(b.Quiet(t.Context()))
	b.grant("crm.objects.contacts.write")
	denied := b.Now()

	for i := range 12 {
		b.must(createBoth(b, i))
	}
	b.Move(time.Minute)
	b.must(b.Engine.Pull(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts))
	b.rounds(3)
	st := b.status()
	if len(st.Waiting) != 1 {
		t.Fatalf("waiting: got %+v, want one cause", st.Waiting)
	}
	w := st.Waiting[0]
	if w.Code != "missing_permission" || w.Side != crm.Left || w.Account != testbed.LeftAccount ||
		w.Direction != crm.ToLeft || w.App != "hubspot" ||
		w.Since.Before(denied) || !strings.Contains(w.Detail, "crm.objects.contacts.write") || w.Records != 12 {
		t.Errorf("waiting: got %+v, want the write scope of HubSpot, with 12 records", w)
	}
	if !slices.Contains(st.Warnings, "missing_permission") || st.Dead != 0 ||
		st.States.Left[crm.StateFailing]+st.States.Right[crm.StateFailing] != 0 {
		t.Errorf("warnings %v, %d dead items, states %v: want a warning and nobody failing", st.Warnings, st.Dead, st.States)
	}
	if n := countNew(b, "Contact", "LastName"); n != 24 {
		t.Errorf("Salesforce holds %d of the 24 new people: the other direction must go on", n)
	}
	if n := countNew(b, "contacts", "lastname"); n != 12 {
		t.Errorf("HubSpot holds %d new people, want its own 12 only", n)
	}
	if st.OpenRun != "" {
		t.Errorf("the pull stands open for what the right holds up")
	}

	b.grant()
	b.rounds(2)
	if n := countNew(b, "contacts", "lastname"); n != 24 {
		t.Errorf("HubSpot holds %d of the 24 new people two minutes after the right came back", n)
	}
	if st := b.status(); len(st.Waiting) != 0 || st.Dead != 0 {
		t.Errorf("afterwards: waiting %+v, dead %d", st.Waiting, st.Dead)
	}
}

// TestS34_MissingRightToRead names the app, and both directions wait.
func TestS34_MissingRightToRead(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	b.start()
	b.must(b.Quiet(t.Context()))
	b.grant("crm.objects.contacts.read")
	b.must(createBoth(b, 1))
	b.Move(time.Minute)
	if err := b.Engine.Pull(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts); err == nil {
		t.Fatal("a pull without the right to read succeeds")
	}
	st := b.status()
	if len(st.Waiting) != 1 || st.Waiting[0].Code != "missing_permission" || st.Waiting[0].Side != crm.Left ||
		st.Waiting[0].Direction != "" || !strings.Contains(st.Waiting[0].Detail, "contacts.read") {
		t.Fatalf("waiting: got %+v, want the read scope of HubSpot", st.Waiting)
	}
	b.rounds(3)
	if st := b.status(); len(st.Waiting) != 1 {
		t.Fatalf("waiting: got %+v, want it to stand", st.Waiting)
	}
	b.grant()
	b.rounds(3) // the schedule of five minutes has not come round
	if st := b.status(); len(st.Waiting) != 0 {
		t.Errorf("waiting: got %+v, want nothing", st.Waiting)
	}
	if n := countNew(b, "Contact", "LastName"); n != 2 {
		t.Errorf("Salesforce holds %d of the 2 new people: the sync must look at once what it missed", n)
	}
}

// TestRow163_RevokedGrantNamesItsAccount says which of the two accounts it is.
func TestRow163_RevokedGrantNamesItsAccount(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	b.start()
	b.Hub.Core().RevokeTokens()
	b.Move(testbed.Overlap)
	if err := b.Engine.Pull(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts); err == nil {
		t.Fatal("a pull with a revoked grant succeeds")
	}
	st := b.status()
	if len(st.Waiting) != 1 || st.Waiting[0].Code != "reauthorization_required" ||
		st.Waiting[0].Account != testbed.LeftAccount || st.Waiting[0].Side != crm.Left || st.Waiting[0].Since.IsZero() {
		t.Fatalf("waiting: got %+v, want the grant of the left account", st.Waiting)
	}
	waits, err := b.Engine.AccountWaits(t.Context(), testbed.Workspace)
	b.must(err)
	if len(waits[testbed.LeftAccount]) != 1 || len(waits[testbed.RightAccount]) != 0 ||
		waits[testbed.LeftAccount][0].Connection != testbed.Connection {
		t.Errorf("by account: got %+v", waits)
	}
	b.grant()
	b.must(b.Engine.AccountAuthorized(t.Context(), testbed.Workspace, testbed.LeftAccount))
	b.must(createBoth(b, 1))
	b.rounds(2)
	if st := b.status(); len(st.Waiting) != 0 {
		t.Errorf("waiting: got %+v, want nothing", st.Waiting)
	}
	if n := countNew(b, "Contact", "LastName"); n != 2 {
		t.Errorf("Salesforce holds %d of the 2 new people", n)
	}
}

// TestS34_RunSaysWhatItWaitsFor looks at a run that a limit holds up.
func TestS34_RunSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	b := newBed(t, 50, nil)
	b.must(b.Hub.Core().Inject(fakekit.Fault{
		Kind: fakekit.FaultFail, Status: http.StatusTooManyRequests, RetryAfter: 40 * time.Second, Times: 1000,
	}))
	runs, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection)
	b.must(err)
	b.rounds(1)
	run, err := b.Engine.GetRun(t.Context(), testbed.Workspace, runs[0].ID)
	b.must(err)
	if run.State != engine.RunRunning || len(run.Waiting) != 1 || run.Waiting[0].Code != "rate_limited" ||
		run.Waiting[0].Side != crm.Left ||
		run.Waiting[0].Since.IsZero() || run.Waiting[0].Until.Sub(run.Waiting[0].Since) != 40*time.Second {
		t.Errorf("run: got %s waiting for %+v, want the limit with its end", run.State, run.Waiting)
	}
}

// TestRow34_ResumeLooksAtOnce pauses a sync that nobody pulls and nobody calls.
func TestRow34_ResumeLooksAtOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, func(c *crm.Connection) { c.Syncs[0].Schedule = "manual" })
	b.start()
	b.must(b.Engine.PauseConnection(t.Context(), testbed.Workspace, testbed.Connection))
	b.Move(time.Hour)
	b.must(createBoth(b, 1))
	if st := b.status(); len(st.Waiting) != 1 || st.Waiting[0].Code != "connection_paused" ||
		b.Now().Sub(st.Waiting[0].Since) != time.Hour {
		t.Errorf("paused: got %+v, want the pause and its beginning", st.Waiting)
	}
	b.Move(time.Minute)
	runs, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection)
	b.must(err)
	if len(runs) != 1 || runs[0].Kind != engine.RunPull {
		t.Errorf("runs: got %+v, want one pull", runs)
	}
	b.rounds(2)
	if n := countNew(b, "Contact", "LastName") + countNew(b, "contacts", "lastname"); n != 4 {
		t.Errorf("%d of 4 new people two minutes after the resume", n)
	}
}

// TestRow36_StartWhileSwitchedOffIsRefused does not claim to run what is off.
func TestRow36_StartWhileSwitchedOffIsRefused(t *testing.T) {
	t.Parallel()
	b := newBed(t, 5, func(c *crm.Connection) { c.Enabled = false })
	_, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection)
	if !fault.Is(err, fault.Conflict) || fault.CodeOf(err) != "switched_off" {
		t.Errorf("got %v, want switched_off", err)
	}
}

// TestS24_RunGoesOnAfterOffAndOn switches a sync off while its first run is in
// the queue: the run ends with the outcomes that it would have had.
func TestS24_RunGoesOnAfterOffAndOn(t *testing.T) {
	t.Parallel()
	b := newBed(t, 200, nil)
	runs, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection)
	b.must(err)
	b.must(b.Engine.Tick(t.Context(), time.Second)) // the listing is queued
	b.must(b.Engine.PauseConnection(t.Context(), testbed.Workspace, testbed.Connection))
	b.rounds(3)
	_, err = b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection)
	b.must(err)
	b.drain()
	run, err := b.Engine.GetRun(t.Context(), testbed.Workspace, runs[0].ID)
	b.must(err)
	if run.State != engine.RunDone || run.Outcomes[crm.Dropped] != 0 || run.Done != run.Total || run.Total == 0 {
		t.Errorf("run: got %s with %d of %d, %v; want done, nothing dropped", run.State, run.Done, run.Total, run.Outcomes)
	}
}

// TestLogDaysAreKept holds the log to the workspace's retention.
func TestLogDaysAreKept(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	_, err := store.SaveWorkspace(t.Context(), b.Store, store.Workspace{ID: testbed.Workspace, Name: "bed", LogDays: 120},
		0)
	b.must(err)
	b.start()
	f := engine.LogFilter{Connection: testbed.Connection}
	entries := func() int {
		n, cursor := 0, ""
		for {
			page, next, err := b.Engine.ListLog(t.Context(), testbed.Workspace, f, 200, cursor)
			b.must(err)
			if n += len(page); next == "" {
				return n
			}
			cursor = next
		}
	}
	first := entries()
	b.Move(119 * 24 * time.Hour)
	if n := entries(); n != first || n == 0 {
		t.Errorf("after 119 of 120 days: %d of %d entries", n, first)
	}
	b.Move(48 * time.Hour)
	if n := entries(); n != 0 {
		t.Errorf("after 121 of 120 days: %d entries, want none", n)
	}
}

// TestRecordsAreShownWhileAnAppIsDown shows what is stored here, and what is not.
func TestRecordsAreShownWhileAnAppIsDown(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	b.start()
	views, _, err := b.Engine.ListRecords(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{State: crm.StateInSync}, 1, "")
	b.must(err)
	b.must(b.Hub.Core().Inject(fakekit.Fault{Kind: fakekit.FaultFail, Status: http.StatusServiceUnavailable, Times: 10}))
	v, err := b.Engine.GetRecord(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		views[0].ID)
	if err != nil || v.State != crm.StateInSync || len(v.History) == 0 || v.Unread == nil || v.Unread.Side != crm.Left ||
		v.Unread.Account != testbed.LeftAccount {
		t.Errorf("got %+v, %v; want state and history, and why there are no values", v, err)
	}
}

// TestLinkIsRefusedAtOnce refuses what can be seen to be impossible.
func TestLinkIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	b.start()
	views, _, err := b.Engine.ListRecords(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{State: crm.StateInSync}, 2, "")
	b.must(err)
	link := func(rec, partner crm.RecordID) string {
		_, err := b.Engine.LinkRecords(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, rec,
			partner)
		return fault.CodeOf(err)
	}
	if got := link(views[0].ID, "003000000000000AAA"); got != "partner_unknown" {
		t.Errorf("a partner that does not exist: got %s", got)
	}
	if got := link(views[0].ID, views[1].Partner); got != "twin_taken" {
		t.Errorf("a partner that is taken: got %s", got)
	}
}
