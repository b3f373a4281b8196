package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// goneItem is a record found missing, waiting to be counted and applied.
type goneItem struct {
	V  int       `json:"v"`
	At time.Time `json:"at"`
}

// deadItem is a chunk that was given up.
type deadItem struct {
	V        int       `json:"v"`
	Chunk    chunk     `json:"chunk"`
	Receives int       `json:"receives"`
	Code     string    `json:"code"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

// agendaItem says that a sync has something waiting in the store.
type agendaItem struct {
	V          int              `json:"v"`
	Workspace  crm.WorkspaceID  `json:"ws"`
	Connection crm.ConnectionID `json:"con"`
	Sync       crm.SyncID       `json:"sync"`
	Touched    time.Time        `json:"at"`
	Claims     string           `json:"claims,omitempty"` // how far the claims of a deleted connection were looked for
}

// touchAgenda makes the tick look at the sync. It is stored before whatever
// waits, and stays for a while after the last touch, so that nothing that
// waits is ever without its entry.
func (e *Engine) touchAgenda(ctx context.Context, sc scope) error {
	b, err := json.Marshal(agendaItem{V: 1, Workspace: sc.ws, Connection: sc.con, Sync: sc.sync, Touched: e.Now()})
	if err != nil {
		return err
	}
	_, err = e.Store.Write(ctx, store.Write{Item: store.Item{Key: agendaKey(sc), Data: b}})
	return err
}

// parkWrite is the write that keeps a chunk until wait has passed.
func (e *Engine) parkWrite(c *chunk, wait time.Duration) (store.Write, error) {
	c.Parked = e.Now()
	b, err := c.encode()
	if err != nil {
		return store.Write{}, err
	}
	return store.Write{Item: store.Item{Key: c.scope().parked(e.Now().Add(wait), e.NewID("prk")), Data: b}}, nil
}

// parkedUntil reads when a parked chunk is due.
func parkedUntil(sort string) time.Time {
	at, _, _ := strings.Cut(sort, "#")
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// park keeps a chunk in the store until wait has passed; the tick sends it again.
func (e *Engine) park(ctx context.Context, c *chunk, wait time.Duration) error {
	if err := e.touchAgenda(ctx, c.scope()); err != nil {
		return err
	}
	w, err := e.parkWrite(c, wait)
	if err != nil {
		return err
	}
	_, err = e.Store.Write(ctx, w)
	return err
}

// toInbox keeps a chunk's hints, one item per record, until the sync is on again.
func (e *Engine) toInbox(ctx context.Context, c *chunk, why string) error {
	sc := c.scope()
	if err := e.touchAgenda(ctx, sc); err != nil {
		return err
	}
	hs := make([]placedHint, 0, len(c.Hints))
	for _, h := range c.Hints {
		h.Digest, h.Expect = "", ""
		h.Confirm = false // an admin may decide about deletions meanwhile: this one is counted anew
		hs = append(hs, placedHint{sc.inbox(c.Side, h.ID), h})
	}
	if err := e.keepHints(ctx, hs); err != nil {
		return err
	}
	if !c.Counted {
		return nil
	}
	left, err := e.leftRun(ctx, c, crm.Dropped)
	if err != nil {
		return err
	}
	err = e.Store.Transact(ctx, left)
	if fault.Is(err, fault.Conflict) {
		return nil // counted by an earlier delivery
	}
	e.Log.Debug("hints kept in the inbox", "connection", c.Connection, "sync", c.Sync, "records", len(c.Hints), "code",
		why)
	return err
}

// leftRun are the writes by which a chunk that is kept elsewhere leaves its
// run, which need not wait for it any more.
func (e *Engine) leftRun(ctx context.Context, c *chunk, o crm.Outcome) ([]store.Write, error) {
	counted, err := e.loadTold(ctx, c)
	if err != nil {
		return nil, err
	}
	n, expires := int64(len(c.Hints)-len(counted.ids)), e.Now().Add(runRetention)
	counts := map[string]int64{"chunks": 1, "done": n, "o:" + string(o): n}
	if o == crm.Failed && n > 0 {
		counts[countRecords], counts[countInError] = n, n
	}
	return []store.Write{
		{Item: store.Item{Key: c.scope().chunkDone(c.ID), Expires: expires}, If: store.IfAbsent},
		{Op: store.Add, Item: store.Item{Key: runCounts(c.Workspace, c.Run), Expires: expires, Counters: counts}},
	}, nil
}

// placedHint is a hint with the place in the store where it waits.
type placedHint struct {
	key  store.Key
	hint hint
}

// keepTries is how often hints are tried to be kept while others write them.
const keepTries = 5

// keepHints stores hints until something sends them again. What waits in the place of one
// already is asked for still: that another event came takes nothing of it away.
func (e *Engine) keepHints(ctx context.Context, hs []placedHint) (err error) {
	for range keepTries {
		if hs, err = e.tryToKeep(ctx, hs); err != nil || len(hs) == 0 {
			return err
		}
		e.Mark("kept_hint_raced")
	}
	return fault.New("engine: keep hints", fault.Unavailable, "busy", "others write what is to be kept; try again")
}

// tryToKeep returns those that somebody else wrote meanwhile.
func (e *Engine) tryToKeep(ctx context.Context, hs []placedHint) (rest []placedHint, err error) {
	var keys []store.Key
	at := map[store.Key]int{}
	hints := hs[:0:0]
	for _, h := range hs {
		if i, twice := at[h.key]; twice {
			hints[i].hint.addLater(h.hint)
			continue
		}
		at[h.key] = len(keys)
		keys, hints = append(keys, h.key), append(hints, h)
	}
	items, err := batchGet(e.Store.BatchGet).inParts(ctx, keys)
	if err != nil {
		return nil, err
	}
	ws := make([]store.Write, len(hints))
	for i, h := range hints {
		w := store.Write{Item: store.Item{Key: h.key}, If: store.IfAbsent}
		kept := inboxItem{V: 1, Hint: h.hint, At: e.Now()}
		if items[i].Version != 0 {
			var old inboxItem
			if err := json.Unmarshal(items[i].Data, &old); err != nil {
				return nil, fault.Wrap("engine: decode kept hint", fault.Other, err)
			}
			e.Mark("kept_hint_joined")
			old.Hint.addLater(h.hint)
			kept.Hint, w.If = old.Hint, store.IfVersion(items[i].Version)
		}
		if w.Item.Data, err = json.Marshal(kept); err != nil {
			return nil, fault.Wrap("engine: encode kept hint", fault.Other, err)
		}
		ws[i] = w
	}
	_, errs := e.Store.BatchWrite(ctx, ws)
	for i, failed := range errs {
		if fault.Is(failed, fault.Conflict) {
			rest = append(rest, hints[i])
		} else {
			err = errors.Join(err, failed)
		}
	}
	return rest, err
}

// addLater adds a hint that came later, and says for what the record waits now.
func (h *hint) addLater(later hint) {
	h.add(later)
	h.Barred, h.Freed, h.Missed, h.Told, h.Erased = later.Barred, later.Freed, later.Missed, later.Told, later.Erased
	if later.Into != "" {
		h.Into = later.Into
	}
}

// inboxItem is a hint that came while its sync was off or busy.
type inboxItem struct {
	V    int       `json:"v"`
	Hint hint      `json:"hint"`
	At   time.Time `json:"at"`
}

// newChunk makes a chunk under the connection's present generation.
func (e *Engine) newChunk(
	sc scope, conn *crm.Connection, kind RunKind, run crm.RunID, side crm.Side, hints []hint,
) *chunk {
	return &chunk{
		V: chunkFormat, ID: e.NewID("chk"), Workspace: sc.ws, Connection: sc.con, Sync: sc.sync, Generation: conn.Generation,
		Config: conn.Version, Kind: kind, Run: run, Side: side, Hints: hints, Trace: e.Trace(), Since: e.Now(),
	}
}

// send queues chunks, in order. It returns an error unless every one is queued.
func (e *Engine) send(ctx context.Context, cs []*chunk) error {
	ms := make([]queue.Message, len(cs))
	for i, c := range cs {
		b, err := c.encode()
		if err != nil {
			return err
		}
		group := c.scope().group()
		if c.Kind == RunPlan {
			group = c.scope().planGroup()
		}
		ms[i] = queue.Message{Group: group, Dedup: e.NewID("snd"), Body: b}
	}
	for _, err := range e.Queue.Send(ctx, ms) {
		if err != nil {
			e.Mark("send_failed")
			return fmt.Errorf("queue changes: %w", err)
		}
	}
	return nil
}
