package engine

import (
	"context"
	"fmt"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// recall agrees on what was written while nobody lived to remember it, and could
// not be told from what the app held because the field was gone, or the record not
// found: now that it is there again, a side that holds what was sent, or held it by its own history, holds a
// value of ours. What cannot be told is left to the merge, as if nothing was known.
func (s *session) recall(ctx context.Context, us []*unit) error {
	ids := crm.PerSide[[]crm.RecordID]{}
	var due []*unit
	for _, u := range us {
		if u.decided || !u.link.paired() || u.rec.Left == nil || u.rec.Right == nil {
			continue
		}
		found := false
		for id, w := range u.link.Awaits {
			if !s.set.Rests(id) {
				ids.Set(w.Side, append(ids.Get(w.Side), u.rec.Get(w.Side).ID))
				found = true
			}
		}
		if found {
			due = append(due, u)
		}
	}
	if len(due) == 0 {
		return nil
	}
	var past crm.PerSide[map[crm.RecordID]map[string][]crm.Value]
	for _, side := range crm.Sides {
		got, err := s.history(ctx, side, ids.Get(side))
		if err != nil {
			return err
		}
		past.Set(side, got)
	}
	for _, u := range due {
		s.recallOne(u, past)
	}
	return nil
}

func (s *session) recallOne(u *unit, past crm.PerSide[map[crm.RecordID]map[string][]crm.Value]) {
	l := u.link.clone()
	for id, w := range u.link.Awaits {
		if s.set.Rests(id) {
			continue
		}
		delete(l.Awaits, id)
		r := u.rec.Get(w.Side)
		v, landed := s.landedValue(id, w.Side, r.Fields, past.Get(w.Side)[r.ID], l.Base[id], w.Digest)
		if !landed {
			continue
		}
		if entry, ok := s.set.Landed(id, l.Base, w.Side, v, u.rec.Get(w.Side.Other()), true); ok {
			s.Mark("recalled")
			if l.Base == nil {
				l.Base = crm.Base{}
			}
			l.Base[id] = entry
		}
	}
	u.link, u.recalled = l, true
}

// storeRecalled stores what was recalled before anything is decided on it: what
// is written next may take the place of it, and nobody could tell then.
func (s *session) storeRecalled(ctx context.Context, us []*unit) error {
	for _, u := range us {
		if !u.recalled {
			continue
		}
		item, err := u.link.item(s.scope)
		if err != nil {
			return err
		}
		version, err := s.Store.Write(ctx, store.Write{Item: item, If: store.IfVersion(u.versions.Left)})
		if err != nil {
			return fmt.Errorf("store what was recalled: %w", err)
		}
		u.versions.Left = version
	}
	return nil
}
