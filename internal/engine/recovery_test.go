package engine_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/paced"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// mortal is a connector whose process may end right after a batch has landed.
type mortal struct {
	connector.Connector
	landed func()
}

func (m *mortal) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	out, err := m.Connector.BatchWrite(ctx, object, writes)
	m.landed()
	return out, err
}

// TestS8_EverythingStopsWithThousandsInFlight ends all processes while changes
// wait in the queue and in the inbox, one of them in the middle of its work and
// one with messages in hand, and starts a new one on what they left: under the
// apps' limits, with calls of 200 ms, on the virtual clock. LOCKSTEP_LONG=1
// takes 10,000 changes, else it is 2,000, or 600 of a short run.
func TestS8_EverythingStopsWithThousandsInFlight(t *testing.T) {
	t.Parallel()
	inFlight := 2_000
	switch {
	case os.Getenv("LOCKSTEP_LONG") != "":
		inFlight = 10_000
	case testing.Short():
		inFlight = 600
	}
	created := inFlight / 5 // of them; the others are edits
	const worked = 300      // more, which have landed when the end comes
	batches := -1           // that land before the end; negative = no end
	clock := testbed.NewClock()
	items := memstore.New(clock.Now)
	bed, err := testbed.New(t.Context(), testbed.Options{
		People: inFlight, Clock: clock, Store: items, Tuning: restartTuning,
		Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
			dies := &mortal{Connector: c, landed: func() {
				if batches--; batches == 0 {
					runtime.Goexit() // of the worker's goroutine, with nothing given back
				}
			}}
			return paced.Wrap(dies, paced.Budget{
				Store: items, Workspace: testbed.Workspace, Account: id, Now: clock.Now, Holder: "one", MaxWait: time.Second,
				Sleep:  func(_ context.Context, d time.Duration) { clock.Move(d) },
				OnCall: func(crm.AccountID, string) { clock.Move(200 * time.Millisecond) },
			})
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bed.Hub.Core().SetLimits(hubspotfake.OwnLimits)
	bed.Force.Core().SetLimits(fakekit.Limits{Daily: 100_000})
	if _, err := bed.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection); err != nil {
		t.Fatal(err)
	}
	if err := bed.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := [2]int{living(bed.Hub.Core(), "contacts"), living(bed.Force.Core(), "Contact")}
	edits := tell(t, bed, inFlight-created+worked, created)

	// One worker takes messages and never comes back; another ends in mid-batch,
	// after three of its batches have landed.
	if ds, err := bed.Queue.Receive(t.Context(), queue.MaxBatch, restartVisibility); err != nil || len(ds) == 0 {
		t.Fatalf("%d messages, %v", len(ds), err)
	}
	batches = 3
	died := make(chan bool, 1)
	go func() {
		ended := true
		defer func() { died <- ended }()
		for batches > 0 {
			ds, err := bed.Queue.Receive(t.Context(), queue.MaxBatch, restartVisibility)
			if err != nil {
				break
			}
			clock.Move(time.Second)
			for _, v := range bed.Engine.Work(t.Context(), ds) {
				if v.Ack {
					bed.Queue.Delete(t.Context(), []string{v.Receipt})
				}
			}
		}
		ended = false
	}()
	if !<-died {
		t.Fatal("the worker came to no end in mid-batch")
	}

	lost := func() int { // not on the other side
		missing, _ := twins(bed, created)
		for _, e := range edits {
			if fieldOf(bed, e.side.Other(), e.ids[e.side.Other().Index()]) != e.text {
				missing++
			}
		}
		return missing
	}
	stopped, waiting := clock.Now(), lost()
	recovered := 0
	if bed.Engine, err = anotherEngine(bed, func(mark string) {
		if mark == "intent_recovered" {
			recovered++
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := bed.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := clock.Now().Sub(stopped)

	_, doubled := twins(bed, created)
	for i, now := range [2]int{living(bed.Hub.Core(), "contacts"), living(bed.Force.Core(), "Contact")} {
		if now != before[i]+created {
			t.Errorf("%s: %d records, want %d and %d new ones", crm.Sides[i], now, before[i], created)
		}
	}
	t.Logf("%d in flight: %d lost, %d doubled, drained in %.0f simulated seconds; %d open writes were taken up", waiting,
		lost(), doubled, took.Seconds(), recovered)
	if waiting < inFlight || recovered == 0 {
		t.Error("the end came too late or between two batches: nothing is shown")
	}
	if lost() > 0 || doubled > 0 || took > 10*time.Minute {
		t.Error("want none lost, none doubled, at most 600 seconds")
	}
}

// The times of the program on one machine.
var restartTuning = engine.Tuning{
	HTTPDeadline: 20 * time.Second, Budget: 5 * time.Second, Lease: 26 * time.Second,
	ParkAfter: time.Second,
}

const restartVisibility = 28 * time.Second

// anotherEngine is a new process on what the last one left.
func anotherEngine(bed *testbed.Bed, mark func(string)) (*engine.Engine, error) {
	ids := 0
	return engine.New(engine.Config{
		Store: bed.Store, Queue: bed.Queue, Open: bed.Open, Now: bed.Now, Tuning: restartTuning, Mark: mark,
		NewID: func(prefix string) string { ids++; return fmt.Sprintf("%s_9%09d", prefix, ids) },
		Sleep: func(_ context.Context, d time.Duration) { bed.Move(d) },
	})
}

// told is an edit that the engine was told of.
type told struct {
	side crm.Side
	ids  [2]string
	text string
}

// tell makes edits of linked records and new records, half of each on each
// side, and has the webhooks tell of them.
func tell(t *testing.T, bed *testbed.Bed, edited, created int) (edits []told) {
	t.Helper()
	var events [2][]connector.Event
	for cursor := ""; len(edits) < edited; {
		page, next, err := bed.Engine.ListRecords(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
			engine.RecordFilter{State: crm.StateInSync}, 200, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if r.Side != crm.Left || r.Partner == "" || len(edits) == edited {
				continue
			}
			e := told{crm.Sides[len(edits)%2], [2]string{string(r.ID), string(r.Partner)}, fmt.Sprint("Restart ", len(edits))}
			id := e.ids[e.side.Index()]
			if e.side == crm.Left {
				_, err = bed.Hub.Core().UpdateRecord("contacts", id, map[string]string{"jobtitle": e.text})
			} else {
				_, err = bed.Force.Core().UpdateRecord("Contact", id, map[string]string{"Title": e.text})
			}
			if err != nil {
				t.Fatal(err)
			}
			edits = append(edits, e)
			events[e.side.Index()] = append(events[e.side.Index()], changedEvent(e.side, id))
		}
		if cursor = next; cursor == "" && len(edits) < edited {
			t.Fatalf("only %d linked pairs", len(edits))
		}
	}
	for i := range created {
		var r *fakekit.Record
		var err error
		side := crm.Sides[i%2]
		if side == crm.Left {
			r, err = bed.Hub.Core().CreateRecord("contacts", map[string]string{
				"email": newcomer(i), "lastname": fmt.Sprint("New ", i),
			})
		} else {
			r, err = bed.Force.Core().CreateRecord("Contact", map[string]string{
				"Email": newcomer(i), "LastName": fmt.Sprint("New ", i),
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		events[i%2] = append(events[i%2], changedEvent(side, r.ID))
	}
	bed.Move(time.Minute)
	for side, account := range []crm.AccountID{testbed.LeftAccount, testbed.RightAccount} {
		for len(events[side]) > 0 {
			n := min(100, len(events[side]))
			if err := bed.Engine.Webhook(t.Context(), testbed.Workspace, account, events[side][:n]); err != nil {
				t.Fatal(err)
			}
			events[side] = events[side][n:]
			bed.Move(time.Second)
		}
	}
	return edits
}

func newcomer(i int) string { return fmt.Sprintf("restart.%d@example.net", i) }

func changedEvent(side crm.Side, id string) connector.Event {
	object := "contacts"
	if side == crm.Right {
		object = "Contact"
	}
	return connector.Event{Kind: connector.EventChanged, Object: object, ID: crm.RecordID(id)}
}

// fieldOf is the job title of a record, as the app has it.
func fieldOf(bed *testbed.Bed, side crm.Side, id string) string {
	core, object, name := bed.Hub.Core(), "contacts", "jobtitle"
	if side == crm.Right {
		core, object, name = bed.Force.Core(), "Contact", "Title"
	}
	core.Lock()
	defer core.Unlock()
	table, _ := core.Table(object)
	if r, ok := table.Get(id); ok {
		return r.Fields[name]
	}
	return ""
}

func living(core *fakekit.Core, object string) (n int) {
	for _, r := range core.Records(object) {
		if !r.Deleted {
			n++
		}
	}
	return n
}

// twins counts newcomers who are not on a side, and who are there twice.
func twins(bed *testbed.Bed, created int) (missing, doubled int) {
	for _, side := range []struct {
		core          *fakekit.Core
		object, email string
	}{{bed.Hub.Core(), "contacts", "email"}, {bed.Force.Core(), "Contact", "Email"}} {
		seen := map[string]int{}
		for _, r := range side.core.Records(side.object) {
			if !r.Deleted {
				seen[r.Fields[side.email]]++
			}
		}
		for i := range created {
			switch n := seen[newcomer(i)]; {
			case n == 0:
				missing++
			case n > 1:
				doubled += n - 1
			}
		}
	}
	return missing, doubled
}
