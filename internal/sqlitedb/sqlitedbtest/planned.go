// Package sqlitedbtest holds the statements of those who store in SQLite against
// what only SQLite's own interface tells.
package sqlitedbtest

import (
	"runtime"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// PlannedOnce fails where SQLite prepares a query of the database in the file anew
// because of the values that it is run with: that costs more than most queries do.
// It happens where a value is compared with a column of an index that has a
// condition of its own, and with limits, unless something is done to the value
// first, be it "+?". Sources: sqlite.org/c3ref/c_stmtstatus_counter.html,
// sqlite.org/partialindex.html.
func PlannedOnce(t *testing.T, file string, queries map[string]string) {
	t.Helper()
	tls := libc.NewTLS()
	defer tls.Close()
	must := func(what string, code int32) {
		t.Helper()
		if code != sqlite3.SQLITE_OK {
			t.Fatalf("%s: SQLite's code %d", what, code)
		}
	}
	text := func(s string) uintptr {
		p, err := libc.CString(s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { libc.Xfree(nil, p) })
		return p
	}
	db, stmt := new(uintptr), new(uintptr) // where SQLite puts what it makes
	defer runtime.KeepAlive([]*uintptr{db, stmt})
	must(file, sqlite3.Xsqlite3_open_v2(
		tls, text(file), uintptr(unsafe.Pointer(db)), sqlite3.SQLITE_OPEN_READWRITE, 0))
	defer func() { sqlite3.Xsqlite3_close_v2(tls, *db) }()
	for name, query := range queries {
		must(name, sqlite3.Xsqlite3_prepare_v2(tls, *db, text(query), -1, uintptr(unsafe.Pointer(stmt)), 0))
		for value := range int64(3) {
			for i := range sqlite3.Xsqlite3_bind_parameter_count(tls, *stmt) {
				must(name, sqlite3.Xsqlite3_bind_int64(tls, *stmt, i+1, value))
			}
			sqlite3.Xsqlite3_step(tls, *stmt)  // a value that no column takes is refused after it was planned
			sqlite3.Xsqlite3_reset(tls, *stmt) // which is said again
		}
		if n := sqlite3.Xsqlite3_stmt_status(tls, *stmt, sqlite3.SQLITE_STMTSTATUS_REPREPARE, 0); n != 0 {
			t.Errorf("%s was prepared anew %d times in 3 runs: %s", name, n, query)
		}
		sqlite3.Xsqlite3_finalize(tls, *stmt)
	}
}
