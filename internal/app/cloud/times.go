package cloud

import (
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/engine"
)

// Variables that change how long things may take. All are optional, texts such
// as "45s", and the same for every function of a deployment.
const (
	EnvSyncTimeout = "LOCKSTEP_SYNC_TIMEOUT" // time limit of the sync function, as its template says
	EnvAppTimeout  = "LOCKSTEP_APP_TIMEOUT"  // longest call to an app
	EnvMaxRetry    = "LOCKSTEP_MAX_RETRY"    // longest wait before a change that failed is tried again
)

// Times are the durations by which the functions work together. After a sync
// function died in the middle, its messages come back when the queue's
// visibility time-out is over, and its lease is given to another a minute and
// one call after that one first met it.
type Times struct {
	Sync  time.Duration // 8 s to 15 min; 5 min
	App   time.Duration // 1 s to 1 min; 20 s
	Retry time.Duration // 1 s to 15 min; 30 s
}

// handBack is what the sync function keeps of its time to hand back what it
// has not worked, and one second more.
const handBack = 5 * time.Second

// Tuning is what suits a function that ends after t.Sync. The last call to an
// app begins early enough to end; what is begun together leaves a fifth of the
// time for what could not be foreseen. A lease is renewed while the work goes
// on, so that it need not outlast the function: no write begins that could
// outlast the lease, and nobody writes beside a writer that was cut off.
func (t Times) Tuning() engine.Tuning {
	span := t.Sync - handBack - t.App
	return engine.Tuning{
		HTTPDeadline: t.App, Budget: min(t.Sync/2, span), Span: span, GroupFor: span * 4 / 5,
		Lease: min(t.Sync, time.Minute) + t.App, MaxRetry: t.Retry,
	}
}

// readTimes reads the variables and says what cannot be used.
func readTimes(env func(string) string) (t Times, wrong []string) {
	for _, v := range []struct {
		name               string
		to                 *time.Duration
		usual, least, most time.Duration
	}{
		{EnvSyncTimeout, &t.Sync, 5 * time.Minute, 8 * time.Second, 15 * time.Minute}, // 15 min is Lambda's limit
		{EnvAppTimeout, &t.App, 20 * time.Second, time.Second, time.Minute},
		{EnvMaxRetry, &t.Retry, 30 * time.Second, time.Second, 15 * time.Minute},
	} {
		text := env(v.name)
		if text == "" {
			*v.to = v.usual
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < v.least || d > v.most {
			wrong = append(wrong, fmt.Sprintf("%s is not a duration between %s and %s", v.name, v.least, v.most))
		}
		*v.to = d
	}
	if wrong == nil && t.App > (t.Sync-handBack)/2 {
		wrong = append(wrong, fmt.Sprintf("%s is more than half of what %s leaves after %s", EnvAppTimeout, EnvSyncTimeout,
			handBack))
	}
	return t, wrong
}
