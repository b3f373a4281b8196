package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// barFor is how long a process does not try again to write to a side that
// refused for want of a right. What it would have written waits in the store.
const barFor = time.Minute

// barredItem is a record whose write waits for a right in one of the apps.
type barredItem struct {
	V    int       `json:"v"`
	Hint hint      `json:"hint"`
	At   time.Time `json:"at"`
}

// barred is where a record waits for the right to write to the app of side to.
func (s scope) barred(to, side crm.Side, id crm.RecordID) store.Key {
	return s.key("barred_"+string(to), string(side)+"#"+string(id))
}

// missingRight reports whether err says that the credentials may not make this
// kind of call, which did surely not land.
func missingRight(err error) bool {
	return fault.Is(err, fault.Denied) && fault.CodeOf(err) == codePermission && !fault.MayHaveLanded(err)
}

// refusedWhole reports whether the app refused every row of a call for want of
// a right and named no field: then it is the object that may not be written. One
// row alone may be a record of which somebody else is the owner, and so are those
// that waited for a right until others turned out to have it.
func refusedWhole(side crm.Side, rows []row, got []connector.Written) error {
	others := slices.ContainsFunc(rows, func(r row) bool { return r.u.hint.Freed != side })
	for i := range got {
		var f *fault.Error
		if !missingRight(got[i].Err) || errors.As(got[i].Err, &f) && f.Field != "" {
			return nil
		}
	}
	if len(rows) > 1 && others {
		return got[0].Err
	}
	return nil
}

// refusedOne deals with the refusal of a single record for want of a right that
// names no field. It may be a record that somebody else owns: it fails by itself
// as long as no other one is refused, and two make a direction wait. One that is
// tried in order to see whether a right is back goes on waiting, and nobody else
// waits because of it. done says that the row is dealt with.
func (s *session) refusedOne(
	ctx context.Context, side crm.Side, rows []row, got []connector.Written,
) (done bool, err error) {
	var f *fault.Error
	if len(rows) != 1 || !missingRight(got[0].Err) || errors.As(got[0].Err, &f) && f.Field != "" {
		return false, nil
	}
	if rows[0].u.hint.Barred == side {
		s.Mark("refused_again")
		s.note(waitKey{s.scope, side, "waits"}, s.Now())
		return true, s.letRowsWait(ctx, side, rows, got[0].Err)
	}
	if rows[0].u.hint.Freed == side {
		return false, nil
	}
	before := ""
	s.refusals.change(outageKey{s.scope, side}, func(ref string, _ bool) string {
		before = ref
		return rows[0].Ref
	})
	waits := !s.notedAt(waitKey{s.scope, side, "waits"}).IsZero()
	if !waits && (before == "" || before == rows[0].Ref) {
		return false, nil
	}
	return true, s.bar(ctx, side, rows, got[0].Err)
}

// tookWrite notes that an app took a write: whoever was refused for want of a right
// was so for a reason of its own. It reports whether somebody waits for nothing.
func (s *session) tookWrite(side crm.Side) (waits bool) {
	s.refusals.drop(outageKey{s.scope, side})
	return !s.notedAt(waitKey{s.scope, side, "waits"}).IsZero()
}

// setAside lets what would be written to a side that lacks a right wait there
// and then: nothing of it is claimed, intended or tried. What is tried in order
// to see whether the right is back goes its way.
func (s *session) setAside(us []*unit) {
	for _, side := range crm.Sides {
		if age := s.Now().Sub(s.notedAt(waitKey{s.scope, side, "barred"})); age < 0 || age >= barFor {
			continue
		}
		for _, u := range us {
			if w := u.decision.Write(side); w != nil && u.hint.Barred != side && u.hint.Freed != side && !u.fate.stopped() {
				s.Mark("set_aside")
				u.bar(side)
			}
		}
	}
}

func (u *unit) bar(side crm.Side) {
	u.fate.barred.Set(side, true)
	if w := u.decision.Write(side); w != nil && w.Create {
		u.claims = nil
	}
}

// bar makes one direction wait: the app lets us read, and not write.
func (s *session) bar(ctx context.Context, side crm.Side, rows []row, err error) error {
	s.Mark("direction_denied")
	if err := s.letRowsWait(ctx, side, rows, err); err != nil {
		return err
	}
	s.note(waitKey{s.scope, side, "barred"}, s.Now())
	s.note(waitKey{s.scope, side, "waits"}, s.Now())
	s.bars[side.Index()] = true
	return nil
}

// letRowsWait makes records wait for a right, visibly.
func (s *session) letRowsWait(ctx context.Context, side crm.Side, rows []row, err error) error {
	for _, r := range rows {
		r.u.fate.barred.Set(side, true)
	}
	w := Waiting{
		Code: codePermission, Side: side, Account: s.conn.Account(side), App: s.end(side).app.ID, Direction: crm.WayTo(side),
		Since: s.Now(), Detail: safeText(err),
	}
	if err := s.noteWaiting(ctx, s.scope, &w); err != nil && !fault.Is(err, fault.Conflict) {
		return err
	}
	return nil
}

// unbar ends the wait of a direction: a write was taken again.
func (s *session) unbar(ctx context.Context, side crm.Side) {
	s.Mark("right_is_back")
	s.note(waitKey{s.scope, side, "barred"}, time.Time{})
	s.note(waitKey{s.scope, side, "waits"}, time.Time{})
	_, err := s.endWaits(ctx, s.scope, func(w *Waiting) bool { return w.Direction == crm.WayTo(side) })
	if err == nil { // one that was refused before it was known to be everybody's right
		_, err = s.Store.Write(ctx, store.Write{Item: store.Item{Key: s.refusalOver(failedAs{code: codePermission})}})
	}
	if err == nil {
		_, err = s.replay(ctx, s.scope, s.conn, side, s.Tuning.Window*s.Tuning.ChunkSize)
	}
	if err != nil {
		// the tick does it
		s.Log.Debug("what waited for a right is not replayed yet", "connection", s.con, "sync", s.sync, "error", err)
	}
}

// keepBarred stores the lot's records that wait for a right or a decision, before the chunks
// that brought them count as done.
func (b *books) keepBarred(ctx context.Context) error {
	if len(b.waitingHints) == 0 {
		return nil
	}
	if err := b.s.touchAgenda(ctx, b.s.scope); err != nil {
		return err
	}
	return b.s.keepHints(ctx, b.waitingHints)
}

// letWait enters a unit that waits for a right: its record, and those found to
// be its twin, are kept by name and looked at anew when the right is back.
func (b *books) letWait(u *unit) {
	b.s.Mark("record_barred")
	h := u.hint
	h.Digest, h.Expect, h.Tries, h.Freed = "", "", 0, ""
	add := func(side crm.Side, h hint) {
		for _, to := range crm.Sides {
			if u.fate.barred.Get(to) {
				h.Barred, h.Force = to, true
				b.waitingHints = append(b.waitingHints, placedHint{b.s.scope.barred(to, side, h.ID), h})
			}
		}
	}
	for _, t := range u.took {
		add(t.side, hint{ID: t.id})
	}
	add(u.side, h)
}

// probeSample is how many of the records that wait for a right are tried at a
// time, in one call: some may be refused for reasons of their own.
const probeSample = 10

// attendBarred tries a few records of each direction that lacks a right, about
// once a minute, and sends all of them when the right is back.
func (e *Engine) attendBarred(
	ctx context.Context, sc scope, conn *crm.Connection, running bool,
) (more bool, err error) {
	if !running {
		return false, nil
	}
	known, _, err := e.loadOutages(ctx, sc)
	if err != nil {
		return false, err
	}
	for _, side := range crm.Sides {
		waits := false
		for i := range known.Waits {
			waits = waits || known.Waits[i].Direction == crm.WayTo(side) && known.Waits[i].Account == conn.Account(side)
		}
		if waits {
			if !e.probeDue(sc, side, "write") {
				continue
			}
			n, err := e.probeWrite(ctx, sc, conn, side)
			if err != nil {
				return false, err
			}
			if n > 0 {
				continue
			}
			// Nobody waits for it any more.
			if _, err := e.endWaits(ctx, sc, func(w *Waiting) bool { return w.Direction == crm.WayTo(side) }); err != nil {
				return false, err
			}
		}
		n, err := e.replay(ctx, sc, conn, side, e.Tuning.ChunkSize)
		if err != nil {
			return false, err
		}
		more = more || n == e.Tuning.ChunkSize
	}
	return more, nil
}

// replay sends up to limit records that wait for the right to write to a side,
// and returns how many. Each is removed only after it is queued.
func (e *Engine) replay(ctx context.Context, sc scope, conn *crm.Connection, to crm.Side, limit int) (int, error) {
	return e.replayFrom(ctx, sc, conn, sc.barred(to, "", ""), "", limit, func(h *hint) { h.Barred, h.Freed = "", to })
}

// probeWrite sends the records that have waited longest for the right to write
// to a side, and returns how many.
func (e *Engine) probeWrite(ctx context.Context, sc scope, conn *crm.Connection, to crm.Side) (int, error) {
	e.Mark("right_probed")
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: sc.barred(to, "", "").Partition, Limit: e.Tuning.ChunkSize,
	})
	if err != nil || len(page.Items) == 0 {
		return 0, err
	}
	items, err := longestWaiting(page.Items, probeSample)
	if err != nil {
		return 0, err
	}
	return len(items), e.sendWaiting(ctx, sc, conn, "", items, func(*hint) {})
}

// replayFrom sends up to limit records that wait in a partition, under sort
// texts that begin with prefix, and returns how many.
func (e *Engine) replayFrom(
	ctx context.Context, sc scope, conn *crm.Connection, in store.Key, prefix string, limit int, mark func(*hint),
) (int, error) {
	q := store.Query{Table: store.Links, Workspace: sc.ws, Partition: in.Partition, Prefix: prefix}
	total := 0
	for total < limit {
		q.Limit = min(e.Tuning.ChunkSize, limit-total)
		page, err := e.Store.Query(ctx, q)
		if err != nil || len(page.Items) == 0 {
			return total, err
		}
		if err := e.sendWaiting(ctx, sc, conn, prefix, page.Items, mark); err != nil {
			return total, err
		}
		if total += len(page.Items); page.Next == "" {
			return total, nil
		}
	}
	return total, nil
}

// sendWaiting sends records that waited. Each is removed only after it is queued.
func (e *Engine) sendWaiting(
	ctx context.Context, sc scope, conn *crm.Connection, prefix string, items []store.Item, mark func(*hint),
) error {
	run, err := e.ensureWebhookRun(ctx, sc, conn)
	if err != nil {
		return err
	}
	hints := map[crm.Side][]hint{}
	deletes := make([]store.Write, 0, len(items))
	for _, it := range items {
		var in barredItem // or one that waited for a decision
		if err := json.Unmarshal(it.Data, &in); err != nil {
			return fault.Wrap("engine: decode waiting record", fault.Other, err)
		}
		side, _, _ := strings.Cut(strings.TrimPrefix(it.Sort, prefix), "#")
		mark(&in.Hint)
		hints[crm.Side(side)] = append(hints[crm.Side(side)], in.Hint)
		deletes = append(deletes, store.Write{
			Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version),
		})
	}
	for _, side := range crm.Sides {
		if len(hints[side]) == 0 {
			continue
		}
		if err := e.send(ctx, []*chunk{e.newChunk(sc, conn, RunCatchUp, run, side, hints[side])}); err != nil {
			return err
		}
	}
	_, errs := e.Store.BatchWrite(ctx, deletes)
	for _, err := range errs {
		if err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// longestWaiting picks the n records that were stored first. Those that are
// tried in vain are stored anew, so that every record has its turn.
func longestWaiting(items []store.Item, n int) ([]store.Item, error) {
	at := make(map[store.Key]time.Time, len(items))
	for _, it := range items {
		var in barredItem
		if err := json.Unmarshal(it.Data, &in); err != nil {
			return nil, fault.Wrap("engine: decode waiting record", fault.Other, err)
		}
		at[it.Key] = in.At
	}
	slices.SortStableFunc(items, func(a, b store.Item) int { return at[a.Key].Compare(at[b.Key]) })
	return items[:min(n, len(items))], nil
}
