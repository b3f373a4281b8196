package queuetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/queue"
)

var sendCases = []testCase{
	{"Receive/empty queue answers at once", func(k *kit) {
		start := time.Now()
		k.wantNothing()
		if d := time.Since(start); d > 5*time.Second {
			k.Errorf("took %v", d)
		}
	}},
	{"Send/round trip", func(k *kit) {
		before := time.Now()
		if k.clock != nil {
			before = k.clock.Now()
		}
		k.send(msg("g", "hello"))
		d := k.one(hide)
		if d.ID == "" || d.Receipt == "" || d.Group != "g" || string(d.Body) != "hello" || d.Receives != 1 {
			k.Errorf("delivery = %+v", d)
		}
		if d.SentAt.Sub(before).Abs() > time.Minute {
			k.Errorf("sent at %v, want about %v", d.SentAt, before)
		}
	}},
	{"Send/nothing", func(k *kit) {
		if errs := k.q.Send(k.Context(), nil); errs != nil {
			k.Errorf("errs = %v", errs)
		}
		k.wantNothing()
	}},
	{"Send/any text", func(k *kit) {
		texts := []string{
			" ", "\t\n\r", "ÿ", "日本語", "🙂\U0010FFFF", `{"a":"\u0000"}`, "\u007f\u0080", "\uE000\uFFFD",
			strings.Repeat("é", 1000),
		}
		k.send(msgs("g", texts...)...)
		k.wantBodies(k.drain(), texts...)
	}},
	{"Send/more than one request", func(k *kit) {
		want := numbered("m", 37)
		k.send(msgs("g", want...)...)
		k.wantBodies(k.drain(), want...)
	}},
	{"Send/large bodies in one call", func(k *kit) {
		var ms []queue.Message
		for i := range 5 {
			ms = append(ms, msg("g", strings.Repeat(fmt.Sprint(i), 300_000)))
		}
		k.send(ms...)
		for i, d := range k.drain() {
			if len(d.Body) != 300_000 || d.Body[0] != byte('0'+i) {
				k.Errorf("message %d: %d bytes of %q", i, len(d.Body), d.Body[:1])
			}
		}
	}},
	{"Send/every message has an ID of its own", func(k *kit) {
		k.send(msgs("g", "same", "same")...)
		ds := k.drain()
		if len(ds) != 2 || ds[0].ID == ds[1].ID || ds[0].Receipt == ds[1].Receipt {
			k.Errorf("deliveries = %+v", ds)
		}
	}},
	{"Copies/of what was sent and what was received", func(k *kit) {
		m := msg("g", "body")
		k.send(m)
		copy(m.Body, "XXXX")
		d := k.one(hide)
		k.wantBodies([]queue.Delivery{d}, "body")
		copy(d.Body, "YYYY")
		k.setVisibility(0, d)
		k.wantBodies([]queue.Delivery{k.one(hide)}, "body")
	}},
	{"Depth/counts", func(k *kit) {
		k.wantDepth(queue.Depth{})
		k.send(msgs("a", "1", "2")...)
		k.send(msgs("b", "3")...)
		k.wantDepth(queue.Depth{Visible: 3})
		d := k.one(hide)
		k.wantDepth(queue.Depth{Visible: 2, InFlight: 1})
		k.delete(d)
		k.wantDepth(queue.Depth{Visible: 2})
	}},
}

var orderCases = []testCase{
	{"Order/within a group", func(k *kit) {
		want := numbered("m", 25)
		for _, m := range msgs("g", want...) {
			k.send(m)
		}
		k.wantBodies(k.drain(), want...)
	}},
	{"Order/of many at once", func(k *kit) {
		want := numbered("m", 25)
		k.send(msgs("g", want...)...)
		var got []queue.Delivery
		for len(got) < len(want) {
			ds := k.once(queue.MaxBatch, hide)
			if len(ds) == 0 {
				break
			}
			k.delete(ds...)
			got = append(got, ds...)
		}
		k.wantBodies(got, want...)
	}},
	{"Order/of interleaved groups", func(k *kit) {
		var ms []queue.Message
		want := map[string][]string{}
		for i := range 30 {
			g := fmt.Sprintf("g%d", i*i%4)
			ms = append(ms, msg(g, fmt.Sprint(i)))
			want[g] = append(want[g], fmt.Sprint(i))
		}
		k.send(ms...)
		got := map[string][]string{}
		for _, d := range k.drain() {
			got[d.Group] = append(got[d.Group], string(d.Body))
		}
		if d := cmp.Diff(want, got); d != "" {
			k.Errorf("(-want +got):\n%s", d)
		}
	}},
	{"Order/no group starves", func(k *kit) {
		k.send(msgs("busy", numbered("b", 30)...)...)
		k.send(msg("quiet", "q"))
		for range 40 {
			ds := k.once(1, hide)
			if slices.Contains(bodies(ds), "q") {
				return
			}
			if len(ds) == 0 {
				break
			}
		}
		k.Error("the quiet group was never served while the busy one was in flight")
	}},
	{"Exclusion/a group in flight is held back", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		k.one(hide)
		k.wantNothing()
	}},
	{"Exclusion/holds for what is sent later", func(k *kit) {
		k.send(msg("g", "1"))
		k.one(hide)
		k.send(msg("g", "2"))
		k.wantNothing()
	}},
	{"Exclusion/other groups go on", func(k *kit) {
		k.send(msgs("a", "1", "2")...)
		k.send(msgs("b", "3")...)
		first, second := k.one(hide), k.one(hide)
		if first.Group == second.Group {
			k.Errorf("group %s twice", first.Group)
		}
		k.wantNothing()
	}},
	{"Exclusion/ends with Delete", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		k.delete(k.one(hide))
		k.wantBodies([]queue.Delivery{k.one(hide)}, "2")
	}},
	{"Exclusion/ends with the time-out", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		k.one(time.Second)
		k.wantNothing()
		k.pass(1100 * time.Millisecond)
		d := k.one(hide)
		k.wantBodies([]queue.Delivery{d}, "1")
		k.delete(d)
		k.wantBodies([]queue.Delivery{k.one(hide)}, "2")
	}},
	{"Exclusion/ends with visibility zero", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		k.setVisibility(0, k.one(hide))
		k.wantBodies([]queue.Delivery{k.one(hide)}, "1")
	}},
	{"Exclusion/one Receive holds whatever it took", func(k *kit) {
		k.send(msgs("g", "1", "2", "3")...)
		ds := k.once(2, hide)
		if len(ds) == 0 {
			k.Fatal("received nothing")
		}
		k.wantBodies(ds, []string{"1", "2"}[:len(ds)]...)
		k.wantNothing()
		if len(ds) == 2 {
			k.delete(ds[0]) // the second is still in flight
			k.wantNothing()
			ds = ds[1:]
		}
		k.delete(ds...)
		if got := k.one(hide); got.Group != "g" {
			k.Errorf("group = %q", got.Group)
		}
	}},
	{"Redelivery/in the old order", func(k *kit) {
		k.send(msgs("g", "1", "2", "3", "4")...)
		k.once(3, time.Second)
		k.pass(1100 * time.Millisecond)
		k.wantBodies(k.drain(), "1", "2", "3", "4")
	}},
	{"Redelivery/before what was never received", func(k *kit) {
		k.send(msgs("g", "1", "2")...)
		d := k.one(hide)
		k.send(msg("g", "3"))
		k.setVisibility(0, d)
		k.wantBodies(k.drain(), "1", "2", "3")
	}},
	{"Redelivery/waits for the group", func(k *kit) {
		k.send(msgs("g", "1", "2", "3")...)
		ds := k.once(2, hide)
		if len(ds) < 2 { // a queue may hand out one at a time: then there is nobody to wait for
			k.setVisibility(0, ds...)
			k.wantBodies(k.drain(), "1", "2", "3")
			return
		}
		k.setVisibility(0, ds[0])
		k.wantNothing() // 2 is still in flight
		k.setVisibility(0, ds[1])
		k.wantBodies(k.drain(), "1", "2", "3")
	}},
}
