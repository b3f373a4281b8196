package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// fakeEngine remembers calls and answers from maps.
type fakeEngine struct {
	records []engine.RecordView // that are listed; none = one
	w       *world

	toldSince time.Time
	status    []engine.SyncStatus              // of every connection; nil = one sync
	held      map[crm.SyncID][]engine.HeldPart // of every connection
	changes   [][]engine.Change                // of every plan, by page; nil = one
	asked     []string                         // cursors of its pages

	mu      sync.Mutex
	calls   []string
	runs    map[crm.RunID]engine.Run
	plans   map[crm.PlanID]engine.PlanView
	entries []engine.Entry
	filters []engine.LogFilter
	events  []connector.Event
	resolve map[crm.MappingID]engine.Resolution
	values  crm.Fields
	hookErr error
	erased  []engine.Erasure

	authorized error                       // of AccountAuthorized
	startOK    func(context.Context) error // runs inside StartConnection
	open       func(context.Context, crm.WorkspaceID, crm.AccountID) (connector.Connector, crm.App, error)

	requests atomic.Int64
	failAt   int64 // the number of the request that fails; 0 = none
	fails    error // what it hears
}

// trouble is what the failing request hears.
func (f *fakeEngine) trouble() error {
	if f.requests.Add(1) == f.failAt {
		return f.fails
	}
	return nil
}

func newFakeEngine(w *world) *fakeEngine {
	return &fakeEngine{w: w, runs: map[crm.RunID]engine.Run{}, plans: map[crm.PlanID]engine.PlanView{}}
}

func (f *fakeEngine) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fakeEngine) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeEngine) run(ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, kind engine.RunKind) engine.Run {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := engine.Run{
		ID: crm.RunID(f.w.newID("run")), Kind: kind, Connection: id, Sync: sync, State: engine.RunQueued,
		CreatedAt: f.w.now(), Outcomes: map[crm.Outcome]int64{},
	}
	f.runs[r.ID] = r
	_ = ws
	return r
}

func (f *fakeEngine) setStatus(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, status crm.Status) error {
	c, seen, err := store.LoadConnection(ctx, f.w.store, ws, id)
	if err != nil {
		return err
	}
	c.Status = status
	_, err = store.SaveConnection(ctx, f.w.store, ws, c, seen)
	return err
}

func (f *fakeEngine) StartConnection(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID,
) ([]engine.Run, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	f.note("start %s", id)
	if f.startOK != nil {
		if err := f.startOK(ctx); err != nil {
			return nil, err
		}
	}
	return []engine.Run{f.run(ws, id, "contacts", engine.RunInitial)}, f.setStatus(ctx, ws, id, crm.StatusActive)
}

func (f *fakeEngine) PauseConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) error {
	if err := f.trouble(); err != nil {
		return err
	}
	f.note("pause %s", id)
	return f.setStatus(ctx, ws, id, crm.StatusPaused)
}

func (f *fakeEngine) DeleteConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) error {
	if err := f.trouble(); err != nil {
		return err
	}
	f.note("delete %s", id)
	return f.setStatus(ctx, ws, id, crm.StatusDeleting)
}

func (f *fakeEngine) Usage(
	_ context.Context, _ crm.WorkspaceID, id crm.ConnectionID, in time.Time,
) (engine.Usage, error) {
	if err := f.trouble(); err != nil {
		return engine.Usage{}, err
	}
	return engine.Usage{
		Connection: id, Month: in.Format("2006-01"), Actions: 3,
		Outcomes: map[crm.Outcome]int64{crm.Created: 1, crm.Updated: 2, crm.Failed: 4},
		Records:  crm.PerSide[int64]{Left: 5, Right: 6},
	}, nil
}

func (f *fakeEngine) Status(context.Context, crm.WorkspaceID, crm.ConnectionID) ([]engine.SyncStatus, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	if f.status != nil {
		return slices.Clone(f.status), nil
	}
	return []engine.SyncStatus{{Sync: "contacts"}}, nil
}

func (f *fakeEngine) Leaves(context.Context, crm.WorkspaceID, *crm.Connection) error { return nil }

func (f *fakeEngine) SettingsChanged(context.Context, crm.WorkspaceID, crm.ConnectionID) ([]engine.Run, error) {
	return nil, f.trouble()
}

func (f *fakeEngine) Held(
	context.Context, crm.WorkspaceID, crm.ConnectionID,
) (map[crm.SyncID][]engine.HeldPart, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return f.held, nil
}

func (f *fakeEngine) AccountWaits(context.Context, crm.WorkspaceID) (map[crm.AccountID][]engine.Waiting, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return map[crm.AccountID][]engine.Waiting{f.w.left: {{
		Code: "missing_permission", Side: crm.Left, Account: f.w.left, App: "hubspot",
		Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	}}}, nil
}

func (f *fakeEngine) CatchUp(_ context.Context, _ crm.WorkspaceID, id crm.ConnectionID, syncs []crm.SyncID) error {
	if err := f.trouble(); err != nil {
		return err
	}
	f.note("catch up %s %v", id, syncs)
	return nil
}

func (f *fakeEngine) StartRun(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, kind engine.RunKind,
) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("%s %s", kind, sync)
	return f.run(ws, id, sync, kind), nil
}

func (f *fakeEngine) GetRun(_ context.Context, ws crm.WorkspaceID, run crm.RunID) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.runs[run]
	if !ok || ws != DefaultWorkspace {
		return r, fault.New("test: run", fault.NotFound, "", "there is no such run")
	}
	return r, nil
}

func (f *fakeEngine) ListRuns(
	_ context.Context, ws crm.WorkspaceID, con crm.ConnectionID, _ int, _ string,
) ([]engine.Run, string, error) {
	if err := f.trouble(); err != nil {
		return nil, "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []engine.Run
	for _, r := range f.runs {
		if ws == DefaultWorkspace && (con == "" || con == r.Connection) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b engine.Run) int { return strings.Compare(string(b.ID), string(a.ID)) })
	return out, "", nil
}

func (f *fakeEngine) CancelRun(ctx context.Context, ws crm.WorkspaceID, run crm.RunID) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	r, err := f.GetRun(ctx, ws, run)
	if err != nil {
		return r, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.State = engine.RunCancelled
	f.runs[run] = r
	return r, nil
}

func (f *fakeEngine) CreatePlan(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, records []crm.RecordRef,
) (engine.PlanView, error) {
	if err := f.trouble(); err != nil {
		return engine.PlanView{}, err
	}
	f.note("plan %s %v", sync, records)
	r := f.run(ws, id, sync, engine.RunPlan)
	f.mu.Lock()
	defer f.mu.Unlock()
	p := engine.PlanView{
		ID: crm.PlanID(f.w.newID("pln")), Kind: "dry_run", Run: r.ID, Connection: id, Sync: sync,
		State: engine.RunQueued, CreatedAt: f.w.now(),
	}
	f.plans[p.ID] = p
	return p, nil
}

func (f *fakeEngine) GetPlan(_ context.Context, ws crm.WorkspaceID, plan crm.PlanID) (engine.PlanView, error) {
	if err := f.trouble(); err != nil {
		return engine.PlanView{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.plans[plan]
	if !ok || ws != DefaultWorkspace {
		return p, fault.New("test: plan", fault.NotFound, "", "there is no such plan")
	}
	return p, nil
}

func (f *fakeEngine) PlanChanges(
	_ context.Context, _ crm.WorkspaceID, _ crm.PlanID, _ int, cursor string,
) ([]engine.Change, string, error) {
	if err := f.trouble(); err != nil {
		return nil, "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, cursor)
	if f.changes != nil {
		n, err := strconv.Atoi("0" + cursor)
		if err != nil || n+1 == len(f.changes) {
			return f.changes[n], "", err
		}
		return f.changes[n], strconv.Itoa(n + 1), nil
	}
	return []engine.Change{{Action: crm.Updated, Side: crm.Left, Record: "1", Diffs: canaryDiffs(), Digest: "d"}}, "", nil
}

func (f *fakeEngine) ApplyPlan(_ context.Context, ws crm.WorkspaceID, plan crm.PlanID) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("apply %s", plan)
	return f.run(ws, f.plans[plan].Connection, "contacts", engine.RunApply), nil
}

func (f *fakeEngine) UndoUntil(_ context.Context, _ crm.WorkspaceID, runs ...*engine.Run) error {
	for _, r := range runs {
		r.UndoUntil = r.CreatedAt.AddDate(0, 0, 90)
	}
	return f.trouble()
}

func (f *fakeEngine) UndoRun(_ context.Context, ws crm.WorkspaceID, run crm.RunID) (engine.PlanView, error) {
	if err := f.trouble(); err != nil {
		return engine.PlanView{}, err
	}
	f.note("undo %s", run)
	of := f.runs[run]
	r := f.run(ws, of.Connection, of.Sync, engine.RunPlan)
	f.mu.Lock()
	defer f.mu.Unlock()
	p := engine.PlanView{
		ID: crm.PlanID(f.w.newID("pln")), Kind: "undo", Undoes: run, Run: r.ID, Connection: of.Connection, Sync: of.Sync,
		State: engine.RunQueued, CreatedAt: f.w.now(),
	}
	f.plans[p.ID] = p
	return p, nil
}

func (f *fakeEngine) FieldHistory(
	_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, _ crm.SyncID, side crm.Side, rec crm.RecordID,
	fields []crm.MappingID, _ int, cursor string,
) ([]engine.FieldChange, string, error) {
	if err := f.trouble(); err != nil {
		return nil, "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, cursor)
	if rec == "missing" {
		return nil, "", fault.New("test: history", fault.NotFound, "", "there is no such record")
	}
	d := canaryDiffs()[0]
	return []engine.FieldChange{{
		Entry: "log_1", Time: f.w.now(), Run: "run_1", Side: side.Other(), Source: side, Field: d.Field, Before: d.Before,
		After: d.After, Rule: "left_changed", Settings: 1, Mapping: crm.MappingID(fmt.Sprint(len(fields))),
	}}, "", nil
}

func (f *fakeEngine) RestoreRecord(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec crm.RecordID,
	fields []crm.MappingID, entry string,
) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("restore %s %s %s", rec, fields, entry)
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) ListRecords(
	_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, _ crm.SyncID, _ engine.RecordFilter, limit int,
	cursor string,
) ([]engine.RecordView, string, error) {
	if err := f.trouble(); err != nil {
		return nil, "", err
	}
	if len(f.records) > 0 {
		at, _ := strconv.Atoi(cursor)
		end := min(at+limit, len(f.records))
		if end == len(f.records) {
			return f.records[at:], "", nil
		}
		return f.records[at:end], strconv.Itoa(end), nil
	}
	return []engine.RecordView{{Side: crm.Left, ID: "1", State: crm.StateInSync, Values: canaryFields()}}, "", nil
}

func (f *fakeEngine) GetRecord(
	_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, _ crm.SyncID, side crm.Side, rec crm.RecordID,
) (engine.RecordView, error) {
	if err := f.trouble(); err != nil {
		return engine.RecordView{}, err
	}
	if rec == "missing" {
		return engine.RecordView{}, fault.New("test: record", fault.NotFound, "", "there is no such record")
	}
	return engine.RecordView{
		Side: side, ID: rec, State: crm.StateInSync, Values: canaryFields(), Base: map[crm.MappingID]any{"last": canary},
		History: []engine.Entry{canaryEntry()},
	}, nil
}

func (f *fakeEngine) Explain(
	_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, _ crm.SyncID, side crm.Side, rec crm.RecordID,
) (engine.Explanation, error) {
	if err := f.trouble(); err != nil {
		return engine.Explanation{}, err
	}
	v := crm.TextValue(canary)
	return engine.Explanation{
		Side: side, ID: rec, Filters: []engine.FilterClause{{Rule: "r", Field: "f", Value: v, Wanted: crm.TextValue("x")}},
		Fields: []engine.FieldVerdict{{Mapping: "last", Left: v, Right: v, After: v}},
	}, nil
}

func (f *fakeEngine) PreviewRules(
	context.Context, crm.WorkspaceID, *crm.Connection, crm.SyncID,
) (engine.RulesPreview, error) {
	f.note("preview rules")
	one := engine.PreviewRecord{
		Side: crm.Left, ID: "1", Fields: crm.Fields{"f": crm.TextValue(canary)}, Clauses: []engine.FilterClause{},
	}
	way := engine.WayPreview{
		Open: true, Passes: 1, Passing: []engine.PreviewRecord{one}, Failing: []engine.PreviewRecord{},
	}
	return engine.RulesPreview{Sample: engine.PreviewSample{From: "sample"}, ToRight: way, ToLeft: way}, nil
}

func (f *fakeEngine) PreviewMappings(
	_ context.Context, _ crm.WorkspaceID, _ *crm.Connection, _ crm.SyncID, records []crm.RecordRef,
) (engine.MappingsPreview, error) {
	f.note("preview mappings %v", records)
	return engine.MappingsPreview{Sample: engine.PreviewSample{From: "records"}, Records: []engine.PreviewedPair{{
		Side: crm.Left, ID: "1", Outcome: crm.Created, Fields: []engine.FieldVerdict{
			{Mapping: "last", Left: crm.TextValue(canary)},
		}, Writes: []engine.Diff{},
	}}}, nil
}

func (f *fakeEngine) SyncRecord(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec crm.RecordID,
) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("sync %s", rec)
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) LinkRecords(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec, partner crm.RecordID,
) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("link %s %s", rec, partner)
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) UnlinkRecord(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec crm.RecordID,
) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("unlink %s", rec)
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) ResolveRecord(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec crm.RecordID,
	fields map[crm.MappingID]engine.Resolution,
) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("resolve %s", rec)
	f.resolve = fields
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) LinkPairs(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, pairs []engine.PairOfIDs, dry bool,
) ([]engine.PairVerdict, *engine.Run, error) {
	if err := f.trouble(); err != nil {
		return nil, nil, err
	}
	f.note("pairs %v %t", pairs, dry)
	var out []engine.PairVerdict
	for _, p := range pairs {
		out = append(out, engine.PairVerdict{PairOfIDs: p, Result: engine.PairLinks})
	}
	if dry {
		return out, nil, nil
	}
	r := f.run(ws, id, sync, engine.RunRecord)
	return out, &r, nil
}

func (f *fakeEngine) ResolveRecords(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, filter engine.ResolveFilter,
	choice engine.Choice, dry bool,
) (engine.Resolved, error) {
	if err := f.trouble(); err != nil {
		return engine.Resolved{}, err
	}
	f.note("resolve all %+v %s %t", filter, choice, dry)
	out := engine.Resolved{Decided: 1, Sample: []engine.ChosenRecord{{Side: crm.Left, ID: "1", Partner: "2"}}}
	if !dry {
		r := f.run(ws, id, sync, engine.RunRecord)
		out.Run = &r
	}
	return out, nil
}

func (f *fakeEngine) UnfreezeRecord(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, _ crm.Side, rec crm.RecordID,
	fields []crm.MappingID,
) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("unfreeze %s %s", rec, fields)
	return f.run(ws, id, sync, engine.RunRecord), nil
}

func (f *fakeEngine) ListLog(
	_ context.Context, ws crm.WorkspaceID, filter engine.LogFilter, limit int, cursor string,
) ([]engine.Entry, string, error) {
	if err := f.trouble(); err != nil {
		return nil, "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, filter)
	if ws != DefaultWorkspace || filter.Connection == "" {
		return nil, "", fault.New("test: log", fault.Invalid, "connection_required", "name a connection")
	}
	start, err := strconv.Atoi("0" + cursor)
	if err != nil || start > len(f.entries) {
		return nil, "", fault.New("test: log", fault.Invalid, "cursor_malformed", "the cursor does not belong to this list")
	}
	end := min(len(f.entries), start+limit)
	var out []engine.Entry
	for _, e := range f.entries[start:end] {
		if (filter.Outcomes == nil || slices.Contains(filter.Outcomes, e.Outcome)) &&
			(filter.Connection == "" || filter.Connection == e.Connection) {
			out = append(out, e)
		}
	}
	if end == len(f.entries) {
		return out, "", nil
	}
	return out, strconv.Itoa(end), nil
}

func (f *fakeEngine) GetEntry(_ context.Context, ws crm.WorkspaceID, id string) (engine.Entry, error) {
	if err := f.trouble(); err != nil {
		return engine.Entry{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.entries {
		if e.ID == id && ws == DefaultWorkspace {
			return e, nil
		}
	}
	return engine.Entry{}, fault.New("test: entry", fault.NotFound, "", "there is no such entry")
}

func (f *fakeEngine) RetryEntry(
	_ context.Context, ws crm.WorkspaceID, id string, values crm.Fields,
) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("retry %s", id)
	f.values = values
	return f.run(ws, "con_x", "contacts", engine.RunRetry), nil
}

func (f *fakeEngine) RetryFailed(_ context.Context, ws crm.WorkspaceID, filter engine.LogFilter) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	if filter.Connection == "" || filter.Sync == "" {
		return engine.Run{}, fault.New("test: retry", fault.Invalid, "sync_required", "name a sync")
	}
	f.note("retry all %v", filter.Outcomes)
	return f.run(ws, filter.Connection, "contacts", engine.RunRetry), nil
}

func (f *fakeEngine) ListDead(
	_ context.Context, ws crm.WorkspaceID, con crm.ConnectionID, _ int, _ string,
) ([]engine.DeadItem, string, error) {
	if err := f.trouble(); err != nil {
		return nil, "", err
	}
	if ws != DefaultWorkspace {
		return nil, "", nil
	}
	if con == "" {
		return nil, "", fault.New("test: dead items", fault.Invalid, "connection_required", "name a connection")
	}
	return []engine.DeadItem{{ID: "dead_1", Connection: con, Side: crm.Left, Code: "internal_error"}}, "", nil
}

func (f *fakeEngine) RedriveDead(_ context.Context, _ crm.WorkspaceID, con crm.ConnectionID) (int, error) {
	if err := f.trouble(); err != nil {
		return 0, err
	}
	f.note("redrive %s", con)
	return 1, nil
}

func (f *fakeEngine) FindErasure(context.Context, crm.WorkspaceID, engine.ErasureRequest) (engine.Erasure, error) {
	if err := f.trouble(); err != nil {
		return engine.Erasure{}, err
	}
	return engine.Erasure{}, fault.New("fake: find erasure", fault.NotFound, "not_found",
		"nobody was erased under this name")
}

func (f *fakeEngine) Erase(
	_ context.Context, ws crm.WorkspaceID, id string, _ engine.ErasureRequest,
) (engine.Erasure, error) {
	if err := f.trouble(); err != nil {
		return engine.Erasure{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	e := engine.Erasure{
		ID: string(ws) + "." + id, State: engine.ErasureDone, By: "request", Blocked: true, CreatedAt: f.w.now(),
		Removed: map[string]int64{}, Kept: []engine.KeptRecords{}, Backups: []engine.ErasedBackup{},
	}
	f.erased = append(f.erased, e)
	return e, nil
}

func (f *fakeEngine) GetErasure(_ context.Context, ws crm.WorkspaceID, id string) (engine.Erasure, error) {
	if err := f.trouble(); err != nil {
		return engine.Erasure{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.erased {
		if e.ID == id && strings.HasPrefix(id, string(ws)+".") {
			return e, nil
		}
	}
	return engine.Erasure{}, fault.New("fake: get erasure", fault.NotFound, "not_found", "there is no such erasure")
}

func (f *fakeEngine) ListErasures(context.Context, crm.WorkspaceID, int, string) ([]engine.Erasure, string, error) {
	if err := f.trouble(); err != nil {
		return nil, "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.erased), "", nil
}

func (f *fakeEngine) LiftErasure(ctx context.Context, ws crm.WorkspaceID, id string) (engine.Erasure, error) {
	if err := f.trouble(); err != nil {
		return engine.Erasure{}, err
	}
	return f.GetErasure(ctx, ws, id)
}

func (f *fakeEngine) ConfirmDeletions(_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, sync crm.SyncID) error {
	if err := f.trouble(); err != nil {
		return err
	}
	f.note("confirm %s", sync)
	return nil
}

func (f *fakeEngine) ListHeld(
	context.Context, crm.WorkspaceID, crm.ConnectionID, crm.SyncID,
) ([]engine.HeldItem, error) {
	return nil, f.trouble()
}

func (f *fakeEngine) ReleaseHeld(
	_ context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, part string,
) (engine.Run, error) {
	if err := f.trouble(); err != nil {
		return engine.Run{}, err
	}
	f.note("release %s %s", sync, part)
	return f.run(ws, id, sync, engine.RunResync), nil
}

func (f *fakeEngine) ConfirmChanges(
	_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, sync crm.SyncID, mapping crm.MappingID,
) error {
	if err := f.trouble(); err != nil {
		return err
	}
	f.note("confirm %s %s", sync, mapping)
	return nil
}

func (f *fakeEngine) DiscardChanges(
	_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, sync crm.SyncID, mapping crm.MappingID,
) error {
	if err := f.trouble(); err != nil {
		return err
	}
	f.note("discard %s %s", sync, mapping)
	return nil
}

func (f *fakeEngine) Fields(
	ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, object string, _ bool,
) ([]crm.Field, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	c, _, err := f.open(ctx, ws, account)
	if err != nil {
		return nil, err
	}
	return c.Fields(ctx, object)
}

func (f *fakeEngine) AccountAuthorized(_ context.Context, _ crm.WorkspaceID, account crm.AccountID) error {
	if err := f.trouble(); err != nil {
		return err
	}
	f.note("authorized %s", account)
	return f.authorized
}

func (f *fakeEngine) DiscardDeletions(_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, sync crm.SyncID) error {
	if err := f.trouble(); err != nil {
		return err
	}
	f.note("discard %s", sync)
	return nil
}

func (f *fakeEngine) ToldSince(context.Context, crm.WorkspaceID, crm.AccountID, string) (time.Time, error) {
	return f.toldSince, f.trouble()
}

func (f *fakeEngine) Webhook(_ context.Context, _ crm.WorkspaceID, _ crm.AccountID, events []connector.Event) error {
	if err := f.trouble(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hookErr != nil {
		return f.hookErr
	}
	f.events = append(f.events, events...)
	return nil
}

var (
	_ Engine               = (*fakeEngine)(nil)
	_ access.Authenticator = (*access.Keys)(nil)
)
