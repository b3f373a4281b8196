package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite", in pure Go

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/pause"
)

// The files of a data folder.
const (
	FileName = "lockstep.db"
	lockName = "lockstep.lock"
)

const (
	applicationID = 0x4c4b5350 // "LKSP" in the header of the file
	fileFormat    = 1          // user_version: what all components share
	readers       = 3
	logLength     = 16 << 20 // bytes of the log at which writers begin it anew, see shorten
)

// waitForOthers is how many milliseconds a connection waits for a lock.
const waitForOthers = "busy_timeout(5000)"

// pragmas of every connection, in this order: people may look at the file with
// other tools; see the package comment for synchronous; mapped pages and
// sorting would count as our memory; damage is noticed before it spreads; what
// is deleted or replaced is overwritten, so that an erased person does not live
// on in free space; the log is moved into the file at 4 MB and cut to 8 MB when
// it was larger. WAL is set apart, once the file is known to be ours.
var pragmas = []string{
	waitForOthers,
	"synchronous(FULL)",
	"mmap_size(0)",
	"temp_store(FILE)",
	"trusted_schema(OFF)",
	"cell_size_check(ON)",
	"secure_delete(ON)",
	"wal_autocheckpoint(1000)",
	"journal_size_limit(8388608)",
}

// DB is one open data folder. Make it with Open; it is safe for concurrent use.
type DB struct {
	path   string
	lock   *os.File
	pool   *sql.DB
	writer *Conn
	idle   chan *Conn // readers

	turn    chan struct{} // held by the one who writes
	longest int64         // bytes of the log at which it is begun anew; of whoever has the turn
	gone    chan struct{} // closed by Close
	mu      sync.Mutex
	pending []*request
	closed  bool
}

// Open opens the database of a data folder and makes both when they are
// missing; folder and files are closed to others (modes 0700 and 0600), whatever
// they were. Close it to let others in.
//
// Errors: fault.Conflict with code "data_folder_in_use" when another process
// has it; Invalid with code "database_foreign", "database_damaged" or
// "database_newer" when the file cannot be used as it is (it is left
// untouched); Unavailable when the folder cannot be read or written.
func Open(ctx context.Context, dir string) (*DB, error) {
	const op = "sqlitedb: open"
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = closeToOthers(dir, 0o700)
	}
	if err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err)
	}
	lock, err := lockFolder(op, dir)
	for tries := 0; fault.CodeOf(err) == codeInUse && tries < lockTries && pause.For(ctx, lockPause) == nil; tries++ {
		lock, err = lockFolder(op, dir)
	}
	if err != nil {
		return nil, err
	}
	if err := ownFiles(dir); err != nil {
		return nil, errors.Join(fault.Wrap(op, fault.Unavailable, err), lock.Close())
	}
	db := &DB{
		path: filepath.Join(dir, FileName),
		lock: lock,
		idle: make(chan *Conn, readers),
		turn: make(chan struct{}, 1), longest: logLength,
		gone: make(chan struct{}),
	}
	if err := db.open(ctx, op); err != nil {
		return nil, errors.Join(err, db.release())
	}
	return db, nil
}

// ownFiles makes the database file, so that it never was open to others, and
// closes what an older folder or another umask left open. SQLite gives its log
// and index the mode of the database.
func ownFiles(dir string) error {
	path := filepath.Join(dir, FileName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own folder
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, name := range []string{path, path + "-wal", path + "-shm", filepath.Join(dir, lockName)} {
		if err := closeToOthers(name, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// closeToOthers takes from others what they may do with a file or folder of ours.
func closeToOthers(path string, mode os.FileMode) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("others may read %s, and it cannot be closed to them: %w", path, err)
	}
	return nil
}

const codeInUse = "data_folder_in_use"

// A process that starts another one shares its files with it until that one is
// its own program. So a lock may outlive its holder for a moment.
const (
	lockTries = 10
	lockPause = 20 * time.Millisecond
)

// lockFolder keeps other processes out until the file is closed, also by the
// death of this one.
func lockFolder(op, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, //nolint:gosec // the operator's own folder
		0o600)
	if err != nil {
		return nil, fault.Wrap(op, fault.Unavailable, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	err = errors.Join(err, f.Close())
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fault.New(op, fault.Conflict, codeInUse,
			"another process works in the data folder "+dir+"; stop it, or choose another folder")
	}
	return nil, fault.Wrap(op, fault.Unavailable, err)
}

func (db *DB) open(ctx context.Context, op string) error {
	pool, err := sql.Open("sqlite", dsn(db.path))
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	db.pool = pool
	if db.writer, err = db.connect(ctx, 4<<10); err != nil {
		return explain(op, db.path, err)
	}
	if err := db.identify(op); err != nil {
		return err
	}
	for range readers {
		c, err := db.connect(ctx, 1<<10)
		if err != nil {
			return explain(op, db.path, err)
		}
		db.idle <- c
	}
	return nil
}

func dsn(path string) string {
	q := url.Values{"_pragma": pragmas}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}
	return u.String()
}

// connect opens one connection with a page cache of so many KiB.
func (db *DB) connect(ctx context.Context, cacheKiB int) (*Conn, error) {
	raw, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &Conn{raw: raw, prepared: map[string]*sql.Stmt{}}
	return c, c.exec(fmt.Sprintf("PRAGMA cache_size = -%d", cacheKiB))
}

// identify makes sure that the file is ours and not newer, and marks a new one.
// Nothing is written to a file that is refused.
func (db *DB) identify(op string) error {
	var id, version, tables int64
	for query, into := range map[string]*int64{
		"PRAGMA application_id":              &id,
		"PRAGMA user_version":                &version,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if _, err := db.writer.Row(query, nil, into); err != nil {
			return explain(op, db.path, err)
		}
	}
	switch fresh := id == 0 && version == 0 && tables == 0; {
	case !fresh && id != applicationID:
		return fault.New(op, fault.Invalid, "database_foreign",
			db.path+" is a database of another program; choose another data folder")
	case version > fileFormat:
		return newer(op, db.path)
	}
	var mode string
	if _, err := db.writer.Row("PRAGMA journal_mode = WAL", nil, &mode); err != nil {
		return explain(op, db.path, err)
	}
	if mode != "wal" {
		return fault.New(op, fault.Unavailable, "",
			db.path+" lies on a file system without shared memory; choose a local one")
	}
	if id == applicationID {
		return nil
	}
	return explain(op, db.path, db.writer.transaction(func() error {
		return errors.Join(
			db.writer.exec(fmt.Sprintf("PRAGMA application_id = %d", applicationID)),
			db.writer.exec(fmt.Sprintf("PRAGMA user_version = %d", fileFormat)),
			db.writer.exec("CREATE TABLE component (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID"),
		)
	}))
}

func newer(op, path string) error {
	return fault.New(op, fault.Invalid, "database_newer",
		path+" was written by a newer version of Lockstep; install that version, or restore an older backup")
}

// Path returns the path of the database file.
func (db *DB) Path() string { return db.path }

// Close waits for running calls, moves the log into the file and lets other
// processes in. Calls after it fail as Unavailable.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	close(db.gone)
	db.mu.Unlock()
	db.turn <- struct{}{} // for good
	db.mu.Lock()
	for _, r := range db.pending {
		r.err = errClosed
		close(r.done)
	}
	db.pending = nil
	db.mu.Unlock()
	for range readers {
		if c := <-db.idle; c.close() != nil {
			continue // it only read: nothing is lost with it
		}
	}
	// Best effort: the log is read again by the next Open.
	_ = db.writer.exec("PRAGMA wal_checkpoint(TRUNCATE)")
	return db.release()
}

// release closes whatever is open.
func (db *DB) release() error {
	var errs []error
	if db.writer != nil {
		errs = append(errs, db.writer.close())
	}
	if db.pool != nil {
		errs = append(errs, db.pool.Close())
	}
	return errors.Join(append(errs, db.lock.Close())...)
}

// explain turns an error of SQLite at opening into what to do about it.
func explain(op, path string, err error) error {
	if err == nil {
		return nil
	}
	switch code(err) {
	case codeNotADB:
		return &fault.Error{
			Op: op, Kind: fault.Invalid, Code: "database_foreign", Err: err,
			Message: path + " is no database; choose another data folder",
		}
	case codeCorrupt:
		return &fault.Error{
			Op: op, Kind: fault.Invalid, Code: "database_damaged", Err: err,
			Message: path + " is damaged; restore a backup",
		}
	}
	return Classify(op, err)
}
