package moving

import (
	"cmp"
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// both lists a partition and what still stands in the former one, as one: each
// page goes from the last item shown, whichever place that stood in.
func (s *Store) both(ctx context.Context, q, old store.Query) (store.Page, error) {
	const op = "moving: query"
	if err := store.CheckQuery(op, &q); err != nil {
		return store.Page{}, err
	}
	at, resumed, err := store.DecodeCursor(op, &q)
	if err != nil {
		return store.Page{}, err
	}
	own := q
	own.Cursor = ""
	if q.Prefix != "" { // as the range that the former place is asked for
		own.Prefix, own.From, own.To = "", old.From, old.To
	}
	if resumed {
		from(&own, at.Sort)
		from(&old, at.Sort)
	}
	// The former place first: what is moved in between is seen in both.
	former, formerLast, err := s.some(ctx, old)
	if err != nil {
		return store.Page{}, err
	}
	items, last, err := s.some(ctx, own)
	if err != nil {
		return store.Page{}, err
	}
	order := func(a, b string) int {
		if q.Reverse {
			a, b = b, a
		}
		return cmp.Compare(a, b)
	}
	for _, it := range former {
		key := it.Key
		key.Partition = q.Partition
		if !slices.ContainsFunc(items, func(x store.Item) bool { return x.Sort == it.Sort }) {
			items = append(items, inPlace(it, key))
		}
	}
	slices.SortFunc(items, func(a, b store.Item) int { return order(a.Sort, b.Sort) })
	more := false
	for _, end := range []string{last, formerLast} { // nothing is shown past what was not read
		if end == "" {
			continue
		}
		more = true
		items = slices.DeleteFunc(items, func(x store.Item) bool { return order(x.Sort, end) > 0 })
	}
	if n := store.PageLimit(&q); len(items) > n {
		items, more = items[:n], true
	}
	page := store.Page{Items: items}
	if more {
		page.Next = store.EncodeCursor(&q, store.Position{Sort: items[len(items)-1].Sort})
	}
	return page, nil
}

// from has a query go on behind a sort text.
func from(q *store.Query, sort string) {
	if q.Reverse {
		q.To = sort
		return
	}
	q.From = max(q.From, sort+"\x00")
}

// some reads until there is an item, or the end. last is the sort text up to
// which everything is known; "" = all is.
func (s *Store) some(ctx context.Context, q store.Query) (items []store.Item, last string, err error) {
	for {
		page, err := s.Store.Query(ctx, q)
		if err != nil {
			return nil, "", err
		}
		if page.Next == "" {
			return page.Items, "", nil
		}
		if n := len(page.Items); n > 0 {
			return page.Items, page.Items[n-1].Sort, nil
		}
		q.Cursor = page.Next
	}
}
