package engine

import (
	"context"

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
	conn, version, err := e.connectionAt(ctx, ws, con)
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
		r, err := e.loadRun(ctx, ws, st.OpenRun)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err == nil && r.open() && r.Generation == conn.Generation {
			e.Mark("pull_waits_for_open_run")
			return e.touchAgenda(ctx, sc)
		}
	}
	if st.fresh() { // whoever started it got no further than the switch
		e.Mark("initial_by_pull")
		_, err := e.startInitial(ctx, sc, conn)
		return err
	}
	if begun, err := e.attendOwed(ctx, sc, conn, st); begun || err != nil {
		return err
	}
	s, err := e.open(ctx, sc, conn)
	if err == nil {
		err = s.pullOrRelease(ctx, st)
	}
	e.stands(ctx, sc, conn, version, err)
	if err != nil {
		e.pullMissed(ctx, sc, err)
	}
	return err
}

// pullOrRelease pulls, unless something that was held has its field back: then
// everything is looked at.
func (s *session) pullOrRelease(ctx context.Context, st *scanState) error {
	if len(st.Held) > 0 && s.back(st) {
		return s.letLoose(ctx, st)
	}
	if err := s.pull(ctx, st); err != nil {
		return err
	}
	return s.noteHeld(ctx)
}

// unstoredPages is how much of a second look is listed without storing where it
// stands, as long as nothing is found: it would begin anew.
const unstoredPages = 20

// pull lists both sides. A run is stored once there is something to do.
func (s *session) pull(ctx context.Context, st *scanState) (err error) {
	if err := s.tryAgain(ctx, st); err != nil {
		return err
	}
	r := s.newRun(s.scope, s.conn, RunPull)
	r.From = &listedTo{st.Cursor, st.Sweep, st.Marks}
	r.Again, r.Audit = s.lookAgain(s.conf, st), s.auditDue(s.conf, st)
	defer func() {
		if kept := s.keep(ctx, r); err == nil {
			err = kept
		}
	}()
	if s.stoodTooLong(st) {
		return s.pullEverything(ctx, r, st, codeLongPause)
	}
	stored := false
	for r.Phase.listing() {
		page, side, err := s.listPage(ctx, r, st)
		if s.expired(r, err) {
			return s.pullEverything(ctx, r, st, codeCursorExpired)
		}
		if err != nil {
			return s.refused(ctx, r, err)
		}
		quiet := r.Phase.again() && len(page.Records) == 0
		more := page.Next != "" && (!r.Phase.again() || r.Seq >= unstoredPages)
		first := !stored && (len(page.Records) > 0 || more || s.sweepDue(st))
		s.listedPage(r, side, page)
		switch {
		case first:
			if ok, err := s.openPull(ctx, r, st); err != nil || !ok {
				return err
			}
			stored = true
		case quiet:
			r.unsaved = stored
		case stored:
			if err := s.saveRun(ctx, s.ws, r); err != nil {
				return err
			}
		}
		if stored {
			if full, err := s.sendRest(ctx, r); err != nil || full {
				return err // the tick goes on with it
			}
		}
	}
	if !stored && r.Phase == phaseAudit {
		if err := s.audit(ctx, r, st); err != nil {
			return err
		}
		if stored = len(r.Rest)+len(r.Audit.Right) > 0; stored {
			if ok, err := s.openPull(ctx, r, st); err != nil || !ok {
				return err
			}
		}
	}
	if stored {
		return s.advance(ctx, r)
	}
	return s.saveCursors(ctx, r)
}

// listPage asks for the next page of the run's listing.
func (s *session) listPage(ctx context.Context, r *storedRun, st *scanState) (connector.ChangesPage, crm.Side, error) {
	if r.Phase.again() {
		return s.listAgain(ctx, r)
	}
	side := r.Phase.side()
	e := s.end(side)
	req := connector.ChangesRequest{
		Object: e.object, Fields: e.fields, Cursor: st.Cursor.Get(side), Position: r.Position,
		Full: r.Full,
	}
	if req.Cursor == "" && req.Position == "" {
		req.Full = true // never listed before: begin with everything there is
	}
	if r.Run.Kind == RunPlan {
		req.Cursor = ""
	}
	r.Told.Set(side, req.Full && e.app.Can(crm.AbilityPush))
	page, err := s.askChanges(ctx, side, req)
	return page, side, err
}

// askChanges asks an app for a page, without the fields that it turns out to lack.
func (s *session) askChanges(
	ctx context.Context, side crm.Side, req connector.ChangesRequest,
) (connector.ChangesPage, error) {
	e := s.end(side)
	cctx, done, err := s.ask(ctx, side, askOne)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	defer done()
	page, err := e.Changes(cctx, req)
	if field, missed := s.missed(side, err); missed {
		if err := s.without(ctx, side, []string{field}); err != nil {
			return page, err
		}
		req.Fields = e.fields
		return s.askChanges(ctx, side, req)
	}
	if err != nil {
		return page, atSide(side, "list changes", err)
	}
	records := make([]*crm.Record, len(page.Records))
	for i := range page.Records {
		records[i] = &page.Records[i]
		if gone := s.lacking(side, req.Fields, records[i]); len(gone) > 0 {
			return page, s.without(ctx, side, gone)
		}
	}
	return page, s.meet(ctx, side, records...)
}

// listedPage moves the run past one page: its hints wait in the run to be sent.
func (s *session) listedPage(r *storedRun, side crm.Side, page connector.ChangesPage) {
	r.Seq++
	r.RestSide = side
	for i := range page.Records {
		rec := &page.Records[i]
		h := hint{ID: rec.ID, Force: r.Force}
		switch {
		case rec.MergedInto != "":
			h.Into, h.Gone, h.Merged = rec.MergedInto, true, rec.Merged
		case rec.Deleted:
			h.Gone = true
		case !r.Force && rec.Fields != nil:
			h.Digest = rec.Fields.Digest(s.end(side).fields)
		}
		if !rec.Deleted {
			h.Merged = rec.Merged
		}
		if r.NoHints && !s.set.MadeSince(rec) { // an activity of a moment ago is new, however long the run took to begin
			continue
		}
		if r.Listed++; r.Salt == "" {
			r.Rest = append(r.Rest, h)
		}
	}
	r.Position = page.Next
	if page.Next != "" {
		return
	}
	if !r.Phase.again() {
		r.Cursor.Set(side, page.Cursor)
		r.Mark.Set(side, page.Mark)
	}
	r.Phase = r.after(r.Phase)
}

// stepList lists the next page of a stored run. A pull that a person asked for
// begins as one by the schedule does.
func (s *session) stepList(ctx context.Context, r *storedRun) error {
	st, err := s.loadScan(ctx, s.scope)
	if err != nil {
		return err
	}
	if r.Seq == 0 { // whoever asked for it may have brought a field back just now
		s.askForHeld(ctx, 0, fromAppWhole)
	}
	if r.Run.Kind == RunPull && !r.Full && r.Seq == 0 {
		if s.stoodTooLong(st) {
			s.everything(r, codeLongPause)
			return s.saveRun(ctx, s.ws, r)
		}
		if err := s.tryAgain(ctx, st); err != nil {
			return err
		}
	}
	page, side, err := s.listPage(ctx, r, st)
	if s.expired(r, err) {
		s.everything(r, codeCursorExpired)
		return s.saveRun(ctx, s.ws, r)
	}
	if err != nil {
		return err
	}
	var again []store.Write
	if r.wholly() {
		if r.Seq == 0 && r.Salt == "" {
			r.Salt = s.NewID("slt")
		}
		if again, err = s.saveSeen(ctx, r, side, page.Records); err != nil {
			return err
		}
	}
	quiet := r.Phase.again() && len(page.Records) == 0
	s.listedPage(r, side, page)
	switch {
	case len(again) > 0:
		return s.saveWithSeen(ctx, r, again)
	case quiet:
		r.unsaved = true // nothing hangs on it: stored with what comes next
		return nil
	}
	return s.saveRun(ctx, s.ws, r)
}

// moveCursors moves the sync's cursors once the run has listed both sides: by
// then every hint is queued or stored with the run.
func (s *session) moveCursors(ctx context.Context, r *storedRun) error {
	switch r.Phase {
	case phaseLeft, phaseRight, phaseSendLeft, phaseSendRight, phaseAgainLeft, phaseAgainRight, phaseAudit,
		phaseAuditRight:
		return nil
	case phaseSweepLeft, phaseSweepRight, phaseApply, phaseUndo, phaseKnown, phaseDrain, phaseMissing, phaseConfirm,
		phaseOver:
	}
	if r.Moved {
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
		s.leaveMarks(st, r)
		s.leaveAudit(st, r)
		if err = s.saveScan(ctx, s.scope, st); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return fault.New("engine: save cursors", fault.Unavailable, "busy", "the sync is busy")
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
