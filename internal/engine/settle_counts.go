package engine

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func (b *books) run(id crm.RunID) map[string]int64 {
	if b.runs[id] == nil {
		b.runs[id] = map[string]int64{}
	}
	return b.runs[id]
}

// count notes the outcome. The counters of the day and of a rolling run take what
// happened. A run that waits for its chunks counts with these, and nothing of
// what is tried again after it was given up.
func (b *books) count(u *unit) {
	if u.into != nil {
		return
	}
	b.outcomes[u] = u.decision.Outcome
	if u.decision.Outcome == crm.Unchanged {
		return
	}
	name := "o:" + string(u.decision.Outcome)
	b.day[name]++
	if c := u.jobs[0].chunk; !c.Counted && strings.HasPrefix(string(c.Run), hooksRun) {
		b.run(c.Run)[name]++
		b.weigh(u)
	}
}

// The counters of a run that its share of records in error is made of.
const (
	countRecords = "records"
	countInError = "in_error"
)

// weigh counts a unit for the share of its run's records that are in error. A pair is
// one record there: a run that looks at everything meets both of its records, and what
// was said of the left one stands, unless the right one fails where that did not.
func (b *books) weigh(u *unit) {
	o := b.outcomes[u]
	run := b.run(u.jobs[0].chunk.Run)
	switch {
	case u.nothingNew(o), o == crm.Dropped:
		return
	case !u.secondOfPair():
		run[countRecords]++
	case u.link.State == crm.StateFailing:
		return // its other record was counted as one in error
	}
	if o == crm.Failed {
		run[countInError]++
	}
}

// nothingNew reports whether a run of what changed met a record that has not: mostly it
// shows what we wrote ourselves, or is one that the audit looked at. However many there
// are of these, they say nothing of how the others fare.
func (u *unit) nothingNew(o crm.Outcome) bool {
	if u.hint.Later {
		return true // what holds from now on tries nothing of what is there
	}
	switch u.jobs[0].chunk.Kind {
	case RunPull, RunWebhook, RunCatchUp:
		return u.idle || o == crm.Unchanged
	case RunRetry:
		return o == crm.Unchanged && u.side == crm.Right && u.link.paired() // its other record was tried, too
	case RunInitial, RunResync, RunChange, RunRecord, RunPlan, RunApply:
	}
	return false
}

// secondOfPair reports whether a run that looks at both sides, the left one first, met
// the unit's pair before.
func (u *unit) secondOfPair() bool {
	switch u.jobs[0].chunk.Kind {
	case RunInitial, RunResync:
		return u.side == crm.Right && u.link.paired() && u.link.State != crm.StateDeleted &&
			!slices.ContainsFunc(u.jobs, func(j *job) bool { return j.chunk.Side == crm.Left })
	case RunPull, RunWebhook, RunCatchUp, RunChange, RunRetry, RunRecord, RunPlan, RunApply:
	}
	return false
}

// calls charges the API calls made so far to the first run of the lot.
func (b *books) calls() {
	run := b.lot.jobs[0].chunk.Run
	if run == "" || len(b.runs) == 0 {
		return
	}
	for _, side := range crm.Sides {
		if n := b.s.end(side).calls; n > 0 {
			b.run(run)["calls:"+string(side)] += n
			b.s.end(side).calls = 0
		}
	}
}

// counterWrites are the additions to the counters of runs, day and states.
func (b *books) counterWrites() []store.Write {
	expires, dayExpires := b.s.Now().Add(runRetention), b.s.Now().Add(daysKept)
	today := b.s.day(b.s.Now())
	day := b.day
	var ws []store.Write
	for _, id := range slices.Sorted(maps.Keys(b.runs)) {
		key, prefix := b.s.tally(id)
		adds := map[string]int64{}
		for name, n := range b.runs[id] {
			adds[prefix+name] = n
		}
		if key == today {
			maps.Copy(day, adds)
			continue
		}
		if prefix != "" { // of another day
			ws = addWrite(ws, key, adds, dayExpires)
			continue
		}
		ws = addWrite(ws, key, adds, expires)
	}
	ws = addWrite(ws, today, day, dayExpires)
	return addWrite(ws, b.s.counts(), b.states, time.Time{})
}

func addWrite(ws []store.Write, key store.Key, adds map[string]int64, expires time.Time) []store.Write {
	maps.DeleteFunc(adds, func(_ string, n int64) bool { return n == 0 })
	if len(adds) == 0 {
		return ws
	}
	return append(ws, store.Write{Op: store.Add, Item: store.Item{Key: key, Counters: adds, Expires: expires}})
}
