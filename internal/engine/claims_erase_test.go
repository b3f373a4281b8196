package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestDeleted_NoClaimStays: a deleted connection's claims go, on both sides, those of
// other connections stay; where there are many, in portions that any process goes on with.
func TestDeleted_NoClaimStays(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	put := func(acc crm.AccountID, object string, shard uint32, address, scope string) store.Key {
		key := claimShard(b.sc.ws, acc, object, shard)
		key.Sort = "email:" + address
		b.putJSON(key, claimed{V: 1, Scope: scope, Intent: "int", Side: crm.Left, Source: "1", At: b.now})
		return key
	}
	own := []store.Key{
		put("acc_left", "person", 0, "first@example.com", b.sc.name()),
		put("acc_right", "Person", shards-1, "last@example.com", b.sc.name()),
		put("acc_right", "Person", 3, "before@example.com", string(b.sc.con)+"#a_sync_that_it_had"),
	}
	kept := put("acc_right", "Person", 3, "other@example.com", "con_other#people")
	for i := range claimPages * claimPage {
		put("acc_left", "person", 5, fmt.Sprintf("p%d@example.com", i), "con_other#people")
	}
	b.must(b.DeleteConnection(t.Context(), b.sc.ws, b.sc.con))
	rounds := 0
	for busy := true; busy; rounds++ {
		again, err := New(b.Config) // another process
		b.must(err)
		b.Engine = again
		busy, err = b.Round(t.Context())
		b.must(err)
		if rounds > 10 {
			t.Fatal("it comes to no end")
		}
	}
	if rounds < 2 || b.marks["claims_erased"] != 3 {
		t.Errorf("%d rounds; %d pages had claims of it", rounds, b.marks["claims_erased"])
	}
	b.gone(append(own, store.ConnectionKey(b.sc.ws, b.sc.con), agendaKey(b.sc))...)
	if _, err := b.mem.Get(t.Context(), kept); err != nil {
		t.Errorf("another connection's claim: %v", err)
	}
}

// TestDeleted_AYoungClaimIsAwaited: as long as a search may not find what was just made,
// its claim keeps another connection of the account from making it again.
func TestDeleted_AYoungClaimIsAwaited(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]bool{"alone": false, "with another connection": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, nil)
			if other {
				two := *b.conn
				two.ID = "con_2"
				_, err := store.SaveConnection(t.Context(), b.mem, b.sc.ws, &two, 0)
				b.must(err)
			}
			key := claimKey(b.sc.ws, "acc_right", "Person", bobMail)
			b.putJSON(key, claimed{V: 1, Scope: b.sc.name(), Intent: "int", At: b.now, Lag: time.Minute})
			b.must(b.DeleteConnection(t.Context(), b.sc.ws, b.sc.con))
			stays := func() bool {
				for range 5 {
					_, err := b.Round(t.Context())
					b.must(err)
				}
				_, err := b.mem.Get(t.Context(), key)
				return !fault.Is(err, fault.NotFound)
			}
			if stays() != other {
				t.Errorf("the claim stays: %t, want %t", !other, other)
			}
			b.now = b.now.Add(2 * time.Minute)
			if stays() {
				t.Error("the claim stays for ever")
			}
			b.gone(store.ConnectionKey(b.sc.ws, b.sc.con))
		})
	}
}
