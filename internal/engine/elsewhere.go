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

// neighbour is another sync of the workspace that may write, with its connection.
type neighbour struct {
	conn *crm.Connection
	conf *crm.Sync
}

// neighbours are all of them, but for those that share no record with this one: read
// once in a piece of work, and only when something hangs on it.
func (s *session) neighbours(ctx context.Context) ([]neighbour, error) {
	if s.beyond != nil {
		return s.beyond, nil
	}
	out := []neighbour{}
	err := s.eachConnection(ctx, s.ws, func(c *crm.Connection) error {
		if c.Status == crm.StatusDraft {
			return nil // writes nothing
		}
		for i := range c.Syncs {
			if c.ID != s.con || !s.sameObjects(&c.Syncs[i]) {
				out = append(out, neighbour{c, &c.Syncs[i]})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.beyond = out
	return out, nil
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
	others, err := s.neighbours(ctx)
	if err != nil {
		return 0, err
	}
	account, object := s.conn.Account(side), s.conf.Object(side)
	fields := map[string]bool{}
	for _, other := range others {
		for _, at := range crm.Sides {
			if other.conn.Account(at) != account || other.conf.Object(at) != object {
				continue
			}
			for name := range other.conf.Writes(at) {
				fields[name] = true
			}
		}
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

// fieldAt is a field of an object in an account.
type fieldAt struct {
	account       crm.AccountID
	object, field string
}

// seeReturns looks whether other connections carry edits of one-way targets back,
// once there is such an edit.
func (s *session) seeReturns(ctx context.Context, us []*unit) error {
	var targets [2]bool
	lines := s.conf.Lines()
	for i := range lines {
		if to, ok := s.set.OneWay(lines[i].ID); ok {
			targets[to.Index()] = true
		}
	}
	for _, u := range us {
		if u.decided || !u.link.paired() {
			continue
		}
		for _, side := range crm.Sides {
			if r := u.rec.Get(side); targets[side.Index()] && r != nil && s.set.Strays(side, r, u.link.Base) {
				_, err := s.returns(ctx)
				return err
			}
		}
	}
	return nil
}

// returns are the mappings of one way whose target other connections carry back to
// the source, on whatever path: two connections that join the same accounts the
// other way round, or a circle. The source is not the only master then. Put back,
// an edit of the target would be lost before they brought it.
func (s *session) returns(ctx context.Context) (map[crm.MappingID]bool, error) {
	if s.returning != nil {
		return s.returning, nil
	}
	others, err := s.neighbours(ctx)
	if err != nil {
		return nil, err
	}
	leads := map[fieldAt][]fieldAt{}
	for _, other := range others {
		addLeads(leads, other.conn, other.conf)
	}
	s.returning = map[crm.MappingID]bool{}
	lines := s.conf.Lines()
	for i := range lines {
		if to, ok := s.set.OneWay(lines[i].ID); ok && reaches(leads, fieldsAt(s.conn, s.conf, &lines[i], to),
			fieldsAt(s.conn, s.conf, &lines[i], to.Other())) {
			s.returning[lines[i].ID] = true
		}
	}
	return s.returning, nil
}

// addLeads notes where a sync brings the edits of each field.
func addLeads(leads map[fieldAt][]fieldAt, c *crm.Connection, conf *crm.Sync) {
	lines := conf.Lines()
	for _, side := range crm.Sides {
		if !conf.Carries(crm.WayTo(side)) {
			continue
		}
		for i := range lines {
			if !lines[i].Travels(crm.WayTo(side)) {
				continue
			}
			for _, from := range fieldsAt(c, conf, &lines[i], side.Other()) {
				leads[from] = append(leads[from], fieldsAt(c, conf, &lines[i], side)...)
			}
		}
	}
}

// fieldsAt are the fields of a mapping on a side.
func fieldsAt(c *crm.Connection, conf *crm.Sync, m *crm.Mapping, side crm.Side) []fieldAt {
	names := m.Names(side)
	out := make([]fieldAt, len(names))
	for i, name := range names {
		out[i] = fieldAt{c.Account(side), conf.Object(side), name}
	}
	return out
}

// reaches reports whether something leads from one of the places to one of the ends.
func reaches(leads map[fieldAt][]fieldAt, from, ends []fieldAt) bool {
	seen := map[fieldAt]bool{}
	for open := from; len(open) > 0; open = open[1:] {
		for _, next := range leads[open[0]] {
			if slices.Contains(ends, next) {
				return true
			}
			if !seen[next] {
				seen[next] = true
				open = append(open, next)
			}
		}
	}
	return false
}
