package moving

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	// Wait is how long the release before may still be at work: longer than any
	// function may take.
	Wait = 15 * time.Minute
	// lookAgain is for how long a move that is not done is taken to be where it was.
	lookAgain = time.Minute
	// standing marks the version of an item that stands in its former place.
	standing = 1 << 62
)

// Store is a store in which settings move. Make it with New.
type Store struct {
	store.Store
	now func() time.Time

	mu     sync.Mutex
	mark   mark
	looked time.Time // when mark was read
}

// New returns s as it is while settings move.
func New(s store.Store, now func() time.Time) *Store { return &Store{Store: s, now: now} }

// Unwrap implements store.Wrapped.
func (s *Store) Unwrap() store.Store { return s.Store }

// markKey names the item that says how far the move has come.
var markKey = store.Key{Table: store.Settings, Partition: "moves", Sort: "secrets"}

// mark says how far it has come; the zero mark: nobody has looked yet.
type mark struct {
	V     int       `json:"v"`
	Begun time.Time `json:"begun"`
	Done  bool      `json:"done"`

	version int64
}

// state reads the mark, or remembers it: for good when the move is done, for a
// moment when it has begun, and not at all before.
func (s *Store) state(ctx context.Context) (mark, error) {
	s.mu.Lock()
	m, looked := s.mark, s.looked
	s.mu.Unlock()
	now := s.now()
	if since := now.Sub(looked); m.Done || !m.Begun.IsZero() && since >= 0 && since < lookAgain {
		return m, nil
	}
	m = mark{V: 1}
	item, err := s.Store.Get(ctx, markKey)
	if err == nil {
		err = fault.Wrap("moving: read mark", fault.Other, json.Unmarshal(item.Data, &m))
		m.version = item.Version
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return m, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mark.Done {
		s.mark, s.looked = m, now
	}
	return m, nil
}

// waits reports whether the release before may still be at work.
func (m mark) waits(now time.Time) bool { return m.Begun.IsZero() || now.Before(m.Begun.Add(Wait)) }

// former names the place where k stood, while that matters.
func (s *Store) former(ctx context.Context, k store.Key) (old store.Key, m mark, moves bool, err error) {
	old, moves = store.Former(k)
	if !moves {
		return k, m, false, nil
	}
	m, err = s.state(ctx)
	return old, m, !m.Done, err
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, k store.Key) (store.Item, error) {
	item, err := s.Store.Get(ctx, k)
	if !fault.Is(err, fault.NotFound) {
		return item, err
	}
	old, _, moves, failed := s.former(ctx, k)
	if failed != nil {
		return item, failed
	}
	if !moves {
		return item, err
	}
	item, err = s.Store.Get(ctx, old)
	if fault.Is(err, fault.NotFound) {
		return s.Store.Get(ctx, k)
	}
	return inPlace(item, k), err
}

// inPlace is an item of a former place, as it is shown.
func inPlace(item store.Item, k store.Key) store.Item {
	item.Key = k
	if item.Version > 0 {
		item.Version |= standing
	}
	return item
}

// BatchGet implements store.Store.
func (s *Store) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return s.batchGet(ctx, keys, s.Store.BatchGet)
}

// BatchGetStale implements store.Store.
func (s *Store) BatchGetStale(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	return s.batchGet(ctx, keys, s.Store.BatchGetStale)
}

func (s *Store) batchGet(
	ctx context.Context, keys []store.Key, get func(context.Context, []store.Key) ([]store.Item, error),
) ([]store.Item, error) {
	items, err := get(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i, k := range keys {
		if _, moves := store.Former(k); !moves || items[i].Version > 0 {
			continue
		}
		item, err := s.Get(ctx, k)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		if err == nil {
			items[i] = item
		}
	}
	return items, nil
}

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, w store.Write) (int64, error) {
	ws, moves, err := s.placed(ctx, []store.Write{w})
	if err != nil {
		return 0, err
	}
	if !moves {
		return s.Store.Write(ctx, w)
	}
	if len(ws) > 1 {
		err = s.Store.Transact(ctx, ws)
	} else if _, err = s.Store.Write(ctx, ws[0]); err == nil && w.If.Version > 0 && ws[0].Op != store.Delete &&
		ws[0].If.Version > 0 {
		return w.If.Version + 1, nil
	}
	switch {
	case err != nil, w.Op == store.Delete:
		return 0, err
	case w.If.Absent && ws[0].Item.Key == w.Item.Key:
		return 1, nil
	case w.If.Absent:
		return 1 | standing, nil
	}
	item, err := s.Get(ctx, w.Item.Key)
	return item.Version, err
}

// BatchWrite implements store.Store.
func (s *Store) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	some := false
	for i := range ws {
		_, moves := store.Former(ws[i].Item.Key)
		some = some || moves
	}
	if !some {
		return s.Store.BatchWrite(ctx, ws)
	}
	versions, errs, failed := make([]int64, len(ws)), make([]error, len(ws)), false
	for i := range ws {
		versions[i], errs[i] = s.Write(ctx, ws[i])
		failed = failed || errs[i] != nil
	}
	if !failed {
		errs = nil
	}
	return versions, errs
}

// Transact implements store.Store.
func (s *Store) Transact(ctx context.Context, ws []store.Write) error {
	placed, _, err := s.placed(ctx, ws)
	if err != nil {
		return err
	}
	return s.Store.Transact(ctx, placed)
}

// placed are the writes as they are made: each where its item stands.
func (s *Store) placed(ctx context.Context, ws []store.Write) (out []store.Write, moves bool, err error) {
	for i := range ws {
		old, m, moving, err := s.former(ctx, ws[i].Item.Key)
		if err != nil {
			return nil, false, err
		}
		if !moving {
			out = append(out, ws[i])
			continue
		}
		moves = true
		more, err := s.place(ctx, ws[i], old, m)
		if err != nil {
			return nil, false, err
		}
		out = append(out, more...)
	}
	return out, moves, nil
}

// place is one write, and what keeps its item from standing in two places.
func (s *Store) place(ctx context.Context, w store.Write, old store.Key, m mark) ([]store.Write, error) {
	there, aside := w, store.Write{Item: store.Item{Key: old}} // aside: the place that w is not made in
	there.Item.Key = old
	if noted(w.Item.Key) && w.Op != store.Delete {
		if w.If.Version >= standing {
			w.If = store.IfAbsent // the first note in the new place goes on from the last in the former
		}
		return []store.Write{w}, nil
	}
	switch {
	case w.If.Version >= standing:
		there.If.Version &^= standing
		return []store.Write{there}, nil
	case w.If.Version > 0:
		return []store.Write{w}, nil
	case w.If.Exists:
		item, err := s.Get(ctx, w.Item.Key)
		if err == nil && item.Version >= standing {
			return []store.Write{there}, nil
		}
		if fault.Is(err, fault.NotFound) {
			err = nil // the condition says so
		}
		return []store.Write{w}, err
	case w.If.Absent:
		aside.Op, aside.If = store.Check, store.IfAbsent
	default:
		aside.Op = store.Delete
	}
	if m.waits(s.now()) && w.Op != store.Delete {
		w, aside.Item.Key = there, w.Item.Key
	}
	return []store.Write{w, aside}, nil
}

// noted reports whether k is something that is noted of deliveries.
func noted(k store.Key) bool { return k.Partition == "delivery" || k.Partition == "refused" }

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, q store.Query) (store.Page, error) {
	old, moves := store.FormerQuery(q)
	if !moves {
		return s.Store.Query(ctx, q)
	}
	m, err := s.state(ctx)
	switch {
	case err != nil:
		return store.Page{}, err
	case m.Done:
		return s.Store.Query(ctx, q)
	}
	return s.both(ctx, q, old)
}

// eachWorkspace calls f for the home workspace, which exists without an item,
// and all others.
func (s *Store) eachWorkspace(ctx context.Context, home crm.WorkspaceID, f func(crm.WorkspaceID) error) error {
	if err := f(home); err != nil {
		return err
	}
	for cursor := ""; ; {
		page, next, err := store.ListWorkspaces(ctx, s.Store, store.MaxLimit, cursor)
		if err != nil {
			return err
		}
		for _, w := range page {
			if w.ID == home {
				continue
			}
			if err := f(w.ID); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

var _ store.Store = (*Store)(nil)
