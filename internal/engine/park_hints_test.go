package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// keptTwice are two hints of one record, in the order in which they came, and what has to
// be asked for when both wait in one place.
var keptTwice = map[string]struct {
	first, then hint
	holds       func(h *hint) bool
}{
	"it waited for a right": {hint{Force: true, Barred: crm.Left}, hint{}, func(h *hint) bool { return h.Force }},
	"it lost a merge":       {hint{Gone: true, Into: "l_kept"}, hint{}, func(h *hint) bool { return h.Into == "l_kept" && h.Gone }},
	"another lost one to it": {
		hint{Merged: []crm.RecordID{"l_old"}, Primary: "l_old"},
		hint{Merged: []crm.RecordID{"l_older"}},
		func(h *hint) bool { return fmt.Sprint(h.Merged) == "[l_old l_older]" && h.Primary == "l_old" },
	},
	"a person decided": {
		hint{Op: opResolve, Wins: crm.Left, Partner: bobRight},
		hint{},
		func(h *hint) bool { return h.Op == opResolve && h.Wins == crm.Left },
	},
	"the app named who is in the way": {hint{Holder: bobRight}, hint{}, func(h *hint) bool { return h.Holder == bobRight }},
	"refused values are tried again":  {hint{}, hint{Again: true}, func(h *hint) bool { return h.Again }},
	"it was to be noted only": {
		hint{Later: true}, hint{}, func(h *hint) bool { return !h.Later },
	},
}

// TestKeptHintsAskForBoth: what waits in the store for a pause to end, for a right or for
// a decision, is asked for still when another event of the record came meanwhile, in one
// message with it or later.
func TestKeptHintsAskForBoth(t *testing.T) {
	t.Parallel()
	for name, c := range keptTwice {
		c.first.ID, c.then.ID = bobLeft, bobLeft
		for _, messages := range []int{1, 2} {
			b := newStillBed(t, nil)
			c1 := b.newChunk(b.sc, b.conn, RunWebhook, "", crm.Left, []hint{c.first})
			c2 := b.newChunk(b.sc, b.conn, RunWebhook, "", crm.Left, []hint{c.then})
			if messages == 1 {
				c1.Hints, c2.Hints = append(c1.Hints, c.then), nil
			}
			b.must(b.toInbox(t.Context(), c1, "paused"))
			b.must(b.toInbox(t.Context(), c2, "paused"))
			if kept := remains(b, b.sc.inbox(crm.Left, bobLeft), fromJSON[inboxItem]); !c.holds(&kept.Hint) {
				t.Errorf("%s, in %d messages: %+v", name, messages, kept.Hint)
			}
		}
		b := newStillBed(t, nil)
		for _, h := range []hint{c.first, c.then} {
			books := b.session(0).openBooks(&lot{})
			u := &unit{side: crm.Left, id: bobLeft, hint: h}
			u.fate.barred.Set(crm.Right, true)
			books.letWait(u)
			books.letWeigh(u)
			b.must(books.keepBarred(t.Context()))
		}
		for where, key := range map[string]store.Key{
			"for a right": b.sc.barred(crm.Right, crm.Left, bobLeft), "to be weighed": b.sc.stopped(weighing, crm.Left, bobLeft),
		} {
			if kept := remains(b, key, fromJSON[barredItem]); !c.holds(&kept.Hint) {
				t.Errorf("%s, waiting %s: %+v", name, where, kept.Hint)
			}
		}
	}
}

// racing lets somebody else write first, some times.
type racing struct {
	store.Store
	times int
	other func()
}

func (r *racing) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	if r.times > 0 {
		r.times--
		r.other()
	}
	return r.Store.BatchWrite(ctx, ws)
}

// TestKeptHintsMeetOthers: an event that two processes keep at once, and one that was sent
// while another one was kept, is lost by neither; whoever never gets a turn says so.
func TestKeptHintsMeetOthers(t *testing.T) {
	t.Parallel()
	for _, times := range []int{1, keepTries - 1, keepTries} {
		b := newStillBed(t, nil)
		n := 0
		b.Store = &racing{b.mem, times, func() {
			n++
			b.putJSON(b.sc.inbox(crm.Left, bobLeft), inboxItem{V: 1, Hint: hint{
				ID: bobLeft, Merged: []crm.RecordID{crm.RecordID(fmt.Sprint("l_", n))},
			}})
		}}
		err := b.toInbox(t.Context(), b.newChunk(b.sc, b.conn, RunWebhook, "", crm.Left, []hint{
			{ID: bobLeft, Force: true}, {ID: annLeft},
		}), "paused")
		if busy := fault.CodeOf(err) == "busy"; busy != (times == keepTries) || !busy && err != nil {
			t.Errorf("%d others: %v", times, err)
		}
		kept := remains(b, b.sc.inbox(crm.Left, bobLeft), fromJSON[inboxItem])
		if err == nil && (!kept.Hint.Force || len(kept.Hint.Merged) != 1) {
			t.Errorf("%d others: %+v", times, kept.Hint)
		}
		remains(b, b.sc.inbox(crm.Left, annLeft), fromJSON[inboxItem])
	}
}
