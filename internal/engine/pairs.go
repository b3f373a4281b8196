package engine

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// PairOfIDs names a record of either side that are one.
type PairOfIDs struct {
	Left  crm.RecordID `json:"left" minLength:"1" maxLength:"500"`
	Right crm.RecordID `json:"right" minLength:"1" maxLength:"500"`
}

// PairVerdict is what becomes of a pair that somebody brings.
type PairVerdict struct {
	PairOfIDs

	Result PairResult `json:"result" enum:"link,linked,refused" doc:"link: it is linked, or would be; linked: it is already; refused: see code"`
	Code   string     `json:"code,omitempty"`
	Detail string     `json:"detail,omitempty"`
	Side   crm.Side   `json:"side,omitempty" doc:"Of the record that stands in the way"`
}

// PairResult is what becomes of a pair.
type PairResult string

// The results.
const (
	PairLinks   PairResult = "link"
	PairLinked  PairResult = "linked"
	PairRefused PairResult = "refused"
)

// MaxPairs bounds the pairs of one call.
const MaxPairs = 1000

// codePairTwice refuses a pair one of whose records is in another one of the same call.
const codePairTwice = "pair_twice"

// LinkPairs links records that somebody knows to be one, as LinkRecords does for two, or
// says what would become of each pair. Pairs are judged one by one: one that is refused
// keeps no other from being linked. The run carries out those that are not refused; nil
// for a dry run. A draft keeps them until it starts, and links them before anything else.
func (e *Engine) LinkPairs(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, pairs []PairOfIDs, dry bool,
) ([]PairVerdict, *Run, error) {
	sc := scope{ws, id, sync}
	out, err := e.judgePairs(ctx, sc, pairs)
	if err != nil || dry {
		return out, nil, err
	}
	var hints crm.PerSide[[]hint]
	for i := range out {
		if p := &out[i]; p.Result == PairLinks {
			hints.Left = append(hints.Left, hint{ID: p.Left, Force: true, Op: opLink, Partner: p.Right})
		}
	}
	r, err := e.bring(ctx, sc, hints)
	return out, &r, err
}

// judgePairs looks at what is stored of the records, and asks the apps for those that may
// be linked. The worker looks once more.
func (e *Engine) judgePairs(ctx context.Context, sc scope, pairs []PairOfIDs) ([]PairVerdict, error) {
	s, err := e.inspect(ctx, sc)
	if err != nil {
		return nil, err
	}
	out := make([]PairVerdict, len(pairs))
	var us [2][]*unit
	times := map[unitKey]int{}
	for i, p := range pairs {
		out[i] = PairVerdict{PairOfIDs: p, Result: PairLinks}
		for side, id := range [2]crm.RecordID{p.Left, p.Right} {
			us[side] = append(us[side], &unit{side: crm.Sides[side], id: id})
			times[unitKey{crm.Sides[side], id}]++
		}
	}
	for _, side := range us {
		if err := s.loadLinks(ctx, side); err != nil {
			return nil, err
		}
	}
	before, err := e.loadBrought(ctx, sc, s.conn)
	if err != nil {
		return nil, err
	}
	for i := range out {
		s.judgeStored(&out[i], [2]*unit{us[0][i], us[1][i]}, times)
		before.judge(&out[i])
	}
	for side := range us {
		var ask []*unit
		for i, u := range us[side] {
			if out[i].Result == PairLinks {
				u.id = [2]crm.RecordID{out[i].Left, out[i].Right}[side] // not what it was merged into
				ask = append(ask, u)
			}
		}
		if err := s.read(ctx, crm.Sides[side], ask, func(u *unit) crm.RecordID { return u.id }); err != nil {
			return nil, err
		}
	}
	for i := range out {
		for side := range us {
			s.judgeRead(&out[i], us[side][i])
		}
	}
	return out, nil
}

// judgeStored judges a pair by what is remembered of its records.
func (s *session) judgeStored(p *PairVerdict, us [2]*unit, times map[unitKey]int) {
	left, right := us[0].link, us[1].link
	if left.paired() && left.Left == p.Left && left.Right == p.Right && left.State != crm.StateDeleted {
		p.Result = PairLinked
		return
	}
	for side, id := range [2]crm.RecordID{p.Left, p.Right} {
		word := crm.Sides[side]
		switch l := [2]*link{left, right}[side]; {
		case times[unitKey{word, id}] > 1:
			p.refuse(word, codePairTwice, "the record stands in more than one of the pairs")
		case s.buried(word, id):
			p.refuse(word, CodeErased, erasedDetail)
		case l.paired() && l.State != crm.StateDeleted:
			p.refuse(word, codeTwinTaken, "the record is linked to another one: unlink that one first")
		}
	}
}

// judgeRead judges a pair by what its apps say of a record.
func (s *session) judgeRead(p *PairVerdict, u *unit) {
	switch {
	case p.Result != PairLinks:
	case u.unread != nil:
		p.refuse(u.side, fault.CodeOf(u.unread), safeText(u.unread))
	case u.rec.Get(u.side) == nil:
		p.refuse(u.side, "record_unknown", "the app has no such record")
	case s.isErased(u.side, u.rec.Get(u.side)):
		p.refuse(u.side, CodeErased, erasedDetail)
	}
}

func (p *PairVerdict) refuse(side crm.Side, code, detail string) {
	if p.Result != PairRefused { // the first reason is told
		p.Result, p.Side, p.Code, p.Detail = PairRefused, side, code, detail
	}
}
