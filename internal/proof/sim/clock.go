package sim

import (
	"container/heap"
	"time"
)

// timer is something that happens at a time.
type timer struct {
	at  time.Time
	seq int64
	do  func()
}

type timers []timer

func (h timers) Len() int { return len(h) }
func (h timers) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].seq < h[j].seq
}
func (h timers) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timers) Push(x any)   { *h = append(*h, x.(timer)) }
func (h *timers) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// after does something when d has passed.
func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.timers, timer{w.now.Add(max(d, 0)), w.seq, do})
}

func (w *world) advance(to time.Time) {
	if to.After(w.now) {
		w.now = to
	}
}

// run lets the world go on until the time is over, or, with no time given,
// until nothing is under way and no timer is left.
func (w *world) run(until time.Time) {
	for w.failed() == "" {
		if len(w.tasks) == 0 && len(w.timers) == 0 {
			break
		}
		if !w.turn(until) {
			break
		}
	}
	if until.After(w.now) && !until.IsZero() {
		w.now = until
	}
}

// turn lets one thing happen; false when the next thing is after until.
func (w *world) turn(until time.Time) bool {
	due := 0
	var soonest time.Time
	for _, t := range w.tasks {
		if !t.wake.After(w.now) {
			due++
		} else if soonest.IsZero() || t.wake.Before(soonest) {
			soonest = t.wake
		}
	}
	timerDue := len(w.timers) > 0 && !w.timers[0].at.After(w.now)
	switch {
	case due > 0 && (!timerDue || w.rng.in(500)):
		n := w.rng.n(due)
		for _, t := range w.tasks {
			if !t.wake.After(w.now) {
				if n == 0 {
					w.resume(t)
					break
				}
				n--
			}
		}
	case timerDue:
		t := heap.Pop(&w.timers).(timer)
		t.do()
	default:
		next := soonest
		if len(w.timers) > 0 && (next.IsZero() || w.timers[0].at.Before(next)) {
			next = w.timers[0].at
		}
		if !until.IsZero() && next.After(until) {
			return false
		}
		w.now = next
	}
	return true
}
