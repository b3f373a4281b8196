package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// firstSync is what a first sync at some latency came to.
type firstSync struct {
	took    time.Duration
	calls   int
	longest time.Duration // of one piece of work
	marks   map[string]int
}

func syncSlowly(t *testing.T, people int, latency crm.PerSide[time.Duration]) firstSync {
	t.Helper()
	var out firstSync
	b, err := testbed.New(t.Context(), testbed.Options{People: people, Latency: latency, Worked: func(d time.Duration) {
		out.longest = max(out.longest, d)
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	began := b.Now()
	run := bed{b, t}.start()
	out.took, out.marks = b.Now().Sub(began), b.Marks
	hub, force := bed{b, t}.calls()
	out.calls = hub + force
	if run.State != engine.RunDone || run.Done != run.Total {
		t.Errorf("at %v: %s with %d of %d records, want done with all", latency, run.State, run.Done, run.Total)
	}
	want := fakekit.Expected(people)
	if got := len(b.Hub.Core().Records("contacts")); got != want.After[0] {
		t.Errorf("at %v: HubSpot holds %d people, want %d", latency, got, want.After[0])
	}
	if got := len(b.Force.Core().Records("Contact")); got != want.After[1] {
		t.Errorf("at %v: Salesforce holds %d people, want %d", latency, got, want.After[1])
	}
	return out
}

// TestS34_FirstSyncOfSlowApps: at any latency below the time-out, on one app or
// on both, a first sync of a thousand people makes about as many calls as on
// fast apps, takes no longer than its calls do, and no piece of work outlasts
// the function that carries it out.
func TestS34_FirstSyncOfSlowApps(t *testing.T) {
	t.Parallel()
	const people = 1000
	fast := syncSlowly(t, people, crm.PerSide[time.Duration]{Left: 200 * time.Millisecond, Right: 200 * time.Millisecond})
	t.Logf("at 200ms: %d calls, %s, longest %s", fast.calls, fast.took, fast.longest)
	for _, d := range []time.Duration{
		time.Second, 1500 * time.Millisecond, 2 * time.Second, 6 * time.Second, 15 * time.Second, 19 * time.Second,
	} {
		for name, latency := range map[string]crm.PerSide[time.Duration]{
			"both": {Left: d, Right: d}, "left": {Left: d, Right: 200 * time.Millisecond}, "right": {
				Left: 200 * time.Millisecond, Right: d,
			},
		} {
			t.Run(fmt.Sprintf("%s/%s", d, name), func(t *testing.T) {
				t.Parallel()
				got := syncSlowly(t, people, latency)
				t.Logf("%d calls, %s, longest %s, %v", got.calls, got.took, got.longest, got.marks)
				if got.calls > fast.calls*11/10 {
					t.Errorf("%d calls, want no more than a tenth above the %d of fast apps", got.calls, fast.calls)
				}
				if most := time.Duration(got.calls)*d + 2*time.Minute; got.took > most {
					t.Errorf("it took %s, want at most %s", got.took, most)
				}
				if got.longest > 295*time.Second {
					t.Errorf("a piece of work took %s", got.longest)
				}
			})
		}
	}
}
