// Package testclock is the time that tests go by: it stands still until a test
// moves it.
package testclock

import (
	"sync"
	"time"
)

// Clock is a clock that only tests move. Make it with New or At.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// New returns a clock that stands at a fixed instant, the same for every test.
func New() *Clock { return At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) }

// At returns a clock that stands at t.
func At(t time.Time) *Clock { return &Clock{now: t} }

// Now returns the time it shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves it on by d, or back by what is below zero.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
