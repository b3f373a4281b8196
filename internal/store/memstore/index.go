package memstore

import (
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// moveIndex brings the index from old to fresh, at once or when the lag is over.
func (s *Store) moveIndex(old, fresh *row, now time.Time) {
	if (old == nil || old.item.Index == "") && (fresh == nil || fresh.item.Index == "") {
		return
	}
	if s.lag <= 0 && len(s.state.pending) == 0 {
		s.applyIndex(old, fresh)
		return
	}
	s.state.pending = append(s.state.pending, change{due: now.Add(s.lag), old: old, new: fresh})
}

// settleIndexes applies the changes that are due. They stay in order: one
// that is not due holds back those behind it, so that an item never flickers.
func (s *Store) settleIndexes(now time.Time) {
	n := 0
	for n < len(s.state.pending) && !s.state.pending[n].due.After(now) {
		s.applyIndex(s.state.pending[n].old, s.state.pending[n].new)
		n++
	}
	if n > 0 {
		// A new slice: a snapshot may share the old one.
		s.state.pending = append([]change(nil), s.state.pending[n:]...)
	}
}

func (s *Store) applyIndex(old, fresh *row) {
	stays := old != nil && fresh != nil && old.item.Index == fresh.item.Index && old.item.IndexSort == fresh.item.IndexSort
	if old != nil && old.item.Index != "" && !stays {
		g := indexGroup(old)
		l := s.state.indexes[g].owned()
		l.remove(indexPlace(old))
		keep(s.state.indexes, g, l)
	}
	if fresh != nil && fresh.item.Index != "" {
		g := indexGroup(fresh)
		l := s.state.indexes[g].owned()
		l.set(indexPlace(fresh), fresh)
		s.state.indexes[g] = l
	}
}

func indexGroup(r *row) group { return group{r.item.Table, r.item.Workspace, r.item.Index} }

func indexPlace(r *row) place { return place{r.item.IndexSort, r.item.Partition, r.item.Sort} }

// moveExpiry keeps the list of what expires when.
func (s *Store) moveExpiry(old, fresh *row) {
	was, is := old != nil && !old.item.Expires.IsZero(), fresh != nil && !fresh.item.Expires.IsZero()
	if !was && !is {
		return
	}
	l := s.state.expiry.owned()
	if was {
		l.remove(expiryPlace(old))
	}
	if is {
		l.set(expiryPlace(fresh), fresh)
	}
	s.state.expiry = l
}

func expiryPlace(r *row) place {
	// Twenty digits keep seconds in order as text.
	return place{
		fmt.Sprintf("%020d", r.item.Expires.Unix()), string(r.item.Table) + "/" + string(r.item.Workspace) + "\x00" +
			r.item.Partition, r.item.Sort,
	}
}

// Purge removes up to limit expired items, the longest expired first, and
// returns how many it removed. Readers never see expired items, purged or not.
func (s *Store) Purge(limit int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, n := s.now(), 0
	for n < limit && len(s.state.expiry.rows) > 0 && store.Expired(&s.state.expiry.rows[0].item, now) {
		key := s.state.expiry.rows[0].item.Key
		s.replace(key, &store.Item{Key: key}, now)
		n++
	}
	return n
}
