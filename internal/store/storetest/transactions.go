package storetest

import (
	"bytes"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func (k *kit) transact(ws ...store.Write) {
	k.Helper()
	if err := k.s.Transact(k.Context(), ws); err != nil {
		k.Fatalf("transact: %v", err)
	}
}

// puts makes one unconditional put per sort text of partition p.
func (k *kit) puts(sorts ...string) []store.Write {
	var ws []store.Write
	for _, s := range sorts {
		ws = append(ws, store.Write{Op: store.Put, Item: k.item("p", s, s)})
	}
	return ws
}

// refusedOnLast runs a transaction whose last change cannot be made after
// three that could, and wants all of it undone.
func (k *kit) refusedOnLast(last store.Write) {
	k.Helper()
	k.put(k.item("p", "old", "kept"))
	k.put(k.item("p", "gone", "kept"))
	err := k.s.Transact(k.Context(), []store.Write{
		{Op: store.Put, Item: k.item("p", "new", "x"), If: store.IfAbsent},
		{Op: store.Add, Item: store.Item{Key: k.key("p", "old"), Counters: map[string]int64{"n": 1}}},
		{Op: store.Delete, Item: k.item("p", "gone", ""), If: store.IfExists},
		last,
	})
	k.wantKind(err, fault.Conflict)
	k.wantAbsent(k.key("p", "new"))
	k.wantItem(store.Item{Key: k.key("p", "old"), Version: 1, Data: []byte("kept")})
	k.wantItem(store.Item{Key: k.key("p", "gone"), Version: 1, Data: []byte("kept")})
}

var transactionCases = []testCase{
	{"Transact/makes all", func(k *kit) {
		k.put(k.item("p", "b", "old"))
		k.put(k.item("p", "c", "old"))
		k.put(k.item("p", "d", "old"))
		k.transact(
			store.Write{Op: store.Put, Item: k.item("p", "a", "new"), If: store.IfAbsent},
			store.Write{Op: store.Put, Item: k.item("p", "b", "new"), If: store.IfVersion(1)},
			store.Write{Op: store.Delete, Item: k.item("p", "c", ""), If: store.IfExists},
			store.Write{Op: store.Add, Item: store.Item{Key: k.key("p", "d"), Counters: map[string]int64{"n": 2}}},
			store.Write{Op: store.Check, Item: store.Item{Key: k.key("p", "e")}, If: store.IfAbsent},
		)
		k.wantItem(store.Item{Key: k.key("p", "a"), Version: 1, Data: []byte("new")})
		k.wantItem(store.Item{Key: k.key("p", "b"), Version: 2, Data: []byte("new")})
		k.wantAbsent(k.key("p", "c"))
		k.wantItem(store.Item{Key: k.key("p", "d"), Version: 2, Data: []byte("old"), Counters: map[string]int64{"n": 2}})
		k.wantAbsent(k.key("p", "e"))
	}},
	{"Transact/put refused on the last", func(k *kit) {
		k.refusedOnLast(store.Write{Op: store.Put, Item: k.item("p", "last", "x"), If: store.IfExists})
		k.wantAbsent(k.key("p", "last"))
	}},
	{"Transact/delete refused on the last", func(k *kit) {
		k.put(k.item("p", "last", "x"))
		k.refusedOnLast(store.Write{Op: store.Delete, Item: k.item("p", "last", ""), If: store.IfVersion(9)})
		k.wantVersion(k.key("p", "last"), 1)
	}},
	{"Transact/add refused on the last", func(k *kit) {
		k.refusedOnLast(store.Write{
			Op: store.Add, Item: store.Item{Key: k.key("p", "last"), Counters: map[string]int64{"n": 1}}, If: store.IfExists,
		})
	}},
	{"Transact/check refused on the last", func(k *kit) {
		k.refusedOnLast(store.Write{Op: store.Check, Item: store.Item{Key: k.key("p", "last")}, If: store.IfExists})
	}},
	{"Transact/refused on the first", func(k *kit) {
		ws := append([]store.Write{{Op: store.Check, Item: store.Item{Key: k.key("p", "x")}, If: store.IfExists}},
			k.puts("a", "b")...)
		k.wantKind(k.s.Transact(k.Context(), ws), fault.Conflict)
		k.wantSorts(store.Query{Partition: "p"})
	}},
	{"Transact/checks alone", func(k *kit) {
		k.put(k.item("p", "a", "x"))
		check := store.Write{Op: store.Check, Item: store.Item{Key: k.key("p", "a")}, If: store.IfVersion(1)}
		k.transact(check)
		k.wantVersion(k.key("p", "a"), 1)
		check.If = store.IfVersion(2)
		k.wantKind(k.s.Transact(k.Context(), []store.Write{check}), fault.Conflict)
	}},
	{"Transact/nothing", func(k *kit) { k.transact() }},
	{"Transact/across tables and workspaces", func(k *kit) {
		a, b, c := k.item("p", "s", "a"), k.item("p", "s", "b"), k.item(string(k.ws)+"-top", "s", "c")
		a.Table, b.Workspace, c.Table, c.Workspace = store.Log, k.ws+"x", store.Settings, ""
		k.transact(store.Write{Op: store.Put, Item: a}, store.Write{Op: store.Put, Item: b}, store.Write{
			Op: store.Put, Item: c,
		})
		for _, it := range []store.Item{a, b, c} {
			it.Version = 1
			k.wantItem(it)
		}
	}},
	{"Transact/twice grows versions twice", func(k *kit) {
		k.transact(k.puts("a", "b")...)
		k.transact(k.puts("a", "b")...)
		k.wantVersion(k.key("p", "a"), 2)
		k.wantVersion(k.key("p", "b"), 2)
	}},
	{"Transact/moves an index entry", func(k *kit) {
		it := k.item("p", "s", "x")
		it.Index = "one"
		k.transact(store.Write{Op: store.Put, Item: it})
		k.wantSorts(store.Query{Partition: "one", OnIndex: true}, "s")
		it.Index = "two"
		k.transact(store.Write{Op: store.Put, Item: it})
		k.wantSorts(store.Query{Partition: "two", OnIndex: true}, "s")
		k.wantSorts(store.Query{Partition: "one", OnIndex: true})
	}},
	{"Transact/100 changes", func(k *kit) {
		k.transact(k.puts(numbered("s", store.MaxTransactionItems)...)...)
		k.wantSorts(store.Query{Partition: "p"}, numbered("s", store.MaxTransactionItems)...)
	}},
	{"Transact/101 changes refused", func(k *kit) {
		k.wantCode(k.s.Transact(k.Context(), k.puts(numbered("s", store.MaxTransactionItems+1)...)), "transaction_too_large")
		k.wantSorts(store.Query{Partition: "p"})
	}},
	{"Transact/just below 4 MB", func(k *kit) {
		ws := k.puts(numbered("s", 10)...)
		for i := range ws {
			ws[i].Item.Data = bytes.Repeat([]byte{'x'}, 400_000)
		}
		k.transact(ws...)
		for i := range ws {
			k.wantVersion(ws[i].Item.Key, 1)
		}
	}},
	{"Transact/more than 4 MB refused", func(k *kit) {
		ws := k.puts(numbered("s", 11)...)
		for i := range ws {
			ws[i].Item.Data = bytes.Repeat([]byte{'x'}, 400_000)
		}
		k.wantCode(k.s.Transact(k.Context(), ws), "transaction_too_large")
		for i := range ws {
			k.wantVersion(ws[i].Item.Key, 0)
		}
	}},
	{"Transact/one key twice refused", func(k *kit) {
		k.wantKind(k.s.Transact(k.Context(), k.puts("a", "b", "a")), fault.Invalid)
		ws := append(k.puts("a"), store.Write{Op: store.Check, Item: store.Item{Key: k.key("p", "a")}, If: store.IfAbsent})
		k.wantKind(k.s.Transact(k.Context(), ws), fault.Invalid)
		k.wantSorts(store.Query{Partition: "p"})
	}},
	{"Transact/one invalid change refuses all", func(k *kit) {
		ws := k.puts("a", "b")
		ws[1].Item.Data = make([]byte, store.MaxItemBytes+1)
		k.wantCode(k.s.Transact(k.Context(), ws), "item_too_large")
		ws = k.puts("a", "b")
		ws[1].Item.Partition = ""
		k.wantKind(k.s.Transact(k.Context(), ws), fault.Invalid)
		k.wantSorts(store.Query{Partition: "p"})
	}},
	{"Transact/expired counts as absent", func(k *kit) {
		k.lapse(k.item("p", "a", "old"))
		k.wantKind(k.s.Transact(k.Context(), []store.Write{
			{Op: store.Check, Item: store.Item{Key: k.key("p", "a")}, If: store.IfExists},
		}), fault.Conflict)
		k.transact(store.Write{Op: store.Put, Item: k.item("p", "a", "new"), If: store.IfAbsent})
		k.wantItem(store.Item{Key: k.key("p", "a"), Version: 1, Data: []byte("new")})
	}},
}

var batchCases = []testCase{
	{"BatchGet/order, repetition, absence", func(k *kit) {
		for _, s := range []string{"a", "b", "c"} {
			k.put(k.item("p", s, s))
		}
		keys := []store.Key{k.key("p", "c"), k.key("p", "x"), k.key("p", "a"), k.key("p", "c"), k.key("q", "a")}
		got, err := k.s.BatchGet(k.Context(), keys)
		if err != nil {
			k.Fatal(err)
		}
		want := []store.Item{
			{Key: keys[0], Version: 1, Data: []byte("c")},
			{Key: keys[1]},
			{Key: keys[2], Version: 1, Data: []byte("a")},
			{Key: keys[3], Version: 1, Data: []byte("c")},
			{Key: keys[4]},
		}
		for i := range want {
			if want[i].Version == 0 {
				got[i].Key = want[i].Key // the key of an absent entry is not promised
			}
		}
		if d := diff(want, got); d != "" {
			k.Errorf("(-want +got):\n%s", d)
		}
	}},
	{"BatchGetStale/catches up, with what BatchGet says", func(k *kit) {
		for _, s := range []string{"a", "b"} {
			k.put(k.item("p", s, s))
		}
		k.put(k.item("p", "b", "newer"))
		keys := []store.Key{k.key("p", "b"), k.key("p", "x"), k.key("p", "a"), k.key("p", "b")}
		want, err := k.s.BatchGet(k.Context(), keys)
		if err != nil {
			k.Fatal(err)
		}
		var got []store.Item
		k.settled(true, func() string {
			if got, err = k.s.BatchGetStale(k.Context(), keys); err != nil {
				k.Fatal(err)
			}
			return diff(want, got)
		})
	}},
	{"BatchGetStale/malformed key", func(k *kit) {
		_, err := k.s.BatchGetStale(k.Context(), []store.Key{{Table: store.Links, Workspace: k.ws, Partition: "p"}})
		if !fault.Is(err, fault.Invalid) {
			k.Errorf("got %v, want an invalid key", err)
		}
	}},
	{"BatchGet/nothing", func(k *kit) {
		if got, err := k.s.BatchGet(k.Context(), nil); err != nil || len(got) != 0 {
			k.Errorf("got %d items, %v", len(got), err)
		}
	}},
	{"BatchGet/across tables and workspaces", func(k *kit) {
		var keys []store.Key
		for i, table := range store.Tables {
			key := k.key("p", "s")
			key.Table = table
			key.Workspace += crm.WorkspaceID("xyz"[i : i+1])
			k.put(store.Item{Key: key, Data: []byte(table)})
			keys = append(keys, key)
		}
		got, err := k.s.BatchGet(k.Context(), keys)
		if err != nil {
			k.Fatal(err)
		}
		for i, table := range store.Tables {
			if string(got[i].Data) != string(table) {
				k.Errorf("entry %d = %q, want %q", i, got[i].Data, table)
			}
		}
	}},
	{"BatchGet/2,000 keys", func(k *kit) {
		ws := k.puts(numbered("s", store.MaxBatch)...)
		if _, errs := k.s.BatchWrite(k.Context(), ws); errs != nil {
			k.Fatal(errs)
		}
		keys := make([]store.Key, len(ws))
		for i := range ws {
			keys[i] = ws[len(ws)-1-i].Item.Key
		}
		got, err := k.s.BatchGet(k.Context(), keys)
		if err != nil {
			k.Fatal(err)
		}
		for i := range got {
			if got[i].Key != keys[i] || got[i].Version != 1 || string(got[i].Data) != keys[i].Sort {
				k.Fatalf("entry %d is not the item asked for", i)
			}
		}
	}},
	{"BatchGet/2,001 keys refused", func(k *kit) {
		keys := make([]store.Key, store.MaxBatch+1)
		for i := range keys {
			keys[i] = k.key("p", "s")
		}
		_, err := k.s.BatchGet(k.Context(), keys)
		k.wantKind(err, fault.Invalid)
	}},
	{"BatchGet/more than 16 MB", func(k *kit) {
		const n, size = 45, 390_000
		var keys []store.Key
		for _, s := range numbered("s", n) {
			it := k.item("p", s, "")
			it.Data = bytes.Repeat([]byte{s[4]}, size)
			k.put(it)
			keys = append(keys, it.Key)
		}
		got, err := k.s.BatchGet(k.Context(), keys)
		if err != nil {
			k.Fatal(err)
		}
		for i := range got {
			if len(got[i].Data) != size || got[i].Data[0] != keys[i].Sort[4] {
				k.Fatalf("entry %d has %d bytes", i, len(got[i].Data))
			}
		}
	}},
	{"BatchGet/one malformed key refuses all", func(k *kit) {
		_, err := k.s.BatchGet(k.Context(), []store.Key{k.key("p", "s"), k.key("p", "")})
		k.wantKind(err, fault.Invalid)
	}},
	{"BatchWrite/all succeed", func(k *kit) {
		k.put(k.item("p", "b", "old"))
		vs, errs := k.s.BatchWrite(k.Context(), k.puts("a", "b"))
		if errs != nil {
			k.Fatalf("errs = %v, want nil", errs)
		}
		if d := diff([]int64{1, 2}, vs); d != "" {
			k.Errorf("versions (-want +got):\n%s", d)
		}
	}},
	{"BatchWrite/independent results", func(k *kit) {
		k.put(k.item("p", "b", "old"))
		k.put(k.item("p", "d", "old"))
		ws := []store.Write{
			{Op: store.Put, Item: k.item("p", "a", "new"), If: store.IfAbsent},
			{Op: store.Put, Item: k.item("p", "b", "new"), If: store.IfAbsent},
			{Op: store.Add, Item: store.Item{Key: k.key("p", "c"), Counters: map[string]int64{"n": 1}}},
			{Op: store.Delete, Item: k.item("p", "d", ""), If: store.IfVersion(1)},
			{Op: store.Put, Item: k.item("p", "e", string(make([]byte, store.MaxItemBytes)))},
			{Op: store.Check, Item: store.Item{Key: k.key("p", "f")}},
			{Op: store.Put, Item: k.item("p", "g", "new")},
		}
		vs, errs := k.s.BatchWrite(k.Context(), ws)
		if len(vs) != len(ws) || len(errs) != len(ws) {
			k.Fatalf("%d versions and %d errors for %d changes", len(vs), len(errs), len(ws))
		}
		kinds := map[int]fault.Kind{1: fault.Conflict, 4: fault.Invalid, 5: fault.Invalid}
		for i, err := range errs {
			if kind, bad := kinds[i]; bad {
				k.wantKind(err, kind)
			} else if err != nil {
				k.Errorf("change %d: %v", i, err)
			}
		}
		if d := diff([]int64{1, 0, 1, 0, 0, 0, 1}, vs); d != "" {
			k.Errorf("versions (-want +got):\n%s", d)
		}
		k.wantData(k.key("p", "b"), "old")
		k.wantSorts(store.Query{Partition: "p"}, "a", "b", "c", "g")
	}},
	{"BatchWrite/nothing", func(k *kit) {
		if vs, errs := k.s.BatchWrite(k.Context(), nil); len(vs) != 0 || errs != nil {
			k.Errorf("got %v, %v", vs, errs)
		}
	}},
	{"BatchWrite/one key twice refused whole", func(k *kit) {
		_, errs := k.s.BatchWrite(k.Context(), k.puts("a", "b", "a"))
		k.wantAllKind(errs, 3, fault.Invalid)
		k.wantSorts(store.Query{Partition: "p"})
	}},
	{"BatchWrite/2,001 changes refused whole", func(k *kit) {
		_, errs := k.s.BatchWrite(k.Context(), k.puts(numbered("s", store.MaxBatch+1)...))
		k.wantAllKind(errs, store.MaxBatch+1, fault.Invalid)
		k.wantSorts(store.Query{Partition: "p"})
	}},
	{"BatchWrite/same sort text in other partitions", func(k *kit) {
		ws := k.puts("a")
		other := ws[0]
		other.Item.Partition = "q"
		if _, errs := k.s.BatchWrite(k.Context(), append(ws, other)); errs != nil {
			k.Fatal(errs)
		}
		k.wantVersion(k.key("q", "a"), 1)
	}},
}

func (k *kit) wantAllKind(errs []error, n int, want fault.Kind) {
	k.Helper()
	if len(errs) != n {
		k.Fatalf("%d errors, want %d", len(errs), n)
	}
	for _, err := range errs {
		if !fault.Is(err, want) {
			k.Fatalf("error = %v, want kind %v", err, want)
		}
	}
}
