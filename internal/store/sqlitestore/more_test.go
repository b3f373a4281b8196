package sqlitestore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb/sqlitedbtest"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/sqlitestore"
)

// TestSettingsSurviveARestart writes one item of every shape and reads it in a new process's place.
func TestSettingsSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := store.Item{
		Key:  store.Key{Table: store.Settings, Workspace: "ws", Partition: "p", Sort: "s"},
		Data: []byte("data"), Counters: map[string]int64{"n": -7, "m": 1 << 40}, Index: "i", IndexSort: "is",
		Expires: time.Now().Add(time.Hour).Truncate(time.Second).UTC(), Version: 2,
	}
	func() {
		db, err := sqlitedb.Open(context.Background(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s, err := sqlitestore.Open(t.Context(), db, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range []store.Op{store.Put, store.Add} {
			if _, err := s.Write(t.Context(), store.Write{Op: op, Item: want}); err != nil {
				t.Fatal(err)
			}
		}
	}()
	s := open(t, dir, time.Now)
	got, err := s.Get(t.Context(), want.Key)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := sqlitedb.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitestore.Open(t.Context(), db, time.Now); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, dir, "UPDATE component SET version = version + 1 WHERE name = 'store'")
	db, err = sqlitedb.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err = sqlitestore.Open(t.Context(), db, time.Now); !fault.Is(err, fault.Invalid) ||
		fault.CodeOf(err) != "database_newer" {
		t.Errorf("error = %v, want database_newer", err)
	}
}

func execute(t *testing.T, dir string, statements ...string) {
	t.Helper()
	raw, err := sql.Open("sqlite", filepath.Join(dir, sqlitedb.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, s := range statements {
		if _, err := raw.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPurgeDeletesExpiredItemsOnly(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	dir := t.TempDir()
	s := open(t, dir, clock.Now)
	var ws []store.Write
	for i := range 450 {
		it := store.Item{
			Key: store.Key{Table: store.Tables[i%3], Workspace: "ws", Partition: "p", Sort: fmt.Sprintf("%03d", i)}, Index: "i",
		}
		if i < 300 {
			it.Expires = clock.Now().Add(time.Duration(i+1) * time.Second)
		}
		ws = append(ws, store.Write{Item: it})
	}
	if _, errs := s.BatchWrite(t.Context(), ws); errs != nil {
		t.Fatal(errs)
	}
	purge := func(limit, want int) {
		t.Helper()
		if n, err := s.Purge(t.Context(), limit); err != nil || n != want {
			t.Errorf("purged %d, %v; want %d", n, err, want)
		}
	}
	purge(1000, 0)
	clock.Advance(270 * time.Second)
	purge(10, 30) // ten of each table
	purge(1000, 240)
	purge(1000, 0)
	for _, table := range store.Tables {
		p, err := s.Query(t.Context(), store.Query{Table: table, Workspace: "ws", Partition: "i", OnIndex: true, Limit: 1000})
		if err != nil || len(p.Items) != 60 {
			t.Errorf("%s: %d items left, %v; want 60", table, len(p.Items), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	clock.Advance(time.Hour)
	if _, err := s.Purge(ctx, 1000); !fault.Is(err, fault.Unavailable) {
		t.Errorf("error = %v, want unavailable", err)
	}
	purge(1000, 30)
}

func TestCountsAreThoseOfMemstore(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), time.Now)
	item := func(sort string) store.Item {
		return store.Item{Key: store.Key{Table: store.Links, Workspace: "ws", Partition: "p", Sort: sort}}
	}
	if _, errs := s.BatchWrite(t.Context(), []store.Write{
		{Item: item("a")}, {Item: item("b")}, {Item: item("c"), If: store.IfExists},
	}); errs == nil {
		t.Fatal("nothing refused")
	}
	if err := s.Transact(t.Context(), []store.Write{
		{Op: store.Delete, Item: item("a")}, {Op: store.Check, Item: item("b")}, {Op: store.Add, Item: item("d")},
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Transact(t.Context(), []store.Write{
		{Op: store.Delete, Item: item("b")}, {Op: store.Check, Item: item("x"), If: store.IfExists},
	}); err == nil {
		t.Fatal("not refused")
	}
	if _, err := s.Query(t.Context(), store.Query{Table: store.Links, Workspace: "ws", Partition: "p"}); err != nil {
		t.Fatal(err)
	}
	c := s.Counts()
	want := map[store.Op]int64{store.Put: 2, store.Delete: 1, store.Add: 1, store.Check: 1}
	if d := cmp.Diff(want, c.Writes[store.Links]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if c.Refused[store.Links] != 3 || c.Queries[store.Links] != 1 || c.Reads[store.Links] != 2 {
		t.Errorf("counts = %+v", c)
	}
}

// TestIndexesAreUsed keeps queries from turning into scans of a table.
func TestIndexesAreUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir, time.Now)
	raw, err := sql.Open("sqlite", filepath.Join(dir, sqlitedb.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for name, query := range sqlitestore.Queries(store.Links) {
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
			if strings.Contains(detail, "SCAN") || strings.Contains(detail, "TEMP B-TREE") {
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
	open(t, dir, time.Now)
	sqlitedbtest.PlannedOnce(t, filepath.Join(dir, sqlitedb.FileName), sqlitestore.Queries(store.Links))
}

// TestMemoryDoesNotGrowWithItems compares what the process holds after many
// items with what it held after few. SQLite's own memory is outside of Go's
// heap, so the system is asked.
func TestMemoryDoesNotGrowWithItems(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc/self/statm, which only Linux has")
	}
	s := open(t, t.TempDir(), time.Now)
	n := 0
	fill := func(items int) int {
		for ; items > 0; items -= 500 {
			ws := make([]store.Write, 500)
			for i := range ws {
				ws[i].Item = benchItem(n)
				n++
			}
			if _, errs := s.BatchWrite(t.Context(), ws); errs != nil {
				t.Fatal(errs)
			}
			if _, err := s.Query(t.Context(), store.Query{
				Table: store.Links, Workspace: "ws_1", Partition: "con_1/contacts/03",
			}); err != nil {
				t.Fatal(err)
			}
		}
		return resident(t)
	}
	few := fill(5000)
	many := fill(20_000)
	t.Logf("resident after 5,000 items of 1 KB: %d MB, after 25,000: %d MB", few>>20, many>>20)
	if many > few+16<<20 {
		t.Errorf("resident memory grew from %d to %d MB", few>>20, many>>20)
	}
}

// resident is the memory of this process, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	runtime.GC()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
