package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// planRetention is how long a plan can be read and applied.
const planRetention = 30 * 24 * time.Hour

// planSettled begins the counters of a plan's pairs with settled fields.
const planSettled = "s:"

// storedPlan is a plan's head; its changes are in pages of their own.
type storedPlan struct {
	V      int                 `json:"v"`
	Plan   PlanView            `json:"plan"`
	Config int64               `json:"cfg"`            // connection version it was made under
	Work   string              `json:"work,omitempty"` // what of the settings decides; "" = a release before told none
	Full   bool                `json:"full"`
	Cursor crm.PerSide[string] `json:"cursor"`

	Generation int64 `json:"gen,omitempty"` // of an undo: the accounts that it is about
}

// CreatePlan works out what a sync would do, for everything or for the named
// records, and writes nothing to either app. It works on a draft, too.
func (e *Engine) CreatePlan(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, records []crm.RecordRef,
) (PlanView, error) {
	sc := scope{ws, id, sync}
	conn, _, err := e.loadConnection(ctx, ws, id)
	if err != nil {
		return PlanView{}, err
	}
	if conn.Sync(sync) == nil || conn.Status == crm.StatusDeleting {
		return PlanView{}, fault.New("engine: plan", fault.NotFound, "sync_not_found", "the connection has no such sync")
	}
	r := e.newRun(sc, conn, RunPlan)
	r.Full = len(records) == 0
	r.Run.Plan = crm.PlanID(e.NewID("pln"))
	p := storedPlan{V: 1, Config: conn.Version, Work: workOf(conn, sync), Full: r.Full, Plan: PlanView{
		ID: r.Run.Plan, Kind: planDryRun, Run: r.Run.ID, Connection: id, Sync: sync,
		State: RunRunning, CreatedAt: e.Now(), Totals: map[crm.Outcome]int64{}, Settled: SettledCounts{
			Reasons: map[crm.Reason]int64{},
		},
	}}
	if !r.Full {
		r.enter(alike(records, hint{Force: true}))
	}
	plan, err := e.planWrite(ws, &p, 0)
	if err != nil {
		return PlanView{}, err
	}
	if err := e.launch(ctx, sc, r, plan, store.Write{Item: store.Item{Key: sc.openRun(r.Run.ID)}}); err != nil {
		return PlanView{}, err
	}
	if !r.Full {
		e.sendEntered(ctx, sc, conn, r.Run.ID)
	}
	return p.Plan, nil
}

// planWrite is the write that stores a plan over the version it was read in.
func (e *Engine) planWrite(ws crm.WorkspaceID, p *storedPlan, version int64) (store.Write, error) {
	b, err := json.Marshal(p)
	return store.Write{
		Item: store.Item{Key: planKey(ws, p.Plan.ID), Data: b, Expires: e.Now().Add(planRetention)},
		If:   store.IfVersion(version),
	}, err
}

func (e *Engine) savePlan(ctx context.Context, ws crm.WorkspaceID, p *storedPlan, version int64) error {
	w, err := e.planWrite(ws, p, version)
	if err == nil {
		_, err = e.Store.Write(ctx, w)
	}
	return err
}

func (e *Engine) loadPlan(ctx context.Context, ws crm.WorkspaceID, id crm.PlanID) (*storedPlan, int64, error) {
	item, err := e.Store.Get(ctx, planKey(ws, id))
	if err != nil {
		return nil, 0, err
	}
	var p storedPlan
	if err := json.Unmarshal(item.Data, &p); err != nil {
		return nil, 0, fault.Wrap("engine: decode plan", fault.Other, err)
	}
	return &p, item.Version, nil
}

// GetPlan returns a plan with its totals so far. NotFound when there is none, or it expired.
func (e *Engine) GetPlan(ctx context.Context, ws crm.WorkspaceID, id crm.PlanID) (PlanView, error) {
	p, _, err := e.loadPlan(ctx, ws, id)
	if err != nil {
		return PlanView{}, err
	}
	counters, err := e.counters(ctx, scope{ws, p.Plan.Connection, p.Plan.Sync}, p.Plan.Run)
	p.Plan.Settled = SettledCounts{Links: counters[planSettled+countLinks], Reasons: map[crm.Reason]int64{}}
	for _, why := range crm.Reasons {
		if n := counters[planSettled+string(why)]; n > 0 {
			p.Plan.Settled.Reasons[why] = n
		}
	}
	for k, n := range counters {
		if o, ok := strings.CutPrefix(k, "p:"); ok {
			p.Plan.Totals[crm.Outcome(o)] = n
		}
	}
	if err != nil {
		return p.Plan, err
	}
	conn, _, err := e.connectionAt(ctx, ws, p.Plan.Connection)
	if fault.Is(err, fault.NotFound) || err == nil && conn.Sync(p.Plan.Sync) == nil {
		return p.Plan, nil // the plan outlives what it was made for
	}
	if err == nil {
		p.Plan.Held, err = e.heldNow(ctx, scope{ws, p.Plan.Connection, p.Plan.Sync}, conn, conn.Sync(p.Plan.Sync))
	}
	return p.Plan, err
}

// fillPage adds items to a page of a list, from the place skip on, and moves that. It
// is full when the page holds as many as it may and there are more.
func fillPage[T any](page, items []T, skip *int, limit int) (filled []T, full bool) {
	for ; *skip < len(items); *skip++ {
		if len(page) == limit {
			return page, true
		}
		page = append(page, items[*skip])
	}
	return page, false
}

// PlanChanges returns one page of a plan's changes.
func (e *Engine) PlanChanges(
	ctx context.Context, ws crm.WorkspaceID, id crm.PlanID, limit int, cursor string,
) ([]Change, string, error) {
	if _, _, err := e.loadPlan(ctx, ws, id); err != nil {
		return nil, "", err
	}
	var at struct {
		Next string `json:"n"`
		Skip int    `json:"s"`
	}
	if cursor != "" {
		b, err := decodeText(cursor)
		if err == nil {
			err = json.Unmarshal(b, &at)
		}
		if err != nil || at.Skip < 0 {
			return nil, "", fault.New("engine: list changes", fault.Invalid, "cursor_malformed",
				"the cursor is not one that this list returned")
		}
	}
	out := []Change{}
	for {
		page, err := e.Store.Query(ctx, store.Query{
			Table: store.Log, Workspace: ws, Partition: planPage(ws, id, "x").Partition, Limit: 1, Cursor: at.Next,
		})
		if err != nil {
			return nil, "", err
		}
		for _, it := range page.Items {
			changes, _, err := decodeChanges(it)
			if err != nil {
				return nil, "", err
			}
			full := false
			if out, full = fillPage(out, changes, &at.Skip, limit); full {
				b, err := json.Marshal(at)
				return out, encodeText(b), err
			}
		}
		at.Skip, at.Next = 0, page.Next
		if at.Next == "" {
			return out, "", nil
		}
	}
}

// planned is what a plan page holds.
type planned struct {
	Side    crm.Side `json:"side"`
	Changes []Change `json:"changes"`
}

func decodeChanges(it store.Item) ([]Change, crm.Side, error) {
	b, err := unpack(it.Data)
	if err != nil {
		return nil, "", fault.Wrap("engine: decode plan", fault.Other, err)
	}
	var p planned
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, "", fault.Wrap("engine: decode plan", fault.Other, err)
	}
	return p.Changes, p.Side, nil
}

// planLots is the dry run of chunks: observe and decide, and store that as the plan.
func (s *session) planLots(ctx context.Context, jobs []*job) (err error) {
	if s.brakes, err = s.loadBrakes(ctx, s.scope); err != nil {
		return err
	}
	if err := s.learnErasedNow(ctx); err != nil {
		return err
	}
	for i, j := range jobs {
		group, us, err := s.fitting(ctx, jobs[i:i+1], i == 0)
		if err != nil {
			return err
		}
		if len(group) == 0 {
			return errTime
		}
		j.begun = true
		if err := s.planBrought(ctx, us); err != nil {
			return err
		}
		if size, ok := s.tooLong(j, us); ok {
			if err := s.split(ctx, j, size); err != nil {
				return err
			}
			continue
		}
		if us, err = s.observe(ctx, us); err != nil {
			return fmt.Errorf("observe: %w", err)
		}
		if err := s.loadTakeBacks(ctx, us); err != nil {
			return err
		}
		s.decide(us)
		if err := s.storePlanned(ctx, j, us); err != nil {
			return err
		}
		j.ack()
	}
	return nil
}

// storePlanned stores one chunk's changes and counts them, once.
func (s *session) storePlanned(ctx context.Context, j *job, us []*unit) error {
	p, _, err := s.loadPlan(ctx, s.ws, j.chunk.Plan)
	if fault.Is(err, fault.NotFound) {
		s.drop(j, "plan_expired")
		return nil
	}
	if err != nil {
		return err
	}
	counts := map[string]int64{"chunks": 1, "done": int64(len(j.chunk.Hints))}
	page := planned{Side: j.chunk.Side, Changes: []Change{}}
	for _, u := range us {
		if p.Full && s.listedFromLeft(u) {
			continue
		}
		if u.back != nil && u.back.second {
			continue
		}
		c := s.changeOf(u)
		if p.Full && u.side == crm.Right && s.passedFromLeft(u) {
			counts["p:"+string(crm.Unchanged)]-- // what the left side's listing says of the pair
		}
		counts["p:"+string(c.Action)]++
		if len(c.Settled) > 0 {
			counts[planSettled+countLinks]++
			for _, why := range u.plannedBase().Reasons() {
				counts[planSettled+string(why)]++
			}
		}
		tells := c.Action != crm.Unchanged && c.Action != crm.Dropped || len(c.Kept) > 0
		if !u.erased() && (tells || !p.Full && len(c.Settled) > 0) {
			page.Changes = append(page.Changes, c)
		}
	}
	for _, side := range crm.Sides {
		counts["calls:"+string(side)] = s.end(side).calls
		s.end(side).calls = 0
	}
	b, err := json.Marshal(page)
	if err != nil {
		return err
	}
	if b, err = pack(b); err != nil {
		return err
	}
	ws := []store.Write{
		{Item: store.Item{Key: s.chunkDone(j.chunk.ID), Expires: s.Now().Add(runRetention)}, If: store.IfAbsent},
		{Op: store.Add, Item: store.Item{
			Key: runCounts(s.ws, j.chunk.Run), Counters: counts, Expires: s.Now().Add(runRetention),
		}},
	}
	if len(page.Changes) > 0 {
		ws = append(ws, store.Write{
			Item: store.Item{Key: planPage(s.ws, j.chunk.Plan, j.chunk.ID), Data: b, Expires: s.Now().Add(planRetention)},
		})
	}
	err = s.Store.Transact(ctx, ws)
	if fault.Is(err, fault.Conflict) {
		return nil // an earlier delivery counted it
	}
	return err
}

// listedFromLeft reports whether the left side's listing names the same pair:
// a plan lists each pair once.
func (s *session) listedFromLeft(u *unit) bool {
	if u.side == crm.Left {
		return false
	}
	if u.brought {
		return u.rec.Left != nil
	}
	if u.link.paired() {
		return (u.link.State != crm.StateDeleted || u.own() == nil) && !s.passedFromLeft(u)
	}
	if u.match.Kind != reconcile.MatchFound || u.rec.Left == nil {
		return false
	}
	_, ok := s.set.Admit(crm.Left, u.rec.Left, s.started)
	return ok
}

// plannedBase is what would be remembered of the unit's pair: what is by now,
// where nothing was to be decided.
func (u *unit) plannedBase() crm.Base {
	switch {
	case u.decision.Base != nil:
		return u.decision.Base
	case u.link.paired() && u.decision.Outcome == crm.Unchanged:
		return u.link.Base
	}
	return nil
}

// passedFromLeft reports whether the left side's listing finds a pair unchanged
// although its right record is not: that one tells what is planned for it.
func (s *session) passedFromLeft(u *unit) bool {
	if !u.link.paired() || u.rec.Left == nil || u.rec.Right == nil || !s.upToDate(u.link) && !s.spent(u.link) {
		return false
	}
	return u.rec.Left.Fields.Digest(s.end(crm.Left).fields) == u.link.seen(crm.Left)
}

func (s *session) changeOf(u *unit) Change {
	c := Change{
		Action: u.decision.Outcome, Side: u.side, Record: u.id, Partner: u.recID(u.side.Other()), Code: u.decision.Code,
		Reason: u.decision.Detail, Diffs: s.shown(s.diffs(u)), Digest: u.digest(),
	}
	switch {
	case u.fate.wait > 0:
		c.Action, c.Code, c.Digest = crm.Skipped, u.fate.why, ""
	default:
		c.Settled = settledFields(linesOf(s.set), u.plannedBase())
	}
	if u.undoes() {
		c.Entry = u.hint.Entry
	}
	if u.back != nil {
		c.Kept = u.back.kept
	}
	if u.undoes() && (u.back == nil || !u.back.wants()) {
		c.Digest = ""
	}
	if c.Action == crm.Unchanged || u.brought {
		c.Digest = "" // there is nothing to apply: a pair that was brought is linked before
	}
	return c
}

// advanceOpen goes on with the runs beside the sync's listing.
func (e *Engine) advanceOpen(ctx context.Context, sc scope) (busy bool, err error) {
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: sc.openRun("x").Partition,
		Limit: 20,
	})
	if err != nil {
		return false, err
	}
	for _, it := range page.Items {
		over, stands, err := e.advance(ctx, sc.ws, crm.RunID(it.Sort))
		if fault.Is(err, fault.NotFound) {
			over, err = true, nil
		}
		if err != nil {
			return true, err
		}
		if !over {
			busy = busy || !stands
			continue
		}
		if _, err := e.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}}); err != nil {
			return true, err
		}
	}
	return busy, nil
}

func (s *session) finishPlan(ctx context.Context, r *storedRun) error {
	p, version, err := s.loadPlan(ctx, s.ws, r.Run.Plan)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err == nil {
		p.Plan.State, p.Cursor = RunDone, r.Cursor
		if err := s.savePlan(ctx, s.ws, p, version); err != nil {
			return err
		}
	}
	for _, side := range crm.Sides {
		if err := s.dropSeen(ctx, r, side); err != nil {
			return err
		}
	}
	return s.finish(ctx, s.scope, r, RunDone, "", "")
}

// ApplyPlan does what a finished plan lists, and nothing else: each change is
// worked out again, and one that would differ from the plan is left as stale.
// Applying a full plan of a draft is its initial sync. Conflict while another run of
// the sync is open.
func (e *Engine) ApplyPlan(ctx context.Context, ws crm.WorkspaceID, id crm.PlanID) (Run, error) {
	p, _, err := e.loadPlan(ctx, ws, id)
	if err != nil {
		return Run{}, err
	}
	if p.Plan.State != RunDone {
		return Run{}, fault.New("engine: apply plan", fault.Conflict, "plan_not_ready",
			"the plan is still being worked out, or failed")
	}
	sc := scope{ws, p.Plan.Connection, p.Plan.Sync}
	for range 5 {
		conn, with, err := e.readyFor(ctx, sc, p)
		if err != nil {
			return Run{}, err
		}
		run, err := e.tryRun(ctx, sc, conn, RunApply, func(r *storedRun, st *scanState) {
			r.Phase, r.Run.Plan = phaseApply, id
			if p.Plan.Kind == planUndo {
				r.Undo = &undoneRun{Run: p.Plan.Undoes}
			}
			if len(with) > 0 { // the plan's listing is the sync's first one
				st.Cursor, st.LatestPull = p.Cursor, p.Plan.CreatedAt
			}
		}, with...)
		switch {
		case fault.Is(err, fault.Conflict):
			continue
		case err == nil && run.Plan != id:
			return Run{}, fault.New("engine: apply plan", fault.Conflict, codeOtherRun, fmt.Sprintf(
				"the %s run %s of the sync is not over yet, and one goes on at a time", run.Kind, run.ID))
		}
		return run, err
	}
	return Run{}, fault.New("engine: apply plan", fault.Unavailable, "busy", "the sync is busy; try again")
}

// readyFor reads the connection that a plan can be applied to. With it, for the full plan
// of a draft, comes the write that makes it active. It goes in one step with the run: a
// tick that found the sync active without a run would begin to list everything, and the
// plan would be of no use.
func (e *Engine) readyFor(
	ctx context.Context, sc scope, p *storedPlan,
) (conn *crm.Connection, with []store.Write, err error) {
	conn, version, err := store.LoadConnection(ctx, e.Store, sc.ws, sc.con)
	if err != nil {
		return nil, nil, err
	}
	if conn.Status == crm.StatusDraft && p.Full {
		conn.Begin(nil, e.Now())
		conn.Status, conn.StatusAt = crm.StatusActive, e.Now()
		w, err := store.ConnectionWrite(sc.ws, conn, version)
		if err != nil {
			return nil, nil, err
		}
		with = append(with, w)
	}
	conn = conn.Unfolded()
	return conn, with, p.mayApply(conn)
}

// mayApply says why a plan cannot be applied to a connection as it is; nil = it can.
func (p *storedPlan) mayApply(conn *crm.Connection) error {
	if p.outdated(conn) {
		return fault.New("engine: apply plan", fault.Conflict, codePlanOutdated,
			"the settings of the sync were changed since the plan was made: make a new one")
	}
	switch ok, code := runnable(conn, p.Plan.Sync); {
	case ok:
	case code == reconcile.CodeSwitchedOff:
		return fault.New("engine: apply plan", fault.Conflict, code,
			"the connection or the sync is switched off: switch it on first")
	default:
		return fault.New("engine: apply plan", fault.Conflict, code,
			"the sync is not running; start the connection first")
	}
	if p.Plan.Kind == planUndo && p.Generation != conn.Generation {
		return fault.New("engine: apply plan", fault.Conflict, "connection_changed",
			"the connection was joined to other accounts since")
	}
	return nil
}

// codeOtherRun answers what cannot begin because another run of the sync is open.
const codeOtherRun = "other_run_open"

// codePlanOutdated refuses a plan of other settings than there are now.
const codePlanOutdated = "plan_outdated"

// outdated reports whether what decides about the sync's records was changed
// since the plan was made. Names, schedules and who may see it are none of it.
func (p *storedPlan) outdated(conn *crm.Connection) bool {
	if p.Plan.Kind == planUndo { // it is about what was written, whatever is mapped by now
		return false
	}
	if p.Work == "" {
		return p.Config != conn.Version
	}
	return p.Work != workOf(conn, p.Plan.Sync)
}

// stepApply reads one page of the plan.
func (s *session) stepApply(ctx context.Context, r *storedRun) error {
	page, err := s.Store.Query(ctx, store.Query{
		Table: store.Log, Workspace: s.ws, Partition: planPage(s.ws, r.Run.Plan, "x").Partition, Limit: 1, Cursor: r.Position,
	})
	if err != nil {
		return err
	}
	for _, it := range page.Items {
		changes, side, err := decodeChanges(it)
		if err != nil {
			return err
		}
		r.RestSide = side
		for _, c := range changes {
			if c.Digest == "" {
				continue
			}
			h := hint{ID: c.Record, Expect: c.Digest}
			if c.Partner != "" {
				h.Twins = []crm.RecordID{c.Partner} // the plan's listing may have found it where the app's search does not
			}
			if r.Undo != nil {
				h.Twins, h.Undo, h.Entry = nil, r.Undo.Run, c.Entry
				if c.Action == crm.Linked {
					h.Op, h.Partner = opLink, c.Partner
				}
			}
			r.Rest = append(r.Rest, h)
			r.Listed++
		}
	}
	r.Seq++
	r.Position = page.Next
	if page.Next == "" {
		r.Phase = r.after(r.Phase)
	}
	return s.saveRun(ctx, s.ws, r) // before it is sent, as in stepSend
}
