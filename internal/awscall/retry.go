package awscall

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/lockstep-crm/lockstep/internal/backoff"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/pause"
)

// Nature says what it would mean to make a call twice.
type Nature uint8

// The natures.
const (
	// Read changes nothing.
	Read Nature = iota
	// Idempotent is a change that a repetition cannot make twice: by a token, a
	// condition or a deduplication ID.
	Idempotent
	// Once is a change that must not be repeated unless it certainly did not happen.
	Once
)

// Policy caps the attempts of one call. The zero Policy is what the adapters use.
type Policy struct {
	Tries int           // attempts; 0 = 6
	First time.Duration // longest pause before the second attempt; doubles from there; 0 = 25 ms
	Most  time.Duration // longest pause at all; 0 = 1 s
	Total time.Duration // no attempt begins later than this after the first; 0 = 8 s
	// Wait pauses; nil = by a timer, ended early by ctx.
	Wait func(ctx context.Context, d time.Duration) error
}

func (p Policy) orDefault() Policy {
	p.Tries = or(p.Tries, 6)
	p.First = or(p.First, 25*time.Millisecond)
	p.Most = or(p.Most, time.Second)
	p.Total = or(p.Total, 8*time.Second)
	if p.Wait == nil {
		p.Wait = pause.For
	}
	return p
}

func or[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// Do makes a call until it succeeds, is refused, or the policy's caps are
// reached. It returns nil; the service's own error when that was refused for
// good and no attempt before may have landed, for the adapter to look at; or a
// *fault.Error. Under a context that is done nothing is called.
func Do(ctx context.Context, op string, nature Nature, p Policy, call func(ctx context.Context) error) error {
	p = p.orDefault()
	pauses := p.Pauses()
	landed := false
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return &fault.Error{Op: op, Kind: fault.Unavailable, MayHaveLanded: landed, Err: err}
		}
		err := call(ctx)
		if err == nil {
			return nil
		}
		v := judge(err)
		landed = landed || v == unsure && nature != Read
		switch {
		case v == refused:
			return Refused{Err: err, Landed: landed}.orPlain()
		case v == unsure && nature == Once, try >= p.Tries:
			return Classify(op, err, landed)
		}
		if pauses.Next(ctx) != nil {
			return Classify(op, err, landed)
		}
	}
}

// Refused is a refusal that followed an attempt whose answer was lost: the
// refusal may be about the effect of that attempt.
type Refused struct {
	Err    error
	Landed bool
}

func (r Refused) orPlain() error {
	if r.Landed {
		return r
	}
	return r.Err
}

// Error implements error.
func (r Refused) Error() string { return plain(r.Err).Error() }

// Unwrap returns the refusal.
func (r Refused) Unwrap() error { return r.Err }

// Pauses are the growing pauses between attempts. Make them with Policy.Pauses.
type Pauses struct {
	p     Policy
	n     int
	span  time.Duration
	began time.Time
}

// Pauses starts a sequence of pauses.
func (p Policy) Pauses() *Pauses { return &Pauses{p: p.orDefault(), began: time.Now()} }

// errOver says that the time for repetitions is used up.
var errOver = context.DeadlineExceeded

// Next pauses for a random part of the next span, so that rivals that were
// refused together do not come back together. It returns an error when ctx is
// done or the time of the policy is used up.
func (s *Pauses) Next(ctx context.Context) error {
	s.n++
	if s.n >= s.p.Tries || time.Since(s.began) >= s.p.Total {
		return errOver
	}
	s.span = backoff.Policy{First: s.p.First, Most: s.p.Most}.Next(s.span)
	d := s.span/2 + rand.N(s.span/2+1) //nolint:gosec // chance spreads load here, it hides nothing
	return s.p.Wait(ctx, d)
}
