package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/invocation"
)

const (
	// reserve is kept back of the function's time, to store where a listing was left.
	reserve = 4 * time.Second
	// round is the time that one look of the tick may need at worst.
	round = 20 * time.Second
	// tickMost is the longest that one tick goes round: then comes the next.
	tickMost = 50 * time.Second
	// untimed is the time taken for one firing where nobody sets a deadline.
	untimed = time.Minute
)

// firing is what a schedule sends: a sync whose time has come, or the tick.
type firing struct {
	Tick       bool             `json:"tick"`
	Workspace  crm.WorkspaceID  `json:"workspace"`
	Connection crm.ConnectionID `json:"connection"`
	Sync       crm.SyncID       `json:"sync"`
}

// handler lists changes, and wakes what waits in the store.
type handler struct {
	pull func(context.Context, crm.WorkspaceID, crm.ConnectionID, crm.SyncID) error
	tick func(ctx context.Context, budget time.Duration) error
	now  func() time.Time
	log  *slog.Logger

	report cloud.Report // of what was done
}

// Handle carries out one firing. It fails only for a bug of ours: all other
// trouble is over, or tried again, at the next firing, and a repetition by
// Lambda would only come sooner.
func (h *handler) Handle(ctx context.Context, event json.RawMessage) error {
	f, err := read(event)
	if err != nil {
		h.log.ErrorContext(ctx, "event not readable", "error", err)
		return nil // the same event would not be readable the next time either
	}
	within, cancel := invocation.Reserve(ctx, reserve)
	defer cancel()
	if f.Tick {
		err = h.tick(within, min(max(invocation.Left(within, h.now(), untimed)-round, 0), tickMost))
	} else {
		err = h.pull(within, f.Workspace, f.Connection, f.Sync)
	}
	if err := h.report.Tell(h.now()); err != nil {
		h.log.WarnContext(ctx, "metrics not written", "error", err)
	}
	return h.outcome(ctx, within, f, err)
}

// outcome says what came of a firing.
func (h *handler) outcome(ctx, within context.Context, f firing, err error) error {
	log := h.log.With("tick", f.Tick, "connection", f.Connection, "sync", f.Sync, "kind", fault.KindOf(err), "code",
		fault.CodeOf(err))
	switch {
	case err == nil:
		return nil
	case within.Err() != nil:
		log.InfoContext(ctx, "the time is used up; the next tick goes on")
		return nil
	case fault.Is(err, fault.NotFound):
		log.InfoContext(ctx, "the schedule is of a sync that is gone")
		return nil
	case fault.Is(err, fault.Other):
		log.ErrorContext(ctx, "firing failed", "error", err)
		return err
	default:
		log.WarnContext(ctx, "firing not finished; the next one does it again", "error", err)
		return nil
	}
}

// read reads an event of a schedule.
func read(event []byte) (firing, error) {
	var f firing
	if err := json.Unmarshal(event, &f); err != nil {
		return f, errors.New("the event is not the JSON that our schedules send")
	}
	named := f.Workspace != "" && f.Connection != "" && f.Sync != ""
	if f.Tick == named {
		return f, errors.New("the event names neither the tick nor workspace, connection and sync, or both")
	}
	return f, nil
}
