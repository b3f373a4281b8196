package crm

import (
	"bytes"
	"encoding/json"
	"time"
)

// Status is where a connection stands; the server owns it.
type Status string

// The statuses of a connection.
const (
	StatusDraft     Status = "draft"
	StatusActive    Status = "active"
	StatusPaused    Status = "paused"
	StatusNeedsAuth Status = "needs_authorization"
	StatusHalted    Status = "halted"
	StatusDeleting  Status = "deleting"
)

// Statuses lists all.
var Statuses = []Status{
	StatusDraft, StatusActive, StatusPaused, StatusNeedsAuth, StatusHalted, StatusDeleting,
}

// Connection is the document an admin writes: two accounts and all that is
// configured between them. The REST API, the YAML form and the store share it.
type Connection struct {
	ID          ConnectionID    `json:"id,omitempty"` // server-owned
	Name        string          `json:"name"`         // 1 to 200 characters
	Description string          `json:"description"`
	Enabled     bool            `json:"enabled"`          // the global toggle
	Status      Status          `json:"status,omitempty"` // server-owned
	Left        End             `json:"left"`
	Right       End             `json:"right"`
	Access      Access          `json:"access"`
	Notify      Notify          `json:"notify"`
	TimeZone    PerSide[string] `json:"time_zone"`       // IANA names; "" = UTC
	Country     string          `json:"default_country"` // ISO 3166-1 alpha-2, for phones without a country code
	Shared      bool            `json:"shared"`          // it may write fields that an older connection writes, too
	Syncs       []Sync          `json:"syncs"`

	Generation int64     `json:"-"`                   // raised when all that is older must stop: delete, re-link
	Version    int64     `json:"-"`                   // raised by every change of what clients own; the ETag
	CreatedAt  time.Time `json:"created_at,omitzero"` // server-owned
	UpdatedAt  time.Time `json:"updated_at,omitzero"` // server-owned
	StatusAt   time.Time `json:"-"`                   // since when it has its status; zero = unknown

	Changes map[SyncID]Changes `json:"-"` // to whom changed settings apply; server-owned
	Former  []Former           `json:"-"` // what its syncs joined before; server-owned
	// syncs to which pairs were brought while it was a draft, which are not linked yet; server-owned
	Arriving []SyncID `json:"-"`
}

// End is one end of a connection.
type End struct {
	Account AccountID `json:"account"`
}

// Account returns the account on side s.
func (c *Connection) Account(s Side) AccountID {
	if s == Left {
		return c.Left.Account
	}
	return c.Right.Account
}

// Sync returns the sync with that ID, that of activities too, or nil.
func (c *Connection) Sync(id SyncID) *Sync {
	for i := range c.Syncs {
		if c.Syncs[i].ID == id {
			return &c.Syncs[i]
		}
	}
	if parent, ok := id.Parent(); ok {
		for i := range c.Syncs {
			if one, chosen := c.Syncs[i].OfActivities(); chosen && c.Syncs[i].ID == parent {
				return &one
			}
		}
	}
	return nil
}

// Running reports whether the connection may write at all.
func (c *Connection) Running() bool { return c.Enabled && c.Status == StatusActive }

// Access says who besides admins may see and change the connection.
type Access struct {
	Mode      string   `json:"mode"` // roles | user_attribute
	Roles     []string `json:"roles"`
	Attribute string   `json:"attribute"`
}

// Notify says who hears of alerts.
type Notify struct {
	Enabled    bool        `json:"enabled"`
	User       string      `json:"user"`
	Webhook    *string     `json:"webhook"`
	Digest     Digest      `json:"digest,omitempty"`      // of mails; "" = each at once
	QuietHours *QuietHours `json:"quiet_hours,omitempty"` // in which no mail is sent
}

// Digest says how often mails are put together into one.
type Digest string

// The digests.
const (
	DigestOff    Digest = "off"
	DigestHourly Digest = "hourly"
	DigestDaily  Digest = "daily"
)

// Digests lists all.
var Digests = []Digest{DigestOff, DigestHourly, DigestDaily}

// QuietHours are hours of each day.
type QuietHours struct {
	From     string `json:"from"`                // HH:MM
	To       string `json:"to"`                  // HH:MM; before From = of the next day
	TimeZone string `json:"time_zone,omitempty"` // IANA name; "" = UTC
}

// Direction says which ways a sync or mapping may travel.
type Direction string

// The directions.
const (
	DirectionBoth    Direction = "both"
	DirectionToRight Direction = "to_right"
	DirectionToLeft  Direction = "to_left"
	DirectionOff     Direction = "off"
)

// Directions lists all.
var Directions = []Direction{DirectionBoth, DirectionToRight, DirectionToLeft, DirectionOff}

// Allows reports whether way w is open. The zero Direction is both.
func (d Direction) Allows(w Way) bool {
	switch d {
	case DirectionBoth, "":
		return true
	case DirectionToRight:
		return w == ToRight
	case DirectionToLeft:
		return w == ToLeft
	case DirectionOff:
		return false
	}
	return false
}

// Behavior says what one way of a sync may do to its target.
type Behavior string

// The behaviours. The zero Behavior is create_and_update.
const (
	BehaviorCreateAndUpdate Behavior = "create_and_update"
	BehaviorCreateOnly      Behavior = "create_only"
	BehaviorUpdateOnly      Behavior = "update_only"
	BehaviorNothing         Behavior = "nothing"
)

// Behaviors lists all.
var Behaviors = []Behavior{BehaviorCreateAndUpdate, BehaviorCreateOnly, BehaviorUpdateOnly, BehaviorNothing}

// Creates reports whether new records may be made.
func (b Behavior) Creates() bool {
	return b == "" || b == BehaviorCreateAndUpdate || b == BehaviorCreateOnly
}

// Updates reports whether known records may be changed.
func (b Behavior) Updates() bool {
	return b == "" || b == BehaviorCreateAndUpdate || b == BehaviorUpdateOnly
}

// ConflictPolicy decides a field changed on both sides since the last agreement.
type ConflictPolicy string

// The conflict policies. The zero policy of a mapping is its sync's; of a sync, left.
const (
	ConflictLeft   ConflictPolicy = "left"
	ConflictRight  ConflictPolicy = "right"
	ConflictNewest ConflictPolicy = "newest" // by the apps' record times: a heuristic
	ConflictReview ConflictPolicy = "review" // write nothing, ask a person
)

// ConflictPolicies lists all.
var ConflictPolicies = []ConflictPolicy{ConflictLeft, ConflictRight, ConflictNewest, ConflictReview}

// Deletion says what the deletion of one side's record does to the other's.
type Deletion string

// The delete policies. The zero Deletion is ignore.
const (
	DeleteIgnore  Deletion = "ignore" // unlink, keep a tombstone, never re-create
	DeleteTag     Deletion = "tag"
	DeleteArchive Deletion = "archive"
)

// Deletions lists all.
var Deletions = []Deletion{DeleteIgnore, DeleteTag, DeleteArchive}

// Deletes is the delete policy of a sync.
type Deletes struct {
	ToRight Deletion        `json:"to_right"`
	ToLeft  Deletion        `json:"to_left"`
	Tag     string          `json:"tag"`
	Field   PerSide[string] `json:"field"` // that takes the tag
}

// Unsubscribes is what a sync does to the twin of somebody who unsubscribed.
// Nobody is ever unsubscribed by it: it ignores, or it tags.
type Unsubscribes struct {
	ToRight Deletion        `json:"to_right"`
	ToLeft  Deletion        `json:"to_left"`
	Tag     string          `json:"tag"`
	Field   PerSide[string] `json:"field"` // that takes the tag
	When    PerSide[string] `json:"when"`  // the checkbox that says of a side's record that it is unsubscribed
}

// Get returns the policy for w.
func (u Unsubscribes) Get(w Way) Deletion {
	if w == ToRight {
		return u.ToRight
	}
	return u.ToLeft
}

// Get returns the policy for w.
func (d Deletes) Get(w Way) Deletion {
	if w == ToRight {
		return d.ToRight
	}
	return d.ToLeft
}

// Schedules are the allowed intervals, in the order shown to admins.
var Schedules = []string{"manual", "1m", "5m", "10m", "15m", "30m", "60m"}

// Initials are what a first sync takes: everybody, or who changes from then on.
var Initials = []string{"all", "changes_only"}

// Origins are where a mapping comes from.
var Origins = []string{"default", "custom", "required"}

// Sync pairs one object type of the left account with one of the right.
type Sync struct {
	ID              SyncID           `json:"id"`
	Left            ObjectEnd        `json:"left"`
	Right           ObjectEnd        `json:"right"`
	Direction       Direction        `json:"direction"`
	Schedule        string           `json:"schedule"`              // one of Schedules; "" = 5m
	Initial         string           `json:"initial"`               // all | changes_only; "" = all
	SecondLook      *int             `json:"second_look,omitempty"` // minutes until listed once more; nil = 60, 0 = never
	AuditHours      *int             `json:"audit_hours,omitempty"` // hours until known ones are read; nil = 24, 0 = never
	Behavior        PerWay[Behavior] `json:"behavior"`
	FillBlanksOnly  PerWay[bool]     `json:"fill_blanks_only"`
	Conflict        ConflictPolicy   `json:"conflict"`
	Deletes         Deletes          `json:"deletes"`
	Unsubscribes    Unsubscribes     `json:"unsubscribes"`
	AvoidDuplicates *bool            `json:"avoid_duplicates"` // nil = true: a record without identity key is excluded
	Match           Match            `json:"match"`
	Rules           []Rule           `json:"rules"`
	Mappings        []Mapping        `json:"mappings"`
	Associations    []Association    `json:"associations"`
	Activities      Activities       `json:"activities"`
	Stamp           PerWay[Fields]   `json:"stamp"` // fixed values written on create only

	About *About `json:"-"` // set in a sync of activities, which no document has: see OfActivities
}

// ObjectEnd names the object type on one side of a sync.
type ObjectEnd struct {
	Object string `json:"object"`
}

// Object returns the object type on side s.
func (s *Sync) Object(side Side) string {
	if side == Left {
		return s.Left.Object
	}
	return s.Right.Object
}

// Joins reports whether the sync joins these two objects.
func (s *Sync) Joins(left, right string) bool {
	return s.Left.Object == left && s.Right.Object == right
}

// AvoidsDuplicates reports the setting with its default, true.
func (s *Sync) AvoidsDuplicates() bool { return s.AvoidDuplicates == nil || *s.AvoidDuplicates }

// What a sync looks at again unless it says otherwise, and what it may say.
const (
	DefaultSecondLook = 60 // minutes
	MaxSecondLook     = 24 * 60
	DefaultAuditHours = 24
	MaxAuditHours     = 30 * 24
)

// LooksAgainAfter is how long after a listing what was modified then is listed
// once more; zero = never.
func (s *Sync) LooksAgainAfter() time.Duration {
	return within(s.SecondLook, DefaultSecondLook, MaxSecondLook) * time.Minute
}

// AuditsWithin is the time in which every known record is read again; zero = never.
func (s *Sync) AuditsWithin() time.Duration {
	return within(s.AuditHours, DefaultAuditHours, MaxAuditHours) * time.Hour
}

func within(n *int, otherwise, most int) time.Duration {
	if n == nil {
		return time.Duration(otherwise)
	}
	return time.Duration(min(max(*n, 0), most))
}

// Interval returns the time between scheduled pulls; zero for manual.
func (s *Sync) Interval() time.Duration {
	switch s.Schedule {
	case "manual":
		return 0
	case "":
		return 5 * time.Minute
	}
	d, err := time.ParseDuration(s.Schedule)
	if err != nil {
		return 5 * time.Minute
	}
	return d
}

// Match holds the ordered match steps of each way. In JSON it is either one
// list for both ways or an object with a list per way.
type Match struct {
	ToRight []MatchStep
	ToLeft  []MatchStep
	split   bool
}

// SameMatch returns steps that serve both ways.
func SameMatch(steps ...MatchStep) Match { return Match{ToRight: steps, ToLeft: steps} }

// SplitMatch returns steps that differ by way.
func SplitMatch(toRight, toLeft []MatchStep) Match {
	return Match{ToRight: toRight, ToLeft: toLeft, split: true}
}

// Get returns the steps for w.
func (m Match) Get(w Way) []MatchStep {
	if w == ToRight {
		return m.ToRight
	}
	return m.ToLeft
}

// Split reports whether the ways have lists of their own.
func (m Match) Split() bool { return m.split }

// MarshalJSON writes the form it was read in.
func (m Match) MarshalJSON() ([]byte, error) {
	if !m.split {
		if m.ToRight == nil {
			return []byte("[]"), nil
		}
		return json.Marshal(m.ToRight)
	}
	return json.Marshal(PerWay[[]MatchStep]{nonNil(m.ToRight), nonNil(m.ToLeft)})
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// UnmarshalJSON reads either form.
func (m *Match) UnmarshalJSON(b []byte) error {
	if t := bytes.TrimSpace(b); len(t) > 0 && t[0] == '[' {
		var both []MatchStep
		if err := json.Unmarshal(b, &both); err != nil {
			return err
		}
		*m = SameMatch(both...)
		return nil
	}
	if string(bytes.TrimSpace(b)) == "null" {
		*m = Match{}
		return nil
	}
	var per PerWay[[]MatchStep]
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&per); err != nil {
		return err
	}
	*m = SplitMatch(per.ToRight, per.ToLeft)
	return nil
}

// MatchBy names a way to find a record's twin.
type MatchBy string

// The match steps.
const (
	MatchByID      MatchBy = "id"       // a field on one side holds the other side's ID ("$id")
	MatchByAnyKey  MatchBy = "any_key"  // any of the pairs
	MatchByAllKeys MatchBy = "all_keys" // all pairs, checked by Verify
)

// MatchBys lists all.
var MatchBys = []MatchBy{MatchByID, MatchByAnyKey, MatchByAllKeys}

// What a match step may say of a field that holds no ID, and of keys that name
// different twins.
var (
	MissingChoices      = []string{"error", "next"}
	DisagreementChoices = []string{"error", "first"}
)

// MatchStep is one attempt to find a record's twin on the other side.
type MatchStep struct {
	By             MatchBy     `json:"by"`
	Left           string      `json:"left,omitempty"`            // by id: field or "$id"
	Right          string      `json:"right,omitempty"`           // by id: field or "$id"
	OnMissing      string      `json:"on_missing,omitempty"`      // by id: error | next ("" = next)
	WriteBack      bool        `json:"write_back,omitempty"`      // by id: store the twin's ID in the field
	Pairs          [][2]string `json:"pairs,omitempty"`           // left and right field names
	Verify         [][2]string `json:"verify,omitempty"`          // must agree, blank does not
	OnDisagreement string      `json:"on_disagreement,omitempty"` // error | first ("" = first)
	Protect        []string    `json:"protect,omitempty"`         // left fields not updated on a match by this step
}

// Rule lets records through in one direction and says what happens to them.
type Rule struct {
	ID             string         `json:"id"`
	Direction      Direction      `json:"direction"` // to_right | to_left | both
	Enabled        *bool          `json:"enabled"`   // nil = true
	Filter         *Filter        `json:"filter"`    // nil = every record
	Actions        []RuleAction   `json:"actions"`
	Undo           bool           `json:"undo"`
	OtherWayAround OtherWayAround `json:"other_way_around"`
}

// On reports whether the rule is switched on; the default is yes.
func (r *Rule) On() bool { return r.Enabled == nil || *r.Enabled }

// RuleAction is what a rule does to the target of a record it lets through.
type RuleAction struct {
	Type  string `json:"type"` // add_tag, remove_tag, add_to_list or set_field
	Field string `json:"field"`
	Value string `json:"value"`
}

// OtherWayAround mirrors a rule's action back to the source.
type OtherWayAround struct {
	Enabled bool     `json:"enabled"`
	Exclude *Exclude `json:"exclude"`
}

// Exclude is the mark that keeps a record out.
type Exclude struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

// FilterOp is an operator of a filter clause; package rule has the table of them.
type FilterOp string

// Filter is one node: exactly one of All, Any, Not or a clause (Field, Op, Value).
type Filter struct {
	All   []Filter `json:"all,omitempty"`
	Any   []Filter `json:"any,omitempty"`
	Not   *Filter  `json:"not,omitempty"`
	Field string   `json:"field,omitempty"`
	Op    FilterOp `json:"op,omitempty"`
	Value Value    `json:"value,omitzero"` // of the kind that the operator wants
}

// TransformType names how a mapping turns one side's values into the other's.
type TransformType string

// The transforms. The zero transform is none.
const (
	TransformNone     TransformType = "none"
	TransformFullName TransformType = "full_name"
	TransformPhone    TransformType = "phone"
	TransformEmail    TransformType = "email"
	TransformDomain   TransformType = "domain"
	TransformDate     TransformType = "date"
	TransformDateTime TransformType = "datetime"
	TransformNumber   TransformType = "number"
	TransformBoolean  TransformType = "boolean"
	TransformOptions  TransformType = "options"
	TransformList     TransformType = "list"
	TransformStatic   TransformType = "static"
)

// Transform is a mapping's transform with its options. For "options" the keys
// are left values and the values right ones; for "static" the key "value".
type Transform struct {
	Type    TransformType     `json:"type"`
	Options map[string]string `json:"options,omitempty"`
}

// Mapping ties fields of the left object to fields of the right one.
type Mapping struct {
	ID        MappingID       `json:"id"`
	Left      []string        `json:"left"`  // one field, or several to join
	Right     []string        `json:"right"` // one field, or several to split into
	Direction Direction       `json:"direction"`
	Enabled   *bool           `json:"enabled"` // nil = true
	Origin    string          `json:"origin"`  // default | custom | required
	Transform Transform       `json:"transform"`
	Default   PerWay[Value]   `json:"default"`
	Conflict  *ConflictPolicy `json:"conflict"`
	Clear     PerWay[bool]    `json:"clear"` // may a blank erase a value
	WriteOnce bool            `json:"write_once"`
	Policy    *MappingPolicy  `json:"policy"` // shorthand for direction, conflict and clear
	Joins     SyncID          `json:"-"`      // of an association's line: the sync whose links join what the fields name
}

// On reports whether the mapping is switched on; the default is yes.
func (m *Mapping) On() bool { return m.Enabled == nil || *m.Enabled }

// Names returns the mapping's fields on side s.
func (m *Mapping) Names(s Side) []string {
	if s == Left {
		return m.Left
	}
	return m.Right
}

// MappingPolicy is a shorthand that stands for direction, conflict and clear.
type MappingPolicy string

// The shorthands.
const (
	PolicyTwoWay            MappingPolicy = "two_way"
	PolicyPreferRightUnless MappingPolicy = "prefer_right_unless_blank"
	PolicyPreferLeftUnless  MappingPolicy = "prefer_left_unless_blank"
	PolicyAlwaysRight       MappingPolicy = "always_right"
	PolicyAlwaysLeft        MappingPolicy = "always_left"
	PolicyNone              MappingPolicy = "none"
)

// MappingPolicies lists all.
var MappingPolicies = []MappingPolicy{
	PolicyTwoWay, PolicyPreferRightUnless, PolicyPreferLeftUnless, PolicyAlwaysRight, PolicyAlwaysLeft, PolicyNone,
}

// Association carries a reference to a record of another sync of the connection,
// or of the same one: what a field of one side names is, on the other, the twin
// that the links of that sync give it.
type Association struct {
	Left  string       `json:"left"`  // field that names a record of the left account
	Right string       `json:"right"` // field that names a record of the right account
	Sync  SyncID       `json:"sync"`
	Clear PerWay[bool] `json:"clear"` // may a reference that was emptied erase the other
}

// associationID begins the IDs of lines that stand for associations.
const associationID = "$association."

// Line is the mapping that an association is: it is worked like any other.
func (a *Association) Line() Mapping {
	return Mapping{
		ID: MappingID(associationID + a.Left + "." + a.Right), Left: []string{a.Left}, Right: []string{a.Right},
		Direction: DirectionBoth, Transform: Transform{Type: TransformNone}, Clear: a.Clear, Joins: a.Sync,
	}
}

// Lines are all that joins fields of the two objects: the mappings, and after
// them one line for each association.
func (s *Sync) Lines() []Mapping {
	if len(s.Associations) == 0 {
		return s.Mappings
	}
	out := make([]Mapping, 0, len(s.Mappings)+len(s.Associations))
	out = append(out, s.Mappings...)
	for i := range s.Associations {
		out = append(out, s.Associations[i].Line())
	}
	return out
}
