package engine

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// loadLinks reads what is remembered of each unit's record, following aliases.
func (s *session) loadLinks(ctx context.Context, us []*unit) error {
	return s.loadLinksBy(ctx, us, s.Store.BatchGet)
}

// maxAliases bounds how many aliases are followed one after the other: a chain
// of merges leaves one for each.
const maxAliases = 32

// batchGet is how items are read.
type batchGet func(context.Context, []store.Key) ([]store.Item, error)

func (s *session) loadLinksBy(ctx context.Context, us []*unit, get batchGet) error {
	keys := make([]store.Key, len(us))
	for i, u := range us {
		keys[i] = s.record(u.side, u.id)
	}
	followed := map[*unit]crm.RecordID{}
	aside := map[*unit]*link{} // what they were before their alias
	for depth := 0; len(us) > 0 && depth < maxAliases; depth++ {
		items, err := get.inParts(ctx, keys)
		if err != nil {
			return err
		}
		var again []*unit
		keys = keys[:0]
		for i, it := range items {
			u := us[i]
			if it.Version == 0 && aside[u] != nil {
				u.restore(s, aside[u])
				continue
			}
			if it.Version == 0 {
				u.born = followed[u] // only the alias was stored, not the pair's link any more
				continue
			}
			l, err := s.linkOf(it)
			if err != nil {
				return err
			}
			if l.AliasOf == "" && u.side == crm.Right && l.Left != "" && l.Right != u.id {
				if aside[u] != nil {
					u.restore(s, aside[u])
				} else if l.Right == "" && l.State != crm.StateDeleted && !l.setAside() {
					u.born, u.unborn = l.Left, &formerPair{l, it.Version} // what is remembered of it is older than the alias
				} else {
					s.Mark("stale_alias") // the left record was paired with another one since
				}
				continue
			}
			if l.AliasOf == "" {
				u.adopt(l, it.Version)
				if l.Code == codeCreateInFlight && len(l.Others) == 1 {
					u.born = l.Others[0]
				}
				continue
			}
			next := s.record(crm.Left, l.AliasOf)
			if l.Merged && followed[u] != "" {
				followed[u] = l.AliasOf // its partner lost a merge: the survivor says whose it is
			} else if l.Merged {
				s.Mark("merged_alias_followed")
				u.id = l.AliasOf
				next = s.record(u.side, l.AliasOf)
			} else {
				u.versions.Set(crm.Right, it.Version)
				followed[u], aside[u] = l.AliasOf, l.restored(u.id)
			}
			again, keys = append(again, u), append(keys, next)
		}
		us = again
	}
	return nil
}

// inParts reads any number of items.
func (get batchGet) inParts(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	out := make([]store.Item, 0, len(keys))
	for part := range slices.Chunk(keys, 1000) {
		items, err := get(ctx, part)
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
	}
	return out, nil
}

// forget drops what was loaded of the unit's record.
func (u *unit) forget() {
	u.id = u.hint.ID // a merge's trace may have been followed
	u.link, u.versions, u.before, u.born, u.unborn = nil, crm.PerSide[int64]{}, nil, "", nil
}

// restore takes a right record for set aside as it was before a person had it
// joined: its worker ended between the alias and the pair. It stays so until
// that request, which comes again, is carried out.
func (u *unit) restore(s *session, l *link) {
	s.Mark("aside_restored")
	u.adopt(l, u.versions.Right)
}

// adopt takes a stored link as the unit's own.
func (u *unit) adopt(l *link, version int64) {
	u.link = l
	side := crm.Left
	if l.Left == "" {
		side = crm.Right
	}
	u.versions.Set(side, version)
	u.before = l.counted()
}
