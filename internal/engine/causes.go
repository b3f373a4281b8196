package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// cause is why the work on a chunk ended early, as far as something follows from it.
type cause uint8

// The causes.
const (
	causeTrouble cause = iota // whatever may pass
	causeBroken               // of ours, or of one of its records: the culprit is to be found
	causeLeased               // another worker is at it
	causeStopped              // the sync was switched off, or the time is used up
	causeLimit                // an app's limit or quota
	causeDenied               // a right is missing, or the grant
)

// Codes of causes.
const (
	codeLeased      = "leased"
	codePaused      = "paused"
	codeLeaseEnding = "lease_ending"
	codeMalformed   = "malformed_answer"
)

// causesByCode and causesByKind tell the cause of an error: its code comes first.
var (
	causesByCode = map[string]cause{
		codeLeased: causeLeased, codeOutdated: causeLeased, codePaused: causeStopped, codeLeaseEnding: causeStopped,
		codeMalformed: causeBroken,
	}
	causesByKind = map[fault.Kind]cause{
		fault.Throttled: causeLimit, fault.Denied: causeDenied, fault.Other: causeBroken,
	}
)

func causeOf(err error) cause {
	if c, ok := causesByCode[fault.CodeOf(err)]; ok {
		return c
	}
	return causesByKind[fault.KindOf(err)]
}

// response is what follows from a cause.
type response struct {
	level slog.Level // at which it is logged
	// least time that what was not written waits in the store by itself; 0 = it does not
	waits time.Duration
	chunk func(*Engine, context.Context, *job, error) // what becomes of the chunk
}

// levelNever is for what is no news.
const levelNever = slog.LevelDebug - 4

var responses = [...]response{
	causeTrouble: {slog.LevelWarn, 0, (*Engine).tryAgain},
	causeBroken:  {slog.LevelWarn, 0, (*Engine).narrowDown},
	causeLeased:  {levelNever, 0, (*Engine).awaitLease},
	causeStopped: {slog.LevelWarn, time.Second, (*Engine).giveBack},
	causeLimit:   {slog.LevelDebug, time.Second, (*Engine).awaitLimit}, // it goes on by itself
	causeDenied:  {slog.LevelWarn, 0, (*Engine).awaitRight},
}

// failed decides what becomes of a chunk whose work ended early: parked when
// it has to wait, redelivered when it may help, a dead item at the cap.
func (e *Engine) failed(ctx context.Context, j *job, err error) {
	j.why = fault.CodeOf(err)
	r := &responses[causeOf(err)]
	if r.level != levelNever {
		e.Log.Log(ctx, r.level, "chunk not finished", "connection", j.chunk.Connection, "sync", j.chunk.Sync, "chunk",
			j.chunk.ID,
			"receives", j.Receives, "kind", fault.KindOf(err), "code", j.why, "error", err)
	}
	r.chunk(e, ctx, j, err)
}

// waits reports whether an error only means "later", so that what was not
// written can wait in the store by itself while the rest of its chunk is done.
func waits(err error) (wait time.Duration, ok bool) {
	if err == nil {
		return 0, false
	}
	if wait = responses[causeOf(err)].waits; wait == 0 {
		return 0, false
	}
	if fault.Is(err, fault.Throttled) {
		wait = max(fault.RetryAfter(err), wait)
	}
	return wait, true
}

// awaitLease hands back what met another worker: most let go long before their time is up.
func (e *Engine) awaitLease(ctx context.Context, j *job, err error) {
	soon := leaseWaits.After(2*j.Receives - 1)
	e.handBack(ctx, j, min(max(fault.RetryAfter(err), leasedRetry), soon, e.Tuning.MaxRetry))
}

// awaitLimit waits out an app's limit: a short one on the queue.
func (e *Engine) awaitLimit(ctx context.Context, j *job, err error) {
	wait := fault.RetryAfter(err)
	if wait <= 0 {
		wait = e.Tuning.MaxRetry
	}
	if wait <= e.Tuning.ParkAfter && j.Receives < e.Tuning.ReceiveCap {
		j.retry(wait)
		return
	}
	e.parkOrRetry(ctx, j, wait, "parked_throttled")
}

// awaitRight waits for a person to give what is missing.
func (e *Engine) awaitRight(ctx context.Context, j *job, _ error) {
	e.parkOrRetry(ctx, j, time.Minute, "parked_denied")
}

// giveBack is for what nothing is wrong with: the next delivery sees the switch,
// or has time of its own.
func (e *Engine) giveBack(ctx context.Context, j *job, _ error) {
	if !j.begun {
		e.later(ctx, j)
		return
	}
	e.handBack(ctx, j, 0)
}

// narrowDown halves a chunk that failed alone, so that the culprit ends alone.
func (e *Engine) narrowDown(ctx context.Context, j *job, err error) {
	if j.Receives >= e.Tuning.AloneAfter && len(j.chunk.Hints) > 1 && e.split(ctx, j, (len(j.chunk.Hints)+1)/2) == nil {
		return
	}
	e.tryAgain(ctx, j, err)
}

// tryAgain lets a chunk come again, later each time, until its receives are used
// up: then it is a dead item, unless its app is out.
func (e *Engine) tryAgain(ctx context.Context, j *job, err error) {
	if j.Receives >= e.Tuning.ReceiveCap {
		e.giveUp(ctx, j, err)
		return
	}
	j.retry(min(chunkWaits.After(j.Receives), e.Tuning.MaxRetry))
}

// giveUp makes a chunk a dead item.
func (e *Engine) giveUp(ctx context.Context, j *job, err error) {
	if e.outage(ctx, j.chunk.scope(), err) {
		e.parkOrRetry(ctx, j, e.Tuning.MaxRetry, "parked_in_outage")
		return
	}
	derr := e.bury(ctx, j.chunk, j.Receives, j.why, safeText(err))
	for tries := 1; derr != nil && ctx.Err() == nil && tries < lastTries; tries++ {
		derr = e.bury(ctx, j.chunk, j.Receives, j.why, safeText(err))
	}
	if derr != nil {
		e.Log.Error("dead item not stored", "chunk", j.chunk.ID, "error", derr)
		j.retry(e.Tuning.MaxRetry)
		return
	}
	e.Mark("dead_item")
	j.ack()
}
