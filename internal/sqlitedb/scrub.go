package sqlitedb

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// scrubbed is the component under which it is noted that the file holds no
// remnant from before deletions were overwritten.
const scrubbed = "scrubbed"

// Scrub takes what was deleted out of the files: the log is moved into the
// database and cut to nothing. A file that was written before deletions were
// overwritten is written anew, once.
//
// Unavailable while somebody reads an older state: try again.
func (db *DB) Scrub(ctx context.Context) error {
	const op = "sqlitedb: scrub"
	select {
	case db.turn <- struct{}{}:
	case <-db.gone:
		return errClosed
	case <-ctx.Done():
		return fault.Wrap(op, fault.Unavailable, ctx.Err())
	}
	defer func() { <-db.turn }()
	if err := db.rewrite(); err != nil {
		return Classify(op, err)
	}
	var busy, frames, moved int64
	if _, err := db.writer.Row("PRAGMA wal_checkpoint(TRUNCATE)", nil, &busy, &frames, &moved); err != nil {
		return Classify(op, err)
	}
	if busy != 0 {
		return fault.New(op, fault.Unavailable, "busy", "the database is being read; try again")
	}
	return nil
}

// rewrite writes the file anew unless that was done before.
func (db *DB) rewrite() error {
	var done int
	known, err := db.writer.Row("SELECT version FROM component WHERE name = ?", []any{scrubbed}, &done)
	if err != nil || known {
		return err
	}
	if err := db.writer.exec("VACUUM"); err != nil {
		return err
	}
	return db.writer.exec("INSERT INTO component (name, version) VALUES ('" + scrubbed + "', 1)")
}
