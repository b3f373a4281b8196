package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// AdminKeyFile is where a generated admin key is kept in the data folder.
const AdminKeyFile = "admin.key"

const (
	minAdminKey = 16  // characters
	maxAdminKey = 512 // what access.Keys accepts
)

// adminKey reads the generated key, or makes one on the first start; fresh says
// that it was made just now.
func adminKey(folder string) (key secret.Text, fresh bool, err error) {
	const op = "app: admin key"
	path := filepath.Join(folder, AdminKeyFile)
	key, err = readAdminKey(op, path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	key = access.NewToken()
	if err := createFile(path, key.Reveal()+"\n"); err != nil {
		return secret.Text{}, false, fault.Wrap(op, fault.Unavailable, err)
	}
	return key, true, nil
}

func readAdminKey(op, path string) (secret.Text, error) {
	f, err := os.Open(path) //nolint:gosec // a file of the operator's own folder
	if err != nil {
		return secret.Text{}, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return secret.Text{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return secret.Text{}, fault.New(op, fault.Invalid, "key_file_open_to_others",
			fmt.Sprintf("%s may be read by others; run: chmod 600 %s", path, path))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxAdminKey+2))
	if err != nil {
		return secret.Text{}, err
	}
	text := strings.TrimSpace(string(b))
	if len(text) < minAdminKey || len(text) > maxAdminKey ||
		strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' }) {
		return secret.Text{}, fault.New(op, fault.Invalid, "key_file_malformed",
			path+" is not an admin key; delete it to have a new one made, or set LOCKSTEP_ADMIN_KEY")
	}
	return secret.NewText(text), nil
}

// createFile makes a file that only its owner may read; it appears whole or
// not at all.
func createFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone once it was renamed
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
