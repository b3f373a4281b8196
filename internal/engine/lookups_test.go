package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// dim is a connector that finds or reads badly.
type dim struct {
	connector.Connector
	blind  bool                             // finds nobody
	unread func(crm.RecordID, string) error // by ID and last name: why it cannot be read
}

func (d dim) BatchFind(
	ctx context.Context, object string, f crm.Field, values, fields []string,
) ([][]crm.Record, error) {
	if d.blind {
		return make([][]crm.Record, len(values)), nil
	}
	return d.Connector.BatchFind(ctx, object, f, values, fields)
}

func (d dim) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	out, err := d.Connector.BatchRead(ctx, object, ids, fields)
	for i := range out {
		if d.unread == nil || out[i].Record == nil {
			continue
		}
		if why := d.unread(out[i].ID, out[i].Record.Get("lastname").Text()); why != nil {
			out[i] = connector.Read{ID: out[i].ID, Err: why}
		}
	}
	return out, err
}

// newDimBed is a testbed whose left connector is dim.
func newDimBed(t *testing.T, people int, d dim, change func(*crm.Connection)) bed {
	t.Helper()
	b, err := testbed.New(t.Context(),
		testbed.Options{People: people, Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
			if id != testbed.LeftAccount {
				return c
			}
			left := d
			left.Connector = c
			return left
		}}, change)
	if err != nil {
		t.Fatal(err)
	}
	return bed{b, t}
}

// living counts the living records of both apps.
func (b bed) living() (hub, force int) {
	for _, r := range b.Hub.Core().Records("contacts") {
		if !r.Deleted {
			hub++
		}
	}
	for _, r := range b.Force.Core().Records("Contact") {
		if !r.Deleted {
			force++
		}
	}
	return hub, force
}

// TestS38_TheHolderIsTheTwin: a search that finds nobody is answered by the app's
// refusal to make a second record, and the record that it names is the twin:
// under a first or another e-mail, and not where it is taken.
func TestS38_TheHolderIsTheTwin(t *testing.T) {
	t.Parallel()
	b := newDimBed(t, 0, dim{blind: true}, func(c *crm.Connection) {
		c.Sync(testbed.Contacts).Direction = crm.DirectionToLeft
	})
	for _, f := range []map[string]string{
		{"lastname": "First", "email": "first@example.com"},
		{"lastname": "Further", "email": "main@example.com", "hs_additional_emails": "old@example.com;further@example.com"},
	} {
		_, err := b.Hub.Core().CreateRecord("contacts", f)
		b.must(err)
	}
	b.start()
	for _, n := range []string{"first", "further"} {
		_, err := b.Force.Core().CreateRecord("Contact", map[string]string{"LastName": n, "Email": n + "@example.com"})
		b.must(err)
	}
	b.pull()
	b.must(b.Quiet(t.Context()))
	if hub, force := b.living(); hub != 2 || force != 2 {
		t.Errorf("%d and %d people, want two each", hub, force)
	}
	if b.Marks["holder_named"] != 2 {
		t.Errorf("%d holders named, want 2", b.Marks["holder_named"])
	}
	if st := b.status(); st.States.Right[crm.StateInSync] != 2 {
		t.Errorf("states %v", st.States)
	}
	_, err := b.Force.Core().CreateRecord("Contact", map[string]string{"LastName": "again", "Email": "old@example.com"})
	b.must(err)
	b.pull()
	b.must(b.Quiet(t.Context()))
	if st := b.status(); st.States.Right[crm.StateDuplicate] != 1 || st.States.Right[crm.StateFailing] > 0 {
		t.Errorf("somebody whose holder is another's twin: %v", st.States)
	}
}

// TestS38_AListingNeedsNoSearch: neither app finds anybody by its search, and
// yet the first sync links everybody whom both listed, whatever the spelling,
// because it matches by the keys that the listings saw; so does a plan, and its
// application, and a resync.
func TestS38_AListingNeedsNoSearch(t *testing.T) {
	t.Parallel()
	ladder := func(c *crm.Connection) {
		c.Sync(testbed.Contacts).Match = crm.SameMatch(
			crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}},
			crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"phone", "Phone"}}},
		)
	}
	b, err := testbed.New(t.Context(),
		testbed.Options{Wrap: func(_ crm.AccountID, c connector.Connector) connector.Connector {
			return dim{Connector: c, blind: true}
		}}, ladder)
	if err != nil {
		t.Fatal(err)
	}
	w := bed{b, t}
	add := func(n int) {
		for i := range 100 {
			number := fmt.Sprintf("212555%02d%02d", n, i)
			hub := map[string]string{"lastname": number, "phone": "(" + number[:3] + ") " + number[3:6] + "-" + number[6:]}
			force := map[string]string{"LastName": number, "Phone": "+1 " + number[:3] + "." + number[3:6] + "." + number[6:]}
			if i%2 == 0 {
				hub["email"], hub["hs_additional_emails"], force["Email"] = number+"@example.com", number+".old@example.com",
					number+".Old@Example.com"
				delete(force, "Phone")
			}
			_, err := w.Hub.Core().CreateRecord("contacts", hub)
			w.must(err)
			_, err = w.Force.Core().CreateRecord("Contact", force)
			w.must(err)
		}
	}
	planned := func(create int64) crm.PlanID {
		t.Helper()
		p, err := w.Engine.CreatePlan(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
		w.must(err)
		w.drain()
		p, err = w.Engine.GetPlan(t.Context(), testbed.Workspace, p.ID)
		w.must(err)
		if n := p.Totals; p.State != engine.RunDone || n[crm.Created] != create || n[crm.Linked]+n[crm.Updated] < 100 ||
			n[crm.Duplicate]+n[crm.Failed] > 0 {
			t.Errorf("the plan is %s, totals %v; want everybody linked", p.State, n)
		}
		return p.ID
	}
	add(1)
	planned(0)
	if run := w.start(); run.State != engine.RunDone ||
		run.Outcomes[crm.Created]+run.Outcomes[crm.Duplicate]+run.Outcomes[crm.Failed] > 0 {
		t.Errorf("the first sync: %s, %v", run.State, run.Outcomes)
	}
	add(2)
	plan := planned(0)
	if apply := w.finished(w.Engine.ApplyPlan(t.Context(), testbed.Workspace,
		plan)); apply.Outcomes[crm.Stale]+apply.Outcomes[crm.Created] > 0 {
		t.Errorf("the plan applied: %v", apply.Outcomes)
	}
	if st := w.status(); st.States.Left[crm.StateInSync] != 200 {
		t.Errorf("states after the plan: %v", st.States)
	}
	add(3)
	_, err = w.Engine.StartRun(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
	w.must(err)
	w.drain()
	if hub, force := w.living(); hub != 300 || force != 300 {
		t.Errorf("%d and %d people, want 300 each", hub, force)
	}
	if st := w.status(); st.States.Left[crm.StateInSync] != 300 {
		t.Errorf("states %v", st.States)
	}
	if w.Marks["twin_known_by_listing"] < 300 {
		t.Errorf("%d twins were known by the listing, want 300", w.Marks["twin_known_by_listing"])
	}
}

// TestS10_AnUnreadableRowFailsAlone: the app cannot show one record of a batch.
// For good, that record fails by itself with the app's code; for a while, it
// comes later; everybody else is linked at once.
func TestS10_AnUnreadableRowFailsAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind  fault.Kind
		state crm.State
	}{"for good": {fault.Invalid, crm.StateFailing}, "for a while": {fault.Unavailable, crm.StateInSync}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			times := 0
			b := newDimBed(t, 0, dim{unread: func(_ crm.RecordID, last string) error {
				if last != "N3" || c.kind == fault.Unavailable && times >= 3 {
					return nil
				}
				times++
				return fault.New("test: read", c.kind, "rejected", "this row cannot be shown")
			}}, nil)
			var ids []crm.RecordID
			for i := range 20 {
				r, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
					"lastname": fmt.Sprintf("N%d", i), "email": fmt.Sprintf("n%d@example.com", i),
				})
				b.must(err)
				ids = append(ids, crm.RecordID(r.ID))
			}
			if run := b.start(); run.State != engine.RunDone {
				t.Errorf("the first sync is %s", run.State)
			}
			b.must(b.Quiet(t.Context()))
			for i, id := range ids {
				want := crm.StateInSync
				if i == 3 {
					want = c.state
				}
				v, err := b.Engine.GetRecord(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, id)
				if c.state == crm.StateFailing && i == 3 {
					continue // it cannot be read for the view either
				}
				if err != nil || v.State != want {
					t.Errorf("N%d is %s, want %s: %v", i, v.State, want, err)
				}
			}
			st := b.status()
			if n := st.States.Left[crm.StateFailing]; n != map[crm.State]int64{crm.StateFailing: 1}[c.state] {
				t.Errorf("%d records fail: %v", n, st.States.Left)
			}
			if times == 0 {
				t.Error("the row was never refused")
			}
		})
	}
}

// TestS6_ALaterKeyDoublesNobody: two people with one phone and e-mails of their
// own are two, in the first sync and one after the other; two with one e-mail
// are not.
func TestS6_ALaterKeyDoublesNobody(t *testing.T) {
	t.Parallel()
	ladder := func(c *crm.Connection) {
		s := c.Sync(testbed.Contacts)
		s.Match = crm.SameMatch(
			crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}},
			crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"phone", "Phone"}}},
		)
	}
	b := newDimBed(t, 0, dim{}, ladder)
	family := func(n string) {
		_, err := b.Force.Core().CreateRecord("Contact", map[string]string{
			"LastName": n, "Email": n + "@example.com", "Phone": "(212) 555-0122",
		})
		b.must(err)
	}
	family("ann")
	family("bob")
	if run := b.start(); run.Outcomes[crm.Created] != 2 {
		t.Errorf("the first sync: %v", run.Outcomes)
	}
	if hub, force := b.living(); hub != 2 || force != 2 {
		t.Errorf("%d and %d people, want two each", hub, force)
	}
	family("cid") // with three, the number is nobody's any more
	b.pull()
	b.must(b.Quiet(t.Context()))
	if hub, force := b.living(); hub != 3 || force != 3 {
		t.Errorf("%d and %d people, want three each", hub, force)
	}
}
