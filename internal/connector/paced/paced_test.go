package paced

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestS18_NoWindowHoldsMoreThanTheLimit lets workers call at random times and
// looks at every window of the app's length.
func TestS18_NoWindowHoldsMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := crm.Limits{
			BurstCalls:  rapid.IntRange(1, 40).Draw(t, "burst"),
			BurstWindow: time.Duration(rapid.IntRange(200, 12000).Draw(t, "ms")) * time.Millisecond,
			DailyCalls:  rapid.SampledFrom([]int{0, 0, 50, 1000}).Draw(t, "daily"),
		}
		if rapid.Bool().Draw(t, "search") {
			l.SearchCalls, l.SearchWindow = rapid.IntRange(1, 6).Draw(t, "searches"), time.Second
		}
		c := newClock()
		a, s := newApp(l, c.Now), newStore(c.Now)
		flaky := rapid.Bool().Draw(t, "answers are lost")
		s.after = func(n int) error {
			if flaky && n%5 == 0 {
				return &fault.Error{Kind: fault.Unavailable, MayHaveLanded: true}
			}
			return nil
		}
		workers := make([]connector.Connector, rapid.IntRange(1, 6).Draw(t, "workers"))
		for i := range workers {
			workers[i] = Wrap(bare{app: a}, budget(s, c.Now))
		}
		ctxs := []context.Context{context.Background(), connector.Foreground(context.Background())}
		for range rapid.IntRange(50, 200).Draw(t, "steps") {
			w := workers[rapid.IntRange(0, len(workers)-1).Draw(t, "worker")]
			ctx := ctxs[rapid.IntRange(0, 1).Draw(t, "person")]
			var err error
			switch rapid.IntRange(0, 5).Draw(t, "call") {
			case 0:
				_, err = w.Changes(ctx, connector.ChangesRequest{})
			case 1:
				_, err = w.Changes(ctx, connector.ChangesRequest{Full: true})
			case 2:
				_, err = w.Test(ctx)
			default:
				_, err = w.BatchRead(ctx, "contacts", nil, nil)
			}
			if err != nil && !fault.Is(err, fault.Throttled) {
				t.Fatalf("unexpected: %v", err)
			}
			c.Advance(time.Duration(rapid.IntRange(0, 400).Draw(t, "pause")) * time.Millisecond)
		}
		burst := []lane{laneCall, laneBoth}
		if l.SearchCalls == 0 {
			burst = append(burst, laneSearch)
		} else if n := a.busiest(l.SearchWindow, laneSearch, laneBoth); n > l.SearchCalls {
			t.Errorf("%d searches in %s, allowed %d", n, l.SearchWindow, l.SearchCalls)
		}
		if n := a.busiest(l.BurstWindow, burst...); n > l.BurstCalls {
			t.Errorf("%d calls in %s, allowed %d", n, l.BurstWindow, l.BurstCalls)
		}
		if n := a.count(laneCall, laneSearch, laneBoth); l.DailyCalls > 0 && n > l.DailyCalls {
			t.Errorf("%d calls in a day, allowed %d", n, l.DailyCalls)
		}
	})
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// TestS18_BusyWorkersShareTheBudget: many workers that call as fast as they
// may stay within the limit, and use most of it.
func TestS18_BusyWorkersShareTheBudget(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		l       crm.Limits
		workers int
		least   float64 // share of the limit used
	}{
		"one worker":         {crm.Limits{BurstCalls: 190, BurstWindow: 10 * time.Second}, 1, 0.80},
		"ten workers":        {crm.Limits{BurstCalls: 190, BurstWindow: 10 * time.Second}, 10, 0.75},
		"2 calls in 5 s":     {crm.Limits{BurstCalls: 2, BurstWindow: 5 * time.Second}, 10, 0.60},
		"a short window":     {crm.Limits{BurstCalls: 10, BurstWindow: time.Second}, 3, 0.40},
		"more than are left": {crm.Limits{BurstCalls: 5, BurstWindow: 10 * time.Second}, 20, 0.70},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, s := newApp(c.l, time.Now), newStore(time.Now)
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				var wg sync.WaitGroup
				for range c.workers {
					b := budget(s, time.Now)
					b.Sleep, b.MaxWait = sleep, time.Minute
					w := Wrap(bare{app: a}, b)
					wg.Go(func() {
						for ctx.Err() == nil {
							if _, err := w.BatchRead(ctx, "contacts", nil, nil); err != nil && ctx.Err() == nil {
								if !fault.Is(err, fault.Throttled) {
									t.Errorf("unexpected: %v", err)
								}
								sleep(ctx, max(fault.RetryAfter(err), time.Millisecond))
							}
							sleep(ctx, 10*time.Millisecond) // the call itself
						}
					})
				}
				wg.Wait()
				if n := a.busiest(c.l.BurstWindow, laneCall); n > c.l.BurstCalls {
					t.Errorf("%d calls in %s, allowed %d", n, c.l.BurstWindow, c.l.BurstCalls)
				}
				possible := float64(c.l.BurstCalls) * float64(time.Minute) / float64(c.l.BurstWindow)
				if used := float64(a.count(laneCall)); used < c.least*possible {
					t.Errorf("%.0f calls of %.0f possible ones: less than %.0f %%", used, possible, 100*c.least)
				}
				writes, _ := s.counts()
				t.Logf("%d calls of %.0f, %d writes", a.count(laneCall), possible, writes)
			})
		})
	}
}

func TestS18_DailyQuotaKeepsAReserveForPeople(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := crm.Limits{DailyCalls: 100}
	a, s := newApp(l, c.Now), newStore(c.Now)
	bulk, second := Wrap(bare{app: a}, budget(s, c.Now)), Wrap(bare{app: a}, budget(s, c.Now))
	until := func(ctx context.Context, w connector.Connector) (n int, err error) {
		for ; n < 1000; n++ {
			if _, err = w.BatchRead(ctx, "contacts", nil, nil); err != nil {
				return n, err
			}
		}
		return n, nil
	}
	n, err := until(t.Context(), bulk)
	wait := wantThrottled(t, err, connector.CodeQuota)
	if n != 80 {
		t.Errorf("bulk work made %d of 100 calls, want 80", n)
	}
	n, err = until(connector.Foreground(t.Context()), second)
	wantThrottled(t, err, connector.CodeQuota)
	if n != 20 {
		t.Errorf("people made %d calls after that, want the 20 left", n)
	}
	_, err = bulk.Test(t.Context())
	wantThrottled(t, err, connector.CodeQuota)
	c.Advance(23 * time.Hour)
	_, err = bulk.Test(t.Context())
	wantThrottled(t, err, connector.CodeQuota)
	c.Advance(wait - 23*time.Hour)
	if _, err := bulk.Test(t.Context()); err != nil {
		t.Errorf("after the wait it named, %s: %v", wait, err)
	}
	if wait > 25*time.Hour {
		t.Errorf("the wait is %s, want at most a day and an hour", wait)
	}
}

func TestS18_WindowKeepsAReserveForPeople(t *testing.T) {
	t.Parallel()
	c := newClock()
	a, s := newApp(crm.Limits{BurstCalls: 100, BurstWindow: 10 * time.Second}, c.Now), newStore(c.Now)
	w := Wrap(bare{app: a}, budget(s, c.Now))
	until := func(ctx context.Context) (n int) {
		for {
			if _, err := w.BatchRead(ctx, "contacts", nil, nil); err != nil {
				wantThrottled(t, err, connector.CodeRate)
				return n
			}
			n++
		}
	}
	if n := until(t.Context()); n != 90 {
		t.Errorf("bulk work made %d of 100 calls, want 90", n)
	}
	if n := until(connector.Foreground(t.Context())); n != 10 {
		t.Errorf("people made %d calls after that, want the 10 left", n)
	}
	if n := until(t.Context()); n != 0 {
		t.Errorf("bulk work made %d calls more, want none", n)
	}
}

func TestS18_UnusedCallsComeBack(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := crm.Limits{DailyCalls: 200_000} // slices of up to 64
	a, s := newApp(l, c.Now), newStore(c.Now)
	w := Wrap(bare{app: a}, budget(s, c.Now))
	for range 300 {
		for range 3 {
			if _, err := w.Test(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c.Advance(2 * time.Minute)
	}
	for range 12 { // settle the last slice
		c.Advance(2 * time.Minute)
		if _, err := w.Test(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	item, err := s.Store.Get(t.Context(), store.Key{
		Table: store.Settings, Workspace: "ws_1", Partition: "budget#acc_1", Sort: "budget",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeLedger(item)
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for _, n := range got.Hours {
		counted += n
	}
	if made := a.count(laneCall); counted < made || counted > made+64 {
		t.Errorf("%d calls are counted, %d were made", counted, made)
	}
}

// TestS18_ACallThatWasNotMadeIsNotCounted: the answer to the write that took a day's only
// call is lost. The call is found in the item and given back, and then it is made.
func TestS18_ACallThatWasNotMadeIsNotCounted(t *testing.T) {
	t.Parallel()
	for _, daily := range []int{1, 2} {
		c := newClock()
		a, s := newApp(crm.Limits{DailyCalls: daily}, c.Now), &rough{counting: newStore(c.Now), how: smooth}
		w, ctx := Wrap(bare{app: a}, budget(s, c.Now)), connector.Foreground(t.Context())
		for n := range daily {
			s.how = lost
			if _, err := w.Test(ctx); err != nil {
				t.Errorf("call %d of %d: %v", n+1, daily, err)
			}
		}
		if _, err := w.Test(ctx); a.count(laneCall) != daily {
			t.Errorf("%d calls of %d, then %v", a.count(laneCall), daily, err)
		} else {
			wantThrottled(t, err, connector.CodeQuota)
		}
	}
}

func TestS18_RetryAfterHoldsForAllWorkers(t *testing.T) {
	t.Parallel()
	limits := map[string]crm.Limits{
		"published limits": {
			BurstCalls: 100, BurstWindow: 10 * time.Second, SearchCalls: 5, SearchWindow: time.Second,
			DailyCalls: 10000,
		},
		"no limits published": {},
	}
	for name, l := range limits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			a, s := newApp(l, c.Now), newStore(c.Now)
			workers := make([]connector.Connector, 5)
			for i := range workers {
				workers[i] = Wrap(bare{app: a}, budget(s, c.Now))
				if _, err := workers[i].Test(t.Context()); err != nil { // all hold a slice and a view
					t.Fatal(err)
				}
			}
			neighbour := budget(s, c.Now)
			neighbour.Account = "acc_2"
			free := Wrap(bare{app: a}, neighbour)

			told := &fault.Error{Op: "app", Kind: fault.Throttled, Code: "rate_limited", RetryAfter: 30 * time.Second}
			a.respond(told)
			_, err := workers[0].Test(t.Context())
			if !errors.Is(err, told) {
				t.Fatalf("%v, want the app's own answer", err)
			}
			a.respond(nil)
			c.Advance(time.Second) // Budget.Look
			before := a.count(laneCall)
			for c.Now().Before(newClock().Now().Add(30 * time.Second)) {
				for i, w := range workers {
					_, err := w.Test(connector.Foreground(t.Context()))
					wait := wantThrottled(t, err, "rate_limited")
					if left := newClock().Now().Add(30 * time.Second).Sub(c.Now()); wait < left {
						t.Errorf("worker %d is told to wait %s, the app asks for %s more", i, wait, left)
					}
				}
				if _, err := free.Test(t.Context()); err != nil {
					t.Errorf("another account is kept waiting: %v", err)
				}
				c.Advance(time.Second)
			}
			if n := a.count(laneCall) - before; n != 29 {
				t.Errorf("%d calls went out, want the 29 of the other account", n)
			}
			c.Advance(2 * time.Second)
			for i, w := range workers {
				if _, err := w.Test(t.Context()); err != nil {
					t.Errorf("worker %d after the wait: %v", i, err)
				}
			}
		})
	}
}

// TestS34_AQuotaIsAskedForOnceAMinute: where the app does not say when its quota
// is back, all workers of the account together ask once a minute, and all go on
// within a minute of its end.
func TestS34_AQuotaIsAskedForOnceAMinute(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]crm.Limits{
		"published limits": {
			BurstCalls: 100, BurstWindow: 10 * time.Second, SearchCalls: 5, SearchWindow: time.Second,
			DailyCalls: 10000,
		},
		"no limits published": {},
	} {
		for answer, silent := range map[string]error{
			"refusals": nil, "then silence": &fault.Error{Op: "app", Kind: fault.Unavailable},
		} {
			t.Run(name+", "+answer, func(t *testing.T) {
				t.Parallel()
				c := newClock()
				a, s := newApp(l, c.Now), newStore(c.Now)
				workers := make([]connector.Connector, 5)
				for i := range workers {
					workers[i] = Wrap(bare{app: a}, budget(s, c.Now))
					if _, err := workers[i].Test(t.Context()); err != nil { // all hold a slice and a view
						t.Fatal(err)
					}
				}
				c.Advance(2 * time.Second)
				a.respond(&fault.Error{
					Op: "app", Kind: fault.Throttled, Code: connector.CodeQuota, RetryAfter: time.Minute,
					Guessed: true,
				})
				before := a.count(laneCall)
				for second := range 600 {
					if second == 300 && silent != nil {
						a.respond(silent)
					}
					for i, w := range workers {
						_, err := w.Test(t.Context())
						if silent != nil && second >= 300 && fault.Is(err, fault.Unavailable) {
							continue
						}
						if wait := wantThrottled(t, err, connector.CodeQuota); wait > time.Minute || !fault.Guessed(err) {
							t.Errorf("worker %d is told to wait %s", i, wait)
						}
					}
					c.Advance(time.Second)
				}
				if n := a.count(laneCall) - before; n < 10 || n > 11 {
					t.Errorf("%d calls in ten minutes, want one a minute", n)
				}
				a.respond(nil)
				c.Advance(time.Minute - time.Second)
				for i := 0; i < len(workers); c.Advance(time.Second) {
					_, err := workers[i].Test(t.Context())
					if err == nil {
						i++
					} else if fault.RetryAfter(err) > time.Second {
						t.Fatalf("worker %d is told to wait %s longer than a minute", i, fault.RetryAfter(err))
					}
				}
			})
		}
	}
}

func TestS18_RetryAfterIsWrittenOnce(t *testing.T) {
	t.Parallel()
	c := newClock()
	a, s := newApp(crm.Limits{}, c.Now), newStore(c.Now)
	w := Wrap(bare{app: a}, budget(s, c.Now)).(*conn)
	for range 100 {
		if _, err := w.Test(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if writes, reads := s.counts(); writes != 0 || reads != 1 {
		t.Errorf("%d writes and %d reads for an app without limits, want 0 and 1 a second", writes, reads)
	}
	c.Advance(100 * time.Millisecond)
	// Ten calls that were on the wire together are all answered with 429.
	for range 10 {
		w.pacer.heedErr(t.Context(), &fault.Error{Kind: fault.Throttled, RetryAfter: 10 * time.Second})
		c.Advance(7 * time.Millisecond)
	}
	if writes, _ := s.counts(); writes != 1 {
		t.Errorf("%d writes, want 1", writes)
	}
	// Without a Retry-After there is nothing to keep; other errors keep nothing.
	second := Wrap(bare{app: a}, Budget{Store: s, Workspace: "ws_1", Account: "acc_2", Now: c.Now})
	for _, err := range []error{
		&fault.Error{Kind: fault.Throttled}, &fault.Error{Kind: fault.Unavailable, RetryAfter: time.Minute}, errors.New("x"),
	} {
		a.respond(err)
		if _, got := second.Test(t.Context()); !errors.Is(got, err) {
			t.Errorf("%v, want %v", got, err)
		}
	}
	if writes, _ := s.counts(); writes != 1 {
		t.Errorf("%d writes, want 1", writes)
	}
}

func TestS18_ThrottledRowsCountToo(t *testing.T) {
	t.Parallel()
	calls := map[string]func(context.Context, connector.Connector) error{
		"write": func(ctx context.Context, w connector.Connector) error {
			_, err := w.BatchWrite(ctx, "contacts", make([]connector.Write, 3))
			return err
		},
		"read": func(ctx context.Context, w connector.Connector) error {
			_, err := w.BatchRead(ctx, "contacts", make([]crm.RecordID, 3), nil)
			return err
		},
	}
	for name, call := range calls {
		c := newClock()
		a, s := newApp(crm.Limits{}, c.Now), newStore(c.Now)
		a.rows = &fault.Error{Kind: fault.Throttled, Code: connector.CodeQuota, RetryAfter: time.Hour}
		w := Wrap(bare{app: a}, budget(s, c.Now))
		if err := call(t.Context(), w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if wait := wantThrottled(t, call(t.Context(), w), connector.CodeQuota); wait < time.Hour {
			t.Errorf("%s: wait %s", name, wait)
		}
	}
}

func TestS18_SliceCostsOneWrite(t *testing.T) {
	t.Parallel()
	c := newClock()
	a, s := newApp(crm.Limits{BurstCalls: 190, BurstWindow: 10 * time.Second, DailyCalls: 500_000}, c.Now), newStore(c.Now)
	w := Wrap(bare{app: a}, budget(s, c.Now))
	made := 0
	for made < 1000 {
		_, err := w.BatchRead(t.Context(), "contacts", nil, nil)
		if err != nil {
			c.Advance(wantThrottled(t, err, connector.CodeRate))
			continue
		}
		made++
		c.Advance(25 * time.Millisecond)
	}
	writes, _ := s.counts()
	if writes > made/12 {
		t.Errorf("%d writes for %d calls, want at most one in 12", writes, made)
	}
	t.Logf("%d writes for %d calls", writes, made)
}

func TestS22_WrongClocksCostPaceOnly(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-24 * time.Hour, -time.Minute, time.Minute, 24 * time.Hour} {
		for name, l := range map[string]crm.Limits{
			"limits": {BurstCalls: 10, BurstWindow: 10 * time.Second, DailyCalls: 100_000}, "none": {},
		} {
			t.Run(fmt.Sprint(name, skew), func(t *testing.T) {
				t.Parallel()
				c := newClock()
				wrong := func() time.Time { return c.Now().Add(skew) }
				a, s := newApp(l, c.Now), newStore(func() time.Time { return c.Now().Add(-48 * time.Hour) }) // nothing expires here
				w, odd := Wrap(bare{app: a}, budget(s, c.Now)), Wrap(bare{app: a}, budget(s, wrong))
				a.respond(&fault.Error{Kind: fault.Throttled, RetryAfter: 20 * time.Second})
				_, _ = odd.Test(t.Context())
				a.respond(nil)
				last := c.Now()
				worked := 0
				for range 2000 {
					if _, err := w.Test(t.Context()); err == nil {
						worked++
						last = c.Now()
					} else if !fault.Is(err, fault.Throttled) {
						t.Fatal(err)
					}
					_, _ = odd.Test(t.Context())
					c.Advance(100 * time.Millisecond)
					if c.Now().Sub(last) > time.Minute {
						t.Fatalf("blocked for a minute after %d calls", worked)
					}
				}
				if worked < 50 {
					t.Errorf("%d calls in 200 s", worked)
				}
			})
		}
	}
}

func TestWaitsNoLongerThanAllowed(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := crm.Limits{BurstCalls: 1, BurstWindow: 4 * time.Second}
	a, s := newApp(l, c.Now), newStore(c.Now)
	var slept time.Duration
	b := budget(s, c.Now)
	b.Sleep = func(_ context.Context, d time.Duration) { slept += d; c.Advance(d) }
	b.MaxWait = time.Second
	w := Wrap(bare{app: a}, b)
	if _, err := w.Test(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := w.Test(t.Context())
	wait := wantThrottled(t, err, connector.CodeRate)
	if slept != 0 {
		t.Errorf("slept %s for nothing", slept)
	}
	c.Advance(wait - time.Second)
	if _, err := w.Test(t.Context()); err != nil || slept == 0 || slept > time.Second {
		t.Errorf("slept %s, %v; want the second that was left", slept, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.Sleep = func(context.Context, time.Duration) { cancel() }
	b.MaxWait = time.Hour
	_, err = Wrap(bare{app: a}, b).Test(ctx)
	if !fault.Is(err, fault.Unavailable) || fault.MayHaveLanded(err) {
		t.Errorf("cancelled while waiting: %v", err)
	}
	if n := a.count(laneCall); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

// TestWorkLongerThanAWindowComesToItsEnd: a piece of work of one worker needs many
// times the calls that a short window holds: each waits for the next window, and none
// is refused, for then all of it would begin anew.
func TestWorkLongerThanAWindowComesToItsEnd(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := crm.Limits{BurstCalls: 4, BurstWindow: 2 * time.Second, SearchCalls: 2, SearchWindow: 2 * time.Second}
	a, s := newApp(l, c.Now), newStore(c.Now)
	b := budget(s, c.Now)
	b.Sleep = func(_ context.Context, d time.Duration) { c.Advance(d) }
	b.MaxWait = time.Second
	w := Wrap(bare{app: a}, b)
	for i := range 20 {
		if _, err := w.Test(t.Context()); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		if _, err := w.Changes(t.Context(), connector.ChangesRequest{}); err != nil {
			t.Fatalf("search %d: %v", i, err)
		}
	}
	if n := a.busiest(2*time.Second, laneCall); n > 4 {
		t.Errorf("%d calls within a window of 4", n)
	}
	if n := a.busiest(2*time.Second, laneSearch); n > 2 {
		t.Errorf("%d searches within a window of 2", n)
	}
}

func TestStoreOutageSendsNothing(t *testing.T) {
	t.Parallel()
	c := newClock()
	a := newApp(crm.Limits{BurstCalls: 10, BurstWindow: time.Second}, c.Now)
	for name, s := range map[string]store.Store{
		"reads fail": down{readFails: true, Store: newStore(c.Now)}, "writes fail": down{Store: newStore(c.Now)},
	} {
		w := Wrap(bare{app: a}, budget(s, c.Now))
		_, err := w.BatchWrite(t.Context(), "contacts", nil)
		if !fault.Is(err, fault.Unavailable) || fault.MayHaveLanded(err) {
			t.Errorf("%s: %v, want Unavailable and nothing landed", name, err)
		}
	}
	if n := a.count(laneCall); n != 0 {
		t.Errorf("%d calls went out unpaced", n)
	}
}

// down is a store whose answers are lost.
type down struct {
	store.Store
	readFails bool
}

func (d down) Get(ctx context.Context, k store.Key) (store.Item, error) {
	if d.readFails {
		return store.Item{}, context.DeadlineExceeded
	}
	return d.Store.Get(ctx, k)
}

func (d down) Write(context.Context, store.Write) (int64, error) {
	return 0, &fault.Error{Op: "store", Kind: fault.Unavailable}
}

func TestExtrasStayVisible(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := crm.Limits{
		IndexLag: 5 * time.Second, BurstCalls: 100, BurstWindow: time.Second, SearchCalls: 50, SearchWindow: time.Second,
	}
	ctx := t.Context()
	calls := map[string]func(connector.Connector) error{
		"deleted": func(x connector.Connector) error {
			_, err := x.Extras().Deleted(ctx, "o", "", "")
			return err
		},
		"history": func(x connector.Connector) error {
			_, err := x.Extras().History(ctx, "o", nil, nil)
			return err
		},
		"create_field": func(x connector.Connector) error {
			_, err := x.Extras().CreateField(ctx, "o", crm.Field{})
			return err
		},
		"delete_field": func(x connector.Connector) error {
			return x.Extras().DeleteField(ctx, "o", "f")
		},
		"owner_by_email": func(x connector.Connector) error {
			_, err := x.Extras().OwnerByEmail(ctx, "e")
			return err
		},
		"owner_email": func(x connector.Connector) error {
			_, err := x.Extras().OwnerEmail(ctx, "1")
			return err
		},
	}
	for name, call := range calls {
		var seen []string
		b := budget(newStore(c.Now), c.Now)
		b.OnCall = func(id crm.AccountID, method string) { seen = append(seen, string(id)+" "+method) }
		if err := call(Wrap(full{bare{app: newApp(l, c.Now)}}, b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if fmt.Sprint(seen) != "[acc_1 "+name+"]" {
			t.Errorf("%s: counted as %v", name, seen)
		}
	}
	inner := bare{app: newApp(l, c.Now)}
	connectortest.Forwards(t, inner, func(in connector.Connector) connector.Connector {
		return Wrap(in, budget(newStore(c.Now), c.Now))
	})
	withLag, without := Wrap(full{bare{app: newApp(l, c.Now)}}, budget(newStore(c.Now), c.Now)),
		Wrap(bare{app: newApp(l, c.Now)}, budget(newStore(c.Now), c.Now))
	for _, x := range []struct {
		c     connector.Connector
		field string
		want  time.Duration
	}{{withLag, "id", 0}, {withLag, "email", l.IndexLag}, {without, "id", l.IndexLag}} {
		if got := connector.FindLag(x.c, "contacts", crm.Field{Name: x.field}); got != x.want {
			t.Errorf("FindLag(%s) = %s, want %s", x.field, got, x.want)
		}
	}
}

// TestLanesMatchTheApp: what counts as a search takes from the searches, and a
// look-up without lag does not.
func TestLanesMatchTheApp(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := crm.Limits{
		IndexLag: 5 * time.Second, BurstCalls: 100, BurstWindow: 10 * time.Second, SearchCalls: 2,
		SearchWindow: time.Second,
	}
	a := newApp(l, c.Now)
	w := Wrap(full{bare{app: a}}, budget(newStore(c.Now), c.Now))
	find := func(field string) error {
		_, err := w.BatchFind(t.Context(), "contacts", crm.Field{Name: field}, nil, nil)
		return err
	}
	for range 2 {
		if err := find("email"); err != nil {
			t.Fatal(err)
		}
	}
	wantThrottled(t, find("email"), connector.CodeRate)
	_, err := w.Changes(t.Context(), connector.ChangesRequest{Full: true})
	wantThrottled(t, err, connector.CodeRate)
	for range 50 {
		if err := find("id"); err != nil {
			t.Fatalf("look-ups without lag wait for searches: %v", err)
		}
	}
}

// TestS18_TheAuditLeavesTheReserve makes calls that nobody needs now: they are
// refused, unsent, as soon as half of what bulk work may use is spent, by
// whomever, and never wait; bulk work and people go on as if they had not been.
func TestS18_TheAuditLeavesTheReserve(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]crm.Limits{
		"a window":      {BurstCalls: 100, BurstWindow: 10 * time.Second},
		"a daily quota": {DailyCalls: 100},
		"both":          {BurstCalls: 100, BurstWindow: 10 * time.Second, DailyCalls: 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			a, s := newApp(l, c.Now), newStore(c.Now)
			b := budget(s, c.Now)
			b.Sleep = func(_ context.Context, d time.Duration) { c.Advance(d) }
			b.MaxWait = time.Hour
			w := Wrap(bare{app: a}, b)
			read := func(ctx context.Context) error {
				_, err := w.BatchRead(ctx, "contacts", nil, nil)
				return err
			}
			at, made := c.Now(), 0
			for made < 1000 && read(connector.Spare(t.Context())) == nil {
				made++
			}
			if least, most := 35, 50; made < least || made > most {
				t.Errorf("%d of 100 calls were made that nobody needs, want %d to %d", made, least, most)
			}
			if !c.Now().Equal(at) || a.count(laneCall) != made {
				t.Errorf("a call that nobody needs waited for %s, or was sent: %d of %d", c.Now().Sub(at), a.count(laneCall), made)
			}
			if err := read(t.Context()); err != nil {
				t.Errorf("bulk work: %v", err)
			}
			if err := read(connector.Foreground(t.Context())); err != nil {
				t.Errorf("a person: %v", err)
			}
		})
	}
}
