package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// halfStore takes the aliases of new pairs and, once, not the links.
type halfStore struct {
	*memstore.Store
	torn  func() // once it has happened; nil = all is stored
	alias bool   // an alias was stored
}

func (s *halfStore) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	aliases := slices.ContainsFunc(ws, func(w store.Write) bool { return strings.Contains(string(w.Item.Data), `"to":`) })
	if s.torn == nil || !aliases && !s.alias {
		return s.Store.BatchWrite(ctx, ws)
	}
	if aliases {
		s.alias = true
		return s.Store.BatchWrite(ctx, ws)
	}
	s.torn()
	s.torn, s.alias = nil, false
	return make([]int64, len(ws)),
		slices.Repeat([]error{fault.New("half: write", fault.Unavailable, "unavailable", "the process ended")}, len(ws))
}

// TestS16_HalfAJoinLeavesRecordsApart: of two records that were taken apart and
// are joined by hand, the alias is stored and the pair is not. Where the request
// cannot be carried out any more by the time that it comes again, the one that
// is left stays apart: it is neither matched nor carried over.
func TestS16_HalfAJoinLeavesRecordsApart(t *testing.T) {
	t.Parallel()
	for _, from := range crm.Sides {
		for _, gone := range []bool{false, true} {
			t.Run(fmt.Sprintf("from the %s, partner gone %t", from, gone), func(t *testing.T) {
				t.Parallel()
				clock := testbed.NewClock()
				half := &halfStore{Store: memstore.New(clock.Now)}
				b, err := testbed.New(t.Context(), testbed.Options{People: 30, Store: half, Clock: clock}, nil)
				if err != nil {
					t.Fatal(err)
				}
				halfJoin(bed{b, t}, half, from, gone)
			})
		}
	}
}

func halfJoin(b bed, half *halfStore, from crm.Side, gone bool) {
	t, ctx := b.t, b.t.Context()
	b.start()
	hub, force := b.twins(ctx)
	b.finished(b.Engine.UnlinkRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub)))
	ids := map[crm.Side]string{crm.Left: hub, crm.Right: force}
	torn := false
	half.torn = func() {
		if torn = true; gone {
			b.must(b.Hub.Core().DeleteRecord("contacts", hub))
		}
	}
	before := b.status().States.Right
	people := len(b.live("contacts"))
	run, err := b.Engine.LinkRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, from,
		crm.RecordID(ids[from]), crm.RecordID(ids[from.Other()]))
	b.must(err)
	b.finished(run, nil)
	if !torn {
		t.Fatal("the pair was stored whole")
	}
	b.editForce(force, "Title", "Cooper")
	for range 3 {
		b.Move(5 * time.Minute)
		b.pull()
	}
	v := b.record(crm.Right, force)
	if !gone {
		if v.State != crm.StateInSync || v.Partner != crm.RecordID(hub) {
			t.Errorf("the record is %s (%s) with %q, want in_sync with %s: it was asked for", v.State, v.Code, v.Partner, hub)
		}
		if st := b.status().States.Right; st[crm.StateExcluded] != before[crm.StateExcluded]-1 ||
			st[crm.StateInSync] != before[crm.StateInSync]+1 {
			t.Errorf("states %v after %v", st, before)
		}
		return
	}
	if v.State != crm.StateExcluded || v.Code != "unlinked" {
		t.Errorf("the record is %s (%s), want excluded (unlinked)", v.State, v.Code)
	}
	if n := len(b.live("contacts")); n != people-1 {
		t.Errorf("HubSpot holds %d live people, want %d: somebody who was taken apart was made anew", n, people-1)
	}
	if st := b.status().States.Right; st[crm.StateExcluded] != before[crm.StateExcluded] {
		t.Errorf("states %v after %v", st, before)
	}
}

// TestS16_AnAliasWithoutItsPair: a record was made for a newcomer, its alias was
// stored and the pair was not, and then the newcomer is deleted and comes anew.
// The record that was made is the second one's: nobody is doubled.
func TestS16_AnAliasWithoutItsPair(t *testing.T) {
	t.Parallel()
	clock := testbed.NewClock()
	half := &halfStore{Store: memstore.New(clock.Now)}
	made, err := testbed.New(t.Context(), testbed.Options{People: 30, Store: half, Clock: clock}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, ctx := bed{made, t}, t.Context()
	b.start()
	before := len(b.pairs())
	newcomer := func() string {
		return b.newPerson("contacts", map[string]string{"email": "cyd@example.com", "lastname": "Cyd"})
	}
	first, second := newcomer(), ""
	half.torn = func() {
		b.must(b.Hub.Core().DeleteRecord("contacts", first))
		second = newcomer()
	}
	for range 4 {
		b.Move(5 * time.Minute)
		b.pull()
	}
	if second == "" {
		t.Fatal("the pair was stored whole")
	}
	v := b.record(crm.Left, second)
	if v.State != crm.StateInSync || v.Partner == "" {
		t.Fatalf("the second newcomer is %s (%s) with %q, want in_sync", v.State, v.Code, v.Partner)
	}
	if n := len(b.live("Contact")); n != len(b.live("contacts")) {
		t.Errorf("%d people on the right, %d on the left: one is doubled", n, len(b.live("contacts")))
	}
	if w := b.record(crm.Right, string(v.Partner)); w.Partner != crm.RecordID(second) {
		t.Errorf("the record that was made is linked to %q, want %q", w.Partner, second)
	}
	if got, err := b.Engine.GetRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(first)); err != nil || got.State != crm.StateDeleted || got.Partner != "" {
		t.Errorf("the first newcomer is %s with %q, %v; want its place closed", got.State, got.Partner, err)
	}
	if n := len(b.pairs()); n != before+1 {
		t.Errorf("%d pairs in step, want %d", n, before+1)
	}
}

// racedStore changes the link of a pair just before that is taken apart.
type racedStore struct {
	*memstore.Store
	raced func(refused bool) // when it was answered; nil = nobody is ahead
}

// apart finds the left half of a pair that is taken apart.
func apart(ws []store.Write) *store.Write {
	for i := range ws {
		data := string(ws[i].Item.Data)
		if strings.Contains(data, `"c":"unlinked"`) && strings.Contains(data, `"l":"`) {
			return &ws[i]
		}
	}
	return nil
}

func (s *racedStore) race(ctx context.Context, ws []store.Write) func(refused bool) {
	w, told := apart(ws), s.raced
	if w == nil || told == nil {
		return func(bool) {}
	}
	s.raced = nil
	it, err := s.Store.Get(ctx, w.Item.Key)
	if err == nil {
		_, err = s.Store.Write(ctx, store.Write{
			Item: store.Item{Key: it.Key, Data: it.Data, Index: it.Index, IndexSort: it.IndexSort},
		})
	}
	if err != nil {
		return func(bool) { told(false) }
	}
	return told
}

func (s *racedStore) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	told := s.race(ctx, ws)
	vs, errs := s.Store.BatchWrite(ctx, ws)
	told(slices.ContainsFunc(errs, func(err error) bool { return err != nil }))
	return vs, errs
}

func (s *racedStore) Transact(ctx context.Context, ws []store.Write) error {
	told := s.race(ctx, ws)
	err := s.Store.Transact(ctx, ws)
	told(err != nil)
	return err
}

// TestS16_APairIsTakenApartAsAWhole: a worker that slept over a newer version of
// a pair's link takes neither record out of it. The request comes again, and
// then both are apart.
func TestS16_APairIsTakenApartAsAWhole(t *testing.T) {
	t.Parallel()
	clock := testbed.NewClock()
	raced := &racedStore{Store: memstore.New(clock.Now)}
	made, err := testbed.New(t.Context(), testbed.Options{People: 30, Store: raced, Clock: clock}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := bed{made, t}
	b.start()
	ctx := t.Context()
	hub, force := b.twins(ctx)
	before := b.status().States
	met := 0
	raced.raced = func(refused bool) {
		met++
		if !refused {
			t.Error("a link was stored over a newer version")
		}
		if v := b.record(crm.Right, force); v.State != crm.StateInSync || v.Partner != crm.RecordID(hub) {
			t.Errorf("refused, the right record is %s (%s) with %q, want in_sync with %s", v.State, v.Code, v.Partner, hub)
		}
	}
	b.finished(b.Engine.UnlinkRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub)))
	if met != 1 {
		t.Fatalf("somebody was ahead %d times, want once", met)
	}
	for side, id := range map[crm.Side]string{crm.Left: hub, crm.Right: force} {
		if v := b.record(side, id); v.State != crm.StateExcluded || v.Code != "unlinked" {
			t.Errorf("the %s record is %s (%s), want excluded (unlinked)", side, v.State, v.Code)
		}
	}
	st := b.status().States
	for _, side := range crm.Sides {
		if st.Get(side)[crm.StateExcluded] != before.Get(side)[crm.StateExcluded]+1 ||
			st.Get(side)[crm.StateInSync] != before.Get(side)[crm.StateInSync]-1 {
			t.Errorf("%s: states %v after %v", side, st.Get(side), before.Get(side))
		}
	}
}
