package fakekit

import (
	"maps"
	"slices"
	"time"
)

// LimitKind names a limit that a call ran into.
type LimitKind string

// The limits.
const (
	LimitBurst  LimitKind = "burst"
	LimitSearch LimitKind = "search"
	LimitDaily  LimitKind = "daily"
)

// Limits are the calls an app allows; 0 = no such limit.
type Limits struct {
	Calls        int           // per Window, all but searches and free calls
	Window       time.Duration // rolling
	SearchCalls  int           // per SearchWindow
	SearchWindow time.Duration
	Daily        int // per day from midnight UTC, searches included: calls, or what routes cost
	// RetryAfter adds the header to throttled answers of apps that send none by themselves.
	RetryAfter time.Duration
}

// Usage is what is left, for the apps' headers.
type Usage struct {
	Limits         Limits
	Remaining      int // of Calls, in this window
	DailyRemaining int
}

type limiter struct {
	limits      Limits
	calls, srch []time.Time
	day         int64
	today       int
}

// SetLimits sets the limits and forgets what was used.
func (c *Core) SetLimits(l Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = limiter{limits: l}
}

// Usage returns what is left of the limits; for handlers.
func (c *Core) Usage() Usage {
	l := &c.limits
	l.roll(c.now())
	return Usage{
		Limits: l.limits, Remaining: max(0, l.limits.Calls-len(l.calls)), DailyRemaining: max(0, l.limits.Daily-l.today),
	}
}

func (l *limiter) roll(now time.Time) {
	l.calls = expire(l.calls, now.Add(-l.limits.Window))
	l.srch = expire(l.srch, now.Add(-l.limits.SearchWindow))
	if day := now.Unix() / 86400; day != l.day {
		l.day, l.today = day, 0
	}
}

func expire(at []time.Time, before time.Time) []time.Time {
	i := 0
	for i < len(at) && !at[i].After(before) {
		i++
	}
	return slices.Delete(at, 0, i)
}

// take counts a call against its limits; over says which one it ran into and
// how long that lasts. Refused calls count against none.
func (l *limiter) take(now time.Time, route *Route) (kind LimitKind, wait time.Duration, over bool) {
	if route.Free {
		return "", 0, false
	}
	l.roll(now)
	cost := max(1, route.Cost)
	if l.limits.Daily > 0 && l.today+cost > l.limits.Daily {
		next := time.Unix((l.day+1)*86400, 0)
		return LimitDaily, next.Sub(now), true
	}
	if route.Search && l.limits.SearchCalls > 0 {
		if len(l.srch) >= l.limits.SearchCalls {
			return LimitSearch, l.srch[0].Add(l.limits.SearchWindow).Sub(now), true
		}
		l.srch = append(l.srch, now)
	} else if l.limits.Calls > 0 {
		if len(l.calls) >= l.limits.Calls {
			return LimitBurst, l.calls[0].Add(l.limits.Window).Sub(now), true
		}
		l.calls = append(l.calls, now)
	}
	l.today += cost
	return "", 0, false
}

// counts is what was called.
type counts struct {
	by        map[string]int
	total     int
	throttled int
	spoiled   int
}

func (n *counts) reset() { *n = counts{by: map[string]int{}} }

func (n *counts) add(endpoint string) {
	n.total++
	n.by[endpoint]++
}

// Requests are the calls since the start or the last reset, knobs apart.
type Requests struct {
	Total      int            `json:"total" doc:"calls of the app's own paths, refused ones included"`
	ByEndpoint map[string]int `json:"by_endpoint" doc:"by method and path pattern; unknown paths under 'unknown'"`
	Throttled  int            `json:"throttled" doc:"calls refused by a limit"`
	Spoiled    int            `json:"spoiled" doc:"calls spoiled by injected faults"`
}

// Requests counts calls by endpoint.
func (c *Core) Requests() Requests {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Requests{c.counts.total, maps.Clone(c.counts.by), c.counts.throttled, c.counts.spoiled}
}

// ResetRequests starts counting anew.
func (c *Core) ResetRequests() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.reset()
}
