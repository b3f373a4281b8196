package paced

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// rough is a store one of whose writes goes wrong.
type rough struct {
	*counting
	how string // the next write
}

const (
	smooth      = "no trouble"
	unavailable = "the write fails"
	lost        = "the answer is lost"
	raced       = "somebody writes in between"
	unreadable  = "the next read fails"
)

func (r *rough) Get(ctx context.Context, k store.Key) (store.Item, error) {
	if r.how == unreadable {
		r.how = smooth
		return store.Item{}, &fault.Error{Op: "store", Kind: fault.Unavailable}
	}
	return r.counting.Get(ctx, k)
}

func (r *rough) Write(ctx context.Context, w store.Write) (int64, error) {
	how := r.how
	r.how = smooth
	switch how {
	case unavailable:
		return 0, &fault.Error{Op: "store", Kind: fault.Unavailable}
	case raced:
		item, err := r.counting.Get(ctx, w.Item.Key)
		if err == nil {
			_, err = r.counting.Write(ctx, store.Write{Item: item}) // the same, as a newer version
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return 0, err
		}
	case lost:
		if _, err := r.counting.Write(ctx, w); err != nil {
			return 0, err
		}
		return 0, &fault.Error{Op: "store", Kind: fault.Unavailable, MayHaveLanded: true}
	}
	return r.counting.Write(ctx, w)
}

// TestS18_EveryPairOfPauses: an app asks for two waits, of any lengths, one
// within the other, after it or at once, of one worker or of two,
// while storing either goes well or badly. Whoever was told
// never calls before its time is over, all others not once the store knows of
// it; and when it is over everybody calls again.
func TestS18_EveryPairOfPauses(t *testing.T) {
	t.Parallel()
	waits := []time.Duration{time.Second, 4 * time.Second, 11 * time.Second}
	gaps := []time.Duration{0, 300 * time.Millisecond, 2 * time.Second, 6 * time.Second}
	troubles := []string{smooth, unavailable, lost, raced}
	limits := map[string]crm.Limits{
		"limits": {BurstCalls: 1000, BurstWindow: 10 * time.Second, DailyCalls: 10000}, "no limits": {},
	}
	for limit, l := range limits {
		for _, first := range waits {
			for _, second := range waits {
				for _, gap := range gaps {
					for _, one := range troubles {
						for _, two := range troubles {
							for _, same := range []bool{true, false} {
								name := fmt.Sprintf("%s: %s, after %s %s, %s, %s, same worker %t", limit, first, gap, second, one, two, same)
								pairOfPauses(t, name, l, [2]time.Duration{first, second}, gap, [2]string{one, two}, same)
							}
						}
					}
				}
			}
		}
	}
}

func pairOfPauses(
	t *testing.T, name string, l crm.Limits, waits [2]time.Duration, gap time.Duration, troubles [2]string, same bool,
) {
	t.Helper()
	c := newClock()
	a, s := newApp(l, c.Now), &rough{counting: newStore(c.Now)}
	workers := [3]connector.Connector{}
	for i := range workers {
		workers[i] = Wrap(bare{app: a}, budget(s, c.Now))
		if _, err := workers[i].Test(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var told [3]time.Time // until when each worker was told to wait
	var all time.Time     // and all of them, as far as the store knows
	tell := func(i, n int) {
		s.how = troubles[n]
		err := &fault.Error{Op: "app", Kind: fault.Throttled, Code: connector.CodeRate, RetryAfter: waits[n]}
		workers[i].(*conn).pacer.heedErr(t.Context(), err)
		s.how = smooth
		until := c.Now().Add(waits[n])
		if until.After(told[i]) {
			told[i] = until
		}
		if troubles[n] != unavailable && until.After(all) {
			all = until
		}
	}
	tell(0, 0)
	began, second := c.Now(), false
	for range 80 {
		if !second && c.Now().Sub(began) >= gap {
			second = true
			if same {
				tell(0, 1)
			} else {
				tell(1, 1)
			}
		}
		for i, w := range workers {
			before := a.count(laneCall)
			_, err := w.Test(t.Context())
			out := a.count(laneCall) > before
			now := c.Now()
			switch {
			case out && now.Before(told[i]):
				t.Errorf("%s: worker %d called %s before the app's time", name, i, told[i].Sub(now))
				return
			case out && now.Before(all) && second && now.Sub(began) > gap+time.Second: // they have looked since
				t.Errorf("%s: worker %d called %s before what the store knows", name, i, all.Sub(now))
				return
			case err != nil && second && now.After(latest(all, told[0], told[1]).Add(time.Second)):
				t.Errorf("%s: worker %d waits although all is over: %v", name, i, err)
				return
			}
		}
		c.Advance(250 * time.Millisecond)
	}
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}
