package crm

import (
	"slices"
	"strings"
	"time"
)

// Activities says what becomes of the notes, tasks, calls and meetings about a
// sync's records: what they are on either side, and how they are synced. They are
// worked as a sync of their own, see Sync.OfActivities.
type Activities struct {
	Enabled     bool             `json:"enabled"`
	Left        ActivityEnd      `json:"left,omitzero"`
	Right       ActivityEnd      `json:"right,omitzero"`
	Behavior    PerWay[Behavior] `json:"behavior"`
	Mappings    []Mapping        `json:"mappings"`
	SystemNotes bool             `json:"system_notes"`       // inert: no app has such notes
	Existing    bool             `json:"existing,omitempty"` // those made before they were switched on, too

	// Since is when they were switched on in a connection that was started; zero in a
	// draft. The server's, and no part of the document.
	Since time.Time `json:"-"`
}

// ActivityEnd is an activity object on one side.
type ActivityEnd struct {
	Object string `json:"object"`
	Parent string `json:"parent,omitempty"` // field that names the record it is about; "" = the app's own for this object
}

// End is the activity object on a side.
func (a *Activities) End(s Side) ActivityEnd {
	if s == Left {
		return a.Left
	}
	return a.Right
}

// Chosen reports whether there is an activity object on either side.
func (a *Activities) Chosen() bool { return a.Left.Object != "" && a.Right.Object != "" }

// About is what a sync of activities knows besides what every sync says.
type About struct {
	Sync     SyncID    // whose records they are about
	Since    time.Time // those made before are left alone; zero = all that are there
	Existing bool      // none is left alone for its age
}

// activitiesSuffix ends the IDs of syncs of activities; no other ID has a dot.
const activitiesSuffix = ".activities"

// Activities is the ID of the sync that works the activities of a sync.
func (id SyncID) Activities() SyncID { return id + activitiesSuffix }

// Parent is the sync whose activities a sync works; ok is false for every other one.
func (id SyncID) Parent() (parent SyncID, ok bool) {
	p, ok := strings.CutSuffix(string(id), activitiesSuffix)
	return SyncID(p), ok
}

// OfActivities is the sync that works the activities of s, if their objects were
// chosen. It is there while they are switched off, too, without a direction, so that
// its links keep what was synced from being made a second time. It has no match
// steps: nothing but a link tells that two activities are one.
func (s *Sync) OfActivities() (out Sync, ok bool) {
	a := &s.Activities
	if !a.Chosen() {
		return Sync{}, false
	}
	out = Sync{
		ID: s.ID.Activities(), Left: ObjectEnd{a.Left.Object}, Right: ObjectEnd{a.Right.Object},
		Direction: s.Direction, Schedule: s.Schedule, Initial: "changes_only", SecondLook: s.SecondLook,
		AuditHours: s.AuditHours, Behavior: a.Behavior, Conflict: s.Conflict, AvoidDuplicates: new(bool),
		Mappings:     a.Mappings,
		Associations: []Association{{Left: a.Left.Parent, Right: a.Right.Parent, Sync: s.ID}},
		About:        &About{Sync: s.ID, Since: a.Since, Existing: a.Existing},
	}
	if !a.Enabled {
		out.Direction = DirectionOff
	}
	if a.Existing {
		out.Initial = "all"
	}
	return out, true
}

// Worked are all syncs of the connection: those of the document, and after them the
// syncs of their activities.
func (c *Connection) Worked() []Sync {
	out := slices.Clip(c.Syncs)
	for i := range c.Syncs {
		if c.Syncs[i].About != nil {
			return c.Syncs // they are among them already
		}
		if one, ok := c.Syncs[i].OfActivities(); ok {
			out = append(out, one)
		}
	}
	return out
}

// Unfolded is the connection with the syncs of its activities among its syncs. It is
// for those who work syncs, and never stored.
func (c *Connection) Unfolded() *Connection {
	all := c.Worked()
	if len(all) == len(c.Syncs) {
		return c
	}
	out := *c
	out.Syncs = all
	return &out
}

// Begin notes when activities were switched on: now for those that are on and were
// not, or were others, in what the connection was before; nil = it was a draft. What
// was on stays as it was noted.
func (c *Connection) Begin(before *Connection, now time.Time) {
	c.Syncs = slices.Clone(c.Syncs)
	for i := range c.Syncs {
		a := &c.Syncs[i].Activities
		a.Since = time.Time{}
		if !a.Enabled || !a.Chosen() {
			continue
		}
		a.Since = now
		if before == nil {
			continue
		}
		was := before.Sync(c.Syncs[i].ID)
		if was != nil && was.Activities.Enabled && was.Activities.Left == a.Left && was.Activities.Right == a.Right &&
			!was.Activities.Since.IsZero() {
			a.Since = was.Activities.Since
		}
	}
}
