package paced

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestDaysAreAsWritten: three workers call one app for a while, for people, for
// bulk work and for what nobody needs now, through every lane, while the app asks
// for pauses and the store has its troubles. Who may call when, who is sent away
// and until when, and what is stored after each step is in testdata. What is drawn
// is the seed's, so that it never varies.
func TestDaysAreAsWritten(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]crm.Limits{
		"rate":     {BurstCalls: 10, BurstWindow: 10 * time.Second},
		"searches": {BurstCalls: 30, BurstWindow: 10 * time.Second, SearchCalls: 4, SearchWindow: time.Second},
		"daily":    {BurstCalls: 100, BurstWindow: 10 * time.Second, DailyCalls: 60},
		"slow":     {BurstCalls: 3, BurstWindow: time.Minute, DailyCalls: 2000},
		"none":     {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			written.Check(t, "days/"+name+".txt", day(t, l))
		})
	}
}

func day(t *testing.T, l crm.Limits) string {
	t.Helper()
	clock := newClock()
	a, s := newApp(l, clock.Now), &rough{counting: newStore(clock.Now), how: smooth}
	var wrong time.Duration
	var workers []connector.Connector
	for i := range 3 {
		b := budget(s, clock.Now)
		b.Holder = string(rune('a' + i))
		if i == 1 { // one whose clock is wrong now and then
			b.Now = func() time.Time { return clock.Now().Add(wrong) }
		}
		if i == 2 { // one that waits for its turn
			b.MaxWait, b.Sleep = 2*time.Second, func(_ context.Context, d time.Duration) { clock.Advance(d) }
		}
		workers = append(workers, Wrap(full{bare{app: a}}, b))
	}
	calls := map[string]func(context.Context, connector.Connector) error{
		"test": func(ctx context.Context, c connector.Connector) error { _, err := c.Test(ctx); return err },
		"objects": func(ctx context.Context, c connector.Connector) error {
			got, err := c.Objects(ctx)
			if err == nil && (len(got) != 1 || got[0].ID != "o") {
				t.Errorf("objects %v", got)
			}
			return err
		},
		"fields": func(ctx context.Context, c connector.Connector) error {
			got, err := c.Fields(ctx, "o")
			if err == nil && (len(got) != 1 || got[0].Name != "o") {
				t.Errorf("fields %v", got)
			}
			return err
		},
		"changes": func(ctx context.Context, c connector.Connector) error {
			_, err := c.Changes(ctx, connector.ChangesRequest{})
			return err
		},
		"all": func(ctx context.Context, c connector.Connector) error {
			_, err := c.Changes(ctx, connector.ChangesRequest{Full: true})
			return err
		},
		"find": func(ctx context.Context, c connector.Connector) error {
			_, err := c.BatchFind(ctx, "o", crm.Field{Name: "f"}, []string{"v"}, nil)
			return err
		},
		"read": func(ctx context.Context, c connector.Connector) error {
			got, err := c.BatchRead(ctx, "o", []crm.RecordID{"1"}, nil)
			if err == nil && len(got) > 0 {
				err = got[0].Err
			}
			return err
		},
		"write": func(ctx context.Context, c connector.Connector) error {
			got, err := c.BatchWrite(ctx, "o", []connector.Write{{}})
			if err == nil && len(got) > 0 {
				err = got[0].Err
			}
			return err
		},
	}
	what := []string{"test", "objects", "fields", "changes", "all", "find", "read", "write", "read", "write"}
	answers := []struct {
		name string
		err  error
	}{
		{"wait 3s", &fault.Error{Op: "app", Kind: fault.Throttled, Code: connector.CodeRate, RetryAfter: 3 * time.Second}},
		{"wait 1h", &fault.Error{Op: "app", Kind: fault.Throttled, Code: connector.CodeQuota, RetryAfter: time.Hour}},
		{"ask again", &fault.Error{
			Op: "app", Kind: fault.Throttled, Code: connector.CodeQuota, RetryAfter: time.Minute, Guessed: true,
		}},
		{"too many", &fault.Error{Op: "app", Kind: fault.Throttled, Code: connector.CodeRate}},
		{"down", &fault.Error{Op: "app", Kind: fault.Unavailable, RetryAfter: 2 * time.Second}},
		{"refused", &fault.Error{Op: "app", Kind: fault.Invalid, Code: "x"}},
	}
	rnd := rand.New(rand.NewPCG(7, 0)) // the same at every run
	began := clock.Now()
	var out strings.Builder
	last := ""
	for range 300 {
		switch n := rnd.IntN(20); {
		case n == 0:
			clock.Advance(time.Hour + time.Duration(rnd.IntN(60))*time.Minute)
		case n < 4:
			clock.Advance(time.Duration(rnd.IntN(12)) * time.Second)
		case n < 12:
			clock.Advance(time.Duration(rnd.IntN(900)) * time.Millisecond)
		}
		a.answer, a.rows, s.how = nil, nil, smooth
		said := "fine"
		switch n := rnd.IntN(30); {
		case n < len(answers):
			said, a.answer = answers[n].name, answers[n].err
		case n < 2*len(answers):
			said, a.rows = "rows "+answers[n-len(answers)].name, answers[n-len(answers)].err
		}
		if n := rnd.IntN(16); n < 4 {
			s.how = []string{unavailable, lost, raced, unreadable}[n]
		}
		wrong = []time.Duration{0, 0, 0, 2 * time.Second, -2 * time.Second, 3 * time.Hour, -3 * time.Hour}[rnd.IntN(7)]
		trouble := s.how
		ctx, who := t.Context(), "bulk"
		switch rnd.IntN(4) {
		case 0:
			ctx, who = connector.Foreground(ctx), "people"
		case 1:
			ctx, who = connector.Spare(ctx), "spare"
		}
		w, method := rnd.IntN(3), what[rnd.IntN(len(what))]
		before := a.count(laneCall, laneSearch, laneBoth)
		err := calls[method](ctx, workers[w])
		fmt.Fprintf(&out, "%s %c %s %s, app %s, store %s: %d calls, %s\n", clock.Now().Sub(began), 'a'+rune(w), who,
			method, said, trouble, a.count(laneCall, laneSearch, laneBoth)-before, outcome(err))
		item, err := s.counting.Store.Get(t.Context(), newPacer(budget(s, clock.Now), l).key())
		if err == nil && string(item.Data) != last {
			last = string(item.Data)
			fmt.Fprintf(&out, "  %s\n", last)
		}
	}
	writes, reads := s.counts()
	used, err := Used(t.Context(), budget(s, clock.Now), l)
	fmt.Fprintf(&out, "%d writes, %d reads, %.3f of the day used, %v\n", writes, reads, used, err)
	return out.String()
}

// TestDamagedBudgets are no budgets: nothing goes out under one that cannot be
// read, or that a newer version of us wrote.
func TestDamagedBudgets(t *testing.T) {
	t.Parallel()
	l := crm.Limits{BurstCalls: 10, BurstWindow: 10 * time.Second, DailyCalls: 60}
	for text, want := range map[string]struct{ used, called fault.Kind }{
		`{`: {fault.Other, fault.Other}, `{"v":99}`: {fault.Invalid, fault.Unavailable},
	} {
		clock := newClock()
		a, s := newApp(l, clock.Now), newStore(clock.Now)
		b := budget(s, clock.Now)
		if _, err := s.Write(t.Context(), store.Write{
			Item: store.Item{Key: newPacer(b, l).key(), Data: []byte(text)},
		}); err != nil {
			t.Fatal(err)
		}
		_, used := Used(t.Context(), b, l)
		c := Wrap(bare{app: a}, b)
		_, bulk := c.Test(t.Context())
		_, spare := c.Test(connector.Spare(t.Context()))
		if !fault.Is(used, want.used) || !fault.Is(bulk, want.called) || !fault.Is(spare, want.called) {
			t.Errorf("%s: %v; %v; %v; want %s, then %s", text, used, bulk, spare, want.used, want.called)
		}
		if n := a.count(laneCall); n != 0 {
			t.Errorf("%s: %d calls went out", text, n)
		}
		if inner, ok := c.(interface{ Unwrap() connector.Connector }); !ok || inner.Unwrap() != (bare{app: a}) {
			t.Error("what is within cannot be reached")
		}
	}
	clock := newClock()
	refused := errors.New("no calls left for this one")
	a := newApp(l, clock.Now)
	_, err := Wrap(bare{app: a}, budget(newStore(clock.Now), clock.Now)).Test(
		connector.WithAllowance(t.Context(), func() error { return refused }))
	if !errors.Is(err, refused) || a.count(laneCall) != 0 {
		t.Errorf("who may call no more: %v, %d calls", err, a.count(laneCall))
	}
	b := budget(down{newStore(clock.Now), true}, clock.Now)
	if _, err := Used(t.Context(), b, l); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a store that is down: %v", err)
	}
	if used, err := Used(t.Context(), b, crm.Limits{}); used != 0 || err != nil {
		t.Errorf("no daily limit: %v, %v", used, err)
	}
}

// outcome is what somebody hears who wanted to call.
func outcome(err error) string {
	var e *fault.Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%s %s after %s, guessed %t, may have landed %t", e.Kind, fault.CodeOf(err), e.RetryAfter,
		e.Guessed, fault.MayHaveLanded(err))
}
