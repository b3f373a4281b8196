package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/backoff"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

const (
	// workers is how many pieces of work run at once. Work of one sync never
	// runs beside other work of it, plans excepted.
	workers = 2
	// lookQueue is how often idle workers look by themselves, for messages whose
	// time-out has passed; all else wakes them.
	lookQueue = 250 * time.Millisecond
	// tickBusy is how long the tick waits between two looks while runs are open.
	tickBusy = 100 * time.Millisecond
	// Nothing open: parked work is sent at most an eighth of its wait too late.
	tickIdle, tickIdleMost = time.Second, time.Minute
	// lookSchedule is how often schedules are looked at.
	lookSchedule = time.Second
	// pulls is how many scheduled pulls list at once.
	pulls = 4
	// Expired items are removed so many at a time.
	purgeEvery, purgeSlice = time.Minute, 500
	// lookAlerts is how often it is looked what is wrong, and messages that are due are sent.
	lookAlerts = time.Minute
	// moveEvery is how often the move of secrets is gone on with until it is done.
	moveEvery = time.Minute
)

// Run works until ctx ends, then finishes the pieces of work in hand, which
// takes at most some seconds, and returns. Everything else continues at the
// next start.
func (a *App) Run(ctx context.Context) error {
	// Work in hand is not cut off: it goes on under a context of its own that
	// ends only when the grace is over.
	hand, drop := context.WithCancel(context.WithoutCancel(ctx))
	defer drop()
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(a.tuning.Budget+a.tuning.HTTPDeadline, drop)
		context.AfterFunc(hand, func() { t.Stop() })
	})
	defer stop()

	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { a.work(ctx, hand) })
	}
	wg.Go(func() { a.ticks(ctx) })
	wg.Go(func() { a.schedule(ctx) })
	wg.Go(func() { a.alerts(ctx) })
	if a.kept.purge != nil {
		wg.Go(func() { a.purge(ctx) })
	}
	if a.kept.move != nil {
		wg.Go(func() { a.move(ctx) })
	}
	wg.Wait()
	return nil
}

// work takes messages and works them until ctx ends.
func (a *App) work(ctx, hand context.Context) {
	asking := ctx
	if a.kept.news == nil {
		// A queue that is asked and left may give its next message to nobody, and
		// hide it: what it gives at the end is worked, too.
		asking = hand
	}
	for ctx.Err() == nil {
		ds, err := a.Queue.Receive(asking, queue.MaxBatch, a.visibility())
		switch {
		case ctx.Err() != nil && len(ds) == 0:
			return
		case err != nil:
			a.log.Error("queue not readable", "error", err)
			pause(ctx, nil, tickIdle)
		case len(ds) == 0 && a.kept.news != nil:
			pause(ctx, a.kept.news, lookQueue)
		case len(ds) == 0: // it has waited at the queue
		default:
			verdicts := a.Engine.Work(hand, ds)
			a.measure(ds, verdicts)
			a.settle(hand, verdicts)
			a.tick.ring()
		}
	}
}

// measure tells the metrics of work that has ended.
func (a *App) measure(ds []queue.Delivery, verdicts []engine.Verdict) {
	if a.metrics == nil {
		return
	}
	for i := range verdicts {
		if verdicts[i].Ack {
			a.metrics.Worked(ds[i].Body, a.now())
		}
	}
}

// visibility is how long messages are hidden from the other worker: as long as
// the lease under which they are worked, and a little more.
func (a *App) visibility() time.Duration { return a.tuning.Lease + 2*time.Second }

// settle removes what was worked and hands the rest back. Trouble here is no
// loss: a message that stays is worked again and found to be done.
func (a *App) settle(ctx context.Context, verdicts []engine.Verdict) {
	var done []string
	later := map[time.Duration][]string{}
	for _, v := range verdicts {
		if v.Ack {
			done = append(done, v.Receipt)
		} else {
			later[v.Retry] = append(later[v.Retry], v.Receipt)
		}
	}
	errs := a.Queue.Delete(ctx, done)
	for wait, receipts := range later {
		errs = append(errs, a.Queue.SetVisibility(ctx, receipts, wait)...)
	}
	for _, err := range errs {
		if err != nil && !fault.Is(err, fault.NotFound) {
			a.log.Warn("verdict not given to the queue", "error", err)
		}
	}
}

// ticks wakes what waits in the store: at once when something may have come,
// often while runs are open, else now and then.
func (a *App) ticks(ctx context.Context) {
	last := a.now() // that something was going on
	for ctx.Err() == nil {
		busy, err := a.Engine.Round(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Error("tick failed", "error", err)
		}
		now := a.now()
		if busy {
			last = now
			pause(ctx, a.tick.heard(), tickBusy)
			continue
		}
		idle := min(max(now.Sub(last)/8, tickIdle), tickIdleMost)
		if left, ok := a.Engine.Backoff(); ok {
			idle = min(idle, max(left, tickIdle)) // a sync whose app is down is tried again when it is due
		}
		if pause(ctx, a.tick.heard(), idle) {
			last = a.now()
		}
	}
}

// schedule fires the syncs' schedules, one pull of a sync at a time.
func (a *App) schedule(ctx context.Context) {
	s := schedule{
		app: a, pull: a.Engine.Pull, slots: make(chan struct{}, pulls),
		running: map[engine.SyncRef]bool{}, waits: map[engine.SyncRef]pullWait{},
	}
	defer s.wg.Wait()
	for ctx.Err() == nil {
		err := a.eachWorkspace(ctx, func(ws crm.WorkspaceID) error {
			due, err := a.Engine.DuePulls(ctx, ws, a.now())
			for _, ref := range due {
				s.fire(ctx, ref)
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			a.log.Error("schedules not readable", "error", err)
		}
		pause(ctx, nil, a.kept.look)
	}
}

// alerts looks what is wrong with connections, and tells.
func (a *App) alerts(ctx context.Context) {
	for ctx.Err() == nil {
		err := a.eachWorkspace(ctx, func(ws crm.WorkspaceID) error { return a.Alerts.Round(ctx, ws) })
		if err != nil && ctx.Err() == nil {
			a.log.Warn("alerts not looked after; tried again in a minute", "error", err)
		}
		pause(ctx, nil, lookAlerts)
	}
}

// schedule is what the scheduler remembers.
type schedule struct {
	app   *App
	pull  func(context.Context, crm.WorkspaceID, crm.ConnectionID, crm.SyncID) error
	slots chan struct{}
	wg    sync.WaitGroup

	mu      sync.Mutex
	running map[engine.SyncRef]bool
	waits   map[engine.SyncRef]pullWait
}

// pullWait is how long a sync whose pull failed is left alone.
type pullWait struct {
	until time.Time
	wait  time.Duration
}

// pullBackoff is how failing pulls are tried again.
var pullBackoff = backoff.Policy{First: 5 * time.Second, Most: 5 * time.Minute}

// fire starts a pull unless one is under way, or failed a moment ago, or all
// slots are taken; then the next look finds it due again.
func (s *schedule) fire(ctx context.Context, ref engine.SyncRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[ref] || s.app.now().Before(s.waits[ref].until) {
		return
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return
	}
	s.running[ref] = true
	s.wg.Go(func() {
		err := s.pull(ctx, ref.Workspace, ref.Connection, ref.Sync)
		s.pulled(ctx, ref, err)
		<-s.slots
	})
}

func (s *schedule) pulled(ctx context.Context, ref engine.SyncRef, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, ref)
	s.app.tick.ring()
	if err == nil || fault.Is(err, fault.Conflict) { // the tick was faster with the same run, and goes on with it
		delete(s.waits, ref)
		return
	}
	if ctx.Err() != nil {
		return
	}
	r := s.waits[ref]
	r.wait = min(max(pullBackoff.Next(r.wait), fault.RetryAfter(err)), pullBackoff.Most)
	r.until = s.app.now().Add(r.wait)
	s.waits[ref] = r
	level := slog.LevelWarn
	if fault.Is(err, fault.Throttled) {
		level = slog.LevelDebug // a limit: it goes on by itself
	}
	s.app.log.Log(ctx, level, "pull failed", "connection", ref.Connection, "sync", ref.Sync, "kind", fault.KindOf(err),
		"code", fault.CodeOf(err), "error", err, "again_in", r.wait)
}

// purge removes expired items, a slice at a time, so that nobody waits for it.
func (a *App) purge(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := a.kept.purge(ctx, purgeSlice)
		if err != nil && ctx.Err() == nil {
			a.log.Warn("expired items not removed", "error", err)
		}
		if n < purgeSlice {
			pause(ctx, nil, purgeEvery)
		} else {
			pause(ctx, nil, lookQueue)
		}
	}
}

// move goes on with the move of secrets to partitions of their own until it is done.
func (a *App) move(ctx context.Context) {
	for ctx.Err() == nil {
		switch done, err := a.kept.move(ctx); {
		case done:
			return
		case err != nil && ctx.Err() == nil:
			a.log.Warn("secrets not moved to partitions of their own; tried again in a minute", "error", err)
		}
		pause(ctx, nil, moveEvery)
	}
}

// pause waits for d, a ring or the end of ctx; rung reports a ring.
func pause(ctx context.Context, bell <-chan struct{}, d time.Duration) (rung bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-bell:
		return true
	}
	return false
}

// bell wakes one sleeper; rings while it is awake count as one.
type bell struct{ c chan struct{} }

func newBell() *bell { return &bell{make(chan struct{}, 1)} }

func (b *bell) ring() {
	select {
	case b.c <- struct{}{}:
	default:
	}
}

func (b *bell) heard() <-chan struct{} { return b.c }
