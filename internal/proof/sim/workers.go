package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// visibility is how long a received message is hidden.
const visibility = 360 * time.Second

// receiveSlack is how often a message comes beyond the engine's own cap before
// the queue takes it for dead: as in production.
const receiveSlack = queue.DefaultMaxReceives - defaultReceiveCap

// poke lets idle workers look at the queue after d.
func (w *world) poke(d time.Duration) {
	at := w.now.Add(max(d, 0))
	if !w.poked.IsZero() && !w.poked.Before(w.now) && !w.poked.After(at) {
		if d > 0 {
			w.after(d, w.startWorkers)
		}
		return
	}
	w.poked = at
	w.after(d, w.startWorkers)
}

// startWorkers starts as many idle workers as there is something to do for.
func (w *world) startWorkers() {
	w.poked = time.Time{}
	d, err := w.queue.Depth(w.ctx)
	if err != nil || d.Visible == 0 {
		return
	}
	n := w.queue.Ready()
	if n == 0 { // all that waits is behind something in flight
		w.poke(10 * time.Second)
		return
	}
	for _, p := range w.workers {
		if n > 0 && p.busy == 0 {
			w.spawn(p, "work", w.work)
			n--
		}
	}
}

// work is one invocation of the function that works the queue.
func (w *world) work(ctx context.Context, e *engine.Engine) {
	t := w.cur
	q := queueIO{w}
	ds, err := q.Receive(ctx, w.set.receive, visibility)
	if err != nil || len(ds) == 0 {
		t.idle = true
		w.poke(10 * time.Second)
		return
	}
	w.deliveries += int64(len(ds))
	w.orders(t, ds)
	calls, old := t.calls, w.outdated(ds)
	verdicts := e.Work(ctx, ds)
	if t.dead {
		return
	}
	if old && t.calls != calls {
		w.violated("S25", "messages of an older generation reached an app")
	}
	w.checkVerdicts(ds, verdicts)
	for i, v := range verdicts {
		w.tell("verdict %s (receive %d): ack %v, retry %s", ds[i].ID, ds[i].Receives, v.Ack, v.Retry)
	}
	var done []string
	for i, v := range verdicts {
		if v.Ack {
			w.acked[ds[i].ID] = true
			done = append(done, ds[i].Receipt)
		}
	}
	if len(done) > 0 {
		q.Delete(ctx, done)
	}
	for _, v := range verdicts {
		if !v.Ack {
			q.SetVisibility(ctx, []string{v.Receipt}, v.Retry)
		}
	}
}

// outdated reports whether all messages are of an older generation.
func (w *world) outdated(ds []queue.Delivery) bool {
	c := w.connection()
	if c == nil || c.Generation <= 1 { // there was none before
		return false
	}
	for i := range ds {
		var m struct {
			Generation int64 `json:"gen"`
		}
		if json.Unmarshal(ds[i].Body, &m) != nil || m.Generation >= c.Generation {
			return false
		}
	}
	return true
}

// checkVerdicts holds Work to what it promises of a batch.
func (w *world) checkVerdicts(ds []queue.Delivery, vs []engine.Verdict) {
	if len(vs) != len(ds) {
		w.violated("S10", fmt.Sprintf("%d deliveries got %d verdicts", len(ds), len(vs)))
		return
	}
	for i := range ds {
		if ds[i].Receives > w.receiveCap()+receiveSlack {
			w.violated("S21", "a message was received far beyond the cap and is still there")
		}
		if vs[i].Receipt != ds[i].Receipt {
			w.violated("S10", "a verdict names another delivery")
		}
		if vs[i].Retry < 0 || vs[i].Retry > 30*time.Second {
			w.violated("S10", fmt.Sprintf("a delivery is put off for %s on the queue", vs[i].Retry))
		}
	}
}

// tick is one firing of the one-minute schedule.
func (w *world) tick() {
	p := w.idle(w.tickers)
	if p == nil {
		return
	}
	w.spawn(p, "tick", func(ctx context.Context, e *engine.Engine) { _ = e.Tick(ctx, 20*time.Second) })
}

// pull is one firing of the sync's own schedule.
func (w *world) pull() {
	p := w.idle(w.pullers)
	if p == nil {
		return
	}
	w.spawn(p, "pull", func(ctx context.Context, e *engine.Engine) {
		_ = e.Pull(ctx, workspace, connection, syncID)
	})
}

// idle returns a process that has nothing to do, or nil.
func (w *world) idle(ps []*proc) *proc {
	for _, p := range ps {
		if p.busy == 0 {
			return p
		}
	}
	return nil
}

// every repeats something until the schedules are stopped.
func (w *world) every(d time.Duration, do func()) {
	generation := w.schedules
	var again func()
	again = func() {
		if w.schedules != generation {
			return
		}
		do()
		w.after(d, again)
	}
	w.after(w.rng.upTo(d), again)
}
