package engine

import (
	"context"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// unit is one record, or one pair, on its way through the five steps.
type unit struct {
	side  crm.Side // whose record asked
	id    crm.RecordID
	hint  hint
	jobs  []*job       // chunks that asked; the first counts it
	named crm.RecordID // by the first of them
	both  bool         // hints of both sides were merged: look at both whatever the digests say
	told  []hint       // of merges on the other side: of a pair whose ends were merged, only one end leads
	into  *unit        // merged into another unit of this batch
	took  []*unit      // those merged into this one: found to be its twin

	link     *link                    // nil = never seen
	born     crm.RecordID             // the record of the other side that it was about to be stored with, while the pair was not
	unborn   *formerPair              // what is remembered of that record by itself; nil = nothing, or unknown
	versions crm.PerSide[int64]       // item versions under the left and the right record's key
	before   []counted                // states it was counted in before
	absorbed []counted                // the same of a twin that it may be paired with
	aside    string                   // why a right twin that a person joins it with was set aside
	leaves   *formerPair              // the deleted pair that this twin still belongs to
	rec      crm.PerSide[*crm.Record] // as read now; nil = not read or not there
	absent   crm.PerSide[bool]        // read, and not there
	moved    crm.PerSide[*crm.Record] // read, and merged into another record
	keeps    bool                     // what is remembered of it stays as it is: a request to link could not be carried out
	match    reconcile.Match          // of an unlinked record
	lookups  []reconcile.Lookup
	keys     []reconcile.Key // its identity keys, when unlinked
	twins    []crm.RecordID  // others of its own side with the same identity

	decided bool            // plan is set
	quiet   bool            // nothing to do, nothing to store
	weighed bool            // its change may be part of a larger one: it waits
	mass    []massKind      // what its plan replaces
	discard []crm.MappingID // mappings whose change a person does not want
	plan    reconcile.Plan
	others  []crm.RecordID
	rival   crm.RecordID // of its own side: the record that its twin is linked to

	claims    []string                              // identity keys to claim before the create
	wait      time.Duration                         // put off: look again after this
	waitFor   string                                // why
	beside    bool                                  // a plan's change and something else that was heard of the record
	blameless bool                                  // waiting does not count as a try
	failure   error                                 // of its work as a whole
	unread    error                                 // why one of its records could not be read
	failures  crm.PerSide[error]                    // of its write on a side, for good
	refused   crm.PerSide[[]refusedField]           // fields that a side's app refused, by themselves
	narrowed  crm.PerSide[int]                      // how often the write was narrowed; negative: it is to be repeated
	more      bool                                  // narrowed as often as it may be: what is left of the write was not tried
	unknown   bool                                  // its write may have landed
	undone    bool                                  // its write was not tried, or surely did not land
	byApp     crm.PerSide[uint64]                   // the mappings of our last write to a side that nobody edited since
	was       crm.PerSide[map[crm.MappingID]string] // what they held before that write
	recalled  bool                                  // its link holds what is not stored yet: see recall
	stored    []reconcile.Stored                    // what an app stored otherwise than it was sent
	idle      bool                                  // failed before, and nothing changed since: not tried again
	barred    crm.PerSide[bool]                     // its write to this side waits for a right
	written   crm.PerSide[*connector.Written]
	request   *connector.Exchange
}

// counted is the name of a counter that a link adds one to: of one record in
// one state, of pairs with settled fields, of those by reason, of pairs with
// frozen fields.
type counted string

// The names of counters begin with the side, or with countSettled
// or countFrozen.
const (
	countSettled = "settled:"
	countFrozen  = "frozen:"
	countLinks   = "links" // however many fields and reasons
)

func (u *unit) own() *crm.Record     { return u.rec.Get(u.side) }
func (u *unit) partner() *crm.Record { return u.rec.Get(u.side.Other()) }

// decide sets a plan that came from elsewhere than the planner.
func (u *unit) decide(o crm.Outcome, st crm.State, code, detail string) {
	u.plan = reconcile.Plan{Outcome: o, State: st, Code: code, Detail: detail}
	u.decided = true
}

// rests reports whether what is planned for a side waits in the store, untried.
func (u *unit) rests(side crm.Side) bool { return u.barred.Get(side) || u.weighed }

// comesAgain puts a record off that an app has no answer for now: a limit is no
// fault of the record, whatever else it is gets more time with every try.
func (u *unit) comesAgain(err error) {
	u.blameless = fault.Is(err, fault.Throttled)
	wait := time.Second
	if !u.blameless {
		wait = ladder(u.hint.Tries)
	}
	u.deferFor(max(wait, fault.RetryAfter(err)), fault.CodeOf(err))
}

func (u *unit) deferFor(d time.Duration, why string) { u.wait, u.waitFor = d, why }

// lot is what is written together: whole chunks, up to Tuning.LotSize records.
type lot struct {
	id         string
	jobs       []*job
	units      []*unit
	intent     *intent
	stored     []int64 // versions of the stored intent's items
	inLease    bool    // the intent is stored with the lease instead
	unfinished bool    // some of it has neither an outcome nor waits in the store
}

// quiet reports whether nothing in the lot is to be written or remembered.
func (l *lot) quiet() bool {
	return !slices.ContainsFunc(l.units, func(u *unit) bool { return !u.quiet })
}

// claims reports whether the lot makes identities its own.
func (l *lot) claims() bool {
	return slices.ContainsFunc(l.units, func(u *unit) bool { return len(u.claims) > 0 })
}

// putOff lets what was not written wait; it is no fault of the records.
func (l *lot) putOff(wait time.Duration, why string) {
	for _, u := range l.units {
		if u.undone && !u.unknown {
			u.undone, u.blameless = false, true
			u.deferFor(wait, why)
		}
	}
}

// lots packs chunks, in order, into lots.
func (s *session) lots(jobs []*job, us []*unit) []*lot {
	byJob := map[*job][]*unit{}
	for _, u := range us {
		byJob[u.jobs[0]] = append(byJob[u.jobs[0]], u)
	}
	var out []*lot
	for _, j := range jobs {
		last := len(out) - 1
		if last < 0 || len(out[last].units)+len(byJob[j]) > s.lotSize() && len(out[last].units) > 0 || len(out[last].jobs) >= 20 {
			out = append(out, &lot{id: s.NewID("int")})
			last++
		}
		out[last].jobs = append(out[last].jobs, j)
		out[last].units = append(out[last].units, byJob[j]...)
	}
	return out
}

type unitKey struct {
	side crm.Side
	id   crm.RecordID
}

// gather merges the hints of all jobs per record, loads what is remembered of
// each, and merges the two ends of one link.
func (s *session) gather(ctx context.Context, jobs []*job) ([]*unit, error) {
	var us []*unit
	index := map[unitKey]*unit{}
	for _, j := range jobs {
		for _, h := range j.chunk.Hints {
			h = h.ofSurvivor()
			k := unitKey{j.chunk.Side, h.ID}
			if u := index[k]; u != nil {
				u.absorb(h, j)
				s.Mark("hints_merged")
				continue
			}
			u := &unit{side: j.chunk.Side, id: h.ID, hint: h, jobs: []*job{j}, named: h.ID}
			index[k] = u
			us = append(us, u)
		}
	}
	if err := s.loadHinted(ctx, us); err != nil {
		return nil, err
	}
	return s.mergeEnds(us), nil
}

// ofSurvivor turns the hint about a record that lost a merge into one about the
// record that it lives on in.
func (h hint) ofSurvivor() hint {
	if h.Into == "" || h.Into == h.ID {
		return h
	}
	return hint{ID: h.Into, Merged: append([]crm.RecordID{h.ID}, h.Merged...), Primary: h.Primary, Tries: h.Tries}
}

// absorb merges another hint for the same record.
func (u *unit) absorb(h hint, j *job) {
	if !slices.Contains(u.jobs, j) {
		u.jobs = append(u.jobs, j)
	}
	if h.Digest != u.hint.Digest {
		u.hint.Digest = ""
	}
	u.hint.Gone = u.hint.Gone || h.Gone
	u.hint.Confirm = u.hint.Confirm || h.Confirm
	u.hint.Force = u.hint.Force || h.Force
	u.hint.Again = u.hint.Again || h.Again
	u.hint.Audit = u.hint.Audit || h.Audit
	u.hint.Weighed = u.hint.Weighed || h.Weighed
	if h.Decided != "" {
		u.hint.Decided = h.Decided
	}
	u.hint.Tries = max(u.hint.Tries, h.Tries)
	if h.Holder != "" {
		u.hint.Holder = h.Holder
	}
	u.hint.Twins, u.hint.Doubles = join(u.hint.Twins, h.Twins), join(u.hint.Doubles, h.Doubles)
	for _, id := range h.Merged {
		if !slices.Contains(u.hint.Merged, id) {
			u.hint.Merged = append(slices.Clone(u.hint.Merged), id)
		}
	}
	if h.Primary != "" {
		u.hint.Primary = h.Primary
	}
	if h.Op != "" {
		u.hint.Op, u.hint.Partner, u.hint.Resolve, u.hint.Thaw = h.Op, h.Partner, h.Resolve, h.Thaw
	}
	u.beside = u.beside || (h.Expect == "") != (u.hint.Expect == "")
	if h.Expect != "" {
		u.hint.Expect = h.Expect
	}
}

// join returns the IDs of both lists, each once.
func join(a, b []crm.RecordID) []crm.RecordID {
	for _, id := range b {
		if !slices.Contains(a, id) {
			a = append(slices.Clone(a), id)
		}
	}
	return a
}

// mergeEnds keeps one unit for the two ends of a link.
func (s *session) mergeEnds(us []*unit) []*unit {
	pairs := map[store.Key]*unit{}
	alone := map[unitKey]*unit{}
	out := us[:0:0]
	for _, u := range us {
		if u.id != u.hint.ID {
			u.hint.Primary = "" // who was the primary of an earlier merge says nothing of the last one
		}
		if !u.link.paired() {
			k := unitKey{u.side, u.id}
			if first := alone[k]; first != nil {
				s.Mark("hints_merged")
				first.absorbUnit(u)
				continue
			}
			alone[k] = u
			out = append(out, u)
			continue
		}
		k := u.link.key(s.scope)
		first := pairs[k]
		if first == nil {
			pairs[k] = u
			out = append(out, u)
			continue
		}
		if first.side == u.side {
			s.Mark("hints_merged")
			first.absorbUnit(u)
			continue
		}
		s.Mark("ends_merged")
		first.both = first.both || !s.same(u)
		first.hears(u)
		first.beside = first.beside || u.beside || (u.hint.Expect == "") != (first.hint.Expect == "")
		first.hint.Force = first.hint.Force || u.hint.Force
		first.hint.Again = first.hint.Again || u.hint.Again
		first.hint.Audit = first.hint.Audit || u.hint.Audit
		first.hint.Weighed = first.hint.Weighed || u.hint.Weighed
		if u.hint.Decided != "" {
			first.hint.Decided = u.hint.Decided
		}
		for _, j := range u.jobs {
			if !slices.Contains(first.jobs, j) {
				first.jobs = append(first.jobs, j)
			}
		}
		if u.hint.Gone || u.hint.Confirm || u.hint.Op != "" || len(u.hint.Merged) > 0 && first.hint.Op == "" && !first.hint.Gone && !first.hint.Confirm {
			// A deletion, a merge or a person's wish keeps its own side: it goes first, the other end is looked at with it.
			first.side, first.id, first.hint, first.told = u.side, u.id, u.hint, u.told
			first.both = true
		}
	}
	return out
}

// absorbUnit takes over what another unit was asked: of a record that was asked
// for by an ID that it had before a merge, too.
func (u *unit) absorbUnit(o *unit) {
	for _, j := range o.jobs {
		u.absorb(o.hint, j)
	}
	u.both, u.beside, u.told = u.both || o.both, u.beside || o.beside, append(u.told, o.told...)
}

// hears lets each of two units of one pair know of all the merges that the
// other was told of: whichever of them leads, none goes unnoticed.
func (u *unit) hears(o *unit) {
	mine, theirs := u.news(), o.news()
	u.learn(theirs)
	o.learn(mine)
}

// news are the merges that a unit was told of, by the side of the survivor.
func (u *unit) news() (out crm.PerSide[[]hint]) {
	out.Set(u.side.Other(), u.told)
	if len(u.hint.Merged) > 0 {
		out.Set(u.side, []hint{{ID: u.id, Merged: u.hint.Merged, Primary: u.hint.Primary}})
	}
	return out
}

func (u *unit) learn(news crm.PerSide[[]hint]) {
	for _, h := range news.Get(u.side) {
		u.hint.Merged = join(u.hint.Merged, h.Merged)
		if u.hint.Primary == "" {
			u.hint.Primary = h.Primary
		}
	}
	u.told = append(slices.Clone(u.told), news.Get(u.side.Other())...)
}

// same reports whether a pull saw the record just as the link remembers it,
// under the settings that decided then: there is nothing to do.
func (s *session) same(u *unit) bool {
	l := u.link
	if l != nil && l.Code == reconcile.CodeUpdateOnly && u.jobs[0].chunk.Kind == RunResync {
		return false // a twin may have come since; only a pull that looks at everything asks for it again
	}
	return l != nil && u.hint.Digest != "" && u.hint.Digest == l.seen(u.side) && (s.settled(l) || s.spent(l) && u.jobs[0].chunk.Kind != RunResync) &&
		!u.hint.Force && !u.hint.Again && !u.hint.Gone && u.hint.Op == "" && u.hint.Expect == ""
}

// spent reports whether the record failed for good under the present settings:
// as long as it is unchanged nothing else comes of another try.
func (s *session) spent(l *link) bool {
	return l.State == crm.StateFailing && l.Once && l.Settings == s.set.Digest() && !s.set.Timed()
}

// settled reports whether the link's state follows from the two records and
// the present settings alone, so that unchanged records mean an unchanged state.
func (s *session) settled(l *link) bool {
	return l.Settings == s.set.Digest() && (l.State == crm.StateInSync && l.Code == "" || l.State == crm.StateExcluded) && !s.set.Timed()
}

// loadLinks reads what is remembered of each unit's record, following aliases.
func (s *session) loadLinks(ctx context.Context, us []*unit) error {
	return s.loadLinksBy(ctx, us, s.Store.BatchGet)
}

// maxAliases bounds how many aliases are followed one after the other: a chain
// of merges leaves one for each.
const maxAliases = 32

// batchGet is how items are read.
type batchGet func(context.Context, []store.Key) ([]store.Item, error)

func (s *session) loadLinksBy(ctx context.Context, us []*unit, get batchGet) error {
	keys := make([]store.Key, len(us))
	for i, u := range us {
		keys[i] = s.record(u.side, u.id)
	}
	followed := map[*unit]crm.RecordID{}
	aside := map[*unit]*link{} // what they were before their alias
	for depth := 0; len(us) > 0 && depth < maxAliases; depth++ {
		items, err := get.inParts(ctx, keys)
		if err != nil {
			return err
		}
		var again []*unit
		keys = keys[:0]
		for i, it := range items {
			u := us[i]
			if it.Version == 0 && aside[u] != nil {
				u.restore(s, aside[u])
				continue
			}
			if it.Version == 0 {
				u.born = followed[u] // only the alias was stored, not the pair's link any more
				continue
			}
			l, err := decodeLink(it)
			if err != nil {
				return err
			}
			if l.AliasOf == "" && u.side == crm.Right && l.Left != "" && l.Right != u.id {
				if aside[u] != nil {
					u.restore(s, aside[u])
				} else if l.Right == "" && l.State != crm.StateDeleted && !l.setAside() {
					u.born, u.unborn = l.Left, &formerPair{l, it.Version} // what is remembered of it is older than the alias
				} else {
					s.Mark("stale_alias") // the left record was paired with another one since
				}
				continue
			}
			if l.AliasOf == "" {
				u.adopt(l, it.Version)
				if l.Code == codeCreateInFlight && len(l.Others) == 1 {
					u.born = l.Others[0]
				}
				continue
			}
			next := s.record(crm.Left, l.AliasOf)
			if l.Merged && followed[u] != "" {
				followed[u] = l.AliasOf // its partner lost a merge: the survivor says whose it is
			} else if l.Merged {
				s.Mark("merged_alias_followed")
				u.id = l.AliasOf
				next = s.record(u.side, l.AliasOf)
			} else {
				u.versions.Set(crm.Right, it.Version)
				followed[u], aside[u] = l.AliasOf, l.restored(u.id)
			}
			again, keys = append(again, u), append(keys, next)
		}
		us = again
	}
	return nil
}

// inParts reads any number of items.
func (get batchGet) inParts(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	out := make([]store.Item, 0, len(keys))
	for part := range slices.Chunk(keys, 1000) {
		items, err := get(ctx, part)
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
	}
	return out, nil
}

// forget drops what was loaded of the unit's record.
func (u *unit) forget() {
	u.id = u.hint.ID // a merge's trace may have been followed
	u.link, u.versions, u.before, u.born, u.unborn = nil, crm.PerSide[int64]{}, nil, "", nil
}

// restore takes a right record for set aside as it was before a person had it
// joined: its worker ended between the alias and the pair. It stays so until
// that request, which comes again, is carried out.
func (u *unit) restore(s *session, l *link) {
	s.Mark("aside_restored")
	u.adopt(l, u.versions.Right)
}

// adopt takes a stored link as the unit's own.
func (u *unit) adopt(l *link, version int64) {
	u.link = l
	side := crm.Left
	if l.Left == "" {
		side = crm.Right
	}
	u.versions.Set(side, version)
	u.before = l.counted()
}

// counted says where the link and its records are counted.
func (l *link) counted() []counted {
	var out []counted
	for _, side := range crm.Sides {
		if l.id(side) != "" {
			out = append(out, counted(string(side)+":"+string(l.State)))
		}
	}
	told := l.State == crm.StateInSync || l.State == crm.StateConflict || l.State == crm.StateFailing
	if l.Loop != nil && len(l.Loop.Frozen) > 0 && told {
		out = append(out, countFrozen+countLinks)
	}
	if len(l.Reasons) > 0 && told {
		out = append(out, countSettled+countLinks)
		for _, why := range l.Reasons {
			out = append(out, counted(countSettled+string(why)))
		}
	}
	return out
}
