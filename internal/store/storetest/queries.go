package storetest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// fill puts one item per sort text into partition p and index i.
func (k *kit) fill(sorts ...string) {
	k.Helper()
	ws := k.puts(sorts...)
	for i := range ws {
		ws[i].Item.Index = "i"
	}
	if _, errs := k.s.BatchWrite(k.Context(), ws); errs != nil {
		k.Fatal(errs)
	}
}

func reversed(s []string) []string {
	r := slices.Clone(s)
	slices.Reverse(r)
	return r
}

// paged reads a query stopped and resumed after each page, for every page
// size, and wants the same each time.
func (k *kit) paged(q store.Query, want []string) {
	k.Helper()
	k.wantSorts(q, want...)
	for size := 1; size <= len(want)+1; size++ {
		q.Limit = size
		k.wantSorts(q, want...)
	}
}

var rangeSorts = []string{"a", "b", "b/", "b/1", "b/2", "b/2/x", "b/ÿ", "b0", "c", "ä", "🙂"}

// rangeQueries are the same for a table and its index.
var rangeQueries = map[string]struct {
	q    store.Query
	want []string
}{
	"everything":              {store.Query{}, rangeSorts},
	"prefix":                  {store.Query{Prefix: "b/"}, rangeSorts[2:7]},
	"prefix is a whole text":  {store.Query{Prefix: "b/2"}, rangeSorts[4:6]},
	"prefix of the last":      {store.Query{Prefix: "🙂"}, rangeSorts[10:]},
	"prefix of none":          {store.Query{Prefix: "bb"}, nil},
	"from":                    {store.Query{From: "b/2"}, rangeSorts[4:]},
	"from between":            {store.Query{From: "b/11"}, rangeSorts[4:]},
	"from beyond the end":     {store.Query{From: "\U0010FFFF"}, nil},
	"to":                      {store.Query{To: "b/2"}, rangeSorts[:4]},
	"to the first":            {store.Query{To: "a"}, nil},
	"from and to":             {store.Query{From: "b", To: "c"}, rangeSorts[1:8]},
	"from and to are one":     {store.Query{From: "b", To: "b"}, nil},
	"from after to":           {store.Query{From: "c", To: "b"}, nil},
	"from and to hold one":    {store.Query{From: "b", To: "b\x00"}, rangeSorts[1:2]},
	"beyond the basic planes": {store.Query{From: "ä", To: "🙃"}, rangeSorts[9:]},
}

func rangeCases(title string, onIndex bool) []testCase {
	names := []string{}
	for name := range rangeQueries {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []testCase
	for _, name := range names {
		c := rangeQueries[name]
		all = append(all, testCase{title + name, func(k *kit) {
			shuffled := append(append([]string{}, rangeSorts[5:]...), rangeSorts[:5]...)
			k.fill(shuffled...)
			q := c.q
			q.Partition, q.OnIndex = "p", onIndex
			if onIndex {
				q.Partition = "i"
			}
			k.paged(q, c.want)
			q.Reverse = true
			k.paged(q, reversed(c.want))
		}})
	}
	return all
}

var queryCases = append(rangeCases("Query/", false), []testCase{
	{"Query/empty partition", func(k *kit) {
		if p := k.page(store.Query{Partition: "p"}); len(p.Items) != 0 || p.Next != "" {
			k.Errorf("got %d items, next %q", len(p.Items), p.Next)
		}
	}},
	{"Query/whole items", func(k *kit) {
		it := k.item("p", "s", "data")
		it.Index, it.IndexSort = "i", "is"
		k.put(it)
		k.write(store.Write{Op: store.Add, Item: store.Item{Key: it.Key, Counters: map[string]int64{"n": 1}}})
		it.Version, it.Counters = 2, map[string]int64{"n": 1}
		if d := diff([]store.Item{it}, k.all(store.Query{Partition: "p"})); d != "" {
			k.Errorf("(-want +got):\n%s", d)
		}
	}},
	{"Query/sees the last write", func(k *kit) {
		for i := range 20 {
			s := fmt.Sprintf("%02d", i)
			k.put(k.item("p", s, s))
			if got := k.sorts(store.Query{Partition: "p", Reverse: true, Limit: 1}); len(got) != i+1 || got[0] != s {
				k.Fatalf("after put %d: %v", i, got)
			}
		}
		k.write(store.Write{Op: store.Delete, Item: k.item("p", "19", "")})
		k.wantSorts(store.Query{Partition: "p", From: "18"}, "18")
	}},
	{"Query/100 items a page by default", func(k *kit) {
		k.fill(numbered("s", 101)...)
		if n := len(k.page(store.Query{Partition: "p"}).Items); n != store.DefaultLimit {
			k.Errorf("%d items, want %d", n, store.DefaultLimit)
		}
		k.wantSorts(store.Query{Partition: "p"}, numbered("s", 101)...)
	}},
	{"Query/1,000 items a page", func(k *kit) {
		k.fill(numbered("s", 1001)...)
		k.wantSorts(store.Query{Partition: "p", Limit: store.MaxLimit}, numbered("s", 1001)...)
	}},
	{"Query/malformed", func(k *kit) {
		for name, q := range map[string]store.Query{
			"no table":         {Workspace: k.ws, Partition: "p"},
			"unknown table":    {Table: "other", Workspace: k.ws, Partition: "p"},
			"no partition":     {Table: store.Links, Workspace: k.ws},
			"limit too high":   {Table: store.Links, Workspace: k.ws, Partition: "p", Limit: store.MaxLimit + 1},
			"limit negative":   {Table: store.Links, Workspace: k.ws, Partition: "p", Limit: -1},
			"prefix and from":  {Table: store.Links, Workspace: k.ws, Partition: "p", Prefix: "a", From: "a"},
			"prefix and to":    {Table: store.Links, Workspace: k.ws, Partition: "p", Prefix: "a", To: "b"},
			"prefix not UTF-8": {Table: store.Links, Workspace: k.ws, Partition: "p", Prefix: "\xc3"},
		} {
			_, err := k.s.Query(k.Context(), q)
			if !fault.Is(err, fault.Invalid) {
				k.Errorf("%s: %v, want invalid", name, err)
			}
		}
	}},
	{"Query/workspaces and tables apart", func(k *kit) {
		k.fill("a", "b")
		k.wantSorts(store.Query{Partition: "p", Workspace: k.ws + "x"})
		k.wantSorts(store.Query{Partition: "p", Table: store.Log})
		k.wantSorts(store.Query{Partition: "p2"})
	}},
	{"Query/resumed where the item is gone", func(k *kit) {
		k.fill("a", "b", "c", "d")
		for _, reverse := range []bool{false, true} {
			q := store.Query{Partition: "p", Limit: 2, Reverse: reverse}
			first := k.page(q)
			last := first.Items[len(first.Items)-1]
			k.write(store.Write{Op: store.Delete, Item: store.Item{Key: last.Key}})
			q.Cursor = first.Next
			want := []string{"c", "d"}
			if reverse {
				want = []string{"a"} // b is gone since the round before
			}
			k.wantSorts(q, want...)
		}
	}},
	{"Query/written between pages", func(k *kit) {
		k.fill("b", "d", "f")
		q := store.Query{Partition: "p", Limit: 2}
		q.Cursor = k.page(q).Next
		k.fill("a", "c", "e", "g")
		k.wantSorts(q, "e", "f", "g")
	}},
	{"Query/one cursor used twice", func(k *kit) {
		k.fill("a", "b", "c")
		q := store.Query{Partition: "p", Limit: 1}
		q.Cursor = k.page(q).Next
		k.wantSorts(q, "b", "c")
		k.wantSorts(q, "b", "c")
		q.Limit = 7
		k.wantSorts(q, "b", "c")
	}},
	{"Query/at most 1 MB a page", func(k *kit) {
		for _, s := range numbered("s", 6) {
			it := k.item("p", s, "")
			it.Data = bytes.Repeat([]byte{'x'}, 300_000)
			k.put(it)
		}
		for _, reverse := range []bool{false, true} {
			q := store.Query{Partition: "p", Reverse: reverse}
			pages, n := 0, 0
			for {
				p, size := k.page(q), 0
				for _, it := range p.Items {
					size += len(it.Data)
				}
				if size > store.MaxPage {
					k.Errorf("a page of %d bytes", size)
				}
				pages++
				n += len(p.Items)
				if q.Cursor = p.Next; p.Next == "" {
					break
				}
			}
			if n != 6 || pages < 2 {
				k.Errorf("%d items in %d pages, want 6 in at least 2", n, pages)
			}
		}
	}},
	{"Cursor/of another query refused", func(k *kit) {
		k.fill("a/1", "a/2", "a/3")
		base := store.Query{Table: store.Links, Workspace: k.ws, Partition: "p", Limit: 1}
		cursor := k.page(base).Next
		if cursor == "" {
			k.Fatal("no cursor after the first of three items")
		}
		for name, change := range map[string]func(q *store.Query){
			"table":     func(q *store.Query) { q.Table = store.Log },
			"workspace": func(q *store.Query) { q.Workspace += "x" },
			"partition": func(q *store.Query) { q.Partition = "q" },
			"index":     func(q *store.Query) { q.OnIndex = true },
			"prefix":    func(q *store.Query) { q.Prefix = "a" },
			"from":      func(q *store.Query) { q.From = "a" },
			"to":        func(q *store.Query) { q.To = "b" },
			"direction": func(q *store.Query) { q.Reverse = true },
		} {
			q := base
			q.Cursor = cursor
			change(&q)
			_, err := k.s.Query(k.Context(), q)
			if !fault.Is(err, fault.Invalid) {
				k.Errorf("other %s: %v, want invalid", name, err)
			}
		}
	}},
	{"Cursor/garbage refused", func(k *kit) {
		k.fill("a", "b", "c")
		q := store.Query{Table: store.Links, Workspace: k.ws, Partition: "p", Limit: 1}
		good := k.page(q).Next
		for _, bad := range []string{
			"x", "a", " ", "\x00", "null", "e30", good[:len(good)-1], good + "A", "A" + good, good[:4], "é",
		} {
			q.Cursor = bad
			_, err := k.s.Query(k.Context(), q)
			if !fault.Is(err, fault.Invalid) {
				k.Errorf("cursor %q: %v, want invalid", bad, err)
			}
		}
	}},
}...)
