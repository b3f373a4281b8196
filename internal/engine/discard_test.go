package engine

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// TestS16_ADiscardTakesBackWhatIsOnItsWay: a deletion that was counted, and sent
// to be confirmed, before an admin discarded it is not applied; one that was
// counted after that, or that nobody discarded, is.
func TestS16_ADiscardTakesBackWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	now := time.Unix(2_000_000, 0)
	for name, c := range map[string]struct {
		id   crm.RecordID
		sent time.Time
		want bool
	}{
		"counted before":    {id: "R", sent: now.Add(-time.Minute)},
		"counted since":     {id: "R", sent: now.Add(time.Minute), want: true},
		"another's, before": {id: "other", sent: now.Add(-time.Minute), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := recovering(t)
			s.Store, s.scope = memstore.New(s.Now), scope{"ws", "con", "people"}
			mark := hash64(crm.RecordID(s.gone(crm.Right, "R").Sort))
			if err := s.saveHalt(t.Context(), s.scope, haltItem{Discarded: []uint64{mark}, DiscardedAt: now}, 0); err != nil {
				t.Fatal(err)
			}
			u := &unit{
				side: crm.Right, id: c.id, hint: hint{ID: c.id, Gone: true, Confirm: true}, jobs: []*job{
					{chunk: &chunk{Since: c.sent}},
				},
			}
			if err := s.heedDiscard(t.Context(), []*unit{u}); err != nil {
				t.Fatal(err)
			}
			if u.hint.Confirm != c.want || !u.hint.Gone {
				t.Errorf("counts as confirmed: %v, want %v; the record is said to be gone: %v", u.hint.Confirm, c.want, u.hint.Gone)
			}
		})
	}
}

// TestS16_NothingGoesThroughAPauseAsConfirmed: what waits for a connection that
// is off is only known to be gone.
func TestS16_NothingGoesThroughAPauseAsConfirmed(t *testing.T) {
	t.Parallel()
	s := recovering(t)
	s.Store, s.scope = memstore.New(s.Now), scope{"ws", "con", "people"}
	c := &chunk{
		Workspace: "ws", Connection: "con", Sync: "people", Side: crm.Right, Hints: []hint{
			{ID: "R", Gone: true, Confirm: true, Force: true},
		},
	}
	if err := s.toInbox(t.Context(), c, "paused"); err != nil {
		t.Fatal(err)
	}
	item, err := s.Store.Get(t.Context(), s.inbox(crm.Right, "R"))
	if err != nil {
		t.Fatal(err)
	}
	var kept inboxItem
	if err := json.Unmarshal(item.Data, &kept); err != nil || kept.Hint.Confirm || !kept.Hint.Gone || !kept.Hint.Force {
		t.Errorf("kept as %+v, %v", kept.Hint, err)
	}
}

// refusing is a store that refuses some writes.
type refusing struct {
	store.Store
	refuse func(store.Write) error
}

func (r refusing) Write(ctx context.Context, w store.Write) (int64, error) {
	if err := r.refuse(w); err != nil {
		return 0, err
	}
	return r.Store.Write(ctx, w)
}

// TestS16_AHalfMadeDecisionCanBeMadeAgain: a decision about deletions that ended
// before the connection was on again leaves no halt that nobody can end.
func TestS16_AHalfMadeDecisionCanBeMadeAgain(t *testing.T) {
	t.Parallel()
	for name, apply := range map[string]bool{"confirm": true, "discard": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := recovering(t)
			mem := memstore.New(s.Now)
			s.Store, s.scope = mem, scope{"ws", "con", "people"}
			s.conn.Status = crm.StatusHalted
			if _, err := store.SaveConnection(t.Context(), mem, "ws", s.conn, 0); err != nil {
				t.Fatal(err)
			}
			if err := s.saveHalt(t.Context(), s.scope, haltItem{Halt: Halt{Since: s.Now(), Deletions: 60}}, 0); err != nil {
				t.Fatal(err)
			}
			s.Store = refusing{mem, func(w store.Write) error {
				if w.Item.Table == store.Settings {
					return errors.New("cut off")
				}
				return nil
			}}
			if err := s.decideHalt(t.Context(), s.scope, apply); err == nil {
				t.Fatal("nothing was cut off")
			}
			s.Store = mem
			if err := s.decideHalt(t.Context(), s.scope, apply); err != nil {
				t.Fatal(err)
			}
			conn, _, err := store.LoadConnection(t.Context(), mem, "ws", "con")
			if err != nil || conn.Status != crm.StatusActive {
				t.Errorf("the connection is %s, %v", conn.Status, err)
			}
			if err := s.decideHalt(t.Context(), s.scope, apply); err == nil {
				t.Error("a decision is taken where nothing is halted")
			}
		})
	}
}
