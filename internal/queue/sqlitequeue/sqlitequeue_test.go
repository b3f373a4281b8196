package sqlitequeue_test

import (
	"context"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/queuetest"
	"github.com/lockstep-crm/lockstep/internal/queue/sqlitequeue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// TestConformance is what sqlitequeue has to say as a queue.
func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T, maxReceives int) (queue.Queue, queuetest.Clock) {
		clock := testclock.New()
		return open(t, t.TempDir(), clock.Now, maxReceives), clock
	})
}

func open(t testing.TB, dir string, now func() time.Time, maxReceives int) *sqlitequeue.Queue {
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
	q, err := sqlitequeue.Open(t.Context(), db, now, sqlitequeue.Options{MaxReceives: maxReceives})
	if err != nil {
		t.Fatal(err)
	}
	return q
}
