package app

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestBackupWhileRunning copies a folder that a program writes to: the copy has
// all that was acknowledged before it began, of pairs written together both or
// none, and a program that starts on it has its key and opens its secrets.
func TestBackupWhileRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := opened(t, Options{DataDir: dir})
	login, err := a.Accounts.Create(t.Context(), api.DefaultWorkspace, account.Draft{
		App: hubspot.ID, Name: "left", Credentials: account.Credentials{
			Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText("t0p")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := func(sort string, n int) store.Key {
		return store.Key{Table: store.Links, Workspace: "ws", Partition: "pairs", Sort: fmt.Sprintf("%s%06d", sort, n)}
	}
	write := func(n int) {
		err := a.Store.Transact(t.Context(), []store.Write{
			{Item: store.Item{Key: at("a", n), Data: make([]byte, 2000)}}, {Item: store.Item{Key: at("b", n)}},
		})
		if err != nil {
			t.Error(err)
		}
	}
	const before = 200
	for n := range before {
		write(n)
	}
	stop, done := make(chan struct{}), 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for done = before; ; done++ {
			select {
			case <-stop:
				return
			default:
				write(done)
			}
		}
	})
	to := filepath.Join(t.TempDir(), "backups", "monday")
	err = Backup(t.Context(), dir, to)
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), dir, to); !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != "backup_exists" {
		t.Errorf("over another backup: %v", err)
	}
	b := opened(t, Options{DataDir: to})
	whole := 0
	for n := range done {
		items, err := b.Store.BatchGet(t.Context(), []store.Key{at("a", n), at("b", n)})
		if err != nil {
			t.Fatal(err)
		}
		if (items[0].Version == 0) != (items[1].Version == 0) {
			t.Errorf("half of the pair %d is there", n)
		}
		if items[0].Version != 0 {
			whole++
		} else if n < before {
			t.Errorf("the pair %d was written before, and is not there", n)
		}
	}
	t.Logf("%d of %d pairs, %d of them written meanwhile", whole, done, done-before)
	mine, _ := a.AdminKey()
	theirs, fresh := b.AdminKey()
	if fresh || mine.Reveal() != theirs.Reveal() {
		t.Error("the copy has another admin key")
	}
	if got, err := b.Accounts.Get(t.Context(), api.DefaultWorkspace, login.ID); err != nil || got.Name != "left" {
		t.Errorf("%+v, %v", got, err)
	}
	if found, err := account.TryCredential(t.Context(), b.Store, b.kept.sealer, api.DefaultWorkspace); !found ||
		err != nil {
		t.Errorf("the copy's secrets do not open: %v, %v", found, err)
	}
	for _, name := range []string{sqlitedb.FileName, RootKeyFile, AdminKeyFile} {
		info, err := os.Stat(filepath.Join(to, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want it closed to others", name, info, err)
		}
	}
}

// TestBackupOfNothing makes no folder, and leaves none behind, where there is
// nothing to copy.
func TestBackupOfNothing(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	if err := Backup(t.Context(), t.TempDir(), filepath.Join(parent, "copy")); err == nil {
		t.Error("a copy of nothing")
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
