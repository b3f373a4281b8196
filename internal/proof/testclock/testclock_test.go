package testclock_test

import (
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

// TestOnlyAdvanceMoves: the clock stands still, and no advance is lost when
// many come at once.
func TestOnlyAdvanceMoves(t *testing.T) {
	t.Parallel()
	start := time.Date(2024, 2, 29, 23, 0, 0, 0, time.UTC)
	c := testclock.At(start)
	if a, b := c.Now(), c.Now(); a != start || b != start {
		t.Fatalf("%v, then %v, want %v", a, b, start)
	}
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() { c.Advance(time.Minute) })
	}
	all.Wait()
	c.Advance(-time.Second)
	if got, want := c.Now(), start.Add(time.Hour-time.Second); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if a, b := testclock.New().Now(), testclock.New().Now(); a != b {
		t.Errorf("two new clocks show %v and %v", a, b)
	}
}
