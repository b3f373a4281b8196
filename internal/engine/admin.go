package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// change loads a connection, lets f change it, and stores it, again if somebody was faster.
func (e *Engine) change(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, f func(*crm.Connection) error,
) (*crm.Connection, error) {
	for range 8 {
		conn, version, err := store.LoadConnection(ctx, e.Store, ws, id)
		if err != nil {
			return nil, err
		}
		was := conn.Status
		if err := f(conn); err != nil {
			return nil, err
		}
		if conn.Status != was {
			conn.StatusAt = e.Now()
		}
		_, err = store.SaveConnection(ctx, e.Store, ws, conn, version)
		if err == nil {
			return conn.Unfolded(), nil
		}
		if !fault.Is(err, fault.Conflict) {
			return nil, err
		}
	}
	return nil, fault.New("engine: change connection", fault.Conflict, "busy",
		"the connection is being changed; try again")
}

// StartConnection makes a connection active. A draft begins with its initial
// runs, companies before people before deals; one that was paused or waited for
// an authorisation looks at once what it missed, whatever its schedule. Conflict
// while the connection is switched off: nothing would come of it.
func (e *Engine) StartConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]Run, error) {
	return e.startConnection(ctx, ws, id, func(c *crm.Connection) error {
		if !c.Enabled {
			return fault.New("engine: start", fault.Conflict, reconcile.CodeSwitchedOff,
				"the connection is switched off: set enabled to true first")
		}
		return nil
	})
}

func (e *Engine) startConnection(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, may func(*crm.Connection) error,
) ([]Run, error) {
	var was crm.Status
	conn, err := e.change(ctx, ws, id, func(c *crm.Connection) error {
		was = c.Status
		if err := may(c); err != nil && c.Status != crm.StatusDeleting {
			return err
		}
		switch c.Status {
		case crm.StatusDeleting:
			return fault.New("engine: start", fault.Conflict, "connection_deleting", "the connection is being deleted")
		case crm.StatusHalted:
			return fault.New("engine: start", fault.Conflict, "connection_halted", "confirm or discard the deletions first")
		case crm.StatusDraft, crm.StatusPaused, crm.StatusNeedsAuth, crm.StatusActive, "":
		}
		if was == crm.StatusDraft {
			c.Begin(nil, e.Now())
		}
		c.Status = crm.StatusActive
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Run
	for _, i := range startOrder(conn) {
		conf := &conn.Syncs[i]
		sc := scope{ws, id, conf.ID}
		if err := e.touchAgenda(ctx, sc); err != nil {
			return out, err
		}
		if ok, _ := runnable(conn, conf.ID); !ok {
			continue
		}
		st, err := e.loadScan(ctx, sc)
		if err != nil {
			return out, err
		}
		var run Run
		switch {
		case st.fresh() || was == crm.StatusDraft: // a start that got no further than the switch begins here, too
			run, err = e.startInitial(ctx, sc, conn)
		case was == crm.StatusActive:
			continue
		default:
			run, err = e.catchUp(ctx, sc, conn)
		}
		if err != nil {
			return out, err
		}
		out = append(out, run)
	}
	return out, nil
}

// startInitial starts the first enumeration of a sync.
func (e *Engine) startInitial(ctx context.Context, sc scope, conn *crm.Connection) (Run, error) {
	return e.startRun(ctx, sc, conn, RunInitial, func(r *storedRun) {
		r.Full, r.NoHints = true, conn.Sync(sc.sync).Initial == "changes_only"
	})
}

// fresh reports whether a sync has never listed anything.
func (st *scanState) fresh() bool {
	return st.OpenRun == "" && st.LatestPull.IsZero() && st.Cursor == crm.PerSide[string]{}
}

// startOrder puts companies before people before deals before activities, so that
// references find their targets.
func startOrder(conn *crm.Connection) []int {
	rank := func(s crm.Sync) int {
		if s.About != nil {
			return 3
		}
		switch o := strings.ToLower(s.Left.Object + " " + s.Right.Object); {
		case strings.Contains(o, "compan"), strings.Contains(o, "account"):
			return 0
		case strings.Contains(o, "deal"), strings.Contains(o, "opportunit"):
			return 2
		}
		return 1
	}
	order := make([]int, len(conn.Syncs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rank(conn.Syncs[a]) - rank(conn.Syncs[b]) })
	return order
}

// PauseConnection stops reading and writing. When it returns, at most the
// request that is on the wire still lands.
func (e *Engine) PauseConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) error {
	_, err := e.change(ctx, ws, id, func(c *crm.Connection) error {
		if c.Status != crm.StatusActive && c.Status != crm.StatusPaused && c.Status != crm.StatusNeedsAuth {
			return fault.New("engine: pause", fault.Conflict, "not_running", "only a running connection can be paused")
		}
		c.Status = crm.StatusPaused
		return nil
	})
	return err
}

// DeleteConnection stops a connection for good; the tick erases what belongs to it.
func (e *Engine) DeleteConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) error {
	conn, err := e.change(ctx, ws, id, func(c *crm.Connection) error {
		if c.Status != crm.StatusDeleting {
			c.Status = crm.StatusDeleting
			c.Generation++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(conn.Syncs) == 0 {
		for more := true; more; { // of syncs that it had before
			if more, err = e.forgetTold(ctx, ws, conn); err != nil {
				return err
			}
		}
		_, err := e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: store.ConnectionKey(ws, id)}})
		return err
	}
	for _, s := range conn.Syncs {
		if err := e.touchAgenda(ctx, scope{ws, id, s.ID}); err != nil {
			return err
		}
	}
	for _, f := range conn.Former { // of which something may still be known
		if f.Erased {
			continue
		}
		if err := e.touchAgenda(ctx, scope{ws, id, f.Sync}); err != nil {
			return err
		}
	}
	return nil
}

// AccountAuthorized resumes every connection that waited for the account's authorisation.
func (e *Engine) AccountAuthorized(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID) error {
	return e.eachConnection(ctx, ws, func(c *crm.Connection) error {
		if c.Left.Account != account && c.Right.Account != account {
			return nil
		}
		if c.Status == crm.StatusNeedsAuth {
			_, err := e.startConnection(ctx, ws, c.ID, func(*crm.Connection) error { return nil })
			return err
		}
		return e.tryRights(ctx, ws, c, account)
	})
}

// tryRights lets what waits for a right of the account be tried again at once.
func (e *Engine) tryRights(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, account crm.AccountID) error {
	for i := range c.Syncs {
		sc := scope{ws, c.ID, c.Syncs[i].ID}
		ended, err := e.endWaits(ctx, sc, func(w *Waiting) bool { return w.Account == account && w.denied() })
		if err != nil {
			return err
		}
		if !ended {
			continue
		}
		if err := e.touchAgenda(ctx, sc); err != nil {
			return err
		}
		if ok, _ := runnable(c, sc.sync); ok {
			if _, err := e.catchUp(ctx, sc, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// CatchUp lets the syncs named look at once what they missed: they were switched
// on again. Those that may not run are left alone.
func (e *Engine) CatchUp(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, syncs []crm.SyncID) error {
	conn, _, err := e.loadConnection(ctx, ws, id)
	if err != nil {
		return err
	}
	for _, sync := range syncs {
		if ok, _ := runnable(conn, sync); !ok {
			continue
		}
		if _, err := e.catchUp(ctx, scope{ws, id, sync}, conn); err != nil {
			return err
		}
	}
	return nil
}

// ConfirmDeletions lets the deletions that halted a sync be applied.
func (e *Engine) ConfirmDeletions(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID) error {
	return e.decideHalt(ctx, scope{ws, id, sync}, true)
}

// DiscardDeletions forgets the deletions that halted a sync; both records of
// each pair stay as they are, and the pairs stay linked.
func (e *Engine) DiscardDeletions(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID) error {
	return e.decideHalt(ctx, scope{ws, id, sync}, false)
}

// noneHalted reports whether no sync of a connection is halted.
func (e *Engine) noneHalted(ctx context.Context, sc scope, conn *crm.Connection) (bool, error) {
	for i := range conn.Syncs {
		h, _, err := e.loadHalt(ctx, scope{sc.ws, sc.con, conn.Syncs[i].ID})
		if err != nil || !h.Halt.Since.IsZero() {
			return false, err
		}
	}
	return true, nil
}

func (e *Engine) decideHalt(ctx context.Context, sc scope, apply bool) error {
	conn, _, err := e.loadConnection(ctx, sc.ws, sc.con)
	if err != nil {
		return err
	}
	h, version, err := e.loadHalt(ctx, sc)
	if err != nil {
		return err
	}
	if conn.Sync(sc.sync) == nil {
		return fault.New("engine: decide deletions", fault.NotFound, "sync_not_found", "the connection has no such sync")
	}
	halted := conn.Status == crm.StatusHalted && !h.Halt.Since.IsZero()
	if conn.Status == crm.StatusHalted && !halted {
		// A decision that stopped half-way can be made again.
		if halted, err = e.noneHalted(ctx, sc, conn); err != nil {
			return err
		}
	}
	if !halted {
		return fault.New("engine: decide deletions", fault.Conflict, "not_halted", "the sync is not halted")
	}
	found, err := e.countGone(ctx, sc)
	if err != nil {
		return err
	}
	if apply {
		h.Left, h.Discarded = found.all(), nil
	} else {
		h.Left, h.Discarded, h.DiscardedAt = 0, append(h.Discarded, found.marks()...), e.Now()
		if len(h.Discarded) > maxDiscarded {
			h.Discarded = h.Discarded[len(h.Discarded)-maxDiscarded:]
		}
		if version, err = e.saveHaltAt(ctx, sc, h, version); err != nil {
			return err
		}
		err := e.eachItem(ctx, store.Query{Table: store.Links, Workspace: sc.ws, Partition: sc.gone(crm.Left, "x").Partition},
			func(it store.Item) error {
				_, err := e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}})
				return err
			})
		if err != nil {
			return err
		}
	}
	h.Confirmed, h.Halt = apply, Halt{}
	if err := e.saveHalt(ctx, sc, h, version); err != nil {
		return err
	}
	if _, err := e.change(ctx, sc.ws, sc.con, func(c *crm.Connection) error {
		if c.Status == crm.StatusHalted {
			c.Status = crm.StatusActive
		}
		return nil
	}); err != nil {
		return err
	}
	return e.touchAgenda(ctx, sc)
}
