package engine

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// Choice is what a person decides about many records at once.
type Choice string

// The choices.
const (
	ChoiceLeft  Choice = "left"  // the left side's values win wherever a person is to decide
	ChoiceRight Choice = "right" // the right side's
	ChoiceLink  Choice = "link"  // linked with the one record of the other app that it fits
	ChoiceApart Choice = "apart" // left alone until a person links it
)

// OfValues reports whether a choice is about the values of pairs, and not about
// which records are one.
func (c Choice) OfValues() bool { return c == ChoiceLeft || c == ChoiceRight }

// maxInBulk bounds the records of one decision, which the run that carries it out
// is stored with.
const maxInBulk = 1000

// ResolveFilter names the records that a decision is about.
type ResolveFilter struct {
	State    crm.State // conflict or duplicate
	Code     string    // why they are in it; "" = whatever the reason
	Mappings []crm.MappingID
}

// Resolved is what a decision about many records comes to.
type Resolved struct {
	Decided   int            // records, a pair counts as one
	Undecided int            // that the filter names and the choice says nothing about
	More      bool           // there are further ones: the same call again goes on
	Sample    []ChosenRecord // some of those that are decided, in the order of the list
	Run       *Run           // that carries it out; nil for a dry run
}

// ChosenRecord is a record with the one that it is, or would be, linked to.
type ChosenRecord struct {
	Side    crm.Side     `json:"side"`
	ID      crm.RecordID `json:"id"`
	Partner crm.RecordID `json:"partner,omitempty"`
}

// sampled is how many of the decided records are named.
const sampled = 10

// ResolveRecords carries out one decision about up to 1,000 conflicts or duplicates,
// or says what it would come to. Values are decided where a person is asked by then:
// a pair that was resolved meanwhile, or other fields of it, are left alone.
func (e *Engine) ResolveRecords(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, f ResolveFilter, choice Choice,
	dry bool,
) (Resolved, error) {
	sc := scope{ws, id, sync}
	var out Resolved
	var hints crm.PerSide[[]hint]
	done := map[unitKey]bool{}
	for cursor := ""; ; {
		page, next, err := e.ListRecords(ctx, ws, id, sync, RecordFilter{State: f.State, Code: f.Code}, 200, cursor)
		if err != nil {
			return out, err
		}
		chosen, err := e.choose(ctx, sc, page, f, choice, done)
		if err != nil {
			return out, err
		}
		out.Undecided += len(page) - len(chosen)
		for _, one := range chosen {
			if out.Decided == maxInBulk {
				out.More = true
				break
			}
			out.Decided++
			hints.Set(one.side, append(hints.Get(one.side), one.hint))
			if len(out.Sample) < sampled {
				out.Sample = append(out.Sample, ChosenRecord{one.side, one.hint.ID, one.hint.Partner})
			}
		}
		if cursor = next; cursor == "" || out.More {
			break
		}
	}
	if dry {
		return out, nil
	}
	r, err := e.handRun(ctx, sc, RunRecord, hints)
	out.Run = &r
	return out, err
}

// decidedRecord is a record with what a person decided about it.
type decidedRecord struct {
	side crm.Side
	hint hint
}

// choose makes a choice for the records of a page that it says something about. Done
// are those that were spoken for before.
func (e *Engine) choose(
	ctx context.Context, sc scope, page []RecordView, f ResolveFilter, choice Choice, done map[unitKey]bool,
) ([]decidedRecord, error) {
	var out []decidedRecord
	for i := range page {
		v := &page[i]
		h := hint{ID: v.ID, Force: true, Partner: v.Partner}
		paired := v.Partner != ""
		switch {
		case paired != choice.OfValues():
			continue
		case paired:
			h.Op, h.Wins, h.Fields = opResolve, crm.Side(choice), f.Mappings
		case choice == ChoiceApart:
			h.Op = opUnlink
		default:
			twin, err := e.onlyTwin(ctx, sc, v)
			if err != nil {
				return nil, err
			}
			other := unitKey{v.Side.Other(), twin}
			if twin == "" || done[other] || done[unitKey{v.Side, v.ID}] {
				continue
			}
			done[other], done[unitKey{v.Side, v.ID}] = true, true
			h.Op, h.Partner = opLink, twin
		}
		out = append(out, decidedRecord{v.Side, h})
	}
	return out, nil
}

// onlyTwin is the one record of the other app that a record was found to fit and that is
// linked to none; "" where there is none, or a person has to say which.
func (e *Engine) onlyTwin(ctx context.Context, sc scope, v *RecordView) (crm.RecordID, error) {
	if v.Code == codeDuplicateInApp {
		return "", nil // the others are records of its own app
	}
	var us []*unit
	for _, id := range v.Others {
		us = append(us, &unit{side: v.Side.Other(), id: id})
	}
	if err := (&session{Engine: e, scope: sc}).loadLinks(ctx, us); err != nil {
		return "", err
	}
	var free []crm.RecordID
	for _, u := range us {
		if !u.link.paired() && !u.link.apart() {
			free = append(free, u.id)
		}
	}
	if len(free) != 1 {
		return "", nil
	}
	return free[0], nil
}

// resolveWaiting lets one side's values win in the fields of a pair in which a person
// is to decide; none = the pair is decided as ever.
func (b *batch) resolveWaiting(u *unit, p *reconcile.Pair) {
	d := b.set.Reconcile(*p)
	u.resolutions = map[crm.MappingID]Resolution{}
	for i := range d.Fields {
		f := &d.Fields[i]
		if f.Waits() && (len(u.hint.Fields) == 0 || slices.Contains(u.hint.Fields, f.Mapping)) {
			u.resolutions[f.Mapping] = Resolution{Side: u.hint.Wins}
		}
	}
	if len(u.resolutions) == 0 {
		b.Mark("resolved_meanwhile")
	}
	b.resolve(u, p)
}
