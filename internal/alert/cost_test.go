package alert_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/secret/localkey"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// fine are accounts with which nothing is wrong.
type fine struct{}

func (fine) Get(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (account.Account, error) {
	return account.Account{ID: id, Status: account.StatusOK}, nil
}

func (fine) Refusals(context.Context, crm.WorkspaceID, crm.AccountID) ([]account.Refusal, error) {
	return nil, nil
}

// TestCostOfALook bounds what looking at a quiet connection of one sync reads:
// docs/cost.md goes by it. The accounts' four reads are not in it.
func TestCostOfALook(t *testing.T) {
	t.Parallel()
	clock := testbed.NewClock()
	mem := memstore.New(clock.Now)
	b, err := testbed.New(t.Context(), testbed.Options{People: 50, Store: mem, Clock: clock}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection); err != nil {
		t.Fatal(err)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	sealer, err := localkey.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	ids := 0
	newID := func(prefix string) string { ids++; return fmt.Sprintf("%s_%06d", prefix, ids) }
	s, err := alert.New(alert.Options{
		Store: mem, Engine: b.Engine, Accounts: fine{}, Audit: access.NewAudit(mem, clock.Now, newID), Sealer: sealer,
		Rand: rand.Reader, Now: clock.Now, NewID: newID,
		HTTP: func(crm.App, string) *http.Client { return http.DefaultClient }, CheckURL: func(crm.App, string) error {
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	look := func() store.Counts {
		before := mem.Counts()
		if err := s.Round(t.Context(), testbed.Workspace); err != nil {
			t.Fatal(err)
		}
		return mem.Counts().Since(before)
	}
	look()
	quiet := look()
	var queries int64
	for _, n := range quiet.Queries {
		queries += n
	}
	t.Logf("a quiet look: %d items read, %d pages, %d written", quiet.Read(), queries, quiet.Written())
	if quiet.Read() > 70 || queries > 20 || quiet.Written() != 0 {
		t.Errorf("a quiet look reads %d items and %d pages and writes %d, want at most 70, 20 and 0", quiet.Read(), queries,
			quiet.Written())
	}
}
