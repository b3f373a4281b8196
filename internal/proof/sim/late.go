package sim

import "time"

const (
	// latest is how late a change enters an index at most: before the second
	// look at it.
	latest = 50 * time.Minute
	// never is when nobody looks any more.
	never = 100_000 * time.Hour
)

// lateness is how late the change that was just made enters its app's index.
func (w *world) lateness() time.Duration {
	switch {
	case w.strike("index_never"):
		return never
	case w.strike("index_late"):
		return time.Minute + w.rng.upTo(latest-time.Minute)
	}
	return 0
}

// lookAgain pulls for as long as what no listing has shown in time takes to be
// found by looking again.
func (w *world) lookAgain() {
	if !w.set.lateness() {
		return
	}
	rounds, every := 24, 5*time.Minute // a second look, and the rest of its window
	if w.set.rate["index_never"] > 0 {
		rounds, every = 40, 30*time.Minute // a round of the audit
	}
	for n := 0; n < rounds && w.failed() == ""; n++ {
		w.run(w.now.Add(every))
		w.pull()
		w.settle()
	}
}
