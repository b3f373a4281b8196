package sim

import (
	"context"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// The requests, for the trace; each has its own after at +1.
const (
	opGet uint64 = 2 * iota
	opBatchGet
	opWrite
	opBatchWrite
	opTransact
	opQuery
	opSend
	opReceive
	opDelete
	opVisibility
	opDepth
	opFields
	opChanges
	opRead
	opFind
	opAppWrite
	opHistory
	opAbsorbed
	opDeleted
	opSelf
	opCreateField
	opOwnerByEmail
	opOwnerEmail
	opDeleteField
)

// storeIO is the store as a process of the world meets it.
type storeIO struct{ w *world }

// before is the boundary before any request to the store, with the faults of reads.
func (s storeIO) before(op uint64) error {
	if err := s.w.enter(op); err != nil {
		return err
	}
	switch {
	case s.w.cur == nil:
	case s.w.strike("stall"): // the process is frozen, and goes on as if nothing had been
		s.w.sleep(time.Duration(s.w.rng.between(30, 200)) * time.Second)
		if s.w.cur.dead {
			return errDead
		}
	case s.w.strike("store_unavailable"):
		return unavailable("sim: store", false)
	case s.w.strike("store_throttled"):
		return &fault.Error{Op: "sim: store", Kind: fault.Throttled, Code: "throttled", Message: "the store is throttled"}
	}
	return nil
}

// after is the boundary after a write that landed.
func (s storeIO) after(op uint64) error {
	if err := s.w.leave(op); err != nil {
		return err
	}
	if s.w.cur != nil && s.w.strike("store_lost_reply") {
		return unavailable("sim: store", true)
	}
	return nil
}

// touch tells whoever watches what the task at work does.
func (s storeIO) touch(method string, xs ...store.Write) {
	if s.w.opts.Touched == nil || s.w.cur == nil {
		return
	}
	for i := range xs {
		s.w.opts.Touched(s.w.cur.name, method, xs[i])
	}
}

func (s storeIO) touchKeys(method string, keys ...store.Key) {
	for _, k := range keys {
		s.touch(method, store.Write{Item: store.Item{Key: k}})
	}
}

// Get implements store.Store.
func (s storeIO) Get(ctx context.Context, key store.Key) (store.Item, error) {
	if err := s.before(opGet); err != nil {
		return store.Item{}, err
	}
	s.touchKeys("Get", key)
	it, err := s.w.store.Get(ctx, key)
	if t := s.w.cur; t != nil {
		switch {
		case key.Table == store.Settings && key.Partition == "workspace":
			t.checked, t.late = s.w.moment(), 0
		case key.Sort == "lease": // work begins: whatever it writes from now on it reads anew
			clear(t.seen)
			t.found, t.rows, t.settings = [2]moment{}, nil, t.checked
		}
	}
	return it, err
}

// BatchGet implements store.Store.
func (s storeIO) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if err := s.before(opBatchGet); err != nil {
		return nil, err
	}
	s.touchKeys("BatchGet", keys...)
	return s.w.store.BatchGet(ctx, keys)
}

// staleFor is how long a read that may be stale may miss a write: far longer
// than DynamoDB's copies differ, shorter than the engine allows for.
func (s storeIO) staleFor() time.Duration { return s.w.set.tuning.StaleFor * 3 / 4 }

// formerItem is what a key held before its last write.
type formerItem struct {
	store.Item
	until time.Time
}

// BatchGetStale implements store.Store.
func (s storeIO) BatchGetStale(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	items, err := s.BatchGet(ctx, keys)
	if err != nil || !s.w.strike("stale_read") {
		return items, err
	}
	for i, k := range keys {
		if old, ok := s.w.former[k]; ok && s.w.now.Sub(old.until) < s.staleFor() {
			items[i] = old.Item
		}
	}
	return items, nil
}

// remember keeps what links are now, before they are written.
func (s storeIO) remember(ctx context.Context, xs ...store.Write) {
	if s.w.set.rate["stale_read"] == 0 {
		return
	}
	for i := range xs {
		k := xs[i].Item.Key
		if !strings.HasPrefix(k.Partition, "l#") {
			continue
		}
		now, err := s.w.store.Get(ctx, k)
		if err != nil {
			now = store.Item{Key: k} // not there
		}
		if now.Version != s.w.former[k].Version {
			s.w.former[k] = formerItem{now, s.w.now}
		}
	}
}

// Write implements store.Store.
func (s storeIO) Write(ctx context.Context, x store.Write) (int64, error) {
	if err := s.before(opWrite); err != nil {
		return 0, err
	}
	s.touch("Write", x)
	s.remember(ctx, x)
	v, err := s.w.store.Write(ctx, x)
	if err != nil {
		return v, err
	}
	s.w.stored(&x)
	if err := s.after(opWrite); err != nil {
		return 0, err
	}
	return v, nil
}

// BatchWrite implements store.Store. Some of its changes may fail.
func (s storeIO) BatchWrite(ctx context.Context, xs []store.Write) ([]int64, []error) {
	all := func(err error) []error {
		errs := make([]error, len(xs))
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	if err := s.before(opBatchWrite); err != nil {
		return make([]int64, len(xs)), all(err)
	}
	if t := s.w.cur; t != nil && len(t.rows) > 0 && len(xs) > 0 && strings.HasPrefix(xs[0].Item.Partition, "l#") &&
		s.w.strike("stall_before_links") {
		s.w.editAfterCrash(t.rowsOn, t.rows)
		s.w.sleep(time.Duration(s.w.rng.between(100, 300)) * time.Second)
		if t.dead {
			return make([]int64, len(xs)), all(errDead)
		}
	}
	some := xs
	if s.w.cur != nil && len(xs) > 1 && s.w.strike("store_partial_batch") {
		some = xs[:1+s.w.rng.n(len(xs)-1)]
	}
	s.touch("BatchWrite", some...)
	s.remember(ctx, some...)
	versions, errs := s.w.store.BatchWrite(ctx, some)
	for i := range some {
		if errs == nil || errs[i] == nil {
			s.w.stored(&some[i])
		}
	}
	if err := s.after(opBatchWrite); err != nil {
		return make([]int64, len(xs)), all(err)
	}
	if len(some) < len(xs) {
		if errs == nil {
			errs = make([]error, len(some))
		}
		for range xs[len(some):] {
			versions, errs = append(versions, 0), append(errs, unavailable("sim: store", false))
		}
	}
	return versions, errs
}

// Transact implements store.Store.
func (s storeIO) Transact(ctx context.Context, xs []store.Write) error {
	if err := s.before(opTransact); err != nil {
		return err
	}
	if s.w.cur != nil && s.w.strike("store_transaction_cancelled") {
		return unavailable("sim: store", false)
	}
	s.touch("Transact", xs...)
	s.remember(ctx, xs...)
	if err := s.w.store.Transact(ctx, xs); err != nil {
		return err
	}
	for i := range xs {
		s.w.stored(&xs[i])
	}
	return s.after(opTransact)
}

// Query implements store.Store.
func (s storeIO) Query(ctx context.Context, q store.Query) (store.Page, error) {
	if err := s.before(opQuery); err != nil {
		return store.Page{}, err
	}
	if !q.OnIndex {
		s.touchKeys("Query", store.Key{Table: q.Table, Workspace: q.Workspace, Partition: q.Partition, Sort: q.Prefix})
	}
	return s.w.store.Query(ctx, q)
}

var _ store.Store = storeIO{}
