package memstore

import (
	"context"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, q store.Query) (store.Page, error) {
	const op = "memstore: query"
	if err := ready(ctx, op); err != nil {
		return store.Page{}, err
	}
	if err := store.CheckQuery(op, &q); err != nil {
		return store.Page{}, err
	}
	after, resumed, err := store.DecodeCursor(op, &q)
	if err != nil {
		return store.Page{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	g := group{q.Table, q.Workspace, q.Partition}
	l := s.state.tables[g]
	if q.OnIndex {
		s.settleIndexes(now)
		l = s.state.indexes[g]
	}
	page := s.page(l, &q, after, resumed, now)
	s.meter.Queried(q.Table, len(page.Items))
	return page, nil
}

// page collects one page: at most the limit of items and MaxPage bytes, and
// at least one item when there is one.
func (s *Store) page(l *list, q *store.Query, after store.Position, resumed bool, now time.Time) store.Page {
	lo, hi := l.bounds(q)
	i, step := lo, 1
	if q.Reverse {
		i, step = hi-1, -1
	}
	if resumed {
		i = l.resume(i, after, q.Reverse)
	}
	var page store.Page
	var last place
	size, limit := 0, store.PageLimit(q)
	for ; i >= lo && i < hi; i += step {
		r := l.rows[i]
		if store.Expired(&r.item, now) {
			continue
		}
		if len(page.Items) == limit || len(page.Items) > 0 && size+r.size > store.MaxPage {
			page.Next = store.EncodeCursor(q, store.Position{
				Sort: last.sort, Partition: last.partition, ItemSort: last.itemSort,
			})
			return page
		}
		page.Items = append(page.Items, s.own(&r.item))
		size += r.size
		last = l.places[i]
	}
	return page
}

// bounds returns the half-open range of rows that q asks for.
func (l *list) bounds(q *store.Query) (lo, hi int) {
	if l == nil {
		return 0, 0
	}
	hi = len(l.rows)
	switch {
	case q.Prefix != "":
		lo, _ = l.find(place{sort: q.Prefix})
		n := 0
		for lo+n < hi && strings.HasPrefix(l.places[lo+n].sort, q.Prefix) {
			n = n*2 + 1 // gallop, then halve: a page of a long prefix costs no scan
		}
		hi = lo + l.prefixEnd(lo, min(lo+n, hi), q.Prefix)
	default:
		if q.From != "" {
			lo, _ = l.find(place{sort: q.From})
		}
		if q.To != "" {
			hi, _ = l.find(place{sort: q.To})
		}
	}
	return lo, max(lo, hi)
}

// prefixEnd returns how many rows from lo have the prefix; none at or after hi has it.
func (l *list) prefixEnd(lo, hi int, prefix string) int {
	from := lo
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if strings.HasPrefix(l.places[mid].sort, prefix) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - from
}

// resume returns where to go on after p, never before start in reading order.
func (l *list) resume(start int, p store.Position, reverse bool) int {
	i, found := l.find(place{p.Sort, p.Partition, p.ItemSort})
	if reverse {
		return min(start, i-1)
	}
	if found {
		i++
	}
	return max(start, i)
}
