package engine

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

type unitKey struct {
	side crm.Side
	id   crm.RecordID
}

// gather merges the hints of all jobs per record, loads what is remembered of
// each, and merges the two ends of one link.
func (s *session) gather(ctx context.Context, jobs []*job) ([]*unit, error) {
	var us []*unit
	index := map[unitKey]*unit{}
	for _, j := range jobs {
		for _, h := range j.chunk.Hints {
			h = h.ofSurvivor()
			k := unitKey{j.chunk.Side, h.ID}
			if u := index[k]; u != nil {
				u.absorb(h, j)
				s.Mark("hints_merged")
				continue
			}
			u := &unit{side: j.chunk.Side, id: h.ID, hint: h, jobs: []*job{j}, named: h.ID}
			index[k] = u
			us = append(us, u)
		}
	}
	if err := s.loadHinted(ctx, us); err != nil {
		return nil, err
	}
	us = s.mergeEnds(us)
	return us, s.loadDecided(ctx, us)
}

// ofSurvivor turns the hint about a record that lost a merge into one about the
// record that it lives on in.
func (h hint) ofSurvivor() hint {
	if h.Into == "" || h.Into == h.ID {
		return h
	}
	return hint{ID: h.Into, Merged: append([]crm.RecordID{h.ID}, h.Merged...), Primary: h.Primary, Tries: h.Tries}
}

// absorb merges another hint for the same record.
func (u *unit) absorb(h hint, j *job) {
	if !slices.Contains(u.jobs, j) {
		u.jobs = append(u.jobs, j)
	}
	u.beside = u.beside || h.undoes() != u.hint.undoes() || (h.Expect == "") != (u.hint.Expect == "")
	u.hint.add(h)
}

// add lets a hint ask for what a later one of the same record asks for as well.
func (h *hint) add(more hint) {
	if more.Digest != h.Digest {
		h.Digest = ""
	}
	h.Gone = h.Gone || more.Gone
	h.Confirm = h.Confirm || more.Confirm
	h.Force = h.Force || more.Force
	h.Later = h.Later && more.Later
	h.Again = h.Again || more.Again
	h.Audit = h.Audit || more.Audit
	h.Weighed = h.Weighed || more.Weighed
	if more.Decided != "" {
		h.Decided = more.Decided
	}
	h.Tries = max(h.Tries, more.Tries)
	if more.Holder != "" {
		h.Holder = more.Holder
	}
	h.Twins, h.Doubles = join(h.Twins, more.Twins), join(h.Doubles, more.Doubles)
	for _, id := range more.Merged {
		if !slices.Contains(h.Merged, id) {
			h.Merged = append(slices.Clone(h.Merged), id)
		}
	}
	if more.Primary != "" {
		h.Primary = more.Primary
	}
	if more.Op != "" {
		h.Op, h.Partner, h.Resolve, h.Thaw, h.Kept = more.Op, more.Partner, more.Resolve, more.Thaw, more.Kept
		h.Wins, h.Fields = more.Wins, more.Fields
	}
	if more.undoes() {
		h.Undo, h.Entry, h.Fields = more.Undo, more.Entry, more.Fields
	}
	if more.Expect != "" {
		h.Expect = more.Expect
	}
}

// join returns the IDs of both lists, each once.
func join(a, b []crm.RecordID) []crm.RecordID {
	for _, id := range b {
		if !slices.Contains(a, id) {
			a = append(slices.Clone(a), id)
		}
	}
	return a
}

// mergeEnds keeps one unit for the two ends of a link.
func (s *session) mergeEnds(us []*unit) []*unit {
	pairs := map[store.Key]*unit{}
	alone := map[unitKey]*unit{}
	out := us[:0:0]
	for _, u := range us {
		if u.id != u.hint.ID {
			u.hint.Primary = "" // who was the primary of an earlier merge says nothing of the last one
		}
		if !u.link.paired() {
			k := unitKey{u.side, u.id}
			if first := alone[k]; first != nil {
				s.Mark("hints_merged")
				first.absorbUnit(u)
				continue
			}
			alone[k] = u
			out = append(out, u)
			continue
		}
		k := u.link.key(s.scope)
		first := pairs[k]
		if first == nil {
			pairs[k] = u
			out = append(out, u)
			continue
		}
		if first.side == u.side {
			s.Mark("hints_merged")
			first.absorbUnit(u)
			continue
		}
		s.Mark("ends_merged")
		first.both = first.both || !s.same(u)
		first.hears(u)
		first.beside = first.beside || u.beside || (u.hint.Expect == "") != (first.hint.Expect == "") ||
			u.undoes() != first.undoes()
		first.hint.Force = first.hint.Force || u.hint.Force
		first.hint.Later = first.hint.Later && u.hint.Later
		first.hint.Again = first.hint.Again || u.hint.Again
		first.hint.Audit = first.hint.Audit || u.hint.Audit
		first.hint.Weighed = first.hint.Weighed || u.hint.Weighed
		if u.hint.Decided != "" {
			first.hint.Decided = u.hint.Decided
		}
		for _, j := range u.jobs {
			if !slices.Contains(first.jobs, j) {
				first.jobs = append(first.jobs, j)
			}
		}
		asked := u.hint.Op != "" || u.hint.Undo != ""
		if u.hint.Gone || u.hint.Confirm || asked || len(u.hint.Merged) > 0 && first.hint.Op == "" && !first.undoes() &&
			!first.hint.Gone && !first.hint.Confirm {
			// A deletion, a merge or a person's wish keeps its own side: it goes first, the other end is looked at with it.
			first.side, first.id, first.hint, first.told = u.side, u.id, u.hint, u.told
			first.both, first.hint.Later = true, false
		}
	}
	return out
}

// absorbUnit takes over what another unit was asked: of a record that was asked
// for by an ID that it had before a merge, too.
func (u *unit) absorbUnit(o *unit) {
	for _, j := range o.jobs {
		u.absorb(o.hint, j)
	}
	u.both, u.beside, u.told = u.both || o.both, u.beside || o.beside, append(u.told, o.told...)
}

// hears lets each of two units of one pair know of all the merges that the
// other was told of: whichever of them leads, none goes unnoticed.
func (u *unit) hears(o *unit) {
	mine, theirs := u.news(), o.news()
	u.learn(theirs)
	o.learn(mine)
}

// news are the merges that a unit was told of, by the side of the survivor.
func (u *unit) news() (out crm.PerSide[[]hint]) {
	out.Set(u.side.Other(), u.told)
	if len(u.hint.Merged) > 0 {
		out.Set(u.side, []hint{{ID: u.id, Merged: u.hint.Merged, Primary: u.hint.Primary}})
	}
	return out
}

func (u *unit) learn(news crm.PerSide[[]hint]) {
	for _, h := range news.Get(u.side) {
		u.hint.Merged = join(u.hint.Merged, h.Merged)
		if u.hint.Primary == "" {
			u.hint.Primary = h.Primary
		}
	}
	u.told = append(slices.Clone(u.told), news.Get(u.side.Other())...)
}

// same reports whether a pull saw the record just as the link remembers it,
// under the settings that decided then: there is nothing to do.
func (s *session) same(u *unit) bool {
	l := u.link
	if l != nil && l.Code == reconcile.CodeUpdateOnly && u.jobs[0].chunk.Kind == RunResync {
		return false // a twin may have come since; only a pull that looks at everything asks for it again
	}
	return l != nil && u.hint.Digest != "" && u.hint.Digest == l.seen(u.side) &&
		(s.upToDate(l) || s.spent(l) && u.jobs[0].chunk.Kind != RunResync) &&
		!u.hint.Force && !u.hint.Again && !u.hint.Gone && u.hint.Op == "" && u.hint.Expect == ""
}

// spent reports whether the record failed for good under the present settings:
// as long as it is unchanged nothing else comes of another try.
func (s *session) spent(l *link) bool {
	return l.State == crm.StateFailing && l.Once && l.Settings == s.set.Digest() && !s.set.Timed()
}

// upToDate reports whether the link's state follows from the two records and
// the present settings alone, so that unchanged records mean an unchanged state.
func (s *session) upToDate(l *link) bool {
	return l.Settings == s.set.Digest() && (l.State == crm.StateInSync && l.Code == "" || l.State == crm.StateExcluded) &&
		!s.set.Timed()
}
