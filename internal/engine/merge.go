package engine

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// followMerges lets links follow the survivors of merges, before anything is
// read: the loser's ID becomes an alias, and no record is created. What other
// units know of the same records is then read anew.
func (s *session) followMerges(ctx context.Context, us []*unit) ([]*unit, error) {
	moved := false
	for _, u := range us {
		if u.hint.Into == "" || u.hint.Into == u.id || u.link == nil {
			continue
		}
		before := u.id
		if err := s.followMerge(ctx, u); err != nil {
			return nil, err
		}
		moved = moved || u.id != before
	}
	if !moved {
		return us, nil
	}
	for _, u := range us {
		u.link, u.versions, u.before, u.born = nil, crm.PerSide[int64]{}, nil, ""
	}
	if err := s.loadLinks(ctx, us); err != nil {
		return nil, err
	}
	return s.mergeEnds(us), nil
}

func (s *session) followMerge(ctx context.Context, u *unit) error {
	survivor := &unit{side: u.side, id: u.hint.Into}
	if err := s.loadLinks(ctx, []*unit{survivor}); err != nil {
		return err
	}
	if survivor.link != nil && survivor.link == u.link || survivor.id == u.id {
		return nil
	}
	if survivor.link.paired() {
		// Both had twins: the loser's link ends, its twin is a double now.
		s.Mark("merge_of_two_pairs")
		u.hint.Gone, u.hint.Confirm, u.hint.Into = true, true, ""
		return nil
	}
	if !u.link.paired() {
		u.hint.Gone, u.hint.Confirm, u.hint.Into = true, true, ""
		return nil
	}
	s.Mark("merge_followed")
	return s.moveLink(ctx, u, survivor)
}

// moveLink re-keys a link from a merge's loser to its survivor, all or nothing.
func (s *session) moveLink(ctx context.Context, u, survivor *unit) error {
	l := u.link.clone()
	loser := u.id
	l.setID(u.side, survivor.id)
	l.setSeen(u.side, "")
	item, err := l.item(s.scope)
	if err != nil {
		return err
	}
	trace, err := aliasItem(s.scope, u.side, loser, survivor.id, true)
	if err != nil {
		return err
	}
	ws := []store.Write{{Item: trace, If: store.IfVersion(u.versions.Get(u.side))}}
	next := &unit{side: u.side, id: survivor.id}
	if u.side == crm.Left {
		alias, err := aliasItem(s.scope, crm.Right, l.Right, l.Left, false)
		if err != nil {
			return err
		}
		ws = append(ws, store.Write{Item: item, If: store.IfVersion(survivor.versions.Left)}, store.Write{Item: alias})
	} else {
		alias, err := aliasItem(s.scope, crm.Right, l.Right, l.Left, false)
		if err != nil {
			return err
		}
		ws = append(ws, store.Write{Item: item, If: store.IfVersion(u.versions.Left)}, store.Write{Item: alias, If: store.IfVersion(survivor.versions.Right)})
	}
	if survivor.link != nil { // it was counted alone
		gone := map[string]int64{}
		for _, c := range survivor.before {
			gone[string(c)]--
		}
		ws = addWrite(ws, s.counts(), gone, time.Time{})
	}
	s.writesLinks()
	if err := s.Store.Transact(ctx, ws); err != nil {
		if fault.Is(err, fault.Conflict) {
			return fault.Wrap("engine: follow merge", fault.Unavailable, err)
		}
		return err
	}
	if err := s.loadLinks(ctx, []*unit{next}); err != nil {
		return err
	}
	u.id, u.link, u.versions, u.before = next.id, next.link, next.versions, next.before
	u.hint = hint{ID: next.id, Force: true}
	return nil
}
