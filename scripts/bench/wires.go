package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/paced"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

const (
	// onTheWire is how long each call to an app takes.
	onTheWire = 200 * time.Millisecond
	// grain is how exactly things happen: the longest that anything waits to be
	// noticed beyond its time.
	grain = 100 * time.Millisecond
	// The program's own waits: see internal/app.
	maxWait, roundBusy, roundIdle = time.Second, 100 * time.Millisecond, time.Second
	hubDaily, forceDaily          = 250_000, 100_000
)

// wires is a bed under the apps' limits, worked by one worker as the program
// does: it pulls by schedule, goes its rounds and takes deliveries in, while
// users edit. Time passes only on the wire, while it waits for its turn, and
// when there is nothing to do.
type wires struct {
	*testbed.Bed
	ctx   context.Context //nolint:containedctx // of the one measurement that this is
	plan  []*edit         // to come, in order
	edits []*edit         // made
	err   error           // of a user or a delivery

	others   []engine.RecordView // edited by others, in turn
	each     int                 // a second
	turn     int
	started  time.Time
	hooks    bool
	busy     bool          // something is happening: time does not pass inside it
	interval time.Duration // of pulls
	nextPull time.Time
	nextTick time.Time
}

// edit is a measured edit of a linked record.
type edit struct {
	side        crm.Side
	ids         [2]string
	text        string
	at, arrived time.Time
}

// newWires makes a bed whose people are in step, under the apps' limits.
func newWires(ctx context.Context, people int) (*wires, error) {
	w := &wires{ctx: ctx, interval: 5 * time.Minute}
	clock := testbed.NewClock()
	store := memstore.New(clock.Now)
	wait := func(_ context.Context, d time.Duration) { w.pass(d) }
	var err error
	w.Bed, err = testbed.New(ctx, testbed.Options{
		People: people, Clock: clock, Store: store, Tuning: app.LocalTuning(),
		Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
			return paced.Wrap(c, paced.Budget{
				Store: store, Workspace: testbed.Workspace, Account: id, Now: clock.Now, Sleep: wait, MaxWait: maxWait,
				Holder: "bench",
				OnCall: func(crm.AccountID, string) { w.pass(onTheWire) },
			})
		},
	}, nil)
	if err != nil {
		return nil, err
	}
	w.Hub.Core().SetLimits(hubspotfake.OwnLimits)
	w.Hub.Core().SetLag(5*time.Second, true)
	w.Force.Core().SetLimits(fakekit.Limits{Daily: forceDaily})
	if _, err := w.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection); err != nil {
		return nil, err
	}
	if err := w.Drain(ctx); err != nil {
		return nil, err
	}
	w.nextPull, w.nextTick = w.Now(), w.Now()
	for range 2 { // meet our own writes again
		if err := w.run(ctx, func() bool { return w.nextPull.After(w.Now()) }); err != nil {
			return nil, err
		}
		w.pass(w.interval)
	}
	return w, w.run(ctx, func() bool { return w.nextPull.After(w.Now()) })
}

// hear has both apps send webhooks from now on.
func (w *wires) hear() {
	for _, core := range []*fakekit.Core{w.Hub.Core(), w.Force.Core()} {
		core.SetWebhooks(fakekit.Webhooks{URL: "https://lockstep.example/hooks/bench", Secret: hubspotfake.ClientSecret})
	}
	w.hooks = true
}

// background has others edit records: each a second, on the two sides in turn.
func (w *wires) background(records []engine.RecordView, each int) {
	w.others, w.each, w.started = records, each, w.Now()
}

// pass lets time pass, and happen what is due meanwhile.
func (w *wires) pass(d time.Duration) {
	if w.busy {
		return
	}
	w.busy = true
	defer func() { w.busy = false }()
	for d > 0 {
		step := min(d, grain)
		w.Move(step)
		d -= step
		if w.Bed != nil && w.err == nil {
			w.err = w.happen()
		}
	}
}

// happen makes the edits that are due, looks which ones have arrived, and
// takes in what the apps tell.
func (w *wires) happen() error {
	now := w.Now()
	for len(w.plan) > 0 && !w.plan[0].at.After(now) {
		e := w.plan[0]
		e.at = now
		w.plan, w.edits = w.plan[1:], append(w.edits, e)
		if err := w.change(e.side, e.ids, e.text); err != nil {
			return err
		}
	}
	if len(w.plan) > 0 {
		for due := int(now.Sub(w.started).Seconds() * float64(w.each)); w.turn < due; w.turn++ {
			p := w.others[w.turn%len(w.others)]
			if err := w.change(crm.Sides[w.turn%2], [2]string{string(p.ID), string(p.Partner)},
				fmt.Sprint("Other ", w.turn)); err != nil {
				return err
			}
		}
	}
	for _, e := range w.edits {
		if e.arrived.IsZero() && w.shows(e) {
			e.arrived = now
		}
	}
	if !w.hooks {
		return nil
	}
	if err := w.takeIn(hubspot.Driver().Webhooks, w.Hub.Core(), testbed.LeftAccount,
		fmt.Sprint(hubspotfake.PortalID)); err != nil {
		return err
	}
	return w.takeIn(salesforce.Driver().Webhooks, w.Force.Core(), testbed.RightAccount, w.Force.OrgID())
}

// change is one edit by a user.
func (w *wires) change(side crm.Side, ids [2]string, text string) error {
	var err error
	if side == crm.Left {
		_, err = w.Hub.Core().UpdateRecord("contacts", ids[0], map[string]string{"jobtitle": text})
	} else {
		_, err = w.Force.Core().UpdateRecord("Contact", ids[1], map[string]string{"Title": text})
	}
	return err
}

// shows reports whether an edit stands on the other side.
func (w *wires) shows(e *edit) bool {
	core, object, field := w.Force.Core(), "Contact", "Title"
	if e.side == crm.Right {
		core, object, field = w.Hub.Core(), "contacts", "jobtitle"
	}
	core.Lock()
	defer core.Unlock()
	t, ok := core.Table(object)
	if !ok {
		return false
	}
	r, ok := t.Get(e.ids[e.side.Other().Index()])
	return ok && r.Fields[field] == e.text
}

// takeIn takes an app's deliveries in, checks included.
func (w *wires) takeIn(hooks connector.Webhooks, core *fakekit.Core, account crm.AccountID, external string) error {
	for _, d := range core.Take() {
		req := connector.WebhookRequest{
			Method: d.Packed.Method, URL: d.Packed.URL, Header: d.Packed.Header, Body: d.Packed.Body,
		}
		if err := hooks.Verify(req, connector.WebhookTrust{
			Secret: secret.NewText(hubspotfake.ClientSecret), ExternalID: external,
		}, w.Now()); err != nil {
			return err
		}
		events, err := hooks.Parse(req)
		if err != nil {
			return err
		}
		if err := w.Engine.Webhook(w.ctx, testbed.Workspace, account, events); err != nil {
			return err
		}
	}
	return nil
}

// settled reports whether every planned edit was made and has arrived.
func (w *wires) settled() bool {
	for _, e := range w.edits {
		if e.arrived.IsZero() {
			return false
		}
	}
	return len(w.plan) == 0
}

// run works until done, for at most two simulated hours.
func (w *wires) run(ctx context.Context, done func() bool) error {
	for end := w.Now().Add(2 * time.Hour); w.Now().Before(end); {
		if w.err != nil {
			return w.err
		}
		if err := w.pullDue(ctx); err != nil {
			return err
		}
		n, err := w.workOnce(ctx)
		if err != nil {
			return err
		}
		if !w.Now().Before(w.nextTick) || n > 0 {
			busy, err := w.Engine.Round(ctx)
			if err != nil {
				return err
			}
			w.nextTick = w.Now().Add(roundIdle)
			if busy {
				w.nextTick = w.Now().Add(roundBusy)
			}
		}
		if done() {
			return nil
		}
		if n == 0 {
			w.pass(grain)
		}
	}
	return fmt.Errorf("not done after two simulated hours; %d edits still to be made", len(w.plan))
}

// pullDue pulls when the schedule says so, and again soon when a limit was in the way.
func (w *wires) pullDue(ctx context.Context) error {
	if w.Now().Before(w.nextPull) {
		return nil
	}
	due := w.nextPull
	err := w.Engine.Pull(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts)
	switch {
	case err == nil:
		for w.nextPull = due; !w.nextPull.After(w.Now()); {
			w.nextPull = w.nextPull.Add(w.interval)
		}
		return nil
	case fault.Is(err, fault.Throttled):
		w.nextPull = w.Now().Add(max(fault.RetryAfter(err), 5*time.Second))
		return nil
	}
	return err
}

// workOnce takes one batch of messages and works it.
func (w *wires) workOnce(ctx context.Context) (int, error) {
	ds, err := w.Queue.Receive(ctx, queue.MaxBatch, app.LocalTuning().Lease+2*time.Second)
	if err != nil || len(ds) == 0 {
		return 0, err
	}
	var acks []string
	for _, v := range w.Engine.Work(ctx, ds) {
		if v.Ack {
			acks = append(acks, v.Receipt)
		} else if errs := w.Queue.SetVisibility(ctx, []string{v.Receipt}, v.Retry); errs != nil {
			return len(ds), errs[0]
		}
	}
	if errs := w.Queue.Delete(ctx, acks); errs != nil {
		return len(ds), errs[0]
	}
	return len(ds), nil
}
