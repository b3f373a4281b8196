package storetest

import (
	"fmt"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// indexed puts p/sort with an index entry.
func (k *kit) indexed(sort, index, indexSort string) {
	k.Helper()
	it := k.item("p", sort, sort)
	it.Index, it.IndexSort = index, indexSort
	k.put(it)
}

// onIndex asks for one index partition.
func onIndex(partition string) store.Query {
	return store.Query{Partition: partition, OnIndex: true}
}

var indexCases = append(rangeCases("Index/", true), []testCase{
	{"Index/is sparse", func(k *kit) {
		k.indexed("in", "i", "")
		k.put(k.item("p", "out", ""))
		k.wantSorts(onIndex("i"), "in")
	}},
	{"Index/an index sort text alone enters nothing", func(k *kit) {
		k.indexed("s", "", "is")
		k.wantSorts(onIndex("i"))
		k.wantSorts(onIndex("is"))
		k.wantVersion(k.key("p", "s"), 1)
	}},
	{"Index/collects partitions in order of its sort text", func(k *kit) {
		for i, sort := range []string{"c", "a", "b"} {
			it := k.item(fmt.Sprintf("p%d", i), sort, "")
			it.Index, it.IndexSort = "i", fmt.Sprint(9-i)
			k.put(it)
		}
		k.wantSorts(onIndex("i"), "b", "a", "c")
		q := onIndex("i")
		q.Prefix = "8"
		k.wantSorts(q, "a")
	}},
	{"Index/whole items", func(k *kit) {
		it := k.item("p", "s", "data")
		it.Index, it.IndexSort = "i", "is"
		it.Version = k.put(it)
		k.settled(true, func() string { return diff([]store.Item{it}, k.all(onIndex("i"))) })
	}},
	{"Index/entry follows a Put to another partition", func(k *kit) {
		k.indexed("s", "one", "")
		k.wantSorts(onIndex("one"), "s")
		k.indexed("s", "two", "")
		k.wantSorts(onIndex("two"), "s")
		k.wantSorts(onIndex("one"))
	}},
	{"Index/entry follows a Put to another sort text", func(k *kit) {
		k.indexed("a", "i", "1")
		k.indexed("b", "i", "2")
		k.wantSorts(onIndex("i"), "a", "b")
		k.indexed("a", "i", "3")
		k.wantSorts(onIndex("i"), "b", "a")
	}},
	{"Index/entry leaves with a Put", func(k *kit) {
		k.indexed("s", "i", "")
		k.wantSorts(onIndex("i"), "s")
		k.put(k.item("p", "s", ""))
		k.wantSorts(onIndex("i"))
		k.wantVersion(k.key("p", "s"), 2)
	}},
	{"Index/entry enters with a Put", func(k *kit) {
		k.put(k.item("p", "s", ""))
		k.indexed("s", "i", "")
		k.wantSorts(onIndex("i"), "s")
	}},
	{"Index/entry leaves with a Delete", func(k *kit) {
		k.indexed("s", "i", "")
		k.wantSorts(onIndex("i"), "s")
		k.write(store.Write{Op: store.Delete, Item: k.item("p", "s", "")})
		k.wantSorts(onIndex("i"))
	}},
	{"Index/a refused Put moves nothing", func(k *kit) {
		k.indexed("s", "i", "")
		it := k.item("p", "s", "")
		it.Index = "other"
		if _, err := k.s.Write(k.Context(), store.Write{Op: store.Put, Item: it, If: store.IfAbsent}); err == nil {
			k.Error("not refused")
		}
		k.wantSorts(onIndex("i"), "s")
		k.wantSorts(onIndex("other"))
	}},
	{"Index/entries at one sort text, every page size", func(k *kit) {
		var want []string
		for p := range 3 {
			for s := range 3 {
				it := k.item(fmt.Sprintf("p%d", p), fmt.Sprintf("s%d%d", p, s), "")
				it.Index, it.IndexSort = "i", "same"
				k.put(it)
				want = append(want, it.Sort)
			}
		}
		for _, reverse := range []bool{false, true} {
			for size := range len(want) + 2 {
				q := onIndex("i")
				q.Limit, q.Reverse = size, reverse
				k.settled(true, func() string {
					got := k.sorts(q)
					slices.Sort(got) // their order is not promised, only that each comes once
					return diff(want, got)
				})
			}
		}
	}},
	{"Index/workspaces and tables apart", func(k *kit) {
		k.indexed("s", "i", "")
		other := k.item("p", "t", "")
		other.Workspace += "x"
		other.Index = "i"
		k.put(other)
		other = k.item("p", "u", "")
		other.Table, other.Index = store.Log, "i"
		k.put(other)
		k.wantSorts(onIndex("i"), "s")
		k.wantSorts(store.Query{Table: store.Log, Partition: "i", OnIndex: true}, "u")
		k.wantSorts(store.Query{Workspace: k.ws + "x", Partition: "i", OnIndex: true}, "t")
	}},
	{"Index/is not the table", func(k *kit) {
		k.indexed("s", "i", "")
		k.wantSorts(store.Query{Partition: "i"})
		k.wantSorts(onIndex("p"))
	}},
}...)
