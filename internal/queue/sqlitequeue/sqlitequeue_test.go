package sqlitequeue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/queuetest"
	"github.com/lockstep-crm/lockstep/internal/queue/sqlitequeue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

// TestConformance is what sqlitequeue has to say as a queue.
func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T, maxReceives int) (queue.Queue, queuetest.Clock) {
		clock := queuetest.NewClock()
		return open(t, t.TempDir(), clock.Now, maxReceives), clock
	})
}

// TestConformanceByItsOwnClock shows that the suite needs no clock to turn: it
// waits where it must, here in virtual time.
func TestConformanceByItsOwnClock(t *testing.T) {
	t.Parallel()
	for name, run := range queuetest.All(func(t *testing.T, maxReceives int) (queue.Queue, queuetest.Clock) {
		return open(t, t.TempDir(), time.Now, maxReceives), nil
	}) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, run) })
	}
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
