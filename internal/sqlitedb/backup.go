package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Backup copies the database of a data folder into another folder that has
// none, as it is at one moment, while a process works in it: it takes no lock of
// the folder and holds nobody up. The copy has been read through and is on the
// disk when it returns; what was deleted is not in it.
//
// Errors: fault.Other with code "backup_damaged" when the copy does not hold
// together; Unavailable when one of the folders cannot be read or written.
func Backup(ctx context.Context, from, to string) error {
	const op = "sqlitedb: backup"
	path := filepath.Join(to, FileName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own folder
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	defer func() { _ = f.Close() }() // it was synced where that matters
	if err := one(ctx, filepath.Join(from, FileName), "VACUUM INTO ?", nil, path); err != nil {
		return Classify(op, err)
	}
	if err := f.Sync(); err != nil { // SQLite leaves that to us: https://www.sqlite.org/lang_vacuum.html
		return fault.Wrap(op, fault.Unavailable, err)
	}
	var found string
	if err := one(ctx, path, "PRAGMA integrity_check(1)", &found); err != nil {
		return Classify(op, err)
	}
	if found != "ok" {
		return fault.New(op, fault.Other, "backup_damaged",
			"the copy does not hold together; look at the disks of both folders, and try again")
	}
	return nil
}

// one opens a file that is there, runs one statement on it and reads its first
// value, if into is not nil.
func one(ctx context.Context, path, query string, into *string, args ...any) (err error) {
	u := url.URL{
		Scheme: "file", OmitHost: true, Path: path, RawQuery: url.Values{
			"mode": {"rw"}, "_pragma": {waitForOthers, "trusted_schema(OFF)"},
		}.Encode(),
	}
	pool, err := sql.Open("sqlite", u.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	if into == nil {
		_, err = pool.ExecContext(ctx, query, args...)
		return err
	}
	return pool.QueryRowContext(ctx, query, args...).Scan(into)
}
