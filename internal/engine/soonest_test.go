package engine

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestTheSoonestTryIsWaitedFor: of several syncs that rest, the tick waits for the
// one that is tried first; of none it waits for nothing. What is no news, the same
// trouble after no longer a wait, is not logged again.
func TestTheSoonestTryIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	var log strings.Builder
	b.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if left, ok := b.Backoff(); ok || left != 0 {
		t.Errorf("nothing rests, and the wait is %s, %t", left, ok)
	}
	limit := func(wait time.Duration) error {
		return &fault.Error{Op: "test", Kind: fault.Throttled, Code: "rate_limited", RetryAfter: wait}
	}
	waits := map[scope]time.Duration{
		{"ws", "con", "deals"}: 20 * time.Second, {"ws", "con", "people"}: 3 * time.Second,
		{"ws", "con", "firms"}: 9 * time.Second,
	}
	for sc, wait := range waits {
		if busy := b.backOff(t.Context(), sc, limit(wait), false); busy {
			t.Errorf("%s is to be looked at again at once", sc.sync)
		}
	}
	if left, ok := b.Backoff(); !ok || left != 3*time.Second {
		t.Errorf("the soonest try is in %s, %t, want 3 s", left, ok)
	}
	for _, c := range []struct {
		wait time.Duration
		want int
	}{{3 * time.Second, 0}, {2 * time.Second, 0}, {4 * time.Second, 1}, {4 * time.Second, 0}} {
		log.Reset()
		b.backOff(t.Context(), b.sc, limit(c.wait), false)
		if got := strings.Count(log.String(), "sync not attended"); got != c.want {
			t.Errorf("after a wait of %s it is logged %d times, want %d: %s", c.wait, got, c.want, log.String())
		}
	}
	log.Reset()
	b.backOff(t.Context(), b.sc, fault.New("test", fault.Throttled, "quota_exhausted", ""), false)
	if !strings.Contains(log.String(), "quota_exhausted") {
		t.Errorf("other trouble is not told: %q", log.String())
	}
	b.forgetBackoffs(map[scope]bool{{"ws", "con", "firms"}: true})
	if left, ok := b.Backoff(); !ok || left != 9*time.Second {
		t.Errorf("of the only sync left the next try is in %s, %t, want 9 s", left, ok)
	}
}
