package engine_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// says lets an app answer calls with an error, so many times; 0 = until rule is
// nil again. No call named means every call.
func (b *crashBed) says(side crm.Side, times int, err *fault.Error, calls ...string) {
	n := 0
	b.rule = func(at crm.Side, call string) error {
		named := len(calls) == 0
		for _, c := range calls {
			named = named || strings.HasPrefix(call, c)
		}
		if at != side || !named || times > 0 && n >= times {
			return nil
		}
		n++
		said := *err
		said.Op = "model: " + call
		return &said
	}
}

// stand goes on while something waits for more than time.
func (b *crashBed) stand(d time.Duration) {
	for end := b.now.Add(d); b.now.Before(end); {
		b.turn()
	}
}

// standing notes what is said of what waits.
func (b *crashBed) standing(when string) {
	b.t.Helper()
	ctx := b.t.Context()
	conn, _, err := store.LoadConnection(ctx, b.store, testbed.Workspace, testbed.Connection)
	if err != nil {
		b.t.Fatal(err)
	}
	st, err := b.eng.Status(ctx, testbed.Workspace, testbed.Connection)
	b.note(when+" "+string(conn.Status), st, err)
	waits, err := b.eng.AccountWaits(ctx, testbed.Workspace)
	b.note("accounts", waits, err)
	dead, _, err := b.eng.ListDead(ctx, testbed.Workspace, testbed.Connection, 10, "")
	b.note("dead", dead, err)
	runs, _, err := b.eng.ListRuns(ctx, testbed.Workspace, testbed.Connection, 1, "")
	b.note("run", runs, err)
}

// over notes what stands, ends the trouble and lets the rest of it happen.
func (b *crashBed) over(d time.Duration) {
	b.standing("meanwhile")
	b.rule = nil
	b.stand(d)
}

func denied(code string) *fault.Error {
	return &fault.Error{Kind: fault.Denied, Code: code, Message: "you may not"}
}

func limited(code string, wait time.Duration) *fault.Error {
	return &fault.Error{
		Kind: fault.Throttled, Code: code, RetryAfter: wait, Guessed: wait == time.Minute, Message: "too much",
	}
}

func rightTroubles() []scenario {
	all := func(wait time.Duration, side crm.Side, err *fault.Error, calls ...string) func(b *crashBed) {
		return func(b *crashBed) {
			b.says(side, 0, err, calls...)
			b.busy()
			b.pull()
			b.stand(2 * time.Minute)
			edits["edit left"](b)
			b.edit(crm.Right, b.byEmail(crm.Right, bob), "last", "Poe")
			b.hook(crm.Right, "changed", b.byEmail(crm.Right, bob))
			b.pull()
			b.stand(wait)
			b.over(2 * time.Minute)
		}
	}
	return []scenario{
		{name: "no right to write, then it is back", act: all(time.Minute, crm.Right, denied("missing_permission"),
			"BatchWrite")},
		{name: "no right to write to both", act: func(b *crashBed) {
			b.rule = func(_ crm.Side, call string) error {
				if call == "BatchWrite" {
					return denied("missing_permission")
				}
				return nil
			}
			b.busy()
			b.pull()
			b.stand(2 * time.Minute)
			b.standing("meanwhile")
			b.says(crm.Left, 0, denied("missing_permission"), "BatchWrite")
			b.stand(2 * time.Minute)
			b.over(2 * time.Minute)
		}},
		{name: "no right to read, then it is back", act: all(2*time.Minute, crm.Left, denied("missing_permission"), "Changes",
			"BatchRead", "BatchFind")},
		{name: "no right to look up", act: all(time.Minute, crm.Right, denied("missing_permission"), "BatchFind")},
		{name: "rights given, and told", act: func(b *crashBed) {
			b.says(crm.Right, 0, denied("missing_permission"), "BatchWrite")
			b.busy()
			b.pull()
			b.stand(time.Minute)
			b.rule = nil
			for _, a := range []crm.AccountID{testbed.RightAccount, "acc_other", testbed.LeftAccount} {
				b.ask(func(e *engine.Engine) error { return e.AccountAuthorized(b.t.Context(), testbed.Workspace, a) })
			}
			b.stand(time.Minute)
		}},
		{name: "the grant revoked, and given anew", act: func(b *crashBed) {
			b.says(crm.Right, 0, denied("reauthorization_required"))
			b.busy()
			b.pull()
			b.stand(time.Minute)
			b.standing("meanwhile")
			b.rule = nil
			for _, a := range []crm.AccountID{"acc_other", testbed.RightAccount, testbed.RightAccount} {
				b.ask(func(e *engine.Engine) error { return e.AccountAuthorized(b.t.Context(), testbed.Workspace, a) })
			}
		}},
		{name: "a listing refused, then taken", act: func(b *crashBed) {
			b.says(crm.Left, 0, &fault.Error{Kind: fault.Invalid, Code: "rejected", Message: "no such thing"}, "Changes")
			b.busy()
			b.pull()
			b.stand(time.Minute)
			p, err := b.eng.CreatePlan(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
			b.note("plan asked for", p, err)
			b.pull()
			b.stand(2 * time.Minute)
			found, err := b.eng.GetPlan(b.t.Context(), testbed.Workspace, p.ID)
			b.note("plan", found, err)
			b.over(2 * time.Minute)
		}},
		{name: "a quota used up", act: all(time.Minute, crm.Right, limited("quota_exhausted", 3*time.Minute), "BatchWrite")},
		{
			name: "a quota of everything, nobody knows how long",
			act:  all(3*time.Minute, crm.Left, limited("quota_exhausted", time.Minute)),
		},
		{name: "short limits", act: func(b *crashBed) {
			b.says(crm.Right, 4, limited("rate_limited", 2*time.Second), "BatchWrite", "BatchRead")
			b.busy()
			b.pull()
			b.stand(time.Minute)
		}},
	}
}

func outageTroubles() []scenario {
	away := &fault.Error{Kind: fault.Unavailable, Code: "unreachable", Message: "nobody answers"}
	broken := &fault.Error{Kind: fault.Other, Code: "internal_error", Message: "never thought of"}
	some := func(b *crashBed) {
		edits["edit left"](b)
		edits["edit right"](b)
		for i := range 3 {
			b.create(crm.Left, "email", fmt.Sprintf("n%d@example.com", i), "first", "N")
		}
	}
	return []scenario{
		{name: "an app away", act: func(b *crashBed) {
			b.says(crm.Right, 0, away)
			some(b)
			b.pull()
			b.stand(4 * time.Minute)
			b.hook(crm.Left, "changed", b.byEmail(crm.Left, ann))
			b.stand(2 * time.Minute)
			b.over(2 * time.Minute)
		}},
		{name: "an app that takes no writes for a while", act: func(b *crashBed) {
			b.says(crm.Left, 3, away, "BatchWrite")
			b.busy()
			b.pull()
			b.stand(2 * time.Minute)
		}},
		{name: "work that is given up", act: func(b *crashBed) {
			b.says(crm.Left, 0, broken, "BatchRead")
			some(b)
			for _, id := range []crm.RecordID{"l_p000001", "l_p000002", "l_p000003"} {
				b.hook(crm.Left, "changed", id)
			}
			b.stand(10 * time.Minute)
			b.over(0)
			n, err := b.eng.RedriveDead(b.t.Context(), testbed.Workspace, testbed.Connection)
			b.note("redriven", n, err)
		}},
		{name: "one chunk that is given up in parts", act: func(b *crashBed) {
			b.says(crm.Right, 0, broken, "BatchRead")
			for i := range 3 {
				b.create(crm.Left, "email", fmt.Sprintf("n%d@example.com", i), "first", "N")
				b.create(crm.Right, "email", fmt.Sprintf("n%d@example.com", i), "last", "M")
			}
			b.pull()
			b.stand(15 * time.Minute)
			b.over(0)
			n, err := b.eng.RedriveDead(b.t.Context(), testbed.Workspace, testbed.Connection)
			b.note("redriven", n, err)
		}},
		{name: "locked records", act: func(b *crashBed) {
			b.says(crm.Right, 12, &fault.Error{Kind: fault.Conflict, Code: "record_locked", Message: "somebody is at it"},
				"BatchWrite")
			some(b)
			b.pull()
			b.stand(8 * time.Minute)
			b.standing("meanwhile")
			b.pull()
			b.stand(2 * time.Minute)
		}},
		{name: "records gone under the hand", act: func(b *crashBed) {
			b.says(crm.Right, 2, &fault.Error{Kind: fault.NotFound, Code: "not_found", Message: "nobody"}, "BatchWrite")
			some(b)
			b.pull()
			b.stand(time.Minute)
		}},
		{
			name: "slow apps", options: func(_ int, o *modelapp.Options) { o.ReadBatch, o.WriteBatch, o.FindBatch = 3, 3, 3 },
			act: func(b *crashBed) {
				b.lot, b.eng = 4, nil
				b.eng = b.process()
				b.rule = func(crm.Side, string) error { b.now = b.now.Add(8 * time.Second); return nil }
				for i := range 9 {
					b.create(crm.Left, "email", fmt.Sprintf("n%d@example.com", i), "first", "N", "city", "Ghent")
				}
				b.busy()
				b.pull()
				b.stand(10 * time.Minute)
				b.over(0)
			},
		},
		{name: "a unique address that the index does not show yet", options: func(_ int, o *modelapp.Options) {
			o.Unique, o.Lag = true, 10*time.Minute
		}, act: func(b *crashBed) {
			id := b.create(crm.Left, "email", "cyd@example.com", "first", "Cyd")
			b.create(crm.Right, "email", "cyd@example.com", "last", "Loe")
			b.hook(crm.Left, "changed", id)
			b.stand(3 * time.Minute)
			b.standing("meanwhile")
			b.stand(15 * time.Minute)
		}},
		{
			name: "a double that is never found", options: func(_ int, o *modelapp.Options) { o.Lag = time.Minute },
			act: func(b *crashBed) {
				b.says(crm.Right, 0, &fault.Error{Kind: fault.Conflict, Code: "already_exists", Message: "there is one"},
					"BatchWrite")
				b.hook(crm.Left, "changed", b.create(crm.Left, "email", "cyd@example.com", "first", "Cyd"))
				b.stand(20 * time.Minute)
				b.over(0)
			},
		},
	}
}

func leftTroubles() []scenario {
	refused := &fault.Error{Kind: fault.Invalid, Code: "invalid_value", Field: "r_city", Message: "no such city"}
	return []scenario{
		{name: "refused, and right again after a day", act: func(b *crashBed) {
			b.says(crm.Right, 0, refused, "BatchWrite")
			for i := range 12 {
				b.create(crm.Left, "email", fmt.Sprintf("n%d@example.com", i), "first", "N", "city", "Ghent")
			}
			b.pull()
			b.rest()
			b.standing("refused")
			b.now = b.now.Add(25 * time.Hour)
			b.pull()
			b.rest()
			b.rule = nil
			b.now = b.now.Add(25 * time.Hour)
			b.pull()
			b.rest()
			b.standing("taken")
			b.pull()
			b.rest()
		}},
		{
			name: "refused, and other settings", options: func(_ int, o *modelapp.Options) { o.Picky = true },
			act: func(b *crashBed) {
				b.edit(crm.Left, b.byEmail(crm.Left, ann), "city", modelapp.MarkRefused)
				b.edit(crm.Right, b.byEmail(crm.Right, bob), "city", modelapp.MarkRule)
				b.pull()
				b.rest()
				b.document(func(c *crm.Connection) { c.Syncs[0].Mappings = c.Syncs[0].Mappings[:4] })
				b.pull()
				b.rest()
			},
		},
		{name: "other accounts with work queued", act: func(b *crashBed) {
			b.hook(crm.Left, "changed", b.byEmail(crm.Left, ann))
			b.pull()
			b.document(func(c *crm.Connection) { c.Generation++ })
		}},
		{name: "a sync taken out with work queued, and back", act: func(b *crashBed) {
			b.busy()
			b.hook(crm.Left, "changed", b.byEmail(crm.Left, ann))
			var kept []crm.Sync
			b.document(func(c *crm.Connection) { kept, c.Syncs = c.Syncs, nil })
			b.stand(time.Minute)
			b.document(func(c *crm.Connection) { c.Syncs = kept })
			b.start()
		}},
		{name: "deleted with work queued, and made anew", act: func(b *crashBed) {
			ctx := b.t.Context()
			b.busy()
			b.hook(crm.Left, "changed", b.byEmail(crm.Left, ann))
			b.pull()
			c, _, err := store.LoadConnection(ctx, b.store, testbed.Workspace, testbed.Connection)
			if err != nil {
				b.t.Fatal(err)
			}
			b.ask(func(e *engine.Engine) error { return e.DeleteConnection(ctx, testbed.Workspace, testbed.Connection) })
			gone := false
			for turns := 0; !gone && turns < 100; turns++ {
				b.turn()
				_, _, err = store.LoadConnection(ctx, b.store, testbed.Workspace, testbed.Connection)
				gone = fault.Is(err, fault.NotFound)
			}
			if !gone {
				b.t.Fatalf("a connection is never gone, %v", err)
			}
			c.Generation++
			if _, err := store.SaveConnection(ctx, b.store, testbed.Workspace, c, 0); err != nil {
				b.t.Fatal(err)
			}
			b.start()
		}},
		{
			name: "erased with everything around", options: func(_ int, o *modelapp.Options) { o.Picky = true },
			act: func(b *crashBed) {
				ctx, left, right := b.t.Context(), b.byEmail(crm.Left, ann), b.byEmail(crm.Right, ann)
				b.busy()
				b.plan()
				b.edit(crm.Left, left, "city", modelapp.MarkRefused)
				b.pull()
				b.rest()
				b.says(crm.Left, 0, &fault.Error{Kind: fault.Other, Code: "internal_error", Message: "never thought of"},
					"BatchRead")
				b.hook(crm.Left, "changed", left)
				b.stand(6 * time.Minute)
				b.says(crm.Right, 0, limited("quota_exhausted", 3*time.Minute), "BatchRead", "BatchWrite")
				b.edit(crm.Left, left, "last", "Loe")
				b.hook(crm.Left, "changed", left)
				b.hook(crm.Right, "changed", right)
				b.stand(time.Minute)
				b.erase(engine.ErasureRequest{Email: ann}, left, right)
				got, err := b.eng.GetErasure(ctx, testbed.Workspace, "ers_00000001")
				b.note("erasure", got, err)
				b.over(time.Minute)
				b.rest()
				got, err = b.eng.GetErasure(ctx, testbed.Workspace, "ers_00000001")
				b.note("erasure", got, err)
				b.now = b.now.Add(time.Hour)
			},
		},
		{name: "a field that goes round", act: func(b *crashBed) {
			ctx := b.t.Context()
			c := crashDocument()
			c.ID, c.Name, c.Status = "con_beside", "beside", crm.StatusPaused
			if _, err := store.SaveConnection(ctx, b.store, testbed.Workspace, c, 0); err != nil {
				b.t.Fatal(err)
			}
			left, right := b.byEmail(crm.Left, ann), b.byEmail(crm.Right, ann)
			for i := range 20 {
				if i%2 == 0 {
					b.edit(crm.Left, left, "city", fmt.Sprintf("L%d", i))
				} else {
					b.edit(crm.Right, right, "city", fmt.Sprintf("R%d", i))
				}
				b.run(func(e *engine.Engine) {
					_ = e.Pull(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts) // the next one tries again
				})
				b.stand(time.Minute)
			}
			b.standing("gone round")
			for _, id := range []crm.MappingID{"last", "city"} {
				r, err := b.eng.UnfreezeRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, left,
					[]crm.MappingID{id})
				b.note("unfreeze", r, err)
				b.rest()
			}
		}},
		{name: "by ticks alone", act: func(b *crashBed) {
			b.busy()
			b.pull()
			for range 6 {
				b.run(func(e *engine.Engine) {
					ds, err := crashQueue{b.queue, b}.Receive(b.t.Context(), 10, 2*time.Minute)
					if err != nil {
						return
					}
					for _, v := range e.Work(b.t.Context(), ds) {
						if v.Ack {
							crashQueue{b.queue, b}.Delete(b.t.Context(), []string{v.Receipt})
						}
					}
				})
				b.run(func(e *engine.Engine) { b.note("tick", b.now, e.Tick(b.t.Context(), 20*time.Second)) })
				b.now = b.now.Add(40 * time.Second)
			}
		}},
	}
}

// document changes the settings as the API does: the work goes on under the new ones.
func (b *crashBed) document(f func(*crm.Connection)) {
	b.t.Helper()
	c, v, err := store.LoadConnection(b.t.Context(), b.store, testbed.Workspace, testbed.Connection)
	if err != nil {
		b.t.Fatal(err)
	}
	f(c)
	c.Version++
	if _, err := store.SaveConnection(b.t.Context(), b.store, testbed.Workspace, c, v); err != nil {
		b.t.Fatal(err)
	}
}
