package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Verdict is what to do with one delivery: remove it, or hand it back.
type Verdict struct {
	Receipt string
	Ack     bool
	Retry   time.Duration // visibility when not acknowledged
}

// job is one delivery on its way through the matcher and writer.
type job struct {
	queue.Delivery
	chunk   *chunk
	verdict *Verdict
	hand    *inHand // shared by all that came together
	begun   bool    // its records were asked for
	done    bool    // has a verdict
	why     string  // code of what it waits for
	told    told    // what was counted of its chunk before
}

func (j *job) ack() { j.verdict.Ack, j.done = true, true }

func (j *job) retry(after time.Duration) { j.verdict.Retry, j.done = after, true }

// Work is the matcher and writer: it works deliveries and says of each whether
// it may be removed. The answer has one verdict per delivery, in order, and
// never fails as a whole; one bad record never fails its chunk.
func (e *Engine) Work(ctx context.Context, ds []queue.Delivery) []Verdict {
	verdicts := make([]Verdict, len(ds))
	var order []string
	groups := map[string][]*job{}
	for i, d := range ds {
		verdicts[i].Receipt = d.Receipt
		first := groups[d.Group]
		if first == nil {
			order = append(order, d.Group)
			first = []*job{{hand: &inHand{since: e.Now()}}}
		}
		j := &job{Delivery: d, verdict: &verdicts[i], hand: first[0].hand}
		j.hand.receipts = append(j.hand.receipts, d.Receipt)
		groups[d.Group] = append(groups[d.Group], j)
	}
	for _, g := range order {
		e.workGroup(ctx, groups[g])
	}
	return verdicts
}

// workGroup works the deliveries of one message group: one sync's, in order.
func (e *Engine) workGroup(ctx context.Context, jobs []*job) {
	jobs = e.once(ctx, e.decode(jobs))
	if len(jobs) == 0 {
		return
	}
	started := e.Now()
	for len(jobs) > 0 {
		batch := e.together(jobs)
		e.workBatch(ctx, batch)
		jobs = jobs[len(batch):]
		if age := e.Now().Sub(started); age < 0 || age >= e.Tuning.Budget || !batch[0].verdict.Ack {
			break
		}
	}
	for _, j := range jobs {
		e.later(ctx, j)
	}
}

// later returns a delivery that there was no time to begin with. One that comes
// again and again for that is parked, so that it is not taken for one that
// kills its worker.
func (e *Engine) later(ctx context.Context, j *job) {
	if j.Receives < e.Tuning.AloneAfter-1 {
		j.retry(0)
		return
	}
	e.parkOrRetry(ctx, j, 0, "parked_for_time")
}

// leasedRetry is when a message that met another worker's lease comes again; it
// is four times as long after each further receive.
const leasedRetry = 250 * time.Millisecond

// handBack returns a delivery that was not worked, through no fault of its
// own. Before its receives are used up it is parked instead, so that waiting
// alone never makes a dead letter.
func (e *Engine) handBack(ctx context.Context, j *job, after time.Duration) {
	if j.Receives < e.Tuning.ReceiveCap-1 {
		j.retry(after)
		return
	}
	e.parkOrRetry(ctx, j, after, "parked_before_the_cap")
}

// once hands back the second delivery of a chunk that came twice in a batch:
// it must meet what the first one leaves behind.
func (e *Engine) once(ctx context.Context, jobs []*job) []*job {
	seen := map[string]bool{}
	out := jobs[:0:0]
	for _, j := range jobs {
		if seen[j.chunk.ID] {
			e.Mark("chunk_twice_in_batch")
			e.handBack(ctx, j, time.Second)
			continue
		}
		seen[j.chunk.ID] = true
		out = append(out, j)
	}
	return out
}

// decode reads the bodies. What cannot be read has no connection to be a dead
// item of: it stays on the queue until the dead-letter queue takes it.
func (e *Engine) decode(jobs []*job) []*job {
	readable := jobs[:0:0]
	for _, j := range jobs {
		c, err := decodeChunk(j.Body)
		if err != nil {
			e.Log.Error("message not readable", "message_id", j.ID, "receives", j.Receives, "error", err)
			e.Mark("unreadable_message")
			j.retry(e.Tuning.MaxRetry)
			continue
		}
		j.chunk = c
		readable = append(readable, j)
	}
	return readable
}

// together returns the leading jobs that may be worked side by side. One that
// was received twice before is worked alone.
func (e *Engine) together(jobs []*job) []*job {
	for i, j := range jobs {
		if j.Receives >= e.Tuning.AloneAfter {
			e.Mark("worked_alone")
			return jobs[:max(i, 1)]
		}
		if j.chunk.scope() != jobs[0].chunk.scope() || (j.chunk.Kind == RunPlan) != (jobs[0].chunk.Kind == RunPlan) {
			return jobs[:i]
		}
	}
	return jobs
}

// workBatch works jobs of one sync and gives each a verdict.
func (e *Engine) workBatch(ctx context.Context, jobs []*job) {
	err := e.guarded(func() error { return e.underLatest(ctx, jobs) })
	for _, j := range jobs {
		if j.done {
			continue
		}
		if err == nil {
			j.ack()
			continue
		}
		e.failed(ctx, j, err)
	}
}

// guarded turns a panic into an error: an internal assertion fails its item
// with a log entry, never the process.
func (e *Engine) guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e.Log.Error("internal error", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			e.Mark("panic_recovered")
			err = fault.New("engine: work", fault.Other, "internal_error", "an internal check failed")
		}
	}()
	return f()
}

// waitedFor reports whether a person waits for the work: a record they asked
// for, or a few changes that were just made in an app. A flood is bulk work.
func waitedFor(jobs []*job) bool {
	n := 0
	for _, j := range jobs {
		if j.chunk.Kind != RunWebhook && j.chunk.Kind != RunRecord {
			return false
		}
		n += len(j.chunk.Hints)
	}
	return n <= 10
}

// lone reports whether the work is one message with the hint of one record that
// no run waits for: what an app sends when a person saved something.
func lone(jobs []*job) bool {
	if len(jobs) != 1 || jobs[0].chunk.Counted || len(jobs[0].chunk.Hints) != 1 {
		return false
	}
	h := &jobs[0].chunk.Hints[0]
	return h.Into == "" && h.Op == "" // a merge and a person's wish write before anything is decided
}

// admit gives a verdict to every job that must not run: those of deleted
// connections and older generations are dropped with a reason, those of a sync
// that is off go to its inbox, chunks that were counted already are done.
func (e *Engine) admit(ctx context.Context, sc scope, conn *crm.Connection, jobs []*job) ([]*job, error) {
	var open []*job
	for _, j := range jobs {
		switch {
		case conn == nil || conn.Status == crm.StatusDeleting:
			e.drop(j, "connection_deleted")
		case j.chunk.Generation != conn.Generation:
			e.drop(j, "older_generation")
		case conn.Sync(sc.sync) == nil:
			e.drop(j, "sync_not_found")
		default:
			if ok, code := runnable(conn, sc.sync); !ok && (j.chunk.Kind != RunPlan || code == codeEndsChanged) {
				if j.chunk.Counted { // its run goes on when the sync is on again
					j.chunk.Why = code
					if err := e.park(ctx, j.chunk, 0); err != nil {
						return nil, err
					}
					e.Mark("parked_while_off")
					j.ack()
					continue
				}
				if err := e.toInbox(ctx, j.chunk, code); err != nil {
					return nil, err
				}
				e.Mark("inbox_while_off")
				j.ack()
				continue
			}
			open = append(open, j)
		}
	}
	return e.undone(ctx, sc, open)
}

func (e *Engine) drop(j *job, code string) {
	e.Log.Info("chunk dropped", "connection", j.chunk.Connection, "sync", j.chunk.Sync, "chunk", j.chunk.ID, "records",
		len(j.chunk.Hints), "code", code)
	e.Mark("dropped_" + code)
	j.ack()
}

// undone drops chunks that were finished and counted by an earlier delivery.
func (e *Engine) undone(ctx context.Context, sc scope, jobs []*job) ([]*job, error) {
	if len(jobs) == 0 {
		return jobs, nil
	}
	var keys []store.Key
	var counted []*job
	open := jobs[:0:0]
	for _, j := range jobs {
		if !j.chunk.Counted {
			open = append(open, j)
			continue
		}
		keys, counted = append(keys, sc.chunkDone(j.chunk.ID), sc.chunkTold(j.chunk.ID)), append(counted, j)
	}
	if len(keys) == 0 {
		return open, nil
	}
	items, err := e.Store.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	kept := map[*job]bool{}
	for i, j := range counted {
		if items[2*i].Version != 0 {
			e.Mark("chunk_already_done")
			j.ack()
			continue
		}
		if j.told, err = toldOf(j.chunk, items[2*i+1]); err != nil {
			return nil, err
		}
		kept[j] = true
	}
	open = open[:0]
	for _, j := range jobs {
		if !j.chunk.Counted || kept[j] {
			open = append(open, j)
		}
	}
	return open, nil
}
