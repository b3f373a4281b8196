package sqlitedb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// maxGroup is how many writers share one commit.
const maxGroup = 64

var errClosed = fault.New("sqlitedb", fault.Unavailable, "", "the database is closed")

// Tx is a write transaction, good only inside the function it was handed to.
type Tx struct {
	*Conn
	wrote bool
}

// Exec runs a statement that changes something and returns how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	tx.wrote = true
	return tx.run(query, args)
}

// Insert runs an INSERT with one RETURNING column and returns its value.
func (tx *Tx) Insert(query string, args ...any) (int64, error) {
	tx.wrote = true
	var id int64
	_, err := tx.Row(query, args, &id)
	return id, err
}

// request is one Update that waits for its turn.
type request struct {
	do   func(*Tx) error
	err  error
	done chan struct{}
}

// Update runs do in a write transaction and returns when it is on the disk,
// together with others that waited at the same time. When do fails nothing of
// it is kept. do may be called more than once and must set its results anew
// each time; it should find out whether it can succeed before its first Exec,
// because a failure after it makes the others of the group start again.
//
// Errors are those of do, or Unavailable when ctx was done before do began,
// or with MayHaveLanded when the commit failed.
func (db *DB) Update(ctx context.Context, do func(*Tx) error) error {
	const op = "sqlitedb: update"
	if err := ctx.Err(); err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	r := &request{do: do, done: make(chan struct{})}
	if !db.enqueue(r) {
		return errClosed
	}
	select {
	case <-r.done:
		return r.err
	case db.turn <- struct{}{}:
		db.lead(r)
		return r.err
	case <-ctx.Done():
		if db.withdraw(r) {
			return fault.Wrap(op, fault.Unavailable, ctx.Err())
		}
		<-r.done // somebody is at it: its end is near and certain
		return r.err
	}
}

func (db *DB) enqueue(r *request) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return false
	}
	db.pending = append(db.pending, r)
	return true
}

// withdraw takes back a request that nobody has begun.
func (db *DB) withdraw(r *request) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	i := slices.Index(db.pending, r)
	if i < 0 {
		return false
	}
	db.pending = slices.Delete(db.pending, i, i+1)
	return true
}

// lead works groups until mine is done. Whoever has the turn leads; there is
// no goroutine for it.
func (db *DB) lead(mine *request) {
	defer func() { <-db.turn }()
	for {
		select {
		case <-mine.done:
			return
		default:
			db.work(db.next())
		}
	}
}

// next takes the requests that come next.
func (db *DB) next() []*request {
	db.mu.Lock()
	defer db.mu.Unlock()
	n := min(len(db.pending), maxGroup)
	group := slices.Clone(db.pending[:n])
	db.pending = slices.Delete(db.pending, 0, n)
	return group
}

// work runs a group in one transaction; when one of them spoils it, each in its own.
func (db *DB) work(group []*request) {
	if db.commit(group) {
		for _, r := range group {
			db.commit([]*request{r})
		}
	}
	for _, r := range group {
		close(r.done)
	}
	db.shorten()
}

// shorten has the log begun anew once it is long. Readers who follow each other
// without a gap keep SQLite from that for as long as they do. Here nobody writes, so
// that it is enough when those have read who began before; whoever reads for long is
// not waited for until the log has grown by as much again.
func (db *DB) shorten() {
	info, err := os.Stat(db.path + "-wal")
	if err != nil || info.Size() < db.longest {
		return
	}
	db.longest = logLength
	var busy, frames, moved int64
	_ = db.writer.exec("PRAGMA busy_timeout(200)")
	_, err = db.writer.Row("PRAGMA wal_checkpoint(RESTART)", nil, &busy, &frames, &moved)
	_ = db.writer.exec("PRAGMA " + waitForOthers)
	if err != nil || busy != 0 {
		db.longest += info.Size()
	}
}

var errSpoiled = errors.New("a member of the group failed half-way")

// commit runs a group in one transaction and sets every err. It reports
// whether a member spoiled it for the others: nothing was kept then.
func (db *DB) commit(group []*request) (spoiled bool) {
	const op = "sqlitedb: commit"
	begun := false
	err := db.writer.transaction(func() error {
		begun = true
		for _, r := range group {
			tx := &Tx{Conn: db.writer}
			if r.err = safely(r.do, tx); r.err != nil && tx.wrote {
				return errSpoiled
			}
		}
		return nil
	})
	if errors.Is(err, errSpoiled) {
		return len(group) > 1
	}
	if err == nil {
		return false
	}
	for _, r := range group {
		if r.err == nil {
			r.err = &fault.Error{Op: op, Kind: fault.KindOf(Classify(op, err)), MayHaveLanded: begun, Err: err}
		}
	}
	return false
}

// safely turns a panic into an error: others of the group must not hang by it.
func safely(do func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New("sqlitedb: update", fault.Other, "", fmt.Sprintf("panic: %v", p))
		}
	}()
	return do(tx)
}

// Read lends do a connection that sees everything committed before, for one query.
func (db *DB) Read(ctx context.Context, do func(*Conn) error) error {
	const op = "sqlitedb: read"
	if err := ctx.Err(); err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	select {
	case <-db.gone:
		return errClosed
	default:
	}
	select {
	case <-db.gone:
		return errClosed
	case c := <-db.idle:
		defer func() { db.idle <- c }()
		return do(c)
	case <-ctx.Done():
		return fault.Wrap(op, fault.Unavailable, ctx.Err())
	}
}

// View is Read for several queries that must see the same instant.
func (db *DB) View(ctx context.Context, do func(*Conn) error) error {
	return db.Read(ctx, func(c *Conn) error {
		if _, err := c.run("BEGIN", nil); err != nil {
			return err
		}
		err := do(c)
		_, endErr := c.run("COMMIT", nil)
		return errors.Join(err, endErr)
	})
}
