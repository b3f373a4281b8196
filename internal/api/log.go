package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func (s *server) registerLog() {
	handle(s, "list-codes", func(_ context.Context, in *WholeInput) (*listOutput[Code], error) {
		return paged(Dictionary(), *in)
	})
	handle(s, "list-log", s.listLog)
	handle(s, "get-entry", s.getEntry)
	retry := s.registry().Schema(reflect.TypeFor[retryRequest](), true, "")
	handle(s, "retry-entry", s.retryEntry, jsonBody(retry, false))
	handle(s, "retry-log", s.retryLog)
	handle(s, "export-log", s.exportLog, csvAnswer)
	handle(s, "list-dead", s.listDead)
	handle(s, "redrive-dead", s.redriveDead)
}

// LogQuery are the filters of the log (FEATURES rows 175-180).
type LogQuery struct {
	Connection crm.ConnectionID `query:"connection" minLength:"1" maxLength:"200"`
	Sync       crm.SyncID       `query:"sync" minLength:"1" maxLength:"51"`
	Range      string           `query:"range" enum:"today,last_7_days,this_month,last_month" doc:"In the workspace's time zone, half-open"`
	From       time.Time        `query:"from" doc:"First instant"`
	To         time.Time        `query:"to" doc:"First instant no longer wanted"`
	Event      string           `query:"event" enum:"new,updated,failed"`
	JobStatus  string           `query:"job_status" enum:"all,success,failure" doc:"How the run ended"`
	SyncStatus string           `query:"sync_status" enum:"all,success,error" doc:"What became of the record"`
	Side       crm.Side         `query:"side" enum:"left,right"`
	Record     crm.RecordID     `query:"record" minLength:"1" maxLength:"500"`
	Run        crm.RunID        `query:"run" minLength:"1" maxLength:"200"`
	Code       string           `query:"code" minLength:"1" maxLength:"100"`
	Mapping    crm.MappingID    `query:"mapping" minLength:"1" maxLength:"100" doc:"Entries that tell of a field of this mapping"`
}

// The groups of outcomes behind the filters.
var (
	problemOutcomes = []crm.Outcome{crm.Failed, crm.Conflict, crm.Duplicate}
	successOutcomes = []crm.Outcome{
		crm.Created, crm.Updated, crm.Unchanged, crm.Linked, crm.Excluded, crm.Skipped, crm.Deleted, crm.Stale, crm.Dropped,
		crm.Waiting,
	}
	byEvent = map[string][]crm.Outcome{
		"new":     {crm.Created},
		"updated": {crm.Updated, crm.Linked, crm.Created}, // of those that were made, the ones that had failed before
		"failed":  problemOutcomes,
	}
)

// logSearch is a query made ready: what the engine filters, and what is
// filtered here.
type logSearch struct {
	filter  engine.LogFilter
	among   []crm.ConnectionID // the connections to look at, the caller's own
	nothing bool               // the filters exclude each other
	keep    func(context.Context, engine.Entry) (bool, error)
}

// search reads the filters for the caller.
func (s *server) search(ctx context.Context, q LogQuery) (*logSearch, error) {
	among, err := s.among(ctx, q.Connection, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	from, to, err := s.period(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &logSearch{among: among, filter: engine.LogFilter{
		Connection: q.Connection, Sync: q.Sync, From: from, To: to, Side: q.Side, Record: q.Record, Run: q.Run, Code: q.Code,
		Mapping: q.Mapping,
	}}
	out.filter.Outcomes, out.nothing = outcomes(q)
	out.keep = func(ctx context.Context, e engine.Entry) (bool, error) {
		if q.Event == "failed" && e.Resolved {
			return false, nil // what was repaired since stands among the updates
		}
		if q.Event == "updated" && e.Outcome == crm.Created && !e.Repaired {
			return false, nil
		}
		return s.jobIs(ctx, e.Run, q.JobStatus)
	}
	return out, nil
}

// outcomes joins the filters by event and by sync status; both must hold.
func outcomes(q LogQuery) (list []crm.Outcome, nothing bool) {
	list = slices.Clone(byEvent[q.Event])
	status := map[string][]crm.Outcome{"error": problemOutcomes, "success": successOutcomes}[q.SyncStatus]
	switch {
	case status == nil:
		return list, false
	case list == nil:
		return slices.Clone(status), false
	}
	list = slices.DeleteFunc(list, func(o crm.Outcome) bool { return !slices.Contains(status, o) })
	return list, len(list) == 0
}

// period works out the half-open range that is asked for.
func (s *server) period(ctx context.Context, q LogQuery) (from, to time.Time, err error) {
	if q.Range == "" {
		if !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
			return from, to, parameter("query.to", "to must not be before from")
		}
		return q.From, q.To, nil
	}
	if !q.From.IsZero() || !q.To.IsZero() {
		return from, to, parameter("query.range", "use either range or from and to")
	}
	ws, _, err := s.workspace(ctx)
	if err != nil {
		return from, to, err
	}
	zone, err := time.LoadLocation(ws.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	from, to = rangeOf(q.Range, s.Now().In(zone))
	return from, to, nil
}

// rangeOf turns a word into a half-open range of whole days or months in now's
// zone. The last 7 days are today and the six days before (row 175).
func rangeOf(word string, now time.Time) (from, to time.Time) {
	y, m, d := now.Date()
	day := func(month time.Month, d int) time.Time { return time.Date(y, month, d, 0, 0, 0, 0, now.Location()) }
	switch word {
	case "today":
		return day(m, d), day(m, d+1)
	case "last_7_days":
		return day(m, d-6), day(m, d+1)
	case "this_month":
		return day(m, 1), day(m+1, 1)
	case "last_month":
		return day(m-1, 1), day(m, 1)
	}
	return time.Time{}, time.Time{}
}

// jobCache remembers how ended runs ended; those do not change.
type jobCache struct {
	mu    sync.Mutex
	ended map[jobPlace]bool // true = failed
}

type jobPlace struct {
	ws  crm.WorkspaceID
	run crm.RunID
}

// jobIs compares how the run of an entry ended with what is asked for.
func (s *server) jobIs(ctx context.Context, run crm.RunID, want string) (bool, error) {
	if want == "" || want == "all" {
		return true, nil
	}
	place := jobPlace{access.From(ctx).Workspace, run}
	s.jobs.mu.Lock()
	failed, known := s.jobs.ended[place]
	s.jobs.mu.Unlock()
	if !known {
		r, err := s.Engine.GetRun(ctx, place.ws, run)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return false, err
		}
		failed = err == nil && r.State == engine.RunFailed
		if err != nil || ended(r) {
			s.jobs.put(place, failed)
		}
	}
	return failed == (want == "failure"), nil
}

func (c *jobCache) put(p jobPlace, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil || len(c.ended) > 10_000 {
		c.ended = map[jobPlace]bool{}
	}
	c.ended[p] = failed
}

// read returns one page of a search.
func (s *server) read(ctx context.Context, q *logSearch, limit int, cursor string) ([]engine.Entry, string, error) {
	if q.nothing {
		return nil, "", nil
	}
	who := access.From(ctx)
	entries, next, err := s.entries(ctx, q, limit, cursor)
	if err != nil {
		return nil, "", err
	}
	out := make([]engine.Entry, 0, len(entries))
	for _, e := range entries {
		keep, err := q.keep(ctx, e)
		if err != nil {
			return nil, "", err
		}
		if !keep {
			continue
		}
		if who.Masked() {
			e = maskEntry(e)
		}
		out = append(out, e)
	}
	return out, next, nil
}

func (s *server) listLog(ctx context.Context, in *struct {
	ListInput
	LogQuery
},
) (*listOutput[logEntry], error) {
	q, err := s.search(ctx, in.LogQuery)
	if err != nil {
		return nil, err
	}
	entries, next, err := s.read(ctx, q, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	for i := range entries { // the single view has them
		entries[i].Request, entries[i].Response = "", ""
	}
	named, err := s.withNames(ctx, entries)
	if err != nil {
		return nil, err
	}
	return listed(named, next), nil
}

type entryPath struct {
	ID string `path:"id" maxLength:"500"`
}

type entryOutput struct {
	Body logEntry
}

// logEntry is an entry with what its IDs are called.
type logEntry struct {
	engine.Entry
	Rebuilt     bool                `json:"reconstructed,omitempty" doc:"Request and response are not the app's words: they are put together from what was written"`
	Meaning     string              `json:"meaning,omitempty" doc:"What the code means; message says of what"`
	Effect      Effect              `json:"effect,omitempty" doc:"What it cost: the record, or one field of it"`
	Remedy      string              `json:"remedy,omitempty" doc:"What a person can do about it"`
	Integration integration         `json:"integration"`
	Links       crm.PerSide[string] `json:"links" doc:"Where people see the records in their apps; empty where there is none, or the app has no such pages"`
}

// integration names a connection and its apps.
type integration struct {
	Name  string `json:"name" doc:"The connection's; empty when it is gone"`
	Left  string `json:"left" doc:"The app on the left"`
	Right string `json:"right"`
}

// withNames adds to entries what their IDs are called, and where records are seen.
func (s *server) withNames(ctx context.Context, entries []engine.Entry) ([]logEntry, error) {
	who := access.From(ctx)
	out := make([]logEntry, len(entries))
	conns := map[crm.ConnectionID]*crm.Connection{} // nil = gone
	accounts := map[crm.AccountID]account.Account{}
	for i := range entries {
		e := &entries[i]
		out[i].Entry = *e
		if m, ok := meanings[e.Code]; ok {
			out[i].Meaning, out[i].Effect, out[i].Remedy = m.Meaning, effectOf(e, m.Effect), m.Remedy
		}
		c, known := conns[e.Connection]
		if !known {
			var err error
			c, _, err = store.LoadConnection(ctx, s.Store, who.Workspace, e.Connection)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return nil, err
			}
			conns[e.Connection] = c
		}
		if c == nil {
			continue
		}
		out[i].Integration.Name = c.Name
		for _, side := range crm.Sides {
			id := c.Account(side)
			a, known := accounts[id]
			if !known {
				var err error
				a, err = s.Accounts.Get(ctx, who.Workspace, id)
				if err != nil && !fault.Is(err, fault.NotFound) {
					return nil, err
				}
				accounts[id] = a
			}
			d, err := s.driverOf(ctx, who.Workspace, a)
			if err != nil {
				return nil, err
			}
			out[i].tell(c, side, a, d.App)
		}
	}
	return out, nil
}

// effectOf is what a code cost this entry's record. The same code may stand for one
// field of a record that is linked and for the whole of one that was to be made.
func effectOf(e *engine.Entry, meant Effect) Effect {
	switch {
	case e.OfField():
		return EffectField
	case e.Outcome == crm.Failed && e.Code != reconcile.CodeFieldFailed && meant == EffectField:
		return EffectRecord
	}
	return meant
}

// tell names the app of a side, and where its record is seen.
func (e *logEntry) tell(c *crm.Connection, side crm.Side, a account.Account, app crm.App) {
	name, record := &e.Integration.Left, e.Record
	if side == crm.Right {
		name = &e.Integration.Right
	}
	if side != e.Side {
		record = e.Partner
	}
	*name = app.Name
	worked := c.Worked()
	at := slices.IndexFunc(worked, func(one crm.Sync) bool { return one.ID == e.Sync })
	if at < 0 || record == "" {
		return
	}
	e.Links.Set(side, app.PageOf(a.BaseURL, a.ExternalID, worked[at].Object(side), string(record)))
}

func (s *server) entry(
	ctx context.Context, id string, may func(access.Principal, crm.Access) bool,
) (engine.Entry, error) {
	e, err := s.Engine.GetEntry(ctx, access.From(ctx).Workspace, id)
	if err != nil {
		return e, err
	}
	return e, s.mayUse(ctx, e.Connection, may)
}

func (s *server) getEntry(ctx context.Context, in *entryPath) (*entryOutput, error) {
	e, err := s.entry(ctx, in.ID, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	if access.From(ctx).Masked() {
		e = maskEntry(e)
	}
	rebuilt := rebuild(&e)
	named, err := s.withNames(ctx, []engine.Entry{e})
	if err != nil {
		return nil, err
	}
	named[0].Rebuilt = rebuilt
	return &entryOutput{Body: named[0]}, nil
}

// retryRequest may correct values before the record is worked again.
type retryRequest struct {
	Values crm.Fields `json:"values,omitempty" maxProperties:"500" doc:"Values by field of the record in its own app, or of the other one that they go to; the record gets them before it is worked again"`
}

func (s *server) retryEntry(ctx context.Context, in *entryPath) (*runOutput, error) {
	e, err := s.entry(ctx, in.ID, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	if !e.Problem() {
		return nil, problem(http.StatusConflict, "conflict", "only an entry with a problem can be retried")
	}
	var want retryRequest
	if body := bodyOf(ctx); len(body) > 0 {
		if err := json.Unmarshal(body, &want); err != nil {
			return nil, problem(http.StatusBadRequest, CodeInvalidDocument, "")
		}
	}
	run, err := s.Engine.RetryEntry(ctx, access.From(ctx).Workspace, in.ID, want.Values)
	return answer(run, atValue(err, want.Values))
}

// atValue points at the value that an error names by its field.
func atValue(err error, values crm.Fields) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	if _, given := values[f.Field]; !given {
		return err
	}
	p := problemOf(err)
	p.Errors = []ProblemItem{{Pointer: "/values/" + escape(f.Field), Detail: p.Detail, Code: p.Code}}
	return p
}

// retriedRuns is the first run of a retry, and all of them: one per sync.
type retriedRuns struct {
	engine.Run
	Runs []engine.Run `json:"runs" nullable:"false"`
}

type retriedOutput struct {
	Location string `header:"Location"`
	Body     retriedRuns
}

func (s *server) retryLog(ctx context.Context, in *LogQuery) (*retriedOutput, error) {
	who := access.From(ctx)
	if in.Connection == "" && who.Role == access.Member {
		return nil, problem(http.StatusBadRequest, CodeConnectionNeeded, "", ProblemItem{
			Parameter: "query.connection", Detail: meaning(CodeConnectionNeeded),
		})
	}
	among, err := s.among(ctx, in.Connection, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	if in.JobStatus != "" && in.JobStatus != "all" {
		return nil, parameter("query.job_status", "a retry cannot be narrowed by the run's status: use run")
	}
	q, err := s.search(ctx, *in)
	if err != nil {
		return nil, err
	}
	if q.filter.Outcomes == nil {
		q.filter.Outcomes = slices.Clone(problemOutcomes)
	}
	q.filter.Outcomes = slices.DeleteFunc(q.filter.Outcomes, func(o crm.Outcome) bool {
		return !slices.Contains(problemOutcomes, o)
	})
	if q.nothing || len(q.filter.Outcomes) == 0 {
		return nil, parameter("query.event", "these filters exclude everything that can be retried")
	}
	runs, err := s.retryEach(ctx, q.filter, among)
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, problem(http.StatusNotFound, CodeNotFound, "there is no such sync")
	}
	return &retriedOutput{Location: runAddress(runs[0].ID), Body: retriedRuns{runs[0], runs}}, nil
}

// retryEach starts one retry per sync that the filter leaves open.
func (s *server) retryEach(ctx context.Context, f engine.LogFilter, among []crm.ConnectionID) ([]engine.Run, error) {
	runs := []engine.Run{}
	for _, id := range among {
		c, _, err := s.changeable(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, sync := range c.Worked() {
			if f.Sync != "" && f.Sync != sync.ID || c.Status == crm.StatusDeleting {
				continue
			}
			one := f
			one.Connection, one.Sync = id, sync.ID
			r, err := s.Engine.RetryFailed(ctx, access.From(ctx).Workspace, one)
			if err != nil {
				return nil, err
			}
			runs = append(runs, r)
		}
	}
	return runs, nil
}

const (
	csvRows  = 10_000
	csvBytes = 5 << 20
)

type csvOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Link        string `header:"Link"`
	Body        []byte
}

func csvAnswer(op *huma.Operation) { mediaAnswer("text/csv", &huma.Schema{Type: huma.TypeString})(op) }

// exportLog writes the log as CSV. It ends early, with a link to the next
// part, at 10,000 rows, at 5 MB or when the request has little time left.
func (s *server) exportLog(ctx context.Context, in *struct {
	LogQuery
	Cursor string `query:"cursor" maxLength:"8192"`
},
) (*csvOutput, error) {
	q, err := s.search(ctx, in.LogQuery)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	writeRow(&b, csvHeader)
	cursor, stop := in.Cursor, s.Now().Add(requestTime/2)
	for rows := 0; ; {
		entries, next, err := s.read(ctx, q, min(200, csvRows-rows), cursor)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			writeRow(&b, csvCells(&entries[i]))
		}
		rows, cursor = rows+len(entries), next
		if cursor == "" || rows >= csvRows || b.Len() >= csvBytes-csvSlack || s.Now().After(stop) {
			break
		}
	}
	out := &csvOutput{
		ContentType: "text/csv; charset=utf-8", Disposition: `attachment; filename="lockstep-log.csv"`,
		Body: b.Bytes(),
	}
	if cursor != "" {
		out.Link = `<` + nextPart(in.LogQuery, cursor) + `>; rel="next"`
	}
	return out, nil
}
