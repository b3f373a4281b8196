// Package backoff says how long to wait before something that failed is tried
// again. It looks at no clock and draws no chance: who waits does that.
package backoff

import "time"

// Policy is a wait that doubles with each failure.
type Policy struct {
	First time.Duration // after the first failure
	Most  time.Duration // at all
}

// Next returns the wait that follows one of last; zero stands for none so far.
func (p Policy) Next(last time.Duration) time.Duration {
	if last >= p.Most/2 {
		return p.Most
	}
	return min(max(2*last, p.First), p.Most)
}

// After returns the wait after so many failures in a row, where nobody keeps the
// wait before; less than one counts as one.
func (p Policy) After(failures int) time.Duration {
	wait := p.Next(0)
	for ; failures > 1 && wait < p.Most; failures-- {
		wait = p.Next(wait)
	}
	return wait
}
