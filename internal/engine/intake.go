package engine

import (
	"context"
	"encoding/base64"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Webhook takes the verified events of one delivery. When it returns nil every
// event is on the queue or in an inbox, for each sync that uses the account and
// object, and the record that it carries is kept; the app may then hear "success". An error means: send it again.
func (e *Engine) Webhook(
	ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, events []connector.Event,
) error {
	if err := e.askErasures(ctx, ws, account, events); err != nil {
		return err
	}
	events, kept, err := e.keep(ctx, ws, account, events)
	if err != nil {
		return err
	}
	err = e.eachConnection(ctx, ws, func(conn *crm.Connection) error {
		return e.fanOut(ctx, ws, conn, account, events)
	})
	if err != nil {
		return err
	}
	return e.unkeep(ctx, ws, account, kept)
}

// fanOut queues the events for every sync of one connection that they concern.
func (e *Engine) fanOut(
	ctx context.Context, ws crm.WorkspaceID, conn *crm.Connection, account crm.AccountID, events []connector.Event,
) error {
	if conn.Status == crm.StatusDraft || conn.Status == crm.StatusDeleting {
		return nil
	}
	for _, side := range crm.Sides {
		if conn.Account(side) != account {
			continue
		}
		for i := range conn.Syncs {
			hints := hintsOf(events, conn.Syncs[i].Object(side))
			if len(hints) == 0 {
				continue
			}
			if err := e.accept(ctx, scope{ws, conn.ID, conn.Syncs[i].ID}, conn, side, hints); err != nil {
				return err
			}
		}
	}
	return nil
}

// hintsOf merges a delivery's events for one object, one hint per record.
func hintsOf(events []connector.Event, object string) []hint {
	var out []hint
	at := map[crm.RecordID]int{}
	for _, ev := range events {
		if ev.Object != object || ev.ID == "" {
			continue
		}
		i, ok := at[ev.ID]
		if !ok {
			i = len(out)
			at[ev.ID] = i
			out = append(out, hint{ID: ev.ID})
		}
		switch ev.Kind {
		case connector.EventDeleted, connector.EventErased:
			out[i].Gone = true
		case connector.EventMerged:
			out[i].Gone, out[i].Into, out[i].Primary = true, ev.MergedInto, ev.Primary
		case connector.EventChanged:
		}
	}
	return out
}

// accept puts hints on the queue, or, while the sync is off or far behind,
// into its inbox.
func (e *Engine) accept(ctx context.Context, sc scope, conn *crm.Connection, side crm.Side, hints []hint) error {
	run, err := e.ensureWebhookRun(ctx, sc, conn)
	if err != nil {
		return err
	}
	var cs []*chunk
	for part := range slices.Chunk(hints, e.Tuning.ChunkSize) {
		cs = append(cs, e.newChunk(sc, conn, RunWebhook, run, side, part))
	}
	ok, code := runnable(conn, sc.sync)
	switch {
	case ok && arrives(conn, sc.sync):
		code = codePairsArrive
	case ok && e.backlog(ctx) <= e.Tuning.InboxAfter:
		return e.send(ctx, cs)
	case ok:
		e.Mark("inbox_backlog")
		code = "backlog"
	}
	for _, c := range cs {
		if err := e.toInbox(ctx, c, code); err != nil {
			return err
		}
	}
	return nil
}

// backlogFor is how long a look at the queue's depth is trusted.
const backlogFor = 2 * time.Second

// queueDepth is a look at the queue.
type queueDepth struct {
	visible int
	at      time.Time
}

// backlog is the queue's depth, looked at every other second.
func (e *Engine) backlog(ctx context.Context) int {
	now := e.Now()
	known, _ := e.depth.get(struct{}{})
	if age := now.Sub(known.at); age >= 0 && age < backlogFor {
		return known.visible
	}
	d, err := e.Queue.Depth(ctx)
	if err != nil {
		return known.visible // the send will tell
	}
	e.depth.put(struct{}{}, queueDepth{d.Visible, now})
	return d.Visible
}

func encodeText(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decodeText(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, fault.New("engine: read cursor", fault.Invalid, "cursor_malformed",
			"the cursor is not one that this list returned")
	}
	return b, nil
}
