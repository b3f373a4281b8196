package storetest

import (
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

var itemCases = []testCase{
	{"Get/absent", func(k *kit) { k.wantAbsent(k.key("p", "s")) }},
	{"Put/round trip", func(k *kit) {
		it := k.item("p", "s", "data")
		it.Index, it.IndexSort, it.Expires = "idx", "isort", k.now().Add(time.Hour).Truncate(time.Second).UTC()
		it.Version = k.put(it)
		k.wantItem(it)
	}},
	{"Put/no data", func(k *kit) {
		it := store.Item{Key: k.key("p", "s")}
		it.Version = k.put(it)
		k.wantItem(it)
	}},
	{"Put/any bytes", func(k *kit) {
		b := make([]byte, 512)
		for i := range b {
			b[i] = byte(i)
		}
		it := k.item("p", "s", string(b))
		it.Version = k.put(it)
		k.wantItem(it)
	}},
	{"Put/replaces data, index and expiry", func(k *kit) {
		it := k.item("p", "s", "old")
		it.Index, it.Expires = "idx", k.now().Add(time.Hour)
		k.put(it)
		it = k.item("p", "s", "new")
		it.Version = k.put(it)
		k.wantItem(it)
	}},
	{"Put/version given is ignored", func(k *kit) {
		it := k.item("p", "s", "")
		it.Version = 41
		if v := k.put(it); v != 1 {
			k.Errorf("version = %d, want 1", v)
		}
	}},
	{"Version/starts at one and grows by one", func(k *kit) {
		for want := int64(1); want <= 5; want++ {
			if v := k.put(k.item("p", "s", "x")); v != want {
				k.Errorf("version = %d, want %d", v, want)
			}
			k.wantVersion(k.key("p", "s"), want)
		}
	}},
	{"Version/starts again after Delete", func(k *kit) {
		k.put(k.item("p", "s", "x"))
		k.put(k.item("p", "s", "x"))
		if v := k.write(store.Write{Op: store.Delete, Item: k.item("p", "s", "")}); v != 0 {
			k.Errorf("version after delete = %d, want 0", v)
		}
		k.wantAbsent(k.key("p", "s"))
		if v := k.put(k.item("p", "s", "x")); v != 1 {
			k.Errorf("version = %d, want 1", v)
		}
	}},
	{"Delete/absent succeeds", func(k *kit) {
		k.write(store.Write{Op: store.Delete, Item: k.item("p", "s", "")})
	}},
	{"Keys/tables apart", func(k *kit) {
		for _, table := range store.Tables {
			it := k.item("p", "s", string(table))
			it.Table = table
			k.put(it)
		}
		for _, table := range store.Tables {
			key := k.key("p", "s")
			key.Table = table
			k.wantData(key, string(table))
		}
	}},
	{"Keys/workspaces apart", func(k *kit) {
		k.put(k.item("p", "s", "mine"))
		other := k.key("p", "s")
		other.Workspace += "x"
		k.wantAbsent(other)
		k.write(store.Write{Op: store.Delete, Item: store.Item{Key: other}})
		k.wantData(k.key("p", "s"), "mine")
	}},
	{"Keys/no separator confuses workspace and partition", func(k *kit) {
		for _, sep := range []string{"#", "/", ":", "|", "\x00", "\x1f"} {
			a := k.key("b"+sep+"c", "s")
			k.put(store.Item{Key: a, Data: []byte("a")})
			b := k.key("b", "c"+sep+"s")
			k.wantAbsent(b)
			c := k.key("c", "s")
			c.Workspace += crm.WorkspaceID(sep + "b")
			k.wantAbsent(c)
			k.wantData(a, "a")
		}
	}},
	{"Keys/top-level workspace", func(k *kit) {
		key := store.Key{Table: store.Settings, Partition: string(k.ws) + "-hash", Sort: "s"}
		k.put(store.Item{Key: key, Data: []byte("top")})
		k.wantData(key, "top")
		k.wantSorts(store.Query{Table: store.Settings, Partition: key.Partition}) // of the case's own workspace
		p, err := k.s.Query(k.Context(), store.Query{Table: store.Settings, Partition: key.Partition})
		if err != nil || len(p.Items) != 1 {
			k.Errorf("query of the top level: %d items, %v; want 1", len(p.Items), err)
		}
	}},
	{"Keys/any text", func(k *kit) {
		for _, text := range awkwardTexts {
			it := store.Item{
				Key: store.Key{Table: store.Log, Workspace: k.ws, Partition: text, Sort: text}, Data: []byte(text),
				Index: text, IndexSort: text,
			}
			it.Version = k.put(it)
			k.wantItem(it)
			k.wantSorts(store.Query{Table: store.Log, Partition: text}, text)
			k.wantSorts(store.Query{Table: store.Log, Partition: text, OnIndex: true}, text)
		}
	}},
	{"Keys/case and Unicode form differ", func(k *kit) {
		sorts := []string{"é", "e\u0301", "É", "E\u0301", "ss", "ß", "K", "\u212a"}
		for _, s := range sorts {
			k.put(k.item("p", s, s))
		}
		for _, s := range sorts {
			k.wantData(k.key("p", s), s)
		}
	}},
	{"Copies/of what was written", func(k *kit) {
		w := store.Write{Op: store.Put, Item: k.item("p", "s", "data")}
		add := store.Write{Op: store.Add, Item: store.Item{Key: k.key("p", "s"), Counters: map[string]int64{"n": 1}}}
		k.write(w)
		k.write(add)
		copy(w.Item.Data, "XXXX")
		add.Item.Counters["n"] = 99
		k.wantItem(store.Item{Key: k.key("p", "s"), Version: 2, Data: []byte("data"), Counters: map[string]int64{"n": 1}})
	}},
	{"Copies/of what is read", func(k *kit) {
		it := k.item("p", "s", "data")
		it.Index = "i"
		k.put(it)
		k.write(store.Write{Op: store.Add, Item: store.Item{Key: it.Key, Counters: map[string]int64{"n": 1}}})
		spoil := func(got store.Item) {
			copy(got.Data, "XXXX")
			got.Counters["n"] = 99
		}
		want := it
		want.Version, want.Counters = 2, map[string]int64{"n": 1}
		k.settled(true, func() string { return diff([]store.Item{want}, k.all(store.Query{Partition: "i", OnIndex: true})) })
		spoil(k.get(it.Key))
		many, err := k.s.BatchGet(k.Context(), []store.Key{it.Key, it.Key})
		if err != nil {
			k.Fatal(err)
		}
		spoil(many[0])
		if d := diff(want, many[1]); d != "" {
			k.Errorf("the second of a double key shares memory with the first (-want +got):\n%s", d)
		}
		spoil(k.all(store.Query{Partition: "p"})[0])
		spoil(k.all(store.Query{Partition: "i", OnIndex: true})[0])
		k.wantItem(want)
	}},
	{"Errors/name no contents", func(k *kit) {
		const secret = "ada@example.com"
		key := k.key(secret, secret)
		_, err := k.s.Get(k.Context(), key)
		errs := []error{err}
		_, err = k.s.Write(k.Context(), store.Write{
			Op: store.Put, Item: store.Item{Key: key, Data: []byte(secret)}, If: store.IfExists,
		})
		errs = append(errs, err, k.s.Transact(k.Context(), []store.Write{
			{Op: store.Check, Item: store.Item{Key: key}, If: store.IfExists},
		}))
		_, err = k.s.Query(k.Context(), store.Query{Table: store.Links, Workspace: k.ws, Partition: secret, Cursor: secret})
		for _, err := range append(errs, err) {
			if err == nil || strings.Contains(err.Error(), secret) {
				k.Errorf("error = %v, want one without contents", err)
			}
		}
		k.wantKind(errs[0], fault.NotFound)
	}},
}

var awkwardTexts = []string{
	" ", "a b", "a/b", "a#b", "%", "_", "'", `"`, "\\", "\x00", "a\x00b", "\n", "ÿ", "日本語", "🙂", "\U0010FFFF",
	"DROP TABLE links;--", strings.Repeat("é", 100),
}
