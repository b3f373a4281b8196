package sqlitestore

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Store is a store.Store in an open database. Make it with Open.
type Store struct {
	db    *sqlitedb.DB
	now   func() time.Time
	meter store.Meter
}

// Open makes or migrates the tables of the store in db and returns it; expiry
// goes by now. The database stays the caller's to close.
//
// Errors are those of sqlitedb.DB.Migrate.
func Open(ctx context.Context, db *sqlitedb.DB, now func() time.Time) (*Store, error) {
	if err := db.Migrate(ctx, "store", steps); err != nil {
		return nil, err
	}
	return &Store{db: db, now: now}, nil
}

// Counts returns what the store was asked for since it was opened.
func (s *Store) Counts() store.Counts { return s.meter.Counts() }

// Scrub implements store.Scrubber, for all that lies in the database. What has
// expired reads as absent and lies there all the same: it goes first.
func (s *Store) Scrub(ctx context.Context) error {
	const atATime = 1000
	for {
		n, err := s.Purge(ctx, atATime)
		if err != nil {
			return err
		}
		if n < atATime {
			return s.db.Scrub(ctx)
		}
	}
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Item, error) {
	const op = "sqlitestore: get"
	if err := store.CheckKey(op, key); err != nil {
		return store.Item{}, err
	}
	s.meter.Read(key.Table, 1)
	var r row
	err := s.db.Read(ctx, func(c *sqlitedb.Conn) error {
		return r.load(c, key, true)
	})
	if err != nil {
		return store.Item{}, sqlitedb.Classify(op, err)
	}
	if r.absent(s.now()) {
		return store.Item{}, fault.New(op, fault.NotFound, "", "there is no such item")
	}
	return r.item, nil
}

// BatchGetStale implements store.Store. Nothing here is ever stale.
func (s *Store) BatchGetStale(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return s.BatchGet(ctx, keys)
}

// BatchGet implements store.Store.
func (s *Store) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	const op = "sqlitestore: batch get"
	if err := store.CheckKeys(op, keys); err != nil {
		return nil, err
	}
	items := make([]store.Item, len(keys))
	err := s.db.View(ctx, func(c *sqlitedb.Conn) error {
		now := s.now()
		for i, key := range keys {
			var r row
			if err := r.load(c, key, true); err != nil {
				return err
			}
			items[i] = store.Item{Key: key}
			if !r.absent(now) {
				items[i] = r.item
			}
		}
		return nil
	})
	if err != nil {
		return nil, sqlitedb.Classify(op, err)
	}
	for _, key := range keys {
		s.meter.Read(key.Table, 1)
	}
	return items, nil
}

// load reads the item of key; r.id stays zero when there is none. The data are
// left out unless asked for.
func (r *row) load(c *sqlitedb.Conn, key store.Key, data bool) error {
	*r = row{item: store.Item{Key: key}}
	query := sqlOf[key.Table].head
	into := []any{&r.id, &r.item.Version, &r.exp, &r.idx, &r.idxsort, &r.counters}
	if data {
		query = sqlOf[key.Table].full
		into = append(into, &r.item.Data)
	}
	found, err := c.Row(query, []any{string(key.Workspace), key.Partition, key.Sort}, into...)
	if err != nil || !found {
		return err
	}
	return r.finish()
}

// absent reports whether a reader sees nothing here.
func (r *row) absent(now time.Time) bool {
	return r.id == 0 || store.Expired(&r.item, now)
}

// Purge deletes up to limit expired items from each table and returns how
// many it deleted. It works in small slices, between which others may write.
// Readers never see expired items, purged or not.
func (s *Store) Purge(ctx context.Context, limit int) (int, error) {
	const (
		op    = "sqlitestore: purge"
		slice = 100
	)
	total := 0
	for _, t := range store.Tables {
		for done := 0; done < limit; {
			var n int64
			err := s.db.Update(ctx, func(tx *sqlitedb.Tx) error {
				var err error
				n, err = tx.Exec(sqlOf[t].purge, s.now().Unix(), min(slice, limit-done))
				return err
			})
			if err != nil {
				return total, sqlitedb.Classify(op, err)
			}
			if n == 0 {
				break
			}
			done += int(n)
			total += int(n)
		}
	}
	return total, nil
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Scrubber = (*Store)(nil)
)
