package engine

import (
	"context"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// A run is undone by a plan. Its changes are worked out from the log, and carried
// out by the writer like those of any other plan: with preconditions, an intent,
// and an outcome each. Messages name records and log entries and hold no value, so
// that an erasure need not look for any there.

// Codes of undos beside reconcile's.
const (
	codeRunNotOver   = "run_not_over"
	codeUndoExpired  = "undo_expired"
	codeNotUndoable  = "not_undoable"
	codeUndoLogGone  = "undo_log_gone"  // the log does not hold the change any more
	codeUndoPair     = "undo_pair_gone" // the two records are no pair any more, or another one
	codeUndoMerge    = "undo_merge"
	codeUndoDeletion = "undo_deletion"
	codeUndoRule     = "undo_rule_action"
	codeUndoSecret   = "undo_secret"
	codeUndoArchive  = "undo_no_archive"
	// codeCreateUndone marks a pair whose one record a run had made and an undo archived.
	codeCreateUndone = "create_undone"
)

// keptBecause says why an undo leaves something as it is.
var keptBecause = map[string]string{
	reconcile.KeptEdited:       "it was edited since",
	reconcile.KeptMapping:      "the sync does not map the field any more",
	reconcile.KeptOnce:         "it is written once and never again",
	reconcile.KeptNotClearable: "it was blank before, and the app demands a value",
	reconcile.KeptUnfit:        "the value does not fit the mapping any more",
	reconcile.CodeFieldMissing: "the app does not have the field",
	reconcile.CodeFieldChanged: "the mapping does not fit the field any more",
	codeUndoLogGone:            "the log does not hold the change any more",
	codeUndoPair:               "the two records are no pair any more",
	codeUndoMerge:              "a merge cannot be undone",
	codeUndoDeletion:           "what is gone is not made again",
	codeUndoRule:               "what rules do follows their filters",
	codeUndoSecret:             "the value is in no log",
	codeUndoArchive:            "the app has no way to archive a record",
	codeTwinTaken:              "one of the two is linked to another record",
	codeRecordGone:             "the record is gone",
}

// Undoable reports whether runs of a kind change anything in the apps.
func (k RunKind) Undoable() bool {
	switch k {
	case RunInitial, RunPull, RunResync, RunWebhook, RunRetry, RunRecord, RunApply, RunCatchUp, RunChange:
		return true
	case RunPlan:
	}
	return false
}

// UndoUntil says of runs until when they can be undone whole: as long as the log
// keeps what they changed first, and the store the run. It is for whoever shows
// them: the retention is read from the store, once a minute.
func (e *Engine) UndoUntil(ctx context.Context, ws crm.WorkspaceID, runs ...*Run) error {
	if len(runs) == 0 {
		return nil
	}
	days, err := e.logDaysOf(ctx, ws)
	for _, r := range runs {
		if !r.Kind.Undoable() {
			continue
		}
		r.UndoUntil = r.CreatedAt.AddDate(0, 0, days)
		if kept := r.CreatedAt.Add(runRetention); kept.Before(r.UndoUntil) {
			r.UndoUntil = kept
		}
	}
	return err
}

// undoneRun is what a run takes back.
type undoneRun struct {
	Run  crm.RunID `json:"run"`
	From string    `json:"from,omitempty"` // the first day of its log
}

// UndoRun makes a plan of what takes back what a run changed, on both sides.
// Conflict while the run goes on, once the log does not reach back to its
// beginning, and when the connection joins other accounts by now. Invalid for a
// plan's own run, which changes nothing.
func (e *Engine) UndoRun(ctx context.Context, ws crm.WorkspaceID, id crm.RunID) (PlanView, error) {
	const op = "engine: undo run"
	old, err := e.loadRun(ctx, ws, id)
	if err != nil {
		return PlanView{}, err
	}
	run := old.Run
	if !run.Kind.Undoable() {
		return PlanView{}, fault.New(op, fault.Invalid, codeNotUndoable, "the run wrote nothing to either app")
	}
	if old.open() {
		return PlanView{}, fault.New(op, fault.Conflict, codeRunNotOver,
			"the run is not over: wait for its end, or cancel it")
	}
	if err := e.UndoUntil(ctx, ws, &run); err != nil {
		return PlanView{}, err
	}
	if e.Now().After(run.UndoUntil) {
		return PlanView{}, fault.New(op, fault.Conflict, codeUndoExpired,
			"the log does not hold all of what the run changed any more")
	}
	sc := scope{ws, run.Connection, run.Sync}
	conn, _, err := e.loadConnection(ctx, ws, sc.con)
	if err != nil {
		return PlanView{}, err
	}
	if conn.Sync(sc.sync) == nil || conn.Status == crm.StatusDeleting {
		return PlanView{}, fault.New(op, fault.NotFound, "sync_not_found", "the connection has no such sync")
	}
	if conn.Generation != old.Generation {
		return PlanView{}, fault.New(op, fault.Conflict, "connection_changed",
			"the connection was joined to other accounts since")
	}
	r := e.newRun(sc, conn, RunPlan)
	r.Run.Plan = crm.PlanID(e.NewID("pln"))
	r.Phase, r.Undo = phaseUndo, &undoneRun{id, run.CreatedAt.UTC().Format(time.DateOnly)}
	p := storedPlan{V: 1, Config: conn.Version, Generation: conn.Generation, Plan: PlanView{
		ID: r.Run.Plan, Kind: planUndo, Undoes: id, Run: r.Run.ID, Connection: sc.con, Sync: sc.sync,
		State: RunRunning, CreatedAt: e.Now(), Totals: map[crm.Outcome]int64{}, Settled: SettledCounts{
			Reasons: map[crm.Reason]int64{},
		},
	}}
	plan, err := e.planWrite(ws, &p, 0)
	if err != nil {
		return PlanView{}, err
	}
	err = e.launch(ctx, sc, r, plan, store.Write{Item: store.Item{Key: sc.openRun(r.Run.ID)}})
	return p.Plan, err
}

// The kinds of plans.
const (
	planDryRun = "dry_run"
	planUndo   = "undo"
)

// undoPages is how many log pages are looked through at once.
const undoPages = 4

// stepUndo looks through some pages of the log for what the undone run changed.
func (s *session) stepUndo(ctx context.Context, r *storedRun) error {
	day, cursor, _ := strings.Cut(r.Position, "|")
	if day == "" {
		day = r.Undo.From
	}
	today := s.Now().UTC().Format(time.DateOnly)
	var found undoHints
	for over := false; !over && len(found.left)+len(found.right) == 0; {
		page, err := s.Store.Query(ctx, store.Query{
			Table: store.Log, Workspace: s.ws, Partition: logPartition(s.con, day), Limit: undoPages, Cursor: cursor,
		})
		if err != nil {
			return err
		}
		for _, it := range page.Items {
			entries, err := decodePage(it)
			if err != nil {
				return err
			}
			found.add(s.sync, r.Undo.Run, entries)
		}
		r.Seq++
		if cursor = page.Next; cursor == "" {
			d, err := time.Parse(time.DateOnly, day)
			if err != nil {
				return fault.Wrap("engine: undo run", fault.Other, err)
			}
			day = d.AddDate(0, 0, 1).Format(time.DateOnly)
			over = day > today
		}
		if over {
			r.Phase = r.after(r.Phase)
		}
	}
	r.Position = day + "|" + cursor
	r.Rest, r.RestSide, r.Then = found.left, crm.Left, found.right
	r.Listed += int64(len(found.left) + len(found.right))
	r.turn()
	return s.saveRun(ctx, s.ws, r) // before it is sent, as in stepSend
}

// undoHints are the records that a run changed, each once a page of the log.
type undoHints struct {
	left, right []hint
	seen        map[[2]crm.RecordID]bool
}

func (h *undoHints) add(sync crm.SyncID, run crm.RunID, entries []Entry) {
	h.seen = map[[2]crm.RecordID]bool{}
	for i := range entries {
		en := &entries[i]
		if en.Run != run || en.Sync != sync || !en.changes() {
			continue
		}
		pair := [2]crm.RecordID{en.on(crm.Left), en.on(crm.Right)}
		if h.seen[pair] {
			continue
		}
		h.seen[pair] = true
		one := hint{ID: en.Record, Force: true, Undo: run, Entry: en.ID}
		if en.Code == codeUnlinked && en.Partner != "" {
			one.Op, one.Partner = opLink, en.Partner
		}
		if en.Side == crm.Left {
			h.left = append(h.left, one)
		} else {
			h.right = append(h.right, one)
		}
	}
}

// on is the record of a side that an entry tells of; "" = none.
func (e *Entry) on(side crm.Side) crm.RecordID {
	if e.Side == side {
		return e.Record
	}
	return e.Partner
}

// merges reports whether an entry tells of a merge.
func (e *Entry) merges() bool { return e.Code == codeMergeFollowed || e.Code == codeMergedTwin }

// changes reports whether what an entry tells of changed anything that an undo is
// asked about.
func (e *Entry) changes() bool {
	switch e.Outcome {
	case crm.Created, crm.Linked, crm.Deleted:
		return true
	case crm.Updated, crm.Unchanged, crm.Excluded, crm.Skipped, crm.Duplicate, crm.Conflict, crm.Failed, crm.Stale,
		crm.Dropped, crm.Waiting:
	}
	return e.Code == codeUnlinked || e.merges() || len(e.Writes()) > 0
}

// Writes are the fields that an entry tells as written.
func (e *Entry) Writes() []Diff {
	if e.Outcome == crm.Stale {
		return nil
	}
	var out []Diff
	for _, d := range e.Diffs {
		switch d.Rule {
		case ruleRefused, ruleChangedByApp, string(reconcile.RuleConflictReview), string(reconcile.RuleFirstReview),
			string(reconcile.RuleFailed), string(reconcile.RuleSettled):
		default:
			out = append(out, d)
		}
	}
	return out
}
