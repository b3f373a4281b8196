package sqlitestore

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// beyond is greater than every text: in SQLite a blob is. It stands for an open end.
var beyond any = []byte{0}

// Query implements store.Store. Its index is never behind.
func (s *Store) Query(ctx context.Context, q store.Query) (store.Page, error) {
	const op = "sqlitestore: query"
	if err := store.CheckQuery(op, &q); err != nil {
		return store.Page{}, err
	}
	after, resumed, err := store.DecodeCursor(op, &q)
	if err != nil {
		return store.Page{}, err
	}
	args := append(bounds(&q, after, resumed), s.now().Unix())
	var page store.Page
	err = s.db.Read(ctx, func(c *sqlitedb.Conn) error {
		var err error
		page, err = read(c, &q, args)
		return err
	})
	if err != nil {
		return store.Page{}, sqlitedb.Classify(op, err)
	}
	s.meter.Queried(q.Table, len(page.Items))
	return page, nil
}

// read steps through the rows until the page is full; SQLite fetches them one by one.
func read(c *sqlitedb.Conn, q *store.Query, args []any) (store.Page, error) {
	var page store.Page
	size, limit := 0, store.PageLimit(q)
	err := c.Each(sqlOf[q.Table].query[direction{q.OnIndex, q.Reverse}], args,
		func(scan func(...any) error) (bool, error) {
			if len(page.Items) == limit {
				page.Next = next(q, &page.Items[limit-1])
				return false, nil
			}
			r := row{item: store.Item{Key: store.Key{Table: q.Table, Workspace: q.Workspace}}}
			it := &r.item
			if err := scan(&it.Partition, &it.Sort, &it.Version, &r.exp, &r.idx, &r.idxsort, &r.counters, &it.Data); err != nil {
				return false, err
			}
			if err := r.finish(); err != nil {
				return false, err
			}
			if size += store.ItemBytes(it); size > store.MaxPage && len(page.Items) > 0 {
				page.Next = next(q, &page.Items[len(page.Items)-1])
				return false, nil
			}
			page.Items = append(page.Items, *it)
			return true, nil
		})
	return page, err
}

// next is the cursor behind an item.
func next(q *store.Query, last *store.Item) string {
	if q.OnIndex {
		return store.EncodeCursor(q, store.Position{Sort: last.IndexSort, Partition: last.Partition, ItemSort: last.Sort})
	}
	return store.EncodeCursor(q, store.Position{Sort: last.Sort})
}

// bounds are the arguments of a query up to the time.
func bounds(q *store.Query, after store.Position, resumed bool) []any {
	lo, hi := span(q)
	args := []any{string(q.Workspace), q.Partition}
	switch {
	case q.OnIndex && q.Reverse && resumed:
		return append(args, after.Sort, after.Partition, after.ItemSort, lo)
	case q.OnIndex && q.Reverse:
		return append(args, hi, "", "", lo) // below (hi, "", "") is what is below hi
	case q.OnIndex && resumed:
		return append(args, after.Sort, after.Partition, after.ItemSort, hi)
	case q.OnIndex:
		return append(args, lo, "", "", hi) // above (lo, "", "") is what is at lo or above: no partition is empty
	case q.Reverse && resumed:
		return append(args, lo, after.Sort)
	case resumed:
		return append(args, after.Sort+"\x00", hi) // the least text above the last one
	}
	return append(args, lo, hi)
}

// span is the half-open range of sort texts.
func span(q *store.Query) (lo string, hi any) {
	if q.Prefix != "" {
		return q.Prefix, successor(q.Prefix)
	}
	if q.To == "" {
		return q.From, beyond
	}
	return q.From, q.To
}

// successor is the least text above every text with the prefix. Texts are
// UTF-8, so that no byte of them is 0xff and the last one can be raised.
func successor(prefix string) string {
	b := []byte(prefix)
	b[len(b)-1]++
	return string(b)
}
