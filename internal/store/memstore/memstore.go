package memstore

import (
	"bytes"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Store is a store.Store in memory. Make it with New.
type Store struct {
	now   func() time.Time
	meter store.Meter

	mu    sync.Mutex
	state state
	lag   time.Duration
	lends bool
}

// group names one partition of a table, or of its index.
type group struct {
	table     store.Table
	workspace crm.WorkspaceID
	partition string
}

// state is everything that a Snapshot keeps.
type state struct {
	tables  map[group]*list
	indexes map[group]*list
	expiry  *list    // rows with an expiry, by time
	pending []change // of indexes, oldest first; only while they lag
}

// change is one change of an index that is not visible yet.
type change struct {
	due      time.Time
	old, new *row
}

// New returns an empty store that tells expiry by now.
func New(now func() time.Time) *Store {
	return &Store{now: now, state: state{tables: map[group]*list{}, indexes: map[group]*list{}, expiry: new(list)}}
}

// LagIndex makes index queries miss what was written less than d ago, as they
// may in DynamoDB. Zero, the default, shows every write at once.
func (s *Store) LagIndex(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = d
}

// Lend lets the store hand out the data it holds, and keep what it is given,
// without copying: for callers that change neither.
func (s *Store) Lend() { s.lends = true }

// Counts returns what the store was asked for so far. Restore does not turn it back.
func (s *Store) Counts() store.Counts { return s.meter.Counts() }

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Item, error) {
	const op = "memstore: get"
	if err := ready(ctx, op); err != nil {
		return store.Item{}, err
	}
	if err := store.CheckKey(op, key); err != nil {
		return store.Item{}, err
	}
	s.meter.Read(key.Table, 1)
	s.mu.Lock()
	r := s.live(key, s.now())
	s.mu.Unlock()
	if r == nil {
		return store.Item{}, fault.New(op, fault.NotFound, "", "there is no such item")
	}
	return s.own(&r.item), nil
}

// BatchGetStale implements store.Store. Nothing here is ever stale.
func (s *Store) BatchGetStale(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return s.BatchGet(ctx, keys)
}

// BatchGet implements store.Store.
func (s *Store) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	const op = "memstore: batch get"
	if err := ready(ctx, op); err != nil {
		return nil, err
	}
	if err := store.CheckKeys(op, keys); err != nil {
		return nil, err
	}
	items := make([]store.Item, len(keys))
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for i, k := range keys {
		s.meter.Read(k.Table, 1)
		items[i] = store.Item{Key: k}
		if r := s.live(k, now); r != nil {
			items[i] = s.own(&r.item)
		}
	}
	return items, nil
}

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, w store.Write) (int64, error) {
	const op = "memstore: write"
	if err := ready(ctx, op); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(op, &w, s.now())
}

// BatchWrite implements store.Store.
func (s *Store) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	const op = "memstore: batch write"
	versions := make([]int64, len(ws))
	err := ready(ctx, op)
	if err == nil {
		err = store.CheckBatch(op, ws)
	}
	errs := make([]error, len(ws))
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return versions, errs
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, failed := s.now(), false
	for i := range ws {
		versions[i], errs[i] = s.write(op, &ws[i], now)
		failed = failed || errs[i] != nil
	}
	if !failed {
		return versions, nil
	}
	return versions, errs
}

// Transact implements store.Store.
func (s *Store) Transact(ctx context.Context, ws []store.Write) error {
	const op = "memstore: transact"
	if err := ready(ctx, op); err != nil {
		return err
	}
	if err := store.CheckTransaction(op, ws); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	next := make([]store.Item, len(ws))
	var err error
	for i := range ws {
		if next[i], err = store.Next(op, s.current(ws[i].Item.Key, now), &ws[i]); err != nil {
			break
		}
	}
	for i := range ws {
		if err == nil && ws[i].Op != store.Check {
			s.replace(ws[i].Item.Key, &next[i], now)
		}
		s.meter.Wrote(&ws[i], err)
	}
	return err
}

// write makes one checked change.
func (s *Store) write(op string, w *store.Write, now time.Time) (int64, error) {
	if err := store.CheckWrite(op, w, false); err != nil {
		return 0, err
	}
	next, err := store.Next(op, s.current(w.Item.Key, now), w)
	s.meter.Wrote(w, err)
	if err != nil {
		return 0, err
	}
	s.replace(w.Item.Key, &next, now)
	return next.Version, nil
}

// live returns the row of key, nil when it is absent or expired.
func (s *Store) live(key store.Key, now time.Time) *row {
	r := s.state.tables[groupOf(key)].get(place{sort: key.Sort})
	if r == nil || store.Expired(&r.item, now) {
		return nil
	}
	return r
}

// current is the item a write meets.
func (s *Store) current(key store.Key, now time.Time) *store.Item {
	if r := s.live(key, now); r != nil {
		return &r.item
	}
	return &store.Item{Key: key}
}

// replace stores next under key, or removes what is there when next has no version.
func (s *Store) replace(key store.Key, next *store.Item, now time.Time) {
	g := groupOf(key)
	l := s.state.tables[g].owned()
	at := place{sort: key.Sort}
	old := l.get(at)
	var fresh *row
	if next.Version > 0 {
		fresh = &row{item: s.own(next), size: store.ItemBytes(next)}
		l.set(at, fresh)
	} else {
		l.remove(at)
	}
	keep(s.state.tables, g, l)
	s.moveExpiry(old, fresh)
	s.moveIndex(old, fresh, now)
}

// keep stores l under g, or drops g when l is empty.
func keep(m map[group]*list, g group, l *list) {
	if len(l.rows) == 0 {
		delete(m, g)
		return
	}
	m[g] = l
}

func groupOf(k store.Key) group { return group{k.Table, k.Workspace, k.Partition} }

// own returns a copy that shares nothing with it, unless the store lends.
func (s *Store) own(it *store.Item) store.Item {
	c := *it
	if !s.lends {
		c.Data = bytes.Clone(it.Data)
	}
	if len(it.Counters) > 0 {
		c.Counters = maps.Clone(it.Counters)
	} else {
		c.Counters = nil
	}
	return c
}

// ready returns fault.Unavailable once ctx is done: nothing is begun then.
func ready(ctx context.Context, op string) error {
	return fault.Wrap(op, fault.Unavailable, ctx.Err())
}

var _ store.Store = (*Store)(nil)
