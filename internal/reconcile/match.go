package reconcile

import "github.com/lockstep-crm/lockstep/internal/crm"

// Key is one value to look records up by: on side Side, records whose Field
// has identity Canonical. Spellings are raw texts worth asking the app for,
// since apps store phones as typed, in the way that this app compares.
type Key struct {
	Side      crm.Side
	Field     string
	Canonical string   // mapping.IdentityKey of the value; two records are the same by this key iff equal
	Spellings []string // at least one
	Rank      int      `json:",omitempty"` // of IdentityKeys: the place of its step in the ladder
}

// Lookup is one match step turned into questions.
type Lookup struct {
	Step int // index in the way's list of steps
	Spec crm.MatchStep
	ByID crm.RecordID // by id, when this record's field holds the twin's ID: read it
	// questions to the other side (any_key: each by itself; all_keys: the first key is asked, the rest verified; by id
	// with the field on the other side)
	Keys []Key
}

// Match is the verdict on the candidates of a record.
type Match struct {
	Kind   MatchKind
	Record *crm.Record    // Found
	Step   *crm.MatchStep // Found: the step that decided
	Others []crm.RecordID // Ambiguous, KeyConflict: all candidates
	// Ambiguous: "ambiguous_match"; KeyConflict: "key_conflict", "keys_disagree"; Crowded: "crowded_key"; Missing:
	// "match_missing"
	Code  string
	Tried []TriedStep // for explain
}

// MatchKind is how a search for a twin ended.
type MatchKind string

// The ends of a search.
const (
	MatchNone      MatchKind = "none"         // nobody: create, if allowed
	MatchFound     MatchKind = "found"        // exactly one
	MatchAmbiguous MatchKind = "ambiguous"    // more than one: never guess
	MatchConflict  MatchKind = "key_conflict" // keys point to different records, or only some of them to the one there is
	MatchCrowded   MatchKind = "crowded_key"  // nobody, and no key of its own: left out
	MatchMissing   MatchKind = "missing"      // by id with on_missing error, and nobody there
	MatchHeld      MatchKind = "held"         // nobody so far, and the next step rests because a field is gone
)

// TriedStep says what one step asked and found.
type TriedStep struct {
	Step       int
	By         crm.MatchBy
	Fields     []string
	Candidates int
	// found, none, ambiguous, key_conflict, keys_disagree, verify_failed, skipped_blank, crowded_key, held
	Result string
}
