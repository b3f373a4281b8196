package crm

// Reason says why the two sides of a mapped field differ and are left so until
// one of them moves: the field is settled, not agreed.
type Reason string

// The reasons of settled differences.
const (
	ReasonCleared      Reason = "cleared"        // a person emptied one side, and the mapping does not clear the other
	ReasonDefault      Reason = "default"        // one side holds the mapping's default value, its source is blank
	ReasonRefused      Reason = "refused"        // the app refused the value
	ReasonChangedByApp Reason = "changed_by_app" // the app stored something else than was written
	ReasonUndone       Reason = "undone"         // an undo put the value back
	ReasonFromNowOn    Reason = "from_now_on"    // the mapping was changed without applying it to what is linked
	ReasonInvalidPhone Reason = "invalid_phone"  // text that is no phone number may not overwrite one
	ReasonNotClearable Reason = "not_clearable"  // the app demands a value, so a blank cannot travel there
	ReasonProtected    Reason = "protected"      // the match step protects the field
	ReasonRestrained   Reason = "restrained"     // fill blanks only, write once or a behaviour forbids to write
)

// Reasons lists all, in the order of tables shown to people.
var Reasons = []Reason{
	ReasonCleared, ReasonDefault, ReasonRefused, ReasonChangedByApp, ReasonUndone, ReasonFromNowOn,
	ReasonInvalidPhone, ReasonNotClearable, ReasonProtected, ReasonRestrained,
}
