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
	Owner   string      `json:"owner"`
	Epoch   int64       `json:"epoch"`
	Until   time.Time   `json:"until"`
	Since   time.Time   `json:"since,omitzero"`   // when its owner took it
	Intent  []byte      `json:"intent,omitempty"` // as intent.encode made it; outlives its owner until it is recovered
	Wrote   int64       `json:"wrote,omitempty"`  // the last epoch in which links may have been written
	Pace    []int64     `json:"pace,omitempty"`   // of both apps as the last holder met it, see tellPace
	Mass    *massCounts `json:"mass,omitempty"`   // replaced values of the hour
	Brakes  bool        `json:"brakes,omitempty"` // mass changes wait, or were decided lately
	Config  int64       `json:"cfg,omitempty"`    // the newest version of the connection that the sync was worked under
	Erased  int64       `json:"erased,omitempty"` // version of the tombstones that whoever comes next must know
	version int64
}

// errLeased means another worker holds the sync.
var errLeased = fault.New("engine: take lease", fault.Conflict, codeLeased, "another worker holds the sync")

// loadLease reads the sync's lease, the zero lease when it was never held.
func (e *Engine) loadLease(ctx context.Context, sc scope) (*lease, error) {
	item, err := e.Store.Get(ctx, sc.lease())
	if fault.Is(err, fault.NotFound) {
		return &lease{}, nil
	}
	if err != nil {
		return nil, err
	}
	known, err := recall(&e.Decoded.leases, item, decodeLease)
	if err != nil {
		return nil, err
	}
	l := *known // what it points to is replaced, never changed
	l.version = item.Version
	return &l, nil
}

func decodeLease(item store.Item) (*lease, error) {
	var l lease
	if err := json.Unmarshal(item.Data, &l); err != nil {
		return nil, fault.Wrap("engine: decode lease", fault.Other, err)
	}
	return &l, nil
}

// asWrite is the write that stores the lease over the version it has.
func (l *lease) asWrite(sc scope) (store.Write, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return store.Write{}, err
	}
	return store.Write{Item: store.Item{Key: sc.lease(), Data: b}, If: store.IfVersion(l.version)}, nil
}

// acquire takes the sync's lease from nobody, or from one whose time is up, or
// answers errLeased with the time left in RetryAfter.
func (s *session) acquire(ctx context.Context) error {
	held, err := s.loadLease(ctx, s.scope)
	if err != nil {
		return err
	}
	s.learnPace(held.Pace)
	if err := s.learnMass(ctx, held); err != nil {
		return err
	}
	if err := s.learnErased(ctx, held); err != nil {
		return err
	}
	if s.outdated(held) {
		return errOutdated
	}
	if held.Owner != "" {
		if left := s.heldFor(s.scope, held.version, s.Now()); left > 0 {
			s.Mark("lease_held")
			busy := *errLeased
			busy.RetryAfter = left
			return &busy
		}
		s.Mark("lease_taken_over")
	}
	return s.acquireFrom(ctx, held, held.Intent)
}

// findVacant looks whether nobody holds the lease and nothing is left open, so
// that work may begin without it: reading needs no right, and most lone hints
// are the echo of what we wrote. ensureLease takes it once there is something
// to write, and only if nobody had it since.
func (s *session) findVacant(ctx context.Context) (bool, error) {
	l, err := s.loadLease(ctx, s.scope)
	if err != nil || l.Owner != "" || len(l.Intent) > 0 {
		return false, err
	}
	if s.outdated(l) {
		return false, errOutdated
	}
	open, err := s.intentStored(ctx, s.scope)
	if err != nil || open {
		return false, err
	}
	s.learnPace(l.Pace)
	s.vacant = l
	if err := s.learnErased(ctx, l); err != nil {
		return false, err
	}
	return true, s.learnMass(ctx, l)
}

// ensureLease takes the lease that was found vacant, with what is about to be written.
// Once held it does nothing.
func (s *session) ensureLease(ctx context.Context, intent []byte) error {
	if s.lease != nil || s.vacant == nil {
		return nil
	}
	return s.acquireFrom(ctx, s.vacant, intent)
}

// acquireFrom takes the lease over the version that was read.
func (s *session) acquireFrom(ctx context.Context, held *lease, intent []byte) error {
	mine := &lease{
		Owner: s.NewID("own"), Epoch: held.Epoch + 1, Until: s.Now().Add(s.Tuning.Lease), Since: s.Now(),
		Intent: intent, Wrote: held.wrote(), Pace: held.Pace, Erased: held.Erased, version: held.version,
		Config: max(held.Config, s.conn.Version),
	}
	s.tellMass(mine)
	w, err := mine.asWrite(s.scope)
	if err != nil {
		return err
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
	s.since(&s.written, s.scope, mine.Wrote, s.Now()) // so that the time begins to count
	return nil
}

// renew puts the lease's end off: work that is proven to go on, call by call,
// needs no more than the next one may take. Nobody can have written since, for
// whoever takes a lease over writes its item.
func (s *session) renew(ctx context.Context) error {
	next := *s.lease
	next.Until = s.Now().Add(s.Tuning.Lease)
	s.tellMass(&next)
	w, err := next.asWrite(s.scope)
	if err != nil {
		return err
	}
	next.version, err = s.Store.Write(ctx, w)
	if fault.Is(err, fault.Conflict) {
		s.Mark("lease_lost")
		s.lease.Until = time.Time{} // nothing is written any more
		return errLeased
	}
	if err != nil {
		return err
	}
	s.Mark("lease_renewed")
	s.lease = &next
	return nil
}

// writesLinks notes, before the fact, that links change under the lease.
func (s *session) writesLinks() {
	if s.lease != nil {
		s.lease.Wrote = s.lease.Epoch
	}
}

// mayReadStale reports whether links that were read with eventual consistency
// say what they say now: nobody wrote one for so long under our own eyes. As
// with a lease, no other clock is trusted.
func (s *session) mayReadStale() bool {
	return s.lease != nil && s.lease.Wrote != s.lease.Epoch &&
		s.since(&s.written, s.scope, s.lease.Wrote, s.Now()) >= s.Tuning.StaleFor
}

// dropIntent removes the intent that the lease carries, once it is recovered.
func (s *session) dropIntent(ctx context.Context) error {
	next := *s.lease
	next.Intent = nil
	w, err := next.asWrite(s.scope)
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
	return &lease{
		Epoch: l.Epoch, Intent: l.Intent, Wrote: l.Wrote, Pace: l.Pace, Mass: l.Mass, Brakes: l.Brakes,
		Erased: l.Erased, Config: l.Config, version: l.version,
	}
}

// freed is the session's lease with nobody holding it and what it learned.
func (s *session) freed() *lease {
	free := s.lease.freed()
	if told := s.tellPace(); told != nil {
		free.Pace = told
	}
	s.tellMass(free)
	return free
}

// wrote is the last epoch in which links may have been written: of a holder
// that is gone without a word nobody knows.
func (l *lease) wrote() int64 {
	if l.Owner != "" {
		return l.Epoch
	}
	return l.Wrote
}

// release gives the lease back early; a failure only means that others wait for it to run out.
func (s *session) release(ctx context.Context) {
	if s.lease == nil {
		return
	}
	w, err := s.freed().asWrite(s.scope)
	if err == nil {
		_, err = s.Store.Write(ctx, w)
	}
	if err != nil {
		s.Log.Debug("lease not released", "sync", s.name(), "error", err)
	}
	s.lease = nil
}

// firstSeenAt is when this process first saw a sync at some version.
type firstSeenAt struct {
	version int64
	at      time.Time
}

// since returns how long a sync has been at version under our own eyes, and
// begins to count when it was at another one.
func (e *Engine) since(seen *memo[scope, firstSeenAt], sc scope, version int64, now time.Time) time.Duration {
	first := seen.change(sc, func(s firstSeenAt, ok bool) firstSeenAt {
		if !ok || s.version != version || now.Before(s.at) {
			return firstSeenAt{version, now}
		}
		return s
	})
	return now.Sub(first.at)
}

// heldFor returns how long a held lease must still be respected. Only time
// that passed on our own clock since we first saw it counts, so that a wrong
// clock elsewhere cannot let two writers in: a dead holder's lease is taken
// over once it stood unchanged for a whole lease under our eyes.
func (e *Engine) heldFor(sc scope, version int64, now time.Time) time.Duration {
	return e.Tuning.Lease - e.since(&e.leases, sc, version, now)
}
