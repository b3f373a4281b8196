package engine

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

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
	look, err := s.sparesRenamed(ctx, s.sparesRead(look))
	if err != nil {
		return nil, err
	}
	if err := s.recall(ctx, look); err != nil {
		return nil, err
	}
	if err := s.meetNamed(ctx, look); err != nil {
		return nil, err
	}
	if err := s.awaitErasures(ctx, look); err != nil {
		return nil, err
	}
	if err := s.attribute(ctx, look); err != nil {
		return nil, err
	}
	return look, s.seeReturns(ctx, look)
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
		if u.own() == nil || !u.link.paired() || u.both || u.hint.Force || u.hint.Op != "" || u.hint.Expect != "" ||
			!s.upToDate(u.link) {
			continue
		}
		if u.link.State == crm.StateExcluded {
			continue // what the other side did while the pair was left out was passed over then
		}
		if sync, held := s.set.TakenBy(u.side, u.own(), s.Now()); sync != "" || held {
			continue
		}
		if s.set.Agrees(u.side, u.own(), u.link.Base) && s.set.Acted(u.side, u.own(), u.link.Base, s.Now()) {
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
			asked := u.own() != nil || u.confirmed() && s.set.OnDelete(u.side) != crm.DeleteIgnore
			if !u.decided && u.side == side.Other() && u.link.paired() && asked {
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
		u.fate.err = u.unread
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
		return nil, fault.New("engine: read records", fault.Unavailable, codeMalformed,
			"the app answered for other records than were asked")
	}
	for i := range reads {
		if gone := s.lacking(side, asked, reads[i].Record); len(gone) > 0 {
			return reads, s.without(ctx, side, gone)
		}
	}
	records := make([]*crm.Record, len(reads))
	for i := range reads {
		records[i] = reads[i].Record
	}
	return reads, s.meet(ctx, side, records...)
}
