package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Tick wakes whatever is due: parked chunks, inboxes, deletions, open runs and
// connections that are being erased. It goes round while there is something
// to do, for at most budget. Of a sync that could not be attended to it waits
// for the next try only while that is near; after that the next tick tries.
func (e *Engine) Tick(ctx context.Context, budget time.Duration) error {
	start := e.Now()
	for {
		busy, err := e.round(ctx)
		if err != nil {
			return err
		}
		left, failing := e.Backoff()
		if !busy && (!failing || left > worthAwaiting) {
			return nil
		}
		if age := e.Now().Sub(start); age < 0 || age >= budget || ctx.Err() != nil {
			return ctx.Err()
		}
		if !busy {
			e.Sleep(ctx, max(left, syncWaits.First))
			continue
		}
		e.Sleep(ctx, roundPause)
	}
}

// roundPause is between two rounds of a tick: a window of chunks takes longer.
const roundPause = 2 * time.Second

// worthAwaiting is how long a tick waits for a sync to be tried again with
// nothing else to do. A function is paid for while it sleeps.
const worthAwaiting = 5 * time.Second

// Round looks once at every sync that has something waiting. busy says that a
// run goes on or work is waiting for room in the queue; a sync that could not
// be attended to rests and does not count: see Rest.
func (e *Engine) Round(ctx context.Context) (busy bool, err error) { return e.round(ctx) }

func (e *Engine) round(ctx context.Context) (busy bool, err error) {
	var errs []error
	met := map[scope]bool{}
	err = e.eachItem(ctx, store.Query{Table: store.Links, Partition: "agenda", Limit: 200}, func(it store.Item) error {
		var a agendaItem
		if err := json.Unmarshal(it.Data, &a); err != nil {
			return fault.Wrap("engine: decode agenda", fault.Other, err)
		}
		sc := scope{a.Workspace, a.Connection, a.Sync}
		met[sc] = true
		b, err := e.attend(ctx, sc, a, it.Version)
		busy = busy || b
		if fault.Is(err, fault.Other) {
			errs = append(errs, err) // a bug; one sync's trouble is its own, the others are still attended to
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	e.forgetBackoffs(met)
	erasing, err := e.attendErasures(ctx)
	if err != nil {
		return false, err
	}
	return busy || erasing, errors.Join(errs...)
}

// attend does what is due for one sync, unless it rests; what is parked goes to
// the queue all the same.
func (e *Engine) attend(ctx context.Context, sc scope, a agendaItem, version int64) (busy bool, err error) {
	rests, whole := e.backsOff(sc)
	if whole {
		return false, nil
	}
	conn, began, err := e.connectionAt(ctx, sc.ws, sc.con)
	if fault.Is(err, fault.NotFound) || err == nil && conn.Status == crm.StatusDeleting {
		if busy, err = e.erase(ctx, sc, conn, a, version); err == nil {
			e.backoffOver(ctx, sc)
			return busy, nil
		}
	}
	if err == nil && len(conn.Leaving(sc.sync)) > 0 {
		if busy, err = e.leave(ctx, sc, conn, a, version); err == nil {
			e.backoffOver(ctx, sc)
			return busy, nil
		}
	}
	var parked bool
	if err == nil {
		parked, err = e.sendParked(ctx, sc, conn)
	}
	if err != nil {
		return e.backOff(ctx, sc, err, true), err
	}
	if rests {
		return parked, nil
	}
	if busy, err = e.attendRunning(ctx, sc, conn, a, version); err != nil {
		e.stands(ctx, sc, conn, began, err)
		return e.backOff(ctx, sc, err, false) || parked, err
	}
	e.backoffOver(ctx, sc)
	return busy || parked, nil
}

// attendRunning does what is due for a sync that may have to ask its apps.
func (e *Engine) attendRunning(
	ctx context.Context, sc scope, conn *crm.Connection, a agendaItem, version int64,
) (busy bool, err error) {
	st, err := e.loadScan(ctx, sc)
	if err != nil {
		return false, err
	}
	ok, _ := runnable(conn, sc.sync)
	listing := false
	if st.OpenRun != "" {
		over, err := e.Advance(ctx, sc.ws, st.OpenRun)
		if err == nil && over { // its worker may have died before it let go
			err = e.letGo(ctx, sc, st.OpenRun, nil)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return false, err
		}
		listing = err == nil && !over
		owed, _ := st.owes(conn, sc.sync) // after this one
		busy = busy || ok && (!over || owed != "")
	}
	if ok {
		begun, err := e.attendOwed(ctx, sc, conn, st)
		if err != nil {
			return false, err
		}
		busy = busy || begun
	}
	open, err := e.advanceOpen(ctx, sc)
	if err != nil {
		return false, err
	}
	var gone bool
	if ok {
		if gone, err = e.attendGone(ctx, sc, conn, listing); err != nil {
			return false, err
		}
	}
	arrived, err := e.attendArriving(ctx, sc, conn, ok)
	if err != nil {
		return false, err
	}
	drained, err := e.drainInbox(ctx, sc, conn, ok && !arrives(conn, sc.sync))
	if err != nil {
		return false, err
	}
	listening, err := e.listen(ctx, sc, conn, ok)
	if err != nil {
		return false, err
	}
	ended, err := e.attendWaits(ctx, sc, conn, ok)
	if err != nil {
		return false, err
	}
	awaits, err := e.attendAwaited(ctx, sc, conn, ok)
	if err != nil {
		return false, err
	}
	replayed, err := e.attendBarred(ctx, sc, conn, ok)
	if err != nil {
		return false, err
	}
	decided, err := e.attendBrakes(ctx, sc, conn, ok)
	if err != nil {
		return false, err
	}
	busy = busy || open || arrived || gone || drained || replayed || decided
	if busy || listening || ended || st.OpenRun != "" {
		return busy, nil
	}
	if ok {
		if err := e.recoverAlone(ctx, sc, conn); err != nil {
			return false, err
		}
		if len(st.Held) > 0 {
			return false, e.releaseHeld(ctx, sc, conn)
		}
	}
	if awaits {
		return false, nil
	}
	if waiting, err := e.waiting(ctx, sc); err != nil || waiting {
		return false, err
	}
	if age := e.Now().Sub(a.Touched); age >= 0 && age < e.Tuning.AgendaFor {
		return false, nil
	}
	if known, _, err := e.loadOutages(ctx, sc); err != nil || ok && !known.none() {
		return false, err // somebody has to look when it is over
	}
	_, err = e.Store.Write(ctx, store.Write{
		Op: store.Delete, Item: store.Item{Key: agendaKey(sc)}, If: store.IfVersion(version),
	})
	if fault.Is(err, fault.Conflict) {
		return false, nil // touched meanwhile
	}
	return false, err
}

// waiting reports whether anything still waits in the store for the sync.
func (e *Engine) waiting(ctx context.Context, sc scope) (bool, error) {
	for i := range store.Kinds {
		k := &store.Kinds[i]
		if k.Tick == store.Sleeps {
			continue
		}
		for _, p := range sc.partitions(k, nil) {
			page, err := e.Store.Query(ctx, store.Query{Table: k.Table, Workspace: sc.ws, Partition: p, Limit: 1})
			if err != nil || len(page.Items) > 0 {
				return true, err
			}
		}
	}
	l, err := e.loadLease(ctx, sc)
	return err != nil || len(l.Intent) > 0, err
}

// sendParked queues the parked chunks that are due. Each is removed only after
// it is queued, so that it may come twice and never not at all.
func (e *Engine) sendParked(ctx context.Context, sc scope, conn *crm.Connection) (more bool, err error) {
	off, _ := runnable(conn, sc.sync)
	off = !off && conn.Sync(sc.sync) != nil // what a run sent waits until its sync is on again
	now := fmt.Sprintf("%019d", e.Now().UnixNano())
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: sc.parked(time.Time{}, "").Partition, To: now,
		Limit: e.Tuning.Window,
	})
	if err != nil {
		return false, err
	}
	for _, it := range page.Items {
		c, err := decodeChunk(it.Data)
		if err != nil {
			return false, err
		}
		if off && c.Counted && c.Kind != RunPlan {
			continue
		}
		if err := e.send(ctx, []*chunk{c}); err != nil {
			return false, err
		}
		e.Mark("parked_sent")
		if _, err := e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}}); err != nil {
			return false, err
		}
	}
	return !off && len(page.Items) == e.Tuning.Window, nil
}

// drainInbox queues what came while the sync was off or far behind. Whatever
// waited longer than an app's changes can be trusted to be listed again starts
// a full enumeration instead.
func (e *Engine) drainInbox(ctx context.Context, sc scope, conn *crm.Connection, running bool) (more bool, err error) {
	if !running || e.backlog(ctx) > e.Tuning.InboxAfter/2 {
		return false, nil
	}
	q := store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: sc.inbox(crm.Left, "x").Partition, Limit: e.Tuning.ChunkSize,
	}
	page, err := e.Store.Query(ctx, q)
	if err != nil || len(page.Items) == 0 {
		return false, err
	}
	run, err := e.ensureWebhookRun(ctx, sc, conn)
	if err != nil {
		return false, err
	}
	hints := map[crm.Side][]hint{}
	var deletes []store.Write
	for _, it := range page.Items {
		var in inboxItem
		if err := json.Unmarshal(it.Data, &in); err != nil {
			return false, fault.Wrap("engine: decode inbox", fault.Other, err)
		}
		side, _, _ := strings.Cut(it.Sort, "#")
		hints[crm.Side(side)] = append(hints[crm.Side(side)], in.Hint)
		// A newer hint for the same record, stored meanwhile, stays.
		deletes = append(deletes, store.Write{
			Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version),
		})
	}
	for _, side := range crm.Sides {
		if len(hints[side]) == 0 {
			continue
		}
		if err := e.send(ctx, []*chunk{e.newChunk(sc, conn, RunCatchUp, run, side, hints[side])}); err != nil {
			return false, err
		}
	}
	e.Mark("inbox_drained")
	_, errs := e.Store.BatchWrite(ctx, deletes)
	for _, err := range errs {
		if err != nil && !fault.Is(err, fault.Conflict) {
			return true, err
		}
	}
	return page.Next != "", nil
}

// erase removes what a deleted connection left, a page at a time; the agenda
// entry goes last, so that the next tick goes on where this one stopped.
func (e *Engine) erase(
	ctx context.Context, sc scope, conn *crm.Connection, a agendaItem, version int64,
) (busy bool, err error) {
	days, err := e.logDaysOf(ctx, sc.ws)
	if err != nil {
		return true, err
	}
	for _, q := range e.belongings(sc, days) {
		more, err := e.erasePages(ctx, q)
		if err != nil {
			return true, err
		}
		busy = busy || more
	}
	if more, err := e.erasePlans(ctx, sc); err != nil || more || busy {
		return true, err
	}
	if more, err := e.forgetTold(ctx, sc.ws, conn); err != nil || more {
		return true, err
	}
	if over, busy, err := e.eraseClaims(ctx, sc, conn, claimsOf(sc, conn), a, version); err != nil || !over {
		return busy, err
	}
	if conn != nil && conn.Status == crm.StatusDeleting {
		if stays, err := e.eraseDocument(ctx, sc); err != nil || stays {
			return false, err
		}
	}
	_, err = e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: agendaKey(sc)}})
	return false, err
}

// erasePlans removes the plans of a sync, whose pages hold values of records, and reports
// whether there may be more of them. A plan goes after its pages.
func (e *Engine) erasePlans(ctx context.Context, sc scope) (more bool, err error) {
	q := store.Query{Table: store.Log, Workspace: sc.ws, Partition: planKey(sc.ws, "").Partition, Limit: 500}
	err = e.eachItem(ctx, q, func(it store.Item) error {
		var p storedPlan
		if json.Unmarshal(it.Data, &p) != nil || p.Plan.Connection != sc.con || p.Plan.Sync != sc.sync {
			return nil // another one's, or nothing that can be read: that ends by itself
		}
		pages := store.Query{
			Table: store.Log, Workspace: sc.ws, Partition: planPage(sc.ws, p.Plan.ID, "").Partition, Limit: 200,
		}
		left, err := e.erasePages(ctx, pages)
		if more = more || left; err != nil || left {
			return err
		}
		_, err = e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}})
		return err
	})
	return more, err
}

// eraseDocument removes a connection once no other sync of it is on the agenda any
// more. That is for the sync whose entry sorts last, which stays for it: its entry
// goes after the document, so that whoever stops in between comes back.
func (e *Engine) eraseDocument(ctx context.Context, sc scope) (stays bool, err error) {
	own, last := agendaKey(sc).Sort, true
	q := store.Query{
		Table: store.Links, Partition: "agenda", Prefix: string(sc.ws) + "#" + string(sc.con) + "#",
		Limit: 10,
	}
	err = e.eachItem(ctx, q, func(it store.Item) error {
		last, stays = last && it.Key.Sort <= own, stays || it.Key.Sort < own
		return nil
	})
	if err != nil || !last || stays {
		return last && stays, err
	}
	e.Mark("connection_erased")
	_, err = e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: store.ConnectionKey(sc.ws, sc.con)}})
	return false, err
}

// erasePages deletes what a query finds, for some pages, and reports whether
// there may be more. A page of a store may be empty although more follows.
func (e *Engine) erasePages(ctx context.Context, q store.Query) (more bool, err error) {
	for range 20 {
		page, err := e.Store.Query(ctx, q)
		if err != nil {
			return true, err
		}
		if len(page.Items) > 0 {
			ws := make([]store.Write, len(page.Items))
			for i, it := range page.Items {
				ws[i] = store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}}
			}
			if _, errs := e.Store.BatchWrite(ctx, ws); errs != nil {
				return true, errors.Join(errs...)
			}
			more = more || page.Next != ""
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return more, nil
		}
	}
	return true, nil
}

// belongings lists every partition that a sync of a connection owns.
func (e *Engine) belongings(sc scope, kept int) []store.Query {
	var out []store.Query
	days := e.logDays(kept, 0)
	for i := range store.Kinds {
		k, limit := &store.Kinds[i], 500
		if k.Split == store.ByLogDay {
			limit = 200 // pages are large
		}
		for _, p := range sc.partitions(k, days) {
			q := store.Query{Table: k.Table, Workspace: sc.ws, Partition: p, Limit: limit}
			if !slices.Contains(out, q) { // two kinds may share a partition
				out = append(out, q)
			}
		}
	}
	return out
}
