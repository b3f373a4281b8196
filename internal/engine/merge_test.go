package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// mergeBed is a bed in which records of one app are merged.
type mergeBed struct {
	*testbed.Bed
	t    *testing.T
	ctx  context.Context
	side crm.Side // where records are merged
	form hubspotfake.Merges
}

func newMergeBed(t *testing.T, side crm.Side, form hubspotfake.Merges) *mergeBed {
	t.Helper()
	b, err := testbed.New(t.Context(), testbed.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Hub.SetMerges(form)
	m := &mergeBed{Bed: b, t: t, ctx: t.Context(), side: side, form: form}
	m.must(startBed(m.ctx, b))
	return m
}

func startBed(ctx context.Context, b *testbed.Bed) error {
	if _, err := b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection); err != nil {
		return err
	}
	if err := b.Drain(ctx); err != nil {
		return err
	}
	return b.Quiet(ctx)
}

func (m *mergeBed) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *mergeBed) core(side crm.Side) (core *fakekit.Core, object string, names map[string]string) {
	if side == crm.Left {
		return m.Hub.Core(), "contacts", map[string]string{
			"email": "email", "last": "lastname", "city": "city", "title": "jobtitle",
		}
	}
	return m.Force.Core(), "Contact", map[string]string{
		"email": "Email", "last": "LastName", "city": "MailingCity", "title": "Title",
	}
}

func (m *mergeBed) raw(side crm.Side, kv ...string) map[string]string {
	_, _, names := m.core(side)
	f := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		f[names[kv[i]]] = kv[i+1]
	}
	return f
}

// person makes somebody on a side, linked to a twin on the other if wanted.
func (m *mergeBed) person(linked bool, name, city string) (id, twin crm.RecordID) {
	m.t.Helper()
	core, object, _ := m.core(m.side)
	r, err := core.CreateRecord(object, m.raw(m.side, "email", name+"@example.com", "last", name, "city", city))
	m.must(err)
	id = crm.RecordID(r.ID)
	if !linked {
		m.Move(time.Minute)
		return id, ""
	}
	m.must(m.Quiet(m.ctx))
	v := m.view(m.side, id)
	if v.State != crm.StateInSync || v.Partner == "" {
		m.t.Fatalf("%s is %s with %q", name, v.State, v.Partner)
	}
	return id, v.Partner
}

func (m *mergeBed) view(side crm.Side, id crm.RecordID) engine.RecordView {
	m.t.Helper()
	v, err := m.Engine.GetRecord(m.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, side, id)
	m.must(err)
	return v
}

// merge merges loser into primary, and returns the survivor and the events that tell of it.
func (m *mergeBed) merge(loser, primary crm.RecordID) (crm.RecordID, []connector.Event) {
	m.t.Helper()
	core, object, _ := m.core(m.side)
	r, err := core.MergeRecord(object, string(loser), string(primary))
	m.must(err)
	survivor := crm.RecordID(r.ID)
	var events []connector.Event
	for _, id := range []crm.RecordID{loser, primary} {
		if id != survivor {
			e := connector.Event{Kind: connector.EventMerged, Object: object, ID: id, MergedInto: survivor}
			if survivor != primary {
				e.Primary = primary
			}
			events = append(events, e)
		}
	}
	return survivor, append(events, connector.Event{Kind: connector.EventChanged, Object: object, ID: survivor})
}

func (m *mergeBed) hook(events ...connector.Event) {
	m.t.Helper()
	account := testbed.LeftAccount
	if m.side == crm.Right {
		account = testbed.RightAccount
	}
	m.must(m.Engine.Webhook(m.ctx, testbed.Workspace, account, events))
}

func (m *mergeBed) edit(side crm.Side, id crm.RecordID, kv ...string) {
	m.t.Helper()
	m.Move(time.Second)
	core, object, _ := m.core(side)
	_, err := core.UpdateRecord(object, string(id), m.raw(side, kv...))
	m.must(err)
}

// values are a live record's values, nil when it is gone.
func (m *mergeBed) values(side crm.Side, id crm.RecordID) map[string]string {
	core, object, names := m.core(side)
	for _, r := range core.Records(object) {
		if r.ID == string(id) && !r.Deleted {
			out := map[string]string{}
			for k, n := range names {
				out[k] = r.Fields[n]
			}
			return out
		}
	}
	return nil
}

func (m *mergeBed) count(side crm.Side) (n int) {
	core, object, _ := m.core(side)
	for _, r := range core.Records(object) {
		if !r.Deleted {
			n++
		}
	}
	return n
}

// mergeNews are the ways in which the engine hears of a merge.
var mergeNews = map[string]func(m *mergeBed, events []connector.Event){
	"webhook": func(m *mergeBed, events []connector.Event) {
		m.hook(events...)
		m.must(m.Drain(m.ctx))
	},
	"webhook, the other way round": func(m *mergeBed, events []connector.Event) {
		slices.Reverse(events)
		m.hook(events...)
		m.must(m.Drain(m.ctx))
	},
	"one webhook after the other": func(m *mergeBed, events []connector.Event) {
		for _, e := range events {
			m.hook(e)
			m.must(m.Drain(m.ctx))
		}
	},
	"one webhook after the other, the other way round": func(m *mergeBed, events []connector.Event) {
		slices.Reverse(events)
		for _, e := range events {
			m.hook(e)
			m.must(m.Drain(m.ctx))
		}
	},
	"deletions only": func(m *mergeBed, events []connector.Event) {
		for _, e := range events {
			if e.Kind == connector.EventMerged {
				m.hook(connector.Event{Kind: connector.EventDeleted, Object: e.Object, ID: e.ID})
				m.must(m.Drain(m.ctx))
			}
		}
	},
	"pull": func(*mergeBed, []connector.Event) {},
	"resync": func(m *mergeBed, _ []connector.Event) {
		_, err := m.Engine.StartRun(m.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
		m.must(err)
		m.must(m.Drain(m.ctx))
	},
}

// mergeForms are the sides and forms in which records are merged.
var mergeForms = map[string]func(t *testing.T) *mergeBed{
	"HubSpot, new record": func(t *testing.T) *mergeBed { return newMergeBed(t, crm.Left, hubspotfake.Merges{}) },
	"HubSpot, same ID": func(t *testing.T) *mergeBed {
		return newMergeBed(t, crm.Left, hubspotfake.Merges{KeepID: true})
	},
	"Salesforce": func(t *testing.T) *mergeBed { return newMergeBed(t, crm.Right, hubspotfake.Merges{}) },
}

// eachMerge runs f for every form of a merge and every way to hear of it.
func eachMerge(t *testing.T, f func(m *mergeBed, tell func(m *mergeBed, events []connector.Event))) {
	for _, form := range sortedKeys(mergeForms) {
		for _, how := range sortedKeys(mergeNews) {
			t.Run(form+", "+how, func(t *testing.T) {
				t.Parallel()
				f(mergeForms[form](t), mergeNews[how])
			})
		}
	}
}

// follows demands that survivor and twin are in step and hold want.
func (m *mergeBed) follows(survivor, twin crm.RecordID, want map[string]string) {
	m.t.Helper()
	v := m.view(m.side, survivor)
	if v.State != crm.StateInSync || v.Partner != twin {
		m.t.Errorf("the survivor is %s (%s) with %q, want in_sync with %q", v.State, v.Code, v.Partner, twin)
	}
	for _, r := range []struct {
		side crm.Side
		id   crm.RecordID
	}{{m.side, survivor}, {m.side.Other(), twin}} {
		got := m.values(r.side, r.id)
		for k, w := range want {
			if got[k] != w {
				m.t.Errorf("%s %s: %s is %q, want %q", r.side, r.id, k, got[k], w)
			}
		}
	}
}

// logged demands that the log tells once of each record given under a code, with
// its twin, and of nobody else.
func (m *mergeBed) logged(code string, want map[crm.RecordID]crm.RecordID) {
	m.t.Helper()
	got := map[crm.RecordID]crm.RecordID{}
	for cursor, more := "", true; more; more = cursor != "" {
		es, next, err := m.Engine.ListLog(m.ctx, testbed.Workspace, engine.LogFilter{Connection: testbed.Connection}, 200,
			cursor)
		m.must(err)
		for _, e := range es {
			if e.Code != code {
				continue
			}
			if _, twice := got[e.Record]; twice {
				m.t.Errorf("the log tells of %s twice: %s", e.Record, code)
			}
			got[e.Record] = e.Partner
		}
		cursor = next
	}
	if d := cmp.Diff(want, got); d != "" {
		m.t.Errorf("of %s the log tells (-want +got):\n%s", code, d)
	}
}

// moved is whom a link follows that was of another record: nobody when it stayed.
func moved(was, survivor, twin crm.RecordID) map[crm.RecordID]crm.RecordID {
	if was == survivor {
		return map[crm.RecordID]crm.RecordID{}
	}
	return map[crm.RecordID]crm.RecordID{survivor: twin}
}

// TestS36_TwoLinkedRecordsMerged: the primary's link stays with its base, and
// the loser's partner is left as it is and listed.
func TestS36_TwoLinkedRecordsMerged(t *testing.T) {
	t.Parallel()
	eachMerge(t, func(m *mergeBed, tell func(*mergeBed, []connector.Event)) {
		loser, lostTwin := m.person(true, "loser", "Lund")
		primary, twin := m.person(true, "primary", "Paris")
		before := m.values(m.side.Other(), lostTwin)
		people := m.count(m.side.Other())
		survivor, events := m.merge(loser, primary)
		tell(m, events)
		for range 3 {
			m.must(m.Quiet(m.ctx))
		}
		m.follows(survivor, twin, map[string]string{"email": "primary@example.com", "city": "Paris", "last": "primary"})
		if got := m.values(m.side.Other(), lostTwin); fmt.Sprint(got) != fmt.Sprint(before) {
			m.t.Errorf("the loser's partner: %v, was %v", got, before)
		}
		v := m.view(m.side.Other(), lostTwin)
		if v.State != crm.StateDuplicate || v.Code != "merged_twin" || !slices.Equal(v.Others, []crm.RecordID{twin}) {
			m.t.Errorf("the loser's partner is %s (%s) of %v, want a duplicate of %s", v.State, v.Code, v.Others, twin)
		}
		m.logged("merge_followed", moved(primary, survivor, twin))
		m.logged("merged_twin", map[crm.RecordID]crm.RecordID{lostTwin: loser})
		// It stays so, whatever somebody types there, and old IDs lead to the survivor.
		m.edit(m.side.Other(), lostTwin, "city", "Lima")
		m.edit(m.side, survivor, "city", "Bern")
		m.edit(m.side.Other(), twin, "title", "CEO")
		m.must(m.Quiet(m.ctx))
		m.follows(survivor, twin, map[string]string{"city": "Bern", "title": "CEO"})
		if got := m.values(m.side.Other(), lostTwin); got["city"] != "Lima" || got["last"] != "loser" ||
			m.count(m.side.Other()) != people {
			m.t.Errorf("the loser's partner: %v; %d records, want %d", got, m.count(m.side.Other()), people)
		}
		for _, id := range []crm.RecordID{loser, primary} {
			if v := m.view(m.side, id); v.Partner != twin {
				m.t.Errorf("%s leads to %s (%s %s), want %s", id, v.Partner, v.State, v.Code, twin)
			}
		}
		m.recounted()
	})
}

// recounted demands that the counters are what a full run counts.
func (m *mergeBed) recounted() {
	m.t.Helper()
	states := func() string {
		st, err := m.Engine.Status(m.ctx, testbed.Workspace, testbed.Connection)
		m.must(err)
		return fmt.Sprint(st[0].States)
	}
	before := states()
	mergeNews["resync"](m, nil)
	if after := states(); after != before {
		m.t.Errorf("counted %s, and after a full run %s", before, after)
	}
}

// TestS36_OneLinkFollowsTheSurvivor: if only one of the two was linked, its link
// and base go with the survivor, so that an edit of the twin between the merge
// and the news of it travels.
func TestS36_OneLinkFollowsTheSurvivor(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"the loser", "the primary"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			eachMerge(t, func(m *mergeBed, tell func(*mergeBed, []connector.Event)) {
				linked, twin := m.person(true, "linked", "Lund")
				other, _ := m.person(false, "other", "Oslo")
				people := m.count(m.side.Other())
				loser, primary, city, last := linked, other, "Oslo", "other"
				if which == "the primary" {
					loser, primary, city, last = other, linked, "Lund", "linked"
				}
				survivor, events := m.merge(loser, primary)
				m.edit(m.side.Other(), twin, "title", "Edited between")
				tell(m, events)
				m.must(m.Quiet(m.ctx))
				m.must(m.Quiet(m.ctx))
				m.follows(survivor, twin, map[string]string{
					"city": city, "last": last, "title": "Edited between", "email": last + "@example.com",
				})
				if n := m.count(m.side.Other()); n != people {
					m.t.Errorf("%d records on the other side, want %d", n, people)
				}
				m.logged("merge_followed", moved(linked, survivor, twin))
				m.recounted()
			})
		})
	}
}

// TestS36_EditOfTheTwinTellsOfTheMerge: the first that is heard of a merge is
// the answer to a read of the partner's twin; no value of the primary is lost
// on the loser's partner.
func TestS36_EditOfTheTwinTellsOfTheMerge(t *testing.T) {
	t.Parallel()
	for _, form := range sortedKeys(mergeForms) {
		for _, edited := range []string{"the loser's twin", "the primary's twin"} {
			t.Run(form+", "+edited, func(t *testing.T) {
				t.Parallel()
				m := mergeForms[form](t)
				loser, lostTwin := m.person(true, "loser", "Lund")
				primary, twin := m.person(true, "primary", "Paris")
				survivor, _ := m.merge(loser, primary)
				id := lostTwin
				if edited == "the primary's twin" {
					id = twin
				}
				m.edit(m.side.Other(), id, "title", "CEO")
				account, object := testbed.RightAccount, "Contact"
				if m.side == crm.Right {
					account, object = testbed.LeftAccount, "contacts"
				}
				m.must(m.Engine.Webhook(m.ctx, testbed.Workspace, account, []connector.Event{
					{Kind: connector.EventChanged, Object: object, ID: id},
				}))
				m.must(m.Drain(m.ctx))
				if id == twin {
					m.follows(survivor, twin, map[string]string{"title": "CEO", "city": "Paris"})
				}
				m.must(m.Quiet(m.ctx))
				m.follows(survivor, twin, map[string]string{"city": "Paris", "last": "primary"})
				if v := m.view(m.side.Other(), lostTwin); v.State != crm.StateDuplicate ||
					m.values(m.side.Other(), lostTwin)["last"] != "loser" {
					t.Errorf("the loser's partner is %s with %v", v.State, m.values(m.side.Other(), lostTwin))
				}
			})
		}
	}
}

// TestS36_Chains merges A into B into C, and three into one, all linked, heard
// of in both orders or only in the end.
func TestS36_Chains(t *testing.T) {
	t.Parallel()
	orders := map[string]func(m *mergeBed, first, second []connector.Event){
		"in order":    func(m *mergeBed, a, b []connector.Event) { mergeNews["webhook"](m, a); mergeNews["webhook"](m, b) },
		"last first":  func(m *mergeBed, a, b []connector.Event) { mergeNews["webhook"](m, b); mergeNews["webhook"](m, a) },
		"all at once": func(m *mergeBed, a, b []connector.Event) { mergeNews["webhook"](m, append(slices.Clone(b), a...)) },
		"pull only":   func(*mergeBed, []connector.Event, []connector.Event) {},
		"last first, and then all at once": func(m *mergeBed, a, b []connector.Event) {
			mergeNews["webhook"](m, b)
			mergeNews["webhook"](m, append(slices.Clone(a), b...))
		},
	}
	for _, form := range sortedKeys(mergeForms) {
		for _, order := range sortedKeys(orders) {
			for _, shape := range []string{"a into b into c", "a and b into c"} {
				t.Run(form+", "+order+", "+shape, func(t *testing.T) {
					t.Parallel()
					m := mergeForms[form](t)
					a, twinA := m.person(true, "anna", "Aarhus")
					b, twinB := m.person(true, "bert", "Bonn")
					c, twinC := m.person(true, "cleo", "Cork")
					var first, second []connector.Event
					var last crm.RecordID
					if shape == "a into b into c" {
						var mid crm.RecordID
						mid, first = m.merge(a, b)
						last, second = m.merge(mid, c)
					} else {
						last, first = m.merge(a, c)
						last, second = m.merge(b, last)
					}
					orders[order](m, first, second)
					m.must(m.Quiet(m.ctx))
					m.must(m.Quiet(m.ctx))
					m.follows(last, twinC, map[string]string{"city": "Cork", "last": "cleo"})
					for twin, city := range map[crm.RecordID]string{twinA: "Aarhus", twinB: "Bonn"} {
						if v := m.view(m.side.Other(), twin); v.State != crm.StateDuplicate ||
							m.values(m.side.Other(), twin)["city"] != city {
							t.Errorf("a loser's partner is %s (%s) with %v", v.State, v.Code, m.values(m.side.Other(), twin))
						}
					}
					for _, id := range []crm.RecordID{a, b, c} {
						if v := m.view(m.side, id); v.Partner != twinC {
							t.Errorf("%s leads to %s, want %s", id, v.Partner, twinC)
						}
					}
					m.recounted()
				})
			}
		}
	}
}

// TestS36_BothEndsMergedAtOnce: both records of a pair become survivors of a
// merge, and the news of it comes in one batch, in either order: whichever end
// leads, both losers are followed, and what each was linked to is left aside.
func TestS36_BothEndsMergedAtOnce(t *testing.T) {
	t.Parallel()
	for _, form := range sortedKeys(mergeForms) {
		for _, first := range crm.Sides {
			t.Run(form+", "+string(first)+" first", func(t *testing.T) {
				t.Parallel()
				m := mergeForms[form](t)
				here, there := m.side, m.side.Other()
				pair, twin := m.person(true, "pair", "Paris")
				ours, ofOurs := m.person(true, "ours", "Oslo")
				ofTheirs, theirs := m.person(true, "theirs", "Turin")
				survivor, events := m.merge(ours, pair)
				m.side = there
				kept, more := m.merge(theirs, twin)
				tell := map[crm.Side]func(){
					here:  func() { m.side = here; m.hook(events...) },
					there: func() { m.side = there; m.hook(more...) },
				}
				tell[first]()
				tell[first.Other()]()
				m.must(m.Drain(m.ctx))
				m.side = here
				m.follows(survivor, kept, map[string]string{"city": "Paris", "last": "pair"})
				for left, at := range map[crm.RecordID]crm.Side{ofOurs: there, ofTheirs: here} {
					if v := m.view(at, left); v.State != crm.StateDuplicate || v.Code != "merged_twin" {
						t.Errorf("%s %s, whose twin was merged away, is %s (%s)", at, left, v.State, v.Code)
					}
				}
				for old, at := range map[crm.RecordID]crm.Side{ours: here, pair: here, theirs: there, twin: there} {
					want := kept
					if at == there {
						want = survivor
					}
					if v := m.view(at, old); v.Partner != want {
						t.Errorf("%s %s leads to %q (%s), want %s", at, old, v.Partner, v.State, want)
					}
				}
				m.recounted()
			})
		}
	}
}

// TestS36_PrimaryWithoutItsKey: somebody emptied the e-mail address of the
// primary before the merge, and the app filled it from the loser. Where nothing
// tells which record was the primary, the survivor's other values do.
func TestS36_PrimaryWithoutItsKey(t *testing.T) {
	t.Parallel()
	for _, form := range sortedKeys(mergeForms) {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			m := mergeForms[form](t)
			loser, lostTwin := m.person(true, "loser", "Lund")
			primary, twin := m.person(true, "primary", "Paris")
			m.edit(m.side, primary, "email", "")
			survivor, _ := m.merge(loser, primary)
			if got := m.values(m.side, survivor); got["email"] != "loser@example.com" || got["city"] != "Paris" {
				t.Fatalf("the survivor has %v", got)
			}
			m.must(m.Quiet(m.ctx))
			m.must(m.Quiet(m.ctx))
			// On the other side the loser's partner still holds its address, which not every app gives to two.
			if v := m.view(m.side, survivor); v.Partner != twin {
				t.Errorf("the survivor is %s (%s) with %q, want %q", v.State, v.Code, v.Partner, twin)
			}
			if got := m.values(m.side.Other(), twin); got["city"] != "Paris" || got["last"] != "primary" {
				t.Errorf("the primary's partner has %v", got)
			}
			if got := m.values(m.side.Other(), lostTwin); got["city"] != "Lund" || got["last"] != "loser" {
				t.Errorf("the loser's partner has %v", got)
			}
		})
	}
}

// TestS36_DoubleResolvedByMergingTheOther: whoever merges the partner that was
// left over into the one that stayed has resolved the duplicate.
func TestS36_DoubleResolvedByMergingTheOther(t *testing.T) {
	t.Parallel()
	for _, form := range sortedKeys(mergeForms) {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			m := mergeForms[form](t)
			loser, lostTwin := m.person(true, "loser", "Lund")
			primary, twin := m.person(true, "primary", "Paris")
			survivor, events := m.merge(loser, primary)
			mergeNews["webhook"](m, events)
			m.side = m.side.Other()
			kept, events := m.merge(lostTwin, twin)
			mergeNews["webhook"](m, events)
			m.must(m.Quiet(m.ctx))
			m.follows(kept, survivor, map[string]string{"city": "Paris"})
			st, err := m.Engine.Status(m.ctx, testbed.Workspace, testbed.Connection)
			m.must(err)
			if n := st[0].States.Get(m.side)[crm.StateDuplicate]; n != 0 {
				t.Errorf("%d duplicates are left", n)
			}
			m.recounted()
		})
	}
}

// TestS36_PlansAndExplanationsStoreNothing: whoever only looks sees the merge
// followed, and nothing is stored.
func TestS36_PlansAndExplanationsStoreNothing(t *testing.T) {
	t.Parallel()
	for _, form := range sortedKeys(mergeForms) {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			m := mergeForms[form](t)
			loser, lostTwin := m.person(true, "loser", "Lund")
			primary, twin := m.person(true, "primary", "Paris")
			survivor, _ := m.merge(loser, primary)
			for id, want := range map[crm.RecordID]crm.RecordID{primary: twin, survivor: twin, loser: twin} {
				x, err := m.Engine.Explain(m.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, m.side, id)
				m.must(err)
				if x.Partner != want || x.ID != survivor {
					t.Errorf("%s is explained as %s with %s, want %s with %s", id, x.ID, x.Partner, survivor, want)
				}
			}
			x, err := m.Engine.Explain(m.ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, m.side.Other(), lostTwin)
			m.must(err)
			if x.State != crm.StateDuplicate || x.Code != "merged_twin" {
				t.Errorf("the loser's partner is explained as %s (%s)", x.State, x.Code)
			}
			if v := m.view(m.side.Other(), lostTwin); v.Partner != loser {
				t.Errorf("the explanation was stored: %s is linked to %q", lostTwin, v.Partner)
			}
		})
	}
}

// TestS36_AWebhookAloneTellsOfTheMerge: an app that shows a merge nowhere but in
// its webhook: neither a read nor a listing names the survivor. The link of the
// loser follows, and nobody is made anew.
func TestS36_AWebhookAloneTellsOfTheMerge(t *testing.T) {
	t.Parallel()
	b := newCrashBed(t, -1, dieBefore, nil, func(_ int, o *modelapp.Options) { o.Merges, o.Absorbs = false, false })
	b.begin(false)
	b.live = false
	loser, twin := b.byEmail(crm.Right, bob), b.byEmail(crm.Left, bob)
	primary := b.create(crm.Right, "email", "robert@example.com", "first", "Robert")
	survivor, err := b.apps[1].Merge(loser, primary)
	if err != nil {
		t.Fatal(err)
	}
	people := len(b.apps[0].Rows())
	b.ask(func(e *engine.Engine) error {
		return e.Webhook(t.Context(), ws, testbed.RightAccount, []connector.Event{
			{Kind: connector.EventMerged, Object: modelapp.Object, ID: loser, MergedInto: survivor, Primary: primary},
		})
	})
	b.rest()
	b.pull()
	b.rest()
	if v, err := b.eng.GetRecord(t.Context(), ws, con, testbed.Contacts, crm.Left, twin); err != nil ||
		v.Partner != survivor || v.State != crm.StateInSync {
		t.Errorf("the loser's twin is %s (%s) with %q, %v; want in_sync with %s", v.State, v.Code, v.Partner, err, survivor)
	}
	if n := len(b.apps[0].Rows()); n != people {
		t.Errorf("%d people on the left, want %d", n, people)
	}
}
