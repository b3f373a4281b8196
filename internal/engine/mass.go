package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// A mass change replaces very many values of one field by a blank or by one and
// the same value: a list cleared by mistake, a broken import. It is counted per
// mapping, side written and new value over a rolling hour, and stops that
// mapping until a person confirms or discards it.
//
// The counts ride in the sync's lease, which every lot writes anyway. What looks
// like part of something larger waits one round before it is written, so that
// whatever was queued with it is counted first.

const (
	massSlot   = 10 * time.Minute // the hour is counted in slots of so long
	massSlots  = 7                // the present one and those of the hour before
	massKept   = 16               // kinds of change that the lease has room for
	massRoom   = 260              // and bytes
	massLook   = 10 * time.Second // how long a change waits at least that may be part of a larger one
	massWait   = 5 * time.Minute  // and at most
	massAlike  = 5                // so many values replaced by the same one in one piece of work may be
	massQueued = 5                // messages in the queue that make one cleared value suspect
)

// weighing stands in the place of a mapping for records whose change is weighed.
const weighing = crm.MappingID("$weighed")

// massKind names one kind of change; Value is a fingerprint, "" of a blank.
type massKind struct {
	Mapping crm.MappingID
	Side    crm.Side
	Value   string
}

// name is short, for the lease has little room: 36 bits tell enough kinds apart.
func (k massKind) name() string {
	h := sha256.Sum256([]byte(string(k.Mapping) + "|" + string(k.Side) + "|" + k.Value))
	return base64.RawURLEncoding.EncodeToString(h[:])[:6]
}

// massCounts are the changes of the hour, as the lease keeps them.
type massCounts struct {
	At int64              `json:"at"` // the slot of the first number
	N  map[string][]int64 `json:"n"`  // by kind, latest slot first
}

// turn moves the counts to the slot of a time.
func (c *massCounts) turn(now time.Time) {
	at := now.Unix() / int64(massSlot/time.Second)
	by := at - c.At
	c.At = max(at, c.At)
	if by <= 0 {
		return
	}
	for k, n := range c.N {
		if by >= massSlots {
			delete(c.N, k)
			continue
		}
		moved := append(make([]int64, by), n...)
		c.N[k] = moved[:min(len(moved), massSlots)]
		if sum(c.N[k]) == 0 {
			delete(c.N, k)
		}
	}
}

func (c *massCounts) add(k massKind, n int64) {
	if c.N == nil {
		c.N = map[string][]int64{}
	}
	got := c.N[k.name()]
	if len(got) == 0 {
		got = make([]int64, 1)
	}
	got[0] += n
	c.N[k.name()] = got
}

func (c *massCounts) of(k massKind) int64 { return sum(c.N[k.name()]) }

func sum(ns []int64) (total int64) {
	for _, n := range ns {
		total += n
	}
	return total
}

// kept is what of the counts is worth its room in the lease. Of more kinds than
// there is room for, the rare ones begin anew, all at once: so none is counted
// too high, and one that makes up more than a few percent of all changes has
// come again before it is forgotten, and is kept from then on.
func (c *massCounts) kept() *massCounts {
	names := make([]string, 0, len(c.N))
	for name := range c.N {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(sum(c.N[b]), sum(c.N[a])), strings.Compare(a, b))
	})
	room, fit := massRoom, 0
	for fit < min(len(names), massKept) {
		if room -= len(names[fit]) + 5 + 2*len(c.N[names[fit]]); room < 0 {
			break
		}
		fit++
	}
	out := &massCounts{At: c.At, N: map[string][]int64{}}
	less := int64(0)
	if fit < len(names) {
		less = sum(c.N[names[fit]])
	}
	for _, name := range names[:fit] {
		if sum(c.N[name]) > less {
			out.N[name] = slices.Clone(c.N[name])
		}
	}
	if len(out.N) == 0 {
		return nil
	}
	return out
}

// learnMass takes over what the last holder of the lease counted.
func (s *session) learnMass(ctx context.Context, l *lease) (err error) {
	s.mass = massCounts{}
	if l.Mass != nil {
		s.mass.At = l.Mass.At
		for name, n := range l.Mass.N {
			if s.mass.N == nil {
				s.mass.N = map[string][]int64{}
			}
			s.mass.N[name] = slices.Clone(n)
		}
	}
	s.mass.turn(s.Now())
	s.brakes = nil
	if l.Brakes {
		s.brakes, err = s.loadBrakes(ctx, s.scope)
	}
	return err
}

// tellMass puts what was counted into the lease that is to be written.
func (s *session) tellMass(l *lease) {
	s.mass.turn(s.Now())
	l.Mass, l.Brakes = s.mass.kept(), s.brakes != nil && len(s.brakes.List) > 0
}

// replaced lists the kinds of change that a unit's decision makes. What a person
// confirmed in a plan, asked for or decided is none.
func (s *session) replaced(u *unit) []massKind {
	if !u.decided || !u.link.paired() || u.fate.stopped() || u.fate.weighed || u.into != nil || u.hint.Expect != "" ||
		u.hint.Op != "" || u.undoes() {
		return nil
	}
	var out []massKind
	for i := range u.decision.Fields {
		f := &u.decision.Fields[i]
		for side, word := range crm.Sides {
			if w := u.decision.Write(word); f.Replaces[side] && w != nil {
				if v, ok := w.Intended[f.Mapping]; ok {
					out = append(out, massKind{f.Mapping, word, massPrint(v)})
				}
			}
		}
	}
	return out
}

// massPrint tells values apart in few bytes: two that look alike are counted
// together, which 32 bits make rare.
func massPrint(v crm.Value) string {
	if v.Blank() {
		return ""
	}
	return v.Digest()[:8]
}

// weigh is asked after the decisions and before anything is written. It
// stops mappings of which too much would change, and lets wait what may be part
// of something larger.
func (s *session) weigh(ctx context.Context, jobs []*job, us []*unit) error {
	byKind := map[massKind][]*unit{}
	for _, u := range us {
		u.mass = u.mass[:0]
		for _, k := range s.replaced(u) {
			switch b := s.brakes.decided(k, u); {
			case b == nil:
				byKind[k] = append(byKind[k], u)
				u.mass = append(u.mass, k)
			case b.Decision == decisionDiscarded:
				u.discard = append(u.discard, k.Mapping)
			default:
				s.Mark("mass_change_confirmed")
			}
		}
		if len(u.discard) > 0 {
			s.Mark("mass_change_discarded")
			s.decideAnew(u)
		}
	}
	kinds := make([]massKind, 0, len(byKind))
	for k := range byKind {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(a, b massKind) int {
		return cmp.Or(cmp.Compare(a.Mapping, b.Mapping), cmp.Compare(a.Side, b.Side), cmp.Compare(a.Value, b.Value))
	})
	s.mass.turn(s.Now())
	for _, k := range kinds {
		if err := s.weighKind(ctx, k, jobs, byKind[k], us); err != nil {
			return err
		}
	}
	return nil
}

// weighKind decides about one kind of change in one piece of work.
func (s *session) weighKind(ctx context.Context, k massKind, jobs []*job, us, all []*unit) error {
	fresh := k.fresh(us)
	total, limit := s.mass.of(k)+fresh, s.Tuning.ChangeFloor
	if total > limit {
		if err := s.learnCounted(ctx, us); err != nil {
			return err
		}
		fresh = k.fresh(us)
		total = s.mass.of(k) + fresh
	}
	if total > limit {
		_, links, err := s.liveCounts(ctx, s.scope)
		if err != nil {
			return err
		}
		if limit = s.massLimit(k, links); total > limit {
			return s.brake(ctx, k, all, total, links)
		}
	}
	wait, err := s.mayGrow(ctx, k, jobs, fresh, int64(len(all)))
	if err != nil || !wait {
		return err
	}
	s.Mark("mass_change_weighed")
	if err := s.learnCounted(ctx, us); err != nil {
		return err
	}
	var marks []store.Write
	for _, u := range us {
		if u.fate.weighed {
			continue
		}
		for _, each := range u.mass {
			if u.hint.Weighed || slices.Contains(u.counted, each) {
				continue
			}
			s.mass.add(each, 1)
			u.counted = append(u.counted, each)
			marks = append(marks, store.Write{Item: store.Item{
				Key: s.countedKey(u, each), Expires: s.Now().Add(massSlots * massSlot),
			}})
		}
		u.hint.Weighed, u.fate.weighed = true, true
	}
	if err := s.keepMass(ctx); err != nil || len(marks) == 0 {
		return err
	}
	_, errs := s.Store.BatchWrite(ctx, marks)
	return errors.Join(errs...)
}

// fresh is how many units have not been counted for a kind of change.
func (k massKind) fresh(us []*unit) (n int64) {
	for _, u := range us {
		if !u.hint.Weighed && !slices.Contains(u.counted, k) {
			n++
		}
	}
	return n
}

// countedKey says that a pair was counted for a kind of change before it was written: an
// app may tell of it several times until then, and of both its records.
func (s *session) countedKey(u *unit, k massKind) store.Key {
	return s.key("sync", fmt.Sprintf("counted#%s#%016x", k.name(), hash64(u.leftID())))
}

// learnCounted finds out which of the units that were not asked about yet were counted.
func (s *session) learnCounted(ctx context.Context, us []*unit) error {
	type asked struct {
		u *unit
		k massKind
	}
	var of []asked
	var keys []store.Key
	for _, u := range us {
		if u.hint.Weighed {
			continue
		}
		for _, k := range u.mass {
			if !slices.Contains(u.counted, k) {
				of, keys = append(of, asked{u, k}), append(keys, s.countedKey(u, k))
			}
		}
	}
	items, err := batchGet(s.Store.BatchGet).inParts(ctx, keys)
	if err != nil {
		return err
	}
	for i, it := range items {
		if it.Version != 0 {
			s.Mark("mass_change_heard_of_again")
			of[i].u.counted = append(of[i].u.counted, of[i].k)
		}
	}
	return nil
}

// massLimit is how many changes of a kind an hour may bring.
func (s *session) massLimit(k massKind, links int64) int64 {
	share := s.Tuning.ChangeShare
	if k.Value == "" {
		share = s.Tuning.ClearShare
	}
	return max(s.Tuning.ChangeFloor, int64(float64(links)*share))
}

// mayGrow reports whether more changes of the kind may be on their way. A record
// waits for them once: see attendWeighed.
func (s *session) mayGrow(ctx context.Context, k massKind, jobs []*job, fresh, among int64) (bool, error) {
	if fresh == 0 || k.Value != "" && fresh < massAlike {
		return false, nil // all of them have waited, or too few are alike; nothing is read for these, who are the most
	}
	r, err := s.listing(ctx, jobs)
	if err != nil {
		return false, err
	}
	if r != nil && r.Phase != phaseLeft && r.Phase != phaseRight && s.mass.of(k)+r.Listed <= s.Tuning.ChangeFloor {
		return false, nil // all of it together is not many, nor with what the hour brought before
	}
	switch {
	case k.Value == "" && r != nil:
		return r.Listed > among || r.Phase == phaseLeft || r.Phase == phaseRight, nil
	case k.Value == "":
		return fresh > 1 || s.backlog(ctx) >= massQueued, nil
	case r == nil:
		return true, nil
	}
	_, links, err := s.liveCounts(ctx, s.scope)
	if err != nil {
		return false, err
	}
	listed := max(r.Listed, among)
	return s.mass.of(k)+2*fresh*listed/max(among, 1) > s.massLimit(k, links), nil
}

// listing returns the open run that the first of the jobs belongs to; nil when
// no run waits for them.
func (s *session) listing(ctx context.Context, jobs []*job) (*storedRun, error) {
	for _, j := range jobs {
		if !j.chunk.Counted || j.chunk.Run == "" {
			continue
		}
		r, err := s.loadRun(ctx, s.ws, j.chunk.Run)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		return r, err
	}
	return nil, nil //nolint:nilnil // no run is no error
}

// decideAnew decides on a unit anew, now that one of its mappings is stopped or discarded.
func (s *session) decideAnew(u *unit) {
	u.mass = u.mass[:0]
	b := batch{session: s}
	u.decided = false
	if err := s.guarded(func() error { b.decidePair(u); return nil }); err != nil {
		u.decide(crm.Failed, crm.StateFailing, "internal_error", "an internal check failed on this record")
	}
	u.stays()
	u.mass = s.replaced(u)
	u.mass = slices.DeleteFunc(u.mass, func(k massKind) bool { return s.brakes.decided(k, u) != nil })
}

// countMass enters what a unit changed, unless it was counted when it was weighed.
func (s *session) countMass(u *unit) {
	if u.hint.Weighed {
		return
	}
	for _, k := range u.mass {
		if u.written.Get(k.Side) != nil && !u.failed(k.Side) && !slices.Contains(u.counted, k) {
			s.mass.add(k, 1)
		}
	}
}

// keepMass stores the counts at once: rarely, when much depends on them.
func (s *session) keepMass(ctx context.Context) error {
	if err := s.ensureLease(ctx, nil); err != nil || s.lease == nil {
		return err
	}
	next := *s.lease
	s.tellMass(&next)
	w, err := next.asWrite(s.scope)
	if err != nil {
		return err
	}
	if next.version, err = s.Store.Write(ctx, w); err == nil {
		s.lease = &next
	}
	return err
}

// halted lists the mappings that wait for a person; nil when none does.
func (s *session) halted() map[crm.MappingID]bool {
	if s.brakes == nil {
		return nil
	}
	var out map[crm.MappingID]bool
	for i := range s.brakes.List {
		if b := &s.brakes.List[i]; b.Decision == "" {
			if out == nil {
				out = map[crm.MappingID]bool{}
			}
			out[b.Mapping] = true
		}
	}
	return out
}

// stopped lists the mappings of a unit's decision that a mass change keeps waiting.
func (u *unit) stopped() []crm.MappingID {
	var out []crm.MappingID
	for i := range u.decision.Fields {
		if u.decision.Fields[i].Rule == reconcile.RuleHalted {
			out = append(out, u.decision.Fields[i].Mapping)
		}
	}
	return out
}
