package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	// restFirst and restMost bound how long a sync that could not be attended to
	// is left alone: long enough not to knock at an app that is down, short
	// enough that a person who mended it need not wait.
	restFirst, restMost = time.Second, 30 * time.Second
	// restAsked bounds a wait for a limit that the app itself asked for; restDown
	// one for an app that is down: it may be back sooner than it said.
	restAsked = time.Hour
	restDown  = time.Minute
	// freeConflicts is how often in a row somebody may have been faster before
	// that counts as trouble.
	freeConflicts = 5
)

// rest is how long a sync that could not be attended to is left alone, so that
// neither its app nor the log is flooded while the other syncs go on at full
// speed. Each process has its own: at worst every one of them knocks once.
type rest struct {
	since time.Time // of the first failure in a row
	until time.Time
	wait  time.Duration
	told  time.Duration // the wait that the log knows
	code  string
	tries int
	whole bool // it failed before anything of it could be done
	usual bool // a limit, or somebody was faster: it goes on by itself
}

// resting reports whether a sync is left alone just now, and whether all of it
// is, or only what asks an app.
func (e *Engine) resting(sc scope) (rests, whole bool) {
	now := e.Now()
	r, ok := e.rests.get(sc)
	if !ok {
		return false, false
	}
	left := r.until.Sub(now)
	rests = left > 0 && left <= r.wait // a clock that was set back ends the rest
	return rests, rests && r.whole
}

// tired puts a sync that could not be attended to aside: from a second up to
// half a minute, doubling, or as long as the app asked for. busy says that it
// is to be looked at again at once.
func (e *Engine) tired(ctx context.Context, sc scope, err error, whole bool) (busy bool) {
	if ctx.Err() != nil {
		return false // our own end, not the sync's trouble
	}
	now, kind, code, asked := e.Now(), fault.KindOf(err), fault.CodeOf(err), min(fault.RetryAfter(err), restAsked)
	if kind != fault.Throttled {
		asked = min(asked, restDown)
	}
	news := false
	told := e.rests.change(sc, func(r rest, known bool) rest {
		if !known {
			r.since = now
		}
		r.tries++
		switch {
		case kind == fault.Conflict && r.tries <= freeConflicts:
			r.wait = 0
		case kind == fault.Throttled && asked > 0:
			r.wait = asked
		default:
			r.wait = max(min(max(2*r.wait, restFirst), restMost), asked)
		}
		r.until, r.whole = now.Add(r.wait), whole
		r.usual = kind == fault.Throttled || kind == fault.Conflict
		news = r.wait > r.told || code != r.code
		r.told, r.code = max(r.wait, r.told), code
		return r
	})
	if news {
		level := slog.LevelWarn
		if told.usual {
			level = slog.LevelDebug
		}
		e.Log.Log(ctx, level, "tick: sync not attended", "connection", sc.con, "sync", sc.sync, "kind", kind, "code", code, "error", err, "tries", told.tries, "again_in", told.wait.String())
	}
	return told.wait < restFirst
}

// rested ends a sync's rest: it could be attended to.
func (e *Engine) rested(ctx context.Context, sc scope) {
	if r, ok := e.rests.drop(sc); ok {
		level := slog.LevelInfo
		if r.usual {
			level = slog.LevelDebug
		}
		e.Log.Log(ctx, level, "tick: sync attended again", "connection", sc.con, "sync", sc.sync, "tries", r.tries, "after", e.Now().Sub(r.since).Round(time.Second).String())
	}
}

// forgetRests drops the rests of syncs that are no longer on the agenda.
func (e *Engine) forgetRests(met map[scope]bool) {
	e.rests.dropIf(func(sc scope, _ rest) bool { return !met[sc] })
}

// Rest returns how long it is until a sync that could not be attended to is to
// be tried again, the soonest first; ok is false when there is none. It may be
// zero or less.
func (e *Engine) Rest() (left time.Duration, ok bool) {
	now := e.Now()
	e.rests.each(func(_ scope, r rest) {
		if d := r.until.Sub(now); !ok || d < left {
			left, ok = d, true
		}
	})
	return left, ok
}
