package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// TestS6_WhoeverSleptStoresNoUnbornPair: of a pair, Ann's, only the alias was
// ever stored, and the right record gets Bob for a twin. The worker that was
// about to store Ann's link may only be asleep: it finds her place closed, or,
// if it was ahead, Bob's pair is not stored at all.
func TestS6_WhoeverSleptStoresNoUnbornPair(t *testing.T) {
	t.Parallel()
	const shared = crm.RecordID("r_shared")
	for _, known := range []bool{false, true} {
		for _, ahead := range []bool{false, true} {
			t.Run(fmt.Sprintf("remembered by herself %t, the sleeper is ahead %t", known, ahead), func(t *testing.T) {
				t.Parallel()
				ctx, b := t.Context(), newStillBed(t, nil)
				u := &unit{side: crm.Right, id: shared, remembered: remembered{born: annLeft}}
				alone := &link{Left: annLeft, State: crm.StateExcluded, Code: "filtered"}
				if known {
					b.putLink(alone)
					u.unborn = &formerPair{alone.clone(), 1}
				}
				alias, err := aliasItem(b.sc, crm.Right, shared, annLeft, false)
				b.put(alias.Key, alias.Data, err)
				u.versions.Right = 1
				sleeper := func() error {
					it, err := (&link{Left: annLeft, Right: shared, State: crm.StateInSync}).item(b.sc)
					b.must(err)
					_, err = b.mem.Write(ctx, store.Write{Item: it, If: store.IfVersion(map[bool]int64{true: 1}[known])})
					return err
				}
				if ahead {
					b.must(sleeper())
				}
				books := &books{s: b.session(0), lot: &lot{}, states: map[string]int64{}, pairs: map[store.Key]bool{}}
				books.keep(u, nil, &link{Left: bobLeft, Right: shared, State: crm.StateInSync, Made: b.now})
				err = books.storeLinks(ctx)
				points := remains(b, alias.Key, fromJSON[link]).AliasOf
				if ahead {
					if !fault.Is(err, fault.Unavailable) || points != annLeft || b.get(b.sc.record(crm.Left, bobLeft)) != nil {
						t.Errorf("the sleeper was ahead: %v, the alias names %s", err, points)
					}
					return
				}
				if err != nil || points != bobLeft {
					t.Errorf("%v, the alias names %s, want Bob", err, points)
				}
				if l := remains(b, b.sc.record(crm.Left, bobLeft), fromJSON[link]); l.Right != shared {
					t.Errorf("Bob is linked to %q", l.Right)
				}
				if err := sleeper(); !fault.Is(err, fault.Conflict) {
					t.Errorf("the sleeper stores Ann's link: %v", err)
				}
				want, code, new := crm.StateDeleted, "record_deleted", int64(1)
				if known {
					want, code, new = alone.State, alone.Code, 0
				}
				if l := remains(b, b.sc.record(crm.Left, annLeft), fromJSON[link]); l.State != want || l.Code != code ||
					l.Right != "" {
					t.Errorf("Ann's place is %+v, want %s (%s)", l, want, code)
				}
				if n := books.states["left:deleted"]; n != new || books.states["right:in_sync"] != 1 ||
					books.states["left:excluded"] != 0 {
					t.Errorf("counted %v", books.states)
				}
			})
		}
	}
}

// unread is a store of which one request in batches fails.
type unread struct {
	*memstore.Store
	at, asked int
}

func (s *unread) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if s.asked++; s.asked-1 == s.at {
		return nil, fault.New("test: read", fault.Unavailable, "unavailable", "not now")
	}
	return s.Store.BatchGet(ctx, keys)
}

func (s *unread) BatchGetStale(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return s.BatchGet(ctx, keys)
}

// TestS6_ABirthThatCannotBeReadIsNoneThatDidNotHappen: a record was made on the
// left and its alias stored. While that cannot be read, nothing is decided about
// the create: to look for it by an identity that somebody has changed since would
// make it a second time.
func TestS6_ABirthThatCannotBeReadIsNoneThatDidNotHappen(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	alias, err := aliasItem(b.sc, crm.Right, bobRight, bobLeft, false)
	b.put(alias.Key, alias.Data, err)
	in := &intent{
		ID: "int", Entries: []intentEntry{
			{Side: crm.Left, Create: true, Right: bobRight, Claims: []string{bobMail}, Lag: time.Minute},
		},
	}
	for at := range 2 {
		s := b.session(0)
		s.set = recovering(t).set
		reads := &unread{Store: b.mem, at: at}
		b.Store = reads
		rest, err := s.recoverCreates(t.Context(), in)
		if !fault.Is(err, fault.Unavailable) || len(rest) != 0 {
			t.Errorf("request %d of %d failed: %d wait, %v", at, reads.asked, len(rest), err)
		}
	}
}
