package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// change loads a connection, lets f change it, and stores it, again if somebody was faster.
func (e *Engine) change(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, f func(*crm.Connection) error) (*crm.Connection, error) {
	for range 8 {
		conn, version, err := store.LoadConnection(ctx, e.Store, ws, id)
		if err != nil {
			return nil, err
		}
		if err := f(conn); err != nil {
			return nil, err
		}
		_, err = store.SaveConnection(ctx, e.Store, ws, conn, version)
		if err == nil {
			return conn, nil
		}
		if !fault.Is(err, fault.Conflict) {
			return nil, err
		}
	}
	return nil, fault.New("engine: change connection", fault.Conflict, "busy", "the connection is being changed; try again")
}

// StartConnection makes a connection active. A draft begins with its initial
// runs, companies before people before deals; a paused one catches up.
func (e *Engine) StartConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]Run, error) {
	var was crm.Status
	conn, err := e.change(ctx, ws, id, func(c *crm.Connection) error {
		was = c.Status
		switch c.Status {
		case crm.StatusDeleting:
			return fault.New("engine: start", fault.Conflict, "connection_deleting", "the connection is being deleted")
		case crm.StatusHalted:
			return fault.New("engine: start", fault.Conflict, "connection_halted", "confirm or discard the deletions first")
		case crm.StatusDraft, crm.StatusPaused, crm.StatusNeedsAuth, crm.StatusActive, "":
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
		if was != crm.StatusDraft && was != "" || conf.Direction == crm.DirectionOff {
			continue
		}
		run, err := e.startRun(ctx, sc, conn, RunInitial, func(r *storedRun) {
			r.Full, r.NoHints = true, conf.Initial == "changes_only"
		})
		if err != nil {
			return out, err
		}
		out = append(out, run)
	}
	return out, nil
}

// startOrder puts companies before people before deals, so that references
// find their targets.
func startOrder(conn *crm.Connection) []int {
	rank := func(s crm.Sync) int {
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
		_, err := e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: store.ConnectionKey(ws, id)}})
		return err
	}
	for _, s := range conn.Syncs {
		if err := e.touchAgenda(ctx, scope{ws, id, s.ID}); err != nil {
			return err
		}
	}
	return nil
}

// AccountAuthorized resumes every connection that waited for the account's authorisation.
func (e *Engine) AccountAuthorized(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID) error {
	cursor := ""
	for {
		conns, next, err := store.ListConnections(ctx, e.Store, ws, 100, cursor)
		if err != nil {
			return err
		}
		for _, c := range conns {
			if c.Status == crm.StatusNeedsAuth && (c.Left.Account == account || c.Right.Account == account) {
				if _, err := e.StartConnection(ctx, ws, c.ID); err != nil {
					return err
				}
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

// Status says where every sync of a connection stands.
func (e *Engine) Status(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]SyncStatus, error) {
	conn, _, err := store.LoadConnection(ctx, e.Store, ws, id)
	if err != nil {
		return nil, err
	}
	out := make([]SyncStatus, 0, len(conn.Syncs))
	for i := range conn.Syncs {
		st, err := e.syncStatus(ctx, scope{ws, id, conn.Syncs[i].ID}, conn, &conn.Syncs[i])
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

func (e *Engine) syncStatus(ctx context.Context, sc scope, conn *crm.Connection, conf *crm.Sync) (SyncStatus, error) {
	st := SyncStatus{Sync: sc.sync, Warnings: []string{}, Outcomes: map[string]map[crm.Outcome]int64{}}
	scan, err := e.loadScan(ctx, sc)
	if err != nil {
		return st, err
	}
	st.LatestPull, st.OpenRun = scan.LatestPull, scan.OpenRun
	ok, code := runnable(conn, sc.sync)
	if every := conf.Interval(); ok && every > 0 {
		st.NextPull = e.Now()
		if !scan.LatestPull.IsZero() {
			st.NextPull = scan.LatestPull.Add(every)
		}
	}
	if !ok {
		st.Warnings = append(st.Warnings, code)
	}
	if err := e.statusCounts(ctx, sc, &st); err != nil {
		return st, err
	}
	for kind, n := range map[string]*int64{"p": &st.Parked, "n": &st.Inbox} {
		if *n, err = e.countSome(ctx, sc.ws, kind+"#"+sc.name()); err != nil {
			return st, err
		}
	}
	if st.Dead, err = e.countSome(ctx, sc.ws, dead(sc.ws, sc.con, "x").Partition); err != nil {
		return st, err
	}
	if scan.OpenRun != "" {
		if r, err := e.GetRun(ctx, sc.ws, scan.OpenRun); err == nil && (r.State == RunRunning || r.State == RunQueued) {
			st.Backlog += max(r.Total-r.Done, 0)
		} else {
			st.OpenRun = ""
		}
	}
	st.Backlog += st.Inbox
	h, _, err := e.loadHalt(ctx, sc)
	if err == nil && conn.Status == crm.StatusHalted && !h.Halt.Since.IsZero() {
		st.Halted = &h.Halt
	}
	return st, err
}

// statusCounts fills in the counts by state and by outcome.
func (e *Engine) statusCounts(ctx context.Context, sc scope, st *SyncStatus) error {
	item, err := e.Store.Get(ctx, sc.counts())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	for _, side := range crm.Sides {
		m := map[crm.State]int64{}
		for _, s := range crm.States {
			m[s] = item.Counters[string(side)+":"+string(s)]
		}
		st.States.Set(side, m)
	}
	now := e.Now().UTC()
	keys := make([]store.Key, 30)
	for d := range keys {
		keys[d] = sc.day(now.AddDate(0, 0, -d))
	}
	days, err := e.Store.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	for name, n := range map[string]int{"today": 1, "last_7_days": 7, "last_30_days": 30} {
		m := map[crm.Outcome]int64{}
		for _, day := range days[:n] {
			for k, v := range day.Counters {
				if o, ok := strings.CutPrefix(k, "o:"); ok {
					m[crm.Outcome(o)] += v
				}
			}
		}
		st.Outcomes[name] = m
	}
	return nil
}

// countSome counts the items of a partition, up to 10,000.
func (e *Engine) countSome(ctx context.Context, ws crm.WorkspaceID, partition string) (int64, error) {
	var n int64
	q := store.Query{Table: store.Links, Workspace: ws, Partition: partition, Limit: 1000}
	for n < 10000 {
		page, err := e.Store.Query(ctx, q)
		if err != nil {
			return n, err
		}
		n += int64(len(page.Items))
		if q.Cursor = page.Next; q.Cursor == "" {
			return n, nil
		}
	}
	return n, nil
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

func (e *Engine) decideHalt(ctx context.Context, sc scope, apply bool) error {
	conn, _, err := store.LoadConnection(ctx, e.Store, sc.ws, sc.con)
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
	if conn.Status != crm.StatusHalted || h.Halt.Since.IsZero() {
		return fault.New("engine: decide deletions", fault.Conflict, "not_halted", "the sync is not halted")
	}
	if !apply {
		err := e.eachItem(ctx, store.Query{Table: store.Links, Workspace: sc.ws, Partition: sc.gone(crm.Left, "x").Partition}, func(it store.Item) error {
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

// SyncRecord looks at one record at once, whatever was seen of it before.
func (e *Engine) SyncRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID) (Run, error) {
	return e.recordRun(ctx, scope{ws, id, sync}, RunRecord, []crm.RecordRef{{Side: side, ID: rec}}, hint{ID: rec, Force: true})
}

// LinkRecords pairs two records because a person says so.
func (e *Engine) LinkRecords(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec, partner crm.RecordID) (Run, error) {
	return e.recordRun(ctx, scope{ws, id, sync}, RunRecord, []crm.RecordRef{{Side: side, ID: rec}}, hint{ID: rec, Force: true, Op: opLink, Partner: partner})
}

// UnlinkRecord takes a pair apart; both records stay.
func (e *Engine) UnlinkRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID) (Run, error) {
	return e.recordRun(ctx, scope{ws, id, sync}, RunRecord, []crm.RecordRef{{Side: side, ID: rec}}, hint{ID: rec, Force: true, Op: opUnlink})
}

// ResolveRecord carries out a person's decision on fields in conflict.
func (e *Engine) ResolveRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID, fields map[crm.MappingID]Resolution) (Run, error) {
	return e.recordRun(ctx, scope{ws, id, sync}, RunRecord, []crm.RecordRef{{Side: side, ID: rec}}, hint{ID: rec, Force: true, Op: opResolve, Resolve: fields})
}

// recordRun sends hints through the sync's group as a run of their own. It
// does not stand in the way of a listing.
func (e *Engine) recordRun(ctx context.Context, sc scope, kind RunKind, refs []crm.RecordRef, like hint) (Run, error) {
	conn, _, err := store.LoadConnection(ctx, e.Store, sc.ws, sc.con)
	if err != nil {
		return Run{}, err
	}
	if conn.Sync(sc.sync) == nil {
		return Run{}, fault.New("engine: work record", fault.NotFound, "sync_not_found", "the connection has no such sync")
	}
	if ok, code := runnable(conn, sc.sync); !ok {
		return Run{}, fault.New("engine: work record", fault.Conflict, code, "the sync is not running; start the connection first")
	}
	r := e.newRun(sc, conn, kind)
	var cs []*chunk
	for _, side := range crm.Sides {
		var hints []hint
		for _, ref := range refs {
			if ref.Side == side {
				h := like
				h.ID = ref.ID
				hints = append(hints, h)
			}
		}
		for part := range slices.Chunk(hints, e.Tuning.ChunkSize) {
			c := e.newChunk(sc, conn, kind, r.Run.ID, side, part)
			c.Counted = true
			cs = append(cs, c)
		}
	}
	r.Sent, r.Listed, r.Phase, r.Run.State = int64(len(cs)), int64(len(refs)), phaseDrain, RunRunning
	if len(cs) == 0 {
		r.Run.State, r.Phase, r.Run.EndedAt = RunDone, phaseOver, e.Now()
	}
	if err := e.touchAgenda(ctx, sc); err != nil {
		return Run{}, err
	}
	if err := e.saveRun(ctx, sc.ws, r); err != nil {
		return Run{}, err
	}
	if len(cs) == 0 {
		return r.view(nil), nil
	}
	if err := e.send(ctx, cs); err != nil {
		return Run{}, err
	}
	_, err = e.Store.Write(ctx, store.Write{Item: store.Item{Key: sc.openRun(r.Run.ID)}})
	return r.view(nil), err
}

// ListDead returns one page of a connection's dead items.
func (e *Engine) ListDead(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, limit int, cursor string) ([]DeadItem, string, error) {
	page, err := e.Store.Query(ctx, store.Query{Table: store.Links, Workspace: ws, Partition: dead(ws, con, "x").Partition, Limit: limit, Cursor: cursor})
	if err != nil {
		return nil, "", err
	}
	out := make([]DeadItem, 0, len(page.Items))
	for _, it := range page.Items {
		var d deadItem
		if err := json.Unmarshal(it.Data, &d); err != nil {
			return nil, "", fault.Wrap("engine: decode dead item", fault.Other, err)
		}
		item := DeadItem{ID: d.Chunk.ID, Connection: con, Sync: d.Chunk.Sync, Side: d.Chunk.Side, Code: d.Code, Reason: d.Reason, Receives: d.Receives, Since: d.At, Run: d.Chunk.Run}
		for _, h := range d.Chunk.Hints {
			item.Records = append(item.Records, h.ID)
		}
		out = append(out, item)
	}
	return out, page.Next, nil
}

// RedriveDead sends a connection's dead items again, and returns how many. The
// records are read anew, so nothing newer is rolled back.
func (e *Engine) RedriveDead(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID) (int, error) {
	n := 0
	err := e.eachItem(ctx, store.Query{Table: store.Links, Workspace: ws, Partition: dead(ws, con, "x").Partition, Limit: 100}, func(it store.Item) error {
		var d deadItem
		if err := json.Unmarshal(it.Data, &d); err != nil {
			return fault.Wrap("engine: decode dead item", fault.Other, err)
		}
		conn, _, err := store.LoadConnection(ctx, e.Store, ws, con)
		if err != nil {
			return err
		}
		d.Chunk.Generation = conn.Generation
		for i := range d.Chunk.Hints {
			d.Chunk.Hints[i].Digest = ""
		}
		if err := e.send(ctx, []*chunk{&d.Chunk}); err != nil {
			return err
		}
		n++
		_, err = e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}})
		return err
	})
	return n, err
}

// RetryEntry works one problem entry's record again under the present settings.
func (e *Engine) RetryEntry(ctx context.Context, ws crm.WorkspaceID, id string, values crm.Fields) (Run, error) {
	en, err := e.GetEntry(ctx, ws, id)
	if err != nil {
		return Run{}, err
	}
	if !en.Problem() {
		return Run{}, fault.New("engine: retry", fault.Invalid, "not_retryable", "only failed, conflicting and duplicate entries can be retried")
	}
	if len(values) > 0 {
		return Run{}, fault.New("engine: retry", fault.Unsupported, "values_unsupported", "correct the value in the app, or resolve the record's fields, then retry without values")
	}
	return e.recordRun(ctx, scope{ws, en.Connection, en.Sync}, RunRetry, []crm.RecordRef{{Side: en.Side, ID: en.Record}}, hint{Force: true})
}

// maxRetried bounds the records of one retry by filter.
const maxRetried = 5000

// RetryFailed works the records of all problem entries that fit the filter again.
func (e *Engine) RetryFailed(ctx context.Context, ws crm.WorkspaceID, f LogFilter) (Run, error) {
	if f.Sync == "" {
		return Run{}, fault.New("engine: retry", fault.Invalid, "sync_required", "name the sync whose failures are to be retried")
	}
	if len(f.Outcomes) == 0 {
		f.Outcomes = []crm.Outcome{crm.Failed}
	}
	seen := map[crm.RecordRef]bool{}
	var refs []crm.RecordRef
	for cursor := ""; len(refs) < maxRetried; {
		entries, next, err := e.ListLog(ctx, ws, f, 200, cursor)
		if err != nil {
			return Run{}, err
		}
		for _, en := range entries {
			ref := crm.RecordRef{Side: en.Side, ID: en.Record}
			if en.Problem() && !en.Resolved && !seen[ref] {
				seen[ref] = true
				refs = append(refs, ref)
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return e.recordRun(ctx, scope{ws, f.Connection, f.Sync}, RunRetry, refs, hint{Force: true})
}

// ListRecords returns one page of the sync's records, or the one that q names
// by ID on either side.
func (e *Engine) ListRecords(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, state crm.State, q string, limit int, cursor string) ([]RecordView, string, error) {
	sc := scope{ws, id, sync}
	s := &session{Engine: e, scope: sc}
	if q != "" {
		out := []RecordView{}
		for _, side := range crm.Sides {
			u := &unit{side: side, id: crm.RecordID(q)}
			if err := s.loadLinks(ctx, []*unit{u}); err != nil {
				return nil, "", err
			}
			if u.link != nil && (state == "" || u.link.State == state) {
				out = append(out, viewOf(side, u.id, u.link))
			}
		}
		return out, "", nil
	}
	if state != "" && rare(state) {
		page, err := e.Store.Query(ctx, store.Query{Table: store.Links, Workspace: ws, OnIndex: true, Partition: "s#" + sc.name() + "#" + string(state), Limit: limit, Cursor: cursor})
		if err != nil {
			return nil, "", err
		}
		out, err := viewsOf(page.Items, state)
		return out, page.Next, err
	}
	return e.listShards(ctx, sc, state, limit, cursor)
}

// listShards walks the sync's partitions one after the other.
func (e *Engine) listShards(ctx context.Context, sc scope, state crm.State, limit int, cursor string) ([]RecordView, string, error) {
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
			return nil, "", fault.New("engine: list records", fault.Invalid, "malformed_cursor", "the cursor is not one that this list returned")
		}
	}
	out := []RecordView{}
	for len(out) < limit {
		page, err := e.Store.Query(ctx, store.Query{Table: store.Links, Workspace: sc.ws, Partition: sc.shardPartition(at.Shard), Limit: limit - len(out), Cursor: at.Next})
		if err != nil {
			return nil, "", err
		}
		views, err := viewsOf(page.Items, state)
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

func viewsOf(items []store.Item, state crm.State) ([]RecordView, error) {
	out := []RecordView{}
	for _, it := range items {
		l, err := decodeLink(it)
		if err != nil {
			return nil, err
		}
		if l.AliasOf != "" || state != "" && l.State != state {
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
	return RecordView{Side: side, ID: id, State: l.State, Code: l.Code, Detail: l.Detail, Partner: l.id(side.Other()), Others: l.Others, Since: l.Since}
}

// GetRecord returns all that is known of one record: both sides as read now,
// the agreement, and its history. NotFound for a record never seen.
func (e *Engine) GetRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID) (RecordView, error) {
	s, u, err := e.look(ctx, scope{ws, id, sync}, side, rec)
	if err != nil {
		return RecordView{}, err
	}
	if u.link == nil {
		return RecordView{}, fault.New("engine: get record", fault.NotFound, "record_unknown", "the sync has not seen this record")
	}
	v := viewOf(side, u.id, u.link)
	if err := s.readBoth(ctx, u); err != nil {
		return v, err
	}
	for _, sd := range crm.Sides {
		if r := u.rec.Get(sd); r != nil {
			v.Values.Set(sd, r.Fields)
		}
	}
	v.Base = map[crm.MappingID]any{}
	for m, a := range u.link.Base {
		v.Base[m] = a
	}
	v.History, err = e.history1(ctx, ws, u)
	return v, err
}

// history1 reads the log pages that the link remembers.
func (e *Engine) history1(ctx context.Context, ws crm.WorkspaceID, u *unit) ([]Entry, error) {
	var out []Entry
	for _, p := range u.link.Pages {
		day, page, ok := strings.Cut(p, "/")
		if !ok {
			continue
		}
		con, page, _ := strings.Cut(page, "/")
		err := e.eachItem(ctx, store.Query{Table: store.Log, Workspace: ws, Partition: logPartition(crm.ConnectionID(con), day), Prefix: page + "."}, func(it store.Item) error {
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
	conn, _, err := store.LoadConnection(ctx, e.Store, sc.ws, sc.con)
	if err != nil {
		return nil, nil, err
	}
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return nil, nil, err
	}
	u := &unit{side: side, id: rec, hint: hint{ID: rec, Force: true}, jobs: []*job{{chunk: &chunk{}}}}
	return s, u, s.loadLinks(ctx, []*unit{u})
}

// readBoth reads the record and, if it has one, its partner.
func (s *session) readBoth(ctx context.Context, u *unit) error {
	if err := s.read(ctx, u.side, []*unit{u}, func(u *unit) crm.RecordID { return u.id }); err != nil {
		return err
	}
	if !u.link.paired() {
		return nil
	}
	other := u.side.Other()
	return s.read(ctx, other, []*unit{u}, func(u *unit) crm.RecordID { return u.link.id(other) })
}

// Explain works out, without writing, what would be done with a record now and why.
func (e *Engine) Explain(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID) (Explanation, error) {
	s, u, err := e.look(ctx, scope{ws, id, sync}, side, rec)
	if err != nil {
		return Explanation{}, err
	}
	if err := s.observe(ctx, []*unit{u}); err != nil {
		return Explanation{}, err
	}
	if u.own() == nil && u.link == nil {
		return Explanation{}, fault.New("engine: explain", fault.NotFound, "record_unknown", "the app has no such record")
	}
	s.plan([]*unit{u})
	x := Explanation{Side: side, ID: u.id, Partner: u.recID(side.Other()), Outcome: u.plan.Outcome, State: u.plan.State, Code: u.plan.Code, Detail: u.plan.Detail,
		Match: []MatchAttempt{}, Filters: []FilterClause{}, Fields: []FieldVerdict{}}
	for _, t := range u.match.Tried {
		x.Match = append(x.Match, MatchAttempt{Step: t.Step, By: string(t.By), Fields: t.Fields, Candidates: t.Candidates, Result: t.Result})
	}
	x.Filters = filterClauses(s.set, u, s.Now())
	for _, f := range u.plan.Fields {
		x.Fields = append(x.Fields, FieldVerdict{Mapping: f.Mapping, Left: f.Left, Right: f.Right, Winner: f.Winner, After: f.After, Rule: string(f.Rule), Code: f.Code, Detail: f.Detail})
	}
	return x, nil
}

// filterClauses lists the rules' clauses for each record that is there.
func filterClauses(set *reconcile.Settings, u *unit, now time.Time) []FilterClause {
	out := []FilterClause{}
	for _, side := range crm.Sides {
		r := u.rec.Get(side)
		if r == nil {
			continue
		}
		way := crm.WayTo(side.Other())
		for _, t := range set.FilterTraces(way, r, now) {
			for _, c := range t.Clauses {
				out = append(out, FilterClause{Rule: t.Rule, Way: way, Field: c.Field, Op: string(c.Op), Wanted: c.Wanted, Value: c.Value, Holds: c.Result})
			}
		}
	}
	return out
}

func pageRef(con crm.ConnectionID, t time.Time, page string) string {
	return fmt.Sprintf("%s/%s/%s", t.UTC().Format(time.DateOnly), con, page)
}
