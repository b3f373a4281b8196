package sqlitedb

import (
	"context"
	"fmt"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Migrate brings the tables of a component up to date: steps[n] leads from
// version n to n+1. Each missing step runs in a transaction of its own together
// with the note that it was done, so that a process killed in between goes on
// where it stopped. Steps are only ever appended.
//
// Invalid with code "database_newer" when the file knows more steps than this
// program; nothing is changed then.
func (db *DB) Migrate(ctx context.Context, component string, steps []string) error {
	const op = "sqlitedb: migrate"
	for done := false; !done; {
		err := db.Update(ctx, func(tx *Tx) error {
			var version int
			if _, err := tx.Row("SELECT version FROM component WHERE name = ?", []any{component}, &version); err != nil {
				return explain(op, db.path, err)
			}
			if version > len(steps) {
				return newer(op, db.path)
			}
			if done = version == len(steps); done {
				return nil
			}
			return tx.step(component, version+1, steps[version])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// step runs one migration, which may be several statements.
func (tx *Tx) step(component string, version int, script string) error {
	tx.wrote = true
	if err := tx.exec(script); err != nil {
		return &fault.Error{
			Op: "sqlitedb: migrate", Kind: fault.Other, Err: err,
			Message: fmt.Sprintf("step %d of %s failed; the database is as before", version, component),
		}
	}
	_, err := tx.Exec("INSERT INTO component (name, version) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version = "+
		"excluded.version",
		component, version)
	return err
}
