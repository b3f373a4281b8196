package engine

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// sameObjects reports whether a sync of the same connection joins the same two
// objects: it is the session's own, or shares no record with it.
func (s *session) sameObjects(other *crm.Sync) bool {
	return other.Joins(s.conf.Left.Object, s.conf.Right.Object)
}

// shared returns the mappings, by place, whose fields on a side are written by
// another sync of the workspace as well. Our own user wrote there for both, so
// that nobody can tell what an app made of our write from what the other sync
// brought: it is taken for an edit, which travels. Taken for the app's doing, what
// somebody typed in a third app would stop half-way.
func (s *session) shared(ctx context.Context, side crm.Side) (uint64, error) {
	if known := s.elsewhere[side.Index()]; known != nil {
		return *known, nil
	}
	account, object := s.conn.Account(side), s.conf.Object(side)
	fields := map[string]bool{}
	err := s.eachConnection(ctx, s.ws, func(c *crm.Connection) error {
		if c.Status == crm.StatusDraft {
			return nil // writes nothing
		}
		for i := range c.Syncs {
			for _, at := range crm.Sides {
				if c.ID == s.con && s.sameObjects(&c.Syncs[i]) || c.Account(at) != account || c.Syncs[i].Object(at) != object {
					continue
				}
				for name := range c.Syncs[i].Writes(at) {
					fields[name] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	found := map[crm.MappingID]crm.Value{}
	lines := s.conf.Lines()
	for i := range lines {
		m := &lines[i]
		if slices.ContainsFunc(m.Names(side), func(name string) bool { return fields[name] }) {
			found[m.ID] = crm.Value{}
		}
	}
	places := s.set.Places(found)
	s.elsewhere[side.Index()] = &places
	return places, nil
}
