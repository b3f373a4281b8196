package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Pages is what two stores that are held against each other must agree in.
type Pages bool

// WholePages means page by page, cursors included; AllPages means what all pages
// hold together: where one ends, and whether an empty one follows the last, is
// each store's own.
const (
	AllPages   Pages = false
	WholePages Pages = true
)

// pair drives two stores through the same calls; what the simulation proves
// over memstore holds over another only as far as they answer alike.
type pair struct {
	mem, other store.Store
	pages      Pages
	clock      Clock
	ws         crm.WorkspaceID
	cursors    []store.Query
}

// Same runs random calls against memstore and another store, which go by one
// clock, and wants the same answers.
func Same(t *testing.T, mem, other store.Store, clock Clock, pages Pages) {
	t.Helper()
	p := &pair{mem: mem, other: other, pages: pages, clock: clock}
	calls := []func(*rapid.T){p.write, p.write, p.batch, p.transact, p.get, p.query, p.nextPage, p.time}
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		p.ws, p.cursors = crm.WorkspaceID(fmt.Sprintf("w%d", round)), nil
		for range rapid.IntRange(1, 16).Draw(t, "calls") {
			calls[rapid.IntRange(0, len(calls)-1).Draw(t, "call")](t)
		}
	})
}

var (
	somePartition = rapid.SampledFrom([]string{"p", "q"})
	someSort      = rapid.SampledFrom([]string{"a", "a/1", "a/2", "b", "é", "🙂"})
	someIndex     = rapid.SampledFrom([]string{"", "i", "j"})
	someIndexSort = rapid.SampledFrom([]string{"", "a", "a/x", "z"})
)

func (p *pair) time(t *rapid.T) {
	p.clock.Advance(time.Duration(rapid.IntRange(0, 2500).Draw(t, "ms")) * time.Millisecond)
}

func (p *pair) key(t *rapid.T) store.Key {
	return store.Key{
		Table:     rapid.SampledFrom(store.Tables[:2]).Draw(t, "table"),
		Workspace: p.ws,
		Partition: somePartition.Draw(t, "partition"),
		Sort:      someSort.Draw(t, "sort"),
	}
}

func (p *pair) someWrite(t *rapid.T) store.Write {
	w := store.Write{
		Op: store.Op(rapid.IntRange(0, int(store.Check)).Draw(t, "op")),
		Item: store.Item{
			Key: p.key(t), Data: []byte(rapid.StringN(0, 3, -1).Draw(t, "data")), Index: someIndex.Draw(t, "index"),
			IndexSort: someIndexSort.Draw(t, "index sort"),
		},
	}
	if rapid.Bool().Draw(t, "expires") {
		w.Item.Expires = p.clock.Now().Add(time.Duration(rapid.IntRange(-2000, 5000).Draw(t, "in ms")) * time.Millisecond)
	}
	if w.Op == store.Add {
		by := rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64())
		w.Item.Counters = map[string]int64{rapid.SampledFrom([]string{"n", "m"}).Draw(t, "counter"): by.Draw(t, "by")}
	}
	switch rapid.IntRange(0, 3).Draw(t, "condition") {
	case 1:
		w.If = store.IfAbsent
	case 2:
		w.If = store.IfExists
	case 3:
		w.If = store.IfVersion(rapid.Int64Range(0, 3).Draw(t, "version"))
	}
	return w
}

func same(t *rapid.T, what string, mem, other any) {
	t.Helper()
	if d := cmp.Diff(mem, other, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-memstore +other):\n%s", what, d)
	}
}

// answer is what a caller may go by in an error.
func answer(err error) string {
	if err == nil {
		return ""
	}
	return fault.KindOf(err).String() + " " + fault.CodeOf(err)
}

func answers(errs []error) []string {
	var out []string
	for _, err := range errs {
		out = append(out, answer(err))
	}
	return out
}

func (p *pair) write(t *rapid.T) {
	w := p.someWrite(t)
	mv, merr := p.mem.Write(t.Context(), w)
	dv, derr := p.other.Write(t.Context(), w)
	same(t, "error", answer(merr), answer(derr))
	same(t, "version", mv, dv)
}

func (p *pair) batch(t *rapid.T) {
	ws := rapid.SliceOfN(rapid.Custom(p.someWrite), 0, 6).Draw(t, "writes")
	mv, merrs := p.mem.BatchWrite(t.Context(), ws)
	dv, derrs := p.other.BatchWrite(t.Context(), ws)
	same(t, "errors", answers(merrs), answers(derrs))
	same(t, "versions", mv, dv)
}

func (p *pair) transact(t *rapid.T) {
	ws := rapid.SliceOfN(rapid.Custom(p.someWrite), 0, 4).Draw(t, "writes")
	same(t, "error", answer(p.mem.Transact(t.Context(), ws)), answer(p.other.Transact(t.Context(), ws)))
}

func (p *pair) get(t *rapid.T) {
	keys := rapid.SliceOfN(rapid.Custom(p.key), 1, 8).Draw(t, "keys")
	m, merr := p.mem.BatchGet(t.Context(), keys)
	d, derr := p.other.BatchGet(t.Context(), keys)
	same(t, "error", answer(merr), answer(derr))
	same(t, "items", m, d)
	one, merr := p.mem.Get(t.Context(), keys[0])
	two, derr := p.other.Get(t.Context(), keys[0])
	same(t, "error", answer(merr), answer(derr))
	same(t, "item", one, two)
}

func (p *pair) query(t *rapid.T) {
	q := store.Query{
		Table:     rapid.SampledFrom(store.Tables[:2]).Draw(t, "table"),
		Workspace: p.ws,
		Partition: somePartition.Draw(t, "partition"),
		OnIndex:   rapid.Bool().Draw(t, "on index"),
		Reverse:   rapid.Bool().Draw(t, "reverse"),
		Limit:     rapid.IntRange(0, 4).Draw(t, "limit"),
	}
	if q.OnIndex {
		q.Partition = rapid.SampledFrom([]string{"i", "j"}).Draw(t, "index")
	}
	switch rapid.IntRange(0, 3).Draw(t, "range") {
	case 1:
		q.Prefix = someSort.Draw(t, "prefix")
	case 2:
		q.From = someSort.Draw(t, "from")
	case 3:
		q.From, q.To = someSort.Draw(t, "from"), someSort.Draw(t, "to")
	}
	p.ask(t, q)
}

// ask compares one query's answer, as far as the stores promise it.
func (p *pair) ask(t *rapid.T, q store.Query) {
	if p.pages == WholePages {
		m, merr := p.mem.Query(t.Context(), q)
		d, derr := p.other.Query(t.Context(), q)
		same(t, "error", answer(merr), answer(derr))
		same(t, "page", m, d)
		if m.Next != "" {
			q.Cursor = m.Next
			p.cursors = append(p.cursors, q)
		}
		return
	}
	m := p.every(t, p.mem, q)
	d := p.every(t, p.other, q)
	if q.OnIndex {
		// The order of equal index sort texts is nobody's promise.
		byKey := cmpopts.SortSlices(func(a, b store.Item) bool {
			return a.IndexSort+"\x00"+a.Partition+"\x00"+a.Sort < b.IndexSort+"\x00"+b.Partition+"\x00"+b.Sort
		})
		if d := cmp.Diff(m, d, cmpopts.EquateEmpty(), byKey); d != "" {
			t.Fatalf("items (-memstore +other):\n%s", d)
		}
		return
	}
	same(t, "items", m, d)
}

func (p *pair) every(t *rapid.T, s store.Store, q store.Query) []store.Item {
	var items []store.Item
	for range 1000 {
		page, err := s.Query(t.Context(), q)
		if err != nil {
			t.Fatalf("query: %v", err)
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items
		}
		q.Cursor = page.Next
		if s == p.mem && !q.OnIndex {
			p.cursors = append(p.cursors, q)
		}
	}
	t.Fatal("the query never ends")
	return nil
}

// nextPage goes on with some earlier query, whatever was written since: both
// speak the port's cursors, so that one's serves the other.
func (p *pair) nextPage(t *rapid.T) {
	if len(p.cursors) > 0 {
		p.ask(t, rapid.SampledFrom(p.cursors).Draw(t, "cursor"))
	}
}
