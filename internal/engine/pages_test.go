package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// narrow is a store whose pages are tiny, and every other of them empty although
// more follows, as a cloud table's are when it read over expired items.
type narrow struct {
	*memstore.Store
	asked int
}

const emptyFirst = "empty first "

func (n *narrow) Query(ctx context.Context, q store.Query) (store.Page, error) {
	rest, again := strings.CutPrefix(q.Cursor, emptyFirst)
	if n.asked++; !again && n.asked%2 == 0 {
		return store.Page{Next: emptyFirst + q.Cursor}, nil
	}
	if again {
		q.Cursor = rest
	}
	q.Limit = 2
	return n.Store.Query(ctx, q)
}

// TestPagesOfTheStoreMayBeTiny: whatever a store cuts into pages, and where it
// has nothing to show, everything is there: a first sync, a plan, the log, a full
// listing that finds who is gone, the end of a connection.
func TestPagesOfTheStoreMayBeTiny(t *testing.T) {
	t.Parallel()
	clock := testbed.NewClock()
	s := &narrow{Store: memstore.New(clock.Now)}
	made, err := testbed.New(t.Context(), testbed.Options{People: 25, Store: s, Clock: clock}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := bed{made, t}
	ctx := t.Context()
	b.start()
	records := func(state crm.State) (all []engine.RecordView) {
		t.Helper()
		for cursor := ""; ; {
			page, next, err := b.Engine.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
				engine.RecordFilter{State: state}, 50, cursor)
			b.must(err)
			all = append(all, page...)
			if cursor = next; cursor == "" {
				return all
			}
		}
	}
	st := b.status()
	if n := int64(len(records(crm.StateInSync))); n != st.States.Left[crm.StateInSync] || n < 20 {
		t.Errorf("%d records in sync are listed, the status counts %v", n, st.States)
	}
	plan, err := b.Engine.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	b.must(err)
	b.drain()
	if p, err := b.Engine.GetPlan(ctx, testbed.Workspace, plan.ID); err != nil || p.State != engine.RunDone {
		t.Errorf("the plan is %s, %v", p.State, err)
	}
	var gone []string
	for _, r := range b.live("Contact")[:8] {
		gone = append(gone, r.ID)
		b.must(b.Force.Core().DeleteRecord("Contact", r.ID))
	}
	_, err = b.Engine.StartRun(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
	b.must(err)
	b.drain()
	b.Move(time.Minute)
	b.drain()
	for _, id := range gone {
		if v, err := b.Engine.GetRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Right,
			crm.RecordID(id)); err == nil && v.State != crm.StateDeleted {
			t.Errorf("%s is gone, and %s", id, v.State)
		}
	}
	b.must(b.Engine.DeleteConnection(ctx, testbed.Workspace, testbed.Connection))
	for range 3000 {
		_, err := b.Engine.Round(ctx)
		b.must(err)
		_, err = b.Work(ctx)
		b.must(err)
		b.Move(time.Second)
	}
	left := map[string]int{}
	s.Each(store.Links, func(it store.Item) bool {
		if kind, _, _ := strings.Cut(it.Partition, "#"); kind != "c" { // claims on identities belong to the account
			left[kind]++
		}
		return true
	})
	if len(left) > 0 {
		t.Errorf("after the connection was deleted, the links hold %v", left)
	}
}

// TestEverySyncHearsADelivery: an account and object that several syncs of a
// connection use have their changes told to each of them, and each record goes to
// the first that takes it.
func TestEverySyncHearsADelivery(t *testing.T) {
	t.Parallel()
	b := newBed(t, 0, func(c *crm.Connection) {
		second := c.Syncs[0]
		second.ID, second.Right.Object, second.Direction = "leads", "Lead", crm.DirectionToRight
		second.Mappings = slices.DeleteFunc(slices.Clone(second.Mappings), func(m crm.Mapping) bool {
			return m.ID == "title" || m.ID == "city" || m.ID == "phone"
		})
		company := crm.TextValue("None")
		m := crm.Mapping{ID: "company", Left: []string{"company"}, Right: []string{"Company"}}
		m.Default.ToRight = company
		second.Mappings = append(second.Mappings, m)
		c.Syncs = append(c.Syncs, second)
		known := crm.Rule{
			ID: "known", Direction: crm.DirectionToRight, Filter: &crm.Filter{Field: "company", Op: "is_not_empty"},
		}
		c.Syncs[0].Rules = []crm.Rule{known}
	})
	ctx := t.Context()
	_, err := b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection)
	b.must(err)
	b.drain()
	var told []connector.Event
	for _, who := range []map[string]string{
		{"email": "contact@example.com", "lastname": "Contact", "company": "Acme"},
		{"email": "lead@example.com", "lastname": "Lead"},
	} {
		id := b.newPerson("contacts", who)
		told = append(told, connector.Event{
			Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(id), At: b.Now(),
		})
	}
	b.Move(time.Second)
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, told))
	b.drain()
	for _, object := range []string{"Contact", "Lead"} {
		var names []string
		for _, r := range b.Force.Core().Records(object) {
			names = append(names, r.Fields["LastName"])
		}
		if !slices.Equal(names, []string{object}) {
			t.Errorf("as %s there are %v, want the one who belongs there", object, names)
		}
	}
}

// TestS8_AChunkOfAPlanCountsOnce: a message that is delivered twice, side by side
// or after its answer was lost, adds nothing to what a plan counts.
func TestS8_AChunkOfAPlanCountsOnce(t *testing.T) {
	t.Parallel()
	b := newCrashBed(t, -1, failOnce, nil, nil)
	b.begin(false)
	b.live = false
	ctx := t.Context()
	b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", "Ghent")
	plan, err := b.eng.CreatePlan(ctx, ws, con, testbed.Contacts, nil)
	if err != nil {
		t.Fatal(err)
	}
	twice := 0
	for range 400 {
		ds, err := b.queue.Receive(ctx, 10, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		b.eng.Work(ctx, ds)
		for _, v := range b.eng.Work(ctx, ds) {
			twice++
			b.queue.Delete(ctx, []string{v.Receipt})
		}
		if _, err := b.eng.Round(ctx); err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(time.Second)
	}
	p, err := b.eng.GetPlan(ctx, ws, plan.ID)
	if err != nil || p.State != engine.RunDone || twice == 0 {
		t.Fatalf("%d messages came twice; the plan is %s, %v", twice, p.State, err)
	}
	changes, _, err := b.eng.PlanChanges(ctx, ws, plan.ID, 200, "")
	if err != nil || p.Totals[crm.Updated] != 1 || len(changes) != 1 {
		t.Errorf("totals %v, %d changes, %v; want one update", p.Totals, len(changes), err)
	}
}

// TestS24_AnInboxThatTakesNothingIsSaid: while a sync is off its notifications
// are kept; a delivery of which the store did not take everything is not taken.
func TestS24_AnInboxThatTakesNothingIsSaid(t *testing.T) {
	t.Parallel()
	tried := 0
	for at := range 30 {
		b := newCrashBed(t, -1, failOnce, nil, nil)
		b.begin(false)
		b.live = false
		id := b.byEmail(crm.Left, ann)
		if err := b.eng.PauseConnection(t.Context(), ws, con); err != nil {
			t.Fatal(err)
		}
		n, err := b.strike(at, func(ctx context.Context, e *engine.Engine, _ asked) error {
			return e.Webhook(ctx, ws, testbed.LeftAccount, []connector.Event{
				{Kind: connector.EventChanged, Object: modelapp.Object, ID: id},
			})
		}, asked{})
		if n <= at {
			break
		}
		tried++
		kept := 0
		b.store.Each(store.Links, func(it store.Item) bool {
			if strings.HasPrefix(it.Partition, "n#") {
				kept++
			}
			return true
		})
		if err == nil && kept == 0 || err != nil && !fault.Is(err, fault.Unavailable) {
			t.Errorf("request %d failed: %d hints are kept, and the delivery hears %v", at, kept, err)
		}
	}
	if tried < 3 {
		t.Errorf("%d requests only", tried)
	}
}
