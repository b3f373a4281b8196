package paced

import (
	"context"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// rowed answers the rows of its batches with errors of their own.
type rowed struct {
	bare
	rows []error
}

func (r rowed) BatchWrite(_ context.Context, _ string, writes []connector.Write) ([]connector.Written, error) {
	out := make([]connector.Written, len(writes))
	for i := range out {
		out[i].Err = r.rows[i]
	}
	return out, r.app.note(laneCall)
}

func (r rowed) BatchRead(_ context.Context, _ string, ids []crm.RecordID, _ []string) ([]connector.Read, error) {
	out := make([]connector.Read, len(ids))
	for i := range out {
		out[i].Err = r.rows[i]
	}
	return out, r.app.note(laneCall)
}

// TestS18_TheLongestWaitOfTheRowsHolds: of rows that ask for different waits the
// longest one holds for all workers, in whatever order they come; rows that ask
// for none, or fail otherwise, shorten nothing.
func TestS18_TheLongestWaitOfTheRowsHolds(t *testing.T) {
	t.Parallel()
	throttled := func(d time.Duration) error {
		return &fault.Error{Kind: fault.Throttled, Code: connector.CodeRate, RetryAfter: d}
	}
	long, short, none := throttled(7*time.Minute), throttled(time.Minute), throttled(0)
	refused := &fault.Error{Kind: fault.Unavailable, RetryAfter: time.Hour}
	for name, rows := range map[string][]error{
		"long first": {long, short, nil}, "long last": {short, nil, long}, "in the middle": {none, long, refused},
		"alone": {nil, refused, long}, "twice": {long, long, short},
	} {
		for _, op := range []string{"read", "write"} {
			c := newClock()
			a, s := newApp(crm.Limits{}, c.Now), newStore(c.Now)
			one, other := Wrap(rowed{bare{app: a}, rows}, budget(s, c.Now)), Wrap(bare{app: a}, budget(s, c.Now))
			var err error
			if op == "read" {
				_, err = one.BatchRead(t.Context(), "contacts", make([]crm.RecordID, 3), nil)
			} else {
				_, err = one.BatchWrite(t.Context(), "contacts", make([]connector.Write, 3))
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range []connector.Connector{one, other} {
				_, err := w.Test(t.Context())
				if wait := wantThrottled(t, err, connector.CodeRate); wait < 7*time.Minute || wait > 7*time.Minute+time.Second {
					t.Errorf("%s, %s: wait %s, want seven minutes", op, name, wait)
				}
			}
		}
	}
}

// TestS18_WhatPeopleTookIsNotForBulkWork: calls that were taken out of the
// reserve for people are used by people, also by the worker that holds them.
func TestS18_WhatPeopleTookIsNotForBulkWork(t *testing.T) {
	t.Parallel()
	c := newClock()
	a, s := newApp(crm.Limits{BurstCalls: 100, BurstWindow: 10 * time.Second}, c.Now), newStore(c.Now)
	other, w := Wrap(bare{app: a}, budget(s, c.Now)), Wrap(bare{app: a}, budget(s, c.Now))
	bulk := 0
	for ; bulk < 1000; bulk++ {
		if _, err := other.BatchRead(t.Context(), "contacts", nil, nil); err != nil {
			break
		}
	}
	people := connector.Foreground(t.Context())
	for range 2 { // more is taken than these two calls
		if _, err := w.BatchRead(people, "contacts", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.BatchRead(t.Context(), "contacts", nil, nil); err == nil {
		t.Error("bulk work used a call that was kept for people")
	}
	rest := 0
	for ; rest < 1000; rest++ {
		if _, err := w.BatchRead(people, "contacts", nil, nil); err != nil {
			break
		}
	}
	if bulk != 90 || rest != 8 {
		t.Errorf("bulk work made %d calls, people 2 and %d; want 90, and 10 in all", bulk, rest)
	}
}
