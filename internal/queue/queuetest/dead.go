package queuetest

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/queue"
)

// kill receives the next message as often as it may be, and lets the queue
// find out that this was enough.
func (k *kit) kill(want string) {
	k.Helper()
	for range maxReceives {
		d := k.one(hide)
		k.wantBodies([]queue.Delivery{d}, want)
		k.setVisibility(0, d)
	}
}

// redrive moves up to n dead letters back; a service may do so in the background.
func (k *kit) redrive(n, want int) {
	k.Helper()
	got, err := k.q.RedriveDead(k.Context(), n)
	if err != nil {
		k.Fatalf("redrive: %v", err)
	}
	if got != want {
		k.Errorf("redriven = %d, want %d", got, want)
	}
}

var deadCases = []testCase{
	{"Dead/after the cap, not before", func(k *kit) {
		k.send(msg("g", "1"))
		for n := 1; n <= maxReceives; n++ {
			d := k.one(hide)
			if d.Receives != n {
				k.Errorf("receives = %d, want %d", d.Receives, n)
			}
			k.wantDepth(queue.Depth{InFlight: 1})
			k.setVisibility(0, d)
		}
		k.wantNothing()
		k.wantDepth(queue.Depth{Dead: 1})
	}},
	{"Dead/after time-outs", func(k *kit) {
		k.send(msg("g", "1"))
		for range maxReceives {
			k.one(time.Second)
			k.pass(1100 * time.Millisecond)
		}
		k.wantNothing()
		k.wantDepth(queue.Depth{Dead: 1})
	}},
	{"Dead/deleted at the last receive is none", func(k *kit) {
		k.send(msg("g", "1"))
		for range maxReceives - 1 {
			k.setVisibility(0, k.one(hide))
		}
		k.delete(k.one(hide))
		k.wantNothing()
		k.wantDepth(queue.Depth{})
	}},
	{"Dead/frees its group", func(k *kit) {
		k.send(msgs("g", "poison", "fine")...)
		k.kill("poison")
		d := k.one(hide)
		k.wantBodies([]queue.Delivery{d}, "fine")
		if d.Receives != 1 {
			k.Errorf("receives = %d, want 1", d.Receives)
		}
		k.wantDepth(queue.Depth{InFlight: 1, Dead: 1})
	}},
	{"Dead/other groups are fine", func(k *kit) {
		k.send(msg("a", "poison"))
		k.kill("poison")
		k.send(msgs("b", "1", "2")...)
		k.wantBodies(k.drain(), "1", "2")
		k.wantDepth(queue.Depth{Dead: 1})
	}},
	{"Redrive/nothing", func(k *kit) { k.redrive(10, 0) }},
	{"Redrive/as new messages", func(k *kit) {
		k.send(msg("g", "1"))
		k.kill("1")
		k.wantNothing()
		k.redrive(10, 1)
		d := k.one(hide)
		if d.Receives != 1 || d.Group != "g" || string(d.Body) != "1" {
			k.Errorf("redriven = %+v, want a first receive of the same body and group", d)
		}
		k.delete(d)
		k.wantDepth(queue.Depth{})
		k.redrive(10, 0)
	}},
	{"Redrive/some of them", func(k *kit) {
		for _, g := range []string{"a", "b", "c"} {
			k.send(msg(g, g))
			k.kill(g)
			k.wantNothing()
		}
		k.redrive(2, 2)
		k.wantDepth(queue.Depth{Visible: 2, Dead: 1})
		k.redrive(2, 1)
		if n := len(k.drain()); n != 3 {
			k.Errorf("%d messages, want 3", n)
		}
	}},
	{"Redrive/keeps the order of a group", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		k.kill("1")
		k.kill("2")
		k.wantNothing()
		k.redrive(10, 2)
		k.wantBodies(k.drain(), "1", "2")
	}},
	{"Redrive/behind what waits", func(k *kit) {
		k.send(msg("g", "1"))
		k.kill("1")
		k.wantNothing()
		k.send(msg("g", "2"))
		k.redrive(10, 1)
		k.wantBodies(k.drain(), "2", "1")
	}},
	{"Redrive/may die again", func(k *kit) {
		k.send(msg("g", "1"))
		for range 2 {
			k.kill("1")
			k.wantNothing()
			k.wantDepth(queue.Depth{Dead: 1})
			k.redrive(1, 1)
		}
		k.wantBodies(k.drain(), "1")
	}},
	{"Retention/of messages", func(k *kit) {
		k.send(msg("g", "1"))
		k.wantDepth(queue.Depth{Visible: 1})
		if k.clock == nil { // four days are not waited for: only that it stays now
			k.one(hide)
			return
		}
		k.pass(queue.Retention - time.Minute)
		k.send(msg("g", "2"))
		k.wantDepth(queue.Depth{Visible: 2})
		k.pass(2 * time.Minute)
		k.wantDepth(queue.Depth{Visible: 1})
		k.wantBodies(k.drain(), "2")
	}},
	{"Retention/of messages in flight", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		if k.clock == nil {
			k.one(hide)
			return
		}
		k.pass(queue.Retention - time.Minute)
		k.one(hide)
		k.pass(2 * time.Minute)
		k.send(msg("g", "3"))
		k.wantBodies(k.drain(), "3")
	}},
	{"Retention/of dead letters", func(k *kit) {
		k.send(msg("g", "1"))
		k.kill("1")
		k.wantNothing()
		if k.clock == nil { // fourteen days are not waited for: only that it stays now
			k.redrive(1, 1)
			return
		}
		k.pass(queue.DeadRetention - time.Minute)
		k.wantDepth(queue.Depth{Dead: 1})
		k.pass(2 * time.Minute)
		k.wantDepth(queue.Depth{})
		k.redrive(10, 0)
	}},
}
