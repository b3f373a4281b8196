package engine

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Several syncs of one connection may join the same two objects, each some of the
// records: one goes to the first sync in the document that takes it. A record that
// changes from one to another brings its pair along: the twin, which the app's
// index need not know yet, and what both sides agreed on, without which an edit
// made by that same moment would count as a first difference.

// siblings are the other syncs of the connection that join the same two objects.
func (s *session) siblings() []crm.SyncID {
	var out []crm.SyncID
	for i := range s.conn.Syncs {
		if other := &s.conn.Syncs[i]; other.ID != s.sync && s.sameObjects(other) {
			out = append(out, other.ID)
		}
	}
	return out
}

// inherit looks for the pairs that units had in another sync: of those that have
// none here, or one that was left out. What both sides agreed on there counts if
// that sync worked the pair later than this one.
func (s *session) inherit(ctx context.Context, us []*unit) error {
	var mine []*unit
	for _, u := range us {
		if !u.decided && u.own() != nil && u.hint.Op == "" && !u.undoes() && !u.link.setAside() &&
			(!u.link.paired() || u.link.State == crm.StateExcluded) {
			mine = append(mine, u)
		}
	}
	if len(mine) == 0 {
		return nil
	}
	s.beside = coming{}
	for _, id := range s.siblings() {
		there := &session{Engine: s.Engine, scope: scope{s.ws, s.con, id}}
		// before its pairs are read: an intent ends when they are stored
		if err := s.awaitThere(ctx, there.scope); err != nil {
			return err
		}
		theirs := make([]*unit, len(mine))
		for i, u := range mine {
			theirs[i] = &unit{side: u.side, id: u.id, hint: hint{ID: u.id}}
		}
		if err := there.loadLinks(ctx, theirs); err != nil {
			return err
		}
		for i, x := range theirs {
			u, l := mine[i], x.link
			if !l.paired() || l.id(u.side) != u.id || u.former.laterThan(l) {
				continue
			}
			twin := l.id(u.side.Other())
			if l.State == crm.StateDeleted {
				if !u.link.paired() { // unless the twin is back, nobody is made in its place
					u.hint.Twins, u.ended = join(u.hint.Twins, []crm.RecordID{twin}), l
				}
				continue
			}
			switch {
			case !u.link.paired():
				u.hint.Twins = join(u.hint.Twins, []crm.RecordID{twin})
			case u.link.id(u.side.Other()) != twin || u.link.laterThan(l):
				continue
			}
			s.Mark("pair_inherited")
			u.former = l
		}
	}
	return nil
}

// awaitThere notes the creates that are open in another sync of the connection: of
// the twins of this one's records, and of these themselves.
func (s *session) awaitThere(ctx context.Context, there scope) error {
	q := store.Query{Table: store.Links, Workspace: s.ws, Partition: there.intent("x").Partition, Limit: 500}
	return s.eachItem(ctx, q, func(it store.Item) error {
		in, err := decodeIntent(it.Data)
		if err != nil {
			return err
		}
		for i := range in.Entries {
			if e := &in.Entries[i]; e.Create {
				s.beside.wait(e)
			}
		}
		return nil
	})
}

// laterThan reports whether a pair was worked later than the same one of another
// sync. One that is not left out is worked now.
func (l *link) laterThan(o *link) bool {
	if l == nil || o.State != crm.StateExcluded {
		return false
	}
	return l.State != crm.StateExcluded || l.Since.After(o.Since)
}

// agreed is what a pair agreed on, in this sync or in the one that it comes from. Of
// a twin's deleted pair only the tag of its deletion counts, which goes.
func (s *session) agreed(u *unit, l *link) crm.Base {
	var base crm.Base
	switch {
	case l.paired():
		base = l.Base
	case u.lapsed != nil:
		base = s.set.DeletionTag(u.lapsed.Base, u.side.Other())
	case u.leaves != nil:
		base = s.set.DeletionTag(u.leaves.Base, u.side.Other())
	}
	if u.former == nil || u.former.id(u.side.Other()) != u.recID(u.side.Other()) {
		return base
	}
	return s.set.Inherit(base, u.former.Base)
}
