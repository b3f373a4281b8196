package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// coming are the creates of an earlier worker that may have landed and cannot
// be looked up yet.
type coming struct {
	sources map[unitKey]bool
	claims  [2]map[string]crm.RecordID // by side: identities of records that may have been made there, with their source
	keyless [2]bool                    // by side: a record without identity may have been made there
	lag     time.Duration
}

// awaits reports whether u must wait for the fate of another create: one of its
// own twin, whatever identity it has by now, or one that may have made u itself.
func (c *coming) awaits(u *unit) bool {
	made := c.claims[u.side.Index()]
	return c.sources[unitKey{u.side, u.id}] || len(u.keys) == 0 && c.keyless[u.side.Index()] ||
		slices.ContainsFunc(u.keys, func(k reconcile.Key) bool { return made[k.Canonical] != "" })
}

// promised reports whether a record of side with these identities may be the
// one that was being created for another record than source.
func (c *coming) promised(side crm.Side, keys []reconcile.Key, source crm.RecordID) bool {
	return slices.ContainsFunc(keys, func(k reconcile.Key) bool {
		of := c.claims[side.Index()][k.Canonical]
		return of != "" && of != source
	})
}

// wait notes a create that is still open.
func (c *coming) wait(e *intentEntry) {
	if c.sources == nil {
		c.sources = map[unitKey]bool{}
	}
	c.sources[unitKey{e.Side.Other(), e.source()}] = true
	c.lag = max(c.lag, e.Lag)
	for _, claim := range e.Claims {
		if c.claims[e.Side.Index()] == nil {
			c.claims[e.Side.Index()] = map[string]crm.RecordID{}
		}
		c.claims[e.Side.Index()][claim] = e.source()
	}
	if len(e.Claims) == 0 {
		c.keyless[e.Side.Index()] = true
	}
}

// wakeFor makes sure that somebody comes back for creates that are still open,
// even when no message about their sources is left.
func (s *session) wakeFor(ctx context.Context, rest []intentEntry) error {
	hints := map[crm.Side][]hint{}
	for i := range rest {
		e := &rest[i]
		s.coming.wait(e)
		from := e.Side.Other()
		hints[from] = append(hints[from], hint{ID: e.source(), Force: true})
	}
	for _, side := range crm.Sides {
		for part := range slices.Chunk(hints[side], s.Tuning.ChunkSize) {
			c := s.newChunk(s.scope, s.conn, RunWebhook, s.webhookRun(s.scope), side, part)
			if err := s.park(ctx, c, s.coming.lag+time.Second); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookAtCreate finds out what can be known of a record that may have been created.
func (s *session) lookAtCreate(ctx context.Context, e *intentEntry, stood time.Duration) (*findings, error) {
	born, err := s.bornOf(ctx, e)
	f := &findings{stood: stood, born: born, blind: s.set.Blind(e.Side.Other())}
	if err != nil || fateOf(e, f) != createUnlooked {
		return f, err
	}
	f.looked = true
	if f.linked, err = s.joined(ctx, e, nil); err != nil || f.linked {
		return f, err
	}
	look := s.lookByIdentity
	if len(e.Claims) == 0 {
		look = s.lookForEqual
	}
	set := s.set
	f.found, err = look(ctx, e)
	f.lacking = s.set != set
	return f, err
}

// join ties a created record to its source, or leaves the two to the normal match,
// which knows better of a record that was seen by itself meanwhile.
func (s *session) join(ctx context.Context, e *intentEntry, f *findings) error {
	if f.born != nil {
		_, err := s.tie(ctx, e, f.born)
		return err
	}
	tied, err := s.tie(ctx, e, f.found)
	if err != nil || tied {
		return err
	}
	return s.leaveToMatch(ctx, e)
}

// leaveToMatch lets go of a create: its source is looked at as any other record.
func (s *session) leaveToMatch(ctx context.Context, e *intentEntry) error {
	s.Mark("create_left_to_match")
	return s.fence(ctx, e.Side.Other(), e.source(), "")
}

// bornOf returns the record that was created on the left for a right one, where
// its worker still stored the alias that says so. Nil: it did not.
func (s *session) bornOf(ctx context.Context, e *intentEntry) (*crm.Record, error) {
	if e.Side != crm.Left {
		return nil, nil //nolint:nilnil // a left source has no alias
	}
	u := &unit{side: crm.Right, id: e.source()}
	if err := s.loadLinks(ctx, []*unit{u}); err != nil || u.born == "" {
		return nil, err
	}
	err := s.readAll(ctx, crm.Left, []*unit{u}, func(u *unit) crm.RecordID { return u.born })
	return u.rec.Left, err
}

// bornAmong returns the record on the right whose alias says that it was created
// for the entry's left source, whatever users have made of either since.
func (s *session) bornAmong(ctx context.Context, e *intentEntry, found []crm.Record) (*crm.Record, error) {
	if e.Side != crm.Right {
		return nil, nil //nolint:nilnil // see bornOf
	}
	us := make([]*unit, len(found))
	for i := range found {
		us[i] = &unit{side: crm.Right, id: found[i].ID}
	}
	if err := s.loadLinks(ctx, us); err != nil {
		return nil, err
	}
	for i, u := range us {
		if u.born == e.source() {
			return &found[i], nil
		}
	}
	return nil, nil //nolint:nilnil // it is none of these
}

// joined reports whether the source of a create is linked already, or one of
// the records found is linked to it.
func (s *session) joined(ctx context.Context, e *intentEntry, found []crm.Record) (bool, error) {
	us := []*unit{{side: e.Side.Other(), id: e.source()}}
	for _, r := range found {
		us = append(us, &unit{side: e.Side, id: r.ID})
	}
	if err := s.loadLinks(ctx, us); err != nil {
		return false, err
	}
	for _, u := range us {
		if u.link.paired() && u.link.id(e.Side.Other()) == e.source() {
			return true, nil
		}
	}
	return false, nil
}

// tie joins a created record to its source. What it holds of what was intended
// is agreed on, so that an edit of the source since then travels on; what it held
// before is not: another worker that slept may have written to it since. False:
// the record was seen by itself meanwhile, and the normal match knows better.
func (s *session) tie(ctx context.Context, e *intentEntry, created *crm.Record) (tied bool, err error) {
	u := &unit{side: e.Side.Other(), id: e.source()}
	if err := s.loadLinks(ctx, []*unit{u}); err != nil {
		return false, err
	}
	if u.link.paired() {
		return true, nil
	}
	twin := &unit{side: e.Side, id: created.ID}
	if err := s.loadLinks(ctx, []*unit{twin}); err != nil {
		return false, err
	}
	if twin.link.paired() {
		return false, nil
	}
	if u.link.apart() || twin.link.apart() {
		return true, nil // a person took them apart since: they are left so
	}
	past, err := s.bygone(ctx, e, []crm.Record{*created})
	if err != nil {
		return false, err
	}
	if twin.link != nil && !s.heldAll(e, created, past) {
		return false, nil
	}
	s.Mark("created_record_found")
	l := u.link.clone()
	l.setID(u.side, u.id)
	l.setID(e.Side, created.ID)
	l.State, l.Code, l.Detail, l.Others = crm.StateInSync, "", "", nil
	l.Made, l.Since, l.Settings, l.Joined = s.Now(), s.Now(), "", s.conn.Version
	l.SeenL, l.SeenR = "", ""
	l.Base = crm.Base{}
	for id, want := range e.Intended {
		if s.set.Rests(id) {
			l.await(id, e.Side, want)
		}
		if m := s.set.Mapping(id); m != nil && s.means(e, id) {
			if v, err := m.Canonical(e.Side, created.Fields); err == nil && v.Digest() == want {
				if entry, ok := s.set.Born(id, e.Side, v); ok {
					l.Base[id] = entry
				}
			}
		}
	}
	s.actsLanded(e, created, l.Base)
	item, err := l.item(s.scope)
	if err != nil {
		return false, err
	}
	alias, err := aliasItem(s.scope, crm.Right, l.Right, l.Left, false)
	if err != nil {
		return false, err
	}
	// Either record may have had an item of its own before.
	versions := u.versions
	versions.Set(e.Side, twin.versions.Get(e.Side))
	ws := []store.Write{
		{Item: item, If: store.IfVersion(versions.Left)}, {Item: alias, If: store.IfVersion(versions.Right)},
	}
	if err := s.Store.Transact(ctx, ws); err != nil {
		return false, fmt.Errorf("join a created record: %w", err)
	}
	return true, nil
}

// lookByIdentity finds the one record that holds the identity which the create
// claimed, even when its source has got another one since.
func (s *session) lookByIdentity(ctx context.Context, e *intentEntry) (*crm.Record, error) {
	ask := questions{}
	ask.add(e.Look)
	found, err := s.answer(ctx, ask)
	if err != nil {
		return nil, err
	}
	var same []crm.Record
	for _, r := range found.all(e.Look) {
		if slices.ContainsFunc(s.set.IdentityKeys(e.Side, &r), func(k reconcile.Key) bool {
			return slices.Contains(e.Claims, k.Canonical)
		}) {
			same = append(same, r)
		}
	}
	if linked, err := s.joined(ctx, e, same); err != nil || linked {
		return nil, err
	}
	if born, err := s.bornAmong(ctx, e, same); err != nil || born != nil {
		return born, err
	}
	if len(same) > 1 { // doubles: ours is the one that holds all we wrote, or held it before somebody edited it
		past, err := s.bygone(ctx, e, same)
		if err != nil {
			return nil, err
		}
		same = slices.DeleteFunc(same, func(r crm.Record) bool { return !s.heldAll(e, &r, past) })
	}
	if len(same) != 1 {
		return nil, nil //nolint:nilnil // nobody, or nobody in particular
	}
	return &same[0], nil
}

// lookForEqual finds a record without identity that we may have created: one
// listed since that holds all that was about to be written and is not linked.
func (s *session) lookForEqual(ctx context.Context, e *intentEntry) (*crm.Record, error) {
	end := s.end(e.Side)
	req := connector.ChangesRequest{Object: end.object, Fields: end.fields, Cursor: e.Cursor}
	for {
		cctx, done, err := s.ask(ctx, e.Side, askOne)
		if err != nil {
			return nil, err
		}
		page, err := end.Changes(cctx, req)
		if fault.CodeOf(err) == codeCursorExpired && !req.Full {
			req.Full, req.Cursor = true, "" // all there is takes longer, and is never forgotten
			page, err = end.Changes(cctx, req)
		}
		done()
		if err != nil {
			return nil, atSide(e.Side, "look for a created record", err)
		}
		for i := range page.Records {
			r := &page.Records[i]
			if gone := s.lacking(e.Side, req.Fields, r); len(gone) > 0 {
				return nil, s.without(ctx, e.Side, gone)
			}
			if err := s.meet(ctx, e.Side, r); err != nil {
				return nil, err
			}
			all := s.holdsAll(e, r)
			if r.Deleted || !all && !s.holdsAllElse(e, r) {
				continue
			}
			u := &unit{side: e.Side, id: r.ID}
			if err := s.loadLinks(ctx, []*unit{u}); err != nil {
				return nil, err
			}
			if u.link.paired() {
				if u.link.id(e.Side.Other()) == e.source() {
					return r, nil // joined already
				}
				continue
			}
			if !all {
				if all, err = s.aboutSurvivor(ctx, e, r); err != nil {
					return nil, err
				}
			}
			if all {
				return r, nil
			}
		}
		if page.Next == "" {
			return nil, nil //nolint:nilnil // it did not land
		}
		req.Position = page.Next
	}
}

// holdsAllElse reports whether an activity holds every value intended but that which
// names what it is about.
func (s *session) holdsAllElse(e *intentEntry, r *crm.Record) bool {
	if s.conf.About == nil {
		return false
	}
	rest := *e
	rest.Intended = maps.Clone(e.Intended)
	maps.DeleteFunc(rest.Intended, func(id crm.MappingID, _ string) bool {
		m := s.set.Mapping(id)
		return m != nil && m.Joins() == s.conf.About.Sync
	})
	return len(rest.Intended) < len(e.Intended) && s.holdsAll(&rest, r)
}

// aboutSurvivor reports whether an activity is about the record that the twin of what
// its source is about was merged into: an app makes it so when it is told to make it
// about the one merged away. The link need not know of the merge yet, so the app is asked.
func (s *session) aboutSurvivor(ctx context.Context, e *intentEntry, r *crm.Record) (bool, error) {
	from, about := e.Side.Other(), s.conf.About.Sync
	u := &unit{side: from, id: e.source()}
	if err := s.readAll(ctx, from, []*unit{u}, func(u *unit) crm.RecordID { return u.id }); err != nil {
		return false, err
	}
	source, parents := u.rec.Get(from), s.conn.Sync(about)
	held := crm.RecordID(mapping.RecordNamed(r.Get(s.set.About(e.Side))))
	if source == nil || parents == nil || held == "" {
		return false, nil
	}
	named := named1(about, from, source.Get(s.set.About(from)))
	found, err := s.linked(ctx, s.scope, named)
	if err != nil || len(named) == 0 {
		return false, err
	}
	twin := found[named[0]].ids.Get(e.Side)
	if twin == "" || twin == held {
		return twin == held, nil
	}
	cctx, done, err := s.ask(ctx, e.Side, askOne)
	if err != nil {
		return false, err
	}
	defer done()
	reads, err := s.end(e.Side).BatchRead(cctx, parents.Object(e.Side), []crm.RecordID{twin}, nil)
	if err != nil {
		return false, atSide(e.Side, "look for what an activity is about", err)
	}
	merged := reads[0].Record != nil && reads[0].Record.MergedInto == held
	if merged {
		s.Mark("made_about_survivor")
	}
	return merged, nil
}

// bygone are the past values, where an app keeps them, of those records that may
// be the one that was created and do not hold all that was written any more.
func (s *session) bygone(
	ctx context.Context, e *intentEntry, found []crm.Record,
) (map[crm.RecordID]map[string][]crm.Value, error) {
	var ids []crm.RecordID
	for i := range found {
		if !s.holdsAll(e, &found[i]) {
			ids = append(ids, found[i].ID)
		}
	}
	return s.history(ctx, e.Side, ids)
}

// heldAll is holdsAll for a record that somebody may have edited since.
func (s *session) heldAll(e *intentEntry, r *crm.Record, past map[crm.RecordID]map[string][]crm.Value) bool {
	compared := 0
	for id, want := range e.Intended {
		if s.set.Mapping(id) == nil || !s.means(e, id) {
			continue
		}
		if _, landed := s.landedValue(id, e.Side, r.Fields, past[r.ID], crm.Agreed{}, want); !landed {
			return false
		}
		compared++
	}
	return compared > 0
}

// holdsAll reports whether a record holds every value intended, in canonical
// form. Those of mappings that are held, gone or changed by now cannot be compared.
func (s *session) holdsAll(e *intentEntry, r *crm.Record) bool {
	compared := 0
	for id, want := range e.Intended {
		m := s.set.Mapping(id)
		if m == nil || !s.means(e, id) {
			continue
		}
		if v, err := m.Canonical(e.Side, r.Fields); err != nil || v.Digest() != want {
			return false
		}
		compared++
	}
	return compared > 0
}
