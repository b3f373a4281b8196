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
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// SyncRecord looks at one record at once, whatever was seen of it before.
func (e *Engine) SyncRecord(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID,
) (Run, error) {
	return e.recordRun(ctx, scope{ws, id, sync}, RunRecord, []crm.RecordRef{{Side: side, ID: rec}},
		hint{ID: rec, Force: true})
}

// LinkRecords pairs two records because a person says so. Invalid when one of
// them is not there; Conflict when the partner is linked to another record.
func (e *Engine) LinkRecords(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec,
	partner crm.RecordID,
) (Run, error) {
	if err := e.mayLink(ctx, scope{ws, id, sync}, side, rec, partner); err != nil {
		return Run{}, err
	}
	return e.recordRun(ctx, scope{ws, id, sync}, RunRecord, []crm.RecordRef{{Side: side, ID: rec}},
		hint{ID: rec, Force: true, Op: opLink, Partner: partner})
}

// mayLink looks whether two records can be paired. The worker looks once more.
func (e *Engine) mayLink(ctx context.Context, sc scope, side crm.Side, rec, partner crm.RecordID) error {
	const op = "engine: link records"
	s, u, err := e.look(ctx, sc, side, rec)
	if err != nil {
		return err
	}
	if s.buried(side, rec) || s.buried(side.Other(), partner) {
		return fault.New(op, fault.Conflict, CodeErased, erasedDetail)
	}
	if err := s.read(ctx, side, []*unit{u}, func(u *unit) crm.RecordID { return u.id }); err != nil {
		return err
	}
	u.hint = hint{ID: rec, Op: opLink, Partner: partner}
	if err := s.readNamedTwin(ctx, u); err != nil {
		return err
	}
	switch {
	case u.own() == nil:
		return fault.New(op, fault.NotFound, "record_unknown", "the app has no such record")
	case u.decided:
		return fault.New(op, fault.Conflict, codeTwinTaken, "the partner is linked to another record: unlink that one first")
	case u.partner() == nil:
		return fault.New(op, fault.Invalid, "partner_unknown", "the other app has no such record")
	}
	return nil
}

// UnlinkRecord takes a pair apart; both records stay.
func (e *Engine) UnlinkRecord(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID,
) (Run, error) {
	return e.decideByHand(ctx, scope{ws, id, sync}, side, hint{ID: rec, Force: true, Op: opUnlink})
}

// ResolveRecord carries out a person's decision on fields in conflict.
func (e *Engine) ResolveRecord(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID,
	fields map[crm.MappingID]Resolution,
) (Run, error) {
	return e.decideByHand(ctx, scope{ws, id, sync}, side, hint{ID: rec, Force: true, Op: opResolve, Resolve: fields})
}

// UnfreezeRecord lets fields of a pair go that went round in a circle of
// connections: they are decided like any others again, as both sides are by then.
func (e *Engine) UnfreezeRecord(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID,
	fields []crm.MappingID,
) (Run, error) {
	sc := scope{ws, id, sync}
	u := &unit{side: side, id: rec}
	if err := (&session{Engine: e, scope: sc}).loadLinks(ctx, []*unit{u}); err != nil {
		return Run{}, err
	}
	if u.link == nil {
		return Run{}, fault.New("engine: unfreeze", fault.NotFound, "record_unknown", "the sync has not seen this record")
	}
	frozen := u.link.Loop.frozen()
	fields = slices.DeleteFunc(slices.Clone(fields), func(id crm.MappingID) bool { return !frozen[id] })
	if len(fields) == 0 {
		return Run{}, fault.New("engine: unfreeze", fault.Conflict, codeNotFrozen, "the field of this record is not frozen")
	}
	return e.decideByHand(ctx, sc, side, hint{ID: rec, Force: true, Op: opUnfreeze, Thaw: fields})
}

// codeNotFrozen answers a request to let a field go that nobody holds.
const codeNotFrozen = "not_frozen"

// decideByHand sends a person's decision about a pair. It names the pair: until
// it is carried out, either record may have been merged or got another partner.
func (e *Engine) decideByHand(ctx context.Context, sc scope, side crm.Side, h hint) (Run, error) {
	u := &unit{side: side, id: h.ID, hint: h}
	if err := (&session{Engine: e, scope: sc}).loadLinks(ctx, []*unit{u}); err != nil {
		return Run{}, err
	}
	if u.link.paired() {
		h.Partner = u.link.id(side.Other())
	}
	values, ok, err := e.keepDecided(sc, side, &h)
	if err != nil {
		return Run{}, err
	}
	var with []store.Write
	if ok {
		with = append(with, values)
	}
	return e.recordRun(ctx, sc, RunRecord, []crm.RecordRef{{Side: side, ID: h.ID}}, h, with...)
}

// recordRun looks at records that somebody named, all alike, as a run of their own.
func (e *Engine) recordRun(
	ctx context.Context, sc scope, kind RunKind, refs []crm.RecordRef, like hint, with ...store.Write,
) (Run, error) {
	return e.handRun(ctx, sc, kind, alike(refs, like), with...)
}

// alike are hints of records that only differ in what they name.
func alike(refs []crm.RecordRef, like hint) crm.PerSide[[]hint] {
	var hints crm.PerSide[[]hint]
	for _, ref := range refs {
		h := like
		h.ID = ref.ID
		hints.Set(ref.Side, append(hints.Get(ref.Side), h))
	}
	return hints
}

// handRun sends hints through the sync's group as a run of their own. It
// does not stand in the way of a listing. What it is about is stored with the
// run before any of it is sent: the tick sends what this process did not.
func (e *Engine) handRun(
	ctx context.Context, sc scope, kind RunKind, hints crm.PerSide[[]hint], with ...store.Write,
) (Run, error) {
	conn, _, err := e.loadConnection(ctx, sc.ws, sc.con)
	if err != nil {
		return Run{}, err
	}
	if conn.Sync(sc.sync) == nil {
		return Run{}, fault.New("engine: work record", fault.NotFound, "sync_not_found", "the connection has no such sync")
	}
	if ok, code := runnable(conn, sc.sync); !ok {
		return Run{}, fault.New("engine: work record", fault.Conflict, code,
			"the sync is not running; start the connection first")
	}
	r := e.newRun(sc, conn, kind)
	r.enter(hints)
	if r.Listed == 0 {
		r.Run.State, r.Phase, r.Run.EndedAt = RunDone, phaseOver, e.Now()
		return r.view(nil), e.saveRun(ctx, sc.ws, r)
	}
	if err := e.launch(ctx, sc, r, append(with, store.Write{Item: store.Item{Key: sc.openRun(r.Run.ID)}})...); err != nil {
		return Run{}, err
	}
	e.sendEntered(ctx, sc, conn, r.Run.ID)
	return r.view(nil), nil
}

// enter makes records that somebody named what a run is about.
func (r *storedRun) enter(hints crm.PerSide[[]hint]) {
	r.Phase, r.Listed = phaseDrain, int64(len(hints.Left)+len(hints.Right))
	r.Rest, r.RestSide, r.Then = hints.Left, crm.Left, hints.Right
	r.turn()
}

// turn goes over to the other side's records when one side's are sent.
func (r *storedRun) turn() {
	if len(r.Rest) == 0 && len(r.Then) > 0 {
		r.Rest, r.RestSide, r.Then, r.unsaved = r.Then, r.RestSide.Other(), nil, true
	}
}

// launch stores a new run together with what makes somebody go on with it: a
// run that nobody knows of would be open for ever.
func (e *Engine) launch(ctx context.Context, sc scope, r *storedRun, with ...store.Write) error {
	if err := e.touchAgenda(ctx, sc); err != nil {
		return err
	}
	w, err := e.runWrite(sc.ws, r)
	if err != nil {
		return err
	}
	name := store.Write{Item: store.Item{Key: runOf(sc.ws, r.Run.Connection, r.Run.ID), Expires: w.Item.Expires}}
	return e.Store.Transact(ctx, append([]store.Write{w, name}, with...))
}

// sendEntered queues at once what a run that was just stored is about, as far
// as the window allows. Whatever this does not come to, the tick does.
func (e *Engine) sendEntered(ctx context.Context, sc scope, conn *crm.Connection, id crm.RunID) {
	s := &session{Engine: e, scope: sc, conn: conn}
	r, err := e.loadRun(ctx, sc.ws, id)
	if err == nil && !r.waitsForPairs(conn) {
		_, err = s.sendRest(ctx, r)
	}
	if r != nil {
		err = errors.Join(err, s.keep(ctx, r))
	}
	if err != nil {
		e.Mark("run_left_to_the_tick")
		e.Log.Debug("records of a run not queued yet", "connection", sc.con, "sync", sc.sync, "run", id, "error", err)
	}
}

// ListRecords returns one page of the sync's records, or the one that q names
// by ID on either side.
func (e *Engine) ListRecords(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, f RecordFilter, limit int,
	cursor string,
) ([]RecordView, string, error) {
	sc := scope{ws, id, sync}
	s := &session{Engine: e, scope: sc}
	if f.Q != "" {
		out := []RecordView{}
		for _, side := range crm.Sides {
			u := &unit{side: side, id: crm.RecordID(f.Q)}
			if err := s.loadLinks(ctx, []*unit{u}); err != nil {
				return nil, "", err
			}
			if u.link != nil && f.fits(u.link) {
				out = append(out, viewOf(side, u.id, u.link))
			}
		}
		return out, "", nil
	}
	if f.State != "" && rare(f.State) {
		page, err := e.Store.Query(ctx, store.Query{
			Table: store.Links, Workspace: ws, OnIndex: true, Partition: rareStates(sc, f.State), Limit: limit, Cursor: cursor,
		})
		if err != nil {
			return nil, "", err
		}
		out, err := viewsOf(page.Items, f)
		return out, page.Next, err
	}
	return e.listShards(ctx, sc, f, limit, cursor)
}

// maxRecordPages bounds how many pages of records one call looks at.
const maxRecordPages = 200

// listShards walks the sync's partitions one after the other.
func (e *Engine) listShards(
	ctx context.Context, sc scope, f RecordFilter, limit int, cursor string,
) ([]RecordView, string, error) {
	at := struct {
		Shard uint32 `json:"s"`
		Next  string `json:"n"`
	}{}
	if cursor != "" {
		b, err := decodeText(cursor)
		if err == nil {
			err = json.Unmarshal(b, &at)
		}
		if err != nil || at.Shard >= shards {
			return nil, "", fault.New("engine: list records", fault.Invalid, "cursor_malformed",
				"the cursor is not one that this list returned")
		}
	}
	out := []RecordView{}
	for looked := 0; len(out) < limit && looked < maxRecordPages; looked++ {
		page, err := e.Store.Query(ctx, store.Query{
			Table: store.Links, Workspace: sc.ws, Partition: sc.shardPartition(at.Shard), Limit: limit - len(out),
			Cursor: at.Next,
		})
		if err != nil {
			return nil, "", err
		}
		views, err := viewsOf(page.Items, f)
		if err != nil {
			return nil, "", err
		}
		out = append(out, views...)
		if at.Next = page.Next; at.Next == "" {
			if at.Shard++; at.Shard == shards {
				return out, "", nil
			}
		}
	}
	b, err := json.Marshal(at)
	return out, encodeText(b), err
}

func viewsOf(items []store.Item, f RecordFilter) ([]RecordView, error) {
	out := []RecordView{}
	for _, it := range items {
		l, err := decodeLink(it)
		if err != nil {
			return nil, err
		}
		if l.AliasOf != "" || !f.fits(l) {
			continue
		}
		side := crm.Left
		if l.Left == "" {
			side = crm.Right
		}
		out = append(out, viewOf(side, l.id(side), l))
	}
	return out, nil
}

func viewOf(side crm.Side, id crm.RecordID, l *link) RecordView {
	return RecordView{
		Side: side, ID: id, State: l.State, Code: l.Code, Detail: l.Detail, Partner: l.id(side.Other()),
		Others: l.Others, Since: l.Since,
	}
}

// GetRecord returns all that is known of one record: both sides as read now,
// the agreement, and its history. NotFound for a record never seen.
func (e *Engine) GetRecord(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID,
) (RecordView, error) {
	s, u, err := e.look(ctx, scope{ws, id, sync}, side, rec)
	if err != nil {
		return RecordView{}, err
	}
	if s.buried(side, u.id) {
		return RecordView{Side: side, ID: u.id, State: crm.StateExcluded, Code: CodeErased, Detail: erasedDetail}, nil
	}
	if u.link == nil {
		return RecordView{}, fault.New("engine: get record", fault.NotFound, "record_unknown",
			"the sync has not seen this record")
	}
	v := viewOf(side, u.id, u.link)
	if err := s.readBoth(ctx, u); err != nil { // what is stored here can be shown all the same
		v.Unread = &Waiting{Code: fault.CodeOf(err), Detail: safeText(err), Since: e.Now()}
		var at *sideError
		if errors.As(err, &at) {
			v.Unread.Side, v.Unread.Account = at.side, s.conn.Account(at.side)
		}
	}
	for _, sd := range crm.Sides {
		if r := u.rec.Get(sd); r != nil {
			v.Values.Set(sd, s.veiledFields(sd, r.Fields))
		}
	}
	v.Base = map[crm.MappingID]any{}
	for m, a := range u.link.Base {
		switch {
		case reconcile.IsAct(m):
		case s.secretMapping(m):
			v.Base[m] = notShown
		default:
			v.Base[m] = a
		}
	}
	v.Actions = s.set.Done(u.link.Base)
	v.Settled, v.Frozen = settledFields(linesOf(s.set), u.link.Base), u.link.Loop.fields()
	v.History, err = e.recordHistory(ctx, ws, u)
	return v, err
}

// settledFields lists what is settled in a base.
func linesOf(set *reconcile.Settings) []crm.Mapping {
	conf := set.Sync()
	return conf.Lines()
}

func settledFields(mappings []crm.Mapping, base crm.Base) []SettledField {
	var out []SettledField
	for i := range mappings {
		if d := base[mappings[i].ID].Settled; d != nil {
			out = append(out, SettledField{mappings[i].ID, d.Reason, d.Side, d.Code, d.Since, d.Again})
		}
	}
	return out
}

// recordHistory reads the log pages that the link remembers.
func (e *Engine) recordHistory(ctx context.Context, ws crm.WorkspaceID, u *unit) ([]Entry, error) {
	var out []Entry
	for _, p := range u.link.Pages {
		day, page, ok := strings.Cut(p, "/")
		if !ok {
			continue
		}
		con, page, _ := strings.Cut(page, "/")
		err := e.eachItem(ctx, store.Query{
			Table: store.Log, Workspace: ws, Partition: logPartition(crm.ConnectionID(con), day), Prefix: page + ".",
		}, func(it store.Item) error {
			entries, err := decodePage(it)
			for _, en := range entries {
				if en.Side == u.side && en.Record == u.id || en.Side != u.side && en.Partner == u.id {
					out = append(out, en)
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, e.markResolved(ctx, ws, out)
}

// look opens a session and loads what is remembered of one record.
func (e *Engine) look(ctx context.Context, sc scope, side crm.Side, rec crm.RecordID) (*session, *unit, error) {
	s, err := e.inspect(ctx, sc)
	if err != nil {
		return nil, nil, err
	}
	u := &unit{side: side, id: rec, hint: hint{ID: rec, Force: true}, jobs: []*job{{chunk: &chunk{}}}}
	return s, u, s.loadLinks(ctx, []*unit{u})
}

// inspect begins a look at records of a sync that writes nothing.
func (e *Engine) inspect(ctx context.Context, sc scope) (*session, error) {
	conn, _, err := e.loadConnection(ctx, sc.ws, sc.con)
	if err != nil {
		return nil, err
	}
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return nil, err
	}
	if s.brakes, err = s.loadBrakes(ctx, sc); err != nil {
		return nil, err
	}
	return s, s.learnErasedNow(ctx)
}

// readBoth reads the record and, if it has one, its partner.
func (s *session) readBoth(ctx context.Context, u *unit) error {
	if err := s.readAll(ctx, u.side, []*unit{u}, func(u *unit) crm.RecordID { return u.id }); err != nil {
		return err
	}
	if !u.link.paired() {
		return nil
	}
	other := u.side.Other()
	return s.readAll(ctx, other, []*unit{u}, func(u *unit) crm.RecordID { return u.link.id(other) })
}

// Explain works out, without writing, what would be done with a record now and why.
func (e *Engine) Explain(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID,
) (Explanation, error) {
	s, u, err := e.look(ctx, scope{ws, id, sync}, side, rec)
	if err != nil {
		return Explanation{}, err
	}
	seen, err := s.observe(ctx, []*unit{u})
	if err != nil {
		return Explanation{}, err
	}
	u = seen[0]
	if u.unread != nil {
		return Explanation{}, u.unread
	}
	if u.own() == nil && u.link == nil && !u.erased() {
		return Explanation{}, fault.New("engine: explain", fault.NotFound, "record_unknown", "the app has no such record")
	}
	s.decide([]*unit{u})
	x := Explanation{
		Side: side, ID: u.id, Partner: u.recID(side.Other()), Outcome: u.decision.Outcome, State: u.decision.State,
		Code: u.decision.Code, Detail: u.decision.Detail,
		Match: []MatchAttempt{}, Filters: []FilterClause{}, Fields: []FieldVerdict{},
	}
	for _, t := range u.match.Tried {
		x.Match = append(x.Match, MatchAttempt{
			Step: t.Step, By: string(t.By), Fields: t.Fields, Candidates: t.Candidates,
			Result: t.Result,
		})
	}
	x.Held = heldParts(s.set, s.conf, s.schemas)
	if u.link.paired() {
		x.Frozen = u.link.Loop.fields()
	}
	x.Filters = s.filterClauses(u)
	for i := range u.decision.Fields {
		x.Fields = append(x.Fields, s.hiddenVerdict(&u.decision.Fields[i]))
	}
	return x, nil
}

// filterClauses lists the rules' clauses for each record that is there.
func (s *session) filterClauses(u *unit) []FilterClause {
	out := []FilterClause{}
	for _, side := range crm.Sides {
		r := u.rec.Get(side)
		if r == nil {
			continue
		}
		way, secrets := crm.WayTo(side.Other()), s.secretFields()[side.Index()]
		for _, t := range s.set.FilterTraces(way, r, s.Now()) {
			for _, c := range t.Clauses {
				out = append(out, FilterClause{
					Rule: t.Rule, Way: way, Field: c.Field, Op: string(c.Op), Wanted: hide(c.Wanted, secrets[c.Field]),
					Value: hide(c.Value, secrets[c.Field]), Holds: c.Result,
				})
			}
		}
	}
	return out
}

func pageRef(con crm.ConnectionID, t time.Time, page string) string {
	return fmt.Sprintf("%s/%s/%s", t.UTC().Format(time.DateOnly), con, page)
}
