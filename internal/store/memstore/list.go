package memstore

import (
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// row is one stored item; it is never changed after it was stored.
type row struct {
	item store.Item
	size int
}

// place orders rows: in a table by (sort), in an index by (sort, partition, item sort).
type place struct{ sort, partition, itemSort string }

// list is one partition of a table or of an index, in order. A shared list
// belongs to a snapshot too and is copied before it is changed.
type list struct {
	places []place
	rows   []*row
	shared bool
}

func (p place) compare(q place) int {
	if c := strings.Compare(p.sort, q.sort); c != 0 {
		return c
	}
	if c := strings.Compare(p.partition, q.partition); c != 0 {
		return c
	}
	return strings.Compare(p.itemSort, q.itemSort)
}

// find returns the first index whose place is not before p, and whether it is p.
func (l *list) find(p place) (int, bool) {
	if l == nil {
		return 0, false
	}
	// Most inserts come in order: look at the end first.
	if n := len(l.places); n > 0 && l.places[n-1].compare(p) < 0 {
		return n, false
	}
	return slices.BinarySearchFunc(l.places, p, place.compare)
}

func (l *list) get(p place) *row {
	if i, ok := l.find(p); ok {
		return l.rows[i]
	}
	return nil
}

func (l *list) set(p place, r *row) {
	i, ok := l.find(p)
	if ok {
		l.rows[i] = r
		return
	}
	l.places = slices.Insert(l.places, i, p)
	l.rows = slices.Insert(l.rows, i, r)
}

func (l *list) remove(p place) {
	if i, ok := l.find(p); ok {
		l.places = slices.Delete(l.places, i, i+1)
		l.rows = slices.Delete(l.rows, i, i+1)
	}
}

// owned returns a list that may be changed: l itself, or a copy when a snapshot shares it.
func (l *list) owned() *list {
	switch {
	case l == nil:
		return new(list)
	case l.shared:
		return &list{places: slices.Clone(l.places), rows: slices.Clone(l.rows)}
	}
	return l
}
