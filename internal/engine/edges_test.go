package engine

import (
	"context"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestS25_ASecondLookIsDueOnTheSecond: what was listed is looked at once more as
// soon as the delay is over, and not before; what no pull looked at yet waits.
func TestS25_ASecondLookIsDueOnTheSecond(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	conf := &b.conn.Syncs[0]
	delay, at := conf.LooksAgainAfter(), b.now
	mark := func(after time.Duration, cursor string) lookMark {
		return lookMark{At: at.Add(after).Unix(), Left: cursor}
	}
	st := &scanState{Marks: []lookMark{mark(0, "first"), mark(15*time.Minute, "second"), mark(30*time.Minute, "third")}}
	for age, until := range map[time.Duration]string{
		delay: "", delay + 15*time.Minute - time.Second: "", delay + 15*time.Minute: "second",
		delay + 30*time.Minute - time.Second: "second", delay + 30*time.Minute: "third", delay + 24*time.Hour: "third",
	} {
		b.now = at.Add(age)
		got := b.lookAgain(conf, st)
		if until == "" {
			if got != nil {
				t.Errorf("after %s it looks again at %+v", age, got)
			}
		} else if got == nil || got.From.Left != "first" || got.Until.Left != until {
			t.Errorf("after %s it looks again at %+v, want until %s", age, got, until)
		}
	}
	none := 0
	conf.SecondLook = &none
	if got := b.lookAgain(conf, st); got != nil {
		t.Errorf("where nobody wants it, it looks again at %+v", got)
	}
}

// TestX11_KnownInPartIsNotKnown: a request that names somebody who is erased and
// somebody who is not, or two who were erased apart, is a new erasure.
func TestX11_KnownInPartIsNotKnown(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, aKey)
	for i, r := range []ErasureRequest{
		{Email: "ann@example.com"}, {Phone: "+12125550122"}, {Record: &AppRecord{"acc_left", "person", bobLeft}},
	} {
		_, err := b.Erase(t.Context(), b.sc.ws, []string{"ers_mail", "ers_phone", "ers_record"}[i], r)
		b.must(err)
	}
	for name, r := range map[string]ErasureRequest{
		"new address, known number": {Email: "cyd@example.com", Phone: "+12125550122"},
		"known address, new number": {Email: "ann@example.com", Phone: "+12125550199"},
		"new address, known record": {Email: "dee@example.com", Record: &AppRecord{"acc_left", "person", bobLeft}},
		"two who were erased apart": {Email: "ann@example.com", Phone: "+12125550122"},
	} {
		if x, err := b.FindErasure(t.Context(), b.sc.ws, r); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: covered by %s, %v", name, x.ID, err)
		}
	}
	if x, err := b.FindErasure(t.Context(), b.sc.ws, ErasureRequest{Phone: "+12125550122"}); err != nil ||
		x.ID != "ers_phone" {
		t.Errorf("the number alone: %s, %v", x.ID, err)
	}
}

// blind is a store that answers no query.
type blind struct{ store.Store }

func (blind) Query(context.Context, store.Query) (store.Page, error) {
	return store.Page{}, fault.New("test: query", fault.Unavailable, "unavailable", "not now")
}

// TestS8_WhatCannotBeSeenIsNotSettled: whether a worker left an intent open is
// not answered by a store that does not answer.
func TestS8_WhatCannotBeSeenIsNotSettled(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	if open, err := b.intentOpen(t.Context(), b.sc); err != nil || open {
		t.Errorf("of nothing: %t, %v", open, err)
	}
	b.Store = blind{b.mem}
	if _, err := b.intentOpen(t.Context(), b.sc); !fault.Is(err, fault.Unavailable) {
		t.Errorf("blind: %v", err)
	}
	b.Store = b.mem
	b.put(b.sc.intent("int"), []byte("{}"), nil)
	if open, err := b.intentOpen(t.Context(), b.sc); err != nil || !open {
		t.Errorf("of an intent: %t, %v", open, err)
	}
}

// TestS31_ReleasedIsSaidOrTold: that what was held is looked at could not be
// stored: whoever asked hears of it, and it stays noted.
func TestS31_ReleasedIsSaidOrTold(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]fault.Kind{"away": fault.Unavailable, "busy": fault.Conflict} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, nil)
			s := b.session(0)
			s.set = recovering(t).set
			b.must(b.saveScan(t.Context(), b.sc, &scanState{V: 1, Held: []string{"mapping/city/left/city"}, LatestPull: b.now}))
			st, err := b.loadScan(t.Context(), b.sc)
			b.must(err)
			asked := 0
			b.Store = refusing{b.mem, func(w store.Write) error {
				if w.Item.Key != b.sc.scan() {
					return nil
				}
				asked++
				return fault.New("test: write", kind, "no", "no")
			}}
			err = s.letLoose(t.Context(), st)
			b.Store = b.mem
			if kind == fault.Unavailable && (!fault.Is(err, kind) || asked != 1) ||
				kind == fault.Conflict && (err != nil || asked < 2) {
				t.Errorf("asked %d times, it says %v", asked, err)
			}
			after, err := b.loadScan(t.Context(), b.sc)
			if err != nil || len(after.Held) != 1 {
				t.Errorf("noted as held: %v, %v", after.Held, err)
			}
			if r, err := b.loadRun(t.Context(), b.sc.ws, after.OpenRun); err != nil || r.Run.Kind != RunResync {
				t.Errorf("the full look does not stand: %v", err)
			}
		})
	}
}
