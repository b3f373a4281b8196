package engine_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// deeds are scenarios of what admins do. They are not stopped everywhere; their
// stories alone are of interest here.
func deeds() []scenario {
	return slices.Concat(planDeeds(), byHandDeeds(), massDeeds(), awayDeeds(), rightTroubles(), outageTroubles(),
		leftTroubles(), otherSettings())
}

func (b *crashBed) plan(refs ...crm.RecordRef) crm.PlanID {
	b.t.Helper()
	ctx := b.t.Context()
	var p engine.PlanView
	b.ask(func(e *engine.Engine) (err error) {
		p, err = e.CreatePlan(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, refs)
		return err
	})
	b.note("plan asked for", p, nil)
	b.rest()
	found, err := b.eng.GetPlan(ctx, testbed.Workspace, p.ID)
	b.note("plan", found, err)
	for _, c := range paged(b, func(cursor string) ([]engine.Change, string, error) {
		return b.eng.PlanChanges(ctx, testbed.Workspace, p.ID, 2, cursor)
	}) {
		b.note("change", c, nil)
	}
	return p.ID
}

func (b *crashBed) applied(id crm.PlanID) {
	r, err := b.eng.ApplyPlan(b.t.Context(), testbed.Workspace, id)
	b.note("apply", r, err)
	b.rest()
}

// busy edits people on both sides and makes some.
func (b *crashBed) busy() {
	edits["both, same field"](b)
	edits["edit right"](b)
	edits["create left"](b)
	edits["create right"](b)
	edits["lists on both"](b)
}

func planDeeds() []scenario {
	return []scenario{
		{name: "plan", act: func(b *crashBed) { b.busy(); b.plan() }},
		{name: "plan and apply", act: func(b *crashBed) { b.busy(); b.applied(b.plan()) }},
		{name: "plan in small pages", options: func(_ int, o *modelapp.Options) {
			o.PageSize, o.ReadBatch, o.FindBatch, o.WriteBatch = 1, 1, 1, 1
		}, act: func(b *crashBed) {
			b.busy()
			b.applied(b.plan())
		}},
		{name: "a stale plan", act: func(b *crashBed) {
			b.busy()
			id := b.plan()
			b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", "Oslo")
			b.edit(crm.Right, b.byEmail(crm.Right, bob), "first", "Rob")
			b.applied(id)
			b.applied(id)
		}},
		{name: "a plan of two records", options: func(side int, o *modelapp.Options) {
			o.Picky, o.AnswerValues = true, side == 0
		}, act: func(b *crashBed) {
			id := b.byEmail(crm.Left, ann)
			b.edit(crm.Left, id, "city", modelapp.MarkRefused, "last", "")
			b.pull()
			b.rest()
			b.edit(crm.Right, b.byEmail(crm.Right, bob), "last", "Loe")
			b.applied(b.plan(crm.RecordRef{Side: crm.Left, ID: id}, crm.RecordRef{
				Side: crm.Right, ID: b.byEmail(crm.Right, bob),
			}, crm.RecordRef{Side: crm.Left, ID: "nobody"}))
		}},
		{name: "a plan with clears", change: clearing, act: func(b *crashBed) {
			b.edit(crm.Left, b.byEmail(crm.Left, ann), "last", "", "tags", "")
			b.edit(crm.Right, b.byEmail(crm.Right, bob), "first", "")
			b.applied(b.plan())
		}},
		{name: "a plan before the start of a review", change: func(c *crm.Connection) {
			c.Syncs[0].Conflict = crm.ConflictReview
		}, act: func(b *crashBed) {
			b.busy()
			b.applied(b.plan())
		}},
		{name: "a plan of someone without a key, then with", act: func(b *crashBed) {
			b.edit(crm.Left, b.byEmail(crm.Left, ann), "email", "")
			b.applied(b.plan())
			b.edit(crm.Left, "l_p000001", "email", ann, "city", "Rome")
			b.applied(b.plan())
		}},
	}
}

func clearing(c *crm.Connection) {
	for i := range c.Syncs[0].Mappings {
		c.Syncs[0].Mappings[i].Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true}
	}
}

func byHandDeeds() []scenario {
	review := func(c *crm.Connection) { c.Syncs[0].Conflict = crm.ConflictReview }
	contested := func(b *crashBed) crm.RecordID {
		_, id := edits["both, same field"](b)
		b.pull()
		b.rest()
		return id
	}
	resolve := func(b *crashBed, id crm.RecordID, how engine.Resolution) {
		r, err := b.eng.ResolveRecord(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, id,
			map[crm.MappingID]engine.Resolution{"city": how})
		b.note("resolve", r, err)
		b.rest()
	}
	own := crm.TextValue("Bergen")
	return []scenario{
		{name: "resolved for the left", change: review, act: func(b *crashBed) {
			resolve(b, contested(b), engine.Resolution{Side: crm.Left})
		}},
		{name: "resolved for the right", change: review, act: func(b *crashBed) {
			resolve(b, contested(b), engine.Resolution{Side: crm.Right})
		}},
		{name: "resolved by another value", change: review, act: func(b *crashBed) {
			resolve(b, contested(b), engine.Resolution{Value: &own})
		}},
		{name: "resolved where there is no conflict", act: func(b *crashBed) {
			resolve(b, b.byEmail(crm.Left, bob), engine.Resolution{Side: crm.Right})
			resolve(b, "nobody", engine.Resolution{Side: crm.Right})
		}},
		{name: "joined by hand", act: func(b *crashBed) {
			ctx := b.t.Context()
			fresh := b.create(crm.Right, "first", "Nobody", "last", "Else")
			for _, pair := range [][2]crm.RecordID{{"l_p000002", fresh}, {b.byEmail(crm.Left, ann), fresh}, {"nobody", fresh}} {
				r, err := b.eng.LinkRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, pair[0],
					pair[1])
				b.note("link", r, err)
				b.rest()
			}
			b.edit(crm.Left, "l_p000002", "city", "Oslo")
			b.pull()
			b.rest()
			r, err := b.eng.UnlinkRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Right, fresh)
			b.note("unlink", r, err)
		}},
		{name: "retried", options: func(side int, o *modelapp.Options) { o.Picky = true }, act: func(b *crashBed) {
			ctx := b.t.Context()
			b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", modelapp.MarkRefused)
			b.edit(crm.Right, b.byEmail(crm.Right, bob), "city", modelapp.MarkRule)
			b.pull()
			b.rest()
			failed := engine.LogFilter{Connection: testbed.Connection, Outcomes: []crm.Outcome{crm.Failed}}
			for _, e := range paged(b, func(cursor string) ([]engine.Entry, string, error) {
				return b.eng.ListLog(ctx, testbed.Workspace, failed, 1, cursor)
			}) {
				b.note("failed", e, nil)
				r, err := b.eng.RetryEntry(ctx, testbed.Workspace, e.ID, nil)
				b.note("retry", r, err)
				b.rest()
			}
			b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", "Ghent")
			b.edit(crm.Right, b.byEmail(crm.Right, bob), "city", "Lund")
			r, err := b.eng.RetryFailed(ctx, testbed.Workspace, failed)
			b.note("retry all", r, err)
			b.rest()
		}},
		{name: "the log, narrowed", act: func(b *crashBed) {
			b.busy()
			b.pull()
			b.rest()
			b.narrowed()
		}},
		{name: "a run cancelled", options: func(_ int, o *modelapp.Options) { o.PageSize = 1 }, act: func(b *crashBed) {
			b.busy()
			r, err := b.eng.StartRun(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
			b.note("resync", r, err)
			again, err := b.eng.StartRun(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
				engine.RunResync)
			b.note("resync again", again, err)
			b.run(func(e *engine.Engine) { _, _ = e.Round(b.t.Context()) })
			r, err = b.eng.CancelRun(b.t.Context(), testbed.Workspace, r.ID)
			b.note("cancel", r, err)
			b.rest()
			r, err = b.eng.CancelRun(b.t.Context(), testbed.Workspace, r.ID)
			b.note("cancel again", r, err)
		}},
		{name: "erasures, listed and lifted", act: func(b *crashBed) {
			ctx := b.t.Context()
			found, err := b.eng.FindErasure(ctx, testbed.Workspace, engine.ErasureRequest{Email: ann})
			b.note("would erase", found, err)
			b.erase(engine.ErasureRequest{Email: ann}, b.byEmail(crm.Left, ann), b.byEmail(crm.Right, ann))
			b.rest()
			list, next, err := b.eng.ListErasures(ctx, testbed.Workspace, 1, "")
			b.note("erasures "+next, list, err)
			b.pull()
			b.rest()
			lifted, err := b.eng.LiftErasure(ctx, testbed.Workspace, fmt.Sprintf("ers_%08d", 1))
			b.note("lifted", lifted, err)
			b.gone = nil
			b.resync()
			b.rest()
		}},
	}
}

// narrowed asks for the log and the records by everything that narrows them.
func (b *crashBed) narrowed() {
	ctx, id := b.t.Context(), b.byEmail(crm.Left, ann)
	runs, _, err := b.eng.ListRuns(ctx, testbed.Workspace, "", 100, "")
	if err != nil {
		b.t.Fatal(err)
	}
	filters := map[string]engine.LogFilter{
		"nothing": {}, "another connection": {Connection: "con_other"}, "sync": {
			Connection: testbed.Connection, Sync: testbed.Contacts,
		},
		"another sync": {Connection: testbed.Connection, Sync: "deals"}, "from": {From: b.now.Add(-3 * time.Minute)},
		"to":      {To: b.now.Add(-3 * time.Minute)},
		"created": {Outcomes: []crm.Outcome{crm.Created}}, "created or updated": {
			Outcomes: []crm.Outcome{crm.Created, crm.Updated},
		},
		"left": {Side: crm.Left}, "right": {Side: crm.Right}, "record": {Record: id}, "record of a side": {
			Side: crm.Left, Record: id,
		},
		"twin": {Record: b.byEmail(crm.Right, ann)}, "code": {Code: "no_key"}, "run": {Run: runs[0].ID},
		"first run": {Run: runs[len(runs)-1].ID},
		"mapping":   {Mapping: "city"}, "mapping and outcome": {Mapping: "first", Outcomes: []crm.Outcome{crm.Created}},
	}
	for _, name := range sortedKeys(filters) {
		f := filters[name]
		if f.Connection == "" {
			f.Connection = testbed.Connection
		}
		for _, size := range []int{1, 2, 100} {
			var whose []string
			for _, e := range paged(b, func(cursor string) ([]engine.Entry, string, error) {
				return b.eng.ListLog(ctx, testbed.Workspace, f, size, cursor)
			}) {
				whose = append(whose, fmt.Sprintf("%s %s", e.Record, e.Outcome))
				if one, err := b.eng.GetEntry(ctx, testbed.Workspace, e.ID); err != nil || one.ID != e.ID {
					b.t.Errorf("entry %s by itself: %v, %v", e.ID, one.ID, err)
				}
			}
			b.note(fmt.Sprintf("log by %s, %d at a time", name, size), whose, nil)
		}
	}
	for _, state := range []crm.State{
		"", crm.StateInSync, crm.StateExcluded, crm.StateConflict, crm.StateFailing, crm.StateDeleted,
	} {
		for _, q := range []string{"", string(id), "r_p", "nobody"} {
			var whose []string
			for _, r := range paged(b, func(cursor string) ([]engine.RecordView, string, error) {
				return b.eng.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
					engine.RecordFilter{State: state, Q: q}, 1, cursor)
			}) {
				whose = append(whose, string(r.ID))
			}
			b.note(fmt.Sprintf("records %q %q", state, q), whose, nil)
		}
	}
}

// crowd makes so many people who are in step.
func (b *crashBed) crowd(n int) (ids [][2]crm.RecordID) {
	for i := range n {
		who := []string{
			"email", fmt.Sprintf("p%03d@example.com", i), "first", fmt.Sprintf("P%d", i), "last", fmt.Sprintf("Q%d", i),
		}
		ids = append(ids, [2]crm.RecordID{b.create(crm.Left, who...), b.create(crm.Right, who...)})
	}
	b.now = b.now.Add(time.Second)
	b.pull()
	b.rest()
	return ids
}

// turns works and goes round while something waits for a person.
func (b *crashBed) turns() {
	for range 30 {
		ds, err := b.queue.Receive(b.t.Context(), 10, 2*time.Minute)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, v := range b.eng.Work(b.t.Context(), ds) {
			if v.Ack {
				b.queue.Delete(b.t.Context(), []string{v.Receipt})
			} else {
				b.queue.SetVisibility(b.t.Context(), []string{v.Receipt}, v.Retry)
			}
		}
		if _, err := b.eng.Round(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		b.now = b.now.Add(5 * time.Second)
	}
}

func massDeeds() []scenario {
	vanish := func(b *crashBed) {
		for _, pair := range b.crowd(60)[:55] {
			if err := b.apps[1].Delete(pair[1]); err != nil {
				b.t.Fatal(err)
			}
		}
		b.pull()
		b.turns()
		st, err := b.eng.Status(b.t.Context(), testbed.Workspace, testbed.Connection)
		b.note("halted", st, err)
	}
	blanked := func(b *crashBed) {
		for _, pair := range b.crowd(60)[:55] {
			b.edit(crm.Left, pair[0], "last", "")
		}
		b.pull()
		b.rest()
		st, err := b.eng.Status(b.t.Context(), testbed.Workspace, testbed.Connection)
		b.note("halted", st, err)
	}
	return []scenario{
		{name: "a mass deletion confirmed", act: func(b *crashBed) {
			vanish(b)
			b.note("confirm", nil, b.eng.ConfirmDeletions(b.t.Context(), testbed.Workspace, testbed.Connection,
				testbed.Contacts))
			b.rest()
		}},
		{name: "a mass deletion discarded", act: func(b *crashBed) {
			vanish(b)
			b.note("discard", nil, b.eng.DiscardDeletions(b.t.Context(), testbed.Workspace, testbed.Connection,
				testbed.Contacts))
			b.rest()
		}},
		{name: "a mass clearing confirmed", change: clearing, act: func(b *crashBed) {
			blanked(b)
			b.note("confirm", nil, b.eng.ConfirmChanges(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
				"last"))
			b.rest()
		}},
		{name: "a mass clearing discarded", change: clearing, act: func(b *crashBed) {
			blanked(b)
			b.note("discard", nil, b.eng.DiscardChanges(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
				"last"))
			b.rest()
		}},
	}
}

func awayDeeds() []scenario {
	field := func(back bool) func(b *crashBed) {
		return func(b *crashBed) {
			b.apps[0].Archive(b.apps[0].Name(modelapp.City))
			b.now = b.now.Add(25 * time.Hour)
			b.edit(crm.Right, b.byEmail(crm.Right, ann), "city", "Lund", "last", "Loe")
			b.pull()
			b.rest()
			held, err := b.eng.Held(b.t.Context(), testbed.Workspace, testbed.Connection)
			b.note("held", held, err)
			if back {
				b.apps[0].Unarchive(b.apps[0].Name(modelapp.City))
				b.now = b.now.Add(25 * time.Hour)
				b.pull()
				b.rest()
			}
		}
	}
	return []scenario{
		{name: "a field gone", act: field(false)},
		{name: "a field gone and back", act: field(true)},
		{
			name: "a field gone that calls name", options: func(_ int, o *modelapp.Options) { o.RefuseGone = true },
			act: field(true),
		},
		{name: "records that cannot be read", act: func(b *crashBed) {
			id := b.byEmail(crm.Left, ann)
			b.apps[0].Break(id)
			b.edit(crm.Left, id, "city", "Ghent")
			b.edit(crm.Right, b.byEmail(crm.Right, bob), "city", "Lund")
			b.pull()
			b.rest()
			b.apps[0].Break()
		}},
		{name: "looked through for days", act: func(b *crashBed) {
			b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", "Ghent")
			for range 4 {
				b.now = b.now.Add(20 * time.Hour)
				b.pull()
				b.rest()
				st, err := b.eng.Status(b.t.Context(), testbed.Workspace, testbed.Connection)
				b.note("status", st, err)
			}
		}},
		{name: "paused for three weeks", act: func(b *crashBed) {
			b.ask(func(e *engine.Engine) error {
				return e.PauseConnection(b.t.Context(), testbed.Workspace, testbed.Connection)
			})
			b.busy()
			b.now = b.now.Add(21 * 24 * time.Hour)
			b.start()
			b.rest()
		}},
	}
}
