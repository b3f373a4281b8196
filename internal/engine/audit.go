package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// What no listing shows and no webhook tells of is found by reading: pulls read
// what they know again, a few records at a time, so that each is looked at once
// in a round. Whatever is not as it was last seen goes the way of every other
// hint; the audit itself writes nothing to an app. It takes only calls that
// nobody else has a use for, and where it stands is stored with the pull.

const (
	auditSlice = 100       // records read at once, at least
	auditMost  = 2000      // and at most, by one pull
	auditPace  = 0.9       // the part of a round's time in which it is meant to end
	auditWait  = time.Hour // longest between two slices: a small sync is looked at whole
	auditCalls = 5         // of an app that reads few records at once: calls a side and slice
)

// auditState is where the audit stands.
type auditState struct {
	At    int64      `json:"t"`           // of the last slice, in seconds
	Place string     `json:"p,omitempty"` // shard and sort text where the next one begins
	Known int64      `json:"n,omitempty"` // records known when it was taken
	Owed  int64      `json:"o,omitempty"` // records that were due then, too few to be worth a call
	Round auditRound `json:"r"`
	Last  auditRound `json:"l,omitzero"` // the last full round
}

// auditRound counts linked pairs: those looked at, and those found equal.
type auditRound struct {
	Since  int64 `json:"s"`
	Until  int64 `json:"u,omitempty"`
	Looked int64 `json:"n,omitempty"`
	Equal  int64 `json:"e,omitempty"`
}

// auditing is the slice of one run.
type auditing struct {
	N     int         `json:"n"`               // records to look at
	After *auditState `json:"after,omitempty"` // where the audit stands then; nil = not looked yet
	Right []hint      `json:"right,omitempty"` // found on the right side, to be sent after the left side's
}

// auditDue decides how many records a pull looks at.
func (e *Engine) auditDue(conf *crm.Sync, st *scanState) *auditing {
	round := conf.AuditsWithin()
	if round == 0 || st.Audit == nil || len(st.Held) > 0 {
		return nil
	}
	age := e.Now().Sub(time.Unix(st.Audit.At, 0))
	if age < 0 {
		return nil
	}
	n := int64(float64(st.Audit.Known)*float64(age)/(auditPace*float64(round))) + st.Audit.Owed
	if n < auditSlice && age < min(auditWait, round) {
		return nil
	}
	return &auditing{N: int(min(max(n, 1), auditMost))}
}

// leaveAudit keeps where the audit stands. It begins when a sync is first
// pulled, or its clock was set back.
func (s *session) leaveAudit(st *scanState, r *storedRun) {
	now := s.Now().Unix()
	switch {
	case s.conf.AuditsWithin() == 0:
		st.Audit = nil
	case st.Audit == nil || st.Audit.At > now:
		st.Audit = &auditState{At: now, Round: auditRound{Since: now}}
	case r.Audit != nil && r.Audit.After != nil:
		st.Audit = r.Audit.After
	}
}

// audit looks at the run's slice. What is found on the left side is to be sent
// by it next, what is found on the right side after that.
func (s *session) audit(ctx context.Context, r *storedRun, st *scanState) (err error) {
	defer func() {
		if err == nil { // else it is looked at once more, by whoever goes on with the run
			r.Phase, r.Position = r.after(r.Phase), ""
		}
	}()
	if st.Audit == nil || len(s.set.Held()) > 0 {
		return nil
	}
	after := *st.Audit
	after.At = s.Now().Unix()
	counts, err := s.Store.Get(ctx, s.counts())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	after.Known = -linkedPairs(counts.Counters) // these are counted on both sides
	for _, side := range crm.Sides {
		for _, state := range crm.States {
			after.Known += counts.Counters[string(side)+":"+string(state)]
		}
	}
	size := s.auditSize(r.Audit.N)
	after.Owed = max(int64(r.Audit.N-size), 0)
	links, err := s.auditLinks(ctx, &after, size)
	if err != nil {
		return err
	}
	found, err := s.lookAt(ctx, links, &after.Round)
	if err != nil {
		s.Mark("audit_put_off")
		s.Log.Debug("audit put off", "connection", s.con, "sync", s.sync, "error", err)
		late := *st.Audit // the same slice, when its time has come again
		late.At = after.At
		r.Audit.After = &late
		return nil
	}
	r.Audit.After = &after
	if after.Place == "" {
		after.Round.Until = after.At
		after.Last, after.Round = after.Round, auditRound{Since: after.At}
	}
	r.RestSide, r.Rest, r.Audit.Right = crm.Left, append(r.Rest, found.Left...), found.Right
	r.Listed += int64(len(found.Left) + len(found.Right))
	r.Seq++
	return nil
}

// auditSize is how many records are looked at where n are due: more, so that a
// call is worth it, unless an app reads few at once; fewer, if one takes long or
// the last call would be for a few.
func (s *session) auditSize(n int) int {
	least := max(1, min(s.end(crm.Left).app.Limits.ReadBatch, s.end(crm.Right).app.Limits.ReadBatch))
	n = max(n, min(auditSlice, auditCalls*least))
	if n > auditSlice {
		n -= n % auditSlice
	}
	if s.slow() {
		n = min(n, auditSlice)
	}
	return n
}

// auditLinks reads the next n links and moves the place on; "" = the round is over.
func (s *session) auditLinks(ctx context.Context, a *auditState, n int) ([]*link, error) {
	at, from, _ := strings.Cut(a.Place, "/")
	shard, err := strconv.Atoi(at)
	if err != nil || shard < 0 {
		shard, from = 0, ""
	}
	var out []*link
	for ; shard < shards; shard, from = shard+1, "" {
		for more := true; more; {
			q := store.Query{
				Table: store.Links, Workspace: s.ws, Partition: s.shardPartition(uint32(shard)), From: from,
				Limit: min(n-len(out), 500),
			}
			page, err := s.Store.Query(ctx, q)
			if err != nil {
				return nil, err
			}
			for _, it := range page.Items {
				from = it.Sort + "\x00"
				l, err := s.linkOf(it)
				if errors.Is(err, errNewerLink) {
					continue
				}
				if err != nil {
					return nil, err
				}
				if l.AliasOf == "" && l.State != crm.StateDeleted && !l.setAside() {
					out = append(out, l)
				}
			}
			if more = page.Next != ""; len(out) >= n {
				a.Place = strconv.Itoa(shard) + "/" + from
				return out, nil
			}
		}
	}
	a.Place = ""
	return out, nil
}

// lookAt reads the records of links by ID and returns hints for those that are
// not as they were last seen.
func (s *session) lookAt(ctx context.Context, links []*link, round *auditRound) (found crm.PerSide[[]hint], err error) {
	ctx = connector.Spare(ctx)
	us := make([]*unit, len(links))
	for i, l := range links {
		us[i] = &unit{side: crm.Left, id: l.Left, link: l}
		if l.Left == "" {
			us[i].side, us[i].id = crm.Right, l.Right
		}
	}
	for _, side := range crm.Sides {
		mine := slices.DeleteFunc(slices.Clone(us), func(u *unit) bool { return u.link.id(side) == "" })
		if err := s.read(ctx, side, mine, func(u *unit) crm.RecordID { return u.link.id(side) }); err != nil {
			return found, err
		}
	}
	var odd []*unit
	for _, u := range us {
		if u.unread != nil {
			continue // its own trouble, which the next hint about it tells
		}
		same := true
		for _, side := range crm.Sides {
			same = same && (u.link.id(side) == "" || u.rec.Get(side) != nil && !s.differs(u.link, side, u.rec.Get(side)))
		}
		if !same {
			odd = append(odd, u)
		}
		s.measure(u, round)
	}
	return found, s.report(ctx, odd, &found)
}

// measure counts a pair that is to be kept equal.
func (s *session) measure(u *unit, round *auditRound) {
	l := u.link
	if !l.paired() || l.State != crm.StateInSync && l.State != crm.StateConflict && l.State != crm.StateFailing {
		return
	}
	round.Looked++
	if l.State != crm.StateInSync {
		return
	}
	for _, side := range crm.Sides {
		if r := u.rec.Get(side); r == nil || s.set.Strays(side, r, l.Base) {
			return
		}
	}
	round.Equal++
}

// report makes hints of what was found, unless its link has been written
// meanwhile: then somebody was just looking at it.
func (s *session) report(ctx context.Context, odd []*unit, found *crm.PerSide[[]hint]) error {
	now := make([]*unit, len(odd))
	for i, u := range odd {
		now[i] = &unit{side: u.side, id: u.id}
	}
	if err := s.loadLinks(ctx, now); err != nil {
		return err
	}
	for i, u := range odd {
		l := now[i].link
		if l == nil || !sameLink(l, u.link) || l.SeenL != u.link.SeenL || l.SeenR != u.link.SeenR {
			continue
		}
		for _, side := range crm.Sides {
			h, rec := hint{ID: l.id(side), Audit: true}, u.rec.Get(side)
			switch {
			case h.ID == "":
				continue
			case rec == nil:
				h.Gone = true
				if moved := u.moved.Get(side); moved != nil {
					h.Into, h.Merged = moved.MergedInto, moved.Merged
				}
			case !s.differs(l, side, rec):
				continue
			default:
				h.Digest = rec.Fields.Digest(s.end(side).fields)
			}
			s.Mark("audit_found")
			found.Set(side, append(found.Get(side), h))
		}
	}
	return nil
}

// stepAudit looks at the run's slice and stores what is to be sent.
func (s *session) stepAudit(ctx context.Context, r *storedRun) error {
	if r.Phase == phaseAuditRight {
		r.RestSide, r.Rest, r.Audit.Right = crm.Right, append(r.Rest, r.Audit.Right...), nil
		r.Phase = r.after(r.Phase)
		r.Seq++
	} else {
		st, err := s.loadScan(ctx, s.scope)
		if err != nil {
			return err
		}
		if err := s.audit(ctx, r, st); err != nil {
			return err
		}
	}
	if len(r.Rest)+len(r.Audit.Right) == 0 {
		r.unsaved = true // nothing hangs on it: stored with what comes next
		return nil
	}
	return s.saveRun(ctx, s.ws, r)
}

// equality is what status shows of the audit; nil = nothing was looked at yet.
func (a *auditState) equality() *Equality {
	if a == nil || a.Round.Looked == 0 && a.Last.Until == 0 {
		return nil
	}
	out := &Equality{LookedAt: time.Unix(a.At, 0).UTC(), Round: a.Round.view()}
	counted := out.Round
	if a.Last.Until != 0 {
		last := a.Last.view()
		out.LastRound, counted = &last, last
	}
	if counted.Looked > 0 {
		share := float64(counted.Equal) / float64(counted.Looked)
		out.Share = &share
	}
	return out
}

func (r auditRound) view() EqualityRound {
	out := EqualityRound{
		Since: time.Unix(r.Since, 0).UTC(), Looked: r.Looked, Equal: r.Equal, Different: r.Looked - r.Equal,
	}
	if r.Until != 0 {
		out.Until = time.Unix(r.Until, 0).UTC()
	}
	return out
}
