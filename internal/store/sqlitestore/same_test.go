package sqlitestore_test

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
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
	"github.com/lockstep-crm/lockstep/internal/testclock"
)

// pair drives two stores through the same calls; what the simulation proves
// over memstore holds over sqlitestore only as far as they answer alike.
type pair struct {
	mem, sql store.Store
	clock    *testclock.Clock
	ws       crm.WorkspaceID
	cursors  []store.Query
}

// TestSameAsMemstore runs random calls against both and wants the same answers.
func TestSameAsMemstore(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	p := &pair{mem: memstore.New(clock.Now), sql: open(t, t.TempDir(), clock.Now), clock: clock}
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		p.ws, p.cursors = crm.WorkspaceID(fmt.Sprintf("w%d", round)), nil
		t.Repeat(map[string]func(*rapid.T){
			"write":     p.write,
			"batch":     p.batch,
			"transact":  p.transact,
			"get":       p.get,
			"query":     p.query,
			"next page": p.nextPage,
			"time": func(t *rapid.T) {
				p.clock.Advance(time.Duration(rapid.IntRange(0, 2500).Draw(t, "ms")) * time.Millisecond)
			},
		})
	})
}

var (
	somePartition = rapid.SampledFrom([]string{"p", "q"})
	someSort      = rapid.SampledFrom([]string{"a", "a/1", "a/2", "b", "é", "🙂"})
	someIndex     = rapid.SampledFrom([]string{"", "i", "j"})
	someIndexSort = rapid.SampledFrom([]string{"", "a", "a/x", "z"})
)

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
		Op:   store.Op(rapid.IntRange(0, int(store.Check)).Draw(t, "op")),
		Item: store.Item{Key: p.key(t), Data: []byte(rapid.StringN(0, 3, -1).Draw(t, "data")), Index: someIndex.Draw(t, "index"), IndexSort: someIndexSort.Draw(t, "index sort")},
	}
	if rapid.Bool().Draw(t, "expires") {
		w.Item.Expires = p.clock.Now().Add(time.Duration(rapid.IntRange(-2000, 5000).Draw(t, "in ms")) * time.Millisecond)
	}
	if w.Op == store.Add {
		w.Item.Counters = map[string]int64{rapid.SampledFrom([]string{"n", "m"}).Draw(t, "counter"): rapid.Int64Range(-3, 3).Draw(t, "by")}
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

func same(t *rapid.T, what string, mem, sql any) {
	t.Helper()
	if d := cmp.Diff(mem, sql, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-memstore +sqlitestore):\n%s", what, d)
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
	sv, serr := p.sql.Write(t.Context(), w)
	same(t, "error", answer(merr), answer(serr))
	same(t, "version", mv, sv)
}

func (p *pair) batch(t *rapid.T) {
	ws := rapid.SliceOfN(rapid.Custom(p.someWrite), 0, 6).Draw(t, "writes")
	mv, merrs := p.mem.BatchWrite(t.Context(), ws)
	sv, serrs := p.sql.BatchWrite(t.Context(), ws)
	same(t, "errors", answers(merrs), answers(serrs))
	same(t, "versions", mv, sv)
}

func (p *pair) transact(t *rapid.T) {
	ws := rapid.SliceOfN(rapid.Custom(p.someWrite), 0, 4).Draw(t, "writes")
	same(t, "error", answer(p.mem.Transact(t.Context(), ws)), answer(p.sql.Transact(t.Context(), ws)))
}

func (p *pair) get(t *rapid.T) {
	keys := rapid.SliceOfN(rapid.Custom(p.key), 1, 8).Draw(t, "keys")
	m, merr := p.mem.BatchGet(t.Context(), keys)
	s, serr := p.sql.BatchGet(t.Context(), keys)
	same(t, "error", answer(merr), answer(serr))
	same(t, "items", m, s)
	one, merr := p.mem.Get(t.Context(), keys[0])
	two, serr := p.sql.Get(t.Context(), keys[0])
	same(t, "error", answer(merr), answer(serr))
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

// ask compares a page, cursor included: both use the port's own.
func (p *pair) ask(t *rapid.T, q store.Query) {
	m, merr := p.mem.Query(t.Context(), q)
	s, serr := p.sql.Query(t.Context(), q)
	same(t, "error", answer(merr), answer(serr))
	same(t, "page", m, s)
	if s.Next != "" {
		q.Cursor = s.Next
		p.cursors = append(p.cursors, q)
	}
}

// nextPage goes on with some earlier query, whatever was written since.
func (p *pair) nextPage(t *rapid.T) {
	if len(p.cursors) == 0 {
		t.Skip("no query has a second page yet")
	}
	p.ask(t, rapid.SampledFrom(p.cursors).Draw(t, "cursor"))
}
