package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestX17_RootKeyOfOlderFolders: a folder from before its root key was proven
// is refused by its credentials when the key is missing or another one.
func TestX17_RootKeyOfOlderFolders(t *testing.T) {
	t.Parallel()
	const key = "key-of-a-test-and-nothing-else"
	dir := t.TempDir()
	start := func() error {
		a, err := Open(t.Context(), Options{DataDir: dir, AdminKey: secret.NewText(key)})
		if err != nil {
			return err
		}
		return a.Close()
	}
	a, err := Open(t.Context(), Options{DataDir: dir, AdminKey: secret.NewText(key)})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/v1/accounts",
		strings.NewReader(`{"app":"hubspot","name":"H","credentials":{"kind":"token","token":"pat-1"}}`))
	r.Header.Set("Authorization", "Bearer "+key)
	rec := httptest.NewRecorder()
	if a.Handler().ServeHTTP(rec, r); rec.Code != http.StatusCreated {
		t.Fatalf("%d: %s", rec.Code, rec.Body)
	}
	forget := func(a *App) {
		t.Helper()
		if _, err := a.Store.Write(t.Context(), store.Write{
			Op: store.Delete, Item: store.Item{Key: rootKeyProof},
		}); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	forget(a)
	path := filepath.Join(dir, RootKeyFile)
	right, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := start(); fault.CodeOf(err) != "root_key_missing" {
		t.Errorf("without its root key: %v", err)
	}
	other := t.TempDir()
	if b, err := Open(t.Context(), Options{DataDir: other, AdminKey: secret.NewText(key)}); err != nil ||
		b.Close() != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(filepath.Join(other, RootKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start(); fault.CodeOf(err) != "root_key_wrong" {
		t.Errorf("with another root key: %v", err)
	}
	if err := os.WriteFile(path, right, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start(); err != nil {
		t.Errorf("with its own: %v", err)
	}
}
