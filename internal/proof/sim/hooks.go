package sim

import (
	"context"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// hook sends an event of an app on its way: now, late, twice or never.
func (w *world) hook(side crm.Side, e connector.Event) {
	if a, ok := w.apps[side.Index()].(*realApp); ok && w.set.every {
		for _, events := range a.told(w) {
			if w.utters(side, events); w.schedules >= 0 || a.push {
				w.send(side, events...)
			}
		}
		return
	}
	if !w.set.hooks || w.schedules < 0 {
		return
	}
	e.Object = w.apps[side.Index()].object()
	w.send(side, e)
}

// send sends what an app tells at once.
func (w *world) send(side crm.Side, events ...connector.Event) {
	if !w.pushes(side) && w.strike("hook_lost") { // of one that only pushes nothing would heal it
		return
	}
	times := 1
	if w.strike("hook_twice") {
		times += w.rng.between(1, 4)
	}
	for range times {
		wait := time.Duration(w.rng.between(100, 4000)) * time.Millisecond
		if w.strike("hook_delayed") {
			wait = w.rng.upTo(pick(w.rng, time.Minute, time.Hour, 72*time.Hour))
			if w.pushes(side) {
				wait = w.rng.upTo(30 * time.Second)
			}
		}
		w.arriving++
		merges := slices.ContainsFunc(events, func(e connector.Event) bool { return e.Kind == connector.EventMerged })
		if at := w.now.Add(wait); merges && at.After(w.merging) {
			w.merging = at
		}
		w.after(wait, func() {
			w.arriving--
			w.box[side.Index()] = append(w.box[side.Index()], events...)
			if !w.boxed[side.Index()] {
				w.boxed[side.Index()] = true
				w.after(w.rng.upTo(500*time.Millisecond), func() { w.deliver(side) })
			}
		})
	}
}

// deliver hands the events that have come together to an intake.
func (w *world) deliver(side crm.Side) {
	events := w.box[side.Index()]
	w.box[side.Index()], w.boxed[side.Index()] = nil, false
	w.post(side, events, 0)
}

// post makes one delivery; an app tries again for a while when it is refused.
func (w *world) post(side crm.Side, events []connector.Event, tries int) {
	again := func() {
		if tries < 8 || w.pushes(side) {
			w.after(5*time.Second<<min(tries, 8), func() { w.post(side, events, tries+1) })
		} else {
			w.mark("hook_given_up")
		}
	}
	p := w.idle(w.intakes)
	if p == nil {
		again()
		return
	}
	w.spawn(p, "hook", func(ctx context.Context, e *engine.Engine) {
		t, start, draft := w.cur, w.moment().step, w.status() == crm.StatusDraft
		err := e.Webhook(ctx, workspace, accounts[side.Index()], events)
		if t.dead || err != nil {
			again()
			return
		}
		if w.hear(side, events); draft {
			return // it is kept, and looked at when the connection starts
		}
		for _, ev := range events {
			r := ref{side, ev.ID}
			if w.queued[r].step < start && w.inboxed[r].step < start {
				w.violated("S29", "an event was accepted and is neither on the queue nor in the inbox")
			}
		}
	})
}
