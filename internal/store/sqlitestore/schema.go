package sqlitestore

import (
	"strings"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// steps are the migrations, only ever appended to. Large columns come last:
// what stands before them is read without touching their pages.
var steps = []string{
	forTables(`
CREATE TABLE {t} (
	id       INTEGER PRIMARY KEY,
	ws       TEXT NOT NULL,
	part     TEXT NOT NULL,
	sort     TEXT NOT NULL,
	ver      INTEGER NOT NULL,
	exp      INTEGER NOT NULL, -- seconds since 1970, 0 = never
	idx      TEXT,             -- partition of the sparse index
	idxsort  TEXT,
	counters BLOB,
	data     BLOB
) STRICT;
CREATE UNIQUE INDEX {t}_key ON {t} (ws, part, sort);
CREATE INDEX {t}_index ON {t} (ws, idx, idxsort, part, sort) WHERE idx IS NOT NULL;
CREATE INDEX {t}_expiry ON {t} (exp) WHERE exp > 0;
`),
	// Secrets, and what is noted of deliveries, in partitions of their own; see
	// store.SettingsKey.
	`
UPDATE settings SET part = substr(sort, 1, instr(sort, '#') - 1) WHERE part = 'workspace'
	AND substr(sort, 1, instr(sort, '#') - 1) IN ('credential', 'client', 'webhook', 'key', 'delivery', 'refused');
UPDATE settings SET part = 'erasure_key' WHERE part = 'workspace' AND sort LIKE 'erasure#%';
`,
}

func forTables(script string) string {
	var b strings.Builder
	for _, t := range store.Tables {
		b.WriteString(on(t, script))
	}
	return b.String()
}

// on puts a table's name into a statement. Names come from store.Tables only.
func on(t store.Table, statement string) string {
	return strings.ReplaceAll(statement, "{t}", string(t))
}

// statements of one table. Items are read in the order of columns.
type statements struct {
	head, full                       string // one item by key: without and with data
	insert, update, updateBody, bump string
	remove, purge                    string
	query                            map[direction]string
}

type direction struct{ onIndex, reverse bool }

const columns = "part, sort, ver, exp, idx, idxsort, counters, data"

// live leaves out what has expired by a second. It is no comparison with ">":
// SQLite would ask whether the index of what expires covers it, which hangs on
// the second, and so plan the statement anew each time that it runs.
const live = "exp NOT BETWEEN 1 AND ?"

var sqlOf = func() map[store.Table]statements {
	all := map[store.Table]statements{}
	for _, t := range store.Tables {
		all[t] = statements{
			head: on(t, "SELECT id, ver, exp, idx, idxsort, counters FROM {t} WHERE ws = ? AND part = ? AND sort = ?"),
			full: on(t, "SELECT id, ver, exp, idx, idxsort, counters, data FROM {t} WHERE ws = ? AND part = ? AND sort "+
				"= ?"),
			insert: on(t, "INSERT INTO {t} (ws, part, sort, ver, exp, idx, idxsort, counters, data) VALUES (?, ?, ?, ?, "+
				"?, ?, ?, ?, ?)"),
			update:     on(t, "UPDATE {t} SET ver = ?, exp = ?, idx = ?, idxsort = ?, counters = ?, data = ? WHERE id = ?"),
			updateBody: on(t, "UPDATE {t} SET ver = ?, counters = ?, data = ? WHERE id = ?"), // touches no index
			bump:       on(t, "UPDATE {t} SET ver = ?, counters = ? WHERE id = ?"),
			remove:     on(t, "DELETE FROM {t} WHERE id = ?"),
			// "+?", as a bare limit is part of the plan, which would be made anew each time
			purge: on(t, "DELETE FROM {t} WHERE id IN ("+
				"SELECT id FROM {t} WHERE exp > 0 AND exp <= ? ORDER BY exp LIMIT +?)"),
			query: map[direction]string{
				{false, false}: on(t, "SELECT "+columns+
					" FROM {t} WHERE ws = ? AND part = ? AND sort >= ? AND sort < ? AND "+live+" ORDER BY sort"),
				{false, true}: on(t, "SELECT "+columns+
					" FROM {t} WHERE ws = ? AND part = ? AND sort >= ? AND sort < ? AND "+live+" ORDER BY sort DESC"),
				{true, false}: on(t, "SELECT "+columns+
					" FROM {t} WHERE ws = ? AND idx = ? AND (idxsort, part, sort) > (?, ?, ?) AND idxsort < ? AND "+live+
					" ORDER BY idxsort, part, sort"),
				{true, true}: on(t, "SELECT "+columns+
					" FROM {t} WHERE ws = ? AND idx = ? AND (idxsort, part, sort) < (?, ?, ?) AND idxsort >= ? AND "+live+
					" ORDER BY idxsort DESC, part DESC, sort DESC"),
			},
		}
	}
	return all
}()
