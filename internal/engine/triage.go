package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// lastTries is how often a delivery whose receives are used up is parked, or
// made a dead item: after the queue's own cap nobody would come back for it.
const lastTries = 3

// parkOrRetry lets a chunk wait in the store, under the name of a rare state, or
// on the queue when it cannot be stored.
func (e *Engine) parkOrRetry(ctx context.Context, j *job, wait time.Duration, mark string) {
	j.chunk.Why = j.why
	err := e.park(ctx, j.chunk, wait)
	for tries := 1; err != nil && ctx.Err() == nil && j.Receives >= e.Tuning.ReceiveCap && tries < lastTries; tries++ {
		err = e.park(ctx, j.chunk, wait)
	}
	if err != nil {
		e.Log.Error("chunk not parked", "chunk", j.chunk.ID, "error", err)
		j.retry(e.Tuning.MaxRetry)
		return
	}
	e.Mark(mark)
	j.ack()
}

// split cuts a chunk into parts of so many records each: one that fails for a
// reason of ours or of one of its records, so that the culprit ends alone and
// its batch mates are worked, and one that takes longer than there is time.
func (e *Engine) split(ctx context.Context, j *job, size int) error {
	c := j.chunk
	counted, err := e.loadTold(ctx, c)
	if err != nil {
		return err
	}
	if err := e.touchAgenda(ctx, c.scope()); err != nil {
		return err
	}
	var ws []store.Write
	sent := int64(0)
	for hints := range slices.Chunk(counted.mark(c.Hints), size) {
		part := *c
		part.ID, part.Hints = fmt.Sprintf("%s-%d", c.ID, sent), hints
		sent++
		w, err := e.parkWrite(&part, time.Second)
		if err != nil {
			return err
		}
		ws = append(ws, w)
	}
	if c.Counted {
		ws = append(ws, store.Write{
			Item: store.Item{Key: c.scope().chunkDone(c.ID), Expires: e.Now().Add(runRetention)},
			If:   store.IfAbsent,
		},
			store.Write{
				Op: store.Add, Item: store.Item{
					Key: runCounts(c.Workspace, c.Run), Expires: e.Now().Add(runRetention), Counters: map[string]int64{
						"chunks": 1, "sent": sent,
					},
				},
			})
	}
	if err := e.Store.Transact(ctx, ws); err != nil {
		return err
	}
	e.Mark("chunk_split")
	j.ack()
	return nil
}

// safeText is what an admin may read of an error.
func safeText(err error) string {
	if f, ok := asFault(err); ok && f.Message != "" {
		return f.Message
	}
	return "the work could not be finished: " + fault.KindOf(err).String()
}

// needAuthorization marks the connection, once, when work failed because an
// account's grant is gone. A connection that changed since the work began is
// left alone: somebody may have let us in again, and nobody would a second time.
func (e *Engine) needAuthorization(ctx context.Context, sc scope, began int64, cause error) {
	if fault.CodeOf(cause) != codeReauthorize {
		return
	}
	conn, version, err := store.LoadConnection(ctx, e.Store, sc.ws, sc.con)
	if err != nil || version != began || conn.Status != crm.StatusActive {
		return
	}
	conn.Status, conn.StatusAt = crm.StatusNeedsAuth, e.Now()
	if _, err := store.SaveConnection(ctx, e.Store, sc.ws, conn, version); err != nil {
		e.Log.Warn("connection not marked", "connection", sc.con, "error", err)
		return
	}
	var at *sideError
	if errors.As(cause, &at) && e.Refused != nil {
		if err := e.Refused(ctx, sc.ws, conn.Account(at.side)); err != nil {
			e.Log.Warn("account not marked", "connection", sc.con, "account", conn.Account(at.side), "error", err)
		}
	}
	e.Mark("needs_authorization")
	e.Log.Warn("connection needs authorization", "connection", sc.con)
}

// bury stores a dead item under its connection, with the reason. Its run goes
// on without it: one poisoned chunk must not hold up the sync.
func (e *Engine) bury(ctx context.Context, c *chunk, receives int, code, reason string) error {
	alone := *c
	alone.Counted = false // when it is redriven, no run waits for it
	body, err := json.Marshal(deadItem{V: 1, Chunk: alone, Receives: receives, Code: code, Reason: reason, At: e.Now()})
	if err != nil {
		return err
	}
	ws := []store.Write{{Item: store.Item{Key: dead(c.Workspace, c.Connection, c.ID), Data: body}}}
	if c.Counted {
		left, err := e.leftRun(ctx, c, crm.Failed)
		if err != nil {
			return err
		}
		ws = append(ws, left...)
	}
	if err = e.Store.Transact(ctx, ws); c.Counted && fault.Is(err, fault.Conflict) {
		return nil // it was finished by an earlier delivery after all
	}
	return err
}
