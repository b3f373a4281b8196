package queuetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

const workers = 6

// watch notes who works on which group, and what came in which order.
type watch struct {
	mu      sync.Mutex
	busy    map[string]int // worker + 1
	got     map[string][]string
	total   int
	overlap int
}

func (w *watch) begin(worker int, ds []queue.Delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range ds {
		if holder := w.busy[d.Group]; holder != 0 && holder != worker+1 {
			w.overlap++
		}
		w.busy[d.Group] = worker + 1
		w.got[d.Group] = append(w.got[d.Group], string(d.Body))
		w.total++
	}
}

// end is noted before the messages are deleted: afterwards the group may be another's.
func (w *watch) end(ds []queue.Delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range ds {
		delete(w.busy, d.Group)
	}
}

func (w *watch) done(total int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total >= total
}

// swarm lets workers receive and delete until total messages came.
func (k *kit) swarm(total, batch int) *watch {
	k.Helper()
	w := &watch{busy: map[string]int{}, got: map[string][]string{}}
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for idle := 0; !w.done(total) && idle < 10_000; idle++ {
				ds, err := k.q.Receive(k.Context(), batch, hide)
				if err != nil {
					k.Errorf("receive: %v", err)
					return
				}
				if len(ds) == 0 {
					continue
				}
				w.begin(worker, ds)
				w.end(ds)
				if errs := k.q.Delete(k.Context(), receipts(ds...)); errs != nil {
					k.Errorf("delete: %v", errs)
					return
				}
			}
		})
	}
	wg.Wait()
	return w
}

func (k *kit) wantSwarm(w *watch, want map[string][]string) {
	k.Helper()
	if w.overlap > 0 {
		k.Errorf("a group was handed to two workers %d times", w.overlap)
	}
	for g, bodies := range want {
		if fmt.Sprint(w.got[g]) != fmt.Sprint(bodies) {
			k.Errorf("group %s: got %v, want %v", g, w.got[g], bodies)
		}
	}
}

var contentionCases = []testCase{
	{"Contention/each message once, groups apart and in order", func(k *kit) {
		want := map[string][]string{}
		var ms []queue.Message
		for i := range 120 {
			g := fmt.Sprintf("g%d", i%7)
			want[g] = append(want[g], fmt.Sprint(i))
			ms = append(ms, msg(g, fmt.Sprint(i)))
		}
		k.send(ms...)
		k.wantSwarm(k.swarm(len(ms), 1), want)
		k.wantNothing()
	}},
	{"Contention/in batches", func(k *kit) {
		want := map[string][]string{}
		var ms []queue.Message
		for i := range 120 {
			g := fmt.Sprintf("g%d", i%3)
			want[g] = append(want[g], fmt.Sprint(i))
			ms = append(ms, msg(g, fmt.Sprint(i)))
		}
		k.send(ms...)
		k.wantSwarm(k.swarm(len(ms), queue.MaxBatch), want)
		k.wantDepth(queue.Depth{})
	}},
	{"Contention/one send of a repetition wins", func(k *kit) {
		m := msg("g", "1")
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				if errs := k.q.Send(k.Context(), []queue.Message{m}); errs != nil {
					k.Errorf("send: %v", errs)
				}
			})
		}
		wg.Wait()
		k.wantBodies(k.drain(), "1")
	}},
	{"Contention/senders side by side keep their order", func(k *kit) {
		want := map[string][]string{}
		for i := range workers {
			want[fmt.Sprintf("g%d", i)] = numbered("m", 20)
		}
		var wg sync.WaitGroup
		for g, bodies := range want {
			wg.Go(func() {
				for _, m := range msgs(g, bodies...) {
					if errs := k.q.Send(k.Context(), []queue.Message{m}); errs != nil {
						k.Errorf("send: %v", errs)
					}
				}
			})
		}
		wg.Wait()
		k.wantSwarm(k.swarm(20*workers, queue.MaxBatch), want)
	}},
	{"Contention/one delete of a message", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		d := k.one(hide)
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for _, err := range k.q.Delete(k.Context(), receipts(d)) {
					if err != nil && !fault.Is(err, fault.NotFound) {
						k.Errorf("delete: %v", err)
					}
				}
			})
		}
		wg.Wait()
		k.wantBodies(k.drain(), "2")
	}},
}

func cancelledCall(name string, call func(ctx context.Context, k *kit, d queue.Delivery) []error) testCase {
	return testCase{"Cancelled/" + name, func(k *kit) {
		k.send(msg("held", "1"))
		d := k.one(hide)
		k.send(msg("free", "2"))
		errs := call(k.cancelled(), k, d)
		if len(errs) != 1 {
			k.Fatalf("errs = %v, want one", errs)
		}
		k.wantKind(errs[0], fault.Unavailable)
		k.wantDepth(queue.Depth{Visible: 1, InFlight: 1})
		k.wantBodies([]queue.Delivery{k.one(hide)}, "2")
	}}
}

var contextCases = []testCase{
	cancelledCall("Send", func(ctx context.Context, k *kit, _ queue.Delivery) []error {
		return k.q.Send(ctx, msgs("free", "3"))
	}),
	cancelledCall("Receive", func(ctx context.Context, k *kit, _ queue.Delivery) []error {
		_, err := k.q.Receive(ctx, 10, hide)
		return []error{err}
	}),
	cancelledCall("Delete", func(ctx context.Context, k *kit, d queue.Delivery) []error {
		return k.q.Delete(ctx, receipts(d))
	}),
	cancelledCall("SetVisibility", func(ctx context.Context, k *kit, d queue.Delivery) []error {
		return k.q.SetVisibility(ctx, receipts(d), 0)
	}),
	cancelledCall("Depth", func(ctx context.Context, k *kit, _ queue.Delivery) []error {
		_, err := k.q.Depth(ctx)
		return []error{err}
	}),
	cancelledCall("RedriveDead", func(ctx context.Context, k *kit, _ queue.Delivery) []error {
		_, err := k.q.RedriveDead(ctx, 10)
		return []error{err}
	}),
}
