package engine

import "time"

// stood returns how long something that another process stored, named by key,
// has stood under our own eyes. Times that another host wrote are never
// compared with our clock: one of the two may be wrong by a day. A process that
// sees it for the first time waits the whole time once more, which costs
// waiting and never a double.
func (e *Engine) stood(key string) time.Duration {
	now := e.Now()
	first := e.firstSeen.change(key, func(t time.Time, ok bool) time.Time {
		if !ok || now.Before(t) {
			return now
		}
		return t
	})
	return now.Sub(first)
}
