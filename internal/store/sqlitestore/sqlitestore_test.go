package sqlitestore_test

import (
	"context"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
	"github.com/lockstep-crm/lockstep/internal/store/sqlitestore"
	"github.com/lockstep-crm/lockstep/internal/store/storetest"
)

// TestConformance is what sqlitestore has to say as a store. One lasting store
// serves all cases, as a DynamoDB table would: none may lean on an empty one.
func TestConformance(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	s := open(t, t.TempDir(), clock.Now)
	storetest.Run(t, func(*testing.T) (store.Store, storetest.Clock) { return s, clock })
}

func open(t testing.TB, dir string, now func() time.Time) *sqlitestore.Store {
	t.Helper()
	db, err := sqlitedb.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	s, err := sqlitestore.Open(t.Context(), db, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSameAsMemstore holds it against the store that the simulation runs on.
func TestSameAsMemstore(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	storetest.Same(t, memstore.New(clock.Now), open(t, t.TempDir(), clock.Now), clock, storetest.WholePages)
}
