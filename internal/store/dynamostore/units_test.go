package dynamostore_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// sized is a write of an item with so many bytes of data.
func sized(op store.Op, sort string, n int, index string, c store.Condition) store.Write {
	w := store.Write{Op: op, Item: store.Item{Key: key(sort), Data: bytes.Repeat([]byte{'x'}, n), Index: index}, If: c}
	if op == store.Add {
		w.Item.Data, w.Item.Counters = nil, map[string]int64{"n": 1}
	}
	return w
}

// TestUnits holds every operation to the units that docs/aws.md states.
func TestUnits(t *testing.T) {
	t.Parallel()
	s := open(t, time.Now)
	write := func(ws ...store.Write) func() error {
		return func() error {
			for _, w := range ws {
				if _, err := s.Write(t.Context(), w); err != nil {
					return err
				}
			}
			return nil
		}
	}
	get := func(sorts ...string) func() error {
		return func() error {
			var keys []store.Key
			for _, sort := range sorts {
				keys = append(keys, key(sort))
			}
			_, err := s.BatchGet(t.Context(), keys)
			return err
		}
	}
	getStale := func(sorts ...string) func() error {
		return func() error {
			var keys []store.Key
			for _, sort := range sorts {
				keys = append(keys, key(sort))
			}
			_, err := s.BatchGetStale(t.Context(), keys)
			return err
		}
	}
	query := func(q store.Query) func() error {
		return func() error {
			q.Table, q.Workspace = store.Links, "ws"
			_, err := s.Query(t.Context(), q)
			return err
		}
	}
	transact := func(ws ...store.Write) func() error { return func() error { return s.Transact(t.Context(), ws) } }
	for _, c := range []struct {
		name string
		do   func() error
		want dynamostore.Units
	}{
		{"put of a new item, 0.5 KB", write(sized(store.Put, "a", 500, "", store.IfAbsent)), dynamostore.Units{Write: 1}},
		{"put at a version, 0.5 KB", write(sized(store.Put, "a", 500, "", store.IfVersion(1))), dynamostore.Units{Write: 1}},
		{"put without condition, 0.5 KB", write(sized(store.Put, "a", 500, "", store.Always)), dynamostore.Units{Write: 1}},
		{"put at a version, 2.5 KB", write(sized(store.Put, "a", 2500, "", store.IfVersion(3))), dynamostore.Units{Write: 3}},
		{
			"put that shrinks 2.5 KB to 0.5 KB", write(sized(store.Put, "a", 500, "", store.IfVersion(4))),
			dynamostore.Units{Write: 3},
		},
		{"add to an item of 0.5 KB", write(sized(store.Add, "a", 0, "", store.Always)), dynamostore.Units{Write: 1}},
		{"put that enters the index", write(sized(store.Put, "a", 500, "i", store.Always)), dynamostore.Units{
			Write: 2, Index: 1,
		}},
		{"put that stays in the index", write(sized(store.Put, "a", 500, "i", store.Always)), dynamostore.Units{
			Write: 2, Index: 1,
		}},
		{"put that moves in the index", write(sized(store.Put, "a", 500, "j", store.Always)), dynamostore.Units{
			Write: 3, Index: 2,
		}},
		{"put that leaves the index", write(sized(store.Put, "a", 500, "", store.Always)), dynamostore.Units{
			Write: 2, Index: 1,
		}},
		{"put refused by its condition", write(sized(store.Put, "a", 500, "", store.IfAbsent)), dynamostore.Units{
			Refused: 1,
		}},
		{"get of 0.5 KB", get("a"), dynamostore.Units{Read: 1}},
		{"get of an absent item", get("x"), dynamostore.Units{Read: 1}},
		{"get of two", get("a", "x"), dynamostore.Units{Read: 2}},
		{"stale get of 0.5 KB", getStale("a"), dynamostore.Units{Read: 0.5}},
		{"stale get of two", getStale("a", "x"), dynamostore.Units{Read: 1}},
		{"query of an empty partition", query(store.Query{Partition: "none"}), dynamostore.Units{Read: 1}},
		{
			"query of an empty index partition", query(store.Query{Partition: "none", OnIndex: true}),
			dynamostore.Units{Read: 0.5},
		},
		{"transaction of three puts, 0.5 KB", transact(sized(store.Put, "t1", 500, "", store.IfAbsent),
			sized(store.Put, "t2", 500, "", store.IfAbsent),
			sized(store.Put, "t3", 500, "", store.IfAbsent)), dynamostore.Units{Write: 6}},
		{
			"transaction of a check and a delete",
			transact(store.Write{Op: store.Check, Item: store.Item{Key: key("t1")}, If: store.IfExists},
				remove("t2", store.IfExists)),
			dynamostore.Units{Write: 4},
		},
		{"delete of 0.5 KB", write(remove("a", store.IfExists)), dynamostore.Units{Write: 1}},
		{"delete of an absent item", write(remove("a", store.Always)), dynamostore.Units{Write: 1}},
	} {
		before := s.Units()
		if err := c.do(); (err != nil) != (c.want.Refused > 0) {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := s.Units().Since(before)
		t.Logf("%-38s %s", c.name, units(got.Total()))
		if got.Total() != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got.Total(), c.want)
		}
		if got[store.Links] != got.Total() {
			t.Errorf("%s: units in another table: %+v", c.name, got)
		}
	}
}

func units(u dynamostore.Units) string {
	return fmt.Sprintf("read %.1f  write %.1f (index %.1f)  refused %.1f", u.Read, u.Write, u.Index, u.Refused)
}

// TestExpiredItemsCostASecondRequest only where the write does not demand an
// absent item: leases and claims, which expire, do.
func TestExpiredItemsCostASecondRequest(t *testing.T) {
	t.Parallel()
	s, wire := openFaulty(t)
	for name, c := range map[string]struct {
		w    store.Write
		want int
	}{
		"put if absent": {put("s", store.IfAbsent), 1},
		"add if absent": {add("s", store.IfAbsent), 1},
		"put":           {put("s", store.Always), 2},
		"add":           {add("s", store.Always), 2},
	} {
		old := put("s", store.Always)
		old.Item.Expires = time.Now().Add(-time.Hour)
		wire.plan(nil)
		mustWrite(t, s, remove("s", store.Always))
		mustWrite(t, s, old)
		wire.plan(nil)
		mustWrite(t, s, c.w)
		if n := wire.count(); n != c.want {
			t.Errorf("%s: %d requests, want %d", name, n, c.want)
		}
		wantVersion(t, s, key("s"), 1)
	}
}
