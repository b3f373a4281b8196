package engine

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// glanceMost is how many items of one kind a glance counts: it is asked for every
// few seconds, and each item that it reads costs.
const glanceMost = 1000

// Glance is what a few reads tell of a connection: a part of its status, without
// what the apps' schemas or long lists are needed for. What has just changed may be missing.
type Glance struct {
	Syncs []SyncGlance
	Dead  int64 // pieces of work that were given up, glanceMost at most
	Read  int64 // items that were read to count them
}

// SyncGlance is what they tell of one sync. Numbers mean what they mean in SyncStatus,
// but nothing that waits is counted beyond glanceMost.
type SyncGlance struct {
	Sync       crm.SyncID
	LatestPull time.Time
	Overdue    bool
	Backlog    int64
	Parked     int64
	Oldest     time.Time // since when what has waited longest waits; zero = nothing does
	States     crm.PerSide[map[crm.State]int64]
}

// Glance looks at a connection. Drafts and connections that are being deleted have no syncs.
func (e *Engine) Glance(ctx context.Context, ws crm.WorkspaceID, conn *crm.Connection) (Glance, error) {
	var g Glance
	if conn.Status == crm.StatusDraft || conn.Status == crm.StatusDeleting {
		return g, nil
	}
	whole := conn.Unfolded()
	var err error
	if g.Dead, err = e.countQuery(ctx, partitionOf(dead(ws, conn.ID, "")), glanceMost, nil); err != nil {
		return g, err
	}
	// Whatever waits has put its sync on the agenda before.
	waits := map[crm.SyncID]bool{}
	agenda, err := e.countQuery(ctx, store.Query{
		Table: store.Links, Partition: "agenda", Prefix: string(ws) + "#" + string(conn.ID) + "#",
	}, glanceMost, func(it store.Item) error {
		var a agendaItem
		if err := json.Unmarshal(it.Data, &a); err != nil {
			return fault.Wrap("engine: decode agenda", fault.Other, err)
		}
		waits[a.Sync] = true
		return nil
	})
	if err != nil {
		return g, err
	}
	g.Read = g.Dead + agenda
	keys := make([]store.Key, 0, 2*len(whole.Syncs))
	for i := range whole.Syncs {
		sc := scope{ws, conn.ID, whole.Syncs[i].ID}
		keys = append(keys, sc.scan(), sc.counts())
	}
	items, err := batchGet(e.Store.BatchGetStale).inParts(ctx, keys)
	if err != nil {
		return g, err
	}
	for i := range whole.Syncs {
		sc := scope{ws, conn.ID, whole.Syncs[i].ID}
		s, err := e.glance(ctx, sc, conn, items[2*i], items[2*i+1])
		if err == nil && waits[sc.sync] {
			var read int64
			read, err = e.glanceWaiting(ctx, sc, whole, &s)
			g.Read += read
		}
		if err != nil {
			return g, err
		}
		g.Syncs = append(g.Syncs, s)
	}
	return g, nil
}

func (e *Engine) glance(
	ctx context.Context, sc scope, conn *crm.Connection, scanned, counted store.Item,
) (SyncGlance, error) {
	g := SyncGlance{Sync: sc.sync, States: statesOf(counted.Counters)}
	open := crm.RunID("")
	if scanned.Version != 0 {
		scan, err := decodeScan(scanned)
		if err != nil {
			return g, err
		}
		g.LatestPull, open = scan.LatestPull, scan.OpenRun
	}
	if open != "" {
		r, err := e.loadRun(ctx, sc.ws, open)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return g, err
		}
		if err != nil || r.Run.State != RunRunning && r.Run.State != RunQueued {
			open = ""
		} else {
			counters, err := e.counters(ctx, sc, open)
			if err != nil {
				return g, err
			}
			g.Backlog += max(r.Listed-counters["done"], 0)
			g.since(r.Run.CreatedAt)
		}
	}
	g.Overdue = Overdue(conn, sc.sync, g.LatestPull, open != "", e.Now())
	return g, nil
}

// glanceWaiting counts what waits in the store, and returns how many items that was.
func (e *Engine) glanceWaiting(
	ctx context.Context, sc scope, conn *crm.Connection, g *SyncGlance,
) (read int64, err error) {
	parked, err := e.countQuery(ctx, partitionOf(sc.parked(time.Time{}, "")), glanceMost, func(it store.Item) error {
		if c, err := decodeChunk(it.Data); err == nil { // what cannot be read is told of when it is to be worked
			g.since(c.Since)
		}
		return nil
	})
	if err != nil {
		return read, err
	}
	weighed, err := e.countQuery(ctx, sc.weighed(), glanceMost, nil)
	if err != nil {
		return read, err
	}
	g.Parked = parked + weighed
	read = g.Parked
	at := func(it store.Item) error {
		var kept struct {
			At time.Time `json:"at"`
		}
		if json.Unmarshal(it.Data, &kept) == nil {
			g.since(kept.At)
		}
		return nil
	}
	inbox, err := e.countQuery(ctx, partitionOf(sc.inbox("", "")), glanceMost, at)
	if err != nil {
		return read, err
	}
	g.Backlog += inbox
	read += inbox
	known, _, err := e.loadOutages(ctx, sc)
	if err != nil {
		return read, err
	}
	ok, _ := runnable(conn, sc.sync)
	for i := range known.Waits {
		w := &known.Waits[i]
		if w.Direction == "" || !w.holds(conn, ok, e.Now()) {
			continue
		}
		n, err := e.countQuery(ctx, partitionOf(sc.barred(w.Side, "", "")), glanceMost, at)
		if err != nil {
			return read, err
		}
		g.Backlog += n
		read += n
	}
	return read, nil
}

// since notes that something waits since then.
func (g *SyncGlance) since(at time.Time) {
	if !at.IsZero() && (g.Oldest.IsZero() || at.Before(g.Oldest)) {
		g.Oldest = at
	}
}

// partitionOf asks for all items beside one.
func partitionOf(k store.Key) store.Query {
	return store.Query{Table: k.Table, Workspace: k.Workspace, Partition: k.Partition}
}

// late is how many intervals a pull may be old before its sync is overdue.
const late = 3

// Overdue reports whether a sync's schedule has not fired, or its pulls have failed, for
// some intervals. A sync with a run under way is not late: that goes first.
func Overdue(c *crm.Connection, sync crm.SyncID, latest time.Time, open bool, now time.Time) bool {
	conf := c.Sync(sync)
	if conf == nil || c.Status != crm.StatusActive || !c.Enabled || conf.Interval() <= 0 || open || latest.IsZero() {
		return false
	}
	return now.Sub(latest) > late*conf.Interval()
}
