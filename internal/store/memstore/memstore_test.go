package memstore_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
	"github.com/lockstep-crm/lockstep/internal/store/storetest"
)

// TestConformance is what memstore has to say as a store.
func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) (store.Store, storetest.Clock) {
		clock := testclock.New()
		return memstore.New(clock.Now), clock
	})
}
