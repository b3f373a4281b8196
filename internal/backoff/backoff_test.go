package backoff_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/backoff"
)

func TestWaitsDouble(t *testing.T) {
	t.Parallel()
	p := backoff.Policy{First: 5 * time.Second, Most: time.Minute}
	var got []time.Duration
	for last := time.Duration(0); len(got) < 6; {
		last = p.Next(last)
		got = append(got, last/time.Second)
	}
	if diff := cmp.Diff([]time.Duration{5, 10, 20, 40, 60, 60}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestWaitsStayInBounds: whatever was waited before, a wait is never shorter
// than that, nor than the first, nor longer than the most.
func TestWaitsStayInBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		most := time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(rt, "most"))
		first := time.Duration(rapid.Int64Range(1, int64(most)).Draw(rt, "first"))
		last := time.Duration(rapid.Int64Range(0, int64(most)).Draw(rt, "last"))
		got := backoff.Policy{First: first, Most: most}.Next(last)
		if got < first && got != most || got < last || got > most {
			rt.Fatalf("after %d: %d, of %d to %d", last, got, first, most)
		}
	})
}

// TestAfterIsSoManyWaits: what counts its failures waits as who remembers its waits.
func TestAfterIsSoManyWaits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		first := time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(rt, "first"))
		p := backoff.Policy{First: first, Most: time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(rt, "most"))}
		n, want := rapid.IntRange(-1, 70).Draw(rt, "failures"), p.Next(0)
		for range n - 1 {
			want = p.Next(want)
		}
		if got := p.After(n); got != want {
			rt.Fatalf("after %d: %d, want %d", n, got, want)
		}
	})
	if got := (backoff.Policy{First: 1, Most: 64}).After(math.MaxInt); got != 64 {
		t.Errorf("after very many: %d", got)
	}
}
