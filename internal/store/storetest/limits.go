package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// refusedPut wants a put refused with a code, and nothing stored.
func (k *kit) refusedPut(it store.Item, code string) {
	k.Helper()
	_, err := k.s.Write(k.Context(), store.Write{Op: store.Put, Item: it})
	k.wantCode(err, code)
}

// ofSize returns an item whose size is exactly n.
func (k *kit) ofSize(n int) store.Item {
	it := k.item("p", "s", "")
	it.Index, it.IndexSort = "index", "index sort"
	it.Data = bytes.Repeat([]byte{'x'}, n-store.ItemBytes(&it))
	return it
}

var limitCases = []testCase{
	{"Limit/largest item", func(k *kit) {
		it := k.ofSize(store.MaxItemBytes)
		it.Version = k.put(it)
		k.wantItem(it)
	}},
	{"Limit/item one byte too large", func(k *kit) {
		k.refusedPut(k.ofSize(store.MaxItemBytes+1), "item_too_large")
		k.wantAbsent(k.key("p", "s"))
	}},
	{"Limit/item too large keeps what was there", func(k *kit) {
		k.put(k.item("p", "s", "old"))
		k.refusedPut(k.ofSize(store.MaxItemBytes+1), "item_too_large")
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 1, Data: []byte("old")})
	}},
	{"Limit/counters count", func(k *kit) {
		k.put(k.ofSize(store.MaxItemBytes - 1000))
		w := store.Write{Op: store.Add, Item: store.Item{Key: k.key("p", "s"), Counters: map[string]int64{}}}
		for i := range 40 {
			w.Item.Counters[strings.Repeat("n", 100)+fmt.Sprint(i)] = 1
		}
		_, err := k.s.Write(k.Context(), w)
		k.wantCode(err, "item_too_large")
		k.wantVersion(k.key("p", "s"), 1)
	}},
	{"Limit/longest partition", func(k *kit) {
		k.put(k.item(strings.Repeat("p", store.MaxPartitionBytes), "s", "x"))
		k.wantData(k.key(strings.Repeat("p", store.MaxPartitionBytes), "s"), "x")
	}},
	{"Limit/partition too long", func(k *kit) {
		k.refusedPut(k.item(strings.Repeat("p", store.MaxPartitionBytes+1), "s", "x"), "key_too_long")
	}},
	{"Limit/bytes are counted, not characters", func(k *kit) {
		k.refusedPut(k.item(strings.Repeat("é", store.MaxPartitionBytes/2+1), "s", "x"), "key_too_long")
		k.refusedPut(k.item("p", strings.Repeat("é", store.MaxSortBytes/2+1), "x"), "key_too_long")
	}},
	{"Limit/longest sort text", func(k *kit) {
		k.put(k.item("p", strings.Repeat("s", store.MaxSortBytes), "x"))
		k.wantSorts(store.Query{Partition: "p", Limit: 1}, strings.Repeat("s", store.MaxSortBytes))
	}},
	{"Limit/sort text too long", func(k *kit) {
		k.refusedPut(k.item("p", strings.Repeat("s", store.MaxSortBytes+1), "x"), "key_too_long")
	}},
	{"Limit/longest keys everywhere, paged", func(k *kit) {
		for _, c := range "abc" {
			it := k.item(strings.Repeat("p", store.MaxPartitionBytes), strings.Repeat(string(c), store.MaxSortBytes), "x")
			it.Index, it.IndexSort = strings.Repeat("i", store.MaxPartitionBytes), strings.Repeat(string(c), store.MaxSortBytes)
			k.put(it)
		}
		for _, q := range []store.Query{
			{Partition: strings.Repeat("p", store.MaxPartitionBytes), Limit: 1},
			{Partition: strings.Repeat("i", store.MaxPartitionBytes), OnIndex: true, Limit: 1},
		} {
			k.settled(q.OnIndex, func() string { return diff(3, len(k.all(q))) })
		}
	}},
	{"Limit/index too long", func(k *kit) {
		it := k.item("p", "s", "x")
		it.Index = strings.Repeat("i", store.MaxPartitionBytes+1)
		k.refusedPut(it, "key_too_long")
		it.Index, it.IndexSort = "i", strings.Repeat("i", store.MaxSortBytes+1)
		k.refusedPut(it, "key_too_long")
		k.wantAbsent(it.Key)
	}},
	{"Limit/workspace too long", func(k *kit) {
		it := k.item("p", "s", "x")
		it.Workspace = crm.WorkspaceID(strings.Repeat("w", store.MaxWorkspaceBytes+1))
		k.refusedPut(it, "key_too_long")
	}},
	{"Limit/malformed keys", func(k *kit) {
		for name, key := range map[string]store.Key{
			"no table":            {Workspace: k.ws, Partition: "p", Sort: "s"},
			"unknown table":       {Table: "other", Workspace: k.ws, Partition: "p", Sort: "s"},
			"no partition":        {Table: store.Links, Workspace: k.ws, Sort: "s"},
			"no sort text":        {Table: store.Links, Workspace: k.ws, Partition: "p"},
			"workspace not UTF-8": {Table: store.Links, Workspace: "\xff", Partition: "p", Sort: "s"},
			"partition not UTF-8": {Table: store.Links, Workspace: k.ws, Partition: "\xff", Sort: "s"},
			"sort text not UTF-8": {Table: store.Links, Workspace: k.ws, Partition: "p", Sort: "a\xc3"},
		} {
			_, err := k.s.Get(k.Context(), key)
			for _, op := range []store.Op{store.Put, store.Delete, store.Add} {
				if err == nil || !fault.Is(err, fault.Invalid) {
					break
				}
				_, err = k.s.Write(k.Context(), store.Write{Op: op, Item: store.Item{Key: key}})
			}
			if !fault.Is(err, fault.Invalid) {
				k.Errorf("%s: %v, want invalid", name, err)
			}
		}
	}},
	{"Limit/malformed writes", func(k *kit) {
		ok := k.item("p", "s", "x")
		for name, w := range map[string]store.Write{
			"check outside a transaction": {Op: store.Check, Item: ok},
			"unknown operation":           {Op: store.Check + 1, Item: ok},
			"absent and at a version":     {Item: ok, If: store.Condition{Absent: true, Version: 1}},
			"absent and present":          {Item: ok, If: store.Condition{Absent: true, Exists: true}},
			"negative version":            {Item: ok, If: store.Condition{Version: -1}},
			"counter without a name":      {Op: store.Add, Item: store.Item{Key: ok.Key, Counters: map[string]int64{"": 1}}},
			"counter name too long": {
				Op: store.Add, Item: store.Item{
					Key: ok.Key, Counters: map[string]int64{strings.Repeat("n", store.MaxCounterBytes+1): 1},
				},
			},
		} {
			_, err := k.s.Write(k.Context(), w)
			if !fault.Is(err, fault.Invalid) {
				k.Errorf("%s: %v, want invalid", name, err)
			}
		}
		k.wantAbsent(ok.Key)
	}},
}

var expiryCases = []testCase{
	{"Expiry/present before, absent after", func(k *kit) {
		it := k.item("p", "s", "x")
		it.Expires = k.now().Add(time.Hour).Truncate(time.Second)
		k.put(it)
		k.wantVersion(it.Key, 1)
		k.lapse(it)
		k.wantAbsent(it.Key)
	}},
	{"Expiry/in the past is absent at once", func(k *kit) {
		for _, at := range []time.Time{k.now().Add(-time.Hour), time.Unix(0, 0), time.Unix(-5, 0), time.Unix(1, 0)} {
			it := k.item("p", "s", "x")
			it.Expires = at
			k.put(it)
			k.wantAbsent(it.Key)
		}
	}},
	{"Expiry/kept to the second", func(k *kit) {
		it := k.item("p", "s", "x")
		it.Expires = k.now().Add(time.Hour).Truncate(time.Second).Add(400 * time.Millisecond)
		k.put(it)
		if d := k.get(it.Key).Expires.Sub(it.Expires).Abs(); d >= time.Second {
			k.Errorf("expiry moved by %v", d)
		}
	}},
	{"Expiry/never without one", func(k *kit) {
		k.put(k.item("p", "s", "x"))
		if k.clock != nil {
			k.clock.Advance(100 * 365 * 24 * time.Hour)
		}
		if it := k.get(k.key("p", "s")); !it.Expires.IsZero() {
			k.Errorf("expiry = %v, want none", it.Expires)
		}
	}},
	{"Expiry/absent in queries", func(k *kit) {
		for _, s := range []string{"a", "c", "e"} {
			it := k.item("p", s, s)
			it.Index = "i"
			k.put(it)
		}
		for _, s := range []string{"b", "d", "f"} {
			it := k.item("p", s, s)
			it.Index = "i"
			k.lapse(it)
		}
		for size := range 7 {
			for _, reverse := range []bool{false, true} {
				want := []string{"a", "c", "e"}
				if reverse {
					want = reversed(want)
				}
				k.wantSorts(store.Query{Partition: "p", Limit: size, Reverse: reverse}, want...)
				k.wantSorts(store.Query{Partition: "i", OnIndex: true, Limit: size, Reverse: reverse}, want...)
			}
		}
	}},
	{"Expiry/of a whole partition", func(k *kit) {
		for _, s := range numbered("s", 120) {
			it := k.item("p", s, s)
			it.Expires = k.now().Add(-time.Hour)
			k.put(it)
		}
		k.wantSorts(store.Query{Partition: "p", Limit: 10})
	}},
	{"Expiry/removed by a later Put", func(k *kit) {
		it := k.item("p", "s", "x")
		it.Expires = k.now().Add(time.Hour)
		k.put(it)
		k.put(k.item("p", "s", "y"))
		if k.clock != nil {
			k.clock.Advance(2 * time.Hour)
		}
		k.wantItem(store.Item{Key: it.Key, Version: 2, Data: []byte("y")})
	}},
	{"Expiry/an expired item can be written again", func(k *kit) {
		it := k.item("p", "s", "old")
		it.Index = "old"
		k.lapse(it)
		if v := k.put(k.item("p", "s", "new")); v != 1 {
			k.Errorf("version = %d, want 1", v)
		}
		k.wantItem(store.Item{Key: it.Key, Version: 1, Data: []byte("new")})
		k.wantSorts(onIndex("old"))
	}},
}
