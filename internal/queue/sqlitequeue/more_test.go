package sqlitequeue_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqlitequeue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb/sqlitedbtest"
)

func send(t *testing.T, q queue.Queue, group string, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if errs := q.Send(t.Context(), []queue.Message{{Group: group, Dedup: group + b, Body: []byte(b)}}); errs != nil {
			t.Fatal(errs)
		}
	}
}

func receive(t *testing.T, q queue.Queue, n int, visibility time.Duration) []queue.Delivery {
	t.Helper()
	ds, err := q.Receive(t.Context(), n, visibility)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// TestRestart closes the folder with messages in every state and finds them as they were.
func TestRestart(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	dir := t.TempDir()
	receipt := func() string {
		db, err := sqlitedb.Open(context.Background(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		q, err := sqlitequeue.Open(t.Context(), db, clock.Now, sqlitequeue.Options{MaxReceives: 1})
		if err != nil {
			t.Fatal(err)
		}
		send(t, q, "dead", "d")
		receive(t, q, 1, 0)
		if n := len(receive(t, q, 1, 0)); n != 0 {
			t.Fatalf("%d messages, want it dead", n)
		}
		send(t, q, "held", "1", "2")
		held := receive(t, q, 1, time.Hour)
		send(t, q, "free", "3")
		return held[0].Receipt
	}()
	q := open(t, dir, clock.Now, 1)
	if d, err := q.Depth(t.Context()); err != nil || d != (queue.Depth{Visible: 2, InFlight: 1, Dead: 1}) {
		t.Errorf("depth = %+v, %v", d, err)
	}
	if errs := q.Send(t.Context(), []queue.Message{{Group: "free", Dedup: "free3", Body: []byte("again")}}); errs != nil {
		t.Error(errs)
	}
	if ds := receive(t, q, 10, time.Hour); len(ds) != 1 || string(ds[0].Body) != "3" {
		t.Errorf("received %+v, want 3 alone", ds)
	}
	if errs := q.Delete(t.Context(), []string{receipt}); errs != nil {
		t.Errorf("a receipt from before: %v", errs)
	}
	if ds := receive(t, q, 10, time.Hour); len(ds) != 1 || string(ds[0].Body) != "2" {
		t.Errorf("received %+v, want 2 alone", ds)
	}
}

func TestReleaseFreesWhatADeadProcessHeld(t *testing.T) {
	t.Parallel()
	q := open(t, t.TempDir(), testclock.New().Now, 10)
	send(t, q, "a", "1", "2")
	send(t, q, "b", "3")
	old := receive(t, q, 2, time.Hour)
	if n, err := q.Release(t.Context()); err != nil || n != 2 {
		t.Errorf("released %d, %v; want 2", n, err)
	}
	if errs := q.Delete(t.Context(), []string{old[0].Receipt}); errs == nil {
		t.Error("the receipt of the dead process still works")
	}
	ds := receive(t, q, 10, time.Hour)
	if len(ds) != 3 || ds[0].Receives != 2 || string(ds[0].Body) != "1" {
		t.Errorf("received %+v, want all three, the first a second time", ds)
	}
	if n, err := q.Release(t.Context()); err != nil || n != 3 {
		t.Errorf("released %d, %v; want 3", n, err)
	}
}

func TestNotifyTellsWhatMayBeReceived(t *testing.T) {
	t.Parallel()
	q := open(t, t.TempDir(), testclock.New().Now, 1)
	told := func() bool {
		select {
		case <-q.Notify():
			return true
		default:
			return false
		}
	}
	want := func(want bool, after string) {
		t.Helper()
		if got := told(); got != want {
			t.Errorf("told = %v after %s", got, after)
		}
	}
	want(false, "nothing")
	send(t, q, "g", "1", "2")
	want(true, "sends")
	want(false, "being told")
	send(t, q, "g", "1")
	want(false, "a repetition")
	d := receive(t, q, 1, time.Hour)[0]
	want(false, "a receive")
	q.SetVisibility(t.Context(), []string{d.Receipt}, 0)
	want(true, "visibility zero")
	receive(t, q, 1, time.Hour) // 1 dies, 2 comes
	if n, err := q.RedriveDead(t.Context(), 1); err != nil || n != 1 {
		t.Fatalf("redriven %d, %v", n, err)
	}
	want(true, "a redrive")
	q.Delete(t.Context(), []string{"unknown"})
	want(false, "a delete of nothing")
	q.SetVisibility(t.Context(), []string{"unknown"}, 0)
	want(false, "visibility of nothing")
	send(t, q, "h", "1")
	want(true, "a send")
	d = receive(t, q, 1, time.Hour)[0]
	q.Delete(t.Context(), []string{d.Receipt})
	want(true, "a delete")
	if n, err := q.RedriveDead(t.Context(), 1); err != nil || n != 0 {
		t.Fatalf("redriven %d, %v", n, err)
	}
	want(false, "a redrive of nothing")
	if _, err := q.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(true, "a release")
}

// TestMoreThanOneSlice: what is done in slices is done to its end, and no further
// than was asked.
func TestMoreThanOneSlice(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	q := open(t, t.TempDir(), clock.Now, 1)
	const many = 250 // more than the slices of a redrive and of what a receive removes
	ms := make([]queue.Message, many)
	for i := range ms {
		ms[i] = queue.Message{Group: fmt.Sprintf("g%03d", i), Dedup: "d", Body: []byte("x")}
	}
	if errs := q.Send(t.Context(), ms); errs != nil {
		t.Fatal(errs)
	}
	for range many/queue.MaxBatch - 1 {
		receive(t, q, 10, time.Second)
	}
	clock.Advance(time.Second)
	for _, d := range receive(t, q, 10, time.Hour) { // past all that die meanwhile
		q.Delete(t.Context(), []string{d.Receipt})
	}
	want := func(want queue.Depth) {
		t.Helper()
		if got, err := q.Depth(t.Context()); err != nil || got != want {
			t.Fatalf("depth %+v, %v; want %+v", got, err, want)
		}
	}
	want(queue.Depth{Dead: many - 10})
	for _, c := range []struct{ ask, get int }{{101, 101}, {100, 100}, {many, many - 10 - 201}, {1, 0}} {
		if n, err := q.RedriveDead(t.Context(), c.ask); err != nil || n != c.get {
			t.Errorf("redriven %d, %v; want %d", n, err, c.get)
		}
	}
	want(queue.Depth{Visible: many - 10})
	clock.Advance(queue.Retention)
	send(t, q, "new", "1")
	if ds := receive(t, q, 10, time.Hour); len(ds) != 1 || ds[0].Group != "new" {
		t.Errorf("received %+v, want the new one past all that vanish", ds)
	}
	want(queue.Depth{InFlight: 1})
}

// TestDedupIsForgottenWithoutNews: a call forgets more than it adds, so that the
// list shrinks when less is sent.
func TestDedupIsForgottenWithoutNews(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	dir := t.TempDir()
	q := open(t, dir, clock.Now, 10)
	var ms []queue.Message
	for i := range 300 {
		ms = append(ms, queue.Message{Group: "g", Dedup: fmt.Sprint(i), Body: []byte("x")})
	}
	if errs := q.Send(t.Context(), ms); errs != nil {
		t.Fatal(errs)
	}
	clock.Advance(queue.DedupWindow)
	for i, want := range []int{200, 100, 3} { // each call adds one and forgets 101
		send(t, q, "h", fmt.Sprint(i))
		if n := number(t, dir, "SELECT count(*) FROM dedup"); n != want {
			t.Errorf("%d deduplication IDs are kept, want %d", n, want)
		}
	}
}

// TestReadsAreNotWrites: who asks an empty queue, or how much there is, takes no
// turn among those who write.
func TestReadsAreNotWrites(t *testing.T) {
	t.Parallel()
	db, err := sqlitedb.Open(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the folder goes, too
	q, err := sqlitequeue.Open(t.Context(), db, testclock.New().Now, sqlitequeue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	send(t, q, "g", "1")
	receive(t, q, 1, time.Hour)
	err = db.Update(t.Context(), func(*sqlitedb.Tx) error { // nobody else writes meanwhile
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if ds, err := q.Receive(ctx, 1, time.Hour); err != nil || len(ds) != 0 {
			t.Errorf("received %v, %v", ds, err)
		}
		if d, err := q.Depth(ctx); err != nil || d.InFlight != 1 {
			t.Errorf("depth %+v, %v", d, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOneReceiveTakesTheNextOfAGroup(t *testing.T) {
	t.Parallel()
	q := open(t, t.TempDir(), testclock.New().Now, 10)
	send(t, q, "g", "1", "2", "3")
	if ds := receive(t, q, 2, time.Hour); len(ds) != 2 {
		t.Errorf("received %d messages, want 2", len(ds))
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := sqlitedb.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := sqlitequeue.Open(t.Context(), db, time.Now, sqlitequeue.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *sqlitedb.Tx) error {
		_, err := tx.Exec("UPDATE component SET version = 99 WHERE name = 'queue'")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitequeue.Open(t.Context(), db, time.Now, sqlitequeue.Options{}); !fault.Is(err, fault.Invalid) ||
		fault.CodeOf(err) != "database_newer" {
		t.Errorf("error = %v, want database_newer", err)
	}
}

// TestDedupIsForgotten keeps the list of deduplication IDs from growing for ever.
func TestDedupIsForgotten(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	dir := t.TempDir()
	q := open(t, dir, clock.Now, 10)
	for round := range 20 {
		ms := make([]queue.Message, 50)
		for i := range ms {
			ms[i] = queue.Message{Group: "g", Dedup: fmt.Sprintf("%d-%d", round, i), Body: []byte("x")}
		}
		if errs := q.Send(t.Context(), ms); errs != nil {
			t.Fatal(errs)
		}
		clock.Advance(queue.DedupWindow)
	}
	if n := number(t, dir, "SELECT count(*) FROM dedup"); n > 100 {
		t.Errorf("%d deduplication IDs are kept", n)
	}
}

func TestIndexesAreUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir, time.Now, 10)
	raw, err := sql.Open("sqlite", filepath.Join(dir, sqlitedb.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for name, query := range sqlitequeue.Queries {
		rows, err := raw.Query("EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for rows.Next() {
			var a, b, c int
			var detail string
			if err := rows.Scan(&a, &b, &c, &detail); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(detail, "SCAN") && !strings.Contains(detail, "USING INDEX lane_order") ||
				strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s: %s", name, detail)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		_ = rows.Close()
	}
}

// TestQueriesArePlannedOnce keeps what a query is run with out of how it is planned.
func TestQueriesArePlannedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir, time.Now, 10)
	file := filepath.Join(dir, sqlitedb.FileName)
	sqlitedbtest.PlannedOnce(t, file, sqlitequeue.Queries)
	sqlitedbtest.PlannedOnce(t, file, sqlitequeue.Rare)
}

func number(t *testing.T, dir, query string) (n int) {
	t.Helper()
	raw, err := sql.Open("sqlite", filepath.Join(dir, sqlitedb.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
