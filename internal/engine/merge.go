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

// merging is a survivor with the records that live on in it.
type merging struct {
	unitKey

	lost    []crm.RecordID // as the app named them
	primary crm.RecordID   // of these, whose values the survivor has; "" = not told
	rec     *crm.Record    // the survivor as read; nil = not read, or gone
	job     *job

	survivor *unit   // what is remembered of it
	losers   []*unit // what is remembered of those that do not follow it yet
}

// mergings are what is known of merges, by survivor.
type mergings map[unitKey]*merging

func (m mergings) note(k unitKey, u *unit, primary crm.RecordID, lost ...crm.RecordID) {
	g := m[k]
	if g == nil {
		g = &merging{unitKey: k, job: u.jobs[0]}
		m[k] = g
	}
	if g.primary == "" {
		g.primary = primary
	}
	for _, id := range lost {
		if id != k.id && id != "" && !slices.Contains(g.lost, id) {
			g.lost = append(g.lost, id)
		}
	}
}

// tells notes the merges that the hints of a unit told of.
func (u *unit) tells(m mergings) {
	news := u.news()
	for _, side := range crm.Sides {
		for _, h := range news.Get(side) {
			m.note(unitKey{side, h.ID}, u, h.Primary, h.Merged...)
		}
	}
}

// sorted are the mergings in an order that does not depend on a map.
func (m mergings) sorted() []*merging {
	out := make([]*merging, 0, len(m))
	for _, g := range m {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *merging) int {
		if a.side != b.side {
			return slices.Index(crm.Sides[:], a.side) - slices.Index(crm.Sides[:], b.side)
		}
		return compareIDs(a.id, b.id)
	})
	return out
}

// compareIDs orders record IDs by age, as far as IDs tell: shorter ones first.
func compareIDs(a, b crm.RecordID) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.Compare([]byte(a), []byte(b))
}

// expectMerges marks the units whose hint tells of a merge that links do not
// follow yet, so that they are looked at whatever their digests say.
func (s *session) expectMerges(ctx context.Context, us []*unit) error {
	told := mergings{}
	for _, u := range us {
		u.tells(told)
	}
	if err := s.loadLosers(ctx, told); err != nil {
		return err
	}
	for _, u := range us {
		news := u.news()
		for _, side := range crm.Sides {
			for _, h := range news.Get(side) {
				if g := told[unitKey{side, h.ID}]; g != nil && len(g.losers) > 0 {
					u.hint.Force = true
				}
			}
		}
	}
	return nil
}

// loadLosers reads what is remembered of the records that lost a merge, and
// keeps those that do not follow their survivor yet.
func (s *session) loadLosers(ctx context.Context, m mergings) error {
	var all []*unit
	for _, g := range m.sorted() {
		g.losers = nil
		for _, id := range g.lost {
			if s.supposed.merged[unitKey{g.side, id}] {
				continue
			}
			u := &unit{side: g.side, id: id, jobs: []*job{g.job}}
			g.losers, all = append(g.losers, u), append(all, u)
		}
	}
	if len(all) == 0 {
		return nil
	}
	asked := make(map[*unit]crm.RecordID, len(all))
	for _, u := range all {
		asked[u] = u.id
	}
	if err := s.loadLinks(ctx, all); err != nil {
		return err
	}
	for _, g := range m {
		g.losers = slices.DeleteFunc(g.losers, func(u *unit) bool { return u.id != asked[u] || u.link == nil })
	}
	return nil
}

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
			u.hint = hint{ID: r.MergedInto, Merged: append([]crm.RecordID{r.ID}, u.hint.Merged...), Force: true, Expect: u.hint.Expect, Tries: u.hint.Tries}
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

// longAgo is further back than any two clocks differ, and than the work of a
// first sync waits.
const longAgo = 72 * time.Hour

// askAbsorbed asks an app that does not say it by itself who was merged into
// records that are about to get a twin: one of them may have a twin already.
func (s *session) askAbsorbed(ctx context.Context, us []*unit) error {
	for _, side := range crm.Sides {
		e := s.end(side)
		a, ok := e.Connector.(connector.Absorber)
		if !ok || !e.app.Can(crm.AbilityAbsorbed) {
			continue
		}
		var asked []*unit
		for _, u := range us {
			if r := u.rec.Get(side); u.side == side && r != nil && s.mayHaveAbsorbed(u, r) {
				asked = append(asked, u)
			}
		}
		for part := range slices.Chunk(asked, max(e.app.Limits.ReadBatch, 1)) {
			ids := make([]crm.RecordID, len(part))
			for i, u := range part {
				ids[i] = u.id
			}
			cctx, done, err := s.ask(ctx, side, askOne)
			if err != nil {
				return err
			}
			got, err := a.Absorbed(cctx, e.object, ids)
			done()
			if err != nil {
				return atSide(side, "ask for merged records", err)
			}
			for i := range min(len(got), len(part)) {
				part[i].rec.Get(side).Merged = got[i]
			}
		}
	}
	return nil
}

// mayHaveAbsorbed reports whether a record without a twin can be the survivor of
// a merge of records that we know.
func (s *session) mayHaveAbsorbed(u *unit, r *crm.Record) bool {
	if u.decided || u.link.paired() || u.link.setAside() || len(u.hint.Merged) > 0 || u.hint.Op != "" {
		return false
	}
	if s.conn.Status == crm.StatusDraft {
		return false // nobody is linked yet
	}
	c := u.jobs[0].chunk
	if c.Kind != RunInitial {
		return true // made and merged within the second that the app counts in, too
	}
	if r.ModifiedAt.Before(c.Since.Add(-longAgo)) {
		return false // nobody was when it was merged
	}
	return r.CreatedAt.IsZero() || r.ModifiedAt.After(r.CreatedAt)
}

// loadSurvivor reads the survivor and what is remembered of it. One that was
// merged on itself stands for the last of its chain.
func (s *session) loadSurvivor(ctx context.Context, g *merging) error {
	for range mergeRounds {
		g.survivor = &unit{side: g.side, id: g.id, jobs: []*job{g.job}}
		if err := s.loadLinks(ctx, []*unit{g.survivor}); err != nil {
			return err
		}
		s.suppose(g.survivor)
		if g.rec != nil && g.rec.ID == g.survivor.id {
			return nil
		}
		g.rec = nil
		if err := s.readAll(ctx, g.side, []*unit{g.survivor}, func(u *unit) crm.RecordID { return u.id }); err != nil {
			return err
		}
		g.rec = g.survivor.own()
		on := g.survivor.moved.Get(g.side)
		if on == nil || on.MergedInto == g.id {
			break
		}
		lost := append([]crm.RecordID{g.id}, on.Merged...)
		g.id, g.primary = on.MergedInto, "" // who was the primary of an earlier merge says nothing of this one
		for _, id := range lost {
			if !slices.Contains(g.lost, id) {
				g.lost = append(g.lost, id)
			}
		}
		if err := s.loadLosers(ctx, mergings{g.unitKey: g}); err != nil {
			return err
		}
	}
	g.id = g.survivor.id
	g.losers = slices.DeleteFunc(g.losers, func(u *unit) bool { return u.id == g.id })
	return nil
}

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
	rank := func(u *unit) []int {
		n := []int{0, 0, 0, 0, 0, 0}
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
		if c := slices.Compare(rank(a), rank(b)); c != 0 {
			return c
		}
		return compareIDs(b.id, a.id) // the older one
	})
}

// partnerAlive reports whether the unit's pair has not ended, or has only
// because its own record, which lives on in another one, was taken for deleted.
func (u *unit) partnerAlive() bool {
	return u.link.State != crm.StateDeleted || u.link.Code == "deleted_on_"+string(u.side)
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
	if err := s.hold(ctx, nil); err != nil {
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

// mergeBooks collect what one step of a merge changes in the store.
type mergeBooks struct {
	*session
	g       *merging
	kept    crm.RecordID // the partner that stays
	page    string
	ws      []store.Write
	entries []Entry
	states  map[string]int64
}

func (s *session) mergeBooks(g *merging, kept crm.RecordID) *mergeBooks {
	return &mergeBooks{session: s, g: g, kept: kept, page: s.NewID("pg"), states: map[string]int64{}}
}

func (b *mergeBooks) count(cs []counted, n int64) {
	for _, c := range cs {
		b.states[string(c)] += n
	}
}

// trace makes a loser's ID stand for the survivor. What was noticed of its
// absence is no deletion.
func (b *mergeBooks) trace(u *unit) error {
	item, err := aliasItem(b.scope, u.side, u.id, b.g.survivor.id, true)
	if err != nil {
		return err
	}
	b.ws = append(b.ws, store.Write{Item: item, If: store.IfVersion(u.versions.Get(u.side))},
		store.Write{Op: store.Delete, Item: store.Item{Key: b.gone(u.side, u.id)}})
	b.count(u.before, -1)
	return nil
}

// setAside leaves the partner of a pair that ends to itself.
func (b *mergeBooks) setAside(u *unit) error {
	l := b.leftOver(u)
	item, err := l.item(b.scope)
	if err != nil {
		return err
	}
	w := store.Write{Item: item} // the pair's alias, which only its link's holder writes
	if l.Left != "" {
		w.If = store.IfVersion(u.versions.Left)
	}
	b.ws = append(b.ws, w)
	b.count(l.counted(), 1)
	if l.Code == codeMergedTwin {
		b.log(Entry{Side: u.side.Other(), Record: u.link.id(u.side.Other()), Partner: u.id, Outcome: crm.Duplicate, Code: codeMergedTwin, Message: l.Detail})
	}
	return nil
}

// leftOver is what is remembered of the partner of a pair that a merge ends.
func (b *mergeBooks) leftOver(u *unit) *link {
	other, now := u.side.Other(), b.Now()
	l := &link{State: crm.StateDuplicate, Code: codeMergedTwin, Made: now, Since: now, Claims: slices.Clone(u.link.Claims), Claimed: u.link.Claimed}
	l.Detail = "the record it was linked to was merged into another one, which is linked to " + string(b.kept)
	l.Others = []crm.RecordID{b.kept}
	if !u.partnerAlive() {
		l.State, l.Code, l.Detail, l.Others = crm.StateDeleted, u.link.Code, u.link.Detail, nil
	}
	l.setID(other, u.link.id(other))
	l.Pages = append([]string{pageRef(b.con, now, b.page)}, u.link.Pages[:min(len(u.link.Pages), maxPages-1)]...)
	return l
}

// follow re-keys a link to the survivor, with its base. A pair that the
// survivor had of its own ends.
func (b *mergeBooks) follow(u *unit) error {
	s := b.g.survivor
	own := s.link
	l := u.link.clone()
	l.setID(u.side, s.id)
	l.setSeen(u.side, "")
	l.Pages = append([]string{pageRef(b.con, b.Now(), b.page)}, l.Pages[:min(len(l.Pages), maxPages-1)]...)
	item, err := l.item(b.scope)
	if err != nil {
		return err
	}
	alias, err := aliasItem(b.scope, crm.Right, l.Right, l.Left, false)
	if err != nil {
		return err
	}
	if err := b.trace(u); err != nil {
		return err
	}
	b.count(s.before, -1)
	b.count(l.counted(), 1)
	if u.side == crm.Left {
		b.ws = append(b.ws, store.Write{Item: item, If: store.IfVersion(s.versions.Left)}, store.Write{Item: alias})
	} else {
		b.ws = append(b.ws, store.Write{Item: item, If: store.IfVersion(u.versions.Left)}, store.Write{Item: alias, If: store.IfVersion(s.versions.Right)})
	}
	b.log(Entry{Side: u.side, Record: s.id, Partner: b.kept, Outcome: crm.Linked, Code: codeMergeFollowed, Message: "the link followed a merge of " + string(u.id)})
	if !own.paired() {
		return nil
	}
	b.Mark("merge_of_two_pairs")
	return b.setAside(s)
}

func (b *mergeBooks) log(e Entry) {
	e.Time, e.Connection, e.Sync, e.Run = b.Now(), b.con, b.sync, b.g.job.chunk.Run
	e.Way = crm.WayTo(e.Side.Other())
	e.Behavior = b.conf.Behavior.Get(e.Way)
	b.entries = append(b.entries, e)
}

func (b *mergeBooks) commit(ctx context.Context) error {
	days, err := b.logDaysOf(ctx, b.session.ws)
	if err != nil {
		return err
	}
	pages, err := b.logPages(b.page, b.entries, days)
	if err != nil {
		return err
	}
	ws := append(b.ws, pages...)
	ws = addWrite(ws, b.counts(), b.states, time.Time{})
	err = b.Store.Transact(ctx, ws)
	if fault.Is(err, fault.Conflict) {
		return fault.Wrap("engine: follow merge", fault.Unavailable, err)
	}
	return err
}

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
