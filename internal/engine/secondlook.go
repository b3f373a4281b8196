package engine

import (
	"context"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// A listing shows what its app's index knows. A change that enters the index
// later than the pulls look back, and that no webhook told of, would never be
// seen. So pulls leave marks of how far they had listed, and once a mark has
// stood for a while, what was modified between it and the one before is listed
// once more. Every change is in one such window. What the links know already is
// dropped before it is sent: an idle system costs calls, and no write.

// lookMark is a place that pulls had listed up to.
type lookMark struct {
	At    int64  `json:"t"` // by our own clock, in seconds
	Left  string `json:"l,omitempty"`
	Right string `json:"r,omitempty"`
}

func (m lookMark) get(side crm.Side) string {
	if side == crm.Left {
		return m.Left
	}
	return m.Right
}

// secondLook is what lies between two marks.
type secondLook struct {
	From  lookMark `json:"f"`
	Until lookMark `json:"u"`
}

const (
	// marksPerLook is into how many windows the time until the second look is
	// cut: each costs a call a side, and a change waits for the end of its own.
	marksPerLook = 4
	// maxMarks bounds what is kept while no pull comes through.
	maxMarks = 4 * marksPerLook
)

// lookAgain decides whether a pull looks once more at what is old enough.
func (e *Engine) lookAgain(conf *crm.Sync, st *scanState) *secondLook {
	delay := conf.LooksAgainAfter()
	if delay == 0 || len(st.Marks) == 0 {
		return nil
	}
	due := -1
	for i, m := range st.Marks {
		if i > 0 && e.Now().Sub(time.Unix(m.At, 0)) >= delay {
			due = i
		}
	}
	if due < 0 {
		return nil
	}
	return &secondLook{From: st.Marks[0], Until: st.Marks[due]}
}

// leaveMarks keeps how far a pull had listed, and drops what was looked at once
// more. Marks of a clock that was set back stand from now on.
func (s *session) leaveMarks(st *scanState, r *storedRun) {
	delay, now := s.conf.LooksAgainAfter(), s.Now().Unix()
	if delay == 0 {
		st.Marks = nil
		return
	}
	if r.Again != nil {
		st.Marks = slices.DeleteFunc(st.Marks, func(m lookMark) bool { return m.At < r.Again.Until.At })
	}
	for i := range st.Marks {
		st.Marks[i].At = min(st.Marks[i].At, now)
	}
	next := lookMark{At: now, Left: r.Mark.Left, Right: r.Mark.Right}
	if next.Left == "" && next.Right == "" {
		return
	}
	if n := len(st.Marks); n > 0 {
		last := st.Marks[n-1]
		if next.Left == "" {
			next.Left = last.Left
		}
		if next.Right == "" {
			next.Right = last.Right
		}
		if now-last.At < int64(delay/marksPerLook/time.Second) || next.Left == last.Left && next.Right == last.Right {
			return
		}
		if n >= maxMarks {
			st.Marks = slices.Delete(st.Marks, n-1, n) // its window becomes part of the next one
		}
	}
	st.Marks = append(st.Marks, next)
}

// listAgain asks for the next page of a second look and keeps of it what the
// links do not know.
func (s *session) listAgain(ctx context.Context, r *storedRun) (connector.ChangesPage, crm.Side, error) {
	side := r.Phase.side()
	from, until := r.Again.From.get(side), r.Again.Until.get(side)
	if from == "" || until == "" || from == until {
		return connector.ChangesPage{}, side, nil
	}
	e := s.end(side)
	page, err := s.askChanges(ctx, side, connector.ChangesRequest{
		Object: e.object, Fields: e.fields, Cursor: from, Until: until, Position: r.Position,
	})
	if fault.CodeOf(err) == codeCursorExpired {
		return connector.ChangesPage{}, side, nil // so long ago that everything is listed anyway
	}
	if err != nil {
		return page, side, err
	}
	s.markIf(r.Position == "", "looked_again")
	page.Records, err = s.unseen(ctx, side, page.Records)
	return page, side, err
}

// unseen keeps the records that are not as they were last seen.
func (s *session) unseen(ctx context.Context, side crm.Side, records []crm.Record) ([]crm.Record, error) {
	us := make([]*unit, len(records))
	for i := range records {
		us[i] = &unit{side: side, id: records[i].ID}
	}
	if err := s.loadLinks(ctx, us); err != nil {
		return nil, err
	}
	var out []crm.Record
	for i, u := range us {
		rec := &records[i]
		gone := rec.Deleted || rec.MergedInto != ""
		switch {
		case u.link == nil && gone:
			continue
		case u.link != nil && gone && (u.link.State == crm.StateDeleted || u.link.id(side) != rec.ID):
			continue
		case u.link != nil && !gone && u.link.State != crm.StateDeleted && !s.differs(u.link, side, rec):
			continue
		}
		s.Mark("seen_late")
		out = append(out, *rec)
	}
	return out, nil
}

// differs reports whether a record is not as its link last saw it. What is only
// written otherwise than what was agreed on is no difference.
func (s *session) differs(l *link, side crm.Side, rec *crm.Record) bool {
	if l.Settings != s.set.Digest() {
		// Other fields may have been read then: what counts is what was agreed on.
		return l.State != crm.StateInSync || s.set.Strays(side, rec, l.Base)
	}
	if s.set.Assignable(side, rec, l.Base) {
		return true
	}
	if rec.Fields.Digest(s.end(side).fields) == l.seen(side) {
		return false
	}
	return l.State != crm.StateInSync || l.Code != "" || !s.set.Agrees(side, rec, l.Base) ||
		!s.set.Acted(side, rec, l.Base, s.Now())
}
