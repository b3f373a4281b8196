package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// observe is the first step: read both sides as they are now, and look for the
// twins of records that have none. What a pull saw unchanged is not read. Where
// a merge comes to light, links follow it first and everything is looked at
// anew; the units returned are those to go on with.
func (s *session) observe(ctx context.Context, us []*unit) ([]*unit, error) {
	for range mergeRounds {
		look, err := s.readPairs(ctx, us)
		if err != nil {
			return us, err
		}
		again, err := s.followMerges(ctx, look)
		if err != nil {
			return us, fmt.Errorf("follow merges: %w", err)
		}
		if !again {
			err := s.findTwins(ctx, look)
			s.sparesRead(look)
			return us, err
		}
		if us, err = s.afresh(ctx, us); err != nil {
			return us, err
		}
	}
	return us, fault.New("engine: observe", fault.Unavailable, "merges_unsettled", "the app tells of one merge after the other")
}

// readPairs reads both sides of what may have changed and returns it.
func (s *session) readPairs(ctx context.Context, us []*unit) ([]*unit, error) {
	s.sparesNamed(us)
	if err := s.expectMerges(ctx, us); err != nil {
		return nil, err
	}
	var look []*unit
	for _, u := range us {
		if u.erased() {
			continue
		}
		if !u.both && s.same(u) {
			s.Mark("unchanged_by_digest")
			u.quiet = true
			u.decide(crm.Unchanged, u.link.State, u.link.Code, "")
			continue
		}
		look = append(look, u)
	}
	if err := s.readOwn(ctx, look); err != nil {
		return nil, err
	}
	look = s.sparesRead(look)
	if err := s.askAbsorbed(ctx, look); err != nil {
		return nil, err
	}
	if err := s.readPartners(ctx, look); err != nil {
		return nil, err
	}
	look = s.sparesRead(look)
	if err := s.recall(ctx, look); err != nil {
		return nil, err
	}
	return look, s.attribute(ctx, look)
}

// readOwn reads the record that each hint names.
func (s *session) readOwn(ctx context.Context, us []*unit) error {
	for _, side := range crm.Sides {
		var mine []*unit
		for _, u := range us {
			if u.side == side {
				mine = append(mine, u)
			}
		}
		if err := s.read(ctx, side, mine, func(u *unit) crm.RecordID { return u.id }); err != nil {
			return err
		}
	}
	for _, u := range us {
		if u.own() == nil || !u.link.paired() || u.both || u.hint.Force || u.hint.Op != "" || u.hint.Expect != "" || !s.settled(u.link) {
			continue
		}
		if u.link.State == crm.StateExcluded {
			continue // what the other side did while the pair was left out was passed over then
		}
		if s.set.Agrees(u.side, u.own(), u.link.Base) {
			// This side still holds what both agreed on; the other side's changes come with hints of their own.
			s.Mark("unchanged_by_base")
			u.quiet = true
			u.decide(crm.Unchanged, u.link.State, u.link.Code, "")
		}
	}
	return nil
}

// readPartners reads the other end of every link that is still open.
func (s *session) readPartners(ctx context.Context, us []*unit) error {
	for _, side := range crm.Sides {
		var theirs []*unit
		for _, u := range us {
			if !u.decided && u.side == side.Other() && u.link.paired() && u.own() != nil {
				theirs = append(theirs, u)
			}
		}
		if err := s.read(ctx, side, theirs, func(u *unit) crm.RecordID { return u.link.id(side) }); err != nil {
			return err
		}
	}
	return nil
}

// read reads one record per unit on side, in as few calls as the app allows.
func (s *session) read(ctx context.Context, side crm.Side, us []*unit, id func(*unit) crm.RecordID) error {
	e := s.end(side)
	for part := range slices.Chunk(us, max(e.app.Limits.ReadBatch, 1)) {
		ids := make([]crm.RecordID, len(part))
		for i, u := range part {
			ids[i] = id(u)
		}
		reads, err := s.batchRead(ctx, side, ids)
		if err != nil {
			return err
		}
		for i, r := range reads {
			switch {
			case r.Err == nil && r.Record != nil && !r.Record.Deleted:
				part[i].rec.Set(side, r.Record)
			case r.Err == nil && r.Record != nil && r.Record.MergedInto != "" && r.Record.MergedInto != r.Record.ID:
				s.Mark("merge_told_by_a_read")
				part[i].moved.Set(side, r.Record)
				part[i].absent.Set(side, true)
			case r.Err == nil || fault.Is(r.Err, fault.NotFound):
				part[i].absent.Set(side, true)
			default:
				s.unread(part[i], side, r.Err)
			}
		}
	}
	return nil
}

// unread gives a record that could not be read an outcome of its own: it is put
// off while that may help, and fails by itself otherwise.
func (s *session) unread(u *unit, side crm.Side, err error) {
	s.Mark("row_not_read")
	u.unread = atSide(side, "read record", err)
	u.decided = true
	switch fault.KindOf(err) {
	case fault.Throttled, fault.Unavailable, fault.Conflict:
		u.comesAgain(err)
	case fault.NotFound, fault.Invalid, fault.Unsupported, fault.Denied, fault.Other:
		u.decide(crm.Failed, crm.StateFailing, fault.CodeOf(err), safeText(err))
		u.failure = u.unread
	}
}

// readAll is read for whoever can do nothing without every record.
func (s *session) readAll(ctx context.Context, side crm.Side, us []*unit, id func(*unit) crm.RecordID) error {
	if err := s.read(ctx, side, us, id); err != nil {
		return err
	}
	for _, u := range us {
		if u.unread != nil {
			return u.unread
		}
	}
	return nil
}

func (s *session) batchRead(ctx context.Context, side crm.Side, ids []crm.RecordID) ([]connector.Read, error) {
	e := s.end(side)
	cctx, done, err := s.ask(ctx, side, askOne)
	if err != nil {
		return nil, err
	}
	defer done()
	asked := e.fields
	reads, err := e.BatchRead(cctx, e.object, ids, asked)
	if field, missed := s.missed(side, err); missed {
		if err := s.without(ctx, side, []string{field}); err != nil {
			return nil, err
		}
		return s.batchRead(ctx, side, ids)
	}
	if err != nil {
		return nil, atSide(side, "read records", err)
	}
	if len(reads) != len(ids) {
		return nil, fault.New("engine: read records", fault.Unavailable, "malformed_answer", "the app answered for other records than were asked")
	}
	for i := range reads {
		if gone := s.lacking(side, asked, reads[i].Record); len(gone) > 0 {
			return reads, s.without(ctx, side, gone)
		}
	}
	return reads, nil
}

// findTwins looks for the other side's record of everything that has none, and
// for doubles on its own side.
func (s *session) findTwins(ctx context.Context, us []*unit) error {
	ask := questions{}
	var open []*unit
	for _, u := range us {
		if u.decided || u.link.paired() || u.own() == nil || u.hint.Op == opUnlink {
			continue
		}
		if u.hint.Op == opLink {
			if err := s.readNamedTwin(ctx, u); err != nil {
				return err
			}
			continue
		}
		if u.link.setAside() {
			s.markIf(u.link.apart(), "kept_apart")
			s.markIf(!u.link.apart(), "merged_twin_left")
			s.leaveAside(u)
			continue
		}
		if p, ok := s.set.Admit(u.side, u.own(), s.Now()); !ok && u.born == "" { // of what we made ourselves nobody asks any more
			u.plan, u.decided = p, true
			continue
		}
		u.lookups = s.set.Lookups(u.side, u.own())
		u.keys = s.set.IdentityKeys(u.side, u.own())
		for _, l := range u.lookups {
			ask.add(l.Keys)
		}
		ask.add(u.keys)
		open = append(open, u)
	}
	set := s.set
	found, err := s.answer(ctx, ask)
	if err != nil {
		return err
	}
	byID, unread, err := s.readByID(ctx, open, found)
	if err != nil {
		return err
	}
	if s.set != set { // the app was seen to lack a field: ask without it
		return s.findTwins(ctx, us)
	}
	for _, u := range open {
		if s.namesUnread(u, unread) {
			continue
		}
		s.findTwin(u, found, byID)
	}
	if err := s.readBorn(ctx, open); err != nil {
		return err
	}
	if err := s.loadCandidates(ctx, open); err != nil {
		return err
	}
	return s.readTwins(ctx, open)
}

// findTwin decides whose twin a record is by what the apps answered, and by the
// records that were named to us in another way.
func (s *session) findTwin(u *unit, found answers, byID map[unitKey]*crm.Record) {
	other := u.side.Other()
	named := func(side crm.Side, ids []crm.RecordID) (out []crm.Record) {
		for _, id := range ids {
			if r := byID[unitKey{side, id}]; r != nil {
				out = append(out, *r)
			}
		}
		return out
	}
	twins := named(other, u.hint.Twins)
	holder := crm.RecordID("")
	if r := byID[unitKey{other, u.hint.Holder}]; r != nil {
		s.Mark("holder_looked_at")
		twins, holder = append(twins, *r), r.ID
	}
	answers := make([][]crm.Record, len(u.lookups))
	for i, l := range u.lookups {
		if l.ByID != "" {
			answers[i] = named(other, []crm.RecordID{l.ByID})
			continue
		}
		answers[i] = append(found.all(l.Keys), twins...)
	}
	own := found.all(u.keys)
	for _, r := range named(u.side, u.hint.Doubles) {
		if !slices.ContainsFunc(own, func(o crm.Record) bool { return o.ID == r.ID }) {
			own = append(own, r)
		}
	}
	u.match = s.set.DecideAmong(u.side, u.own(), answers, own, holder)
	standing := s.set.Standing(u.side, u.own(), own)
	s.markIf(len(standing.Crowded) > 0, "key_not_its_own")
	u.twins, u.keys = standing.Twins, standing.Keys
}

// namesUnread reports whether a record that may be the unit's twin could not be
// read, so that nothing can be decided about it now.
func (s *session) namesUnread(u *unit, unread map[unitKey]error) bool {
	other := u.side.Other()
	names := append([]crm.RecordID{u.hint.Holder}, u.hint.Twins...)
	for _, l := range u.lookups {
		names = append(names, l.ByID)
	}
	for _, id := range names {
		if err := unread[unitKey{other, id}]; err != nil {
			s.unread(u, other, err)
			return true
		}
	}
	return false
}

// readBorn takes the record that a unit was stored as the twin of for the match,
// whatever either is called by now: its worker ended before it stored the pair.
func (s *session) readBorn(ctx context.Context, us []*unit) error {
	var all []*unit
	for _, u := range us {
		if u.born != "" {
			all = append(all, u)
		}
	}
	for _, side := range crm.Sides {
		born := slices.DeleteFunc(slices.Clone(all), func(u *unit) bool { return u.side == side })
		if err := s.read(ctx, side, born, func(u *unit) crm.RecordID { return u.born }); err != nil {
			return err
		}
		for _, u := range born {
			u.absent.Set(side, false) // if it is gone, another twin may be there
			if twin := u.rec.Get(side); twin != nil {
				s.Mark("half_pair_completed")
				u.match, u.twins = reconcile.Match{Kind: reconcile.MatchFound, Record: twin}, nil
			}
		}
	}
	return nil
}

// readTwins reads the twins that were found once more by ID: what a search
// returns may be as old as its index.
func (s *session) readTwins(ctx context.Context, us []*unit) error {
	for _, side := range crm.Sides {
		var found []*unit
		for _, u := range us {
			if !u.decided && u.side == side.Other() && u.match.Kind == reconcile.MatchFound {
				found = append(found, u)
			}
		}
		if err := s.read(ctx, side, found, func(u *unit) crm.RecordID { return u.match.Record.ID }); err != nil {
			return err
		}
	}
	return nil
}

// loadCandidates reads what is remembered of the twins that were found: a twin
// that is linked already is not linked again.
func (s *session) loadCandidates(ctx context.Context, us []*unit) error {
	var cands []*unit
	var keys []store.Key
	for _, u := range us {
		if u.match.Kind == reconcile.MatchFound {
			cands = append(cands, u)
			keys = append(keys, s.record(u.side.Other(), u.match.Record.ID))
		}
	}
	items, err := batchGet(s.Store.BatchGet).inParts(ctx, keys)
	if err != nil {
		return err
	}
	for i, it := range items {
		u := cands[i]
		other := u.side.Other()
		u.versions.Set(other, it.Version)
		u.rec.Set(other, u.match.Record)
		if it.Version == 0 {
			continue
		}
		l, err := decodeLink(it)
		if err != nil {
			return err
		}
		free, left := s.free(ctx, l, u)
		if !free {
			s.Mark("twin_taken")
			u.decide(crm.Duplicate, crm.StateDuplicate, codeTwinTaken, "the matching record is linked to another one")
			u.others = []crm.RecordID{u.match.Record.ID}
			continue
		}
		u.leaves = left
		if l.AliasOf == "" {
			u.absorbed = l.counted()
		}
	}
	return nil
}

// free reports whether a remembered candidate may be linked to u, and which
// deleted pair of another left record it has to leave for that.
func (s *session) free(ctx context.Context, l *link, u *unit) (bool, *formerPair) {
	var version int64
	if l.AliasOf != "" {
		was := l.restored(u.recID(crm.Right))
		item, err := s.Store.Get(ctx, s.record(crm.Left, l.AliasOf))
		if err != nil && (was == nil || !fault.Is(err, fault.NotFound)) {
			return fault.Is(err, fault.NotFound), nil
		}
		if err == nil {
			if l, err = decodeLink(item); err != nil {
				return false, nil
			}
			version = item.Version
		}
		if was != nil && (err != nil || l.Right != was.Right) {
			l, u.absorbed, u.aside = was, was.counted(), was.Code // the pair of the alias was never stored
		}
	}
	if l.setAside() {
		return u.hint.Op == opLink, nil
	}
	if l.paired() && l.State == crm.StateDeleted && version != 0 && l.Left != u.id && l.Right == u.recID(crm.Right) {
		return true, &formerPair{l, version}
	}
	if !l.paired() || l.State == crm.StateDeleted || l.id(u.side) == u.id {
		return true, nil
	}
	u.rival = l.id(u.side)
	return false, nil
}

// formerPair is a deleted pair whose right record finds another twin. Its left
// record, if it is ever restored, must not claim the right one back.
type formerPair struct {
	*link
	version int64
}

// readByID reads the records that others name by ID: twins, holders of an
// identity, and what a full listing found, unless a look-up found it too.
func (s *session) readByID(ctx context.Context, us []*unit, found answers) (out map[unitKey]*crm.Record, unread map[unitKey]error, err error) {
	var ids [2][]crm.RecordID
	want := func(side crm.Side, id crm.RecordID) {
		if id != "" {
			ids[side.Index()] = append(ids[side.Index()], id)
		}
	}
	for _, u := range us {
		other := u.side.Other()
		want(other, u.hint.Holder)
		for _, l := range u.lookups {
			want(other, l.ByID)
		}
		for _, id := range u.hint.Twins {
			if !slices.ContainsFunc(u.lookups, func(l reconcile.Lookup) bool { return found.holds(l.Keys, id) }) {
				s.Mark("twin_known_by_listing")
				want(other, id)
			}
		}
		for _, id := range u.hint.Doubles {
			if !found.holds(u.keys, id) {
				want(u.side, id)
			}
		}
	}
	out, unread = map[unitKey]*crm.Record{}, map[unitKey]error{}
	for _, side := range crm.Sides {
		list := ids[side.Index()]
		slices.Sort(list)
		for part := range slices.Chunk(slices.Compact(list), max(s.end(side).app.Limits.ReadBatch, 1)) {
			reads, err := s.batchRead(ctx, side, part)
			if err != nil {
				return nil, nil, err
			}
			for _, r := range reads {
				switch {
				case r.Record != nil && !r.Record.Deleted:
					out[unitKey{side, r.ID}] = r.Record
				case r.Err != nil && !fault.Is(r.Err, fault.NotFound):
					unread[unitKey{side, r.ID}] = r.Err
				}
			}
		}
	}
	return out, unread, nil
}

// questions are values to look up, by side and field.
type questions map[questionKey][]string

type questionKey struct {
	side  crm.Side
	field string
}

func (q questions) add(keys []reconcile.Key) {
	for _, k := range keys {
		qk := questionKey{k.Side, k.Field}
		q[qk] = append(q[qk], k.Spellings...)
	}
}

// answers hold the records found for each value asked.
type answers map[questionKey]map[string][]crm.Record

// all returns the records found for any spelling of keys, each once.
func (a answers) all(keys []reconcile.Key) []crm.Record {
	var out []crm.Record
	for _, k := range keys {
		for _, sp := range k.Spellings {
			for _, r := range a[questionKey{k.Side, k.Field}][sp] {
				if !slices.ContainsFunc(out, func(o crm.Record) bool { return o.ID == r.ID }) {
					out = append(out, r)
				}
			}
		}
	}
	return out
}

// holds reports whether a record was found for any spelling of keys.
func (a answers) holds(keys []reconcile.Key, id crm.RecordID) bool {
	return slices.ContainsFunc(keys, func(k reconcile.Key) bool {
		return slices.ContainsFunc(k.Spellings, func(sp string) bool {
			return slices.ContainsFunc(a[questionKey{k.Side, k.Field}][sp], func(r crm.Record) bool { return r.ID == id })
		})
	})
}

// answer asks the apps, each value once, in as few calls as they allow.
func (s *session) answer(ctx context.Context, q questions) (answers, error) {
	out := answers{}
	order := make([]questionKey, 0, len(q))
	for k := range q {
		order = append(order, k)
	}
	slices.SortFunc(order, func(a, b questionKey) int {
		return slices.Compare([]string{string(a.side), a.field}, []string{string(b.side), b.field})
	})
	for _, k := range order {
		values := q[k]
		slices.Sort(values)
		values = slices.Compact(values)
		out[k] = make(map[string][]crm.Record, len(values))
		e := s.end(k.side)
		for part := range slices.Chunk(values, max(e.app.Limits.FindBatch, 1)) {
			got, err := s.batchFind(ctx, k, part)
			if err != nil {
				return nil, err
			}
			for i, v := range part {
				out[k][v] = got[i]
			}
		}
	}
	return out, nil
}

func (s *session) batchFind(parent context.Context, k questionKey, values []string) ([][]crm.Record, error) {
	e := s.end(k.side)
	cctx, done, err := s.ask(parent, k.side, askFind)
	if err != nil {
		return nil, err
	}
	asked := e.fields
	got, err := e.BatchFind(cctx, e.object, s.set.Field(k.side, k.field), values, asked)
	done()
	if field, missed := s.missed(k.side, err); missed {
		if err := s.without(parent, k.side, []string{field}); err != nil {
			return nil, err
		}
		return make([][]crm.Record, len(values)), nil // findTwins begins anew
	}
	if fault.CodeOf(err) == "too_many_matches" {
		return s.findApart(parent, k, values)
	}
	if err != nil {
		return nil, atSide(k.side, "find records", err)
	}
	if len(got) != len(values) {
		return nil, fault.New("engine: find records", fault.Unavailable, "malformed_answer", "the app answered for other values than were asked")
	}
	for i := range got {
		for n := range got[i] {
			if gone := s.lacking(k.side, asked, &got[i][n]); len(gone) > 0 {
				return got, s.without(parent, k.side, gone)
			}
		}
	}
	return got, nil
}

// findApart narrows down which value more records hold than an app lists, so
// that it never fails its batch mates. That value is nobody's identity: it is
// as if nobody had been found by it.
func (s *session) findApart(ctx context.Context, k questionKey, values []string) ([][]crm.Record, error) {
	if len(values) == 1 {
		s.Mark("value_of_too_many")
		return make([][]crm.Record, 1), nil
	}
	half := len(values) / 2
	first, err := s.batchFind(ctx, k, values[:half])
	if err != nil {
		return nil, err
	}
	rest, err := s.batchFind(ctx, k, values[half:])
	return append(first, rest...), err
}

// readNamedTwin reads the record that a person wants a unit linked to.
func (s *session) readNamedTwin(ctx context.Context, u *unit) error {
	other := u.side.Other()
	if err := s.read(ctx, other, []*unit{u}, func(u *unit) crm.RecordID { return u.hint.Partner }); err != nil {
		return err
	}
	item, err := s.Store.Get(ctx, s.record(other, u.hint.Partner))
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	u.versions.Set(other, item.Version)
	l, err := decodeLink(item)
	if err != nil {
		return err
	}
	free, left := s.free(ctx, l, u)
	if !free {
		u.refuseLink(codeTwinTaken, "the record is linked to another one")
		return nil
	}
	u.leaves = left
	if l.AliasOf == "" {
		u.absorbed = l.counted()
		if other == crm.Right && l.setAside() {
			u.aside = l.Code
		}
	}
	return nil
}
