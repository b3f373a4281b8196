package sim

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// queueIO is the queue as a process of the world meets it.
type queueIO struct{ w *world }

// Send implements queue.Queue. Some messages may fail, or all seem to.
func (q queueIO) Send(ctx context.Context, ms []queue.Message) []error {
	if len(ms) == 0 {
		return nil
	}
	if err := q.w.enter(opSend); err != nil {
		return queue.All(len(ms), err)
	}
	some := ms
	switch {
	case q.w.cur == nil:
	case q.w.strike("send_unavailable"):
		return queue.All(len(ms), unavailable("sim: send", false))
	case q.w.strike("send_partial"):
		some = ms[:q.w.rng.n(len(ms))]
	}
	errs := q.w.queue.Send(ctx, some)
	q.w.sent(some)
	if err := q.w.leave(opSend); err != nil {
		return queue.All(len(ms), err)
	}
	if q.w.cur != nil && q.w.strike("send_lost_reply") {
		return queue.All(len(ms), unavailable("sim: send", true))
	}
	if len(some) < len(ms) {
		if errs == nil {
			errs = make([]error, len(some))
		}
		errs = append(errs, queue.All(len(ms)-len(some), unavailable("sim: send", false))...)
	}
	return errs
}

// Receive implements queue.Queue.
func (q queueIO) Receive(ctx context.Context, limit int, d time.Duration) ([]queue.Delivery, error) {
	if err := q.w.enter(opReceive); err != nil {
		return nil, err
	}
	if q.w.strike("receive_unavailable") {
		return nil, unavailable("sim: receive", false)
	}
	ds, err := q.w.queue.Receive(ctx, limit, d)
	if err == nil && len(ds) > 0 && q.w.strike("delivered_twice") {
		x := ds[q.w.rng.n(len(ds))]
		q.w.queue.SetVisibility(ctx, []string{x.Receipt}, q.w.rng.upTo(2*time.Second))
		q.w.poke(2 * time.Second)
	}
	if err := q.w.leave(opReceive); err != nil {
		return nil, err
	}
	return ds, err
}

// Delete implements queue.Queue.
func (q queueIO) Delete(ctx context.Context, receipts []string) []error {
	if err := q.w.enter(opDelete); err != nil {
		return queue.All(len(receipts), err)
	}
	if q.w.strike("delete_failed") {
		q.w.poke(visibility + time.Second)
		return queue.All(len(receipts), unavailable("sim: delete", false))
	}
	return q.w.queue.Delete(ctx, receipts)
}

// SetVisibility implements queue.Queue.
func (q queueIO) SetVisibility(ctx context.Context, receipts []string, d time.Duration) []error {
	if err := q.w.enter(opVisibility); err != nil {
		return queue.All(len(receipts), err)
	}
	q.w.poke(d + time.Millisecond)
	return q.w.queue.SetVisibility(ctx, receipts, d)
}

// Depth implements queue.Queue.
func (q queueIO) Depth(ctx context.Context) (queue.Depth, error) {
	if err := q.w.enter(opDepth); err != nil {
		return queue.Depth{}, err
	}
	return q.w.queue.Depth(ctx)
}

// RedriveDead implements queue.Queue.
func (q queueIO) RedriveDead(ctx context.Context, limit int) (int, error) {
	return q.w.queue.RedriveDead(ctx, limit)
}

// chunkView is what an audit reads of a message.
type chunkView struct {
	Side  crm.Side `json:"side"`
	Hints []struct {
		ID crm.RecordID `json:"id"`
	} `json:"hints"`
}

// sent notes which records are asked for by messages that were queued.
func (w *world) sent(ms []queue.Message) {
	for i := range ms {
		var c chunkView
		if json.Unmarshal(ms[i].Body, &c) != nil {
			continue
		}
		w.tell("queued %s", ms[i].Body)
		for _, h := range c.Hints {
			w.queued[ref{c.Side, h.ID}] = w.moment()
		}
	}
	w.poke(0)
}

var _ queue.Queue = queueIO{}
