package engine

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// readTries is how many requests one reading call may make at worst: refused
// for an old token, a new token, and once more. Each ends after HTTPDeadline.
const readTries = 3

// slowCall is how long a call takes on an app that is slow: there fewer calls
// are worth larger lots.
const slowCall = time.Second

// errTime ends a piece of work whose time is used up.
var errTime = fault.New("engine: work", fault.Conflict, codeLeaseEnding, "the time for this piece of work is used up")

// asking is what a call to an app is for: looking for a value may take an app
// many requests, everything else is one.
type asking int

const (
	askOne  asking = iota // read, list or write
	askFind               // look records up by their values
	askKinds
)

// pace is how long calls to an account take, by what they are for; 0 = unknown.
type pace [askKinds]time.Duration

// paceKey names an account.
type paceKey struct {
	ws  crm.WorkspaceID
	acc crm.AccountID
}

// took notes how long a call took. A slow one counts at once, a fast one bit by
// bit: what was planned too small costs little, what was planned too large does
// not come to its end.
func (e *Engine) took(k paceKey, a asking, d time.Duration) {
	d = max(d, time.Millisecond) // known
	e.paces.change(k, func(p pace, _ bool) pace {
		if d < p[a] {
			d = (3*p[a] + d) / 4
		}
		p[a] = d
		return p
	})
}

// paceOf returns an account's pace. What was never looked for is taken to be
// looked for as fast as it is read.
func (e *Engine) paceOf(k paceKey) (p pace, known bool) {
	p, _ = e.paces.get(k)
	if p[askFind] == 0 {
		p[askFind] = p[askOne]
	}
	return p, p[askOne] != 0
}

func (s *session) paceKey(side crm.Side) paceKey { return paceKey{s.ws, s.conn.Account(side)} }

// paceUnit is the unit in which paces are stored.
const paceUnit = 100 * time.Millisecond

// tellPace is what the lease says of both sides' paces, for the next process.
func (s *session) tellPace() []int64 {
	var out []int64
	for _, side := range crm.Sides {
		p, known := s.paceOf(s.paceKey(side))
		if !known {
			return nil
		}
		for _, d := range p {
			out = append(out, max(1, int64((d+paceUnit-1)/paceUnit)))
		}
	}
	return out
}

// learnPace takes over what another process knew of accounts that this one has
// not met.
func (s *session) learnPace(told []int64) {
	if len(told) != 2*int(askKinds) {
		return
	}
	for i, side := range crm.Sides {
		if _, known := s.paceOf(s.paceKey(side)); known {
			continue
		}
		for a := range askKinds {
			if n := told[i*int(askKinds)+int(a)]; n > 0 && n < int64(time.Hour/paceUnit) {
				s.took(s.paceKey(side), a, time.Duration(n)*paceUnit)
			}
		}
	}
}

// slow reports whether either app is slow.
func (s *session) slow() bool {
	for _, side := range crm.Sides {
		if p, _ := s.paceOf(s.paceKey(side)); p[askOne] >= slowCall {
			return true
		}
	}
	return false
}

// lotSize is how many records are written together. Where a call takes long,
// what two chunks write goes out as one.
func (s *session) lotSize() int {
	if s.slow() {
		return 2 * s.Tuning.LotSize
	}
	return s.Tuning.LotSize
}

// load counts what is to be looked at: by side, the records named and those of
// them that have no twin yet.
type load struct{ own, fresh [2]int }

func (l *load) add(side crm.Side, n int, fresh bool) {
	l.own[side.Index()] += n
	if fresh {
		l.fresh[side.Index()] += n
	}
}

func loadOf(us []*unit) (l load) {
	for _, u := range us {
		l.add(u.side, 1, !u.link.paired())
	}
	return l
}

// lasts estimates how long a load takes at the apps' pace.
func (s *session) lasts(l load) time.Duration {
	var total time.Duration
	asked := s.questions()
	for _, side := range crm.Sides {
		p, _ := s.paceOf(s.paceKey(side))
		n := s.calls(l, side, asked)
		total += time.Duration(n.one)*p[askOne] + time.Duration(n.find)*p[askFind]
	}
	return total
}

// calls is how many calls to a side something takes.
type calls struct{ one, find int }

// calls estimates how many calls to a side a load takes.
func (s *session) calls(l load, side crm.Side, asked int) calls {
	mine, other := side.Index(), side.Other().Index()
	lim := s.end(side).app.Limits
	rows := min(max(lim.WriteBatch, 1), s.lotSize())
	return calls{
		one: parts(l.own[mine], lim.ReadBatch) + parts(l.own[other], lim.ReadBatch) + // itself, its twin
			parts(l.own[mine]+l.own[other], rows) + parts(l.fresh[other], rows), // updates, creates
		find: asked * (parts(l.fresh[other], lim.FindBatch) + parts(l.fresh[mine], lim.FindBatch)), // twins, doubles
	}
}

// strain is how many windows of calls to a side a load takes, where a window is
// too long to be waited for in the middle of work: what needs more than one would
// be refused there, and begin anew, for ever. A quarter of a window is left for
// what shows only then, such as a merge to follow.
func (s *session) strain(l load, side crm.Side, asked int) (windows float64) {
	lim, n := s.end(side).app.Limits, s.calls(l, side, asked)
	all := n.one + n.find
	if lim.SearchCalls == 0 || lim.SearchWindow == 0 {
		n.one, n.find = n.one+n.find, 0
	}
	for _, w := range []struct {
		calls, of int
		in        time.Duration
	}{
		{n.one, lim.BurstCalls, lim.BurstWindow},
		{n.find, lim.SearchCalls, lim.SearchWindow},
		{all, lim.OwnCalls, lim.OwnWindow},
	} {
		if w.of > 0 && w.in > connector.LongestTurn {
			windows = max(windows, 4*float64(w.calls)/float64(3*connector.ForBulk(w.of)))
		}
	}
	return windows
}

// fits reports whether a load comes to its end in one piece: in the time for it,
// and within one window of each app's calls.
func (s *session) fits(l load) bool { return s.pieces(l) <= 1 }

// pieces is how many pieces of work a load takes.
func (s *session) pieces(l load) float64 {
	n, asked := float64(s.lasts(l))/float64(s.Tuning.GroupFor), s.questions()
	for _, side := range crm.Sides {
		n = max(n, s.strain(l, side, asked))
	}
	return n
}

// questions is how many values of a record are looked for.
func (s *session) questions() int {
	n := 0
	for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
		pairs := 0
		for _, step := range s.conf.Match.Get(way) {
			pairs += len(step.Pairs)
		}
		n = max(n, pairs)
	}
	return n
}

// parts is how many calls n records need at size each.
func parts(n, size int) int {
	size = max(size, 1)
	return (n + size - 1) / size
}

// fitting returns the leading jobs that can be worked side by side in the time
// that is left, with their units: all of them as long as the apps are fast.
// None are returned when there is not enough time left for as many as that.
func (s *session) fitting(ctx context.Context, jobs []*job, first bool) ([]*job, []*unit, error) {
	left := s.Tuning.Span - s.Now().Sub(s.started)
	if !first && (left <= 0 || s.Now().Sub(s.started) > s.Tuning.Budget) {
		return nil, nil, nil
	}
	n, sure := s.most(jobs)
	us, err := s.gather(ctx, jobs[:n])
	if err != nil {
		return nil, nil, err
	}
	if !sure {
		kept := max(1, s.cut(jobs[:n], us))
		jobs, us = jobs[:kept], only(jobs[:kept], us)
	} else {
		jobs = jobs[:n]
	}
	if !first && s.lasts(loadOf(us)) > left {
		return nil, nil, nil // a smaller group would need more calls for the same
	}
	return jobs, us, nil
}

// most returns how many leading jobs may fit, judged without knowing which of
// their records are linked; sure says that they do in any case.
func (s *session) most(jobs []*job) (n int, sure bool) {
	for _, side := range crm.Sides {
		if _, known := s.paceOf(s.paceKey(side)); !known {
			s.markIf(len(jobs) > 1, "pace_unknown")
			return 1, true // it tells
		}
	}
	var linked, fresh load
	for i, j := range jobs {
		linked.add(j.chunk.Side, len(j.chunk.Hints), false)
		fresh.add(j.chunk.Side, len(j.chunk.Hints), true)
		if i > 0 && !s.fits(linked) {
			s.Mark("group_cut_to_the_pace")
			return i, false
		}
	}
	return len(jobs), s.fits(fresh)
}

// cut returns how many of the jobs fit, now that their links are known.
func (s *session) cut(jobs []*job, us []*unit) int {
	per := map[*job]*load{}
	for _, u := range us {
		l := per[u.jobs[0]]
		if l == nil {
			l = &load{}
			per[u.jobs[0]] = l
		}
		l.add(u.side, 1, !u.link.paired())
	}
	var sum load
	for i, j := range jobs {
		if l := per[j]; l != nil {
			for side := range sum.own {
				sum.own[side] += l.own[side]
				sum.fresh[side] += l.fresh[side]
			}
		}
		if !s.fits(sum) {
			s.Mark("group_cut_to_the_pace")
			return i
		}
	}
	return len(jobs)
}

// only keeps the units that begin with one of the jobs, and lets them answer
// for these alone: the others are worked later, with all they name.
func only(jobs []*job, us []*unit) []*unit {
	in := make(map[*job]bool, len(jobs))
	for _, j := range jobs {
		in[j] = true
	}
	out := us[:0:0]
	for _, u := range us {
		if !in[u.jobs[0]] {
			continue
		}
		mine := u.jobs[:0:0]
		for _, j := range u.jobs {
			if in[j] {
				mine = append(mine, j)
			}
		}
		u.jobs = mine
		out = append(out, u)
	}
	return out
}

// maxParts is into how many parts a chunk is cut at most: they are stored in one
// transaction.
const maxParts = 50

// tooLong reports whether a chunk alone is more than a piece of work may be,
// and into parts of how many records it has to be cut then. Apps that read and
// write record by record need no more calls for that.
func (s *session) tooLong(j *job, us []*unit) (size int, ok bool) {
	n, pieces := len(j.chunk.Hints), s.pieces(loadOf(us))
	if pieces <= 1 || n < 2 {
		return 0, false
	}
	s.Mark("chunk_cut_to_the_pace")
	size = int(float64(n) / pieces)
	return max(1, parts(n, maxParts), min(n/2, size)), true
}

// inHand is what one call of Work has in hand: its messages stay hidden from
// others for as long as it goes on.
type inHand struct {
	receipts []string
	since    time.Time // when they were last hidden
}

// over reports whether the time for the piece of work is used up.
func (s *session) over() bool {
	return s.hand != nil && s.Now().Sub(s.started) >= s.Tuning.Span
}

// beat keeps what the work holds while it is proven to go on: its lease, unless
// somebody took it over, and its messages. It is asked before every call to an
// app and does nothing most of the time.
func (s *session) beat(ctx context.Context) error {
	if s.over() {
		s.Mark("time_used_up")
		return errTime
	}
	now := s.Now()
	if s.hand != nil && len(s.hand.receipts) > 0 {
		if age := now.Sub(s.hand.since); age >= s.Tuning.Lease-s.margin() || age < 0 {
			s.hand.since = now
			for _, err := range s.Queue.SetVisibility(ctx, s.hand.receipts, 2*s.Tuning.Lease) {
				if err != nil && !fault.Is(err, fault.NotFound) {
					s.Log.Debug("message not hidden any longer", "sync", s.name(), "error", err)
				}
			}
		}
	}
	if s.lease == nil || s.lease.Until.Sub(now) >= s.margin() {
		return nil
	}
	return s.renew(ctx)
}

// margin is the part of a lease that is never used up: one call must end in it.
func (s *session) margin() time.Duration { return max(s.Tuning.Lease/2, s.Tuning.HTTPDeadline) }

// ask bounds one call to an app that reads: several requests at most. done
// tells how long it took.
func (s *session) ask(ctx context.Context, side crm.Side, a asking) (cctx context.Context, done func(), err error) {
	if err := s.beat(ctx); err != nil {
		return nil, nil, err
	}
	cctx, done = s.timed(ctx, side, a, readTries*s.Tuning.HTTPDeadline)
	return cctx, done, nil
}

// timed bounds one call and notes how long it took.
func (s *session) timed(ctx context.Context, side crm.Side, a asking, d time.Duration) (context.Context, func()) {
	s.end(side).calls++
	s.called[side.Index()] = true
	began := s.Now()
	ctx, cancel := context.WithTimeout(ctx, d)
	return ctx, func() {
		cancel()
		if age := s.Now().Sub(began); age >= 0 {
			s.took(s.paceKey(side), a, age)
		}
	}
}
