package engine

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// RunKind says what started a run.
type RunKind string

// The kinds of run.
const (
	RunInitial RunKind = "initial" // the first enumeration of both sides
	RunPull    RunKind = "pull"
	RunResync  RunKind = "resync"
	RunWebhook RunKind = "webhook" // one per sync and day
	RunRetry   RunKind = "retry"
	RunRecord  RunKind = "record" // one record, asked for by a person
	RunPlan    RunKind = "plan"
	RunApply   RunKind = "apply"
	RunCatchUp RunKind = "catch_up" // what waited while the sync was off
	RunChange  RunKind = "change"   // what is known, after its settings were changed
)

// RunState is where a run stands.
type RunState string

// The states of a run.
const (
	RunQueued    RunState = "queued"
	RunRunning   RunState = "running"
	RunDone      RunState = "done"
	RunFailed    RunState = "failed"
	RunCancelled RunState = "cancelled"
)

// Run is one pull, resync, webhook batch, retry, plan or apply.
type Run struct {
	ID         crm.RunID             `json:"id"`
	Kind       RunKind               `json:"kind"`
	Connection crm.ConnectionID      `json:"connection"`
	Sync       crm.SyncID            `json:"sync"`
	State      RunState              `json:"state"`
	CreatedAt  time.Time             `json:"created_at"`
	EndedAt    time.Time             `json:"ended_at,omitzero"`
	Done       int64                 `json:"done"`            // records with an outcome
	Total      int64                 `json:"total,omitempty"` // records found so far; final once the listing is complete
	TotalKnown bool                  `json:"total_known"`
	Outcomes   map[crm.Outcome]int64 `json:"outcomes"`
	Records    int64                 `json:"-"`     // of Done, what a share of records in error is of: a pair is one
	InError    int64                 `json:"-"`     // of Records
	Calls      crm.PerSide[int64]    `json:"calls"` // API calls used on each side
	Plan       crm.PlanID            `json:"plan,omitempty"`
	UndoUntil  time.Time             `json:"undo_until,omitzero" doc:"Until then the log holds all that the run changed, and it can be undone; absent for a run that changes nothing"`
	Code       string                `json:"code,omitempty"`   // why it failed
	Detail     string                `json:"detail,omitempty"` // safe to show
	Remedy     string                `json:"remedy,omitempty" doc:"What a person can do about a run that failed"`
	Waiting    []Waiting             `json:"waiting,omitempty" doc:"What an open run waits for, with since and until"`
	Held       []HeldPart            `json:"held,omitempty" doc:"What rested while it ran because a field is gone"`
	NextRun    RunKind               `json:"next_run,omitempty" doc:"In the answer of pull and resync, where it is a run that was open already: the one that follows it because of the request"`
}

// Diff is one field of a log entry or of a planned change.
type Diff struct {
	Mapping crm.MappingID `json:"mapping,omitempty"`
	Side    crm.Side      `json:"side"`   // the side written
	Field   string        `json:"field"`  // the app's field
	Before  crm.Value     `json:"before"` // raw values
	After   crm.Value     `json:"after"`
	Rule    string        `json:"rule"`
	Code    string        `json:"code,omitempty"` // a remark: invalid_phone
}

// Entry is what became of one record, as the log keeps it.
type Entry struct {
	ID         string           `json:"id"`
	Time       time.Time        `json:"time"`
	Run        crm.RunID        `json:"run"`
	Connection crm.ConnectionID `json:"connection"`
	Sync       crm.SyncID       `json:"sync"`
	Side       crm.Side         `json:"side"`          // whose record asked to be worked
	Way        crm.Way          `json:"way,omitempty"` // direction of what was written
	Record     crm.RecordID     `json:"record"`
	Partner    crm.RecordID     `json:"partner,omitempty"`
	Outcome    crm.Outcome      `json:"outcome"`
	Code       string           `json:"code,omitempty"`
	Message    string           `json:"message,omitempty"`
	Behavior   crm.Behavior     `json:"behavior,omitempty"` // in force for Way when it happened
	Diffs      []Diff           `json:"diffs,omitempty"`
	Status     int              `json:"response_status,omitempty"`
	URL        string           `json:"api_url,omitempty"`
	Calls      []Call           `json:"calls,omitempty" doc:"What the apps were asked for this; none where the answer was lost, or nothing was written"`
	Request    string           `json:"request,omitempty" doc:"Of an entry with a problem, as it was sent; of one that was written, from its diffs and with the single view alone"`
	Response   string           `json:"response,omitempty"`
	Resolved   bool             `json:"resolved,omitempty"`
	Repaired   bool             `json:"repaired,omitempty" doc:"The record had failed before, and this got it in step"`
	Settings   int64            `json:"settings_version,omitempty" doc:"Of the connection's document that it was decided under"`
}

// Call is what is kept of a request to an app, and its answer: one that wrote a record,
// with others of the same batch, or was refused.
type Call struct {
	Side      crm.Side `json:"side"` // whose app
	Method    string   `json:"method"`
	URL       string   `json:"api_url"`
	Status    int      `json:"response_status"`
	RequestID string   `json:"request_id,omitempty" doc:"The app's own, for its support; where it tells one"`
}

// Problem reports whether a person may act on the entry.
func (e *Entry) Problem() bool {
	return e.Outcome == crm.Failed || e.Outcome == crm.Conflict || e.Outcome == crm.Duplicate
}

// OfField reports whether the entry is about one field that failed by itself, while
// the record's others were synced.
func (e *Entry) OfField() bool {
	return e.Outcome == crm.Failed && e.Partner != "" && len(e.Diffs) == 1 &&
		(e.Diffs[0].Rule == ruleRefused || e.Diffs[0].Rule == string(reconcile.RuleFailed))
}

// LogFilter narrows the log. Zero fields do not filter.
type LogFilter struct {
	Connection crm.ConnectionID
	Sync       crm.SyncID
	From, To   time.Time // half-open
	Outcomes   []crm.Outcome
	Side       crm.Side
	Record     crm.RecordID
	Code       string
	Run        crm.RunID
	Mapping    crm.MappingID // that wrote or would have written
}

// RecordFilter narrows the records of a sync. Zero fields do not filter.
type RecordFilter struct {
	State crm.State
	Code  string // why they are in it
	Q     string // an exact ID or identity key
}

func (f *RecordFilter) fits(l *link) bool {
	return (f.State == "" || l.State == f.State) && (f.Code == "" || l.Code == f.Code)
}

// RecordView is all that is known of one record.
type RecordView struct {
	Side    crm.Side                `json:"side"`
	ID      crm.RecordID            `json:"id"`
	State   crm.State               `json:"state"`
	Code    string                  `json:"code,omitempty"`
	Detail  string                  `json:"detail,omitempty"`
	Partner crm.RecordID            `json:"partner,omitempty"`
	Others  []crm.RecordID          `json:"others,omitempty"` // of an ambiguous match or a duplicate group
	Since   time.Time               `json:"since,omitzero"`
	Unread  *Waiting                `json:"unread,omitempty" doc:"Why the values could not be read now"`
	Values  crm.PerSide[crm.Fields] `json:"values"` // as read now; only on the single-record view
	Base    map[crm.MappingID]any   `json:"base,omitempty"`
	// in the order of the mappings; only on the single-record view
	Settled []SettledField   `json:"settled,omitempty"`
	Frozen  []FrozenField    `json:"frozen,omitempty" doc:"Fields that went round in a circle of connections; only on the single-record view"`
	Actions []reconcile.Done `json:"actions,omitempty" doc:"What actions of rules did to the pair; only on the single-record view"`
	History []Entry          `json:"history,omitempty"`
}

// Explanation is why a record is where it is, worked out now without writing.
type Explanation struct {
	Side    crm.Side       `json:"side"`
	ID      crm.RecordID   `json:"id"`
	Partner crm.RecordID   `json:"partner,omitempty"`
	Outcome crm.Outcome    `json:"outcome"`
	State   crm.State      `json:"state"`
	Code    string         `json:"code,omitempty"`
	Detail  string         `json:"detail,omitempty"`
	Match   []MatchAttempt `json:"match"`
	Filters []FilterClause `json:"filters"`
	Fields  []FieldVerdict `json:"fields"`
	Held    []HeldPart     `json:"held,omitempty"` // what rests in the sync because a field is gone
	Frozen  []FrozenField  `json:"frozen,omitempty"`
}

// MatchAttempt is one match step tried.
type MatchAttempt struct {
	Step       int      `json:"step"`
	By         string   `json:"by"`
	Fields     []string `json:"fields"`
	Candidates int      `json:"candidates"`
	Result     string   `json:"result"`
}

// FilterClause is one clause looked at.
type FilterClause struct {
	Rule   string    `json:"rule"`
	Way    crm.Way   `json:"way"`
	Field  string    `json:"field"`
	Op     string    `json:"op"`
	Wanted crm.Value `json:"wanted"`
	Value  crm.Value `json:"value"`
	Holds  bool      `json:"holds"`
}

// FieldVerdict is the decision on one mapping.
type FieldVerdict struct {
	Mapping crm.MappingID `json:"mapping"`
	Left    crm.Value     `json:"left"`
	Right   crm.Value     `json:"right"`
	Winner  crm.Side      `json:"winner,omitempty"`
	After   crm.Value     `json:"after,omitzero"`
	Rule    string        `json:"rule"`
	Reason  crm.Reason    `json:"reason,omitempty"` // the sides differ and are left so: why
	Code    string        `json:"code,omitempty"`
	Detail  string        `json:"detail,omitempty"`
}

// PlanView is a stored plan.
type PlanView struct {
	ID         crm.PlanID            `json:"id"`
	Kind       string                `json:"kind" enum:"dry_run,undo"`
	Undoes     crm.RunID             `json:"undoes,omitempty" doc:"The run that an undo takes back"`
	Run        crm.RunID             `json:"run"`
	Connection crm.ConnectionID      `json:"connection"`
	Sync       crm.SyncID            `json:"sync"`
	State      RunState              `json:"state"`
	CreatedAt  time.Time             `json:"created_at"`
	Totals     map[crm.Outcome]int64 `json:"totals"`
	Settled    SettledCounts         `json:"settled"`        // pairs some of whose fields differ and are left so
	Held       []HeldPart            `json:"held,omitempty"` // what the plan leaves out because a field is gone
}

// Change is one entry of a plan. Records for which there is nothing to do are
// listed where the plan was asked for by name, and they have settled fields.
type Change struct {
	Action  crm.Outcome    `json:"action"`
	Side    crm.Side       `json:"side"`
	Record  crm.RecordID   `json:"record"`
	Partner crm.RecordID   `json:"partner,omitempty"`
	Code    string         `json:"code,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	Diffs   []Diff         `json:"diffs,omitempty"`
	Settled []SettledField `json:"settled,omitempty"` // fields that would differ and be left so
	Kept    []KeptField    `json:"kept,omitempty" doc:"Of an undo: fields that are not put back, each with the reason"`
	Entry   string         `json:"entry,omitempty" doc:"Of an undo: the log entry of what is taken back, the first of several"`
	Digest  string         `json:"digest"` // of what would be done; apply re-checks it
}

// KeptField is a field that an undo leaves as it is.
type KeptField struct {
	Mapping crm.MappingID `json:"mapping,omitempty"`
	Side    crm.Side      `json:"side"`
	Field   string        `json:"field"`
	Code    string        `json:"code"`
	Reason  string        `json:"reason,omitempty"`
}

// SyncStatus is where one sync stands.
type SyncStatus struct {
	Sync       crm.SyncID                                  `json:"sync"`
	LatestPull time.Time                                   `json:"latest_pull,omitzero"`
	NextPull   time.Time                                   `json:"next_pull,omitzero"`
	Backlog    int64                                       `json:"backlog"` // records in open runs, parked chunks and inboxes
	Parked     int64                                       `json:"parked"`
	Inbox      int64                                       `json:"inbox"`
	Dead       int64                                       `json:"dead"`
	States     crm.PerSide[map[crm.State]int64]            `json:"states"`
	Reasons    crm.PerSide[map[crm.State]map[string]int64] `json:"reasons" doc:"Records by state and code of the error dictionary, where they have one. What stood before these were counted is among them after the next resync"`
	Settled    SettledCounts                               `json:"settled"`
	Outcomes   map[string]map[crm.Outcome]int64            `json:"outcomes"` // today, last_7_days, last_30_days
	Halted     *Halt                                       `json:"halted,omitempty"`
	Changes    []ChangeHalt                                `json:"changes" nullable:"false" doc:"Mappings that a mass change halted"`
	Warnings   []string                                    `json:"warnings"`              // codes of the error dictionary
	Outages    []Outage                                    `json:"unreachable,omitempty"` // with the warning app_unreachable
	Waiting    []Waiting                                   `json:"waiting" nullable:"false" doc:"Everything that stands still, and why"`
	Held       []HeldPart                                  `json:"held,omitempty"` // with the warning field_missing
	Frozen     *Frozen                                     `json:"frozen,omitempty" doc:"With the warning write_loop: fields that went round in a circle of connections, and are written on neither side"`
	Equality   *Equality                                   `json:"equality,omitempty" doc:"What rereading the linked pairs found; absent where none were read yet"`
	Told       []Told                                      `json:"told,omitempty" doc:"With the warning told_only: sides whose app cannot be asked for its records, so that only what it told is known"`
	OpenRun    crm.RunID                                   `json:"open_run,omitempty"`
	NextRun    RunKind                                     `json:"next_run,omitempty" doc:"The run that begins by itself when no other one is open: a pull that was asked for while a run was open, a resync that was asked for while a lesser one was, or what changed settings ask for"`
}

// Equality is what the audit found. It reads all known records again, a few at
// a time, and counts the linked pairs that are to be kept equal. Pairs in conflict
// or failing are not equal; what differs by a settled difference is.
type Equality struct {
	Share     *float64       `json:"share,omitempty" doc:"Of the last full round, or of the one under way while there was none"`
	LookedAt  time.Time      `json:"looked_at" doc:"When some were last read"`
	Round     EqualityRound  `json:"round" doc:"The round under way"`
	LastRound *EqualityRound `json:"last_round,omitempty" doc:"The last one that looked at every pair"`
}

// EqualityRound counts the pairs of one round.
type EqualityRound struct {
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until,omitzero"`
	Looked    int64     `json:"looked"`
	Equal     int64     `json:"equal"`
	Different int64     `json:"different"`
}

// SettledCounts counts the pairs some of whose fields differ and are left so.
// They are in_sync all the same, or in conflict or failing for another field.
type SettledCounts struct {
	Links   int64                `json:"links"`
	Reasons map[crm.Reason]int64 `json:"reasons"` // pairs with such a field; one may have several
}

// SettledField is a mapped field whose two sides differ and are left so.
type SettledField struct {
	Mapping crm.MappingID `json:"mapping"`
	Reason  crm.Reason    `json:"reason"`
	Side    crm.Side      `json:"side,omitempty"` // refused, changed_by_app: the app whose word it was
	Code    string        `json:"code,omitempty"` // refused
	Since   time.Time     `json:"since,omitzero"` // refused, changed_by_app
	Again   time.Time     `json:"again,omitzero"` // refused: when it is tried again by itself
}

// Halt says why a sync waits for an admin.
type Halt struct {
	Since     time.Time `json:"since"`
	Deletions int64     `json:"deletions"`
	Links     int64     `json:"links"`
	Side      crm.Side  `json:"side"`
}

// ChangeHalt says why a mapping waits for an admin: too many values of a field
// would be replaced by a blank, or by one and the same value.
type ChangeHalt struct {
	Mapping crm.MappingID `json:"mapping"`
	Field   string        `json:"field" doc:"Of the side that would be written"`
	Side    crm.Side      `json:"side" doc:"That would be written"`
	Kind    string        `json:"kind" enum:"blank,one_value"`
	Value   string        `json:"value,omitempty" doc:"Fingerprint of the one value"`
	Since   time.Time     `json:"since"`
	From    time.Time     `json:"from" doc:"From then until since the changes were counted; what of them was written is in the log"`
	Count   int64         `json:"count" doc:"Changes found when it halted"`
	Waiting int64         `json:"waiting" doc:"Records that wait for the decision"`
	Links   int64         `json:"links"`
	Remedy  string        `json:"remedy"`
}

// DeadItem is work that was given up, with the reason.
type DeadItem struct {
	ID         string           `json:"id"`
	Connection crm.ConnectionID `json:"connection"`
	Sync       crm.SyncID       `json:"sync"`
	Side       crm.Side         `json:"side"`
	Records    []crm.RecordID   `json:"records"`
	Code       string           `json:"code"`
	Reason     string           `json:"reason"`
	Receives   int              `json:"receives"`
	Since      time.Time        `json:"since"`
	Run        crm.RunID        `json:"run"`
}

// Resolution is a person's decision on one field in conflict: one side's value
// or a value of their own, in canonical form.
type Resolution struct {
	Side  crm.Side
	Value *crm.Value
}
