package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// wilful is a connector whose calls may be answered before they are made.
type wilful struct {
	mortal
	write func(writes []connector.Write) error // nil = the call is made
	find  func(values []string) error
	read  func()
}

func (w *wilful) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	if w.write != nil {
		if err := w.write(writes); err != nil {
			return nil, err
		}
	}
	return w.Connector.BatchWrite(ctx, object, writes)
}

func (w *wilful) BatchFind(
	ctx context.Context, object string, f crm.Field, values, fields []string,
) ([][]crm.Record, error) {
	if w.find != nil {
		if err := w.find(values); err != nil {
			return nil, err
		}
	}
	return w.Connector.BatchFind(ctx, object, f, values, fields)
}

func (w *wilful) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	if w.read != nil {
		w.read()
	}
	return w.Connector.BatchRead(ctx, object, ids, fields)
}

// newWilfulBed is a testbed whose right connector is wilful.
func newWilfulBed(t *testing.T, o testbed.Options, change func(*crm.Connection)) (bed, *wilful) {
	t.Helper()
	w := &wilful{}
	o.Wrap = func(id crm.AccountID, c connector.Connector) connector.Connector {
		if id != testbed.RightAccount {
			return c
		}
		w.mortal = mortal{c, func() {}}
		return w
	}
	b, err := testbed.New(t.Context(), o, change)
	if err != nil {
		t.Fatal(err)
	}
	return bed{b, t}, w
}

func (b bed) newPerson(object string, fields map[string]string) string {
	b.t.Helper()
	core := b.Hub.Core()
	if object == "Contact" {
		core = b.Force.Core()
	}
	r, err := core.CreateRecord(object, fields)
	b.must(err)
	return r.ID
}

// TestS10_AWholeCallRefusedCostsTheRecordToBlame: an app that refuses a whole
// call for one of its rows is asked again in halves, until that record alone
// fails and everybody else has arrived, once.
func TestS10_AWholeCallRefusedCostsTheRecordToBlame(t *testing.T) {
	t.Parallel()
	const people = 16
	for bad := range people {
		if testing.Short() && bad%5 != 0 {
			continue
		}
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			t.Parallel()
			b, app := newWilfulBed(t, testbed.Options{}, nil)
			calls := 0
			app.write = func(writes []connector.Write) error {
				calls++
				if slices.ContainsFunc(writes, func(w connector.Write) bool {
					return w.Fields["LastName"].Text() == fmt.Sprintf("P%d", bad)
				}) {
					return fault.New("wilful: write", fault.Invalid, "rejected", "one of the records is not to my liking")
				}
				return nil
			}
			var ids []string
			for i := range people {
				ids = append(ids, b.newPerson("contacts", map[string]string{
					"email": fmt.Sprintf("p%d@example.com", i), "lastname": fmt.Sprintf("P%d", i),
				}))
			}
			b.start()
			got := map[string]int{}
			for _, r := range b.Force.Core().Records("Contact") {
				got[r.Fields["LastName"]]++
			}
			for i := range people {
				if name := fmt.Sprintf("P%d", i); got[name] != map[bool]int{true: 0, false: 1}[i == bad] {
					t.Errorf("%s is there %d times", name, got[name])
				}
			}
			if v := b.record(crm.Left, ids[bad]); v.State != crm.StateFailing || v.Code != "rejected" {
				t.Errorf("the one to blame is %s, %s", v.State, v.Code)
			}
			if n := len(b.problems(crm.Left, ids[bad])); n != 1 {
				t.Errorf("%d log entries name it, want 1", n)
			}
			if st := b.status(); st.States.Left[crm.StateInSync] != people-1 || st.States.Left[crm.StateFailing] != 1 {
				t.Errorf("states %v", st.States.Left)
			}
			if calls > 9 { // 16, and then two of 8, 4, 2 and 1
				t.Errorf("%d calls for one bad row of %d, want 9 at most", calls, people)
			}
		})
	}
}

// TestS31_AWholeCallRefusedForAField: an app that refuses a whole call because it
// lacks a field gets the rows that do not name it at once; the others travel
// without it, nobody fails, nobody is doubled, and the mapping is held.
func TestS31_AWholeCallRefusedForAField(t *testing.T) {
	t.Parallel()
	b, app := newWilfulBed(t, testbed.Options{}, nil)
	const people = 12
	titled := func(w connector.Write) bool { _, ok := w.Fields["Title"]; return ok }
	var first []int
	app.write = func(writes []connector.Write) error {
		n := len(writes)
		if slices.ContainsFunc(writes, titled) {
			first = append(first, -n)
			return &fault.Error{
				Op: "wilful: write", Kind: fault.Invalid, Code: "field_missing", Field: "Title", Message: "there is no such field",
			}
		}
		first = append(first, n)
		return nil
	}
	for i := range people {
		fields := map[string]string{"email": fmt.Sprintf("p%d@example.com", i), "lastname": fmt.Sprintf("P%d", i)}
		if i%3 == 0 {
			fields["jobtitle"] = "Cooper"
		}
		b.newPerson("contacts", fields)
	}
	b.start()
	if len(first) < 2 || first[0] != -people || first[1] != people-people/3 {
		t.Errorf("calls of %v rows, want all refused, and then those without the field at once", first)
	}
	got := map[string]int{}
	for _, r := range b.Force.Core().Records("Contact") {
		got[r.Fields["LastName"]]++
	}
	for i := range people {
		if n := got[fmt.Sprintf("P%d", i)]; n != 1 {
			t.Errorf("P%d is there %d times", i, n)
		}
	}
	st := b.status()
	if st.States.Left[crm.StateFailing] != 0 || !slices.Contains(st.Warnings, "field_missing") {
		t.Errorf("states %v, warnings %v", st.States.Left, st.Warnings)
	}
	if !slices.ContainsFunc(st.Held, func(h engine.HeldPart) bool { return h.Field == "Title" && h.Side == crm.Right }) {
		t.Errorf("held: %+v, want the title", st.Held)
	}
}

// TestS38_AValueThatTooManyHoldFailsAlone: an app that lists no more than some
// records for a value refuses the whole look-up; everybody else is found, and
// linked with who was there.
func TestS38_AValueThatTooManyHoldFailsAlone(t *testing.T) {
	t.Parallel()
	b, app := newWilfulBed(t, testbed.Options{}, nil)
	const people = 9
	asked := 0
	app.find = func(values []string) error {
		asked++
		if slices.Contains(values, "p4@example.com") {
			return fault.New("wilful: find", fault.Invalid, "too_many_matches", "more records than are listed")
		}
		return nil
	}
	b.start()
	for i := range people {
		mail := fmt.Sprintf("p%d@example.com", i)
		b.newPerson("Contact", map[string]string{"Email": mail, "LastName": fmt.Sprintf("P%d", i)})
	}
	b.Move(time.Hour) // what is there is not listed with what follows
	for i := range people {
		b.newPerson("contacts", map[string]string{
			"email": fmt.Sprintf("p%d@example.com", i), "lastname": fmt.Sprintf("P%d", i), "city": "Ghent",
		})
	}
	ctx := t.Context()
	var events []connector.Event
	for _, r := range b.Hub.Core().Records("contacts") {
		events = append(events, connector.Event{
			Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(r.ID),
			At: b.Now(),
		})
	}
	b.Move(time.Minute)
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, events))
	b.drain()
	if asked < 2 || b.Marks["value_of_too_many"] == 0 {
		t.Fatalf("%d look-ups, none narrowed down", asked)
	}
	cities := map[string]int{}
	for _, r := range b.Force.Core().Records("Contact") {
		if r.Fields["MailingCity"] == "Ghent" {
			cities[r.Fields["Email"]]++
		}
	}
	for i := range people {
		if mail := fmt.Sprintf("p%d@example.com", i); i != 4 && cities[mail] != 1 {
			t.Errorf("%s got its city %d times", mail, cities[mail])
		}
	}
	if _, force := b.living(); force > people+1 {
		t.Errorf("%d people in Salesforce, want %d and at most one more of the crowded address", force, people)
	}
}

// TestAPanicCostsItsWorkAndNoMore: an internal check that fails while a record is
// worked ends that piece of work, not the process; the message comes again and
// the change arrives.
func TestAPanicCostsItsWorkAndNoMore(t *testing.T) {
	t.Parallel()
	b, app := newWilfulBed(t, testbed.Options{People: 30}, nil)
	b.start()
	hub, force := b.twins(t.Context())
	b.editHub(hub, "city", "Ghent")
	app.write = func([]connector.Write) error { panic("an index out of range") }
	if v := b.hear(hub); v.Ack {
		t.Error("the message is acknowledged")
	}
	if b.Marks["panic_recovered"] != 1 {
		t.Errorf("%d panics noted", b.Marks["panic_recovered"])
	}
	app.write = nil
	b.Move(10 * time.Minute) // a lease whose holder died
	b.drain()
	if got := b.get("Contact", force)["MailingCity"]; got != "Ghent" {
		t.Errorf("city %q, want Ghent", got)
	}
	b.must(b.Quiet(t.Context()))
}

// TestS4_ALeaseThatIsLostEndsTheWork: a worker whose lease somebody took over
// while it waited for an app writes nothing any more; whoever has it now does.
func TestS4_ALeaseThatIsLostEndsTheWork(t *testing.T) {
	t.Parallel()
	b, app := newWilfulBed(t, testbed.Options{People: 30}, nil)
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	second := b.Hub.Core().Records("contacts")[5].ID
	b.editHub(hub, "city", "Ghent")
	b.editHub(second, "city", "Lund")
	writes := 0
	app.write = func([]connector.Write) error { writes++; return nil }
	robbed := false
	app.read = func() {
		if robbed {
			return
		}
		robbed = true
		b.Move(3 * time.Minute) // the app takes its time, and the lease would have to be renewed
		it := b.leaseItem()
		it.Data = []byte(`{"owner":"own_else","epoch":1000,"until":"2100-01-01T00:00:00Z"}`)
		_, err := b.Store.Write(ctx, store.Write{Item: it})
		b.must(err)
	}
	b.Move(time.Second)
	b.must(b.Engine.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, []connector.Event{
		{Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(hub), At: b.Now()},
		{Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(second), At: b.Now()},
	}))
	ds, err := b.Queue.Receive(ctx, 10, time.Hour)
	b.must(err)
	for _, v := range b.Engine.Work(ctx, ds) {
		if v.Ack {
			t.Error("a message is acknowledged whose work was not done")
		}
		for _, err := range b.Queue.SetVisibility(ctx, []string{v.Receipt}, 0) {
			b.must(err)
		}
	}
	if !robbed || writes != 0 {
		t.Fatalf("the lease was taken: %t; %d writes without it", robbed, writes)
	}
	it := b.leaseItem()
	it.Data = []byte(`{"epoch":1001}`)
	_, err = b.Store.Write(ctx, store.Write{Item: it})
	b.must(err)
	b.drain()
	if got := b.get("Contact", force)["MailingCity"]; got != "Ghent" || writes == 0 {
		t.Errorf("city %q after %d writes, want Ghent", got, writes)
	}
}

// TestForgottenLeasesAreFree: a process that knows by a lock that nobody else
// lives need not wait out the leases of the dead, and loses nothing that they
// had begun.
func TestForgottenLeasesAreFree(t *testing.T) {
	t.Parallel()
	leased := 0
	for at := range 60 {
		b := newCrashBed(t, -1, dieAfter, nil, nil)
		b.begin(false)
		id := b.byEmail(crm.Left, ann)
		b.edit(crm.Left, id, "city", "Ghent")
		b.hook(crm.Left, connector.EventChanged, id)
		b.at, b.count = at, 0
		b.run(func(e *engine.Engine) {
			ds, err := crashQueue{b.queue, b}.Receive(t.Context(), 10, time.Second)
			if err == nil {
				e.Work(t.Context(), ds)
			}
		})
		b.live = false
		it, err := b.store.Get(t.Context(), store.Key{
			Table: store.Links, Workspace: testbed.Workspace, Partition: "h#" + string(testbed.Connection) + "#" +
				string(testbed.Contacts), Sort: "lease",
		})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(it.Data), `"owner":"own_`) {
			continue // it died before, or after
		}
		leased++
		if err := b.eng.ForgetLeases(t.Context(), testbed.Workspace); err != nil {
			t.Fatal(err)
		}
		began := b.now
		for range 3 {
			b.now = b.now.Add(2 * time.Second)
			ds, err := b.queue.Receive(t.Context(), 10, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			b.eng.Work(t.Context(), ds)
		}
		right := b.byEmail(crm.Right, ann)
		for _, r := range b.apps[1].Rows() {
			if city := r.Fields[b.apps[1].Name("city")].Text(); r.ID == right && city != "Ghent" {
				t.Errorf("died at request %d: city %q %s after the restart", at, city, b.now.Sub(began))
			}
		}
	}
	if leased < 3 {
		t.Errorf("only %d processes died with a lease: the test looks at nothing", leased)
	}
}

// moving is a store in which somebody changes an item just before it is written.
type moving struct {
	*memstore.Store
	match string // of the sort key
	times int
}

func (m *moving) meddle(ctx context.Context, k store.Key) {
	if m.times == 0 || !strings.HasPrefix(k.Sort, m.match) {
		return
	}
	m.times--
	if it, err := m.Store.Get(ctx, k); err == nil {
		_, _ = m.Store.Write(ctx, store.Write{Item: store.Item{Key: k, Data: it.Data, Expires: it.Expires}})
	}
}

func (m *moving) Write(ctx context.Context, w store.Write) (int64, error) {
	m.meddle(ctx, w.Item.Key)
	return m.Store.Write(ctx, w)
}

func (m *moving) Transact(ctx context.Context, ws []store.Write) error {
	for i := range ws {
		m.meddle(ctx, ws[i].Item.Key)
	}
	return m.Store.Transact(ctx, ws)
}

// TestCancelMeetsAMovingRun: a run that moves while it is cancelled is cancelled
// in the end; one that never stands still is left as it is, and the caller told.
func TestCancelMeetsAMovingRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		times int
		code  string
	}{"moves twice": {2, ""}, "never stands still": {1000, "busy"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := testbed.NewClock()
			s := &moving{Store: memstore.New(clock.Now)}
			made, err := testbed.New(t.Context(), testbed.Options{People: 30, Store: s, Clock: clock}, nil)
			if err != nil {
				t.Fatal(err)
			}
			b := bed{made, t}
			runs, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection)
			b.must(err)
			s.match, s.times = string(runs[0].ID), c.times
			got, err := b.Engine.CancelRun(t.Context(), testbed.Workspace, runs[0].ID)
			s.times = 0
			if fault.CodeOf(err) != c.code && c.code != "" || (err == nil) != (c.code == "") {
				t.Fatalf("%v, want %q", err, c.code)
			}
			want := engine.RunCancelled
			if c.code != "" {
				want = engine.RunQueued
			}
			if got, err = b.Engine.GetRun(t.Context(), testbed.Workspace, runs[0].ID); err != nil ||
				got.State != want && (want == engine.RunCancelled || got.State == engine.RunCancelled) {
				t.Errorf("the run is %s, %v; want %s", got.State, err, want)
			}
		})
	}
}

// TestUnlinkingNobodyChangesNothing: to take apart what is not linked is no
// error, leaves no trace in the log, and keeps the record where it is.
func TestUnlinkingNobodyChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, 0, func(c *crm.Connection) { c.Syncs[0].Direction = crm.DirectionToLeft })
	b.start()
	id := b.newPerson("contacts", map[string]string{"email": "solo@example.com", "lastname": "Solo"})
	b.pullLate()
	before := b.record(crm.Left, id)
	run := b.finished(b.Engine.UnlinkRecord(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(id)))
	after := b.record(crm.Left, id)
	if after.State != before.State || after.Code != before.Code || len(after.History) != len(before.History) {
		t.Errorf("it was %s %s with %d entries, and is %s %s with %d", before.State, before.Code, len(before.History),
			after.State, after.Code, len(after.History))
	}
	if run.Outcomes[crm.Unchanged] != 1 || run.Total != 1 {
		t.Errorf("the run counts %v of %d", run.Outcomes, run.Total)
	}
	if _, force := b.living(); force != 0 {
		t.Errorf("%d people were made", force)
	}
}

// TestS24_SyncsThatMayNotRunDoNotCatchUp: what was switched on again looks at what
// it missed, unless something else still holds it; an unknown connection is said.
func TestS24_SyncsThatMayNotRunDoNotCatchUp(t *testing.T) {
	t.Parallel()
	b := newBed(t, 10, nil)
	b.start()
	ctx := t.Context()
	runs := func() int {
		all, _, err := b.Engine.ListRuns(ctx, testbed.Workspace, testbed.Connection, 100, "")
		b.must(err)
		return len(all)
	}
	before := runs()
	syncs := []crm.SyncID{testbed.Contacts}
	b.must(b.Engine.PauseConnection(ctx, testbed.Workspace, testbed.Connection))
	b.must(b.Engine.CatchUp(ctx, testbed.Workspace, testbed.Connection, append(syncs, "unknown")))
	if n := runs(); n != before {
		t.Errorf("%d runs of a paused connection", n-before)
	}
	_, err := b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection)
	b.must(err)
	b.drain()
	before = runs()
	b.must(b.Engine.CatchUp(ctx, testbed.Workspace, testbed.Connection, syncs))
	if n := runs(); n != before+1 {
		t.Errorf("%d runs catch up, want 1", n-before)
	}
	if err := b.Engine.CatchUp(ctx, testbed.Workspace, "con_none", syncs); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown connection: %v", err)
	}
}

// TestS34_AnAccountThatIsAuthorisedAnewIsTriedAtOnce: what waits for a right of
// the account is tried without waiting for the next look, on the syncs that wait
// and may run; another account's right moves nobody.
func TestS34_AnAccountThatIsAuthorisedAnewIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, 20, nil)
	b.start()
	ctx := t.Context()
	b.grant("crm.objects.contacts.write")
	for i := range 3 {
		b.must(createBoth(b, i))
	}
	b.Move(time.Minute)
	b.must(b.Engine.Pull(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
	b.rounds(2)
	if n := countNew(b, "contacts", "lastname"); n != 3 || len(b.status().Waiting) != 1 {
		t.Fatalf("%d new people, waiting %+v", n, b.status().Waiting)
	}
	b.grant()
	runs := func() int {
		all, _, err := b.Engine.ListRuns(ctx, testbed.Workspace, testbed.Connection, 100, "")
		b.must(err)
		return len(all)
	}
	before := runs()
	b.must(b.Engine.AccountAuthorized(ctx, testbed.Workspace, testbed.RightAccount))
	if len(b.status().Waiting) != 1 || runs() != before {
		t.Error("another account's right ended the wait")
	}
	b.must(b.Engine.AccountAuthorized(ctx, testbed.Workspace, testbed.LeftAccount))
	if len(b.status().Waiting) != 0 || runs() != before+1 {
		t.Errorf("waiting %+v, %d runs more", b.status().Waiting, runs()-before)
	}
	began := b.Now()
	b.drain()
	if n := countNew(b, "contacts", "lastname"); n != 6 || b.Now().Sub(began) > 30*time.Second {
		t.Errorf("%d new people %s later, want 6 at once", n, b.Now().Sub(began))
	}
}
