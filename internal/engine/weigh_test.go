package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
)

// growth is a piece of work in which some values are replaced alike, and what is
// known of others that may follow.
type growth struct {
	value  string // "" = they are cleared
	fresh  int64  // that were not weighed yet
	among  int64  // records in this piece of work
	counts int64  // that the hour brought before
	run    *storedRun
	queued int // messages in the queue
	want   bool
}

func listed(n int64, p phase) *storedRun {
	return &storedRun{Run: Run{ID: "run", State: RunRunning}, Listed: n, Phase: p}
}

// The bed has 1,000 pairs: an hour may clear 100 values, or make 500 alike.
var growths = map[string]growth{
	"cleared, and the run is still listing":     {fresh: 1, among: 1, run: listed(1, phaseLeft), want: true},
	"cleared, and the run lists the other side": {fresh: 1, among: 1, run: listed(1, phaseRight), want: true},
	"cleared, and the run has listed more":      {fresh: 1, among: 10, run: listed(90, phaseDrain), want: true},
	"cleared, and all that was listed is here":  {fresh: 60, among: 90, run: listed(90, phaseDrain)},
	"cleared, and all that was listed is few":   {fresh: 1, among: 10, run: listed(50, phaseDrain)},
	"cleared, few were listed, many came before": {
		fresh: 1, among: 10, counts: 1, run: listed(50, phaseDrain), want: true,
	},
	"cleared, and all of them have waited":            {fresh: 0, among: 10, run: listed(90, phaseDrain)},
	"cleared, told one by one":                        {fresh: 1, among: 1},
	"cleared, told one by one, and the queue is long": {fresh: 1, among: 1, queued: massQueued, want: true},
	"cleared, several told at once":                   {fresh: 2, among: 2, want: true},
	"alike, a few of them": {
		value: "d", fresh: massAlike - 1, among: 100, queued: massQueued,
	},
	"alike, a few more, told at once": {value: "d", fresh: massAlike, among: massAlike, want: true},
	"alike, half of what is here, of a thousand listed": {
		value: "d", fresh: 50, among: 100, run: listed(1000, phaseDrain), want: true,
	},
	"alike, a quarter of what is here": {
		value: "d", fresh: 25, among: 100, run: listed(1000, phaseDrain),
	},
	"alike, a quarter, and the hour brought some": {
		value: "d", fresh: 25, among: 100, counts: 1, run: listed(1000, phaseDrain), want: true,
	},
	"alike, and nothing else was listed": {
		value: "d", fresh: 100, among: 100, run: listed(100, phaseDrain),
	},
	"alike, and more is being listed": {
		value: "d", fresh: 260, among: 260, run: listed(100, phaseLeft), want: true,
	},
	"alike, and all of them have waited": {value: "d", fresh: 0, among: 100, run: listed(1000, phaseDrain)},
}

// TestS37_WhatMayBePartOfMoreIsWeighed: values replaced alike wait until what
// was queued with them is counted, if that may be too many; what can grow to no
// mass change does not wait.
func TestS37_WhatMayBePartOfMoreIsWeighed(t *testing.T) {
	t.Parallel()
	for name, g := range growths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, nil)
			b.must(b.mem.Transact(t.Context(), addWrite(nil, b.sc.counts(), map[string]int64{
				"left:in_sync": 1000, "right:in_sync": 1000,
			}, time.Time{})))
			for i := range g.queued {
				for _, err := range b.Queue.Send(t.Context(), []queue.Message{
					{Group: "g", Dedup: fmt.Sprint(i), Body: []byte("{}")},
				}) {
					b.must(err)
				}
			}
			var jobs []*job
			if g.run != nil {
				r := *g.run
				r.Run.Connection = b.sc.con
				b.must(b.saveRun(t.Context(), b.sc.ws, &r))
				jobs = []*job{
					{chunk: &chunk{}}, {chunk: &chunk{Run: "run_gone", Counted: true}}, {chunk: &chunk{Run: "run", Counted: true}},
				}
			}
			s, k := b.session(0), massKind{"title", crm.Right, g.value}
			s.mass.turn(b.now)
			if g.counts > 0 {
				s.mass.add(k, g.counts)
			}
			got, err := s.mayGrow(t.Context(), k, jobs, g.fresh, g.among)
			if err != nil || got != g.want {
				t.Errorf("waits %t, %v; want %t", got, err, g.want)
			}
			if g.value == "" || g.fresh >= massAlike {
				return
			}
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.mayGrow(gone, k, jobs, g.fresh, g.among); err != nil {
				t.Errorf("values of their own, of which there may be as many as records, have the store read: %v", err)
			}
		})
	}
}

// TestS37_WhatIsWeighedComesAgainWhole: a change that waits is looked at afresh
// when its turn comes, with what was found to be its twin.
func TestS37_WhatIsWeighedComesAgainWhole(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	books := &books{s: b.session(0)}
	u := &unit{
		side: crm.Right, id: bobRight, hint: hint{ID: bobRight, Digest: "as it was listed", Tries: 3},
		fate: fate{weighed: true},
	}
	u.standsFor(&unit{side: crm.Left, id: bobLeft})
	books.letWeigh(u)
	b.must(books.keepBarred(t.Context()))
	if len(books.waitingHints) != 2 {
		t.Fatalf("%d records wait, want both", len(books.waitingHints))
	}
	own := remains(b, b.sc.stopped(weighing, crm.Right, bobRight), fromJSON[barredItem])
	if h := own.Hint; h.ID != bobRight || h.Digest != "" || !h.Weighed || h.Force || h.Tries != 3 || !own.At.Equal(b.now) {
		t.Errorf("the record waits as %+v", own)
	}
	twin := remains(b, b.sc.stopped(weighing, crm.Left, bobLeft), fromJSON[barredItem])
	if h := twin.Hint; h.ID != bobLeft || !h.Force || h.Weighed || !twin.At.Equal(b.now) {
		t.Errorf("its twin waits as %+v", twin)
	}
}

// TestS28_WhatGoesToTheInboxLeavesItsRun: a chunk of a run that is kept in the
// inbox is counted with it once, however often it is delivered; who was counted
// before is not counted again.
func TestS28_WhatGoesToTheInboxLeavesItsRun(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	c := aChunk(hint{ID: annLeft, Digest: "as listed"}, hint{ID: bobLeft, Expect: "planned", Gone: true, Confirm: true})
	c.Run, c.Counted = "run", true
	b.putJSON(b.sc.chunkTold(c.ID), toldItem{V: 1, IDs: []crm.RecordID{annLeft}})
	for range 2 {
		b.must(b.toInbox(t.Context(), c, "connection_paused"))
	}
	it, err := b.mem.Get(t.Context(), runCounts(b.sc.ws, "run"))
	b.must(err)
	if n := it.Counters; n["chunks"] != 1 || n["done"] != 1 || n["o:"+string(crm.Dropped)] != 1 {
		t.Errorf("the run counts %v, want its chunk and the one record that was not counted yet", n)
	}
	for _, id := range []crm.RecordID{annLeft, bobLeft} {
		h := remains(b, b.sc.inbox(crm.Left, id), fromJSON[inboxItem]).Hint
		if h.ID != id || h.Digest+h.Expect != "" || h.Confirm || h.Gone != (id == bobLeft) {
			t.Errorf("%s is kept as %+v", id, h)
		}
	}
	if b.get(agendaKey(b.sc)) == nil {
		t.Error("nobody will look into the inbox")
	}
	lone := aChunk(hint{ID: "l_cyd"})
	lone.ID, lone.Run = "chk_lone", "run"
	b.must(b.toInbox(t.Context(), lone, "connection_paused"))
	if it, err = b.mem.Get(t.Context(), runCounts(b.sc.ws, "run")); err != nil || it.Counters["chunks"] != 1 {
		t.Errorf("what no run waits for is counted: %v, %v", it.Counters, err)
	}
}

// TestS31_ReleasedOnlyWhenItIsLookedAt: what was held and is back stays noted
// until a full look at it stands, whatever else begins at the same moment.
func TestS31_ReleasedOnlyWhenItIsLookedAt(t *testing.T) {
	t.Parallel()
	const held = "mapping/city/left/city"
	ours := func(kind RunKind, gen int64) func(b *stillBed) crm.RunID {
		return func(b *stillBed) crm.RunID {
			r := b.newRun(b.sc, b.conn, kind)
			r.Generation = gen
			b.must(b.saveRun(b.t.Context(), b.sc.ws, r))
			return r.Run.ID
		}
	}
	for name, c := range map[string]struct {
		open     func(b *stillBed) crm.RunID // the open run that is known
		meantime func(b *stillBed) crm.RunID // one that begins after that was read
		held     string                      // what was; "" = held, and nothing is now
		released bool
	}{
		"nothing is open":                {released: true},
		"a pull is open":                 {open: ours(RunPull, 1)},
		"of an earlier start":            {open: ours(RunPull, 0), released: true},
		"a run that was deleted":         {open: func(*stillBed) crm.RunID { return "run_gone" }, released: true},
		"a pull begins at the moment":    {meantime: ours(RunPull, 1)},
		"a resync begins at the moment":  {meantime: ours(RunResync, 1), released: true},
		"what is held is held as before": {held: "-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, nil)
			b.conn.Generation = 1
			s := b.session(0)
			s.set = recovering(t).set // its settings use nothing that is gone
			st := &scanState{V: 1, Held: []string{held}, LatestPull: b.now}
			if c.held != "" {
				st.Held = nil
			}
			if c.open != nil {
				st.OpenRun = c.open(b)
			}
			b.must(b.saveScan(t.Context(), b.sc, st))
			st, err := b.loadScan(t.Context(), b.sc)
			b.must(err)
			if c.meantime != nil {
				now := *st
				now.OpenRun = c.meantime(b)
				b.must(b.saveScan(t.Context(), b.sc, &now))
			}
			b.must(s.letLoose(t.Context(), st))
			after, err := b.loadScan(t.Context(), b.sc)
			b.must(err)
			if noted := len(after.Held) > 0; c.held == "" && noted == c.released {
				t.Errorf("noted as held: %v, want released %t", after.Held, c.released)
			}
			if !c.released {
				return
			}
			r, err := b.loadRun(t.Context(), b.sc.ws, after.OpenRun)
			if err != nil || r.Run.Kind != RunResync || c.meantime == nil && !r.Full {
				t.Errorf("the open run is %+v, %v; want one that looks at everything", r, err)
			}
		})
	}
}

// TestS37_WhatWasCountedIsKeptAtOnce: the next worker knows it, whatever becomes of this one;
// who has no lease and took none over keeps nothing, and who lost theirs says so.
func TestS37_WhatWasCountedIsKeptAtOnce(t *testing.T) {
	t.Parallel()
	kind := massKind{Mapping: "city", Side: crm.Right}
	begun := func() *desk {
		d := newDesk(t)
		d.s.vacant = &lease{}
		d.must(d.s.learnMass(t.Context(), d.s.vacant))
		d.s.mass.add(kind, 7)
		d.asked = nil
		return d
	}
	d := begun()
	for range 2 { // the second time over what the first one wrote
		d.must(d.s.keepMass(t.Context()))
		d.s.mass.add(kind, 5)
	}
	d.must(d.s.keepMass(t.Context()))
	requests := len(d.asked)
	l, err := d.loadLease(t.Context(), d.sc)
	d.must(err)
	d.sit()
	d.must(d.s.learnMass(t.Context(), l))
	if got := d.s.mass.of(kind); got != 17 || l.Owner == "" {
		t.Errorf("%d changes are known to the next worker, want 17; the lease is %+v", got, l)
	}
	for at := range requests {
		d, failed := begun(), 0
		d.at = at
		for range 3 {
			if err := d.s.keepMass(t.Context()); fault.Is(err, fault.Unavailable) {
				failed++
			} else {
				d.must(err)
			}
		}
		if failed != 1 {
			t.Errorf("%s fails, and is said %d times", d.asked[at], failed)
		}
	}
	d = begun()
	d.must(d.s.keepMass(t.Context()))
	d.putJSON(d.sc.lease(), lease{Owner: "own_other"})
	if err := d.s.keepMass(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Errorf("the lease is lost, and what is said is %v", err)
	}
	d = begun()
	d.s.vacant = nil
	d.must(d.s.keepMass(t.Context()))
	if len(d.asked) > 0 {
		t.Errorf("without a lease it asks for %q", d.asked)
	}
}
