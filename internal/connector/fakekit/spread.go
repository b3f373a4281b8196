package fakekit

import (
	"math"
	"time"
)

// turns are how far each rate is from its next hit, 0 to 1.
type turns struct{ drop, duplicate, reorder float64 }

// turnsFrom are turns that start at phase, 0 to 1, and do not meet at the same
// event where the rates are equal.
func turnsFrom(phase float64) turns {
	at := func(part float64) float64 { _, f := math.Modf(phase + part); return f }
	return turns{drop: phase, duplicate: at(1. / 3), reorder: at(2. / 3)}
}

// hit decides whether a rate strikes an event: by chance, or evenly when its
// turn has come.
func (c *Core) hit(rate float64, turn *float64) bool {
	if rate <= 0 {
		return false
	}
	if !c.hooks.cfg.Even {
		return c.rng.Float64() < rate
	}
	if *turn += rate; *turn < 1 {
		return false
	}
	*turn--
	return true
}

// behindAtMost is how long an event waits for the next one, to come behind it.
const behindAtMost = time.Second

// line puts an event at the end, and what waited for it behind it. An event out
// of order waits for the next one, but not for ever.
func (h *hookState) line(e Event, copies int, outOfOrder bool, now time.Time) {
	var rest, waited []Event
	for _, p := range h.pending {
		if p.behind {
			p.behind, p.due = false, e.due
			waited = append(waited, p)
		} else {
			rest = append(rest, p)
		}
	}
	if outOfOrder {
		e.behind, e.due = true, now.Add(behindAtMost)
	}
	for range copies {
		rest = append(rest, e)
	}
	h.pending = append(rest, waited...)
}
