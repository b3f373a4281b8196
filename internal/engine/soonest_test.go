package engine

import (
	"fmt"
	"log/slog"
	"slices"
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

// TestHowLongASyncRests: twice as long each time, up to half a minute, or as long as its app
// asks for: up to an hour for a limit, up to a minute while it is down. Trouble is told as a
// warning, and in the end how often and since when it was met; what goes on by itself, a
// limit or somebody who was faster, as a detail.
func TestHowLongASyncRests(t *testing.T) {
	t.Parallel()
	met := func(kind fault.Kind, asked time.Duration) error {
		return &fault.Error{Op: "test", Kind: kind, Code: "why", RetryAfter: asked}
	}
	const s = time.Second
	for _, c := range []struct {
		name  string
		met   []error
		waits []time.Duration
		level string
	}{
		{
			"an app is down",
			slices.Repeat([]error{met(fault.Unavailable, 0)}, 7),
			[]time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s},
			"WARN INFO",
		},
		{
			"it says for how long",
			[]error{met(fault.Unavailable, 3*s), met(fault.Unavailable, 3*s), met(fault.Unavailable, time.Hour)},
			[]time.Duration{3 * s, 6 * s, time.Minute},
			"WARN INFO",
		},
		{"a limit", []error{met(fault.Throttled, 0), met(fault.Throttled, 0)}, []time.Duration{s, 2 * s}, "DEBUG DEBUG"},
		{
			"it says for how long it limits",
			[]error{met(fault.Throttled, 10*time.Minute), met(fault.Throttled, 3*time.Hour), met(fault.Throttled, 1)},
			[]time.Duration{10 * time.Minute, time.Hour, 1},
			"DEBUG DEBUG",
		},
		{
			"somebody is faster, after trouble",
			[]error{met(fault.Unavailable, 0), met(fault.Conflict, 0)},
			[]time.Duration{s, 0},
			"WARN DEBUG",
		},
	} {
		b := newStillBed(t, nil)
		var log strings.Builder
		b.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		told := func(message string) (out []string) {
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, message) {
					out = append(out, line)
				}
			}
			return out
		}
		for i, err := range c.met {
			b.now = b.now.Add(10 * time.Second)
			busy := b.backOff(t.Context(), b.sc, err, true)
			if left, ok := b.Backoff(); !ok || left != c.waits[i] || busy != (left < s) {
				t.Errorf("%s: time %d waits %s, at once %t, want %s", c.name, i+1, left, busy, c.waits[i])
			}
		}
		b.backoffOver(t.Context(), b.sc)
		b.backoffOver(t.Context(), b.sc) // which had no trouble any more
		first, last, _ := strings.Cut(c.level, " ")
		begun, over := told("not attended"), told("attended again")
		after := time.Duration(len(c.met)-1) * 10 * time.Second
		if len(begun) == 0 || !strings.Contains(begun[0], "level="+first+" ") || len(over) != 1 ||
			!strings.Contains(over[0], "level="+last+" ") ||
			!strings.Contains(over[0], fmt.Sprintf("tries=%d after=%s", len(c.met), after)) {
			t.Errorf("%s: told %q in the end, and %q before", c.name, over, begun)
		}
	}
}
