package api

import (
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many wrong tokens a source may show: enough for a script with an old key
// and its retries. Guessing is hopeless at 256 bits; what this bounds is the
// look-ups that wrong tokens cost.
const (
	failEvery  = 3 * time.Second
	failBurst  = 40
	maxSources = 10_000
	maxGood    = 10_000
	goodFor    = 10 * time.Minute
)

// logins remembers who showed wrong tokens, and which tokens were good lately:
// these are asked for again whatever else their source sent, so that nobody is
// locked out by a neighbour behind the same address. A nil logins refuses nothing.
type logins struct {
	now func() time.Time

	mu     sync.Mutex
	failed map[string]*rate.Limiter // by source
	good   map[[sha256.Size]byte]time.Time
}

func newLogins(now func() time.Time) *logins {
	return &logins{now: now, failed: map[string]*rate.Limiter{}, good: map[[sha256.Size]byte]time.Time{}}
}

// wait says how long a source has to wait before a token is looked up; 0 = not at all.
func (l *logins) wait(source, token string) time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	limit := l.failed[source]
	if limit == nil || now.Sub(l.good[sha256.Sum256([]byte(token))]) < goodFor {
		return 0
	}
	missing := 1 - limit.TokensAt(now)
	return time.Duration(max(0, missing) * float64(failEvery))
}

// was notes how a token fared.
func (l *logins) was(good bool, source, token string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if good {
		if len(l.good) >= maxGood {
			clear(l.good) // they are good once more with their next request
		}
		l.good[sha256.Sum256([]byte(token))] = now
		return
	}
	limit := l.failed[source]
	if limit == nil {
		if len(l.failed) >= maxSources {
			clear(l.failed) // so many sources are not stopped by counting each
		}
		limit = rate.NewLimiter(rate.Every(failEvery), failBurst)
		l.failed[source] = limit
	}
	limit.AllowN(now, 1)
}
