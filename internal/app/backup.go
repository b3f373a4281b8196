package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// Backup copies a data folder, keys included, into a folder that is not there
// yet, while the program works in it. The copy is opened before it gets its
// name: one that has it can be started on.
//
// Errors: fault.Invalid with code "backup_exists" when the folder is there
// already; what sqlitedb.Backup and the opening of the copy say.
func Backup(ctx context.Context, from, to string) (err error) {
	const op = "app: backup"
	to, err = filepath.Abs(to)
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
		return fault.New(op, fault.Invalid, "backup_exists", to+" is there already: name a folder that is not, with --to")
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	part, err := os.MkdirTemp(filepath.Dir(to), filepath.Base(to)+".part-") // closed to others
	if err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(part))
		}
	}()
	if err := sqlitedb.Backup(ctx, from, part); err != nil {
		return err
	}
	for _, name := range []string{RootKeyFile, AdminKeyFile} {
		if err := copyKey(filepath.Join(from, name), filepath.Join(part, name)); err != nil {
			return fault.Wrap(op, fault.Unavailable, err)
		}
	}
	if err := opens(ctx, part); err != nil {
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return fault.Wrap(op, fault.Unavailable, err)
	}
	return nil
}

// opens opens a folder as the program would, root key and all, and gives it back.
func opens(ctx context.Context, folder string) error {
	k, err := openFolder(ctx, Options{DataDir: folder, AdminKey: secret.NewText("none is made for a copy")}, time.Now)
	if err != nil {
		return err
	}
	return k.close()
}

// copyKey copies a key file, readable by its owner only; one that is not there
// comes from the environment.
func copyKey(from, to string) error {
	text, err := os.ReadFile(from) //nolint:gosec // the operator's own folder
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own folder
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
