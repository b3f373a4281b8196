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

// runRetention is how long runs, their counters and chunk markers are kept.
const runRetention = 90 * 24 * time.Hour

// phase is what a run does next.
type phase string

const (
	phaseLeft       phase = "left"        // list the left side
	phaseRight      phase = "right"       // list the right side
	phaseAgainLeft  phase = "again_left"  // list once more what was modified an hour ago on the left side
	phaseAgainRight phase = "again_right" // the same of the right side
	phaseAudit      phase = "audit"       // read some known records of both sides
	phaseAuditRight phase = "audit_right" // send what that found on the right side
	phaseSendLeft   phase = "send_left"   // queue what was listed on the left side
	phaseSendRight  phase = "send_right"  // queue what was listed on the right side
	phaseSweepLeft  phase = "sweep_left"  // list the left side's deletions
	phaseSweepRight phase = "sweep_right" // list the right side's deletions
	phaseApply      phase = "apply"       // go through a plan's pages
	phaseUndo       phase = "undo"        // go through the log for what is to be undone
	phaseKnown      phase = "known"       // go through what is known
	phaseDrain      phase = "drain"       // wait for the chunks sent so far
	phaseMissing    phase = "missing"     // look for links whose record was not listed
	phaseConfirm    phase = "confirm"     // wait for the chunks about missing records
	phaseOver       phase = "over"
)

// storedRun is a run with everything needed to go on with it in any process.
type storedRun struct {
	V          int                 `json:"v"`
	Run        Run                 `json:"run"` // without counters
	Generation int64               `json:"gen"`
	Config     int64               `json:"cfg,omitempty"`   // version of the connection that it began under
	Later      bool                `json:"later,omitempty"` // it notes what differs, and writes nothing
	First      bool                `json:"first,omitempty"` // pairs that a draft was brought: all else waits for them
	Phase      phase               `json:"phase"`
	Because    string              `json:"because,omitempty"` // why everything is listed although nobody asked: a code
	Full       bool                `json:"full,omitempty"`    // every record, not only changes
	Force      bool                `json:"force,omitempty"`   // look at both sides whatever the digests say
	Position   string              `json:"pos,omitempty"`
	Seq        int64               `json:"seq"`  // pages listed
	Sent       int64               `json:"sent"` // chunks sent
	Listed     int64               `json:"listed"`
	Cursor     crm.PerSide[string] `json:"cursor"`         // found at the end of each side's listing
	Rest       []hint              `json:"rest,omitempty"` // listed, not sent yet
	RestSide   crm.Side            `json:"rest_side,omitempty"`
	Then       []hint              `json:"then,omitempty"` // of the other side, to be sent after them
	// how what waits was named and divided when somebody was taken out of it; none = as chunkID says
	Named   []namedPart `json:"named,omitempty"`
	NoHints bool        `json:"no_hints,omitempty"` // find out where changes start, and what activities are new
	// of the keys that a full listing saw; "" = its records are worked as they are listed
	Salt  string              `json:"salt,omitempty"`
	Swept bool                `json:"swept,omitempty"`
	Moved bool                `json:"moved,omitempty"` // the sync's cursors were moved
	Mark  crm.PerSide[string] `json:"mark,omitzero"`   // of each side's listing, with Cursor
	Again *secondLook         `json:"again,omitempty"` // what it lists once more; nil = nothing
	Audit *auditing           `json:"audit,omitempty"` // what it reads to see whether it is as known; nil = nothing
	Told  crm.PerSide[bool]   `json:"told,omitzero"`   // sides of which a listing of everything is of what is kept
	// where the listing began; nil = it lists nothing, or is of an older release
	From    *listedTo  `json:"from,omitempty"`
	Undo    *undoneRun `json:"undo,omitempty"` // what it takes back, or plans to; nil = nothing
	version int64
	unsaved bool // something was sent since it was stored
}

func (r *storedRun) open() bool { return r.Run.State == RunQueued || r.Run.State == RunRunning }

// scanState is where the listing of a sync stands between runs.
type scanState struct {
	V          int                 `json:"v"`
	Cursor     crm.PerSide[string] `json:"cursor"`
	Sweep      crm.PerSide[string] `json:"sweep"`
	SweptAt    time.Time           `json:"swept_at,omitzero"`
	LatestPull time.Time           `json:"latest_pull,omitzero"`
	OpenRun    crm.RunID           `json:"open_run,omitempty"`
	Held       []string            `json:"held,omitempty"`      // what rested when it was last looked at
	AgainAt    time.Time           `json:"again_at,omitzero"`   // when refused fields were last tried again
	AgainSet   string              `json:"again_set,omitempty"` // digest of the settings then
	// oldest first: what was modified after the first one is looked at once more
	Marks []lookMark  `json:"marks,omitempty"`
	Audit *auditState `json:"audit,omitempty"`
	// versions of the connection whose changes have been applied to all, and noted
	All    int64     `json:"all,omitempty"`
	Later  int64     `json:"later,omitempty"`
	Owed   string    `json:"owed,omitempty"`   // the last run that began for them: see owedRun
	OwedAt time.Time `json:"owed_at,omitzero"` // and when
	OwedBy crm.RunID `json:"owed_by,omitempty"`
	// the run that was open when somebody asked for a resync, or for a pull; one follows it
	Asked     crm.RunID `json:"asked,omitempty"`
	AskedPull crm.RunID `json:"asked_pull,omitempty"`
	Anew      bool      `json:"anew,omitempty"` // it was joined to other records, and its first run has not begun
	version   int64
}

// listedTo is how far a sync's changes and deletions have been listed.
type listedTo struct {
	Cursor crm.PerSide[string] `json:"cursor"`
	Sweep  crm.PerSide[string] `json:"sweep"`
	Marks  []lookMark          `json:"marks,omitempty"`
}

// back says where the next listing has to begin when the run ends here: where
// this one did, if it listed what nobody was sent; nil = where it ended.
func (r *storedRun) back() *listedTo {
	if len(r.Rest) == 0 || r.Run.Kind == RunPlan {
		return nil
	}
	return r.From
}

func (e *Engine) loadScan(ctx context.Context, sc scope) (*scanState, error) {
	item, err := e.Store.Get(ctx, sc.scan())
	if fault.Is(err, fault.NotFound) {
		return &scanState{V: 1}, nil
	}
	if err != nil {
		return nil, err
	}
	known, err := recall(&e.Decoded.scans, item, decodeScan)
	if err != nil {
		return nil, err
	}
	st := *known
	st.Held, st.Marks = slices.Clone(known.Held), slices.Clone(known.Marks)
	if known.Audit != nil {
		st.Audit = new(*known.Audit)
	}
	st.version = item.Version
	return &st, nil
}

func decodeScan(item store.Item) (*scanState, error) {
	var st scanState
	if err := json.Unmarshal(item.Data, &st); err != nil {
		return nil, fault.Wrap("engine: decode scan", fault.Other, err)
	}
	return &st, nil
}

// scanWrite is the write that stores a scan's state over the version it was read in.
func (e *Engine) scanWrite(sc scope, st *scanState) (store.Write, error) {
	b, err := json.Marshal(st)
	return store.Write{Item: store.Item{Key: sc.scan(), Data: b}, If: store.IfVersion(st.version)}, err
}

func (e *Engine) saveScan(ctx context.Context, sc scope, st *scanState) error {
	w, err := e.scanWrite(sc, st)
	if err != nil {
		return err
	}
	v, err := e.Store.Write(ctx, w)
	if err == nil {
		st.version = v
	}
	return err
}

func (e *Engine) loadRun(ctx context.Context, ws crm.WorkspaceID, id crm.RunID) (*storedRun, error) {
	item, err := e.Store.Get(ctx, runKey(ws, id))
	if err != nil {
		return nil, err
	}
	return decodeRun(item)
}

func decodeRun(item store.Item) (*storedRun, error) {
	b, err := unpack(item.Data)
	if err != nil {
		return nil, fault.Wrap("engine: decode run", fault.Other, err)
	}
	var r storedRun
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fault.Wrap("engine: decode run", fault.Other, err)
	}
	r.version = item.Version
	return &r, nil
}

func (e *Engine) saveRun(ctx context.Context, ws crm.WorkspaceID, r *storedRun) error {
	w, err := e.runWrite(ws, r)
	if err != nil {
		return err
	}
	if r.version == 0 {
		if _, err := e.Store.Write(ctx, store.Write{
			Item: store.Item{Key: runOf(ws, r.Run.Connection, r.Run.ID), Expires: w.Item.Expires},
		}); err != nil {
			return err
		}
	}
	v, err := e.Store.Write(ctx, w)
	if err == nil {
		r.version, r.unsaved = v, false
	}
	return err
}

// runWrite is the write that stores a run over the version it was read in.
func (e *Engine) runWrite(ws crm.WorkspaceID, r *storedRun) (store.Write, error) {
	r.V = 1
	b, err := json.Marshal(r)
	if err != nil {
		return store.Write{}, err
	}
	if b, err = packOver(packAloneFrom, b); err != nil {
		return store.Write{}, err
	}
	return store.Write{
		Item: store.Item{Key: runKey(ws, r.Run.ID), Data: b, Expires: e.Now().Add(runRetention)},
		If:   store.IfVersion(r.version),
	}, nil
}

// keep stores what a stored run has sent, when whoever goes on with it stops for
// now: what was listed is stored before it is sent, so that sending it once more
// names the same chunks, which count once.
func (s *session) keep(ctx context.Context, r *storedRun) error {
	if !r.unsaved || r.version == 0 {
		return nil
	}
	return s.saveRun(ctx, s.ws, r)
}

// counters reads what was counted for a run so far.
func (e *Engine) counters(ctx context.Context, sc scope, id crm.RunID) (map[string]int64, error) {
	key, prefix := sc.tally(id)
	item, err := e.Store.Get(ctx, key)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	return prefixed(item.Counters, prefix), nil
}

// prefixed returns the counters whose names begin with prefix, without it.
func prefixed(counters map[string]int64, prefix string) map[string]int64 {
	out := map[string]int64{}
	for k, n := range counters {
		if name, ok := strings.CutPrefix(k, prefix); ok {
			out[name] = n
		}
	}
	return out
}

// view joins a run with its counters.
func (r *storedRun) view(counters map[string]int64) Run {
	v := r.Run
	v.Done, v.Total = counters["done"], r.Listed
	v.Records, v.InError = counters[countRecords], counters[countInError]
	v.TotalKnown = !slices.Contains([]phase{phaseLeft, phaseRight, phaseUndo, phaseKnown}, r.Phase)
	v.Outcomes = map[crm.Outcome]int64{}
	for k, n := range counters {
		if o, ok := strings.CutPrefix(k, "o:"); ok {
			v.Outcomes[crm.Outcome(o)] = n
		}
	}
	if v.Detail == "" {
		v.Detail = everythingBecause[r.Because]
		for _, side := range crm.Sides {
			if r.Told.Get(side) {
				v.Detail = strings.TrimPrefix(v.Detail+"; "+fromToldOnly(side), "; ")
			}
		}
	}
	v.Calls = crm.PerSide[int64]{Left: counters["calls:left"], Right: counters["calls:right"]}
	return v
}

// GetRun returns a run with its progress. NotFound when there is none.
func (e *Engine) GetRun(ctx context.Context, ws crm.WorkspaceID, id crm.RunID) (Run, error) {
	r, err := e.loadRun(ctx, ws, id)
	if err != nil {
		return Run{}, err
	}
	c, err := e.counters(ctx, scope{ws, r.Run.Connection, r.Run.Sync}, id)
	if err != nil {
		return Run{}, err
	}
	v := r.view(c)
	return v, e.runWaits(ctx, ws, &v)
}

// runWaits says of an open run what it waits for.
func (e *Engine) runWaits(ctx context.Context, ws crm.WorkspaceID, r *Run) error {
	if r.State != RunQueued && r.State != RunRunning {
		return nil
	}
	conn, err := e.connection(ctx, ws, r.Connection)
	if fault.Is(err, fault.NotFound) || err == nil && conn.Sync(r.Sync) == nil {
		return nil
	}
	if err == nil {
		r.Waiting, err = e.waitings(ctx, scope{ws, r.Connection, r.Sync}, conn)
	}
	return err
}

// ListRuns returns one page of runs, newest first; con narrows it to one connection.
func (e *Engine) ListRuns(
	ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, limit int, cursor string,
) ([]Run, string, error) {
	q := store.Query{Table: store.Log, Workspace: ws, Partition: "runs", Reverse: true, Limit: limit, Cursor: cursor}
	if con != "" {
		q.Partition = runOf(ws, con, "").Partition
	}
	page, err := e.Store.Query(ctx, q)
	if err != nil {
		return nil, "", err
	}
	if con != "" {
		if page.Items, err = e.runsOf(ctx, ws, page.Items); err != nil {
			return nil, "", err
		}
	}
	runs := make([]*storedRun, len(page.Items))
	keys, prefixes := make([]store.Key, len(runs)), make([]string, len(runs))
	for i, it := range page.Items {
		if runs[i], err = decodeRun(it); err != nil {
			return nil, "", err
		}
		r := &runs[i].Run
		keys[i], prefixes[i] = scope{ws, r.Connection, r.Sync}.tally(r.ID)
	}
	counts, err := e.Store.BatchGet(ctx, keys)
	if err != nil {
		return nil, "", err
	}
	out := make([]Run, len(runs))
	for i, r := range runs {
		out[i] = r.view(prefixed(counts[i].Counters, prefixes[i]))
		if err := e.runWaits(ctx, ws, &out[i]); err != nil {
			return nil, "", err
		}
	}
	return out, page.Next, nil
}

// runsOf reads the runs that a connection's names stand for. One whose run was
// never stored, or lost the race to be the sync's open one, stands for none.
func (e *Engine) runsOf(ctx context.Context, ws crm.WorkspaceID, names []store.Item) ([]store.Item, error) {
	keys := make([]store.Key, len(names))
	for i, it := range names {
		keys[i] = runKey(ws, crm.RunID(it.Sort))
	}
	items, err := e.Store.BatchGet(ctx, keys)
	return slices.DeleteFunc(items, func(it store.Item) bool { return it.Version == 0 }), err
}

// CancelRun stops listing; chunks already queued are still worked.
func (e *Engine) CancelRun(ctx context.Context, ws crm.WorkspaceID, id crm.RunID) (Run, error) {
	for range 5 {
		r, err := e.loadRun(ctx, ws, id)
		if err != nil {
			return Run{}, err
		}
		if !r.open() {
			return e.GetRun(ctx, ws, id)
		}
		err = e.finish(ctx, scope{ws, r.Run.Connection, r.Run.Sync}, r, RunCancelled, "", "")
		if err == nil {
			return e.GetRun(ctx, ws, id)
		}
		if !fault.Is(err, fault.Conflict) {
			return Run{}, err
		}
	}
	return Run{}, fault.New("engine: cancel run", fault.Conflict, "busy", "the run is moving; try again")
}

// StartRun starts a pull or a resync of one sync, or returns the one that is open
// already, with what follows it: a pull, because it may have listed already what was
// edited since, and a resync unless everything is being compared. However often it is
// asked for, one follows. Conflict when the sync is off.
func (e *Engine) StartRun(
	ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, sync crm.SyncID, kind RunKind,
) (Run, error) {
	sc := scope{ws, con, sync}
	conn, _, err := e.loadConnection(ctx, ws, con)
	if err != nil {
		return Run{}, err
	}
	if ok, code := runnable(conn, sync); !ok {
		if conn.Sync(sync) == nil {
			return Run{}, fault.New("engine: start run", fault.NotFound, code, "the connection has no such sync")
		}
		return Run{}, fault.New("engine: start run", fault.Conflict, code,
			"the sync is not running; start the connection first")
	}
	for range 5 {
		var begun crm.RunID
		run, err := e.startRun(ctx, sc, conn, kind, func(r *storedRun) { r.Full, begun = kind != RunPull, r.Run.ID })
		if err != nil || run.ID == begun {
			return run, err
		}
		next, noted, err := e.askAfter(ctx, sc, run.ID, kind)
		if noted || err != nil {
			run.NextRun = next
			return run, err
		}
	}
	return Run{}, fault.New("engine: start run", fault.Unavailable, "busy", "the sync is busy; try again")
}

// askAfter notes that a run of a kind was asked for while another was open, and returns
// what follows that; noted is false where the run has ended meanwhile, or the state was
// moving.
func (e *Engine) askAfter(
	ctx context.Context, sc scope, open crm.RunID, kind RunKind,
) (next RunKind, noted bool, err error) {
	st, err := e.loadScan(ctx, sc)
	if err != nil || st.OpenRun != open {
		return "", false, err
	}
	r, err := e.loadRun(ctx, sc.ws, open)
	switch {
	case fault.Is(err, fault.NotFound):
		return "", false, nil
	case err != nil:
		return "", false, err
	case !r.open():
		return "", false, nil
	case st.asked() == kind, st.Asked != "": // a resync lists what a pull would
		return st.asked(), true, nil
	case kind == RunPull:
		st.AskedPull = open
	case r.wholly():
		return st.asked(), true, nil
	default:
		st.Asked = open
	}
	err = e.saveScan(ctx, sc, st)
	if fault.Is(err, fault.Conflict) {
		return "", false, nil
	}
	return kind, err == nil, err
}

// asked is the run that somebody asked for while another was open; "" = none.
func (st *scanState) asked() RunKind {
	switch {
	case st.Asked != "":
		return RunResync
	case st.AskedPull != "":
		return RunPull
	}
	return ""
}

// wholly reports whether a run compares everything.
func (r *storedRun) wholly() bool { return r.Full && !r.NoHints }

// startRun stores a new run and makes it the sync's open one, unless one is open already.
func (e *Engine) startRun(
	ctx context.Context, sc scope, conn *crm.Connection, kind RunKind, set func(*storedRun),
) (Run, error) {
	for range 5 {
		run, err := e.tryRun(ctx, sc, conn, kind, func(r *storedRun, _ *scanState) { set(r) })
		if !fault.Is(err, fault.Conflict) {
			return run, err
		}
	}
	return Run{}, fault.New("engine: start run", fault.Unavailable, "busy", "the sync is busy; try again")
}

// tryRun is startRun once: a Conflict while what it read was moving. What else is to be
// stored goes with the run or not at all, and not where another one is open.
func (e *Engine) tryRun(
	ctx context.Context, sc scope, conn *crm.Connection, kind RunKind, set func(*storedRun, *scanState),
	with ...store.Write,
) (Run, error) {
	st, err := e.loadScan(ctx, sc)
	if err != nil {
		return Run{}, err
	}
	if st.OpenRun != "" {
		r, err := e.loadRun(ctx, sc.ws, st.OpenRun)
		if err == nil && r.open() && r.Generation == conn.Generation {
			return e.GetRun(ctx, sc.ws, st.OpenRun)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return Run{}, err
		}
	}
	r := e.newRun(sc, conn, kind)
	r.From = &listedTo{st.Cursor, st.Sweep, st.Marks}
	set(r, st)
	if r.Run.Kind == RunPull && !r.Full {
		r.Again, r.Audit = e.lookAgain(conn.Sync(sc.sync), st), e.auditDue(conn.Sync(sc.sync), st)
	}
	st.OpenRun, st.Anew = r.Run.ID, false
	if r.wholly() {
		st.Asked = ""
	}
	if r.wholly() || r.Run.Kind == RunPull {
		st.AskedPull = ""
	}
	if owed, later := st.owes(conn, sc.sync); owed == kind && later == r.Later {
		st.Owed, st.OwedAt, st.OwedBy = owedRun(kind, later, conn.Version), e.Now(), r.Run.ID
	}
	open, err := e.scanWrite(sc, st)
	if err != nil {
		return Run{}, err
	}
	if err := e.launch(ctx, sc, r, append(with, open)...); err != nil {
		return Run{}, err
	}
	e.Log.Info("run started", "connection", sc.con, "sync", sc.sync, "run", r.Run.ID, "kind", kind)
	return r.view(nil), nil
}

func (e *Engine) newRun(sc scope, conn *crm.Connection, kind RunKind) *storedRun {
	return &storedRun{
		V: 1, Generation: conn.Generation, Config: conn.Version, Phase: phaseLeft,
		Run: Run{
			ID: crm.RunID(e.NewID("run")), Kind: kind, Connection: sc.con, Sync: sc.sync, State: RunRunning,
			CreatedAt: e.Now(),
		},
	}
}

// finish ends a run and frees the sync for the next one.
func (e *Engine) finish(ctx context.Context, sc scope, r *storedRun, state RunState, code, detail string) error {
	r.From = r.back()
	r.Run.State, r.Run.EndedAt, r.Phase, r.Rest = state, e.Now(), phaseOver, nil
	r.Then, r.Run.Code, r.Run.Detail = nil, code, detail
	if err := e.saveRun(ctx, sc.ws, r); err != nil {
		return err
	}
	e.Log.Info("run ended", "connection", sc.con, "sync", sc.sync, "run", r.Run.ID, "state", state, "code", code)
	return e.letGo(ctx, sc, r.Run.ID, r)
}

// letGo frees the sync for its next run. Of a run that listed what nobody was
// sent, the next one lists from where it began. Ended is that run; nil = as stored.
func (e *Engine) letGo(ctx context.Context, sc scope, id crm.RunID, ended *storedRun) error {
	for range 5 {
		st, err := e.loadScan(ctx, sc)
		if err != nil || st.OpenRun != id {
			return err
		}
		if ended == nil {
			if ended, err = e.loadRun(ctx, sc.ws, id); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		st.OpenRun = ""
		if ended != nil {
			ended.settles(st)
		}
		if ended != nil && ended.From != nil {
			e.Mark("listing_taken_back")
			st.Cursor, st.Sweep, st.SweptAt = ended.From.Cursor, ended.From.Sweep, time.Time{}
			st.Marks = ended.From.Marks
		}
		if err = e.saveScan(ctx, sc, st); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// hooksRun begins the ID of a rolling run of webhooks; its day follows.
const hooksRun = "run_hooks_"

// webhookRun is the rolling run that collects a day's webhook hints of a sync.
func (e *Engine) webhookRun(sc scope) crm.RunID {
	return crm.RunID(fmt.Sprintf(hooksRun+"%s_%s_%s", e.Now().UTC().Format("20060102"),
		strings.TrimPrefix(string(sc.con), "con_"), sc.sync))
}

// ensureWebhookRun stores the rolling run once a day.
func (e *Engine) ensureWebhookRun(ctx context.Context, sc scope, conn *crm.Connection) (crm.RunID, error) {
	id := e.webhookRun(sc)
	if known, _ := e.hookRuns.get(id); known {
		return id, nil
	}
	r := e.newRun(sc, conn, RunWebhook)
	r.Run.ID, r.Run.State, r.Phase = id, RunDone, phaseOver
	if err := e.saveRun(ctx, sc.ws, r); err != nil && !fault.Is(err, fault.Conflict) {
		return "", err
	}
	e.hookRuns.put(id, true)
	return id, nil
}

// asFault returns the classified error in err's chain.
func asFault(err error) (*fault.Error, bool) {
	var f *fault.Error
	ok := errors.As(err, &f)
	return f, ok
}

// sideCursor is where the last listing of a side ended; "" when unknown.
func (s *session) sideCursor(ctx context.Context, side crm.Side) string {
	st, err := s.loadScan(ctx, s.scope)
	if err != nil {
		return ""
	}
	return st.Cursor.Get(side)
}
