package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestLeft_NothingOfBeforeStays: of a sync that is taken out, or joined to another
// account or object, every item goes, its claims at the ends of before among them, in
// portions that any process goes on with. What came for the records of now stays, what
// other syncs have does, and the sync does nothing until then.
func TestLeft_NothingOfBeforeStays(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*crm.Connection){
		"taken out":       func(c *crm.Connection) { c.Syncs = c.Syncs[1:] },
		"another account": func(c *crm.Connection) { c.Left.Account = "acc_new" },
		"another object":  func(c *crm.Connection) { c.Syncs = append([]crm.Sync{}, c.Syncs...); c.Syncs[0].Right.Object = "Lead" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, nil)
			b.conn.Syncs = append(b.conn.Syncs, crm.Sync{
				ID: "firms", Left: crm.ObjectEnd{Object: "firm"}, Right: crm.ObjectEnd{Object: "Firm"},
			})
			b.conn.Generation, b.conn.Version = 1, 1
			_, err := store.SaveConnection(t.Context(), b.mem, b.sc.ws, b.conn, 1)
			b.must(err)
			put := func(acc crm.AccountID, object string, shard uint32, address, scope string) store.Key {
				key := claimShard(b.sc.ws, acc, object, shard)
				key.Sort = "email:" + address
				b.putJSON(key, claimed{V: 1, Scope: scope, Intent: "int", Side: crm.Left, Source: "1", At: b.now})
				return key
			}
			goes := []store.Key{
				put("acc_left", "person", 0, "first@example.com", b.sc.name()),
				put("acc_right", "Person", shards-1, "last@example.com", b.sc.name()),
			}
			stays := []store.Key{
				put("acc_right", "Person", 3, "other@example.com", "con_other#people"),
				put("acc_left", "person", 4, "firm@example.com", string(b.sc.con)+"#firms"),
			}
			for i := range claimPages * claimPage {
				put("acc_left", "person", 5, fmt.Sprintf("p%d@example.com", i), "con_other#people")
			}
			b.putLink(&link{Left: "1", Right: "r1", State: crm.StateInSync, Made: b.now})
			goes = append(goes, b.sc.record(crm.Left, "1"), b.sc.record(crm.Right, "r1"), b.sc.counts(), b.sc.halt(),
				b.sc.intent("int"), b.sc.gone(crm.Left, "2"), b.sc.inbox(crm.Left, "3"), b.sc.parked(b.now, "prk"),
				dead(b.sc.ws, b.sc.con, "chk"))
			b.must(b.saveHalt(t.Context(), b.sc, haltItem{V: 1}, 0))
			b.putJSON(b.sc.intent("int"), map[string]int{"v": 1})
			b.putJSON(b.sc.gone(crm.Left, "2"), goneItem{V: 1, At: b.now})
			b.putJSON(b.sc.inbox(crm.Left, "3"), inboxItem{V: 1, Hint: hint{ID: "3"}, At: b.now})
			chunkOf := func(sync crm.SyncID, gen int64) *chunk {
				return &chunk{
					V: chunkFormat, ID: "chk", Workspace: b.sc.ws, Connection: b.sc.con, Sync: sync, Generation: gen,
					Kind: RunWebhook, Run: "run", Side: crm.Left, Hints: []hint{{ID: "1"}},
				}
			}
			park := func(id string, gen int64) {
				body, err := chunkOf(b.sc.sync, gen).encode()
				b.put(b.sc.parked(b.now, id), body, err)
			}
			park("prk", 1)
			b.putJSON(dead(b.sc.ws, b.sc.con, "chk"), deadItem{V: 1, Chunk: *chunkOf(b.sc.sync, 1)})
			b.putJSON(dead(b.sc.ws, b.sc.con, "chk_firms"), deadItem{V: 1, Chunk: *chunkOf("firms", 1)})
			stays = append(stays, dead(b.sc.ws, b.sc.con, "chk_firms"))
			b.must(b.saveScan(t.Context(), b.sc, &scanState{V: 1, LatestPull: b.now}))
			b.putJSON(b.sc.lease(), lease{
				Owner: "own_before", Epoch: 7, Until: b.now.Add(time.Minute), Config: 1, Intent: []byte("x"),
			})

			b.now = b.now.Add(time.Second)
			next := *b.conn
			change(&next)
			next.Generation, next.Version = 2, 2
			b.conn.Leave(&next, b.now)
			b.must(b.Leaves(t.Context(), b.sc.ws, &next))
			_, err = store.SaveConnection(t.Context(), b.mem, b.sc.ws, &next, 2)
			b.must(err)
			if next.Sync(b.sc.sync) != nil {
				b.putJSON(b.sc.inbox(crm.Left, "of now"), inboxItem{V: 1, Hint: hint{ID: "of now"}, At: b.now})
				park("prk_now", 2)
				stays = append(stays, b.sc.inbox(crm.Left, "of now"), b.sc.parked(b.now, "prk_now"))
				next.Status = crm.StatusActive
				if ok, code := runnable(&next, b.sc.sync); ok || code != codeEndsChanged {
					t.Errorf("the sync works before it forgot: %t %s", ok, code)
				}
				if ok, _ := runnable(&next, "firms"); ok && name == "another account" {
					t.Error("nor may the other one, whose account is another one, too")
				}
			}
			rounds := 0
			for over := false; !over; rounds++ {
				again, err := New(b.Config) // another process
				b.must(err)
				b.Engine = again
				_, err = b.Round(t.Context())
				b.must(err)
				conn, err := b.connection(t.Context(), b.sc.ws, b.sc.con)
				b.must(err)
				over = len(conn.Leaving(b.sc.sync))+len(conn.Leaving("firms")) == 0
				if rounds > 20 {
					t.Fatalf("it comes to no end; marks %v", b.marks)
				}
			}
			if rounds < 2 || b.marks["ends_left"] == 0 {
				t.Errorf("%d rounds; marks %v", rounds, b.marks)
			}
			b.gone(goes...)
			for _, key := range stays {
				if name == "another account" && key.Sort == "chk_firms" {
					b.gone(key) // of a sync with that account
				} else if _, err := b.mem.Get(t.Context(), key); err != nil {
					t.Errorf("%s %s: %v", key.Partition, key.Sort, err)
				}
			}
			l, err := b.loadLease(t.Context(), b.sc)
			b.must(err)
			if l.Owner != "" || l.Intent != nil || l.Epoch <= 7 || l.Config < 2 {
				t.Errorf("who worked the sync before may go on: %+v", l)
			}
			st, err := b.loadScan(t.Context(), b.sc)
			b.must(err)
			if st.Anew != (next.Sync(b.sc.sync) != nil) || !st.fresh() {
				t.Errorf("the sync begins anew: %t; %+v", st.Anew, st)
			}
		})
	}
}

// TestLeft_AYoungClaimIsAwaited: as long as a search may not find what was just made, its
// claim keeps another sync of the same ends from making it again.
func TestLeft_AYoungClaimIsAwaited(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	key := claimKey(b.sc.ws, "acc_right", "Person", bobMail)
	b.putJSON(key, claimed{V: 1, Scope: b.sc.name(), Intent: "int", At: b.now, Lag: time.Minute})
	next := *b.conn
	next.Syncs = []crm.Sync{next.Syncs[0]}
	next.Syncs[0].ID = "renamed"
	next.Generation = 2
	b.conn.Leave(&next, b.now)
	b.must(b.Leaves(t.Context(), b.sc.ws, &next))
	_, err := store.SaveConnection(t.Context(), b.mem, b.sc.ws, &next, 1)
	b.must(err)
	stays := func() bool {
		for range 3 {
			_, err := b.Round(t.Context())
			b.must(err)
		}
		return b.get(key) != nil
	}
	if !stays() {
		t.Error("the claim went while the record that it is for may not be found")
	}
	b.now = b.now.Add(2 * time.Minute)
	if stays() {
		t.Error("the claim stays for ever")
	}
}

// TestLeft_DeletedWithAllItHad: a connection that is deleted before a sync which was
// taken out of it is forgotten leaves nothing of that one either.
func TestLeft_DeletedWithAllItHad(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	key := claimKey(b.sc.ws, "acc_right", "Person", bobMail)
	b.putJSON(key, claimed{V: 1, Scope: b.sc.name(), Intent: "int", At: b.now})
	b.putLink(&link{Left: "1", Right: "r1", State: crm.StateInSync, Made: b.now})
	next := *b.conn
	next.Syncs = []crm.Sync{{ID: "firms", Left: crm.ObjectEnd{Object: "firm"}, Right: crm.ObjectEnd{Object: "Firm"}}}
	next.Generation = 2
	b.conn.Leave(&next, b.now)
	_, err := store.SaveConnection(t.Context(), b.mem, b.sc.ws, &next, 1)
	b.must(err)
	b.must(b.DeleteConnection(t.Context(), b.sc.ws, b.sc.con))
	for range 5 {
		_, err := b.Round(t.Context())
		b.must(err)
	}
	b.gone(key, b.sc.record(crm.Left, "1"), b.sc.record(crm.Right, "r1"), store.ConnectionKey(b.sc.ws, b.sc.con))
}
