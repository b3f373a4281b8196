package engine_test

import (
	"context"
	"fmt"
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
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// TestS24_ACancelledPullLosesNothing: a pull is cancelled with records in hand
// that it had listed and not sent, whether or not it had taken over where its
// listing ended. The next one lists them again.
func TestS24_ACancelledPullLosesNothing(t *testing.T) {
	t.Parallel()
	for side, name := range []string{"HubSpot", "Salesforce"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, err := testbed.New(t.Context(), testbed.Options{
				People: 60, Tuning: engine.Tuning{ChunkSize: 5, LotSize: 5, Window: 1},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, ctx := bed{made, t}, t.Context()
			b.start()
			b.must(b.Quiet(ctx))
			pairs, field := b.pairs()[:30], []string{"city", "MailingCity"}
			for i, p := range pairs {
				b.edit(side, p[side], map[string]string{field[side]: fmt.Sprintf("Town %d", i)})
			}
			b.Move(testbed.Overlap)
			b.must(b.Engine.Pull(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
			_, err = b.Engine.Round(ctx)
			b.must(err)
			st := b.status()
			if st.OpenRun == "" {
				t.Fatal("the pull has nothing in hand")
			}
			r, err := b.Engine.CancelRun(ctx, testbed.Workspace, st.OpenRun)
			if err != nil || r.State != engine.RunCancelled {
				t.Fatalf("the pull is %s, %v", r.State, err)
			}
			b.drain()
			arrived := func() (n int) {
				held := b.values(1-side, field[1-side])
				for i, p := range pairs {
					if held[p[1-side]] == fmt.Sprintf("Town %d", i) {
						n++
					}
				}
				return n
			}
			if n := arrived(); n == len(pairs) {
				t.Fatal("all of it was sent before the pull was cancelled")
			}
			for range 2 {
				b.Move(5 * time.Minute)
				b.pull()
			}
			if n := arrived(); n != len(pairs) {
				t.Errorf("%d of %d edits arrived", n, len(pairs))
			}
		})
	}
}

// twice is a store in which somebody else, who got the same message, is just
// ahead with what is planned of a chunk.
type twice struct {
	*memstore.Store
	plans int
}

func (s *twice) Transact(ctx context.Context, ws []store.Write) error {
	if slices.ContainsFunc(ws, func(w store.Write) bool { return strings.HasPrefix(w.Item.Partition, "plan#") }) {
		s.plans++
		if err := s.Store.Transact(ctx, ws); err != nil {
			return err
		}
	}
	return s.Store.Transact(ctx, ws)
}

// TestS28_APlanCountsOnce: a chunk of a plan that two workers got counts once.
func TestS28_APlanCountsOnce(t *testing.T) {
	t.Parallel()
	plan := func(o testbed.Options) engine.PlanView {
		t.Helper()
		made, err := testbed.New(t.Context(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		b := bed{made, t}
		p, err := b.Engine.CreatePlan(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
		b.must(err)
		b.drainPlan(p.ID)
		p, err = b.Engine.GetPlan(t.Context(), testbed.Workspace, p.ID)
		b.must(err)
		return p
	}
	clock := testbed.NewClock()
	s := &twice{Store: memstore.New(clock.Now)}
	once, got := plan(testbed.Options{People: 30}), plan(testbed.Options{People: 30, Store: s, Clock: clock})
	if d := cmp.Diff(once.Totals, got.Totals); d != "" || got.State != engine.RunDone || len(once.Totals) < 2 ||
		s.plans == 0 {
		t.Errorf("%d chunks came twice, the plan is %s, totals (-once +twice):\n%s", s.plans, got.State, d)
	}
}

// TestS24_ADraftsPlanIsItsFirstListing: applied, the plan of a draft is its
// initial sync. The next pull goes on where the plan's listing ended: it brings
// what was edited since, and lists nothing anew.
func TestS24_ADraftsPlanIsItsFirstListing(t *testing.T) {
	t.Parallel()
	b, ctx := newBed(t, 30, nil), t.Context()
	b.Move(time.Hour)
	plan, err := b.Engine.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	b.must(err)
	b.drainPlan(plan.ID)
	later := b.newPerson("contacts", map[string]string{"email": "later@example.com", "lastname": "Later"})
	b.Move(testbed.Overlap)
	run, err := b.Engine.ApplyPlan(ctx, testbed.Workspace, plan.ID)
	b.must(err)
	b.drain()
	if run, err = b.Engine.GetRun(ctx, testbed.Workspace, run.ID); err != nil || run.Kind != engine.RunApply ||
		run.State != engine.RunDone {
		t.Fatalf("the %s is %s, %v", run.Kind, run.State, err)
	}
	if _, err := b.Engine.GetRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(later)); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody whom the plan did not list was carried over: %v", err)
	}
	b.pull()
	if v := b.record(crm.Left, later); v.State != crm.StateInSync || v.Partner == "" {
		t.Errorf("whoever came after the plan is %s (%s)", v.State, v.Code)
	}
	runs, _, err := b.Engine.ListRuns(ctx, testbed.Workspace, testbed.Connection, 20, "")
	b.must(err)
	if slices.ContainsFunc(runs, func(r engine.Run) bool { return r.Kind == engine.RunInitial }) {
		t.Error("everything was listed a second time")
	}
	// Of the people it lists those alone that the plan made or changed.
	if i := slices.IndexFunc(runs, func(r engine.Run) bool { return r.Kind == engine.RunPull }); i < 0 ||
		runs[i].Total > run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+1 {
		t.Errorf("the first pull is %+v after %v, want one that looks at what is new", runs[max(i, 0)], run.Outcomes)
	}
}

// ticking is a store whose user's tick comes right after each write of a kind.
type ticking struct {
	store.Store
	after func(ws []store.Write) bool
	tick  func()
}

func (s *ticking) Write(ctx context.Context, w store.Write) (int64, error) {
	v, err := s.Store.Write(ctx, w)
	s.came(err, []store.Write{w})
	return v, err
}

func (s *ticking) Transact(ctx context.Context, ws []store.Write) error {
	err := s.Store.Transact(ctx, ws)
	s.came(err, ws)
	return err
}

func (s *ticking) came(err error, ws []store.Write) {
	if err == nil && s.tick != nil && s.after(ws) {
		tick := s.tick
		s.tick = nil
		tick()
	}
}

// TestS24_NoTickComesBetweenADraftAndItsPlan: a sync that a tick finds active and never
// listed begins to list everything; the plan that was to be its beginning is applied
// all the same, whenever the tick comes.
func TestS24_NoTickComesBetweenADraftAndItsPlan(t *testing.T) {
	t.Parallel()
	clock := testbed.NewClock()
	s := &ticking{Store: memstore.New(clock.Now), after: func(ws []store.Write) bool {
		return slices.ContainsFunc(ws, func(w store.Write) bool {
			return w.Item.Key == store.ConnectionKey(testbed.Workspace, testbed.Connection)
		})
	}}
	bd, err := testbed.New(t.Context(), testbed.Options{People: 30, Clock: clock, Store: s}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, ctx := bed{bd, t}, t.Context()
	plan, err := b.Engine.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	b.must(err)
	b.drainPlan(plan.ID)
	b.Move(time.Minute)
	ticked := false
	s.tick = func() {
		ticked = true
		b.must(b.Engine.Pull(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
	}
	run, err := b.Engine.ApplyPlan(ctx, testbed.Workspace, plan.ID)
	b.must(err)
	b.drain()
	if run, err = b.Engine.GetRun(ctx, testbed.Workspace, run.ID); err != nil || run.Kind != engine.RunApply ||
		run.State != engine.RunDone || !ticked {
		t.Fatalf("the %s is %s, %v; a tick came: %t", run.Kind, run.State, err, ticked)
	}
	runs, _, err := b.Engine.ListRuns(ctx, testbed.Workspace, testbed.Connection, 20, "")
	b.must(err)
	if slices.ContainsFunc(runs, func(r engine.Run) bool { return r.Kind == engine.RunInitial }) {
		t.Error("everything was listed a second time")
	}
}

// TestRow35_ADraftThatIsOffStaysOne: the plan of a draft that is switched off begins
// nothing, and the draft is one afterwards.
func TestRow35_ADraftThatIsOffStaysOne(t *testing.T) {
	t.Parallel()
	b, ctx := newBed(t, 10, nil), t.Context()
	plan, err := b.Engine.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	b.must(err)
	b.drainPlan(plan.ID)
	b.change(func(c *crm.Connection) { c.Enabled = false })
	if _, err := b.Engine.ApplyPlan(ctx, testbed.Workspace, plan.ID); fault.CodeOf(err) != reconcile.CodeSwitchedOff {
		t.Errorf("a plan of what is switched off: %v", err)
	}
	c, _, err := store.LoadConnection(ctx, b.Store, testbed.Workspace, testbed.Connection)
	b.must(err)
	if c.Status != crm.StatusDraft {
		t.Errorf("the draft is %s", c.Status)
	}
}

// TestS6_OfSeveralAlikeNoneIsTaken: the answer to a create was lost, and at the
// same moment somebody typed in the very same person in the other app. Nobody
// can tell which of the two was made for the newcomer: none is taken in silence,
// none is made besides, and both are named.
func TestS6_OfSeveralAlikeNoneIsTaken(t *testing.T) {
	t.Parallel()
	const mail = "cyd@example.com"
	lose := false
	var b bed
	made, err := testbed.New(t.Context(),
		testbed.Options{People: 30, Wrap: func(id crm.AccountID, app connector.Connector) connector.Connector {
			if id != testbed.RightAccount {
				return app
			}
			return &lossy{mortal{Connector: app}, func([]connector.Write, []connector.Written) error {
				if !lose {
					return nil
				}
				lose = false
				b.newPerson("Contact", map[string]string{"Email": mail, "LastName": "Cyd"})
				return &fault.Error{
					Op: "lossy: write", Kind: fault.Unavailable, Code: "no_answer", Message: "the answer was lost",
					MayHaveLanded: true,
				}
			}}
		}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b = bed{made, t}
	b.start()
	b.must(b.Quiet(t.Context()))
	people := len(b.live("Contact"))
	lose = true
	newcomer := b.newPerson("contacts", map[string]string{"email": mail, "lastname": "Cyd"})
	for range 4 {
		b.Move(testbed.Overlap)
		b.pull()
	}
	if lose {
		t.Fatal("nothing was created")
	}
	if n := len(b.live("Contact")); n != people+2 {
		t.Errorf("Salesforce holds %d people, want %d: ours, and somebody's", n, people+2)
	}
	v := b.record(crm.Left, newcomer)
	if v.State != crm.StateDuplicate || v.Partner != "" || len(v.Others) != 2 {
		t.Errorf("the newcomer is %s (%s) with %q, others %v; want a duplicate that names both", v.State, v.Code, v.Partner,
			v.Others)
	}
}

// early is an app in which somebody types just before we write.
type early struct {
	*mortal
	before func()
}

func (e early) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	e.before()
	return e.mortal.BatchWrite(ctx, object, writes)
}

// TestS3_NothingIsWrittenOverAnEditUnread: a user edits a record between our
// read of it and our write to it. Where the app can be told which version a
// write is for, that edit is not written over: it is read, and wins as the newer.
func TestS3_NothingIsWrittenOverAnEditUnread(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		t.Run("written on the "+string(side), func(t *testing.T) {
			t.Parallel()
			b := newCrashBed(t, -1, dieBefore, func(c *crm.Connection) { c.Syncs[0].Conflict = crm.ConflictNewest },
				func(_ int, o *modelapp.Options) { o.Conditional = true })
			types := func() {}
			e, err := engine.New(engine.Config{
				Store: b.store, Queue: b.queue, Now: b.clock, Sleep: func(_ context.Context, d time.Duration) {
					b.now = b.now.Add(d)
				},
				NewID: func(prefix string) string { b.ids++; return fmt.Sprintf("%s_%08d", prefix, b.ids) },
				Open: func(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (connector.Connector, error) {
					i := map[crm.AccountID]int{testbed.LeftAccount: 0, testbed.RightAccount: 1}[id]
					app := &mortal{b.apps[i].Open(nil, b.via(crm.Sides[i])), func() {}}
					if crm.Sides[i] != side {
						return app, nil
					}
					return early{app, func() { types() }}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			b.eng = e
			b.begin(false)
			b.live = false
			typed := 0
			types = func() {
				if typed++; typed == 1 {
					b.edit(side, b.byEmail(side, ann), "city", "Lund")
				}
			}
			b.edit(side.Other(), b.byEmail(side.Other(), ann), "city", "Ghent")
			b.hook(side.Other(), connector.EventChanged, b.byEmail(side.Other(), ann))
			b.rest()
			b.pull()
			b.rest()
			if l, r := b.cityOf(crm.Left, ann), b.cityOf(crm.Right, ann); l != "Lund" || r != "Lund" || typed == 0 {
				t.Errorf("%q and %q after %d writes, want what was typed last on both", l, r, typed)
			}
		})
	}
}

// TestS24_APlanIsAppliedOnceItIsThere: a plan that is still being worked out is
// refused, and does nothing; once it is there it is applied.
func TestS24_APlanIsAppliedOnceItIsThere(t *testing.T) {
	t.Parallel()
	b, ctx := newBed(t, 60, nil), t.Context()
	plan, err := b.Engine.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
	b.must(err)
	people := [2]int{len(b.live("contacts")), len(b.live("Contact"))}
	if _, err := b.Engine.ApplyPlan(ctx, testbed.Workspace, plan.ID); fault.CodeOf(err) != "plan_not_ready" ||
		!fault.Is(err, fault.Conflict) {
		t.Errorf("applied before it is there: %v", err)
	}
	b.drainPlan(plan.ID)
	if got := [2]int{len(b.live("contacts")), len(b.live("Contact"))}; got != people || len(b.pairs()) > 0 {
		t.Errorf("%v people, %d pairs; want %v and none", got, len(b.pairs()), people)
	}
	r, err := b.Engine.ApplyPlan(ctx, testbed.Workspace, plan.ID)
	b.finished(r, err)
	if len(b.pairs()) == 0 {
		t.Error("the plan was not applied")
	}
}
