// Package reconcile decides: from two records as they are now, the value both
// sides last agreed on, and the settings, it derives what to write, link,
// leave out or ask. Sync, preview, resync, explain and the simulation all call
// it.
//
// It is pure: no I/O, no clock, no chance. What depends on time (filters such
// as in_last_days) takes it from Pair.Now. Swapping the two sides of every
// input swaps the decision.
package reconcile

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// Pair is one observation: what is known of one person or company on both sides.
type Pair struct {
	Left, Right *crm.Record    // nil = no such record (known to be absent, not merely unread)
	Linked      bool           // a link joins them already
	ByHand      bool           // a person joined them
	Joined      int64          // version of the connection when they were linked; 0 = not known, long ago
	Base        crm.Base       // the link's agreement; nil on first meeting
	Origin      crm.Side       // the side whose record asked to be worked; decides what "create" means
	MatchedBy   *crm.MatchStep // on first meeting: the step that found the twin
	Now         time.Time
	// ByApp names, by place, the mappings of our last write to a side that nobody
	// edited since: a difference is what the app made of that write.
	ByApp crm.PerSide[uint64]
	// Was is what the mappings of that write held before it: see Trace.
	Was     crm.PerSide[map[crm.MappingID]string]
	Retry   bool                   // a person asks to try again what an app refused
	Decided map[crm.MappingID]bool // a person chose a side: what moved there travels, even a blank
	Halted  map[crm.MappingID]bool // a mass change waits for a person: neither side is written, the base stays
	// written over and over in a circle: neither side is written until both are alike, or a person decides
	Frozen  map[crm.MappingID]bool
	Discard map[crm.MappingID]bool // a person does not want the change: the sides are left apart
	// of one way here, and other connections carry the target's field back to the source: an edit of the target
	// alone is theirs to bring, and is not put back
	Returns map[crm.MappingID]bool
}

func (p *Pair) occasion() occasion { return occasion{now: p.Now, retry: p.Retry} }

// Decision is what to do with a pair, and why.
type Decision struct {
	Outcome crm.Outcome // if everything in Writes succeeds
	State   crm.State   // in which the record (or pair) then stands
	Code    string      // why, when Outcome is not created, updated, unchanged or linked: a code of the error dictionary
	Detail  string      // names fields, never values
	Link    bool        // the two records are, or stay, linked
	Held    bool        // nothing could be decided because a field is gone: the pair, or the record, stays as it stands
	Left    *Write      // what to write on the left; nil = nothing
	Right   *Write
	// Fields has one entry per mapping, in mapping order, for the log and for
	// explain; then one per fixed value stamped ("$stamp.<field>"), per ID
	// written back ("$id.<field>") and per action of a rule (see Act).
	Fields []FieldDecision
	Base   crm.Base                     // what is remembered once Writes have succeeded: the whole new base
	Rebase bool                         // Base differs from Pair.Base; when false and Empty there is nothing to store
	Rules  []string                     // IDs of the rules that let the record through, both ways
	Traces crm.PerWay[[]rule.RuleTrace] // the rules that were asked, clause by clause
	// Timed is set when the outcome may differ at another Pair.Now.
	Timed bool
}

// Write returns what to write on side s.
func (p *Decision) Write(s crm.Side) *Write {
	if s == crm.Left {
		return p.Left
	}
	return p.Right
}

// Drop takes the write to side s out of the decision.
func (p *Decision) Drop(s crm.Side) {
	if s == crm.Left {
		p.Left = nil
	} else {
		p.Right = nil
	}
}

// ActOn names the action of a rule that writes a field of a side; "" = none does.
func (p *Decision) ActOn(s crm.Side, field string) crm.MappingID {
	for i := range p.Fields {
		if a := p.Fields[i].Act; a != nil && a.Side == s && a.Field == field {
			return p.Fields[i].Mapping
		}
	}
	return ""
}

// Empty reports whether nothing is to be written on either side.
func (p *Decision) Empty() bool { return p.Left == nil && p.Right == nil }

// Write is what one side is to become.
type Write struct {
	Create   bool
	Archive  bool
	Fields   crm.Fields                  // raw values, only what changes
	Intended map[crm.MappingID]crm.Value // canonical values the side will then hold, for the mappings written
	// Acts are what is remembered of the rules' actions that are in Fields once they
	// have been written; a zero entry forgets one.
	Acts map[crm.MappingID]crm.Agreed
}

// Waits reports whether a person is to decide about the field.
func (d *FieldDecision) Waits() bool {
	return d.Rule == RuleConflictReview || d.Rule == RuleFirstReview
}

// FieldDecision is the decision on one mapping.
type FieldDecision struct {
	Mapping crm.MappingID
	Left    crm.Value // canonical, as observed
	Right   crm.Value
	Winner  crm.Side  // "" = neither: agreed, left alone, or failed
	After   crm.Value // canonical value both sides are to hold; meaningful with a Winner or Merged
	Merged  bool      // set merge: After may equal neither side, and then there is no Winner
	Rule    FieldRule
	// Replaces says, by side, that a value known before is written over: neither a
	// blank is filled nor a first difference settled. It is what a mass change is
	// counted by.
	Replaces [2]bool
	Reason   crm.Reason // the two sides differ and are left so: why
	Lacks    crm.Side   // the side whose app has no such user, or no twin of the record named
	Code     string     // for Failed: the error code
	Detail   string     // for Failed: field, remedy, valid options; no values
	Act      *ActPlan   // an action of a rule, no mapping
}

// FieldRule says why a field was decided as it was.
type FieldRule string

// The reasons.
const (
	RuleAgreed          FieldRule = "agreed"       // both sides hold the same
	RuleLeftChanged     FieldRule = "left_changed" // only the left moved since the last agreement
	RuleRightChanged    FieldRule = "right_changed"
	RuleSetMerge        FieldRule = "set_merge"     // additions and removals of both sides
	RuleConflictLeft    FieldRule = "conflict_left" // both moved; policy says left
	RuleConflictRight   FieldRule = "conflict_right"
	RuleConflictNewest  FieldRule = "conflict_newest"         // both moved; the later record wins
	RuleConflictReview  FieldRule = "conflict_review"         // both moved; a person decides
	RuleFirstDifference FieldRule = "first_difference"        // no agreement yet and values differ: the policy decided
	RuleFirstReview     FieldRule = "first_difference_review" // no agreement yet, policy review
	RuleFillBlank       FieldRule = "fill_blank"              // one side blank, the other not
	RuleBlankKept       FieldRule = "blank_kept"              // a blank never erases unless the mapping says so
	RuleBlankErased     FieldRule = "blank_erased"            // the mapping lets a blank erase
	// the mapping (or the sync) travels one way: the target follows the source
	RuleOneWay FieldRule = "one_way"
	// one way, but the edit of the target comes to the source by other connections
	RuleReturns   FieldRule = "returns"
	RuleFillOnly  FieldRule = "fill_blanks_only" // the target has a value already
	RuleClosed    FieldRule = "closed"           // direction, behaviour or filter closes the way: left alone
	RuleDefault   FieldRule = "default"          // source and target blank: the default value
	RuleWriteOnce FieldRule = "write_once"       // only written at creation or into a blank
	RuleProtected FieldRule = "protected"        // the match step protects the field
	RuleStamp     FieldRule = "stamp"            // fixed value on creation
	RuleWriteBack FieldRule = "write_back"       // the twin's ID, where the match step keeps it
	RuleAction    FieldRule = "rule_action"      // an action of a rule that lets the record through
	RuleUndo      FieldRule = "rule_undo"        // what an action did is taken back
	RuleExclusion FieldRule = "other_way_around" // the exclusion mark of a rule
	RuleHalted    FieldRule = "halted"           // a mass change of the field waits for a person
	// the field went round in a circle of connections: a person decides
	RuleFrozen  FieldRule = "frozen"
	RuleSettled FieldRule = "settled" // the sides differ and are left so; Reason says why
	RuleUndone  FieldRule = "undone"  // put back to what it held before
	RuleHeld    FieldRule = "held"    // a field is gone: left alone until it is back
	RuleFailed  FieldRule = "failed"  // the value does not fit
)

// Codes of decisions; each is in the error dictionary.
const (
	CodeDirection       = "direction_closed"    // no open way leads from this record
	CodeFiltered        = "filtered_out"        // no rule lets it through
	CodeTakenByOther    = "taken_by_other_sync" // an earlier sync of the connection takes it
	CodeNoIdentity      = "no_identity_key"     // nothing to find a twin by, and duplicates are to be avoided
	CodeCreateOnly      = "behavior_create_only"
	CodeUpdateOnly      = "behavior_update_only"
	CodeNothing         = "behavior_nothing"
	CodeRequiredMissing = "required_field_missing" // the target cannot be created without it
	CodeMassChange      = "mass_change"            // very many values of the field were replaced at once: a person decides
	CodeFieldFailed     = "field_failed"           // a value does not fit; other fields are synced
	CodeChangedByApp    = "changed_by_app"         // the app kept its own value of a field: a person decides
	// a field was written over and over in a circle of connections: a person decides
	CodeLoop        = "write_loop"
	CodeConflict    = "conflict"     // waits for a person
	CodeSwitchedOff = "switched_off" // the global toggle or the sync is off
	CodeGone        = "record_gone"  // deleted, or merged into another record
)
