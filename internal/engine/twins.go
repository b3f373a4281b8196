package engine

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// findTwins looks for the other side's record of everything that has none, and
// for doubles on its own side.
func (s *session) findTwins(ctx context.Context, us []*unit) error {
	if err := s.inherit(ctx, us); err != nil {
		return err
	}
	ask := questions{}
	var open []*unit
	for _, u := range us {
		if u.decided || u.link.paired() || u.own() == nil || u.hint.Op == opUnlink ||
			u.undoes() && u.hint.Op != opLink {
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
		// of what we made ourselves nobody asks any more
		if p, ok := s.set.Admit(u.side, u.own(), s.Now()); !ok && u.born == "" {
			u.decision, u.decided = p, true
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
		free, left, err := s.free(ctx, l, u)
		if err != nil {
			return err
		}
		if !free {
			s.Mark("twin_taken")
			u.decide(crm.Duplicate, crm.StateDuplicate, codeTwinTaken, "the matching record is linked to another one")
			u.others = []crm.RecordID{u.match.Record.ID}
			continue
		}
		u.leaves = left
		if l.paired() && l.State == crm.StateDeleted {
			u.lapsed = l
		}
		if l.AliasOf == "" {
			u.absorbed = l.counted()
		}
	}
	return nil
}

// free reports whether a remembered candidate may be linked to u, and which
// deleted pair of another left record it has to leave for that.
func (s *session) free(ctx context.Context, l *link, u *unit) (bool, *formerPair, error) {
	var version int64
	if l.AliasOf != "" {
		was := l.restored(u.recID(crm.Right))
		item, err := s.Store.Get(ctx, s.record(crm.Left, l.AliasOf))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return false, nil, err // it says nothing of the twin
		}
		if err != nil && was == nil {
			return true, nil, nil
		}
		if err == nil {
			if l, err = decodeLink(item); err != nil {
				return false, nil, nil //nolint:nilerr // what a newer release wrote is another one's
			}
			version = item.Version
		}
		if was != nil && (err != nil || l.Right != was.Right) {
			l, u.absorbed, u.aside = was, was.counted(), was.Code // the pair of the alias was never stored
		}
	}
	if l.setAside() {
		return u.hint.Op == opLink, nil, nil
	}
	if former := l.id(u.side); l.paired() && l.State == crm.StateDeleted && former != u.id {
		if asked, err := s.erasureAsked(ctx, u.side, former); asked || err != nil {
			return false, nil, err // what the pair agreed on tells the erasure whose records there are
		}
	}
	if l.paired() && l.State == crm.StateDeleted && version != 0 && l.Left != u.id && l.Right == u.recID(crm.Right) {
		return true, &formerPair{l, version}, nil
	}
	if !l.paired() || l.State == crm.StateDeleted || l.id(u.side) == u.id {
		return true, nil, nil
	}
	u.rival = l.id(u.side)
	return false, nil, nil
}

// formerPair is a deleted pair whose right record finds another twin. Its left
// record, if it is ever restored, must not claim the right one back.
type formerPair struct {
	*link
	version int64
}

// readByID reads the records that others name by ID: twins, holders of an
// identity, and what a full listing found, unless a look-up found it too.
func (s *session) readByID(
	ctx context.Context, us []*unit, found answers,
) (out map[unitKey]*crm.Record, unread map[unitKey]error, err error) {
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
	free, left, err := s.free(ctx, l, u)
	if err != nil {
		return err
	}
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
