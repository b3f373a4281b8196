package sim

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// ask runs something as a call of the admin's process, if it is free, without
// waiting for it.
func (w *world) ask(name string, f func(ctx context.Context, e *engine.Engine)) {
	if w.admin.busy == 0 {
		w.spawn(w.admin, name, f)
	}
}

// adminDoes is one thing that an admin does now and then.
func (w *world) adminDoes() {
	switch w.rng.n(6) {
	case 0:
		w.ask("pause", w.pauseForAWhile)
	case 1:
		w.ask("resync", func(ctx context.Context, e *engine.Engine) {
			if _, err := e.StartRun(ctx, workspace, connection, syncID, engine.RunResync); err == nil {
				w.mark("resync_by_admin")
			}
		})
	case 2:
		side := sideOf(w.rng.n(2))
		id := w.anyLive(side)
		w.ask("record", func(ctx context.Context, e *engine.Engine) {
			if _, err := e.SyncRecord(ctx, workspace, connection, syncID, side, id); err == nil {
				w.mark("record_by_admin")
			}
		})
	case 3:
		w.ask("redrive", func(ctx context.Context, e *engine.Engine) {
			if n, err := e.RedriveDead(ctx, workspace, connection); err == nil && n > 0 {
				w.mark("redriven")
			}
		})
	case 4:
		if w.set.revokes {
			w.revokeForAWhile()
		}
	case 5:
		w.ask("start", w.startAgain)
	}
}

// pauseForAWhile pauses the connection and, from the acknowledgement on, holds
// every write to S24.
func (w *world) pauseForAWhile(ctx context.Context, e *engine.Engine) {
	t := w.cur
	if err := e.PauseConnection(ctx, workspace, connection); err != nil || t.dead {
		return
	}
	w.mark("paused_by_admin")
	w.paused, w.isPaused = w.moment(), true
	w.after(w.rng.upTo(10*time.Minute), func() { w.ask("resume", w.startAgain) })
}

// startAgain resumes whatever stopped the connection; a halt is confirmed first.
func (w *world) startAgain(ctx context.Context, e *engine.Engine) {
	was := w.isPaused
	w.isPaused = false // from here on it may be on again
	if w.status() == crm.StatusHalted && w.set.hands && w.hands.chance.in(500) {
		w.discardDeletions(ctx, e)
	} else if w.status() == crm.StatusHalted {
		w.confirmed = w.now
		_ = e.ConfirmDeletions(ctx, workspace, connection, syncID)
	}
	if _, err := e.StartConnection(ctx, workspace, connection); err != nil && was && !w.cur.dead &&
		w.status() == crm.StatusPaused {
		w.after(time.Minute, func() { w.ask("resume", w.startAgain) })
	}
}

// revokeForAWhile takes a grant away; the admin authorises the account again.
func (w *world) revokeForAWhile() {
	side := w.rng.n(2)
	w.fault("token_revoked")
	w.apps[side].revoke(true)
	w.after(time.Duration(w.rng.between(30, 900))*time.Second, func() {
		w.apps[side].revoke(false)
		w.ask("authorised", func(ctx context.Context, e *engine.Engine) {
			_ = e.AccountAuthorized(ctx, workspace, accounts[side])
		})
	})
}

// reconnect raises the connection's generation, as joining it to other accounts
// does: what was sent before must not be worked any more.
func (w *world) reconnect() {
	c, v, err := store.LoadConnection(w.ctx, w.store, workspace, connection)
	if err != nil {
		return
	}
	c.Generation++
	if _, err := store.SaveConnection(w.ctx, w.store, workspace, c, v); err == nil {
		w.mark("generation_raised")
		w.rejoined = true // whoever joins other accounts looks at everything anew
	}
}
