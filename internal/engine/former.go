package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// A sync that was taken out, or joined to another account or object, knows nothing of
// the records that it is about from then on: an ID may stand for somebody else there.
// What it knew goes before it does anything again. The document says what there is to
// forget, so that nobody stops half-way: see crm.Former.

// codeEndsChanged says that a sync waits until what was known of other records is gone.
const codeEndsChanged = "ends_changed"

// Leaves has the tick look at syncs that a document which is about to be saved takes
// out, or joins to other records.
func (e *Engine) Leaves(ctx context.Context, ws crm.WorkspaceID, conn *crm.Connection) error {
	for _, f := range conn.Former {
		if f.Erased {
			continue
		}
		if err := e.touchAgenda(ctx, scope{ws, conn.ID, f.Sync}); err != nil {
			return err
		}
	}
	return nil
}

// formerEnds are the objects of such ends, each once.
func formerEnds(fs []crm.Former) (out []appObject) {
	for _, f := range fs {
		for _, side := range crm.Sides {
			if o := (appObject{f.Account.Get(side), f.Object.Get(side)}); !slices.Contains(out, o) {
				out = append(out, o)
			}
		}
	}
	return out
}

// leave forgets what a sync knew of the records it was about, a page at a time, and
// reports whether there is more to do at once.
func (e *Engine) leave(
	ctx context.Context, sc scope, conn *crm.Connection, a agendaItem, version int64,
) (busy bool, err error) {
	left := conn.Leaving(sc.sync)
	if err := e.endLeft(ctx, sc, conn); err != nil {
		return false, err
	}
	if err := e.fenceLeft(ctx, sc, conn); err != nil {
		return false, err
	}
	if more, err := e.eraseLeft(ctx, sc, conn, left); err != nil || more {
		return more, err
	}
	x := leftClaims{in: formerEnds(left), of: func(scope string) bool { return scope == sc.name() }}
	if over, busy, err := e.eraseClaims(ctx, sc, conn, x, a, version); err != nil || !over {
		return busy, err
	}
	var unused []crm.AccountID
	for _, o := range x.in {
		if o.account != conn.Left.Account && o.account != conn.Right.Account && !slices.Contains(unused, o.account) {
			unused = append(unused, o.account)
		}
	}
	if more, err := e.forgetToldOf(ctx, sc.ws, sc.con, unused); err != nil || more {
		return more, err
	}
	if err := e.beginAnew(ctx, sc, conn); err != nil {
		return false, err
	}
	_, err = e.change(ctx, sc.ws, sc.con, func(c *crm.Connection) error {
		for i := range c.Former {
			if slices.ContainsFunc(left, func(f crm.Former) bool { return f.At.Equal(c.Former[i].At) }) &&
				c.Former[i].Sync == sc.sync {
				c.Former[i].Erased = true
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	e.Mark("ends_left")
	e.Log.Info("what a sync knew of other records is forgotten", "connection", sc.con, "sync", sc.sync)
	return true, nil
}

// endLeft ends the runs that were about the records of before.
func (e *Engine) endLeft(ctx context.Context, sc scope, conn *crm.Connection) error {
	st, err := e.loadScan(ctx, sc)
	if err != nil {
		return err
	}
	if st.OpenRun != "" {
		if _, err := e.endOlder(ctx, sc, conn, st.OpenRun); err != nil {
			return err
		}
	}
	q := store.Query{Table: store.Links, Workspace: sc.ws, Partition: sc.openRun("x").Partition, Limit: 100}
	return e.eachItem(ctx, q, func(it store.Item) error {
		over, err := e.endOlder(ctx, sc, conn, crm.RunID(it.Sort))
		if err == nil && over {
			_, err = e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}})
		}
		return err
	})
}

// endOlder ends a run of an older generation. A plan of this one waits.
func (e *Engine) endOlder(ctx context.Context, sc scope, conn *crm.Connection, id crm.RunID) (over bool, err error) {
	r, err := e.loadRun(ctx, sc.ws, id)
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	if err != nil || r.Generation == conn.Generation && r.open() {
		return false, err
	}
	over, err = e.Advance(ctx, sc.ws, id) // which says why it was cancelled
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	return over, err
}

// fenceLeft takes the sync's lease from whoever works it under the settings of before:
// nothing of it is stored any more, and nobody who has not read those of now takes it.
func (e *Engine) fenceLeft(ctx context.Context, sc scope, conn *crm.Connection) error {
	held, err := e.loadLease(ctx, sc)
	if err != nil || held.Owner == "" && len(held.Intent) == 0 && held.Config >= conn.Version {
		return err
	}
	next := &lease{
		Epoch: held.Epoch + 1, Wrote: held.Epoch + 1, Erased: held.Erased, Config: max(held.Config, conn.Version),
		version: held.version,
	}
	w, err := next.asWrite(sc)
	if err != nil {
		return err
	}
	_, err = e.Store.Write(ctx, w)
	return err // Conflict: it was just released or taken, and is looked at once more
}

// eraseLeft takes away what lies in the sync's own partitions, and what was given up of
// it. What came since for the records of now stays, and so does history.
func (e *Engine) eraseLeft(
	ctx context.Context, sc scope, conn *crm.Connection, left []crm.Former,
) (more bool, err error) {
	since := left[len(left)-1].At
	stays := func(it store.Item) bool { // what nobody can read goes
		kind, _ := store.KindOf(it.Key)
		switch kind.Name {
		case "lease":
			return true
		case "sync":
			return it.Sort == sc.scan().Sort // it begins anew
		case "parked":
			c, err := decodeChunk(it.Data)
			return err == nil && c.Generation >= conn.Generation
		case "open_run":
			return true // of this generation: see endLeft
		case "inbox":
			var in inboxItem
			return json.Unmarshal(it.Data, &in) == nil && !in.At.Before(since)
		case "dead":
			var d deadItem
			return json.Unmarshal(it.Data, &d) == nil &&
				(d.Chunk.Sync != sc.sync || d.Chunk.Generation >= conn.Generation)
		default:
			return false
		}
	}
	for i := range store.Kinds {
		k := &store.Kinds[i]
		if k.Owner != store.OfSync && k.Name != "dead" {
			continue
		}
		for _, p := range sc.partitions(k, nil) {
			q := store.Query{Table: k.Table, Workspace: sc.ws, Partition: p, Limit: 500}
			some, err := e.eraseSome(ctx, q, stays)
			if err != nil {
				return true, err
			}
			more = more || some
		}
	}
	if conn.Sync(sc.sync) != nil || more {
		return more, nil
	}
	return e.erasePlans(ctx, sc)
}

// eraseSome deletes what of a partition does not stay, for some pages, and reports
// whether there may be more.
func (e *Engine) eraseSome(
	ctx context.Context, q store.Query, stays func(store.Item) bool,
) (more bool, err error) {
	for range 20 {
		page, err := e.Store.Query(ctx, q)
		if err != nil {
			return true, err
		}
		var ws []store.Write
		for _, it := range page.Items {
			if !stays(it) {
				ws = append(ws, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}})
			}
		}
		if len(ws) > 0 {
			if _, errs := e.Store.BatchWrite(ctx, ws); errs != nil {
				return true, errors.Join(errs...)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return false, nil
		}
	}
	return true, nil
}

// beginAnew has the sync's first run begin once it may work again; of a sync that is gone
// the place in its listing goes, too.
func (e *Engine) beginAnew(ctx context.Context, sc scope, conn *crm.Connection) error {
	if conn.Sync(sc.sync) == nil {
		_, err := e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: sc.scan()}})
		return err
	}
	st, err := e.loadScan(ctx, sc)
	if err != nil {
		return err
	}
	return e.saveScan(ctx, sc, &scanState{V: 1, Anew: true, version: st.version})
}

// aboutNow refuses what is asked of an entry of the log that is about records of before:
// its IDs may stand for others by now.
func (en *Entry) aboutNow(op string, conn *crm.Connection) error {
	if slices.ContainsFunc(conn.Former, func(f crm.Former) bool { return f.Sync == en.Sync && en.Time.Before(f.At) }) {
		return fault.New(op, fault.Conflict, "connection_changed", "the sync was joined to other records since")
	}
	return nil
}
