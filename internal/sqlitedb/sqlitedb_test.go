package sqlitedb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	_ "modernc.org/sqlite"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

func open(t testing.TB, dir string) *sqlitedb.DB {
	t.Helper()
	db, err := sqlitedb.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

const table = "CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER NOT NULL) STRICT"

func withTable(t testing.TB, dir string) *sqlitedb.DB {
	t.Helper()
	db := open(t, dir)
	if err := db.Migrate(t.Context(), "test", []string{table}); err != nil {
		t.Fatal(err)
	}
	return db
}

func insert(tx *sqlitedb.Tx, k string, v int) error {
	_, err := tx.Exec("INSERT INTO t (k, v) VALUES (?, ?)", k, v)
	return err
}

func count(t testing.TB, db *sqlitedb.DB) (n int) {
	t.Helper()
	err := db.Read(t.Context(), func(c *sqlitedb.Conn) error {
		_, err := c.Row("SELECT count(*) FROM t", nil, &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantCode(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.CodeOf(err) != code {
		t.Errorf("error = %v, want %v %q", err, kind, code)
	}
}

func TestOpenTwiceIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	_, err := sqlitedb.Open(t.Context(), dir)
	wantCode(t, err, fault.Conflict, "data_folder_in_use")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestFolderNamesOfAnyKind(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "with space", "q?x=1", "a#b", "100%25", "ü", "a&b", "deep/er"} {
		dir := filepath.Join(t.TempDir(), name)
		db := open(t, dir)
		if _, err := os.Stat(filepath.Join(dir, sqlitedb.FileName)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if db.Path() != filepath.Join(dir, sqlitedb.FileName) {
			t.Errorf("path = %s", db.Path())
		}
	}
}

func TestPragmas(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "mmap_size": "0", "temp_store": "1", "cache_size": "-1024",
	}
	for name, want := range want {
		var got string
		if err := db.Read(t.Context(), func(c *sqlitedb.Conn) error {
			_, err := c.Row("PRAGMA "+name, nil, &got)
			return err
		}); err != nil || got != want {
			t.Errorf("%s = %s, %v; want %s", name, got, err, want)
		}
	}
}

func TestWhatWasWrittenIsThereAfterReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := withTable(t, dir)
	if err := db.Update(t.Context(), func(tx *sqlitedb.Tx) error { return insert(tx, "a", 1) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, withTable(t, dir)); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestUpdateKeepsAllOrNothing(t *testing.T) {
	t.Parallel()
	db := withTable(t, t.TempDir())
	reason := fault.New("test", fault.Conflict, "", "no")
	err := db.Update(t.Context(), func(tx *sqlitedb.Tx) error { return errors.Join(insert(tx, "a", 1), reason) })
	if !fault.Is(err, fault.Conflict) || count(t, db) != 0 {
		t.Errorf("error = %v, %d rows; want conflict and none", err, count(t, db))
	}
	err = db.Update(t.Context(), func(tx *sqlitedb.Tx) error { panic("boom") })
	if !fault.Is(err, fault.Other) {
		t.Errorf("error = %v, want other", err)
	}
	if err := db.Update(t.Context(), func(tx *sqlitedb.Tx) error { return insert(tx, "a", 1) }); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

// held runs test while the turn to write is taken, so that writers have to
// wait and meet in one commit; free gives the turn back. The virtual time of
// synctest tells when everybody waits.
func held(t *testing.T, test func(t *testing.T, db *sqlitedb.DB, free func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db := withTable(t, t.TempDir())
		begun, gate := make(chan struct{}), make(chan struct{})
		go func() {
			if err := db.Update(context.Background(), func(*sqlitedb.Tx) error {
				close(begun)
				<-gate
				return nil
			}); err != nil {
				t.Error(err)
			}
		}()
		<-begun
		test(t, db, func() { close(gate) })
	})
}

// TestGroupsKeepWritersApart lets writers that fail before, after and not at
// all meet in one commit: each gets its own answer, and only what succeeded stays.
func TestGroupsKeepWritersApart(t *testing.T) {
	t.Parallel()
	held(t, func(t *testing.T, db *sqlitedb.DB, free func()) {
		const n = 60
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				errs[i] = db.Update(t.Context(), func(tx *sqlitedb.Tx) error {
					bad := fault.New("test", fault.Conflict, "", fmt.Sprint(i))
					if i%3 == 0 {
						return bad
					}
					if err := insert(tx, fmt.Sprint(i), i); err != nil {
						return err
					}
					if i%10 == 1 {
						return bad
					}
					return nil
				})
			})
		}
		synctest.Wait()
		free()
		wg.Wait()
		want := 0
		for i, err := range errs {
			if fails := i%3 == 0 || i%10 == 1; fails != (err != nil) {
				t.Errorf("writer %d: %v", i, err)
			} else if !fails {
				want++
			} else if !strings.HasSuffix(err.Error(), ": "+fmt.Sprint(i)) {
				t.Errorf("writer %d got the answer of another: %v", i, err)
			}
		}
		if got := count(t, db); got != want {
			t.Errorf("%d rows, want %d", got, want)
		}
	})
}

func TestCancelledWriterWritesNothing(t *testing.T) {
	t.Parallel()
	held(t, func(t *testing.T, db *sqlitedb.DB, free func()) {
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan error, 2)
		write := func() {
			answered <- db.Update(ctx, func(tx *sqlitedb.Tx) error { return insert(tx, "a", 1) })
		}
		go write()
		synctest.Wait() // it waits for its turn
		cancel()
		go write() // this one comes too late
		synctest.Wait()
		free()
		for range 2 {
			if err := <-answered; !fault.Is(err, fault.Unavailable) || fault.MayHaveLanded(err) {
				t.Errorf("error = %v, want unavailable, certainly not landed", err)
			}
		}
		if n := count(t, db); n != 0 {
			t.Errorf("%d rows, want none", n)
		}
	})
}

// TestCloseAnswersWhoeverWaits does not leave writers behind that wait for a turn.
func TestCloseAnswersWhoeverWaits(t *testing.T) {
	t.Parallel()
	held(t, func(t *testing.T, db *sqlitedb.DB, free func()) {
		answered := make(chan error)
		for i := range 3 {
			go func() {
				answered <- db.Update(context.Background(), func(tx *sqlitedb.Tx) error { return insert(tx, fmt.Sprint(i), i) })
			}()
		}
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- db.Close() }()
		synctest.Wait()
		free()
		for range 3 {
			if err := <-answered; err != nil && !fault.Is(err, fault.Unavailable) {
				t.Errorf("error = %v, want none or unavailable", err)
			}
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestClosedDatabaseAnswers(t *testing.T) {
	t.Parallel()
	db := withTable(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 20 { // some of them before, some after
		wg.Go(func() {
			if err := db.Update(context.Background(), func(tx *sqlitedb.Tx) error {
				return insert(tx, fmt.Sprint(i), i)
			}); err != nil && !fault.Is(err, fault.Unavailable) {
				t.Errorf("update: %v", err)
			}
			if err := db.Read(context.Background(), func(*sqlitedb.Conn) error { return nil }); err != nil &&
				!fault.Is(err, fault.Unavailable) {
				t.Errorf("read: %v", err)
			}
		})
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	err := db.Update(t.Context(), func(*sqlitedb.Tx) error { return nil })
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("error = %v, want unavailable", err)
	}
}

func TestMigrateTakesMissingStepsOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	steps := []string{
		table, "INSERT INTO t VALUES ('old', 1)", "ALTER TABLE t ADD COLUMN w TEXT; INSERT INTO t VALUES ('new', 2, 'x')",
	}
	for _, known := range []int{1, 2, 3, 3} {
		db := open(t, dir)
		if err := db.Migrate(t.Context(), "test", steps[:known]); err != nil {
			t.Fatalf("with %d steps: %v", known, err)
		}
		if got := count(t, db); got != known-1 {
			t.Errorf("with %d steps: %d rows, want %d", known, got, known-1)
		}
		if err := db.Migrate(t.Context(), "other", []string{"CREATE TABLE IF NOT EXISTS u (x) "}); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, open(t, dir).Migrate(t.Context(), "test", steps[:2]), fault.Invalid, "database_newer")
}

func TestMigrateLeavesNothingOfAFailedStep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := withTable(t, dir)
	bad := []string{table, "INSERT INTO t VALUES ('a', 1); INSERT INTO nowhere VALUES (1)"}
	if err := db.Migrate(t.Context(), "test", bad); err == nil {
		t.Error("a step that fails was accepted")
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows of a failed step", n)
	}
	good := []string{table, "INSERT INTO t VALUES ('a', 1)"}
	if err := db.Migrate(t.Context(), "test", good); err != nil || count(t, db) != 1 {
		t.Errorf("after the step was mended: %v, %d rows", err, count(t, db))
	}
}

func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		code string
	}{
		"no database": {func(t *testing.T, path string) {
			write(t, path, []byte(strings.Repeat("hello ", 5000)))
		}, "database_foreign"},
		"of another program": {func(t *testing.T, path string) {
			execute(t, path, "CREATE TABLE invoices (id INTEGER)", "INSERT INTO invoices VALUES (1)")
		}, "database_foreign"},
		"with another application ID": {func(t *testing.T, path string) {
			execute(t, path, "PRAGMA application_id = 77", "CREATE TABLE component (x)")
		}, "database_foreign"},
		"of a newer format": {func(t *testing.T, path string) {
			if err := open(t, filepath.Dir(path)).Close(); err != nil {
				t.Fatal(err)
			}
			execute(t, path, "PRAGMA user_version = 2")
		}, "database_newer"},
		"damaged schema": {func(t *testing.T, path string) {
			if err := withTable(t, filepath.Dir(path)).Close(); err != nil {
				t.Fatal(err)
			}
			b := read(t, path)
			for i := 100; i < 4096; i++ {
				b[i] = 0xA5
			}
			write(t, path, b)
		}, "database_damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, sqlitedb.FileName)
			c.make(t, path)
			before := read(t, path)
			_, err := sqlitedb.Open(t.Context(), dir)
			wantCode(t, err, fault.Invalid, c.code)
			if string(read(t, path)) != string(before) {
				t.Error("the refused file was changed")
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(path + "-wal")
			_ = os.Remove(path + "-shm")
			open(t, dir) // the refusal left no lock behind
		})
	}
}

func TestFolderCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	_, err := sqlitedb.Open(t.Context(), file)
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("error = %v, want unavailable", err)
	}
}

// TestLogStaysBounded writes far more than the log may hold while there is
// always a reader, so that the log is never quite unused.
func TestLogStaysBounded(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	if err := db.Migrate(t.Context(), "test", []string{"CREATE TABLE b (id INTEGER PRIMARY KEY, v BLOB)"}); err != nil {
		t.Fatal(err)
	}
	stop, ping, pong := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { overlap(t, db, stop, ping, pong, true) })
	wg.Go(func() { overlap(t, db, stop, pong, ping, false) })
	largest := int64(0)
	blob := make([]byte, 64<<10)
	for i := range 350 { // 44 MB: what is replaced is overwritten first
		if err := db.Update(t.Context(), func(tx *sqlitedb.Tx) error {
			_, err := tx.Exec("INSERT OR REPLACE INTO b VALUES (?, ?)", i%50, blob)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(db.Path() + "-wal"); err == nil {
			largest = max(largest, info.Size())
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("largest log: %d KB", largest>>10)
	if largest > 24<<20 {
		t.Errorf("the log grew to %d bytes", largest)
	}
}

// overlap reads again and again; it leaves each time only when the other reader has come.
func overlap(
	t *testing.T, db *sqlitedb.DB, stop <-chan struct{}, mine <-chan struct{}, other chan<- struct{}, announce bool,
) {
	for open := true; open; announce = true {
		err := db.View(context.Background(), func(c *sqlitedb.Conn) error {
			var n int
			_, err := c.Row("SELECT count(*) FROM b", nil, &n)
			if announce && err == nil {
				select {
				case other <- struct{}{}:
				case <-stop:
					open = false
				}
			}
			select {
			case <-mine:
			case <-stop:
				open = false
			}
			return err
		})
		if err != nil {
			t.Error(err)
			return
		}
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// execute runs statements on a file behind the package's back.
func execute(t *testing.T, path string, statements ...string) {
	t.Helper()
	raw, err := sql.Open("sqlite", path)
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
