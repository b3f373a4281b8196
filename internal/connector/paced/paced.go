package paced

import (
	"context"
	"errors"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Wrap returns c within the budget b, by the limits of c.App. Besides what c
// answers, every method may answer Throttled with RetryAfter, code
// "rate_limited" or "quota_exhausted", when the budget is spent, and
// Unavailable when the store is: in both cases nothing was sent.
func Wrap(c connector.Connector, b Budget) connector.Connector {
	return &conn{inner: c, pacer: newPacer(b, c.App().Limits.Within(b.Allowed))}
}

// conn is a paced connector.
type conn struct {
	inner connector.Connector
	pacer *pacer
}

// Unwrap returns the connector inside.
func (c *conn) Unwrap() connector.Connector { return c.inner }

// call makes one call: when it may, counted, and heeding the answer.
func call[T any](ctx context.Context, c *conn, x lane, method string, f func() (T, error)) (T, error) {
	var zero T
	if err := c.pacer.admit(ctx, x); err != nil {
		return zero, err
	}
	if c.pacer.OnCall != nil {
		c.pacer.OnCall(c.pacer.Account, method)
	}
	out, err := f()
	return out, c.pacer.heard(ctx, err)
}

// heard takes what the app said to a call: a Retry-After is kept for everybody,
// and any other word ends a pause that had no known end. It returns err with
// the wait that follows from it.
func (p *pacer) heard(ctx context.Context, err error) error {
	if err == nil || !fault.Is(err, fault.Throttled) && !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Other) {
		p.answered(ctx)
		return err
	}
	p.heedErr(ctx, err)
	return p.turn(err)
}

// turn sets the wait of an error whose end nobody knows to the account's next
// turn to ask.
func (p *pacer) turn(err error) error {
	var e *fault.Error
	if !errors.As(err, &e) || !e.Guessed {
		return err
	}
	now, turned := p.Now(), *e
	turned.RetryAfter = connector.AskAgain(now).Sub(now)
	return &turned
}

// heedErr keeps the Retry-After of an error, if it has one.
func (p *pacer) heedErr(ctx context.Context, err error) {
	var e *fault.Error
	if errors.As(err, &e) && e.Kind == fault.Throttled {
		p.heed(ctx, e.RetryAfter, e.Code, e.Guessed)
	}
}

// App implements connector.Connector.
func (c *conn) App() crm.App {
	app := c.inner.App()
	app.Limits = app.Limits.Within(c.pacer.Allowed)
	return app
}

// Test implements connector.Connector.
func (c *conn) Test(ctx context.Context) (connector.Identity, error) {
	return call(ctx, c, laneCall, "test", func() (connector.Identity, error) { return c.inner.Test(ctx) })
}

// Objects implements connector.Connector.
func (c *conn) Objects(ctx context.Context) ([]crm.Object, error) {
	return call(ctx, c, laneCall, "objects", func() ([]crm.Object, error) { return c.inner.Objects(ctx) })
}

// Fields implements connector.Connector.
func (c *conn) Fields(ctx context.Context, object string) ([]crm.Field, error) {
	return call(ctx, c, laneCall, "fields", func() ([]crm.Field, error) { return c.inner.Fields(ctx, object) })
}

// Changes implements connector.Connector. A full scan goes through the app's
// most consistent listing, which some apps count as a search and some do not.
func (c *conn) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	x := laneSearch
	if req.Full {
		x = laneBoth
	}
	return call(ctx, c, x, "changes", func() (connector.ChangesPage, error) { return c.inner.Changes(ctx, req) })
}

// BatchRead implements connector.Connector.
func (c *conn) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	out, err := call(ctx, c, laneCall, "batch_read", func() ([]connector.Read, error) {
		return c.inner.BatchRead(ctx, object, ids, fields)
	})
	var worst error
	for i := range out {
		worst = longer(worst, out[i].Err)
		out[i].Err = c.pacer.turn(out[i].Err)
	}
	c.pacer.heedErr(ctx, worst)
	return out, err
}

// BatchFind implements connector.Connector. A look-up without index lag does
// not go through the search index, so it is no search.
func (c *conn) BatchFind(
	ctx context.Context, object string, field crm.Field, values []string, fields []string,
) ([][]crm.Record, error) {
	x := laneSearch
	if connector.FindLag(c.inner, object, field) < c.inner.App().Limits.IndexLag {
		x = laneCall
	}
	return call(ctx, c, x, "batch_find", func() ([][]crm.Record, error) {
		return c.inner.BatchFind(ctx, object, field, values, fields)
	})
}

// BatchWrite implements connector.Connector.
func (c *conn) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	out, err := call(ctx, c, laneCall, "batch_write", func() ([]connector.Written, error) {
		return c.inner.BatchWrite(ctx, object, writes)
	})
	var worst error
	for i := range out {
		worst = longer(worst, out[i].Err)
		out[i].Err = c.pacer.turn(out[i].Err)
	}
	c.pacer.heedErr(ctx, worst)
	return out, err
}

// longer returns the throttling error that asks for the longer wait.
func longer(a, b error) error {
	if !fault.Is(b, fault.Throttled) || a != nil && fault.RetryAfter(a) >= fault.RetryAfter(b) {
		return a
	}
	return b
}

// Extras implements connector.Connector. Listing deletions counts as a call and
// as a search, as a full scan does.
func (c *conn) Extras() connector.Extras {
	return c.inner.Extras().Around(func(ctx context.Context, method string, do func() error) error {
		x := laneCall
		if method == "deleted" {
			x = laneBoth
		}
		_, err := call(ctx, c, x, method, func() (struct{}, error) { return struct{}{}, do() })
		return err
	})
}

var _ connector.Connector = (*conn)(nil)
