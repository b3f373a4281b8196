package localkey

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	lineTag     = "lockstep-root-key-v1"
	maxFileSize = 64 << 10
)

// Open reads the root keys from the file at path, and makes the file with one
// new key when there is none. The folder must exist.
//
// Errors: fault.Invalid with code "key_file_open_to_others" when anybody but
// its owner may read or write it, or "key_file_malformed" when it is no key
// file (never repaired: a lost root key loses every secret); Unavailable when
// it cannot be read or made.
func Open(path string) (*Sealer, error) {
	const op = "localkey: open key file"
	text, err := read(op, path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fault.Wrap(op, fault.Unavailable, err)
		}
		text, err = read(op, path)
	}
	if err != nil {
		return nil, err
	}
	return parse(op, path, text)
}

// read returns the contents of a file that only its owner may touch.
func read(op, path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own setting
	if err != nil {
		return "", fault.Wrap(op, fault.Unavailable, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fault.Wrap(op, fault.Unavailable, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return "", malformed(op, path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fault.New(op, fault.Invalid, "key_file_open_to_others",
			fmt.Sprintf("%s may be read by others; run: chmod 600 %s", path, path))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFileSize))
	return string(b), fault.Wrap(op, fault.Unavailable, err)
}

// create makes a key file with one new key. The file appears whole or not at
// all, and never in place of another.
func create(path string) error {
	key := make([]byte, keyBytes)
	fill(key)
	f, err := os.CreateTemp(filepath.Dir(path), ".root-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintf(f, "%s %s %s\n", lineTag, keyID(key), base64.StdEncoding.EncodeToString(key))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the new name survive a loss of power.
func syncFolder(folder string) error {
	d, err := os.Open(folder) //nolint:gosec // the folder of the operator's own setting
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func parse(op, path, text string) (*Sealer, error) {
	s := &Sealer{keys: map[string]cipher.AEAD{}}
	for line := range strings.Lines(text) {
		parts := strings.Fields(line)
		if len(parts) == 0 {
			continue
		}
		if len(parts) != 3 || parts[0] != lineTag {
			return nil, malformed(op, path)
		}
		key, err := base64.StdEncoding.Strict().DecodeString(parts[2])
		if err != nil || len(key) != keyBytes || keyID(key) != parts[1] {
			return nil, malformed(op, path)
		}
		aead, err := newAEAD(key)
		clear(key)
		if err != nil {
			return nil, malformed(op, path)
		}
		if s.current == "" {
			s.current = parts[1]
		}
		s.keys[parts[1]] = aead
	}
	if s.current == "" {
		return nil, malformed(op, path)
	}
	return s, nil
}

// keyID names a key without telling anything about it, and shows a mistyped one.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("lockstep root key ID\x00"), key...))
	return "lk_" + hex.EncodeToString(sum[:8])
}

// malformed never quotes the file.
func malformed(op, path string) error {
	return fault.New(op, fault.Invalid, "key_file_malformed",
		path+" is not a key file of Lockstep; restore it from a backup")
}
