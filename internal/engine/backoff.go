package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/lockstep-crm/lockstep/internal/backoff"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// syncWaits bounds how long a sync that could not be attended to is left alone:
// long enough not to knock at an app that is down, short enough that a person who
// mended it need not wait.
var syncWaits = backoff.Policy{First: time.Second, Most: 30 * time.Second}

// recordWaits is how long a record waits that somebody else is changing, and
// chunkWaits how long a chunk whose work failed; leaseWaits is how long a message
// waits that met another worker's lease: its tries count double.
var (
	recordWaits = backoff.Policy{First: time.Second, Most: 64 * time.Second}
	chunkWaits  = backoff.Policy{First: time.Second, Most: 64 * time.Second}
	leaseWaits  = backoff.Policy{First: leasedRetry, Most: 1024 * leasedRetry}
)

const (
	// backoffAsked bounds a wait for a limit that the app itself asked for; backoffDown
	// one for an app that is down: it may be back sooner than it said.
	backoffAsked = time.Hour
	backoffDown  = time.Minute
	// freeConflicts is how often in a row somebody may have been faster before
	// that counts as trouble.
	freeConflicts = 5
)

// syncBackoff is how long a sync that could not be attended to is left alone, so
// that neither its app nor the log is flooded while the other syncs go on at full
// speed. Each process has its own: at worst every one of them knocks once.
type syncBackoff struct {
	since time.Time // of the first failure in a row
	until time.Time
	wait  time.Duration
	told  time.Duration // the wait that the log knows
	code  string
	tries int
	whole bool // it failed before anything of it could be done
	usual bool // a limit, or somebody was faster: it goes on by itself
}

// backsOff reports whether a sync is left alone just now, and whether all of it
// is, or only what asks an app.
func (e *Engine) backsOff(sc scope) (some, whole bool) {
	b, ok := e.backoffs.get(sc)
	if !ok {
		return false, false
	}
	left := b.until.Sub(e.Now())
	some = left > 0 && left <= b.wait // a clock that was set back ends the wait
	return some, some && b.whole
}

// backOff puts a sync that could not be attended to aside: from a second up to
// half a minute, doubling, or as long as the app asked for. busy says that it
// is to be looked at again at once.
func (e *Engine) backOff(ctx context.Context, sc scope, err error, whole bool) (busy bool) {
	if ctx.Err() != nil {
		return false // our own end, not the sync's trouble
	}
	now, kind, code, asked := e.Now(), fault.KindOf(err), fault.CodeOf(err), min(fault.RetryAfter(err), backoffAsked)
	if kind != fault.Throttled {
		asked = min(asked, backoffDown)
	}
	news := false
	told := e.backoffs.change(sc, func(b syncBackoff, known bool) syncBackoff {
		if !known {
			b.since = now
		}
		b.tries++
		switch {
		case kind == fault.Conflict && b.tries <= freeConflicts:
			b.wait = 0
		case kind == fault.Throttled && asked > 0:
			b.wait = asked
		default:
			b.wait = max(syncWaits.Next(b.wait), asked)
		}
		b.until, b.whole = now.Add(b.wait), whole
		b.usual = kind == fault.Throttled || kind == fault.Conflict
		news = b.wait > b.told || code != b.code
		b.told, b.code = max(b.wait, b.told), code
		return b
	})
	if news {
		level := slog.LevelWarn
		if told.usual {
			level = slog.LevelDebug
		}
		e.Log.Log(ctx, level, "tick: sync not attended", "connection", sc.con, "sync", sc.sync, "kind", kind, "code", code,
			"error", err, "tries", told.tries, "again_in", told.wait.String())
	}
	return told.wait < syncWaits.First
}

// backoffOver ends a sync's backoff: it could be attended to.
func (e *Engine) backoffOver(ctx context.Context, sc scope) {
	b, ok := e.backoffs.drop(sc)
	if !ok {
		return
	}
	level := slog.LevelInfo
	if b.usual {
		level = slog.LevelDebug
	}
	e.Log.Log(ctx, level, "tick: sync attended again", "connection", sc.con, "sync", sc.sync, "tries", b.tries,
		"after", e.Now().Sub(b.since).Round(time.Second).String())
}

// forgetBackoffs drops those of syncs that are no longer on the agenda.
func (e *Engine) forgetBackoffs(met map[scope]bool) {
	e.backoffs.dropIf(func(sc scope, _ syncBackoff) bool { return !met[sc] })
}

// Backoff returns how long it is until a sync that could not be attended to is to
// be tried again, the soonest first; ok is false when there is none. It may be
// zero or less.
func (e *Engine) Backoff() (left time.Duration, ok bool) {
	now := e.Now()
	e.backoffs.each(func(_ scope, b syncBackoff) {
		if d := b.until.Sub(now); !ok || d < left {
			left, ok = d, true
		}
	})
	return left, ok
}
