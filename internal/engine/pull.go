package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Pull is one firing of a sync's schedule: list what changed on both sides
// since the last time and queue it. With nothing changed it costs one call a
// side and stores only the time. It never overlaps: an open run goes first.
func (e *Engine) Pull(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, sync crm.SyncID) error {
	sc := scope{ws, con, sync}
	conn, _, err := store.LoadConnection(ctx, e.Store, ws, con)
	if err != nil {
		return err
	}
	if ok, _ := runnable(conn, sync); !ok {
		return nil
	}
	st, err := e.loadScan(ctx, sc)
	if err != nil {
		return err
	}
	if st.OpenRun != "" {
		if r, err := e.loadRun(ctx, ws, st.OpenRun); err == nil && r.open() && r.Generation == conn.Generation {
			e.Mark("pull_waits_for_open_run")
			return e.touchAgenda(ctx, sc)
		}
	}
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return e.pullFailed(ctx, sc, conn, err)
	}
	return e.pullFailed(ctx, sc, conn, s.pull(ctx, st))
}

// pullFailed marks a connection whose grant is gone; other trouble is left to the next firing.
func (e *Engine) pullFailed(ctx context.Context, sc scope, conn *crm.Connection, err error) error {
	if fault.Is(err, fault.Denied) {
		e.needAuthorization(ctx, &chunk{Workspace: sc.ws, Connection: sc.con, Sync: sc.sync}, err)
	}
	return err
}

// pull lists both sides. A run is stored once there is something to do.
func (s *session) pull(ctx context.Context, st *scanState) error {
	r := s.newRun(s.scope, s.conn, RunPull)
	stored := false
	for r.Phase == phaseLeft || r.Phase == phaseRight {
		page, side, err := s.listPage(ctx, r, st)
		if err != nil {
			return err
		}
		if !stored && (len(page.Records) > 0 || page.Next != "" || s.sweepDue(st)) {
			if err := s.touchAgenda(ctx, s.scope); err != nil {
				return err
			}
			if err := s.saveRun(ctx, s.ws, r); err != nil {
				return err
			}
			st.OpenRun = r.Run.ID
			if err := s.saveScan(ctx, s.scope, st); err != nil {
				if fault.Is(err, fault.Conflict) {
					s.Mark("pull_lost_race")
					_, derr := s.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: runKey(s.ws, r.Run.ID)}})
					return derr
				}
				return err
			}
			stored = true
		}
		s.take1(r, side, page)
		if stored {
			full, err := s.sendRest(ctx, r)
			if err != nil {
				return err
			}
			if err := s.saveRun(ctx, s.ws, r); err != nil {
				return err
			}
			if full {
				return nil // the tick goes on with it
			}
		}
	}
	if stored {
		return s.advance(ctx, r)
	}
	return s.saveCursors(ctx, r)
}

func (s *session) sweepDue(st *scanState) bool {
	if age := s.Now().Sub(st.SweptAt); age >= 0 && age < s.Tuning.SweepEvery {
		return false
	}
	for _, side := range crm.Sides {
		if s.end(side).app.Can(crm.AbilityArchiveSweep) {
			return true
		}
	}
	return false
}

// listPage asks for the next page of the run's listing.
func (s *session) listPage(ctx context.Context, r *storedRun, st *scanState) (connector.ChangesPage, crm.Side, error) {
	side := crm.Left
	if r.Phase == phaseRight {
		side = crm.Right
	}
	e := s.end(side)
	req := connector.ChangesRequest{Object: e.object, Fields: e.fields, Cursor: st.Cursor.Get(side), Position: r.Position, Full: r.Full}
	if req.Cursor == "" && req.Position == "" {
		req.Full = true // never listed before: begin with everything there is
	}
	if r.Run.Kind == RunPlan {
		req.Cursor = ""
	}
	cctx, cancel := s.call(ctx, side)
	defer cancel()
	page, err := e.Changes(cctx, req)
	if err != nil {
		return page, side, fmt.Errorf("%s: list changes: %w", side, err)
	}
	return page, side, nil
}

// take1 moves the run past one page: its hints wait in the run to be sent.
func (s *session) take1(r *storedRun, side crm.Side, page connector.ChangesPage) {
	r.Seq++
	r.RestSide = side
	for i := range page.Records {
		rec := &page.Records[i]
		h := hint{ID: rec.ID, Force: r.Force}
		switch {
		case rec.MergedInto != "":
			h.Into, h.Gone = rec.MergedInto, true
		case rec.Deleted:
			h.Gone = true
		case !r.Force:
			h.Digest = rec.Fields.Digest(s.end(side).fields)
		}
		if !r.NoHints {
			r.Rest = append(r.Rest, h)
			r.Listed++
		}
	}
	r.Position = page.Next
	if page.Next == "" {
		r.Cursor.Set(side, page.Cursor)
		r.Phase = r.after(r.Phase)
	}
}

// after is the phase that follows.
func (r *storedRun) after(p phase) phase {
	switch p {
	case phaseLeft:
		return phaseRight
	case phaseRight:
		if r.Run.Kind == RunPull && !r.Full {
			return phaseSweepLeft
		}
		return phaseDrain
	case phaseSweepLeft:
		return phaseSweepRight
	case phaseSweepRight, phaseApply:
		return phaseDrain
	case phaseDrain:
		if r.Full && !r.NoHints && r.Run.Kind != RunPlan {
			return phaseMissing
		}
		return phaseOver
	case phaseMissing:
		return phaseConfirm
	case phaseConfirm, phaseOver:
		return phaseOver
	}
	return phaseOver
}

// sendRest queues hints that were listed, as far as the window allows. full
// says that some have to wait.
func (s *session) sendRest(ctx context.Context, r *storedRun) (full bool, err error) {
	for len(r.Rest) > 0 {
		counters, err := s.counters(ctx, s.ws, r.Run.ID)
		if err != nil {
			return false, err
		}
		room := s.Tuning.Window - int(r.Sent+counters["sent"]-counters["chunks"])
		if room <= 0 {
			return true, nil
		}
		n := min(room*s.Tuning.ChunkSize, len(r.Rest))
		var cs []*chunk
		for hints := range slices.Chunk(r.Rest[:n], s.Tuning.ChunkSize) {
			c := s.newChunk(s.scope, s.conn, r.Run.Kind, r.Run.ID, r.RestSide, slices.Clone(hints))
			c.Generation, c.Counted, c.Plan = r.Generation, true, r.Run.Plan
			c.ID = chunkID(r, hints)
			cs = append(cs, c)
		}
		if err := s.send(ctx, cs); err != nil {
			return false, err
		}
		r.Sent += int64(len(cs))
		r.Rest = slices.Clone(r.Rest[n:])
	}
	return false, nil
}

// chunkID names a chunk by its page and content, so that sending it once more
// after a crash makes no second one.
func chunkID(r *storedRun, hints []hint) string {
	f := crm.Fields{}
	for _, h := range hints {
		f[string(h.ID)] = crm.TextValue(fmt.Sprint(h.Digest, h.Expect, h.Gone, h.Into))
	}
	names := make([]string, 0, len(f))
	for n := range f {
		names = append(names, n)
	}
	return fmt.Sprintf("chk_%s_%s_%d_%s", r.Run.ID, r.RestSide, r.Seq, f.Digest(names))
}

// Advance goes on with an open run: sends what waits, lists further pages
// while the window has room, and ends it when everything was worked. It
// reports whether the run is over.
func (e *Engine) Advance(ctx context.Context, ws crm.WorkspaceID, id crm.RunID) (over bool, err error) {
	r, err := e.loadRun(ctx, ws, id)
	if err != nil || !r.open() {
		return true, err
	}
	sc := scope{ws, r.Run.Connection, r.Run.Sync}
	conn, _, err := store.LoadConnection(ctx, e.Store, ws, r.Run.Connection)
	if fault.Is(err, fault.NotFound) || err == nil && (conn.Generation != r.Generation || conn.Status == crm.StatusDeleting) {
		return true, e.finish(ctx, sc, r, RunCancelled, "connection_changed", "the connection was deleted or joined to other accounts")
	}
	if err != nil {
		return false, err
	}
	if ok, _ := runnable(conn, sc.sync); !ok && r.Run.Kind != RunPlan {
		return false, nil // goes on when the sync is on again
	}
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return false, err
	}
	if err := s.advance(ctx, r); err != nil {
		return false, err
	}
	return !r.open(), nil
}

func (s *session) advance(ctx context.Context, r *storedRun) error {
	for r.open() {
		if s.Now().Sub(s.started) > s.Tuning.Budget {
			return nil
		}
		if err := s.moveCursors(ctx, r); err != nil {
			return err
		}
		before := r.Sent
		full, err := s.sendRest(ctx, r)
		if err != nil {
			return err
		}
		if r.Sent != before {
			if err := s.saveRun(ctx, s.ws, r); err != nil {
				return err
			}
		}
		if full {
			return nil
		}
		moved, err := s.step(ctx, r)
		if err != nil || !moved {
			return err
		}
	}
	return nil
}

// step does one page, or one change of phase. moved is false when the run has
// to wait for its chunks.
func (s *session) step(ctx context.Context, r *storedRun) (moved bool, err error) {
	switch r.Phase {
	case phaseLeft, phaseRight:
		return true, s.stepList(ctx, r)
	case phaseSweepLeft, phaseSweepRight:
		return true, s.stepSweep(ctx, r)
	case phaseApply:
		return true, s.stepApply(ctx, r)
	case phaseDrain, phaseConfirm:
		counters, err := s.counters(ctx, s.ws, r.Run.ID)
		if err != nil {
			return false, err
		}
		if counters["chunks"] < r.Sent+counters["sent"] {
			return false, nil
		}
		r.Phase = r.after(r.Phase)
		if r.Phase == phaseOver {
			return true, s.end1(ctx, r)
		}
		return true, s.saveRun(ctx, s.ws, r)
	case phaseMissing:
		return true, s.stepMissing(ctx, r)
	case phaseOver:
		return true, s.end1(ctx, r)
	}
	return false, fault.New("engine: advance run", fault.Other, "internal_error", "the run is in an unknown phase")
}

func (s *session) end1(ctx context.Context, r *storedRun) error {
	if r.Full && r.Run.Kind != RunPlan {
		if err := s.recount(ctx); err != nil {
			return err
		}
	}
	if r.Run.Kind == RunPlan {
		return s.finishPlan(ctx, r)
	}
	return s.finish(ctx, s.scope, r, RunDone, "", "")
}

func (s *session) stepList(ctx context.Context, r *storedRun) error {
	st, err := s.loadScan(ctx, s.scope)
	if err != nil {
		return err
	}
	page, side, err := s.listPage(ctx, r, st)
	if err != nil {
		return err
	}
	if r.Full && !r.NoHints && r.Run.Kind != RunPlan {
		if err := s.saveSeen(ctx, r, side, page.Records); err != nil {
			return err
		}
	}
	if !s.on(guardCursorLast) && page.Next == "" {
		r.Cursor.Set(side, page.Cursor)
		if err := s.saveCursors(ctx, r); err != nil {
			return err
		}
	}
	s.take1(r, side, page)
	if _, err := s.sendRest(ctx, r); err != nil {
		return err
	}
	return s.saveRun(ctx, s.ws, r)
}

// moveCursors moves the sync's cursors once the run has listed both sides: by
// then every hint is queued or stored with the run.
func (s *session) moveCursors(ctx context.Context, r *storedRun) error {
	if r.Moved || r.Phase == phaseLeft || r.Phase == phaseRight {
		return nil
	}
	if err := s.saveCursors(ctx, r); err != nil {
		return err
	}
	r.Moved = true
	return s.saveRun(ctx, s.ws, r)
}

// saveCursors moves the sync's cursors after everything listed up to them is
// queued or waits in the stored run.
func (s *session) saveCursors(ctx context.Context, r *storedRun) error {
	if r.Run.Kind == RunPlan || r.Cursor == (crm.PerSide[string]{}) {
		return nil
	}
	for range 5 {
		st, err := s.loadScan(ctx, s.scope)
		if err != nil {
			return err
		}
		for _, side := range crm.Sides {
			if c := r.Cursor.Get(side); c != "" {
				st.Cursor.Set(side, c)
			}
		}
		st.LatestPull = s.Now()
		if err = s.saveScan(ctx, s.scope, st); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return fault.New("engine: save cursors", fault.Unavailable, "busy", "the sync is busy")
}

// stepSweep lists deletions of an app that tells of them in no other way, at
// most once a day.
func (s *session) stepSweep(ctx context.Context, r *storedRun) error {
	side := crm.Left
	if r.Phase == phaseSweepRight {
		side = crm.Right
	}
	e := s.end(side)
	d, ok := e.Connector.(connector.Deletions)
	st, err := s.loadScan(ctx, s.scope)
	if err != nil {
		return err
	}
	if !ok || !e.app.Can(crm.AbilityArchiveSweep) || !r.Swept && !s.sweepDue(st) {
		r.Phase, r.Position = r.after(r.Phase), ""
		return s.saveRun(ctx, s.ws, r)
	}
	s.Mark("archive_sweep")
	cctx, cancel := s.call(ctx, side)
	page, err := d.Deleted(cctx, e.object, st.Sweep.Get(side), r.Position)
	cancel()
	if fault.CodeOf(err) == "cursor_expired" {
		st.Sweep.Set(side, "")
		return s.saveScan(ctx, s.scope, st)
	}
	if err != nil {
		return fmt.Errorf("%s: list deletions: %w", side, err)
	}
	hints, err := s.known(ctx, side, page.Records)
	if err != nil {
		return err
	}
	r.RestSide, r.Rest, r.Position, r.Swept = side, append(r.Rest, hints...), page.Next, true
	r.Listed += int64(len(hints))
	if page.Next == "" {
		r.Phase = r.after(r.Phase)
		st.Sweep.Set(side, page.Cursor)
		st.SweptAt = s.Now()
		if _, err := s.sendRest(ctx, r); err != nil {
			return err
		}
		if err := s.saveRun(ctx, s.ws, r); err != nil {
			return err
		}
		return s.saveScan(ctx, s.scope, st)
	}
	return s.saveRun(ctx, s.ws, r)
}

// known keeps the deletions that concern us.
func (s *session) known(ctx context.Context, side crm.Side, records []crm.Record) ([]hint, error) {
	us := make([]*unit, len(records))
	for i, r := range records {
		us[i] = &unit{side: side, id: r.ID}
	}
	if err := s.loadLinks(ctx, us); err != nil {
		return nil, err
	}
	var out []hint
	for i, u := range us {
		if u.link != nil && u.link.State != crm.StateDeleted && u.link.id(side) == records[i].ID {
			out = append(out, hint{ID: records[i].ID, Gone: true, Into: records[i].MergedInto})
		}
	}
	return out, nil
}

// saveSeen remembers which records a full listing met, eight bytes each.
func (s *session) saveSeen(ctx context.Context, r *storedRun, side crm.Side, records []crm.Record) error {
	raw := make([]byte, 0, 8*len(records))
	for _, rec := range records {
		if !rec.Deleted {
			raw = binary.BigEndian.AppendUint64(raw, hash64(rec.ID))
		}
	}
	_, err := s.Store.Write(ctx, store.Write{Item: store.Item{Key: s.seenPage(r.Run.ID, side, r.Seq), Data: raw, Expires: s.Now().Add(7 * 24 * time.Hour)}})
	return err
}

// stepMissing looks for links whose record a full listing did not meet. Each
// is read before it counts as gone.
func (s *session) stepMissing(ctx context.Context, r *storedRun) error {
	for _, side := range crm.Sides {
		seen, err := s.loadSeen(ctx, r, side)
		if err != nil {
			return err
		}
		r.RestSide = side
		err = s.eachLink(ctx, func(l *link, _ store.Item) error {
			id := l.id(side)
			if id == "" || l.State == crm.StateDeleted || l.Made.After(r.Run.CreatedAt) {
				return nil
			}
			if _, ok := slices.BinarySearch(seen, hash64(id)); !ok {
				s.Mark("missing_from_listing")
				r.Rest = append(r.Rest, hint{ID: id, Gone: true, Confirm: !s.on(guardMissingConfirm)})
				r.Listed++
			}
			return nil
		})
		if err != nil {
			return err
		}
		for len(r.Rest) > 0 { // a sudden emptiness may be large: it is sent in full windows, the guard against mass deletion counts it
			n := min(len(r.Rest), s.Tuning.ChunkSize)
			c := s.newChunk(s.scope, s.conn, r.Run.Kind, r.Run.ID, side, slices.Clone(r.Rest[:n]))
			c.Counted, c.ID = true, chunkID(r, r.Rest[:n])
			if err := s.send(ctx, []*chunk{c}); err != nil {
				return err
			}
			r.Sent++
			r.Rest = r.Rest[n:]
		}
		if err := s.dropSeen(ctx, r, side); err != nil {
			return err
		}
	}
	r.Phase = r.after(r.Phase)
	return s.saveRun(ctx, s.ws, r)
}

func (s *session) loadSeen(ctx context.Context, r *storedRun, side crm.Side) ([]uint64, error) {
	var out []uint64
	err := s.eachItem(ctx, store.Query{Table: store.Links, Workspace: s.ws, Partition: s.seenPage(r.Run.ID, side, 0).Partition}, func(it store.Item) error {
		for b := it.Data; len(b) >= 8; b = b[8:] {
			out = append(out, binary.BigEndian.Uint64(b))
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

func (s *session) dropSeen(ctx context.Context, r *storedRun, side crm.Side) error {
	return s.eachItem(ctx, store.Query{Table: store.Links, Workspace: s.ws, Partition: s.seenPage(r.Run.ID, side, 0).Partition}, func(it store.Item) error {
		_, err := s.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}})
		return err
	})
}

// eachItem calls f for every item of a query, page by page.
func (e *Engine) eachItem(ctx context.Context, q store.Query, f func(store.Item) error) error {
	for {
		page, err := e.Store.Query(ctx, q)
		if err != nil {
			return err
		}
		for _, it := range page.Items {
			if err := f(it); err != nil {
				return err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
	}
}

// eachLink calls f for every link of the sync, aliases left out.
func (s *session) eachLink(ctx context.Context, f func(*link, store.Item) error) error {
	for shard := range uint32(shards) {
		q := store.Query{Table: store.Links, Workspace: s.ws, Partition: s.shardPartition(shard), Limit: 500}
		err := s.eachItem(ctx, q, func(it store.Item) error {
			l, err := decodeLink(it)
			if err != nil || l.AliasOf != "" {
				return err
			}
			return f(l, it)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// recount sets the state counters right: a crash between a link and its
// counter leaves them off by a few, and a full run is the time to mend that.
func (s *session) recount(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return nil // somebody works; the counters are mended another time
	}
	defer s.release(context.WithoutCancel(ctx))
	want := map[string]int64{}
	err := s.eachLink(ctx, func(l *link, _ store.Item) error {
		for _, c := range l.counted() {
			want[string(c.side)+":"+string(c.state)]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	item, err := s.Store.Get(ctx, s.counts())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	for k, n := range item.Counters {
		want[k] -= n
	}
	ws := addWrite(nil, s.counts(), want, time.Time{})
	if len(ws) == 0 {
		return nil
	}
	s.Mark("counters_mended")
	_, err = s.Store.Write(ctx, ws[0])
	return err
}

func hash64(id crm.RecordID) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return h
}
