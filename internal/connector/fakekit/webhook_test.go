package fakekit

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

func TestWebhooksAreDeliveredAndRetried(t *testing.T) {
	t.Parallel()
	c := testclock.New()
	d := newDiary(Config{Now: c.Now})
	d.SetWebhooks(Webhooks{URL: "http://receiver.example.com/hook"})
	var got []string
	status := 500
	receiver := Client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = append(got, r.Header.Get("X-Attempt")+":"+string(b))
		w.WriteHeader(status)
	}))
	for range 4 {
		if _, err := d.CreateRecord("notes", nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second finds nothing due
		if n, err := d.Deliver(t.Context(), receiver); n != 0 || err != nil {
			t.Fatalf("delivered %d, %v", n, err)
		}
	}
	status = 200
	c.Advance(time.Minute)
	if n, err := d.Deliver(t.Context(), receiver); n != 2 || err != nil {
		t.Fatalf("delivered %d, %v", n, err)
	}
	if diff := cmp.Diff([]string{"0:1,2,3", "0:4", "1:1,2,3", "1:4"}, got); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	status = 500
	_, _ = d.CreateRecord("notes", nil)
	for range 4 {
		_, _ = d.Deliver(t.Context(), receiver)
		c.Advance(time.Minute)
	}
	all, _ := d.Deliveries()
	if last := all[len(all)-1]; last.Status != DeliveryGivenUp || last.Attempt != 3 {
		t.Errorf("last delivery is %s after %d attempts, want given up after 3", last.Status, last.Attempt)
	}
}

func TestWebhookRatesAreRepeatable(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		d := newDiary(Config{Now: testclock.New().Now, Rand: seed})
		d.SetWebhooks(Webhooks{URL: "http://r", Drop: 0.3, Duplicate: 0.3, Reorder: 0.3})
		for range 100 {
			_, _ = d.CreateRecord("notes", nil)
		}
		var b strings.Builder
		for _, out := range d.Take() {
			b.Write(out.Packed.Body)
			b.WriteByte(' ')
		}
		if again := d.Take(); len(again) != 0 {
			t.Errorf("%d deliveries taken twice", len(again))
		}
		return b.String()
	}
	first, again := run(1), run(1)
	if first != again {
		t.Error("one seed gave two sequences")
	}
	if first == run(2) {
		t.Error("two seeds gave one sequence")
	}
}

func TestRunDeliversForReal(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{RetryScale: 0.0001})
	d.SetWebhooks(Webhooks{URL: "http://r"})
	taken := make(chan string, 10)
	calls := 0
	receiver := Client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			w.WriteHeader(503)
			return
		}
		b, _ := io.ReadAll(r.Body)
		taken <- string(b)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, receiver) }()
	if _, err := d.CreateRecord("notes", nil); err != nil {
		t.Fatal(err)
	}
	if got := <-taken; got != "1" {
		t.Errorf("delivered %q, want 1", got)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("run ended with %v", err)
	}
}

// TestEvenRatesHitFewEvents counts what happens to few events whatever the
// phase: each rate has its share to within one event, and every event out of
// order comes right behind a later one.
func TestEvenRatesHitFewEvents(t *testing.T) {
	t.Parallel()
	const rate = 0.15
	first := map[int64]bool{}
	for seed := range uint64(50) {
		for _, n := range []int{7, 40, 100} {
			c := testclock.New()
			d := newDiary(Config{Now: c.Now, Rand: seed})
			d.SetWebhooks(Webhooks{
				URL: "http://r", Drop: rate, Duplicate: rate, Reorder: rate, Even: true, Delay: 100 * time.Millisecond,
			})
			twice, late, newest := 0, 0, int64(0)
			seen := map[int64]bool{}
			look := func() {
				for _, out := range d.Take() {
					for _, e := range out.Events {
						if seen[e.N] {
							if twice++; twice == 1 {
								first[e.N] = true
							}
							continue
						}
						if seen[e.N] = true; e.N < newest {
							late++
						}
						newest = max(newest, e.N)
					}
				}
			}
			for range n {
				if _, err := d.CreateRecord("notes", nil); err != nil {
					t.Fatal(err)
				}
				c.Advance(200 * time.Millisecond) // longer than the delay
				look()
			}
			c.Advance(behindAtMost)
			look()
			_, dropped := d.Deliveries()
			told := len(seen)
			if want := rate * float64(n); math.Abs(float64(dropped)-want) > 1 || told+dropped != n {
				t.Errorf("seed %d: %d of %d events dropped, %d told, want about %.1f dropped", seed, dropped, n, told, want)
			}
			want := rate * float64(told)
			if math.Abs(float64(twice)-want) > 1 {
				t.Errorf("seed %d: %d of %d events came twice, want about %.1f", seed, twice, told, want)
			}
			if f := float64(late); f > want+1 || f < want-2 { // the last event has none to come behind
				t.Errorf("seed %d: %d of %d events came out of order, want about %.1f", seed, late, told, want)
			}
		}
	}
	if len(first) < 5 {
		t.Errorf("50 seeds double first one of %d events: the phase does not depend on them", len(first))
	}
}
