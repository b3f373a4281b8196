package queuetest

import (
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// refused wants one message refused as Invalid and not queued.
func refused(m queue.Message) func(k *kit) {
	return func(k *kit) {
		k.Helper()
		errs := k.q.Send(k.Context(), []queue.Message{m})
		if len(errs) != 1 {
			k.Fatalf("errs = %v, want one", errs)
		}
		k.wantKind(errs[0], fault.Invalid)
		k.wantNothing()
	}
}

func named(group, dedup, body string) queue.Message {
	return queue.Message{Group: group, Dedup: dedup, Body: []byte(body)}
}

var limitCases = []testCase{
	{"Limit/no group", refused(named("", "d", "b"))},
	{"Limit/group of 129 characters", refused(named(strings.Repeat("g", 129), "d", "b"))},
	{"Limit/group with a space", refused(named("a b", "d", "b"))},
	{"Limit/group beyond ASCII", refused(named("ä", "d", "b"))},
	{"Limit/no deduplication ID", refused(named("g", "", "b"))},
	{"Limit/deduplication ID of 129 characters", refused(named("g", strings.Repeat("d", 129), "b"))},
	{"Limit/deduplication ID with a line break", refused(named("g", "a\nb", "b"))},
	{"Limit/no body", refused(named("g", "d", ""))},
	{"Limit/body one byte too large", refused(named("g", "d", strings.Repeat("b", queue.MaxBodyBytes+1)))},
	{"Limit/body not UTF-8", refused(named("g", "d", "a\xff"))},
	{"Limit/body with a control character", refused(named("g", "d", "a\x00b"))},
	{"Limit/body with a character XML has not", refused(named("g", "d", "a\uFFFE"))},
	{"Limit/longest names, every character", func(k *kit) {
		all := ""
		for c := '!'; c <= '~'; c++ {
			all += string(c)
		}
		m := named(all+strings.Repeat("g", 128-len(all)), all+strings.Repeat("d", 128-len(all)), "b")
		k.send(m)
		if d := k.one(hide); d.Group != m.Group {
			k.Errorf("group = %q, want %q", d.Group, m.Group)
		}
	}},
	{"Limit/largest body", func(k *kit) {
		k.send(msg("g", strings.Repeat("b", queue.MaxBodyBytes)))
		if d := k.one(hide); len(d.Body) != queue.MaxBodyBytes {
			k.Errorf("%d bytes", len(d.Body))
		}
	}},
	{"Limit/a refused message holds back its group only", func(k *kit) {
		ms := []queue.Message{msg("a", "1"), msg("b", "2"), named("a", "d", ""), msg("a", "3"), msg("b", "4")}
		ms = append(ms, msgs("a", numbered("later", 12)...)...)
		errs := k.q.Send(k.Context(), ms)
		if len(errs) != len(ms) {
			k.Fatalf("%d errors for %d messages", len(errs), len(ms))
		}
		for i, err := range errs {
			switch {
			case i == 2:
				k.wantKind(err, fault.Invalid)
			case i > 2 && ms[i].Group == "a":
				k.wantKind(err, fault.Unavailable)
			case err != nil:
				k.Errorf("message %d: %v", i, err)
			}
		}
		if got := bodies(k.drain()); len(got) != 3 {
			k.Errorf("queued %v, want 1, 2, 4", got)
		}
	}},
	{"Limit/receive", func(k *kit) {
		k.send(msg("g", "1"))
		for name, call := range map[string]func() error{
			"none":                func() error { _, err := k.q.Receive(k.Context(), 0, hide); return err },
			"negative":            func() error { _, err := k.q.Receive(k.Context(), -1, hide); return err },
			"eleven":              func() error { _, err := k.q.Receive(k.Context(), 11, hide); return err },
			"negative visibility": func() error { _, err := k.q.Receive(k.Context(), 1, -time.Second); return err },
			"visibility too long": func() error {
				_, err := k.q.Receive(k.Context(), 1, queue.MaxVisibility+time.Second)
				return err
			},
		} {
			if err := call(); !fault.Is(err, fault.Invalid) {
				k.Errorf("%s: %v, want invalid", name, err)
			}
		}
		if d := k.one(hide); d.Receives != 1 {
			k.Errorf("receives = %d, want 1", d.Receives)
		}
	}},
	{"Limit/eleven receipts", func(k *kit) {
		eleven := make([]string, queue.MaxBatch+1)
		for i := range eleven {
			eleven[i] = "r"
		}
		for _, errs := range [][]error{k.q.Delete(k.Context(), eleven), k.q.SetVisibility(k.Context(), eleven, 0)} {
			if len(errs) != len(eleven) {
				k.Fatalf("%d errors for %d receipts", len(errs), len(eleven))
			}
			for _, err := range errs {
				k.wantKind(err, fault.Invalid)
			}
		}
	}},
	{"Limit/set visibility", func(k *kit) {
		k.send(msg("g", "1"))
		d := k.one(hide)
		for _, v := range []time.Duration{-time.Second, queue.MaxVisibility + time.Second} {
			errs := k.q.SetVisibility(k.Context(), receipts(d), v)
			if len(errs) != 1 {
				k.Fatalf("errs = %v, want one", errs)
			}
			k.wantKind(errs[0], fault.Invalid)
		}
		k.wantNothing()
	}},
}
