package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// draining is a run that waits for a chunk of its own, of which something was sent
// that is not stored yet.
func (d *desk) draining() *storedRun {
	d.opens()
	r := &storedRun{V: 1, Phase: phaseDrain, Sent: 1, Run: Run{
		ID: "run", Connection: d.sc.con, Sync: d.sc.sync, State: RunRunning,
	}}
	d.must(d.saveRun(d.t.Context(), d.sc.ws, r))
	r.unsaved = true
	d.asked = nil
	return r
}

// TestARunIsGoneOnWithForItsTimeAndNoLonger: an app that lists slowly must not hold up
// the other syncs, and what was sent is stored all the same.
func TestARunIsGoneOnWithForItsTimeAndNoLonger(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		budget, passed time.Duration
		goesOn         bool
	}{
		{10 * time.Second, 0, true},
		{10 * time.Second, 10 * time.Second, true},
		{10 * time.Second, 10*time.Second + 1, false},
		{time.Hour, listFor, true},
		{time.Hour, listFor + 1, false},
	} {
		d := newDesk(t)
		r := d.draining()
		d.Tuning.Budget = c.budget
		d.now = d.s.started.Add(c.passed)
		if err := d.s.advance(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		reads := slices.ContainsFunc(d.asked, func(what string) bool { return strings.HasPrefix(what, "get") })
		stores := slices.ContainsFunc(d.asked, func(what string) bool { return strings.HasPrefix(what, "put run") })
		if reads != c.goesOn || !stores || r.unsaved {
			t.Errorf("of %s after %s: asked %q, unsaved %t", c.budget, c.passed, d.asked, r.unsaved)
		}
	}
}

// TestWhatARunFailsWithIsSaid: neither trouble in a step nor in storing what was sent
// hides behind the other one that went well, whether there was time left or not.
func TestWhatARunFailsWithIsSaid(t *testing.T) {
	t.Parallel()
	lay := func(passed time.Duration) (*desk, *storedRun) {
		d := newDesk(t)
		r := d.draining()
		d.now = d.s.started.Add(passed)
		return d, r
	}
	asked := 0
	for _, passed := range []time.Duration{0, time.Hour} {
		d, r := lay(passed)
		if err := d.s.advance(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for at, what := range d.asked {
			asked++
			d, r := lay(passed)
			d.at = at
			if err := d.s.advance(t.Context(), r); !fault.Is(err, fault.Unavailable) {
				t.Errorf("after %s %s fails, and it says %v", passed, what, err)
			}
		}
	}
	if asked < 3 {
		t.Errorf("asked for %d things only", asked)
	}
}
