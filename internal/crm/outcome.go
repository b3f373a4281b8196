package crm

// Outcome is what became of one record in one run.
type Outcome string

// The outcomes. Every record that entered a run leaves it with exactly one.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
	Linked    Outcome = "linked"   // paired, and nothing had to be written
	Excluded  Outcome = "excluded" // a rule, a setting or a missing identity keeps it out
	Skipped   Outcome = "skipped"  // a behaviour (create_only, …) leaves it alone
	Duplicate Outcome = "duplicate"
	Conflict  Outcome = "conflict" // waits for a person
	Failed    Outcome = "failed"
	Deleted   Outcome = "deleted"
	Stale     Outcome = "stale"   // a plan's precondition no longer holds
	Dropped   Outcome = "dropped" // with a reason: connection deleted, record gone …
	Waiting   Outcome = "waiting" // for a right in an app, outside its run; looked at again when the right is there
)

// Outcomes lists all, in the order of tables shown to people.
var Outcomes = []Outcome{
	Created, Updated, Unchanged, Linked, Excluded, Skipped, Duplicate, Conflict, Failed, Deleted,
	Stale, Dropped, Waiting,
}

// State is where a known record stands between runs; each is in exactly one.
type State string

// The states. A record never seen is unknown and has no item.
const (
	StateInSync    State = "in_sync"
	StateExcluded  State = "excluded"
	StateDuplicate State = "duplicate"
	StateConflict  State = "conflict"
	StateFailing   State = "failing"
	StateWaiting   State = "waiting"
	StateDeleted   State = "deleted"
)

// States lists all, in the order of tables shown to people.
var States = []State{
	StateInSync, StateExcluded, StateDuplicate, StateConflict, StateFailing, StateWaiting, StateDeleted,
}
