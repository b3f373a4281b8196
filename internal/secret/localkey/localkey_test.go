package localkey_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/localkey"
	"github.com/lockstep-crm/lockstep/internal/secret/secrettest"
)

// TestX5_SealedSecretsFailClosed is what localkey has to say as a sealer:
// moved, flipped, cut and spliced blobs do not open.
func TestX5_SealedSecretsFailClosed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	secrettest.Run(t, func(t *testing.T) secret.Sealer { return open(t, path) })
}

var home = secret.Binding{Workspace: "ws_1", Subject: "acc_1", Purpose: "credential"}

func open(t testing.TB, path string) *localkey.Sealer {
	t.Helper()
	s, err := localkey.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeyFileIsMadeOnceAndForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	first := open(t, path).KeyID()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", info.Mode())
	}
	if again := open(t, path).KeyID(); again != first {
		t.Errorf("key = %s after %s", again, first)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v; want the key file alone", len(entries), err)
	}
}

func TestManyFirstUsesAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			s, err := localkey.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = s.KeyID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("keys differ: %v", ids)
		}
	}
}

func TestKeyFileRefused(t *testing.T) {
	t.Parallel()
	line, err := os.ReadFile(func() string {
		path := filepath.Join(t.TempDir(), "root.key")
		open(t, path)
		return path
	}())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Fields(string(line))
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		code string
	}{
		"read by the group": {string(line), 0o640, "key_file_open_to_others"},
		"read by all":       {string(line), 0o604, "key_file_open_to_others"},
		"empty":             {"", 0o600, "key_file_malformed"},
		"other text":        {"hello", 0o600, "key_file_malformed"},
		"cut":               {string(line[:len(line)-5]), 0o600, "key_file_malformed"},
		"mistyped": {
			parts[0] + " " + parts[1] + " " + otherThan(parts[2][0]) + parts[2][1:] + "\n", 0o600,
			"key_file_malformed",
		},
		"newer format": {strings.Replace(string(line), "v1", "v2", 1), 0o600, "key_file_malformed"},
		"short key":    {parts[0] + " lk_0 AAAA\n", 0o600, "key_file_malformed"},
		"too large":    {strings.Repeat(string(line), 2000), 0o600, "key_file_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "root.key")
			if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := localkey.Open(path)
			if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != c.code {
				t.Fatalf("error = %v, want %s", err, c.code)
			}
			if strings.Contains(err.Error(), parts[2]) {
				t.Error("the error quotes the key")
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != c.text {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

func TestKeyFileCannotBeMade(t *testing.T) {
	t.Parallel()
	_, err := localkey.Open(filepath.Join(t.TempDir(), "no", "such", "folder", "root.key"))
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("error = %v, want unavailable", err)
	}
	if _, err := localkey.Open(t.TempDir()); !fault.Is(err, fault.Invalid) {
		t.Errorf("a folder as key file: %v, want invalid", err)
	}
}

func TestFirstKeyOfTheFileSealsAndAllOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	oldPath, newPath := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	before, fresh := open(t, oldPath), open(t, newPath)
	blob, err := before.Seal(t.Context(), home, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Open(t.Context(), home, blob); !fault.Is(err, fault.Invalid) ||
		fault.CodeOf(err) != "root_key_unknown" {
		t.Errorf("error = %v, want root_key_unknown", err)
	}
	var lines []byte
	for _, path := range []string{newPath, oldPath} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, b...)
	}
	both := filepath.Join(dir, "both")
	if err := os.WriteFile(both, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, both)
	if got, err := s.Open(t.Context(), home, blob); err != nil || string(got) != "secret" {
		t.Errorf("open: %v", err)
	}
	if s.KeyID() != fresh.KeyID() {
		t.Errorf("seals under %s, want the first line's %s", s.KeyID(), fresh.KeyID())
	}
}

func FuzzSealedBlob(f *testing.F) {
	s := open(f, filepath.Join(f.TempDir(), "root.key"))
	good, err := s.Seal(f.Context(), home, []byte("secret"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{})
	f.Add([]byte{1, 19})
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, blob []byte) {
		plain, err := s.Open(t.Context(), home, blob)
		if bytes.Equal(blob, good) {
			if err != nil || string(plain) != "secret" {
				t.Fatalf("the good blob does not open: %v", err)
			}
			return
		}
		if !fault.Is(err, fault.Invalid) || plain != nil {
			t.Fatalf("a blob nobody sealed: %v", err)
		}
	})
}

func BenchmarkSealOpen(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "root.key"))
	for b.Loop() {
		blob, err := s.Seal(b.Context(), home, []byte("a token of about forty characters, say"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Open(b.Context(), home, blob); err != nil {
			b.Fatal(err)
		}
	}
}

// otherThan returns a letter that c is not.
func otherThan(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}
