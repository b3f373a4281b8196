package memstore

import (
	"cmp"
	"maps"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// Snapshot is the contents of a store at one instant. It may be restored any
// number of times, into any store.
type Snapshot struct{ state state }

// Snapshot keeps the contents as they are now. It costs one pointer per
// partition; a partition is copied when it is first written afterwards.
func (s *Store) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Snapshot{share(s.state)}
}

// Restore replaces the contents by those of a snapshot. Counts and lag stay.
func (s *Store) Restore(snap Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = share(snap.state)
}

// share returns a second owner of a state. Everything in it is marked shared:
// once only, so that stores restored from one snapshot may live on different
// goroutines.
func share(st state) state {
	return state{
		tables:  shareAll(st.tables),
		indexes: shareAll(st.indexes),
		expiry:  shareList(st.expiry),
		pending: slices.Clip(st.pending),
	}
}

func shareAll(m map[group]*list) map[group]*list {
	for _, l := range m {
		shareList(l)
	}
	return maps.Clone(m)
}

func shareList(l *list) *list {
	if !l.shared {
		l.shared = true
	}
	return l
}

// Each calls visit for every item of a table that a reader would see, ordered
// by workspace, partition and sort text, until it returns false. For audits: it
// crosses workspaces, which no method of the port does.
func (s *Store) Each(table store.Table, visit func(store.Item) bool) {
	for _, r := range s.all(table) {
		if !visit(s.own(&r.item)) {
			return
		}
	}
}

// all lists the live rows of a table, so that visit runs without the lock.
func (s *Store) all(table store.Table) []*row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var groups []group
	n := 0
	for g, l := range s.state.tables {
		if g.table == table {
			groups = append(groups, g)
			n += len(l.rows)
		}
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.workspace, b.workspace), cmp.Compare(a.partition, b.partition))
	})
	now := s.now()
	rows := make([]*row, 0, n)
	for _, g := range groups {
		for _, r := range s.state.tables[g].rows {
			if !store.Expired(&r.item, now) {
				rows = append(rows, r)
			}
		}
	}
	return rows
}
