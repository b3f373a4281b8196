package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// plain is a program without fakes on an embedded folder of its own.
func plain(t *testing.T, data string) *served {
	t.Helper()
	s := &served{on: storages.Storage{Name: storages.Embedded}, timeout: "6s", demo: &demo{schedule: "manual"}}
	s.addr, s.data = freeAddress(t), data
	s.fakes = [2]*fakeServer{{host: "127.0.0.1:1"}, {host: "127.0.0.1:2"}}
	return s
}

// TestX17_FolderIsClosed: whatever modes folder and files had, and whatever the
// umask is, only the owner can read them once the program has started.
func TestX17_FolderIsClosed(t *testing.T) { //nolint:paralleltest // changes the umask, which is the process's
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	for name, before := range map[string]func(t *testing.T, dir string){
		"missing": func(t *testing.T, dir string) { t.Helper() },
		"open to all": func(t *testing.T, dir string) {
			t.Helper()
			for _, do := range []error{os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)} {
				if do != nil {
					t.Fatal(do)
				}
			}
		},
		"used and opened": func(t *testing.T, dir string) {
			t.Helper()
			s := plain(t, dir)
			s.begin(t)
			s.child.kill() // the log stays beside the database
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, f := range []string{"lockstep.db", "lockstep.db-wal", "lockstep.db-shm", "lockstep.lock"} {
				if err := os.Chmod(filepath.Join(dir, f), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // see above
			dir := filepath.Join(t.TempDir(), "data")
			before(t, dir)
			s := plain(t, dir)
			s.begin(t)
			seen := 0
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				seen++
				if info.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s: %v", filepath.Base(path), info.Mode())
				}
				return nil
			})
			if err != nil || seen < 5 {
				t.Errorf("%d files, %v", seen, err)
			}
		})
	}
}

// TestX17_RootKey: without the root key that its secrets were sealed under, the
// program does not start, changes nothing, and says what to do; with a new one
// it starts, and with the right one put back it never knew.
func TestX17_RootKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	other := filepath.Join(t.TempDir(), "data")
	for _, d := range []string{dir, other} {
		s := plain(t, d)
		s.begin(t)
		s.stop(t)
	}
	path := filepath.Join(dir, "root.key")
	right, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(filepath.Join(other, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name, says string) {
		t.Helper()
		c := spawn(t, nil, "serve", "--addr", "127.0.0.1:0", "--data", dir)
		if code := c.exit(t); code != 2 || !strings.Contains(c.errs.String(), says) ||
			!strings.Contains(c.errs.String(), "backup") {
			t.Errorf("%s: code %d, said %q", name, code, c.errs)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused("missing", "is missing")
	if _, err := os.Stat(path); err == nil {
		t.Error("a new root key was made beside secrets that it cannot open")
	}
	if err := os.WriteFile(path, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("of another folder", "another root key")
	if err := os.WriteFile(path, right, 0o600); err != nil {
		t.Fatal(err)
	}
	s := plain(t, dir)
	s.begin(t)
	s.stop(t)
	if c := spawn(t, nil, "admin", "new-root-key", "--data", dir); c.exit(t) == 0 ||
		!strings.Contains(c.errs.String(), "nothing was changed") {
		t.Errorf("a root key that fits was replaced: %s%s", c.out, c.errs)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if c := spawn(t, nil, "admin", "new-root-key", "--data", dir); c.exit(t) != 0 {
		t.Errorf("no new root key: %s%s", c.out, c.errs)
	}
	s = plain(t, dir)
	s.begin(t)
	s.stop(t)
}
