package api

import (
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many wrong tokens a source may show. Guessing is hopeless at 256 bits; what
// this bounds is the look-ups that wrong tokens cost. A script that goes on with
// an old key shows one token, whatever its retries: one look-up a minute.
const (
	failEvery  = 3 * time.Second
	failBurst  = 40
	maxSources = 10_000
	maxTokens  = 10_000
	goodFor    = 10 * time.Minute
	wrongFor   = time.Minute
)

// logins remembers who showed wrong tokens, and which tokens were good or wrong
// lately: good ones are asked for again whatever else their source sent, so that
// nobody is locked out by a neighbour behind the same address, and wrong ones are
// refused without being asked for. A nil logins refuses nothing.
type logins struct {
	now func() time.Time

	mu     sync.Mutex
	failed map[string]*rate.Limiter // by source
	good   map[[sha256.Size]byte]time.Time
	wrong  map[[sha256.Size]byte]time.Time
}

func newLogins(now func() time.Time) *logins {
	return &logins{
		now: now, failed: map[string]*rate.Limiter{},
		good: map[[sha256.Size]byte]time.Time{}, wrong: map[[sha256.Size]byte]time.Time{},
	}
}

// known says whether a token is known to be wrong without a look-up. Tokens are
// made by chance and live from before their first use, so that a wrong one does
// not become a good one.
func (l *logins) known(token string) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now().Sub(l.wrong[sha256.Sum256([]byte(token))]) < wrongFor
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
		remember(l.good, token, now)
		return
	}
	remember(l.wrong, token, now)
	l.fail(source, now)
}

// strange notes that a source showed a token that is wrong where it was shown, and may
// be good elsewhere.
func (l *logins) strange(source string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail(source, l.now())
}

func (l *logins) fail(source string, now time.Time) {
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

// remember notes a token. A full memory is emptied: what it forgot is looked up
// once more.
func remember(tokens map[[sha256.Size]byte]time.Time, token string, now time.Time) {
	if len(tokens) >= maxTokens {
		clear(tokens)
	}
	tokens[sha256.Sum256([]byte(token))] = now
}
