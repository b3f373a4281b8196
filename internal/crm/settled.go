package crm

import "time"

// Reason says why the two sides of a mapped field differ and are left so until
// one of them moves: the field is settled, not agreed.
type Reason string

// The reasons of settled differences.
const (
	ReasonCleared      Reason = "cleared"        // a person emptied one side, and the mapping does not clear the other
	ReasonDefault      Reason = "default"        // one side holds a default value, its source is blank
	ReasonRefused      Reason = "refused"        // the app refused the value
	ReasonChangedByApp Reason = "changed_by_app" // the app stored something else than was written
	ReasonUndone       Reason = "undone"         // an undo put the value back, or an admin discarded the change
	ReasonFromNowOn    Reason = "from_now_on"    // the mapping was changed without applying it to what is linked
	ReasonInvalidPhone Reason = "invalid_phone"  // text that is no phone number may not overwrite one
	ReasonNotClearable Reason = "not_clearable"  // the app demands a value, so a blank cannot travel there
	ReasonProtected    Reason = "protected"      // the match step protects the field
	// one side's value is another one of the other record's, such as a secondary e-mail
	ReasonSecondary Reason = "secondary"
	// the other app has no active user with the owner's e-mail address
	ReasonUnknownOwner Reason = "unknown_owner"
	// the record that a reference names has no twin in the other app
	ReasonNotLinked  Reason = "partner_not_linked"
	ReasonRestrained Reason = "restrained" // fill blanks only, write once or a behaviour forbids to write
)

// Lacks reports whether a reason is that the other app does not have what a value
// names.
func (r Reason) Lacks() bool { return r == ReasonUnknownOwner || r == ReasonNotLinked }

// Reasons lists all, in the order of tables shown to people.
var Reasons = []Reason{
	ReasonCleared, ReasonDefault, ReasonRefused, ReasonChangedByApp, ReasonUndone, ReasonFromNowOn,
	ReasonInvalidPhone, ReasonNotClearable, ReasonProtected, ReasonSecondary, ReasonUnknownOwner, ReasonNotLinked,
	ReasonRestrained,
}

// Difference is what a link keeps of a field whose two sides differ and are
// left so: why, and a fingerprint of what each side held when it was settled. A
// side has changed when it holds something else than its own.
type Difference struct {
	Reason Reason    `json:"y"`
	Fields string    `json:"f,omitempty"` // fingerprint of the fields of both sides: with other ones it says nothing
	Terms  string    `json:"c,omitempty"` // the settings that the reason rests on, where it rests on any
	Held   [2]string `json:"h"`           // by side, of the canonical value under the entry's revision; "" for a blank
	Raw    [2]string `json:"w"`           // by side, of the fields as the app holds them: these outlive a revision

	Side  Side      `json:"s,omitempty"`  // refused, changed_by_app, unknown_owner, partner_not_linked: the app whose word it was
	Code  string    `json:"e,omitempty"`  // refused: the code of the error dictionary
	Since time.Time `json:"t,omitzero"`   // refused, changed_by_app: when first
	Again time.Time `json:"a,omitzero"`   // refused: when it is tried again; zero = not by itself
	Tries int       `json:"n,omitempty"`  // refused: how often it was tried
	Note  string    `json:"nt,omitempty"` // refused, changed_by_app: safe to show, holds no value
}

func (d *Difference) same(e *Difference) bool {
	if d == nil || e == nil {
		return d == e
	}
	return d.Reason == e.Reason && d.Fields == e.Fields && d.Terms == e.Terms && d.Held == e.Held && d.Raw == e.Raw &&
		d.Side == e.Side && d.Code == e.Code && d.Since.Equal(e.Since) && d.Again.Equal(e.Again) && d.Tries == e.Tries &&
		d.Note == e.Note
}

// Settle returns what to remember of a difference: d, and beside it before, the
// agreement that there was when it came about, zero if there was none.
func Settle(revision string, before Agreed, d Difference) Agreed {
	if before.Revision != revision {
		before = Agreed{}
	}
	before.Revision, before.Settled = revision, &d
	return before
}

// Fingerprint is what a Difference keeps of a value; "" for a blank.
func Fingerprint(v Value) string {
	if v.Blank() {
		return ""
	}
	return v.Digest()[:16]
}

// Reasons lists why fields of a base are settled, each once, in the order of
// Reasons; nil when none is.
func (b Base) Reasons() []Reason {
	var out []Reason
	for _, why := range Reasons {
		for _, a := range b {
			if a.Settled != nil && a.Settled.Reason == why {
				out = append(out, why)
				break
			}
		}
	}
	return out
}
