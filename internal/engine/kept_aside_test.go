package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// failsWhole lets f do its work on a desk that lay has laid, and then once for each of its
// requests, which fails: f has to say so. It returns what was asked for.
func failsWhole(t *testing.T, lay func() *desk, f func(d *desk) error) []string {
	t.Helper()
	d := lay()
	d.asked = nil
	if err := f(d); err != nil {
		t.Fatal(err)
	}
	requests := d.asked
	for at, what := range requests {
		if what == "each of " { // a batch of nothing is no request
			continue
		}
		d := lay()
		d.asked, d.at = nil, at
		if err := f(d); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s fails, and it says %v", what, err)
		}
	}
	return requests
}

// TestWhatIsKeptAsideIsKeptOrRefused: hints of a sync that is off go to its inbox, or
// the message stays: none is taken for kept because one of the requests failed.
func TestWhatIsKeptAsideIsKeptOrRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []RunKind{RunPull, RunResync} {
		for _, counted := range []bool{false, true} {
			lay := func() *desk {
				d := newDesk(t)
				d.conn.Status = crm.StatusPaused
				return d
			}
			of := func(d *desk) *chunk {
				c := d.newChunk(d.sc, d.conn, kind, "run", crm.Left, []hint{{ID: annLeft}, {ID: bobLeft}})
				c.ID, c.Counted = "chk", counted
				return c
			}
			admits := failsWhole(t, lay, func(d *desk) error {
				verdict := Verdict{Receipt: "r"}
				j := &job{chunk: of(d), verdict: &verdict, Delivery: queue.Delivery{Receipt: "r"}}
				open, err := d.admit(t.Context(), d.sc, d.conn, []*job{j})
				if len(open) > 0 || verdict.Ack != (err == nil) {
					t.Errorf("counted %t: %d go on, the message may be removed: %t, %v", counted, len(open), verdict.Ack, err)
				}
				return err
			})
			keeps := failsWhole(t, lay, func(d *desk) error {
				err := d.toInbox(t.Context(), of(d), "paused")
				if err == nil && (d.get(d.sc.inbox(crm.Left, annLeft)) == nil || d.get(d.sc.inbox(crm.Left, bobLeft)) == nil) {
					t.Error("a hint is not in the inbox")
				}
				return err
			})
			if len(admits) == 0 || len(keeps) < 2 || counted && len(keeps) < 4 {
				t.Errorf("counted %t: asked for %q and %q only", counted, admits, keeps)
			}
		}
	}
}

// TestToldSinceIsReadOrRefused: what cannot be read is no time at which nothing was told.
func TestToldSinceIsReadOrRefused(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	b.put(store.KeptSinceKey(b.sc.ws, "acc_left", "person"), []byte("yesterday"), nil)
	if at, err := b.ToldSince(t.Context(), b.sc.ws, "acc_left", "person"); err == nil || fault.KindOf(err) != fault.Other {
		t.Errorf("told since %v, %v", at, err)
	}
}

// TestWhatIsToldIsKeptOrRefused: a delivery of which a request failed is not taken for
// kept, and what is to be forgotten is not taken for gone.
func TestWhatIsToldIsKeptOrRefused(t *testing.T) {
	t.Parallel()
	events := []connector.Event{
		said(bobLeft, map[string]string{"email": "bob@example.com"}),
		said("l_ann2", map[string]string{"email": annMail[len("email:"):]}), // an erased person's
	}
	lay := func() *desk {
		d := newDesk(t)
		d.ErasureKey = aKey
		_, err := d.erasePerson(t.Context(), d.sc.ws, "ers_1", "request", []string{annMail}, nil)
		d.must(err)
		d.now = d.now.Add(2 * tombsFor) // so that it is read again who was erased
		d.keeps()
		return d
	}
	leaving := func() *desk { // with something told, and the connection on its way out
		d := lay()
		d.tell(bobLeft, nil)
		d.change(func(c *crm.Connection) { c.Status = crm.StatusDeleting })
		return d
	}
	for name, c := range map[string]struct {
		lay func() *desk
		f   func(d *desk) error
		min int // requests
	}{
		"keep": {lay, func(d *desk) error {
			rest, kept, err := d.keep(t.Context(), d.sc.ws, "acc_left", events)
			if err == nil && (len(rest) != 1 || len(kept) != 1 || !d.isKept("person", bobLeft)) {
				t.Errorf("%d events go on, %d are kept", len(rest), len(kept))
			}
			return err
		}, 4},
		"unkeep": {leaving, func(d *desk) error {
			err := d.unkeep(t.Context(), d.sc.ws, "acc_left", events[:1])
			if err == nil && d.isKept("person", bobLeft) {
				t.Error("it is kept after the connection is gone")
			}
			return err
		}, 2},
		"forget": {leaving, func(d *desk) error {
			more, err := d.forgetTold(t.Context(), d.sc.ws, d.conn)
			if err == nil && d.isKept("person", bobLeft) || err != nil && !more {
				t.Errorf("it is kept, or nothing is left to be done: %t, %v", more, err)
			}
			return err
		}, 3},
		"told since": {leaving, func(d *desk) error {
			at, err := d.ToldSince(t.Context(), d.sc.ws, "acc_left", "person")
			if err == nil && !at.Equal(d.now) {
				t.Errorf("told since %v", at)
			}
			return err
		}, 1},
	} {
		asked := failsWhole(t, c.lay, c.f)
		if len(asked) < c.min {
			t.Errorf("%s asks for %q only", name, asked)
		}
		writes := slices.DeleteFunc(slices.Clone(asked), func(what string) bool {
			return !strings.HasPrefix(what, "each of")
		})
		if name == "forget" && len(writes) != 2 { // what is kept, and since when; pages with nothing are not written
			t.Errorf("%s writes %q", name, writes)
		}
	}
}

// TestAWaitingRecordThatCannotBeReadIsSaid: when a pair ends, whoever waits for one of its
// records is looked for; one that cannot be read may be it.
func TestAWaitingRecordThatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	for data, kind := range map[string]fault.Kind{"{": fault.Other, `{"v":99}`: fault.KindOf(errNewerLink)} {
		lay := func() *desk {
			d := newDesk(t)
			l := link{
				V: linkFormat, Left: bobLeft, State: crm.StateDuplicate, Code: codeTwinTaken,
				Others: []crm.RecordID{"R_ann"},
			}
			it, err := l.item(d.sc)
			d.must(err)
			_, err = d.mem.Write(t.Context(), store.Write{Item: it})
			d.must(err)
			return d
		}
		look := func(d *desk) error {
			b := d.s.openBooks(&lot{})
			b.freed = map[crm.RecordRef]bool{{Side: crm.Right, ID: "R_ann"}: true}
			err := b.rehintWaiting(t.Context())
			if err == nil && !slices.Equal(b.rehint, []crm.RecordRef{{Side: crm.Left, ID: bobLeft}}) {
				t.Errorf("looked at again: %v", b.rehint)
			}
			return err
		}
		if asked := failsWhole(t, lay, look); len(asked) == 0 {
			t.Error("nobody was looked for")
		}
		d := lay()
		it, err := (&link{V: linkFormat, Left: annLeft, State: crm.StateDuplicate}).item(d.sc)
		d.must(err)
		it.Data = []byte(data)
		_, err = d.mem.Write(t.Context(), store.Write{Item: it})
		d.must(err)
		if err := look(d); err == nil || fault.KindOf(err) != kind {
			t.Errorf("%s: %v", data, err)
		}
	}
}

// TestAPlanTooLongForItsTimeIsCutAndNoMore: of slow apps nothing is asked for a piece of
// a plan that is cut. Its parts ask in their turn; both together would take twice as long.
func TestAPlanTooLongForItsTimeIsCutAndNoMore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens()
	d.must(d.savePlan(t.Context(), d.sc.ws, &storedPlan{V: 1, Plan: PlanView{ID: "pln", Run: "run"}}, 0))
	d.Tuning.GroupFor = time.Second
	var hints []hint
	for i := range 6 {
		id := crm.RecordID(fmt.Sprintf("l_%d", i))
		d.person(crm.Left, id, "Rome", fmt.Sprintf("person%d@example.com", i))
		hints = append(hints, hint{ID: id})
	}
	for _, side := range crm.Sides {
		d.took(d.s.paceKey(side), askOne, 10*time.Second)
	}
	c := d.newChunk(d.sc, d.conn, RunPlan, "run", crm.Left, hints)
	c.ID, c.Counted, c.Plan = "chk", true, "pln"
	verdict := Verdict{Receipt: "r"}
	d.asked = nil
	d.must(d.s.planLots(t.Context(), []*job{{chunk: c, verdict: &verdict, Delivery: queue.Delivery{Receipt: "r"}}}))
	if !verdict.Ack || d.marks["chunk_split"] != 1 {
		t.Errorf("the message may be removed: %t; came by %v", verdict.Ack, d.marks)
	}
	for _, what := range d.asked {
		for _, side := range crm.Sides {
			if strings.HasPrefix(what, string(side)+" ") {
				t.Errorf("an app was asked: %s", what)
			}
		}
	}
	if kept := d.remembers(); strings.Count(kept, `"l_5"`) != 1 || !strings.Contains(kept, "parked") {
		t.Errorf("remembered:\n%s", kept)
	}
}

// TestAUserWhoIsNotThereIsNobody, whatever an app says beside.
func TestAUserWhoIsNotThereIsNobody(t *testing.T) {
	t.Parallel()
	for kind, known := range map[fault.Kind]bool{
		fault.NotFound: true, fault.Invalid: true, fault.Unsupported: true, fault.Unavailable: false,
	} {
		d := newDesk(t)
		d.opens()
		said, err := d.s.askUser(t.Context(), crm.Left, userKey{d.conn.Left.Account, false, "7"},
			func(context.Context, string) (string, error) {
				return "ann@example.com", fault.New("test: user", kind, "", "no")
			})
		if said != "" || (err == nil) != known {
			t.Errorf("%v: said %q, %v", kind, said, err)
		}
	}
}
