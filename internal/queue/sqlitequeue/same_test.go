package sqlitequeue_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/memqueue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqlitequeue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// pair drives two queues through the same calls; what the simulation proves
// over memqueue holds over sqlitequeue only as far as they answer alike.
type pair struct {
	mem      *memqueue.Queue
	sql      *sqlitequeue.Queue
	clock    *testclock.Clock
	receipts [][2]string // of the same delivery by either queue
}

// TestSameAsMemqueue runs random calls against both and wants the same answers.
func TestSameAsMemqueue(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	rounds := 0
	rapid.Check(t, func(t *rapid.T) {
		rounds++
		clock := testclock.New()
		db, err := sqlitedb.Open(context.Background(), filepath.Join(base, fmt.Sprint(rounds)))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		sql, err := sqlitequeue.Open(context.Background(), db, clock.Now, sqlitequeue.Options{MaxReceives: 3})
		if err != nil {
			t.Fatal(err)
		}
		p := &pair{mem: memqueue.New(clock.Now, memqueue.Options{MaxReceives: 3}), sql: sql, clock: clock}
		t.Repeat(map[string]func(*rapid.T){
			"send":       p.send,
			"receive":    p.receive,
			"delete":     p.delete,
			"visibility": p.visibility,
			"redrive":    p.redrive,
			"depth":      p.depth,
			"":           func(t *rapid.T) { same(t, "counts", p.mem.Counts(), p.sql.Counts()) },
			"to an edge": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "rarely") == 0 {
					p.clock.Advance(rapid.SampledFrom([]time.Duration{
						queue.DedupWindow, queue.DedupWindow - 1, queue.Retention, queue.Retention - 1, queue.DeadRetention,
						queue.DeadRetention - 1,
					}).Draw(t, "by"))
				}
			},
			"seconds": func(t *rapid.T) { p.clock.Advance(time.Duration(rapid.IntRange(0, 30).Draw(t, "s")) * time.Second) },
			"days": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
					p.clock.Advance(time.Duration(rapid.IntRange(1, 10).Draw(t, "d")) * 24 * time.Hour)
				}
			},
		})
	})
}

func same(t *rapid.T, what string, mem, sql any) {
	t.Helper()
	if d := cmp.Diff(mem, sql, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-memqueue +sqlitequeue):\n%s", what, d)
	}
}

func kinds(errs []error) []string {
	var out []string
	for _, err := range errs {
		kind := ""
		if err != nil {
			kind = fault.KindOf(err).String()
		}
		out = append(out, kind)
	}
	return out
}

func (p *pair) send(t *rapid.T) {
	var ms []queue.Message
	for range rapid.IntRange(1, 13).Draw(t, "messages") {
		ms = append(ms, queue.Message{
			Group: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "group"),
			Dedup: fmt.Sprint(rapid.IntRange(0, 50).Draw(t, "dedup")),
			Body:  []byte(rapid.StringMatching(`[a-z]{0,2}`).Draw(t, "body")), // sometimes empty, which is refused
		})
	}
	same(t, "errors", kinds(p.mem.Send(t.Context(), ms)), kinds(p.sql.Send(t.Context(), ms)))
}

func (p *pair) receive(t *rapid.T) {
	n := rapid.IntRange(1, queue.MaxBatch).Draw(t, "n")
	visibility := time.Duration(rapid.IntRange(0, 60).Draw(t, "visibility")) * time.Second
	m, merr := p.mem.Receive(t.Context(), n, visibility)
	s, serr := p.sql.Receive(t.Context(), n, visibility)
	same(t, "errors", kinds([]error{merr}), kinds([]error{serr}))
	same(t, "number of deliveries", len(m), len(s))
	for i := range m {
		p.receipts = append(p.receipts, [2]string{m[i].Receipt, s[i].Receipt})
		m[i].Receipt, s[i].Receipt = "", ""
		m[i].ID, s[i].ID = "", "" // each counts its own
	}
	same(t, "deliveries", m, s)
}

// some draws receipts that were given so far, stale ones too.
func (p *pair) some(t *rapid.T) (mem, sql []string) {
	if len(p.receipts) == 0 {
		t.Skip("nothing was received yet")
	}
	recent := p.receipts[max(0, len(p.receipts)-15):]
	seen := map[[2]string]bool{}
	for range rapid.IntRange(1, 5).Draw(t, "receipts") {
		r := rapid.SampledFrom(recent).Draw(t, "receipt")
		if !seen[r] {
			seen[r] = true
			mem, sql = append(mem, r[0]), append(sql, r[1])
		}
	}
	return mem, sql
}

func (p *pair) delete(t *rapid.T) {
	m, s := p.some(t)
	same(t, "errors", kinds(p.mem.Delete(t.Context(), m)), kinds(p.sql.Delete(t.Context(), s)))
}

func (p *pair) visibility(t *rapid.T) {
	m, s := p.some(t)
	d := time.Duration(rapid.IntRange(0, 60).Draw(t, "visibility")) * time.Second
	same(t, "errors", kinds(p.mem.SetVisibility(t.Context(), m, d)), kinds(p.sql.SetVisibility(t.Context(), s, d)))
}

func (p *pair) redrive(t *rapid.T) {
	n := rapid.IntRange(0, 5).Draw(t, "n")
	m, merr := p.mem.RedriveDead(t.Context(), n)
	s, serr := p.sql.RedriveDead(t.Context(), n)
	same(t, "errors", kinds([]error{merr}), kinds([]error{serr}))
	same(t, "redriven", m, s)
}

func (p *pair) depth(t *rapid.T) {
	m, merr := p.mem.Depth(t.Context())
	s, serr := p.sql.Depth(t.Context())
	same(t, "errors", kinds([]error{merr}), kinds([]error{serr}))
	same(t, "depth", m, s)
}
