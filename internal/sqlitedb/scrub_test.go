package sqlitedb_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// TestX11_ScrubLeavesNothing: what was replaced and deleted stands in no file of
// the folder afterwards, also where the file is of a release that overwrote
// nothing, and where a value has pages of its own.
func TestX11_ScrubLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, sqlitedb.FileName)
	db := open(t, dir)
	if err := db.Migrate(t.Context(), "test", []string{
		"CREATE TABLE s (k INTEGER PRIMARY KEY, v TEXT NOT NULL)",
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	execute(
		t, path, "PRAGMA secure_delete = OFF",
		"INSERT INTO s VALUES (1, 'of-before'), (2, '"+strings.Repeat("of-before-long ", 2000)+"')", "DELETE FROM s",
	)
	db = open(t, dir)
	texts := []string{"of-before", "of-now", "replaced"}
	changes := []string{
		"INSERT INTO s VALUES (3, 'of-now'), (4, '" + strings.Repeat("of-now-long ", 2000) + "'), (5, 'replaced')",
		"UPDATE s SET v = 'other' WHERE k = 5", "DELETE FROM s WHERE k < 6",
	}
	for round := range 2 { // the first writes the file anew, the second goes by what was overwritten
		for i, change := range changes {
			err := db.Update(t.Context(), func(tx *sqlitedb.Tx) error {
				_, err := tx.Exec(change)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if found := holding(t, dir, texts); i == 0 && len(found) < 3-round {
				t.Errorf("before, only %v are there: the test shows nothing", found)
			}
		}
		if err := db.Scrub(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found := holding(t, dir, texts); len(found) > 0 {
			t.Errorf("afterwards %v are there", found)
		}
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		t.Errorf("the log has %d bytes", info.Size())
	}
}

// holding lists the texts that stand in any file of a folder.
func holding(t *testing.T, dir string, texts []string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		for _, file := range files {
			if bytes.Contains(read(t, file), []byte(text)) {
				found = append(found, text)
				break
			}
		}
	}
	return found
}
