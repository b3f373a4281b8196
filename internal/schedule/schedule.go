// Package schedule is the port to what fires pulls by the clock, one schedule
// per sync, no wider than EventBridge Scheduler.
//
// The settings say which schedules there should be; what stands behind this
// port only follows. A change of settings puts or deletes its schedule at once,
// and whoever rebuilds the schedules from the settings every hour heals what
// was left half done: it lists them, puts what is missing or different and
// deletes what is foreign.
//
// A program on one machine needs none of this: it looks at the settings itself.
package schedule

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Limits that every implementation enforces with fault.Invalid; those of
// EventBridge Scheduler are wider.
const (
	MinEvery     = time.Minute
	MaxEvery     = 24 * time.Hour
	MaxNameBytes = 64
)

// Schedule fires the pull of one sync again and again.
type Schedule struct {
	Name       string // of its own in the whole deployment; see Name
	Workspace  crm.WorkspaceID
	Connection crm.ConnectionID
	Sync       crm.SyncID
	Every      time.Duration // whole minutes, MinEvery to MaxEvery
	Paused     bool          // fires nothing; its place stays
}

// Page is one page of a listing.
type Page struct {
	// Schedules are sorted by nothing in particular. One that was not made by
	// this port, or by hand, has only a name: it equals none that should be.
	Schedules []Schedule
	Next      string // "" at the end
}

// Schedules keeps schedules. Implementations are safe for concurrent use.
//
// Errors: fault.Invalid (a schedule that cannot be), Throttled and Unavailable;
// after these two a change may or may not be in force, and making it again is right.
type Schedules interface {
	// Put makes the schedule, or changes all of the one of that name. Putting
	// what is there changes nothing. A change counts from now: the next firing
	// comes within Every.
	Put(ctx context.Context, s Schedule) error
	// Delete removes a schedule; removing an absent one succeeds.
	Delete(ctx context.Context, name string) error
	// List returns one page, beginning at cursor; "" is the first. What is put
	// or deleted meanwhile may be missing or still there.
	List(ctx context.Context, cursor string) (Page, error)
}

// Name is the name of a sync's schedule: always the same, of letters and digits.
func Name(ws crm.WorkspaceID, con crm.ConnectionID, sync crm.SyncID) string {
	var text []byte
	for _, part := range []string{string(ws), string(con), string(sync)} {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return "sync-" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20]))
}

// Check returns fault.Invalid when s cannot be a schedule.
func Check(op string, s *Schedule) error {
	if err := CheckName(op, s.Name); err != nil {
		return err
	}
	if s.Workspace == "" || s.Connection == "" || s.Sync == "" {
		return fault.New(op, fault.Invalid, "schedule_malformed", "a schedule belongs to a sync")
	}
	if s.Every < MinEvery || s.Every > MaxEvery || s.Every%time.Minute != 0 {
		return fault.New(op, fault.Invalid, "schedule_malformed", "a schedule fires every 1 to 1,440 whole minutes")
	}
	return nil
}

// CheckName returns fault.Invalid when nothing can have that name: 1 to 64
// letters, digits, dots, dashes and underscores.
func CheckName(op, name string) error {
	bad := name == "" || len(name) > MaxNameBytes
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
		default:
			bad = true
		}
	}
	if bad {
		return fault.New(op, fault.Invalid, "schedule_malformed",
			"the name of a schedule is 1 to 64 letters, digits, dots, dashes and underscores")
	}
	return nil
}

// Wanted are the schedules that a connection's settings ask for: one for each
// sync that is pulled by the clock. A draft, and a connection that is being
// deleted, want none; paused are those of a connection that a person switched
// off. One that waits for an authorisation, or for a person's word on
// deletions, keeps firing into nothing, because whoever wakes it need not be
// one who may change schedules.
func Wanted(ws crm.WorkspaceID, c *crm.Connection) []Schedule {
	var all []Schedule
	if c.Status == crm.StatusDraft || c.Status == crm.StatusDeleting {
		return nil
	}
	syncs := c.Worked()
	for i := range syncs {
		s := &syncs[i]
		every := s.Interval()
		if every <= 0 || s.Direction == crm.DirectionOff {
			continue
		}
		all = append(all, Schedule{
			Name: Name(ws, c.ID, s.ID), Workspace: ws, Connection: c.ID, Sync: s.ID,
			Every: min(max(every.Truncate(time.Minute), MinEvery), MaxEvery), Paused: !c.Enabled || c.Status == crm.StatusPaused,
		})
	}
	return all
}
