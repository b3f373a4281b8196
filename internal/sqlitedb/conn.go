package sqlitedb

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Conn is one connection with its prepared statements. It is lent to one call
// at a time.
//
// Statements run without the caller's context: they are short, and one that is
// cut off in the middle would leave open whether it took effect. Calls look at
// the context before they begin.
type Conn struct {
	raw      *sql.Conn
	prepared map[string]*sql.Stmt
}

// stmt prepares a query once per connection. Queries are a fixed set of texts.
func (c *Conn) stmt(query string) (*sql.Stmt, error) {
	if s, ok := c.prepared[query]; ok {
		return s, nil
	}
	s, err := c.raw.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.prepared[query] = s
	return s, nil
}

// Row reads the first row of a query into dest and reports whether there was one.
func (c *Conn) Row(query string, args []any, dest ...any) (bool, error) {
	s, err := c.stmt(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(context.Background(), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Each calls visit for every row of a query until it returns false; scan reads
// the row. The query must not be run again before Each returns.
func (c *Conn) Each(query string, args []any, visit func(scan func(dest ...any) error) (bool, error)) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	for more := true; more && rows.Next(); {
		if more, err = visit(rows.Scan); err != nil {
			break
		}
	}
	return errors.Join(err, rows.Err(), rows.Close())
}

// exec runs a statement that is not worth preparing.
func (c *Conn) exec(query string) error {
	_, err := c.raw.ExecContext(context.Background(), query)
	return err
}

// run runs a prepared statement and returns how many rows it changed.
func (c *Conn) run(query string, args []any) (int64, error) {
	s, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// transaction runs do and commits, or rolls back when it fails.
func (c *Conn) transaction(do func() error) error {
	if _, err := c.run("BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = c.run("COMMIT", nil)
	}
	if err != nil {
		_, _ = c.run("ROLLBACK", nil) // SQLite may have rolled back by itself
	}
	return err
}

func (c *Conn) close() error {
	var errs []error
	for _, s := range c.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}

// Result codes, https://www.sqlite.org/rescode.html
const (
	codeCorrupt = 11
	codeTooBig  = 18
	codeNotADB  = 26
)

// code returns the primary result code in err, or 0.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// Classify gives an error of SQLite its kind: Invalid for a value too large,
// Other for a damaged file, which no repetition mends, and Unavailable for
// what may pass (disk full, file busy, I/O). Classified errors stay as they are.
func Classify(op string, err error) error {
	var done *fault.Error
	switch {
	case err == nil || errors.As(err, &done):
		return err
	case code(err) == codeCorrupt || code(err) == codeNotADB:
		return fault.Wrap(op, fault.Other, err)
	case code(err) == codeTooBig:
		return fault.Wrap(op, fault.Invalid, err)
	}
	return fault.Wrap(op, fault.Unavailable, err)
}
