package engine

import "time"

// maxSights bounds the memory of what was seen waiting.
const maxSights = 10_000

// stood returns how long something that another process stored, named by key,
// has stood under our own eyes. Times that another host wrote are never
// compared with our clock: one of the two may be wrong by a day. A process that
// sees it for the first time waits the whole time once more, which costs
// patience and never a double.
func (e *Engine) stood(key string) time.Duration {
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	first, ok := e.sights[key]
	if !ok || now.Before(first) {
		if len(e.sights) >= maxSights {
			clear(e.sights)
		}
		e.sights[key] = now
		return 0
	}
	return now.Sub(first)
}
