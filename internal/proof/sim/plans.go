package sim

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// listed is what a plan that an admin applied lists of each record.
type listed map[ref]engine.Change

// planner is an admin who makes plans, lets some lie while users go on typing,
// and applies them; who cancels runs, and has failures tried again.
func (w *world) planner() {
	switch n := w.user.n(10); {
	case n < 4:
		w.ask("plan", func(ctx context.Context, e *engine.Engine) {
			if p, err := e.CreatePlan(ctx, workspace, connection, syncID, nil); err == nil && !w.cur.dead {
				w.mark("plan_by_admin")
				w.plans = append(w.plans, p.ID)
			}
		})
	case n < 7 && len(w.plans) > 0:
		i := w.user.n(len(w.plans))
		id := w.plans[i]
		w.ask("apply", func(ctx context.Context, e *engine.Engine) { w.applyPlan(ctx, e, id) })
	case n < 8:
		w.ask("cancel", w.cancelRun)
	case n < 9:
		w.ask("retry", func(ctx context.Context, e *engine.Engine) {
			if _, err := e.RetryFailed(ctx, workspace, engine.LogFilter{Connection: connection, Sync: syncID}); err == nil {
				w.mark("retried_by_admin")
			}
		})
	}
}

// applyPlan notes all that a finished plan lists and has it applied.
func (w *world) applyPlan(ctx context.Context, e *engine.Engine, id crm.PlanID) {
	p, err := e.GetPlan(ctx, workspace, id)
	if err != nil || p.State != engine.RunDone {
		return
	}
	all := listed{}
	for cursor := ""; ; {
		changes, next, err := e.PlanChanges(ctx, workspace, id, 1000, cursor)
		if err != nil || w.cur.dead {
			return
		}
		for i := range changes {
			all[ref{changes[i].Side, changes[i].Record}] = changes[i]
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	w.listed[id] = all // before the call, whose answer may be lost
	if _, err := e.ApplyPlan(ctx, workspace, id); err == nil {
		w.mark("plan_applied")
	}
}

// cancelRun stops a run. What it had not listed yet is looked at with the next
// resync.
func (w *world) cancelRun(ctx context.Context, e *engine.Engine) {
	runs, _, err := e.ListRuns(ctx, workspace, connection, 20, "")
	if err != nil {
		return
	}
	for i := range runs {
		if runs[i].State != engine.RunRunning || runs[i].Kind != engine.RunResync {
			continue
		}
		w.rejoined = true
		if r, err := e.CancelRun(ctx, workspace, runs[i].ID); err == nil && r.State == engine.RunCancelled {
			w.mark("run_cancelled")
		}
		return
	}
}

// orders notes which records a task works because a plan says so, and nothing
// else: a delivery with other work in it is not judged.
func (w *world) orders(t *task, ds []queue.Delivery) {
	t.orders = nil
	if len(w.listed) == 0 {
		return
	}
	found := map[ref]bool{}
	for i := range ds {
		var c struct {
			Kind  engine.RunKind `json:"kind"`
			Side  crm.Side       `json:"side"`
			Hints []struct {
				ID     crm.RecordID `json:"id"`
				Expect string       `json:"e"`
			} `json:"hints"`
		}
		if json.Unmarshal(ds[i].Body, &c) != nil || c.Kind != engine.RunApply {
			return
		}
		for _, h := range c.Hints {
			if h.Expect != "" {
				found[ref{c.Side, h.ID}] = true
			}
		}
	}
	t.orders = found
}

// checkPlanned holds what a plan makes an app write to its list: nothing else,
// and nothing at all for what changed since.
func (w *world) checkPlanned(t *task, side crm.Side, x *connector.Write) {
	source, ok := cutRef(x.Ref)
	if !ok || !t.orders[source] {
		return
	}
	for _, all := range w.listed {
		if c, ok := all[source]; ok && lists(&c, side, x.Fields) {
			w.mark("plan_checked")
			return
		}
	}
	w.violated("S10", fmt.Sprintf("a plan was applied, and %s %s got what it does not list: %s", side, x.ID,
		shown(x.Fields)))
}

// lists reports whether a change of a plan has every field of a write, with its value.
func lists(c *engine.Change, side crm.Side, f crm.Fields) bool {
	has := func(name string, v crm.Value) bool {
		for _, d := range c.Diffs {
			if d.Side == side && d.Field == name && d.After.Equal(v) {
				return true
			}
		}
		return false
	}
	for name, v := range f {
		if !has(name, v) {
			return false
		}
	}
	return true
}
