package queuetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// edge is a case of what happens in the very instant at which a time ends. Only a
// queue that goes by the suite's clock can be asked.
func edge(name string, run func(k *kit)) testCase {
	return testCase{"Edge/" + name, func(k *kit) {
		if k.clock == nil {
			k.Skip("the queue goes by a clock of its own, which nobody can stop at an instant")
		}
		run(k)
	}}
}

var edgeCases = []testCase{
	edge("of a visibility", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		k.one(time.Second)
		k.pass(time.Second - 1)
		k.wantNothing()
		k.wantDepth(queue.Depth{Visible: 1, InFlight: 1})
		k.pass(1)
		k.wantDepth(queue.Depth{Visible: 2})
		k.wantBodies(k.drain(), "1", "2")
	}),
	edge("of a receipt", func(k *kit) {
		k.send(msg("g", "1"))
		d := k.one(time.Second)
		k.pass(time.Second - 1)
		k.setVisibility(time.Second, d)
		k.pass(time.Second)
		for _, errs := range [][]error{
			k.q.Delete(k.Context(), receipts(d)), k.q.SetVisibility(k.Context(), receipts(d), hide),
		} {
			if len(errs) != 1 || !fault.Is(errs[0], fault.NotFound) {
				k.Errorf("%v, want that the receipt is no longer valid", errs)
			}
		}
		k.wantBodies(k.drain(), "1")
	}),
	edge("of the window of a repetition", func(k *kit) {
		m := msg("g", "1")
		k.send(m)
		k.pass(queue.DedupWindow - 1)
		k.send(m)
		k.wantDepth(queue.Depth{Visible: 1})
		k.pass(1)
		k.send(m) // a new one, with a window of its own
		k.wantDepth(queue.Depth{Visible: 2})
		k.pass(queue.DedupWindow - 1)
		k.send(m)
		k.wantDepth(queue.Depth{Visible: 2})
	}),
	edge("of the retention", func(k *kit) {
		k.send(msg("waits", "1"), msg("held", "2"))
		k.pass(queue.Retention - 1)
		k.wantDepth(queue.Depth{Visible: 2})
		k.one(hide)
		k.wantDepth(queue.Depth{Visible: 1, InFlight: 1})
		k.pass(1)
		k.wantDepth(queue.Depth{})
		k.send(msgs("waits", "3")...)
		k.wantBodies(k.drain(), "3")
	}),
	edge("of a receipt whose message is beyond the retention", func(k *kit) {
		k.send(msg("a", "1"), msg("b", "2"))
		k.pass(queue.Retention - 2)
		ds := k.once(2, hide)
		k.pass(1)
		k.setVisibility(hide, ds...)
		k.pass(1)
		wantStale := func(what string, errs []error) {
			for _, err := range append(errs, nil)[:len(ds)] {
				if !fault.Is(err, fault.NotFound) {
					k.Errorf("%s: %v, want that the receipt is no longer valid", what, err)
				}
			}
		}
		wantStale("before anything was received", k.q.SetVisibility(k.Context(), receipts(ds...), 0))
		k.wantNothing() // queues may remove here what is too old
		wantStale("visibility", k.q.SetVisibility(k.Context(), receipts(ds...), hide))
		wantStale("delete", k.q.Delete(k.Context(), receipts(ds...)))
	}),
	edge("of the retention of what was sent later", func(k *kit) {
		k.send(msg("g", "1"))
		k.pass(time.Second)
		k.send(msgs("g", "2", "3")...)
		k.pass(queue.Retention - time.Second)
		k.wantBodies(k.drain(), "2", "3")
	}),
	edge("of the retention of dead letters", func(k *kit) {
		k.send(msg("g", "1"))
		k.kill("1")
		k.wantNothing()
		k.pass(queue.DeadRetention - 1)
		k.wantDepth(queue.Depth{Dead: 1})
		k.redrive(1, 1)
		k.kill("1")
		k.wantNothing()
		k.pass(queue.DeadRetention)
		k.redrive(1, 0)
		k.wantDepth(queue.Depth{})
	}),
	edge("of the oldest of the dead letters", func(k *kit) {
		for _, body := range []string{"1", "2"} {
			k.send(msg("g", body))
			k.kill(body)
			k.wantNothing()
			k.pass(time.Second)
		}
		k.pass(queue.DeadRetention - 2*time.Second)
		k.wantDepth(queue.Depth{Dead: 1})
		k.redrive(2, 1)
		k.wantBodies(k.drain(), "2")
	}),
	{"Redrive/none, and fewer", func(k *kit) {
		k.send(msg("g", "1"))
		k.kill("1")
		k.wantNothing()
		k.redrive(0, 0)
		k.redrive(-1, 0)
		k.wantDepth(queue.Depth{Dead: 1})
	}},
	{"Send/many groups, each in its turn", func(k *kit) {
		const groups = 3*queue.MaxBatch + 1
		var ms []queue.Message
		for i := range 2 * groups {
			ms = append(ms, msg(fmt.Sprintf("g%02d", i%groups), fmt.Sprint(i)))
		}
		k.send(ms...)
		k.wantDepth(queue.Depth{Visible: 2 * groups})
		last := map[string]string{}
		for _, d := range k.drain() {
			if first, again := last[d.Group]; again && len(first) > len(d.Body) {
				k.Errorf("%s: %s came before %s", d.Group, first, d.Body)
			}
			last[d.Group] = string(d.Body)
		}
		if len(last) != groups {
			k.Errorf("%d groups came, want %d", len(last), groups)
		}
	}},
	{"Counts/are in requests and messages", func(k *kit) {
		counted, ok := k.q.(interface{ Counts() queue.Counts })
		if !ok {
			k.Fatal("the queue does not count what it is asked for")
		}
		before := counted.Counts()
		step := func(what string, want queue.Counts) {
			k.Helper()
			now := counted.Counts()
			if d := cmp.Diff(want, now.Since(before)); d != "" {
				k.Errorf("%s (-want +got):\n%s", what, d)
			}
			before = now
		}
		var ms []queue.Message
		for i := range 2*queue.MaxBatch + 1 {
			ms = append(ms, msg(fmt.Sprintf("g%02d", i), "x"))
		}
		k.send(ms...)
		step("send", queue.Counts{Sends: 3, Sent: 21})
		ds := k.once(2, hide)
		step("receive", queue.Counts{Receives: 1, Received: int64(len(ds))})
		if len(ds) == 0 {
			k.Skip("the queue found nothing at the first look, as it may")
		}
		k.setVisibility(hide, ds[0])
		step("set visibility", queue.Counts{Visibilities: 1})
		k.delete(ds[0])
		step("delete", queue.Counts{Deletes: 1, Deleted: 1})
		k.q.Delete(k.Context(), []string{ds[0].Receipt})
		step("delete again", queue.Counts{Deletes: 1})
	}},
}
