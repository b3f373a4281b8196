package engine

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func (s *session) sweepDue(st *scanState) bool {
	if age := s.Now().Sub(st.SweptAt); age >= 0 && age < s.Tuning.SweepEvery {
		return false
	}
	for _, side := range crm.Sides {
		if s.end(side).app.Can(crm.AbilityArchiveSweep) {
			return true
		}
	}
	return false
}

// stepSweep lists deletions of an app that tells of them in no other way, at
// most once a day.
func (s *session) stepSweep(ctx context.Context, r *storedRun) error {
	side := crm.Left
	if r.Phase == phaseSweepRight {
		side = crm.Right
	}
	e := s.end(side)
	list := e.Extras().Deleted
	st, err := s.loadScan(ctx, s.scope)
	if err != nil {
		return err
	}
	if list == nil || !e.app.Can(crm.AbilityArchiveSweep) || !r.Swept && !s.sweepDue(st) {
		r.Phase, r.Position = r.after(r.Phase), ""
		return s.saveRun(ctx, s.ws, r)
	}
	s.Mark("archive_sweep")
	cctx, done, err := s.ask(ctx, side, askOne)
	if err != nil {
		return err
	}
	page, err := list(cctx, e.object, st.Sweep.Get(side), r.Position)
	done()
	if fault.CodeOf(err) == codeCursorExpired {
		s.everything(r, codeCursorExpired)
		return s.saveRun(ctx, s.ws, r)
	}
	if err != nil {
		return atSide(side, "list deletions", err)
	}
	hints, err := s.known(ctx, side, page.Records)
	if err != nil {
		return err
	}
	r.Seq++ // the changes may have named the same ones: another page, other chunks
	r.RestSide, r.Rest, r.Position, r.Swept = side, append(r.Rest, hints...), page.Next, true
	r.Listed += int64(len(hints))
	if page.Next == "" {
		r.Phase = r.after(r.Phase)
		st.Sweep.Set(side, page.Cursor)
		st.SweptAt = s.Now()
		if err := s.saveRun(ctx, s.ws, r); err != nil {
			return err
		}
		return s.saveScan(ctx, s.scope, st)
	}
	return s.saveRun(ctx, s.ws, r)
}

// known keeps the deletions that concern us.
func (s *session) known(ctx context.Context, side crm.Side, records []crm.Record) ([]hint, error) {
	us := make([]*unit, len(records))
	for i, r := range records {
		us[i] = &unit{side: side, id: r.ID}
	}
	if err := s.loadLinks(ctx, us); err != nil {
		return nil, err
	}
	var out []hint
	for i, u := range us {
		if u.link != nil && u.link.State != crm.StateDeleted && u.link.id(side) == records[i].ID {
			out = append(out, hint{ID: records[i].ID, Gone: true, Into: records[i].MergedInto})
		}
	}
	return out, nil
}
