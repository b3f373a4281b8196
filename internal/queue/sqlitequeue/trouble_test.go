package sqlitequeue_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqlitequeue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// TestEveryStatementMayFail lets whatever is read, put in, changed or taken out of
// each table fail, one at a time, under every call. Calls say so, change nothing,
// and do what they should once the trouble is over; testdata says which call
// needs what.
func TestEveryStatementMayFail(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, table := range []string{"message", "lane", "letter", "dedup"} {
		for _, event := range []string{"INSERT", "UPDATE", "DELETE", "read"} {
			b := newTroubled(t)
			b.fill()
			make1, undo := fmt.Sprintf("CREATE TRIGGER trouble BEFORE %s ON %s BEGIN SELECT RAISE(ABORT, 'not now'); END", event,
				table), "DROP TRIGGER trouble"
			if event == "read" {
				make1, undo = "ALTER TABLE "+table+" RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO "+table
			}
			b.exec(make1)
			fmt.Fprintf(&out, "%s %s:%s\n", event, table, b.calls())
			b.exec(undo)
			fmt.Fprintf(&out, "  then%s\n", b.calls())
			if depth, err := b.q.Depth(t.Context()); err != nil {
				t.Errorf("%s %s: %v", event, table, err)
			} else {
				fmt.Fprintf(&out, "  left %+v\n", depth)
			}
		}
	}
	written.Check(t, "trouble.txt", out.String())
}

type troubled struct {
	t     *testing.T
	db    *sqlitedb.DB
	q     *sqlitequeue.Queue
	clock *testclock.Clock
	held  []string // receipts
}

func newTroubled(t *testing.T) *troubled {
	t.Helper()
	db, err := sqlitedb.Open(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the folder goes, too
	b := &troubled{t: t, db: db, clock: testclock.New()}
	if b.q, err = sqlitequeue.Open(t.Context(), db, b.clock.Now, sqlitequeue.Options{MaxReceives: 1}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *troubled) exec(statement string) {
	b.t.Helper()
	if err := b.db.Update(context.Background(), func(tx *sqlitedb.Tx) error {
		_, err := tx.Exec(statement)
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
}

// fill leaves dead letters, messages that are held and messages that wait.
func (b *troubled) fill() {
	b.t.Helper()
	ctx := b.t.Context()
	send := func(ids ...string) {
		for _, id := range ids {
			for _, err := range b.q.Send(ctx, []queue.Message{{Group: id, Dedup: id, Body: []byte(id)}}) {
				if err != nil {
					b.t.Fatal(err)
				}
			}
		}
	}
	send("dead", "dead-too")
	if _, err := b.q.Receive(ctx, 10, time.Second); err != nil {
		b.t.Fatal(err)
	}
	b.clock.Advance(time.Minute)
	if _, err := b.q.Receive(ctx, 10, time.Second); err != nil { // they are received too often now
		b.t.Fatal(err)
	}
	send("held-1", "held-2", "held-3")
	ds, err := b.q.Receive(ctx, 10, time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, d := range ds {
		b.held = append(b.held, d.Receipt)
	}
	send("waits-1", "waits-2")
}

// calls makes every call once and tells how each went.
func (b *troubled) calls() string {
	ctx := b.t.Context()
	var out strings.Builder
	tell := func(name string, n int, errs ...error) {
		fmt.Fprintf(&out, " %s", name)
		if n >= 0 {
			fmt.Fprintf(&out, " %d", n)
		}
		for _, err := range errs {
			if err != nil {
				fmt.Fprintf(&out, " %v", fault.KindOf(err))
			}
		}
		out.WriteByte(';')
	}
	d, err := b.q.Depth(ctx)
	tell("depth", int(d.Visible+d.InFlight), err)
	tell("send", -1, b.q.Send(ctx, []queue.Message{
		{Group: "g", Dedup: "one", Body: []byte("x")}, {Group: "g", Dedup: "two", Body: []byte("y")},
	})...)
	tell("delete", -1, b.q.Delete(ctx, b.held[:1])...)
	tell("hide", -1, b.q.SetVisibility(ctx, b.held[1:2], time.Minute)...)
	tell("show", -1, b.q.SetVisibility(ctx, b.held[2:3], 0)...)
	n, err := b.q.RedriveDead(ctx, 1)
	tell("redrive", n, err)
	n, err = b.q.Release(ctx)
	tell("release", n, err)
	ds, err := b.q.Receive(ctx, 2, time.Minute)
	tell("receive", len(ds), err)
	return out.String()
}
