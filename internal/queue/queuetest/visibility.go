package queuetest

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

var visibilityCases = []testCase{
	{"Visibility/hidden until the time-out", func(k *kit) {
		k.send(msg("g", "1"))
		k.one(2 * time.Second)
		k.pass(time.Second)
		k.wantNothing()
		k.pass(1100 * time.Millisecond)
		k.one(hide)
	}},
	{"Visibility/zero at Receive delivers again", func(k *kit) {
		k.send(msg("g", "1"))
		first := k.one(0)
		second := k.one(hide)
		if first.ID != second.ID || second.Receives != 2 {
			k.Errorf("second delivery = %+v, want the first again", second)
		}
	}},
	{"Visibility/prolonged", func(k *kit) {
		k.send(msg("g", "1"))
		d := k.one(time.Second)
		k.setVisibility(hide, d)
		k.pass(1100 * time.Millisecond)
		k.wantNothing()
		k.delete(d)
		k.wantDepth(queue.Depth{})
	}},
	{"Visibility/shortened", func(k *kit) {
		k.send(msg("g", "1"))
		k.setVisibility(time.Second, k.one(hide))
		k.wantNothing()
		k.pass(1100 * time.Millisecond)
		k.one(hide)
	}},
	{"Visibility/of several with different ends", func(k *kit) {
		k.send(msg("a", "1"), msg("b", "2"))
		first, second := k.one(hide), k.one(hide)
		k.setVisibility(0, first, second)
		if n := len(k.drain()); n != 2 {
			k.Errorf("%d messages, want 2", n)
		}
	}},
	{"Visibility/longest", func(k *kit) {
		k.send(msg("g", "1"))
		k.setVisibility(queue.MaxVisibility, k.one(queue.MaxVisibility))
		k.wantNothing()
	}},
	{"Receives/counts every delivery", func(k *kit) {
		k.send(msg("g", "1"))
		for want := 1; want <= maxReceives; want++ {
			d := k.one(hide)
			if d.Receives != want {
				k.Errorf("receives = %d, want %d", d.Receives, want)
			}
			k.setVisibility(0, d)
		}
	}},
	{"Receives/SetVisibility is none", func(k *kit) {
		k.send(msg("g", "1"))
		d := k.one(hide)
		for range 5 {
			k.setVisibility(hide, d)
		}
		k.setVisibility(0, d)
		if d = k.one(hide); d.Receives != 2 {
			k.Errorf("receives = %d, want 2", d.Receives)
		}
	}},
	{"Receives/ID and sending time stay", func(k *kit) {
		k.send(msg("g", "1"))
		first := k.one(time.Second)
		k.pass(1100 * time.Millisecond)
		second := k.one(hide)
		if first.ID != second.ID || !first.SentAt.Equal(second.SentAt) || first.Receipt == second.Receipt {
			k.Errorf("first %+v, second %+v", first, second)
		}
	}},
}

var receiptCases = []testCase{
	{"Delete/for good", func(k *kit) {
		k.send(msg("g", "1"))
		k.delete(k.one(time.Second))
		k.pass(1100 * time.Millisecond)
		k.wantNothing()
		k.wantDepth(queue.Depth{})
	}},
	{"Delete/nothing", func(k *kit) {
		if errs := k.q.Delete(k.Context(), nil); errs != nil {
			k.Errorf("errs = %v", errs)
		}
	}},
	{"Delete/several of one group", func(k *kit) {
		k.send(msgs("g", numbered("m", 10)...)...)
		var ds []queue.Delivery
		for len(ds) < 10 {
			got := k.once(10, hide)
			if len(got) == 0 {
				k.Fatalf("received %d messages, want 10", len(ds))
			}
			k.delete(got...)
			ds = append(ds, got...)
		}
		k.wantDepth(queue.Depth{})
	}},
	{"Delete/stale receipt keeps the message", func(k *kit) {
		k.send(msg("g", "1"))
		old := k.one(hide)
		k.setVisibility(0, old)
		fresh := k.one(hide)
		errs := k.q.Delete(k.Context(), receipts(old))
		if len(errs) != 1 {
			k.Fatalf("errs = %v, want one", errs)
		}
		k.wantKind(errs[0], fault.NotFound)
		k.setVisibility(0, fresh)
		k.wantBodies([]queue.Delivery{k.one(hide)}, "1")
	}},
	{"Delete/after the time-out either works or leaves the message", func(k *kit) {
		k.send(msg("g", "1"))
		d := k.one(time.Second)
		k.pass(1100 * time.Millisecond)
		errs := k.q.Delete(k.Context(), receipts(d))
		if errs == nil {
			k.wantNothing()
			return
		}
		k.wantKind(errs[0], fault.NotFound)
		k.wantBodies([]queue.Delivery{k.one(hide)}, "1")
	}},
	{"Delete/each receipt by itself", func(k *kit) {
		k.send(msg("a", "1"), msg("b", "2"))
		old := k.one(hide)
		k.setVisibility(0, old)
		x, y := k.one(hide), k.one(hide)
		errs := k.q.Delete(k.Context(), []string{x.Receipt, old.Receipt, y.Receipt})
		if len(errs) != 3 || errs[0] != nil || errs[2] != nil {
			k.Fatalf("errs = %v, want only the second", errs)
		}
		k.wantKind(errs[1], fault.NotFound)
		k.wantDepth(queue.Depth{})
	}},
	{"Delete/twice harms nobody", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		d := k.one(hide)
		k.delete(d)
		if errs := k.q.Delete(k.Context(), receipts(d)); errs != nil {
			k.wantKind(errs[0], fault.NotFound)
		}
		k.wantBodies([]queue.Delivery{k.one(hide)}, "2")
	}},
	{"Delete/a receipt nobody gave", func(k *kit) {
		for _, r := range []string{"x", "", "m1", "m1.1/g", "1", "999999.1/g", "'; DROP TABLE message;--", "\x00"} {
			if errs := k.q.Delete(k.Context(), []string{r}); len(errs) != 1 ||
				!fault.Is(errs[0], fault.NotFound) && !fault.Is(errs[0], fault.Invalid) {
				k.Errorf("receipt %q: %v, want not found", r, errs)
			}
		}
	}},
	{"SetVisibility/nothing", func(k *kit) {
		if errs := k.q.SetVisibility(k.Context(), nil, 0); errs != nil {
			k.Errorf("errs = %v", errs)
		}
	}},
	{"SetVisibility/stale receipt changes nothing", func(k *kit) {
		k.send(msg("g", "1"))
		old := k.one(hide)
		k.setVisibility(0, old)
		k.one(hide)
		errs := k.q.SetVisibility(k.Context(), receipts(old), 0)
		if len(errs) != 1 {
			k.Fatalf("errs = %v, want one", errs)
		}
		k.wantKind(errs[0], fault.NotFound)
		k.wantNothing()
	}},
	{"SetVisibility/of a deleted message", func(k *kit) {
		k.send(msg("g", "1"))
		d := k.one(hide)
		k.delete(d)
		errs := k.q.SetVisibility(k.Context(), receipts(d), 0)
		if len(errs) != 1 {
			k.Fatalf("errs = %v, want one", errs)
		}
		k.wantKind(errs[0], fault.NotFound)
		k.wantNothing()
	}},
}

var dedupCases = []testCase{
	{"Dedup/second send is dropped", func(k *kit) {
		m := msg("g", "1")
		k.send(m)
		k.send(m)
		k.wantBodies(k.drain(), "1")
	}},
	{"Dedup/within one call", func(k *kit) {
		m := msg("g", "1")
		k.send(m, msg("g", "2"), m)
		k.wantBodies(k.drain(), "1", "2")
	}},
	{"Dedup/goes by the ID, not the body", func(k *kit) {
		m := msg("g", "1")
		k.send(m)
		m.Body = []byte("other")
		k.send(m)
		k.send(msg("g", "1"))
		k.wantBodies(k.drain(), "1", "1")
	}},
	{"Dedup/also after it was worked", func(k *kit) {
		m := msg("g", "1")
		k.send(m)
		k.delete(k.one(hide))
		k.send(m)
		k.wantNothing()
	}},
	{"Dedup/until the window ends", func(k *kit) {
		m := msg("g", "1")
		k.send(m)
		k.delete(k.one(hide))
		if k.clock == nil { // five minutes are not waited for: only that it holds now
			k.send(m)
			k.wantNothing()
			return
		}
		k.pass(queue.DedupWindow - time.Second)
		k.send(m)
		k.wantNothing()
		k.pass(2 * time.Second) // counted from the first send: the repetition does not prolong it
		k.send(m)
		k.wantBodies(k.drain(), "1")
	}},
	{"Dedup/a refused message leaves no trace", func(k *kit) {
		m := msg("g", "1")
		bad := m
		bad.Body = nil
		if errs := k.q.Send(k.Context(), []queue.Message{bad}); errs == nil {
			k.Fatal("an empty body was accepted")
		}
		k.send(m)
		k.wantBodies(k.drain(), "1")
	}},
}
