package engine

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// codeMergedTwin marks a record whose twin was merged into another record that
// has a twin of its own: it is left as it is until a person decides.
const codeMergedTwin = "merged_twin"

// codeMergeFollowed marks the log entry of a link that followed a merge.
const codeMergeFollowed = "merge_followed"

// setAside reports whether a record is left alone until a person links it.
func (l *link) setAside() bool {
	return l.apart() || l != nil && !l.paired() && l.Code == codeMergedTwin
}

// mergeRounds bounds how often records are looked at anew because a merge was
// found: once for each link of a chain.
const mergeRounds = 12

// followMerges lets links follow the survivors of merges that a hint told of,
// or an answer to a read. again says that what the units know is out of date.
func (s *session) followMerges(ctx context.Context, us []*unit) (again bool, err error) {
	found := mergings{}
	for _, u := range us {
		if u.moved.Get(u.side) == nil {
			u.tells(found)
		}
		for _, side := range crm.Sides {
			if r := u.rec.Get(side); r != nil {
				k := unitKey{side, r.ID}
				found.note(k, u, "", r.Merged...)
				found[k].rec = r
			}
			if r := u.moved.Get(side); r != nil {
				found.note(unitKey{side, r.MergedInto}, u, "", append([]crm.RecordID{r.ID}, r.Merged...)...)
				if side == u.side {
					found.note(unitKey{side, r.MergedInto}, u, "", u.hint.Merged...)
				}
			}
		}
		if r := u.moved.Get(u.side); r != nil { // from now on it is about the survivor
			u.hint = hint{
				ID: r.MergedInto, Merged: append([]crm.RecordID{r.ID}, u.hint.Merged...), Force: true, Expect: u.hint.Expect,
				Tries: u.hint.Tries,
			}
			again = true
		}
	}
	for k, g := range found {
		if len(g.lost) == 0 {
			delete(found, k)
		}
	}
	if err := s.loadLosers(ctx, found); err != nil {
		return again, err
	}
	for _, g := range found.sorted() {
		if len(g.losers) == 0 {
			continue
		}
		again = true
		if err := s.loadSurvivor(ctx, g); err != nil {
			return again, err
		}
		if err := s.merge(ctx, g); err != nil {
			return again, err
		}
	}
	return again, nil
}

// keeperRanks is by how many things the keeper is told from others.
const keeperRanks = 6

// keeper is the one whose link the survivor has from now on: the link of the
// primary record, which is the survivor itself where it kept its ID. Where the
// app does not say which one that was, it is the one whose agreed values the
// survivor holds. Nil: none of them is linked.
func (s *session) keeper(g *merging) *unit {
	var linked []*unit
	for _, u := range append([]*unit{g.survivor}, g.losers...) {
		if u.link.paired() {
			linked = append(linked, u)
		}
	}
	if len(linked) == 0 {
		return nil
	}
	rank := func(u *unit) (n [keeperRanks]int) {
		if u.partnerAlive() {
			n[0] = 1
		}
		if u.id == g.primary {
			n[1] = 1
		}
		if u == g.survivor {
			n[2] = 1
		}
		if g.rec != nil {
			n[3] = s.telling(g.side, g.rec, u, linked)
			n[4], n[5] = s.agreeing(g.side, g.rec, u.link.Base)
		}
		return n
	}
	return slices.MaxFunc(linked, func(a, b *unit) int {
		mine, theirs := rank(a), rank(b)
		if c := slices.Compare(mine[:], theirs[:]); c != 0 {
			return c
		}
		return compareIDs(b.id, a.id) // the older one
	})
}

// partnerAlive reports whether the unit's pair has not ended, or has only
// because its own record, which lives on in another one, was taken for deleted.
func (u *unit) partnerAlive() bool {
	return u.link.State != crm.StateDeleted || u.link.Code == deletedOn+string(u.side)
}

// telling counts the values by which the survivor of a merge shows that it has
// those of u's record and not another one's: agreed for both, and different. What
// one of them lacked a merge fills from the other, an identity key too, so that
// a value which only one of them had tells nothing.
func (s *session) telling(side crm.Side, r *crm.Record, u *unit, linked []*unit) (n int) {
	for id, agreed := range u.link.Base {
		m := s.set.Mapping(id)
		if m == nil {
			continue
		}
		v, err := m.Canonical(side, r.Fields)
		if err != nil || v.Blank() || !agreed.Is(v) {
			continue
		}
		if slices.ContainsFunc(linked, func(o *unit) bool {
			other, known := o.link.Base[id]
			return known && !other.Is(v) && !other.Is(crm.NullValue())
		}) {
			n++
		}
	}
	return n
}

// agreeing counts the agreed values that a record holds, those of its identity
// keys first: other values people edit more often.
func (s *session) agreeing(side crm.Side, r *crm.Record, base crm.Base) (keys, all int) {
	identity := s.set.IdentityKeys(side, r)
	for id, agreed := range base {
		m := s.set.Mapping(id)
		if m == nil {
			continue
		}
		v, err := m.Canonical(side, r.Fields)
		if err != nil || !agreed.Is(v) {
			continue
		}
		all++
		if slices.ContainsFunc(identity, func(k reconcile.Key) bool { return slices.Contains(m.Names(side), k.Field) }) {
			keys++
		}
	}
	return keys, all
}

// merge lets one link follow, and gives up the others: their losers' IDs stand
// for the survivor from now on, and their partners are left alone and listed.
// Each step is one transaction, and done again it does nothing.
func (s *session) merge(ctx context.Context, g *merging) error {
	k := s.keeper(g)
	if !s.mayRemember() {
		s.supposeMerged(g, k)
		return nil
	}
	if err := s.ensureLease(ctx, nil); err != nil {
		return err
	}
	s.writesLinks()
	var kept crm.RecordID
	if k != nil {
		kept = k.link.id(g.side.Other())
	}
	for _, u := range g.losers {
		if u == k {
			continue
		}
		b := s.mergeBooks(g, kept)
		if err := b.trace(u); err != nil {
			return err
		}
		if u.link.paired() {
			s.Mark("merge_of_two_pairs")
			if err := b.setAside(u); err != nil {
				return err
			}
		}
		if err := b.commit(ctx); err != nil {
			return err
		}
	}
	if k == nil || k == g.survivor {
		return nil
	}
	s.Mark("merge_followed")
	b := s.mergeBooks(g, kept)
	if err := b.follow(k); err != nil {
		return err
	}
	return b.commit(ctx)
}

// mayRemember reports whether the session may store anything: a plan and an
// explanation may not.
func (s *session) mayRemember() bool { return s.lease != nil || s.vacant != nil }

// supposed is what links will be once the merges found are followed, for
// whoever only looks.
type supposed struct {
	merged map[unitKey]bool
	links  map[unitKey]*link
}

// supposeMerged notes what merge would store.
func (s *session) supposeMerged(g *merging, k *unit) {
	if s.supposed.merged == nil {
		s.supposed = supposed{merged: map[unitKey]bool{}, links: map[unitKey]*link{}}
	}
	b := s.mergeBooks(g, "")
	if k != nil {
		b.kept = k.link.id(g.side.Other())
	}
	for _, u := range append([]*unit{g.survivor}, g.losers...) {
		if u != g.survivor {
			s.supposed.merged[unitKey{g.side, u.id}] = true
		}
		if u != k && u.link.paired() {
			l := b.leftOver(u)
			s.supposed.links[unitKey{g.side.Other(), u.link.id(g.side.Other())}] = l
		}
	}
	if k != nil && k != g.survivor {
		l := k.link.clone()
		l.setID(g.side, g.survivor.id)
		s.supposed.links[unitKey{g.side, g.survivor.id}] = l
		s.supposed.links[unitKey{g.side.Other(), b.kept}] = l
	}
}

// suppose takes what is supposed of a record for what is remembered.
func (s *session) suppose(u *unit) {
	if l := s.supposed.links[unitKey{u.side, u.id}]; l != nil {
		u.link, u.born, u.before = l, "", l.counted()
	}
}

// afresh makes new units of the hints of old ones, one for each record.
func (s *session) afresh(ctx context.Context, old []*unit) ([]*unit, error) {
	us, err := s.loadUnits(ctx, old)
	for _, u := range us {
		s.suppose(u)
	}
	return s.mergeEnds(us), err
}

func (s *session) loadUnits(ctx context.Context, old []*unit) ([]*unit, error) {
	var us []*unit
	index := map[unitKey]*unit{}
	for _, o := range old {
		k := unitKey{o.side, o.hint.ID}
		if u := index[k]; u != nil {
			for _, j := range o.jobs {
				u.absorb(o.hint, j)
			}
			u.both, u.told = u.both || o.both, append(u.told, o.told...)
			continue
		}
		u := &unit{side: o.side, id: o.hint.ID, hint: o.hint, jobs: o.jobs, named: o.named, both: o.both, told: o.told}
		index[k] = u
		us = append(us, u)
	}
	return us, s.loadLinks(ctx, us)
}
