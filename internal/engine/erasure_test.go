package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// erase asks for an erasure and notes what must not be left: what was named,
// the name Ann, and the records given.
func (b *crashBed) erase(r engine.ErasureRequest, records ...crm.RecordID) {
	b.gone = []string{r.Email, r.Phone, "Ann"}
	for _, id := range records {
		b.gone = append(b.gone, string(id))
	}
	b.ask(func(e *engine.Engine) error {
		_, err := e.Erase(b.t.Context(), testbed.Workspace, fmt.Sprintf("ers_%08d", 1), r)
		return err
	})
}

// traces says where something is left of somebody who was erased, and which
// items are of no known kind.
func (b *crashBed) traces() (lines []string) {
	for _, table := range store.Tables {
		b.store.Each(table, func(it store.Item) bool {
			if text := engine.Trace(it, b.gone); text != "" {
				lines = append(lines, fmt.Sprintf("%q is left in %s %s %s", text, table, it.Partition, it.Sort))
			}
			if _, ok := store.KindOf(it.Key); !ok {
				lines = append(lines, fmt.Sprintf("an item of no known kind: %s %s %s", table, it.Partition, it.Sort))
			}
			return true
		})
	}
	return lines
}

// TestX11_ErasedPeopleLeaveNothing erases a person of a small world by each way
// and looks through the whole store, before and after; then everything that may
// come of the person later comes, and makes nobody.
func TestX11_ErasedPeopleLeaveNothing(t *testing.T) {
	t.Parallel()
	for name, erase := range map[string]func(b *crashBed, l, r crm.RecordID){
		"by e-mail": func(b *crashBed, l, r crm.RecordID) { b.erase(engine.ErasureRequest{Email: "ANN@Example.com"}, l, r) },
		"by an address that is changed meanwhile": func(b *crashBed, l, r crm.RecordID) {
			worker := b.eng
			b.eng = b.process() // what it is asked no other process knows of at once
			b.erase(engine.ErasureRequest{Email: ann}, l, r)
			b.eng = worker
			b.edit(crm.Left, l, "email", "other@example.com")
			b.hook(crm.Left, connector.EventChanged, l) // and is worked before the erasure begins to look
		},
		"by record": func(b *crashBed, l, r crm.RecordID) {
			b.erase(engine.ErasureRequest{
				Record: &engine.AppRecord{Account: testbed.RightAccount, Object: modelapp.Object, ID: r},
			}, l, r)
		},
		"by app": func(b *crashBed, l, _ crm.RecordID) {
			if err := b.apps[0].Delete(l); err != nil {
				b.t.Fatal(err)
			}
			b.hook(crm.Left, connector.EventErased, l)
			b.hook(crm.Left, connector.EventDeleted, l)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newCrashBed(t, -1, dieBefore, nil, nil)
			b.begin(true)
			l, r := b.byEmail(crm.Left, ann), b.byEmail(crm.Right, ann)
			b.edit(crm.Left, l, "city", "Ghent")
			b.hook(crm.Left, connector.EventChanged, l)
			b.rest()
			b.gone = []string{ann, "Ann", string(l), string(r)}
			if len(b.traces()) < 4 {
				t.Fatalf("before, the person is found in few places: %v", b.traces())
			}
			erase(b, l, r)
			b.gone = []string{ann, "Ann", string(l), string(r)}
			b.rest()
			if left := b.traces(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			b.late(l, r, name == "by app")
		})
	}
}

// late lets everything come that may come of an erased person, and demands that
// it makes nobody.
func (b *crashBed) late(l, r crm.RecordID, gone bool) {
	b.t.Helper()
	people := [2]int{len(b.apps[0].Rows()), len(b.apps[1].Rows())}
	if !gone {
		b.edit(crm.Left, l, "city", "Lund")
		b.edit(crm.Right, r, "first", "Anna")
	}
	b.hook(crm.Left, connector.EventChanged, l)
	b.hook(crm.Right, connector.EventChanged, r)
	b.rest()
	again := b.create(crm.Left, "email", ann, "first", "Ann")
	b.hook(crm.Left, connector.EventChanged, again)
	b.rest()
	b.pull()
	b.rest()
	b.resync()
	b.rest()
	if got := [2]int{len(b.apps[0].Rows()) - 1, len(b.apps[1].Rows())}; got != people {
		b.t.Errorf("%v records, want %v: somebody was made", got, people)
	}
	if x := b.explained(crm.Left, again); x.Outcome != crm.Excluded || x.Code != engine.CodeErased ||
		len(x.Fields)+len(x.Match)+len(x.Filters) > 0 {
		b.t.Errorf("explain: %+v", x)
	}
	if bad := b.unbalanced(); len(bad) > 0 {
		b.t.Error(bad)
	}
	b.gone = []string{ann, "Ann"}
	if left := b.traces(); len(left) > 0 {
		b.t.Errorf("what came late left: %v", left)
	}
	b.lifted(again)
}

// lifted lets the person in again, as somebody new.
func (b *crashBed) lifted(id crm.RecordID) {
	b.t.Helper()
	list, _, err := b.eng.ListErasures(b.t.Context(), testbed.Workspace, 10, "")
	if err != nil || len(list) != 1 || list[0].State != engine.ErasureDone || list[0].CheckedAt.IsZero() {
		b.t.Fatalf("receipts %+v, %v", list, err)
	}
	b.ask(func(e *engine.Engine) error {
		_, err := e.LiftErasure(b.t.Context(), testbed.Workspace, list[0].ID)
		return err
	})
	b.hook(crm.Left, connector.EventChanged, id)
	b.rest()
	if x := b.explained(crm.Left, id); x.Code == engine.CodeErased {
		b.t.Errorf("lifted, explain says %+v", x)
	}
}

// delivered lets the writer work what is on the queue; no tick comes.
func (b *crashBed) delivered() {
	for range 5 {
		b.works()
		b.now = b.now.Add(5 * time.Second)
	}
}

// explained says what would be done with a record.
func (b *crashBed) explained(side crm.Side, id crm.RecordID) engine.Explanation {
	b.t.Helper()
	x, err := b.eng.Explain(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, side, id)
	b.must(err)
	return x
}

// TestX11_TheAddressComesAgainAtOnce: somebody signs up with the address of a person
// whose erasure the app told of a moment ago, before a tick looked for what else is
// hers. The pair that was hers, which is a deleted one by then, does not become the
// newcomer's, and nothing is left.
func TestX11_TheAddressComesAgainAtOnce(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]func(b *crashBed, side crm.Side, id crm.RecordID){
		"told of": func(b *crashBed, side crm.Side, id crm.RecordID) {
			b.hook(side, connector.EventErased, id)
		},
		"told of as deleted, too": func(b *crashBed, side crm.Side, id crm.RecordID) {
			b.hook(side, connector.EventErased, id)
			b.hook(side, connector.EventDeleted, id)
		},
		"told of, and taken apart by hand": func(b *crashBed, side crm.Side, id crm.RecordID) {
			b.hook(side, connector.EventErased, id)
			twin := b.byEmail(side.Other(), ann)
			b.ask(func(e *engine.Engine) error {
				_, err := e.UnlinkRecord(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, side.Other(), twin)
				return err
			})
		},
		"asked for": func(b *crashBed, side crm.Side, id crm.RecordID) {
			account := crm.PerSide[crm.AccountID]{Left: testbed.LeftAccount, Right: testbed.RightAccount}
			b.erase(engine.ErasureRequest{
				Record: &engine.AppRecord{Account: account.Get(side), Object: modelapp.Object, ID: id},
			})
		},
	} {
		for _, side := range crm.Sides {
			t.Run(name+" on the "+string(side), func(t *testing.T) {
				t.Parallel()
				b := newCrashBed(t, -1, dieBefore, nil, nil)
				b.begin(true)
				gone, twin := b.byEmail(side, ann), b.byEmail(side.Other(), ann)
				b.must(b.apps[side.Index()].Delete(gone))
				told(b, side, gone)
				b.delivered() // the writer learns that the record is gone
				again := b.create(side, "email", ann, "first", "Ann")
				b.hook(side, connector.EventChanged, again)
				b.delivered()
				if x := b.explained(side, again); name == "asked for" && x.Code != engine.CodeErased {
					t.Errorf("before any tick, the newcomer: %+v", x) // an admin may link them to hers, by hand
				}
				b.rest()
				b.gone = []string{ann, "Ann", string(gone), string(twin), string(again)}
				if left := b.traces(); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
				if x := b.explained(side, again); x.Outcome != crm.Excluded || x.Code != engine.CodeErased {
					t.Errorf("the newcomer: %+v", x)
				}
			})
		}
	}
}

// TestX11_TheAddressIsChangedAtOnce: a person is erased by their address, and a user
// changes it before a tick has looked for whose it is. The process that works the
// change does not know of the erasure by itself; the new address goes nowhere, so that
// the pair goes on telling whose it is.
func TestX11_TheAddressIsChangedAtOnce(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		t.Run(string(side), func(t *testing.T) {
			t.Parallel()
			b := newCrashBed(t, -1, dieBefore, nil, nil)
			b.begin(true)
			l, r := b.byEmail(crm.Left, ann), b.byEmail(crm.Right, ann)
			worker := b.eng
			b.eng = b.process()
			b.erase(engine.ErasureRequest{Email: ann})
			b.eng = worker
			changed := crm.PerSide[crm.RecordID]{Left: l, Right: r}
			b.edit(side, changed.Get(side), "email", "other@example.com")
			b.hook(side, connector.EventChanged, changed.Get(side))
			b.delivered()
			if got := b.byEmail(side.Other(), ann); got != changed.Get(side.Other()) {
				t.Errorf("the new address was written to the other side: %s has the old one", got)
			}
			b.rest()
			b.gone = []string{ann, "other@example.com", "Ann", string(l), string(r)}
			if left := b.traces(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestX11_EveryKindIsLookedThrough holds the erasure to the list of kinds: of
// each that may hold something of a person it looks through the partitions.
func TestX11_EveryKindIsLookedThrough(t *testing.T) {
	t.Parallel()
	b := newCrashBed(t, -1, dieBefore, nil, nil)
	b.begin(true)
	b.ask(func(e *engine.Engine) error {
		_, err := e.CreatePlan(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
		return err
	})
	b.rest()
	places, err := engine.ErasedPlaces(t.Context(), b.eng, testbed.Workspace)
	if err != nil {
		t.Fatal(err)
	}
	looked := map[string]bool{}
	for _, k := range places {
		kind, ok := store.KindOf(k)
		if !ok || kind.Erasing == store.EraseNothing {
			t.Errorf("%s %s is looked through and is of kind %q, of which it is said that nothing is erased", k.Table,
				k.Partition, kind.Name)
		}
		looked[kind.Name] = true
	}
	elsewhere := map[string]string{
		"lease": "when the sync is made to know the tombstones", "seen": "with the run that listed",
		"awaited": "with what was decided, in whose partition it is",
		"erasing": "ends with the erasure", "erasure": "is the receipt: clear text goes once it has been looked up",
	}
	for _, kind := range store.Kinds {
		if kind.Why == "" {
			t.Errorf("nothing is said of the kind %s", kind.Name)
		}
		if kind.Erasing != store.EraseNothing && !looked[kind.Name] && elsewhere[kind.Name] == "" {
			t.Errorf("no erasure looks through the kind %s", kind.Name)
		}
	}
}

// TestX11_AnotherPersonWithTheSamePhone: of a family with one phone number and
// addresses of their own one is erased. The other goes on; a record that has the
// number alone is nobody's any more.
func TestX11_AnotherPersonWithTheSamePhone(t *testing.T) {
	t.Parallel()
	b := newDimBed(t, 0, dim{}, func(c *crm.Connection) {
		c.Sync(testbed.Contacts).Match = crm.SameMatch(
			crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}},
			crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"phone", "Phone"}}},
		)
	})
	family := func(first string, more ...string) {
		f := map[string]string{"LastName": "Of " + first, "Phone": "(212) 555-0122"}
		for i := 0; i+1 < len(more); i += 2 {
			f[more[i]] = more[i+1]
		}
		_, err := b.Force.Core().CreateRecord("Contact", f)
		b.must(err)
	}
	family("ann", "Email", ann)
	family("bob", "Email", bob)
	b.start()
	if hub, _ := b.living(); hub != 2 {
		t.Fatalf("%d people came across, want both", hub)
	}
	_, err := b.Engine.Erase(t.Context(), testbed.Workspace, "ers_1", engine.ErasureRequest{Email: ann})
	b.must(err)
	b.must(b.Quiet(t.Context()))
	for _, r := range b.Force.Core().Records("Contact") {
		_, err := b.Force.Core().UpdateRecord("Contact", r.ID, map[string]string{"Title": "Seen"})
		b.must(err)
	}
	family("nobody")
	b.pull()
	b.must(b.Quiet(t.Context()))
	titles := map[string]string{}
	for _, r := range b.Hub.Core().Records("contacts") {
		titles[r.Fields["email"]] = r.Fields["jobtitle"]
	}
	if titles[bob] != "Seen" || titles[ann] != "" || len(titles) != 2 {
		t.Errorf("titles by address: %v", titles)
	}
}

// TestX11_AnAppThatIsAway: an erasure waits for an app that does not answer, for
// a day; then it goes on without, and says so.
func TestX11_AnAppThatIsAway(t *testing.T) {
	t.Parallel()
	away := false
	b := newDimBed(t, 0, dim{unread: func(crm.RecordID, string) error {
		if away {
			return fault.New("test: read", fault.Unavailable, "unavailable", "the app is away")
		}
		return nil
	}}, nil)
	_, err := b.Hub.Core().CreateRecord("contacts", map[string]string{"lastname": "Roe", "email": ann})
	b.must(err)
	b.start()
	b.must(b.Quiet(t.Context()))
	away = true
	_, err = b.Engine.Erase(t.Context(), testbed.Workspace, "ers_1", engine.ErasureRequest{Email: ann})
	b.must(err)
	look := func(d time.Duration) engine.Erasure {
		t.Helper()
		b.Move(d)
		for range 200 {
			if _, err := b.Engine.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.Move(time.Second)
		}
		e, err := b.Engine.GetErasure(t.Context(), testbed.Workspace, "ers_1")
		b.must(err)
		return e
	}
	if e := look(time.Hour); e.State != engine.ErasureRunning {
		t.Errorf("an hour later: %+v", e)
	}
	if e := look(24 * time.Hour); e.State != engine.ErasureDone || len(e.Unasked) != 1 ||
		e.Unasked[0] != testbed.LeftAccount {
		t.Errorf("a day later: %+v", e)
	}
}
