package fakekit

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"time"
)

// HookTimeout is how long a fake waits for the receiver of a webhook.
const HookTimeout = 5 * time.Second

// Webhooks is where a fake sends its events, and how badly.
type Webhooks struct {
	URL    string   // "" = events are not sent, and not kept
	Secret string   // the app signs with it, where it signs
	Events []string // kinds to send; empty = all the app has
	// Drop, Duplicate and Reorder are rates per event, 0 to 1.
	Drop, Duplicate, Reorder float64
	// Even spreads the rates evenly over the events, from a phase that Rand
	// decides, so that few events are hit as surely as many. An event out of
	// order then comes right behind the next one; Reorder above 0.5 hits fewer.
	Even bool
	// Delay holds each event back for a random time up to this.
	Delay time.Duration
}

// Event is one thing an app tells about a record.
type Event struct {
	Object string
	ID     string
	Kind   string // the app's own word: "contact.creation"
	At     time.Time
	Data   any // the app's own details
	// N counts the events of the app, from 1; a copy has its original's.
	N int64

	due    time.Time
	behind bool // waits for the next event, to come behind it
}

// Packed is a delivery as it goes over the wire.
type Packed struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
}

// Request returns the delivery as an outgoing request.
func (p Packed) Request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, p.Method, p.URL, bytes.NewReader(p.Body))
	if err != nil {
		return nil, err
	}
	req.Header = p.Header.Clone()
	return req, nil
}

// DeliveryStatus says what became of a delivery.
type DeliveryStatus string

// The statuses of a delivery.
const (
	DeliveryWaiting   DeliveryStatus = "waiting"   // not tried, or to be tried again
	DeliveryDelivered DeliveryStatus = "delivered" // the receiver took it
	DeliveryGivenUp   DeliveryStatus = "given_up"  // out of attempts
	DeliveryTaken     DeliveryStatus = "taken"     // handed to the caller of Take
)

// Delivery is a batch of events on its way.
type Delivery struct {
	ID         int64
	Events     []Event
	Attempt    int // attempts made so far
	Due        time.Time
	Status     DeliveryStatus
	HTTPStatus int    // of the last attempt; 0 = no answer
	Error      string // of the last attempt
	Packed     Packed // as it is, or was last, sent
}

// maxDeliveryLog is how many ended deliveries a fake remembers.
const maxDeliveryLog = 2000

type hookState struct {
	cfg     Webhooks
	pending []Event
	queue   []*Delivery
	log     []Delivery
	lastID  int64
	events  int64
	turns   turns
	dropped int
	wake    chan struct{}
}

// SetWebhooks sets where and how events are sent from now on.
func (c *Core) SetWebhooks(w Webhooks) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Events = slices.Clone(w.Events)
	c.hooks.cfg = w
	if w.Even {
		c.hooks.turns = turnsFrom(c.rng.Float64())
	}
}

// Webhooks returns the present settings.
func (c *Core) Webhooks() Webhooks {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hooks.cfg
}

// Emit queues an event; for apps, with the lock held.
func (c *Core) Emit(e Event) {
	h := &c.hooks
	if h.cfg.URL == "" || len(h.cfg.Events) > 0 && !slices.Contains(h.cfg.Events, e.Kind) {
		return
	}
	if c.hit(h.cfg.Drop, &h.turns.drop) {
		h.dropped++
		return
	}
	h.events++
	e.N, e.due = h.events, c.now()
	if h.cfg.Delay > 0 {
		e.due = e.due.Add(time.Duration(c.rng.Int64N(int64(h.cfg.Delay) + 1)))
	}
	copies := 1
	if c.hit(h.cfg.Duplicate, &h.turns.duplicate) {
		copies = 2
	}
	if h.cfg.Even {
		h.line(e, copies, c.hit(h.cfg.Reorder, &h.turns.reorder), c.now())
	} else {
		for range copies {
			at := len(h.pending)
			if at > 0 && c.hit(h.cfg.Reorder, &h.turns.reorder) {
				at = c.rng.IntN(at + 1)
			}
			h.pending = slices.Insert(h.pending, at, e)
		}
	}
	if h.wake != nil {
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
}

// form turns pending events that are due into deliveries.
func (c *Core) form(now time.Time) {
	h := &c.hooks
	var later, ready []Event
	for _, e := range h.pending {
		if e.due.After(now) {
			later = append(later, e)
		} else {
			ready = append(ready, e)
		}
	}
	h.pending = later
	for part := range slices.Chunk(ready, max(1, c.app.PackLimit())) {
		h.lastID++
		h.queue = append(h.queue, &Delivery{ID: h.lastID, Events: slices.Clone(part), Due: now, Status: DeliveryWaiting})
	}
}

// Outbox returns the deliveries that wait, as they would be sent now. Events
// held back by Webhooks.Delay are not in it yet.
func (c *Core) Outbox() []Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.form(now)
	out := make([]Delivery, 0, len(c.hooks.queue))
	for _, d := range c.hooks.queue {
		d.Packed = c.app.Pack(c.hooks.cfg, d.Events, d.Attempt, now)
		out = append(out, *d)
	}
	return out
}

// Take hands the waiting deliveries to a caller that carries them itself, as a
// simulation does; the fake does not try them again.
func (c *Core) Take() []Delivery {
	out := c.Outbox()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range out {
		out[i].Status = DeliveryTaken
		c.remember(out[i])
	}
	c.hooks.queue = slices.DeleteFunc(c.hooks.queue, func(d *Delivery) bool {
		return slices.ContainsFunc(out, func(o Delivery) bool { return o.ID == d.ID })
	})
	return out
}

// Deliver sends what is due now, one delivery after the other, and returns how
// many the receiver took. Failed ones wait as the app would.
func (c *Core) Deliver(ctx context.Context, client *http.Client) (taken int, err error) {
	c.mu.Lock()
	c.form(c.now())
	due := slices.Clone(c.hooks.queue)
	c.mu.Unlock()
	for _, d := range due {
		if err := ctx.Err(); err != nil {
			return taken, err
		}
		c.mu.Lock()
		now := c.now()
		if d.Due.After(now) || d.Status != DeliveryWaiting {
			c.mu.Unlock()
			continue
		}
		p := c.app.Pack(c.hooks.cfg, d.Events, d.Attempt, now)
		d.Packed = p
		c.mu.Unlock()

		status, body, err := send(ctx, client, p)
		if ctx.Err() != nil {
			return taken, ctx.Err()
		}
		if c.settle(d, status, body, err) {
			taken++
		}
	}
	return taken, nil
}

func send(ctx context.Context, client *http.Client, p Packed) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, HookTimeout)
	defer cancel()
	req, err := p.Request(ctx)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, body, err
}

func (c *Core) settle(d *Delivery, status int, body []byte, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.Attempt++
	d.HTTPStatus, d.Error = status, ""
	if err != nil {
		d.Error = err.Error()
	}
	ok := err == nil && c.app.Accepted(status, body)
	if ok {
		d.Status = DeliveryDelivered
	} else if wait, again := c.app.RetryIn(d.Attempt); again {
		d.Due = c.now().Add(time.Duration(float64(wait) * c.cfg.RetryScale))
		return false
	} else {
		d.Status = DeliveryGivenUp
	}
	c.remember(*d)
	c.hooks.queue = slices.DeleteFunc(c.hooks.queue, func(q *Delivery) bool { return q == d })
	return ok
}

func (c *Core) remember(d Delivery) {
	h := &c.hooks
	if len(h.log) >= maxDeliveryLog {
		h.log = slices.Delete(h.log, 0, maxDeliveryLog/10)
	}
	h.log = append(h.log, d)
}

// Deliveries returns the ended deliveries, oldest first, then the waiting ones,
// and how many events were dropped on purpose.
func (c *Core) Deliveries() (all []Delivery, dropped int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all = slices.Clone(c.hooks.log)
	for _, d := range c.hooks.queue {
		all = append(all, *d)
	}
	return all, c.hooks.dropped
}

// nextDue returns when something wants to be sent; false when nothing waits.
func (c *Core) nextDue() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var at time.Time
	for _, e := range c.hooks.pending {
		if at.IsZero() || e.due.Before(at) {
			at = e.due
		}
	}
	for _, d := range c.hooks.queue {
		if at.IsZero() || d.Due.Before(at) {
			at = d.Due
		}
	}
	return at.Sub(c.now()), !at.IsZero()
}

// Run delivers events as they come until ctx ends, in real time. Only one Run
// may be active.
func (c *Core) Run(ctx context.Context, client *http.Client) error {
	wake := make(chan struct{}, 1)
	c.mu.Lock()
	c.hooks.wake = wake
	c.mu.Unlock()
	for {
		if _, err := c.Deliver(ctx, client); err != nil {
			return err
		}
		wait, any := c.nextDue()
		if !any {
			wait = time.Hour
		}
		t := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-wake:
		case <-t.C:
		}
		t.Stop()
	}
}
