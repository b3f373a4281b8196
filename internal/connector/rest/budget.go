package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	// quotaShare is the part of a day's calls up to which we go.
	quotaShare = 0.9
	// quotaRest is how long a spent or nearly spent quota is left alone at most. Its
	// window may roll, so that calls come back bit by bit, and only an answer tells.
	quotaRest = time.Minute
)

// rested refuses a call while the quota is nearly spent. A person who waits is let through.
func (c *Client) rested(ctx context.Context, r Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := c.resume.Sub(c.now())
	if r.Urgent || connector.IsForeground(ctx) || wait <= 0 {
		return nil
	}
	// A clock that was set back must not stop us for longer than the rest.
	return &fault.Error{
		Op: r.Op, Kind: fault.Throttled, Code: connector.CodeQuota, RetryAfter: min(wait, quotaRest), Guessed: true,
		Message: "nine tenths of the account's daily calls are used; the rest is left to its other tools",
	}
}

// note learns from an answer's header how much of the quota is used and what the
// app's clock says.
func (c *Client) note(h http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		c.skew = t.Sub(now)
	}
	if c.app.Usage == nil {
		return
	}
	used, limit, ok := c.app.Usage(h)
	if !ok || limit <= 0 {
		return
	}
	c.resume = time.Time{}
	if float64(used) >= quotaShare*float64(limit) {
		c.resume = connector.AskAgain(now)
	}
}
