package storetest

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// add is a write that adds to one counter of p/s.
func (k *kit) add(name string, n int64) store.Write {
	return store.Write{Op: store.Add, Item: store.Item{Key: k.key("p", "s"), Counters: map[string]int64{name: n}}}
}

var counterCases = []testCase{
	{"Add/makes the item", func(k *kit) {
		if v := k.write(k.add("n", 3)); v != 1 {
			k.Errorf("version = %d, want 1", v)
		}
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 1, Counters: map[string]int64{"n": 3}})
	}},
	{"Add/adds and subtracts", func(k *kit) {
		k.write(k.add("n", 3))
		k.write(k.add("n", -5))
		k.write(k.add("m", 1))
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 3, Counters: map[string]int64{"n": -2, "m": 1}})
	}},
	{"Add/several counters at once", func(k *kit) {
		w := k.add("a", 1)
		w.Item.Counters["b.c-d e"], w.Item.Counters["#ü"] = 2, 3
		k.write(w)
		k.write(w)
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 2, Counters: map[string]int64{"a": 2, "b.c-d e": 4, "#ü": 6}})
	}},
	{"Add/no counters makes the item", func(k *kit) {
		k.write(store.Write{Op: store.Add, Item: store.Item{Key: k.key("p", "s")}})
		k.wantVersion(k.key("p", "s"), 1)
	}},
	{"Add/large numbers", func(k *kit) {
		k.write(k.add("n", 1<<62))
		k.write(k.add("n", 1<<62-1))
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 2, Counters: map[string]int64{"n": 1<<63 - 1}})
	}},
	{"Add/keeps data, index and expiry", func(k *kit) {
		it := k.item("p", "s", "data")
		it.Index, it.IndexSort, it.Expires = "i", "is", k.now().Add(time.Hour).Truncate(time.Second).UTC()
		k.put(it)
		w := k.add("n", 1)
		w.Item.Data, w.Item.Index, w.Item.Expires = []byte("other"), "other", k.now().Add(9*time.Hour)
		k.write(w)
		it.Version, it.Counters = 2, map[string]int64{"n": 1}
		k.wantItem(it)
		k.settled(true, func() string { return diff([]store.Item{it}, k.all(store.Query{Partition: "i", OnIndex: true})) })
		k.wantSorts(store.Query{Partition: "other", OnIndex: true})
	}},
	{"Add/keeps an item without expiry for ever", func(k *kit) {
		k.put(k.item("p", "s", "data"))
		w := k.add("n", 1)
		w.Item.Expires = k.now().Add(time.Hour)
		k.write(w)
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 2, Data: []byte("data"), Counters: map[string]int64{"n": 1}})
	}},
	{"Add/expiry of a new item", func(k *kit) {
		w := k.add("n", 1)
		w.Item.Expires = k.now().Add(time.Hour).Truncate(time.Second).UTC()
		k.write(w)
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 1, Counters: map[string]int64{"n": 1}, Expires: w.Item.Expires})
	}},
	{"Add/to an expired item starts again", func(k *kit) {
		k.write(k.add("old", 7))
		k.lapse(k.item("p", "s", "data"))
		if v := k.write(k.add("n", 1)); v != 1 {
			k.Errorf("version = %d, want 1", v)
		}
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 1, Counters: map[string]int64{"n": 1}})
	}},
	{"Put/keeps counters", func(k *kit) {
		k.write(k.add("n", 3))
		it := k.item("p", "s", "data")
		it.Counters = map[string]int64{"n": 100, "m": 1}
		k.put(it)
		k.wantItem(store.Item{Key: it.Key, Version: 2, Data: []byte("data"), Counters: map[string]int64{"n": 3}})
	}},
	{"Put/over an expired item forgets counters", func(k *kit) {
		k.write(k.add("n", 3))
		k.lapse(k.item("p", "s", "data"))
		k.put(k.item("p", "s", "fresh"))
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 1, Data: []byte("fresh")})
	}},
	{"Delete/forgets counters", func(k *kit) {
		k.write(k.add("n", 3))
		k.write(store.Write{Op: store.Delete, Item: k.item("p", "s", "")})
		k.write(k.add("m", 1))
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 1, Counters: map[string]int64{"m": 1}})
	}},
}
