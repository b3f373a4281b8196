package engine

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// row is one write with the unit it belongs to.
type row struct {
	u *unit
	connector.Write
}

// rows lists the lot's writes on one side.
func (s *session) rows(l *lot, side crm.Side, op connector.Op) []row {
	var out []row
	for _, u := range l.units {
		w := u.decision.Write(side)
		if w == nil || u.fate.stopped() || u.failed(side) || u.rests(side) {
			continue
		}
		one := connector.Write{
			Op: connector.Update, ID: u.recID(side), Fields: w.Fields, Ref: string(u.side) + ":" + string(u.id),
		}
		if w.Archive {
			one.Op, one.Fields = connector.Archive, nil
		}
		if w.Create {
			one.Op, one.ID = connector.Create, ""
			if field, ok := s.set.KeyField(side); ok && s.end(side).app.Can(crm.AbilityUpsert) {
				one.Op, one.Key = connector.Upsert, connector.Key{Field: field, Value: string(u.id)}
			}
		} else if r := u.rec.Get(side); r != nil && s.end(side).app.Can(crm.AbilityConditional) {
			one.Etag = r.Etag
		}
		if one.Op == op {
			out = append(out, row{u, one})
		}
	}
	return out
}

// write makes one call.
func (s *session) write(ctx context.Context, side crm.Side, rows []row) error {
	if err := s.mayWrite(ctx); err != nil {
		return err
	}
	ws := make([]connector.Write, len(rows))
	for i, r := range rows {
		ws[i] = r.Write
	}
	e := s.end(side)
	cctx, done := s.timed(ctx, side, askOne, s.Tuning.HTTPDeadline)
	defer done()
	got, err := e.BatchWrite(cctx, e.object, ws)
	if err == nil && len(got) != len(rows) {
		err = &fault.Error{
			Op: "engine: write records", Kind: fault.Unavailable, Code: codeMalformed,
			Message: "the app answered for other records than were written", MayHaveLanded: true,
		}
	}
	if err == nil {
		if done, err := s.refusedOne(ctx, side, rows, got); done || err != nil {
			return err
		}
		err = refusedWhole(side, rows, got)
	}
	if missingRight(err) {
		return s.bar(ctx, side, rows, err)
	}
	if field, missed := s.missed(side, err); missed && !fault.MayHaveLanded(err) && s.writing(rows, field) {
		return s.writeWithout(ctx, side, rows, field, err)
	}
	if err != nil && !fault.MayHaveLanded(err) && (fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict)) {
		return s.writeApart(ctx, side, rows, err)
	}
	if err != nil {
		for _, r := range rows {
			if fault.MayHaveLanded(err) {
				s.Mark("write_unknown")
				r.u.fate.unknown = true
			}
		}
		return atSide(side, "write records", err)
	}
	back, took := false, false
	var unknown error
	for i, r := range rows {
		if err := s.answered(ctx, side, r, &got[i]); err != nil {
			unknown = err
		}
		took = took || got[i].Err == nil
		back = back || r.u.hint.Barred == side && got[i].Err == nil
	}
	if took && s.tookWrite(side) {
		back = true
	}
	if back {
		s.unbar(ctx, side)
	}
	return unknown
}

// writeApart narrows down which row an app refuses that refuses whole calls: it
// halves them, so that one bad record never fails its batch mates.
func (s *session) writeApart(ctx context.Context, side crm.Side, rows []row, err error) error {
	if len(rows) == 1 {
		return s.answered(ctx, side, rows[0], &connector.Written{Err: err})
	}
	s.Mark("batch_halved")
	half := len(rows) / 2
	if err := s.write(ctx, side, rows[:half]); err != nil {
		return err
	}
	return s.write(ctx, side, rows[half:])
}

// answered takes a row's answer, once the apps were asked what there is to know
// about it.
func (s *session) answered(ctx context.Context, side crm.Side, r row, w *connector.Written) error {
	var unknown error
	if w.Err == nil {
		unknown = s.meet(ctx, side, w.Record)
	} else {
		unknown = s.refusedUsers(ctx, side, r, w)
	}
	s.landed(side, r, w) // whatever else: it has been written, or it has not
	return unknown
}

// landed takes a row's answer. What is refused for good is so for this
// direction: what the pair's other record gets does not wait for it.
func (s *session) landed(side crm.Side, r row, w *connector.Written) {
	u := r.u
	if w.Err == nil {
		u.written.Set(side, w)
		u.said.Set(side, w.Exchange)
		return
	}
	s.veil(side, r, w)
	u.said.Set(side, w.Exchange)
	if fault.MayHaveLanded(w.Err) {
		u.fate.unknown = true
		return
	}
	if s.narrow(side, r, w) {
		return
	}
	if field, missed := s.missed(side, w.Err); missed {
		s.dropped.Set(side, append(s.dropped.Get(side), field))
		u.deferFor(time.Second, codeFieldMissing) // it is decided anew without the field
		return
	}
	switch kind := fault.KindOf(w.Err); kind {
	case fault.Invalid, fault.Unsupported, fault.Denied, fault.Other:
		switch kind {
		case fault.Denied:
			s.Mark("row_denied")
		default:
			s.Mark("row_refused")
		}
		u.fail(side, w.Err)
	case fault.NotFound:
		s.Mark("row_gone")
		u.deferFor(time.Second, "record_gone")
	case fault.Conflict:
		if exists(w.Err) && r.Op == connector.Update || fault.CodeOf(w.Err) == codeDuplicateRule {
			s.Mark("row_refused")
			u.fail(side, w.Err)
			break
		}
		s.Mark("row_conflict")
		s.inTheWay(side, u, w)
		u.deferFor(max(recordWaits.After(u.hint.Tries+1), fault.RetryAfter(w.Err)), fault.CodeOf(w.Err))
	case fault.Throttled, fault.Unavailable:
		s.Mark("row_put_off")
		u.comesAgain(w.Err)
	}
	if u.fate.wait > 0 && u.hint.Tries >= maxTries && !u.fate.blameless {
		u.fate.wait = 0
		u.fail(side, unfound(w.Err))
	}
}

// unfound is the refusal of a record to be created whose double was looked for
// again and again, and is none that the match steps find.
func unfound(err error) error {
	f, ok := asFault(err)
	if !ok || !exists(err) {
		return err
	}
	told := *f
	told.Message = "the app has another record with this unique value, which the match steps do not find: correct the " +
		"value in one of the two, or merge them in the app, then retry"
	return &told
}

// inTheWay remembers the record for which an app refused to create another one:
// it is looked at as a twin next, under the usual rules. Where the app names a
// field that is none of the ladder's, the value is taken, not the identity.
func (s *session) inTheWay(side crm.Side, u *unit, w *connector.Written) {
	want := u.decision.Write(side)
	if want == nil || !want.Create || w.Existing == "" || fault.CodeOf(w.Err) != "already_exists" {
		return
	}
	if f, ok := asFault(w.Err); ok && f.Field != "" && !s.set.Identifies(side, f.Field) {
		return
	}
	s.Mark("holder_named")
	u.hint.Holder = w.Existing
}

// abandon marks what the lot did not write any more.
func (s *session) abandon(l *lot) {
	for _, u := range l.units {
		if u.fate.stopped() || u.fate.unknown {
			continue
		}
		for _, side := range crm.Sides {
			if u.decision.Write(side) != nil && u.written.Get(side) == nil && !u.failed(side) && !u.rests(side) {
				s.Mark("write_not_tried")
				u.fate.untried = true
			}
		}
	}
}
