package engine

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// lease is the right to write for one sync, for a while. It carries the intent
// of a lone change, so that both are one write.
type lease struct {
	Owner   string    `json:"owner"`
	Epoch   int64     `json:"epoch"`
	Until   time.Time `json:"until"`
	Intent  []byte    `json:"intent,omitempty"` // as intent.encode made it; outlives its owner until it is recovered
	version int64
}

// errLeased means another worker holds the sync.
var errLeased = fault.New("engine: take lease", fault.Conflict, "leased", "another worker holds the sync")

// loadLease reads the sync's lease, the zero lease when it was never held.
func (e *Engine) loadLease(ctx context.Context, sc scope) (*lease, error) {
	item, err := e.Store.Get(ctx, sc.lease())
	if fault.Is(err, fault.NotFound) {
		return &lease{}, nil
	}
	if err != nil {
		return nil, err
	}
	var l lease
	if err := json.Unmarshal(item.Data, &l); err != nil {
		return nil, fault.Wrap("engine: decode lease", fault.Other, err)
	}
	l.version = item.Version
	return &l, nil
}

// write is the write that stores the lease over the version it has.
func (l *lease) write(sc scope) (store.Write, error) {
	b, err := json.Marshal(l)
	return store.Write{Item: store.Item{Key: sc.lease(), Data: b}, If: store.IfVersion(l.version)}, err
}

// take acquires the sync's lease or answers errLeased with the time left in RetryAfter.
func (s *session) take(ctx context.Context) error {
	held, err := s.loadLease(ctx, s.scope)
	if err != nil {
		return err
	}
	if held.Owner != "" && s.on(guardLease) {
		if left := s.heldFor(s.scope, held.version, s.Now()); left > 0 {
			s.Mark("lease_held")
			busy := *errLeased
			busy.RetryAfter = left
			return &busy
		}
		s.Mark("lease_taken_over")
	}
	return s.takeFrom(ctx, held, held.Intent)
}

// findVacant looks whether nobody holds the lease and nothing is left open, so
// that work may begin without it: reading needs no right, and most lone hints
// are the echo of what we wrote. hold takes the lease once there is something
// to write, and only if nobody had it since.
func (s *session) findVacant(ctx context.Context) (bool, error) {
	l, err := s.loadLease(ctx, s.scope)
	if err != nil || l.Owner != "" || len(l.Intent) > 0 {
		return false, err
	}
	open, err := s.intentStored(ctx, s.scope)
	if err != nil || open {
		return false, err
	}
	s.vacant = l
	return true, nil
}

// hold takes the lease that was found vacant, with what is about to be written.
// Once held it does nothing.
func (s *session) hold(ctx context.Context, intent []byte) error {
	if s.lease != nil || s.vacant == nil {
		return nil
	}
	return s.takeFrom(ctx, s.vacant, intent)
}

// takeFrom takes the lease over the version that was read.
func (s *session) takeFrom(ctx context.Context, held *lease, intent []byte) error {
	mine := &lease{Owner: s.NewID("own"), Epoch: held.Epoch + 1, Until: s.Now().Add(s.Tuning.Lease), Intent: intent, version: held.version}
	w, err := mine.write(s.scope)
	if err != nil {
		return err
	}
	if !s.on(guardLease) {
		w.If = store.Always
	}
	mine.version, err = s.Store.Write(ctx, w)
	if fault.Is(err, fault.Conflict) {
		s.Mark("lease_lost_race")
		return errLeased
	}
	if err != nil {
		return err
	}
	s.lease = mine
	return nil
}

// dropIntent removes the intent that the lease carries, once it is recovered.
func (s *session) dropIntent(ctx context.Context) error {
	next := *s.lease
	next.Intent = nil
	w, err := next.write(s.scope)
	if err != nil {
		return err
	}
	if next.version, err = s.Store.Write(ctx, w); err != nil {
		return err
	}
	s.lease = &next
	return nil
}

// freed is the lease with nobody holding it. An intent that it still carries stays.
func (l *lease) freed() *lease {
	return &lease{Epoch: l.Epoch, Intent: l.Intent, version: l.version}
}

// release gives the lease back early; a failure only means that others wait for it to run out.
func (s *session) release(ctx context.Context) {
	if s.lease == nil {
		return
	}
	w, err := s.lease.freed().write(s.scope)
	if err == nil {
		_, err = s.Store.Write(ctx, w)
	}
	if err != nil {
		s.Log.Debug("lease not released", "sync", s.name(), "error", err)
	}
	s.lease = nil
}

// observedLease is a held lease as this process first saw it.
type observedLease struct {
	version int64
	at      time.Time
}

// heldFor returns how long a held lease must still be respected. Only time
// that passed on our own clock since we first saw it counts, so that a wrong
// clock elsewhere cannot let two writers in: a dead holder's lease is taken
// over once it stood unchanged for a whole lease under our eyes.
func (e *Engine) heldFor(sc scope, version int64, now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen, ok := e.leases[sc]
	if !ok || seen.version != version || now.Before(seen.at) {
		seen = observedLease{version, now}
		e.leases[sc] = seen
	}
	return e.Tuning.Lease - now.Sub(seen.at)
}
