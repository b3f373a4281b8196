package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// asked is what clients ask of the engine in a bed that has a bit of everything.
type asked struct {
	run   crm.RunID
	plan  crm.PlanID
	entry string
	left  crm.RecordID
	right crm.RecordID
	other crm.RecordID // on the left, not linked
	alone crm.RecordID // on the right, not linked
}

// bitOfEverything brings two people in step, makes one fail and one conflict, and
// works out a plan.
func bitOfEverything(t *testing.T) (*crashBed, asked) {
	t.Helper()
	b := newCrashBed(t, -1, failOnce, func(c *crm.Connection) { c.Syncs[0].Conflict = crm.ConflictReview },
		func(_ int, o *modelapp.Options) { o.Picky = true })
	b.begin(false)
	b.live = false
	ctx := t.Context()
	bad := b.create(crm.Left, "email", "bad@example.com", "city", modelapp.MarkRule)
	b.hook(crm.Left, connector.EventChanged, bad)
	alone := b.create(crm.Right, "first", "Alone")
	b.hook(crm.Right, connector.EventChanged, alone)
	b.rest()
	a := asked{alone: alone, left: b.byEmail(crm.Left, ann), right: b.byEmail(crm.Right, ann), other: bad}
	plan, err := b.eng.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.rest()
	a.plan = plan.ID
	b.edit(crm.Left, a.left, "city", "Ghent")
	b.buried(a.left)
	entries, _, err := b.eng.ListLog(ctx, testbed.Workspace, engine.LogFilter{
		Connection: testbed.Connection, Outcomes: []crm.Outcome{crm.Failed},
	}, 10, "")
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d failed entries, %v", len(entries), err)
	}
	a.entry = entries[0].ID
	run, err := b.eng.StartRun(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
	if err != nil {
		t.Fatal(err)
	}
	a.run = run.ID
	return b, a
}

// buried lets a notification about a record fail as often as it may.
func (b *crashBed) buried(id crm.RecordID) {
	b.t.Helper()
	ctx := b.t.Context()
	b.hook(crm.Left, connector.EventChanged, id)
	ds, err := b.queue.Receive(ctx, 10, time.Minute)
	if err != nil || len(ds) != 1 {
		b.t.Fatalf("%d messages, %v", len(ds), err)
	}
	ds[0].Receives = 1000
	b.at, b.count, b.live = 0, 0, true
	v := b.eng.Work(ctx, ds)[0]
	b.live = false
	if dead, _, err := b.eng.ListDead(ctx, ws, con, 10, ""); err != nil || len(dead) != 1 || !v.Ack {
		b.t.Fatalf("%d dead items, acknowledged %t, %v", len(dead), v.Ack, err)
	}
	b.queue.Delete(ctx, []string{v.Receipt})
}

const (
	ws  = testbed.Workspace
	con = testbed.Connection
)

// reads change nothing; changes do.
var reads = map[string]func(ctx context.Context, e *engine.Engine, a asked) error{
	"GetRun": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.GetRun(ctx, ws, a.run)
		return err
	},
	"ListRuns": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, _, err := e.ListRuns(ctx, ws, "", 50, "")
		return err
	},
	"ListRuns of one": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, _, err := e.ListRuns(ctx, ws, con, 50, "")
		return err
	},
	"ListHeld": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.ListHeld(ctx, ws, con, testbed.Contacts)
		return err
	},
	"GetPlan": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.GetPlan(ctx, ws, a.plan)
		return err
	},
	"PlanChanges": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, _, err := e.PlanChanges(ctx, ws, a.plan, 50, "")
		return err
	},
	"GetEntry": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.GetEntry(ctx, ws, a.entry)
		return err
	},
	"ListDead": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, _, err := e.ListDead(ctx, ws, con, 50, "")
		return err
	},
	"Status": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.Status(ctx, ws, con)
		return err
	},
	"Held": func(ctx context.Context, e *engine.Engine, _ asked) error { _, err := e.Held(ctx, ws, con); return err },
	"AccountWaits": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.AccountWaits(ctx, ws)
		return err
	},
	"DuePulls": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.DuePulls(ctx, ws, time.Now().Add(time.Hour))
		return err
	},
	"GetRecord": func(ctx context.Context, e *engine.Engine, a asked) error {
		v, err := e.GetRecord(ctx, ws, con, testbed.Contacts, crm.Left, a.left)
		if err == nil && v.Unread != nil { // what is stored is shown all the same, and what could not be read is said
			err = fault.New("test: read record", fault.Unavailable, v.Unread.Code, v.Unread.Detail)
		}
		return err
	},
	"Explain": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.Explain(ctx, ws, con, testbed.Contacts, crm.Left, a.left)
		return err
	},
	"Explain of one": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.Explain(ctx, ws, con, testbed.Contacts, crm.Left, a.other)
		return err
	},
	"ListRecords": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, _, err := e.ListRecords(ctx, ws, con, testbed.Contacts, engine.RecordFilter{}, 50, "")
		return err
	},
	"ListRecords of a state": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, _, err := e.ListRecords(ctx, ws, con, testbed.Contacts,
			engine.RecordFilter{State: crm.StateFailing}, 50, "")
		return err
	},
	"ListLog": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, _, err := e.ListLog(ctx, ws, engine.LogFilter{Connection: con}, 50, "")
		return err
	},
}

var changes = map[string]func(ctx context.Context, e *engine.Engine, a asked) error{
	"CreatePlan": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.CreatePlan(ctx, ws, con, testbed.Contacts, nil)
		return err
	},
	"CreatePlan of one": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.CreatePlan(ctx, ws, con, testbed.Contacts, []crm.RecordRef{{Side: crm.Left, ID: a.left}})
		return err
	},
	"ApplyPlan": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.ApplyPlan(ctx, ws, a.plan)
		return err
	},
	"StartRun": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.StartRun(ctx, ws, con, testbed.Contacts, engine.RunPull)
		return err
	},
	"CancelRun": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.CancelRun(ctx, ws, a.run)
		return err
	},
	"Pause": func(ctx context.Context, e *engine.Engine, _ asked) error { return e.PauseConnection(ctx, ws, con) },
	"Start": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.StartConnection(ctx, ws, con)
		return err
	},
	"Delete": func(ctx context.Context, e *engine.Engine, _ asked) error { return e.DeleteConnection(ctx, ws, con) },
	"CatchUp": func(ctx context.Context, e *engine.Engine, _ asked) error {
		return e.CatchUp(ctx, ws, con, []crm.SyncID{testbed.Contacts})
	},
	"Authorized": func(ctx context.Context, e *engine.Engine, _ asked) error {
		return e.AccountAuthorized(ctx, ws, testbed.LeftAccount)
	},
	"RetryEntry": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.RetryEntry(ctx, ws, a.entry, nil)
		return err
	},
	"RetryFailed": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.RetryFailed(ctx, ws, engine.LogFilter{Connection: con, Sync: testbed.Contacts})
		return err
	},
	"RedriveDead": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.RedriveDead(ctx, ws, con)
		return err
	},
	"SyncRecord": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.SyncRecord(ctx, ws, con, testbed.Contacts, crm.Left, a.left)
		return err
	},
	"UnlinkRecord": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.UnlinkRecord(ctx, ws, con, testbed.Contacts, crm.Left, a.left)
		return err
	},
	"LinkRecords": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.LinkRecords(ctx, ws, con, testbed.Contacts, crm.Left, a.other, a.alone)
		return err
	},
	"ResolveRecord": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, err := e.ResolveRecord(ctx, ws, con, testbed.Contacts, crm.Left, a.left, map[crm.MappingID]engine.Resolution{
			"city": {Side: crm.Left},
		})
		return err
	},
	"ReleaseHeld": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.ReleaseHeld(ctx, ws, con, testbed.Contacts, "city")
		return err
	},
	"LinkPairs": func(ctx context.Context, e *engine.Engine, a asked) error {
		_, _, err := e.LinkPairs(ctx, ws, con, testbed.Contacts, []engine.PairOfIDs{{Left: a.left, Right: "r_none"}}, false)
		return err
	},
	"ResolveRecords": func(ctx context.Context, e *engine.Engine, _ asked) error {
		_, err := e.ResolveRecords(ctx, ws, con, testbed.Contacts, engine.ResolveFilter{State: crm.StateConflict},
			engine.ChoiceLeft, false)
		return err
	},
	"Webhook": func(ctx context.Context, e *engine.Engine, a asked) error {
		return e.Webhook(ctx, ws, testbed.LeftAccount, []connector.Event{
			{Kind: connector.EventChanged, Object: modelapp.Object, ID: a.left},
		})
	},
	"ForgetLeases": func(ctx context.Context, e *engine.Engine, _ asked) error { return e.ForgetLeases(ctx, ws) },
}

// strike makes one call of which one request fails; -1 = none. It reports how
// many requests there were and what the call said.
func (b *crashBed) strike(
	at int, call func(context.Context, *engine.Engine, asked) error, a asked,
) (requests int, err error) {
	b.t.Helper()
	b.eng = b.process() // nothing is remembered
	b.mode, b.at, b.count, b.live = failOnce, at, 0, true
	err = call(b.t.Context(), b.eng, a)
	b.live = false
	return b.count, err
}

// TestNoReadHidesWhatFailed: of everything that clients read, each request to the
// store, the queue or an app fails once: the call says so, for what it could
// answer would not be true.
func TestNoReadHidesWhatFailed(t *testing.T) {
	t.Parallel()
	for name, call := range reads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, a := bitOfEverything(t)
			n, err := b.strike(-1, call, a)
			if err != nil || n == 0 {
				t.Fatalf("%d requests: %v", n, err)
			}
			for at := range n {
				if _, err := b.strike(at, call, a); !fault.Is(err, fault.Unavailable) {
					t.Errorf("request %d of %d failed, and the call says %v", at, n, err)
				}
			}
		})
	}
}

// TestNoChangeHidesWhatFailed: of everything that clients change, each request
// fails once: the call says so, and does it all when it is made again; or it says
// nothing, and somebody makes up for it. Either way what there is in the end is
// what there is without a failure.
func TestNoChangeHidesWhatFailed(t *testing.T) {
	t.Parallel()
	for name, call := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, a := bitFor(t, name)
			n, err := b.strike(-1, call, a)
			if err != nil || n == 0 {
				t.Fatalf("%d requests: %v", n, err)
			}
			want := b.ended(name)
			stride := 1
			if testing.Short() {
				stride = max(1, n/10)
			}
			for at := 0; at < n; at += stride {
				b, a := bitFor(t, name)
				_, err := b.strike(at, call, a)
				if err != nil && !fault.Is(err, fault.Unavailable) {
					t.Errorf("request %d of %d failed, and the call says %v", at, n, err)
				}
				if err != nil {
					if err := call(t.Context(), b.eng, a); err != nil && !fault.Is(err, fault.NotFound) { // deleted already
						t.Errorf("request %d failed; once more the call says %v", at, err)
					}
				}
				if got := b.ended(name); got != want {
					t.Errorf("request %d of %d failed, said %v, and it ends otherwise (-want +got):\n%s", at, n, err,
						cmp.Diff(want, got))
				}
			}
		})
	}
}

// bitFor is a bit of everything as a change needs it: a plan is applied while no other
// run is open.
func bitFor(t *testing.T, change string) (*crashBed, asked) {
	t.Helper()
	b, a := bitOfEverything(t)
	switch change {
	case "ApplyPlan":
		b.rest()
	case "ReleaseHeld":
		b.rest()
		b.apps[0].Archive(b.apps[0].Name(modelapp.City))
		b.now = b.now.Add(25 * time.Hour)
		b.edit(crm.Right, b.byEmail(crm.Right, ann), "city", "Lund")
		b.pull()
		b.rest()
		b.apps[0].Unarchive(b.apps[0].Name(modelapp.City))
	}
	return b, a
}

// ended is what there is once everything has come to rest.
func (b *crashBed) ended(name string) string {
	b.t.Helper()
	if name == "Pause" {
		conn, _, err := store.LoadConnection(b.t.Context(), b.store, ws, con)
		if err != nil {
			b.t.Fatal(err)
		}
		return string(conn.Status)
	}
	b.rest()
	return b.final()
}

// TestDeadItemsStayUntilTheyAreSent: whatever fails while given-up work is sent
// again, it is listed or queued afterwards, and never neither.
func TestDeadItemsStayUntilTheyAreSent(t *testing.T) {
	t.Parallel()
	for _, mode := range []crashMode{dieBefore, dieAfter, loseReply, failOnce} {
		for at := range 30 {
			b := newCrashBed(t, -1, mode, nil, nil)
			b.begin(false)
			b.live = false
			id := b.byEmail(crm.Left, ann)
			b.edit(crm.Left, id, "city", "Ghent")
			b.mode = failOnce
			b.buried(id)
			b.mode, b.at, b.count, b.live = mode, at, 0, true
			b.run(func(e *engine.Engine) { _, _ = e.RedriveDead(t.Context(), ws, con) }) // what it says is none of this test
			b.live = false
			if b.count <= at {
				break
			}
			dead, _, err := b.eng.ListDead(t.Context(), ws, con, 10, "")
			depth, derr := b.queue.Depth(t.Context())
			if err != nil || derr != nil || len(dead)+depth.Visible == 0 {
				t.Errorf("%s at request %d: %d dead items and %d messages, %v, %v", mode, at, len(dead), depth.Visible, err, derr)
			}
			b.ask(func(e *engine.Engine) error { _, err := e.RedriveDead(t.Context(), ws, con); return err })
			b.rest()
			if got := b.cityOf(crm.Right, ann); got != "Ghent" {
				t.Errorf("%s at request %d: city %q in the end", mode, at, got)
			}
		}
	}
}

// TestDeadItemsOutliveTheirSettings: work that was given up before a connection
// was given other settings, so that what is queued from before is of the past,
// is worked under the present ones when it is sent again.
func TestDeadItemsOutliveTheirSettings(t *testing.T) {
	t.Parallel()
	b := newCrashBed(t, -1, failOnce, nil, nil)
	b.begin(false)
	b.live = false
	id := b.byEmail(crm.Left, ann)
	b.buried(id)
	c, v, err := store.LoadConnection(t.Context(), b.store, ws, con)
	if err != nil {
		t.Fatal(err)
	}
	c.Version, c.Generation = c.Version+1, c.Generation+1
	if _, err := store.SaveConnection(t.Context(), b.store, ws, c, v); err != nil {
		t.Fatal(err)
	}
	b.rest()
	b.edit(crm.Left, id, "city", "Ghent") // told by nobody
	sent := 0
	b.ask(func(e *engine.Engine) (err error) { sent, err = e.RedriveDead(t.Context(), ws, con); return err })
	b.rest()
	if got := b.cityOf(crm.Right, ann); got != "Ghent" || sent != 1 {
		t.Errorf("%d items were sent again, and the right has %q", sent, got)
	}
	if dead, _, err := b.eng.ListDead(t.Context(), ws, con, 10, ""); err != nil || len(dead) != 0 {
		t.Errorf("%d are still listed, %v", len(dead), err)
	}
}

// cityOf is the city of the person with that address.
func (b *crashBed) cityOf(side crm.Side, email string) string {
	b.t.Helper()
	id, app := b.byEmail(side, email), b.apps[side.Index()]
	for _, r := range app.Rows() {
		if r.ID == id {
			return r.Fields[app.Name(modelapp.City)].Text()
		}
	}
	return ""
}

// stumbling is a store that cannot store a dead item for a while.
type stumbling struct {
	store.Store
	times int
}

func (s *stumbling) Transact(ctx context.Context, ws []store.Write) error {
	given := func(w store.Write) bool { return strings.HasPrefix(w.Item.Partition, "d#") }
	if s.times > 0 && slices.ContainsFunc(ws, given) {
		s.times--
		return fault.New("stumbling: transact", fault.Unavailable, "injected", "the store is away")
	}
	return s.Store.Transact(ctx, ws)
}

// TestS21_TheLastReceiveMakesADeadItem: work that is given up is on the admin's
// list at the cap, also when the store stumbles just then: the few receives that
// are left could meet the same, and nobody comes back for it after them.
func TestS21_TheLastReceiveMakesADeadItem(t *testing.T) {
	t.Parallel()
	clock := testbed.NewClock()
	s := &stumbling{Store: memstore.New(clock.Now), times: 2}
	bd, err := testbed.New(t.Context(), testbed.Options{People: 30, Clock: clock, Store: s}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := bed{bd, t}
	b.start()
	hub, _ := b.twins(t.Context())
	b.editHub(hub, "jobtitle", "Cooper")
	b.breakForce(true)
	b.must(b.Engine.Webhook(t.Context(), ws, testbed.LeftAccount, []connector.Event{
		{Kind: connector.EventChanged, Object: "contacts", ID: crm.RecordID(hub)},
	}))
	for range 40 {
		_, err := b.Work(t.Context())
		b.must(err)
		_, err = b.Engine.Round(t.Context()) // it hears that the app as such is up
		b.must(err)
		b.Move(time.Minute)
	}
	dead, _, err := b.Engine.ListDead(t.Context(), ws, con, 10, "")
	b.must(err)
	if s.times != 0 || len(dead) != 1 || dead[0].Receives != 10 {
		t.Errorf("the store was to stumble %d times more; dead items: %+v, want one, after ten receives", s.times, dead)
	}
}
