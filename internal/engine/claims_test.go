package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// contestedClaim is a claim that somebody holds on an identity that a lot needs.
type contestedClaim struct {
	claim  *claimed // nil = it is gone by the time that it is looked at
	before func(b *stillBed)
	seen   time.Duration // so long ago the same claim was met for the first time; 0 = never
	raced  bool          // somebody changes it before it is taken over

	why   string        // what it waits for; "" = it does not
	wait  time.Duration // how long
	taken bool          // the claim is ours afterwards
	apart bool          // it needs the claim no longer
}

const (
	theLag   = 10 * time.Second
	wanted   = "phone:+12125550122"
	ourLot   = "int_ours"
	strange  = "other#sync"
	ownScope = "con#people"
)

var contests = map[string]contestedClaim{
	"given back meanwhile": {why: "claim_contested", wait: time.Second},
	"our own, made before this step was repeated": {
		claim: &claimed{Scope: ownScope, Intent: ourLot, Side: crm.Left, Source: bobLeft},
	},
	"another of our sync whose intent is over, never linked": {
		claim: &claimed{Scope: ownScope, Intent: "int_old", Side: crm.Left, Source: annLeft}, taken: true,
	},
	"another of our sync whose intent is open": {
		claim:  &claimed{Scope: ownScope, Intent: "int_open", Side: crm.Left, Source: annLeft, Lag: 7 * time.Second},
		before: func(b *stillBed) { b.put(b.sc.intent("int_open"), []byte("{}"), nil) },
		why:    "identity_in_flight", wait: 7 * time.Second,
	},
	"another of our sync, whose intent is open in parts": {
		claim:  &claimed{Scope: ownScope, Intent: "int_open", Side: crm.Left, Source: annLeft},
		before: func(b *stillBed) { b.put(b.sc.intent("int_open-1"), []byte("{}"), nil) },
		why:    "identity_in_flight", wait: time.Second,
	},
	"a linked record's, met just now": {
		claim:  &claimed{Scope: ownScope, Intent: "int_old", Side: crm.Left, Source: annLeft},
		before: annIsLinked(crm.StateInSync), why: "identity_taken", wait: theLag,
	},
	"a linked record's, longer than the index lags": {
		claim:  &claimed{Scope: ownScope, Intent: "int_old", Side: crm.Left, Source: annLeft},
		before: annIsLinked(crm.StateInSync), seen: theLag + time.Second, taken: true,
	},
	"a linked record's from the other side": {
		claim:  &claimed{Scope: ownScope, Intent: "int_old", Side: crm.Right, Source: annRight},
		before: annIsLinked(crm.StateInSync), why: "identity_taken", wait: theLag,
	},
	"a deleted pair's": {
		claim:  &claimed{Scope: ownScope, Intent: "int_old", Side: crm.Left, Source: annLeft},
		before: annIsLinked(crm.StateDeleted), taken: true,
	},
	"the record's own, of an earlier link": {
		claim:  &claimed{Scope: ownScope, Intent: "int_old", Side: crm.Left, Source: bobLeft},
		before: func(b *stillBed) { b.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateInSync}) },
		taken:  true,
	},
	"another sync's, whose intent may be about to be stored": {
		claim: &claimed{Scope: strange, Intent: "int_theirs", Side: crm.Left, Source: "l_else"},
		why:   "identity_in_flight", wait: 20 * time.Second,
	},
	"another sync's, whose app lags longer than a request may last": {
		claim: &claimed{Scope: strange, Intent: "int_theirs", Side: crm.Left, Source: "l_else", Lag: time.Minute},
		seen:  15 * time.Second,
		why:   "identity_in_flight", wait: 45 * time.Second,
	},
	"another sync's, without an intent for longer than that": {
		claim: &claimed{Scope: strange, Intent: "int_theirs", Side: crm.Left, Source: "l_else"}, seen: 20 * time.Second,
		taken: true,
	},
	"another sync's open intent": {
		claim:  &claimed{Scope: strange, Intent: "int_theirs", Side: crm.Left, Source: "l_else", Lag: 3 * time.Second},
		seen:   time.Hour,
		before: func(b *stillBed) { b.put(scope{"ws", "other", "sync"}.intent("int_theirs"), []byte("{}"), nil) },
		why:    "identity_in_flight", wait: 3 * time.Second,
	},
	"one whose earlier key tells the two apart": {
		claim: &claimed{
			Scope: ownScope, Intent: "int_open", Side: crm.Left, Source: annLeft, Keys: rankedKeys(keysOf(annMail)),
		}, apart: true,
		before: func(b *stillBed) { b.put(b.sc.intent("int_open"), []byte("{}"), nil) },
	},
	"one with the same earlier key": {
		claim: &claimed{
			Scope: ownScope, Intent: "int_open", Side: crm.Left, Source: annLeft, Keys: rankedKeys(keysOf(bobMail)),
		},
		before: func(b *stillBed) { b.put(b.sc.intent("int_open"), []byte("{}"), nil) },
		why:    "identity_in_flight", wait: time.Second,
	},
	"another sync's, whose ladder is another one": {
		claim: &claimed{
			Scope: strange, Intent: "int_theirs", Side: crm.Left, Source: "l_else", Keys: rankedKeys(keysOf(annMail)),
		},
		why: "identity_in_flight", wait: 20 * time.Second,
	},
	"dead, and somebody else is faster": {
		claim: &claimed{Scope: ownScope, Intent: "int_old", Side: crm.Left, Source: annLeft}, raced: true,
		why: "claim_contested", wait: time.Second,
	},
}

// keysOf are the identity keys of somebody with that address and the wanted number.
func keysOf(mail string) []reconcile.Key {
	return []reconcile.Key{{Canonical: mail}, {Canonical: wanted, Rank: 1}}
}

func annIsLinked(state crm.State) func(b *stillBed) {
	return func(b *stillBed) { b.putLink(&link{Left: annLeft, Right: annRight, State: state}) }
}

// TestS6_AContestedClaim: an identity that somebody else claimed is waited for
// while that one may be about to create a record with it, or may hold it; what
// nobody needs any more is taken over, by one only.
func TestS6_AContestedClaim(t *testing.T) {
	t.Parallel()
	for name, c := range contests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, nil)
			if c.before != nil {
				c.before(b)
			}
			key := claimKey(b.sc.ws, "acc_right", "Person", wanted)
			if c.claim != nil {
				b.putJSON(key, *c.claim)
			}
			contest := func(s *session) *unit {
				t.Helper()
				u := &unit{
					side: crm.Left, id: bobLeft, answered: answered{keys: keysOf(bobMail)}, verdict: verdict{
						claims: []string{bobMail, wanted},
					},
				}
				w := store.Write{Item: store.Item{Key: key, Data: []byte(`{"intent":"` + ourLot + `"}`)}}
				b.must(s.contest(t.Context(), &lot{id: ourLot}, u, w))
				return u
			}
			if c.seen > 0 {
				if u := contest(b.session(theLag)); u.fate.wait == 0 {
					t.Fatal("met for the first time, it is not waited for")
				}
				b.now = b.now.Add(c.seen)
			}
			if c.raced {
				b.Store = &overtaken{Store: b.mem, key: key}
			}
			u := contest(b.session(theLag))
			if u.fate.why != c.why || u.fate.wait != c.wait {
				t.Errorf("it waits %s for %q, want %s for %q", u.fate.wait, u.fate.why, c.wait, c.why)
			}
			if data := b.get(key); data != nil {
				now, err := fromJSON[claimed](data)
				b.must(err)
				if ours := now.Intent == ourLot; ours != (c.taken || c.claim.Intent == ourLot) {
					t.Errorf("the claim is %+v; taken over: want %t", now, c.taken)
				}
			}
			want := []string{bobMail, wanted}
			if c.apart {
				want = want[:1]
			}
			if !slices.Equal(u.claims, want) {
				t.Errorf("it claims %v, want %v", u.claims, want)
			}
		})
	}
}

// overtaken is a store in which somebody changes an item just before we do.
type overtaken struct {
	store.Store
	key store.Key
}

func (o *overtaken) Write(ctx context.Context, w store.Write) (int64, error) {
	if w.Item.Key == o.key {
		if _, err := o.Store.Write(ctx, store.Write{
			Item: store.Item{Key: o.key, Data: []byte(`{"intent":"int_faster"}`)},
		}); err != nil {
			return 0, err
		}
	}
	return o.Store.Write(ctx, w)
}

// TestS6_AClaimThatCannotBeReadStopsTheLot: nobody creates a record whose
// identity may be taken.
func TestS6_AClaimThatCannotBeReadStopsTheLot(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	key := claimKey(b.sc.ws, "acc_right", "Person", wanted)
	b.put(key, []byte("not one of ours"), nil)
	u := &unit{side: crm.Left, id: bobLeft, verdict: verdict{claims: []string{wanted}}}
	if err := b.session(0).claim(t.Context(), &lot{id: ourLot, units: []*unit{u}}); !fault.Is(err, fault.Other) {
		t.Errorf("the lot goes on: %v", err)
	}
	if string(b.get(key)) != "not one of ours" {
		t.Error("the claim was replaced")
	}
}
