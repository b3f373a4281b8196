package api

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Spending is something that callers have a share of.
type Spending int

// What is bounded by time, and what by how many are open at once.
const (
	Requests Spending = iota // of the surface
	AppCalls                 // to an app, while a request waits
	Readings                 // runs that read a whole sync: plans, pulls, resyncs
	Streams                  // of events, open at once
	Exports                  // under way at once
	spendings
)

func (s Spending) String() string {
	return [...]string{"requests", "calls to apps", "plans, pulls and resyncs", "event streams", "exports"}[s]
}

// Share is how much of one thing a caller may have.
type Share struct {
	Every time.Duration // one more each Every; 0 = none grows back by time
	Burst int           // at most at once
}

// DefaultShares are generous to people and scripts, and far from what one
// process can do.
var DefaultShares = [spendings]Share{
	Requests: {5 * time.Millisecond, 5000},
	AppCalls: {200 * time.Millisecond, 2000},
	Readings: {2 * time.Second, 1000},
	Streams:  {0, 8},
	Exports:  {0, 4},
}

// maxCallers bounds the memory of budgets: past it those that were idle longest
// start anew.
const maxCallers = 10_000

// Budgets keep what each caller has spent, in this process. A nil Budgets
// refuses nothing. It is safe for concurrent use.
type Budgets struct {
	shares [spendings]Share
	now    func() time.Time

	mu      sync.Mutex
	callers map[callerID]*spent
}

type callerID struct {
	ws  crm.WorkspaceID
	key string
}

type spent struct {
	limits [spendings]*rate.Limiter // nil for what is counted while it is open
	open   [spendings]int
	last   time.Time
}

// NewBudgets returns empty budgets.
func NewBudgets(shares [spendings]Share, now func() time.Time) *Budgets {
	return &Budgets{shares: shares, now: now, callers: map[callerID]*spent{}}
}

// Take spends one of s for p. When the share is spent it returns how long until
// the next one is there, and nothing is taken.
func (b *Budgets) Take(p access.Principal, s Spending) (wait time.Duration) {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	l := b.of(p, now).limits[s]
	r := l.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// Hold takes one of s for as long as release was not called. ok is false when
// the caller has its share open already.
func (b *Budgets) Hold(p access.Principal, s Spending) (release func(), ok bool) {
	if b == nil {
		return func() {}, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.of(p, b.now())
	if c.open[s] >= b.shares[s].Burst {
		return nil, false
	}
	c.open[s]++
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		c.open[s]--
	}), true
}

// of is what p has spent; b.mu is held.
func (b *Budgets) of(p access.Principal, now time.Time) *spent {
	id := callerID{p.Workspace, p.Key}
	c := b.callers[id]
	if c == nil {
		if len(b.callers) >= maxCallers {
			b.forgetIdle()
		}
		c = &spent{}
		for s, share := range b.shares {
			if share.Every > 0 {
				c.limits[s] = rate.NewLimiter(rate.Every(share.Every), share.Burst)
			}
		}
		b.callers[id] = c
	}
	c.last = now
	return c
}

// forgetIdle makes room; who has something open is kept.
func (b *Budgets) forgetIdle() {
	var oldest callerID
	var since time.Time
	for id, c := range b.callers {
		if c.open == [spendings]int{} && (since.IsZero() || c.last.Before(since)) {
			oldest, since = id, c.last
		}
	}
	delete(b.callers, oldest)
}
