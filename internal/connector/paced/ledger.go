package paced

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// formatVersion is the version of the stored form.
const formatVersion = 1

const (
	// sliceFor is how long a slice may be used.
	sliceFor = time.Second
	// quotaSliceFor is the same for apps with nothing but a daily quota.
	quotaSliceFor = time.Minute
	// skew is how far in the future a time may be before it is taken for a wrong clock's.
	skew = 5 * time.Second
	// maxPause bounds what an app may ask for.
	maxPause = 24 * time.Hour
	// keepFor is how long an unused budget is remembered: a day, and the hour it began in.
	keepFor = 26 * time.Hour
)

// lane says which budgets a call counts against. The daily quota counts all.
type lane string

const (
	laneCall   lane = "c"
	laneSearch lane = "s"
	laneBoth   lane = "b" // calls that some apps count as one and some as the other
)

// window is one published limit.
type window struct {
	calls int
	in    time.Duration
	has   func(lane) bool
}

// length is how long a call counts: a twentieth more than the window, because
// calls arrive with differing delay.
func (w window) length() time.Duration { return w.in + w.in/20 }

// limits are an app's limits as lanes see them.
type limits struct {
	windows []window
	daily   int
}

func limitsOf(l crm.Limits) limits {
	out := limits{daily: max(0, l.DailyCalls)}
	search := l.SearchCalls > 0 && l.SearchWindow > 0
	if l.BurstCalls > 0 && l.BurstWindow > 0 {
		out.windows = append(out.windows, window{
			l.BurstCalls, l.BurstWindow, func(x lane) bool { return x != laneSearch || !search },
		})
	}
	if search {
		out.windows = append(out.windows, window{l.SearchCalls, l.SearchWindow, func(x lane) bool { return x != laneCall }})
	}
	if l.OwnCalls > 0 && l.OwnWindow > 0 {
		out.windows = append(out.windows, window{l.OwnCalls, l.OwnWindow, func(lane) bool { return true }})
	}
	return out
}

// none reports whether nothing is limited in lane x.
func (l limits) none(x lane) bool {
	return l.daily == 0 && !slices.ContainsFunc(l.windows, func(w window) bool { return w.has(x) })
}

// most is a second's worth of calls in lane x, and how long such a slice may be used.
func (l limits) most(x lane) (n int, valid time.Duration) {
	for _, w := range l.windows {
		if !w.has(x) {
			continue
		}
		worth := min(w.calls, max(1, int(float64(w.calls)*float64(time.Second)/float64(w.in))))
		if n == 0 || worth < n {
			n = worth
		}
	}
	if n > 0 {
		return n, sliceFor
	}
	// A second's worth of a daily quota is about one call. Half a thousandth
	// of the day at once keeps the writes few and the loss small when a worker dies.
	return max(1, min(64, l.daily/2000)), quotaSliceFor
}

// turn is how long it takes until the shortest window of lane x has room again, with
// the slices that others hold. A piece of work may need more calls than the window
// holds: if each call after them were refused instead of waiting, the work would begin
// anew for ever.
func (l limits) turn(x lane) time.Duration {
	var d time.Duration
	for _, w := range l.windows {
		if w.has(x) && (d == 0 || w.length() < d) {
			d = w.length()
		}
	}
	if d == 0 || d > (window{in: connector.LongestTurn}).length() {
		return 0
	}
	return d + sliceFor
}

// longest is the longest time a slice has to be remembered after its end.
func (l limits) longest() time.Duration {
	d := quotaSliceFor
	for _, w := range l.windows {
		d = max(d, w.length())
	}
	return d
}

// forBulk is the part of the daily quota that bulk work may use.
func (l limits) forBulk() int { return l.daily/10*8 + l.daily%10*8/10 }

// slice is a number of calls that somebody took.
type slice struct {
	ID   string `json:"i,omitempty"` // "" = settled: N is what was used
	Lane lane   `json:"l"`
	N    int    `json:"n"`
	End  int64  `json:"e"` // Unix milliseconds; its calls are started by then
}

// pause is a wait that the app asked for.
type pause struct {
	Set   int64  `json:"s"` // Unix milliseconds
	Until int64  `json:"u"`
	Code  string `json:"c"`
	// Guess says that the app named no end: after Until one call may go out to
	// see, and all others wait for its answer.
	Guess bool  `json:"g,omitempty"`
	Asked int64 `json:"a,omitempty"` // Unix milliseconds: when that call went out; 0 = none is out
}

const (
	// answerIn is within which time a call that went out to see has an answer.
	answerIn = 30 * time.Second
	// answerStep is how long others wait for that answer at a time: a wait that
	// short stays in the queue.
	answerStep = 5 * time.Second
)

// ledger is the budget item.
type ledger struct {
	V      int           `json:"v"`
	Slices []slice       `json:"t,omitempty"`
	Hours  map[int64]int `json:"h,omitempty"` // calls by hour since the epoch
	Pause  *pause        `json:"p,omitempty"`

	version int64
}

func decodeLedger(item store.Item) (ledger, error) {
	const op = "paced: decode budget"
	var l ledger
	if err := json.Unmarshal(item.Data, &l); err != nil {
		return l, fault.Wrap(op, fault.Other, err)
	}
	if l.V != formatVersion {
		return l, fault.New(op, fault.Invalid, connector.CodeFormat, "the budget was written by a newer version of Lockstep")
	}
	l.version = item.Version
	return l, nil
}

// clone returns a copy that may be changed.
func (l ledger) clone() ledger {
	l.Slices = slices.Clone(l.Slices)
	hours := make(map[int64]int, len(l.Hours)+1)
	for h, n := range l.Hours {
		hours[h] = n
	}
	l.Hours = hours
	if l.Pause != nil {
		p := *l.Pause
		l.Pause = &p
	}
	return l
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// tidy forgets what no longer counts and pulls times out of the future back to
// now. It reports whether it had to do the latter: that is worth a write even
// when nothing can be taken, or it would never pass.
func (l *ledger) tidy(now time.Time, lim limits) (moved bool) {
	ms, longest := now.UnixMilli(), lim.longest().Milliseconds()
	l.Slices = slices.DeleteFunc(l.Slices, func(s slice) bool { return s.End+longest <= ms })
	for i := range l.Slices {
		_, valid := lim.most(l.Slices[i].Lane)
		if l.Slices[i].End > now.Add(valid+skew).UnixMilli() {
			l.Slices[i].End, moved = ms, true
		}
	}
	hour := hourOf(now)
	for h, n := range l.Hours {
		switch {
		case h > hour+1:
			delete(l.Hours, h)
			l.Hours[hour] += n
			moved = true
		case h < hour-24 || n <= 0:
			delete(l.Hours, h)
		}
	}
	if p := l.Pause; p != nil {
		if p.Set > now.Add(skew).UnixMilli() {
			p.Set, p.Until, moved = ms, ms+(p.Until-p.Set), true
		}
		if p.Asked > now.Add(skew).UnixMilli() {
			p.Asked, moved = 0, true
		}
		if p.Until <= ms && !p.Guess || p.Until-p.Set > maxPause.Milliseconds()+1000 {
			l.Pause = nil
		}
	}
	return moved
}

// blocked says why nothing can be taken, and for how long at most.
type blocked struct {
	wait  time.Duration
	code  string
	guess bool // nobody knows the end
}

// paused reports the app's own pause.
func (l *ledger) paused(now time.Time) *blocked {
	if l.Pause == nil || l.Pause.Until <= now.UnixMilli() {
		return nil
	}
	wait := time.UnixMilli(l.Pause.Until).Sub(now)
	if age := now.Sub(time.UnixMilli(l.Pause.Asked)); l.Pause.Asked != 0 && age >= 0 && age < answerIn {
		wait = min(wait, answerStep)
	}
	return &blocked{wait: wait, code: l.Pause.Code, guess: l.Pause.Guess}
}

// due reports whether it is time to ask whether a pause is over that the app
// named no end of.
func (l *ledger) due(now time.Time) bool {
	return l.Pause != nil && l.Pause.Guess && l.Pause.Until <= now.UnixMilli()
}

// ask notes that one call of lane x goes out to see.
func (l *ledger) ask(now time.Time, lim limits, x lane) {
	ms := now.UnixMilli()
	l.Pause = &pause{Set: ms, Until: connector.AskAgain(now).UnixMilli(), Code: l.Pause.Code, Guess: true, Asked: ms}
	l.Slices = append(l.Slices, slice{Lane: x, N: 1, End: ms + 1})
	if lim.daily > 0 {
		l.Hours[hourOf(now)]++
	}
}

// room is how many calls of lane x may be taken now.
func (l *ledger) room(now time.Time, lim limits, x lane, foreground bool) (int, *blocked) {
	if b := l.paused(now); b != nil {
		return 0, b
	}
	room, why := 1<<30, (*blocked)(nil)
	for _, w := range lim.windows {
		if !w.has(x) {
			continue
		}
		most := w.calls
		if !foreground {
			most = connector.ForBulk(w.calls)
		}
		free, wait := l.inWindow(now, w, most)
		room = min(room, free)
		if free <= 0 && (why == nil || wait > why.wait) {
			why = &blocked{wait: wait, code: connector.CodeRate}
		}
	}
	if lim.daily > 0 {
		most := lim.forBulk()
		if foreground {
			most = lim.daily
		}
		free, wait := l.inDay(now, most)
		room = min(room, free)
		if free <= 0 {
			why = &blocked{wait: wait, code: connector.CodeQuota}
		}
	}
	return max(0, room), why
}

// spare is the part of what bulk work may use that has to be free before a call
// is made that nobody needs now: a half.
const spare = 2

// tight says why nobody should call now who need not.
func (l *ledger) tight(now time.Time, lim limits, x lane) *blocked {
	if b := l.paused(now); b != nil {
		return b
	}
	if l.due(now) { // whoever has work to do asks
		return &blocked{wait: answerStep, code: l.Pause.Code, guess: true}
	}
	for _, w := range lim.windows {
		if !w.has(x) {
			continue
		}
		if free, wait := l.inWindow(now, w, connector.ForBulk(w.calls)/spare); free <= 0 {
			return &blocked{wait: wait, code: connector.CodeRate}
		}
	}
	if lim.daily > 0 {
		if free, wait := l.inDay(now, lim.forBulk()/spare); free <= 0 {
			return &blocked{wait: wait, code: connector.CodeQuota}
		}
	}
	return nil
}

// inWindow is what is left of most calls in one window, and the wait for the
// next call when nothing is.
func (l *ledger) inWindow(now time.Time, w window, most int) (free int, wait time.Duration) {
	var counted []slice
	used, since := 0, now.Add(-w.length()).UnixMilli()
	for _, s := range l.Slices {
		if w.has(s.Lane) && s.End > since {
			counted = append(counted, s)
			used += s.N
		}
	}
	free = most - used
	if free > 0 {
		return free, 0
	}
	slices.SortFunc(counted, func(a, b slice) int { return cmp.Compare(a.End, b.End) })
	left := used
	for _, s := range counted {
		if left -= s.N; left < most {
			return free, max(1, time.Duration(s.End-since)) * time.Millisecond
		}
	}
	return free, w.length()
}

// inDay is what is left of most calls in the last 24 hours, and the wait until
// the oldest hour counts no more.
func (l *ledger) inDay(now time.Time, most int) (free int, wait time.Duration) {
	used, oldest := 0, hourOf(now)
	for h, n := range l.Hours {
		used += n
		oldest = min(oldest, h)
	}
	if free = most - used; free > 0 {
		return free, 0
	}
	return free, time.Unix((oldest+25)*3600, 0).Sub(now)
}
