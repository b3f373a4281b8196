package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// openPair is one link with the writes that may have landed on its sides.
type openPair struct {
	*unit
	entries crm.PerSide[*intentEntry]
	past    crm.PerSide[map[string][]crm.Value] // the apps' own history, newest first
}

// entry is one of the pair's, for what concerns both.
func (p *openPair) entry() *intentEntry {
	if p.entries.Left != nil {
		return p.entries.Left
	}
	return p.entries.Right
}

// lookAtPairs reads what the records of an intent's updates hold now, or held since
// by their app's own history, and tells the log what they took the place of.
func (s *session) lookAtPairs(ctx context.Context, in *intent) ([]*openPair, error) {
	pairs, us := openPairs(in.Entries)
	if len(pairs) == 0 {
		return nil, nil
	}
	if err := s.loadLinks(ctx, us); err != nil {
		return nil, err
	}
	for _, side := range crm.Sides {
		if err := s.readAll(ctx, side, us, func(u *unit) crm.RecordID { return u.hint.on(side) }); err != nil {
			return nil, err
		}
		if err := s.pasts(ctx, side, pairs); err != nil {
			return nil, err
		}
	}
	if err := s.logLost(ctx, in, pairs); err != nil {
		return nil, fmt.Errorf("log what lost: %w", err)
	}
	return pairs, nil
}

// openPairs groups an intent's updates by the pair they write.
func openPairs(entries []intentEntry) (pairs []*openPair, us []*unit) {
	at := map[crm.RecordID]*openPair{}
	for i := range entries {
		e := &entries[i]
		if e.Create || e.Left == "" || e.Right == "" {
			continue
		}
		p := at[e.Left]
		if p == nil {
			p = &openPair{unit: &unit{side: crm.Left, id: e.Left, hint: hint{ID: e.Left, Partner: e.Right}}}
			at[e.Left] = p
			pairs, us = append(pairs, p), append(us, p.unit)
		}
		p.entries.Set(e.Side, e)
	}
	return pairs, us
}

// on returns the record on a side of a pair that is named by its left record and partner.
func (h *hint) on(side crm.Side) crm.RecordID {
	if side == crm.Left {
		return h.ID
	}
	return h.Partner
}

// pasts reads the app's own past values of the records written on a side, where
// it keeps them.
func (s *session) pasts(ctx context.Context, side crm.Side, pairs []*openPair) error {
	var ids []crm.RecordID
	for _, p := range pairs {
		if p.entries.Get(side) != nil && p.rec.Get(side) != nil {
			ids = append(ids, p.hint.on(side))
		}
	}
	got, err := s.history(ctx, side, ids)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if p.entries.Get(side) != nil && p.rec.Get(side) != nil {
			p.past.Set(side, got[p.hint.on(side)])
		}
	}
	return nil
}

// history reads an app's own past values of records, where it keeps them: by
// field, newest first.
func (s *session) history(
	ctx context.Context, side crm.Side, ids []crm.RecordID,
) (map[crm.RecordID]map[string][]crm.Value, error) {
	e := s.end(side)
	read := e.Extras().History
	if read == nil || !e.app.Can(crm.AbilityHistory) || len(ids) == 0 {
		return nil, nil
	}
	past := make(map[crm.RecordID]map[string][]crm.Value, len(ids))
	for part := range slices.Chunk(ids, max(e.app.Limits.ReadBatch/2, 1)) {
		cctx, done, err := s.ask(ctx, side, askOne)
		if err != nil {
			return nil, err
		}
		got, err := read(cctx, e.object, part, e.fields)
		done()
		if err != nil {
			return nil, atSide(side, "read history", err)
		}
		if err := s.meetPast(ctx, side, got); err != nil {
			return nil, err
		}
		for i := range min(len(got), len(part)) {
			past[part[i]] = got[i]
		}
	}
	return past, nil
}

// agreeLanded stores the base of one pair whose writes landed, unless its link
// was settled before the crash.
func (s *session) agreeLanded(ctx context.Context, p *openPair) error {
	l := p.link.clone()
	if l.Base == nil {
		l.Base = crm.Base{}
	}
	values, landed := s.landedValues(p), false
	for _, side := range crm.Sides {
		e, r := p.entries.Get(side), p.rec.Get(side)
		if e == nil || p.outlived(e) {
			continue
		}
		for id, want := range e.Intended {
			if !s.means(e, id) {
				s.Mark("intended_under_other_settings")
				continue
			}
			if r == nil || s.set.Rests(id) {
				if e.alone(id) { // else what the other side was to get is unknown
					l.await(id, side, want)
				}
				continue
			}
			v, ok := values.Get(side)[id]
			if entry, undone := e.Settles[id]; undone {
				_, there := values.Get(side.Other())[id]
				if ok {
					l.Base[id], landed = s.undoLanded(p, id, entry, there || e.alone(id)), true
				}
				continue
			}
			if !ok {
				entry, otherwise, err := s.landedOtherwise(ctx, p, side, id, want)
				if err != nil {
					return err
				}
				if otherwise {
					l.Base[id] = entry
					landed = true
				}
				continue
			}
			_, there := values.Get(side.Other())[id]
			whole := there || e.alone(id)
			if entry, ok := s.set.Landed(id, p.link.Base, side, v, p.rec.Get(side.Other()), whole); ok {
				l.Base[id] = entry
				landed = true
			}
		}
	}
	for _, side := range crm.Sides {
		if e := p.entries.Get(side); e != nil && !p.outlived(e) {
			landed = s.actsLanded(e, p.rec.Get(side), l.Base) || landed
		}
	}
	for _, side := range crm.Sides {
		e := p.entries.Get(side)
		if e != nil && e.Buries && !p.outlived(e) && p.rec.Get(side) == nil && l.State != crm.StateDeleted {
			s.Mark("burial_landed")
			l.State, l.Code, l.Detail, l.Since, landed = crm.StateDeleted, codeCreateUndone, "", s.Now(), true
		}
	}
	// Stored once more even if nothing landed: its writer may wake up and store what it agreed on.
	s.markIf(!landed, "intended_write_lost")
	l.SeenL, l.SeenR = "", ""
	item, err := l.item(s.scope)
	if err != nil {
		return err
	}
	_, err = s.Store.Write(ctx, store.Write{Item: item, If: store.IfVersion(p.versions.Left)})
	return err
}

// undoLanded is what to remember of a mapping that an undo put back: what was to
// be, or where only one of its sides was reached, that they are left as they are.
func (s *session) undoLanded(p *openPair, id crm.MappingID, entry crm.Agreed, whole bool) crm.Agreed {
	s.Mark("undo_landed")
	if whole {
		return entry
	}
	now, ok := s.set.Settled(id, p.link.Base, p.rec.Left, p.rec.Right, crm.Difference{Reason: crm.ReasonUndone})
	if !ok {
		return entry
	}
	return now
}

// actsLanded notes in a base which actions of rules a write has carried out.
func (s *session) actsLanded(e *intentEntry, r *crm.Record, base crm.Base) (landed bool) {
	for id, entry := range e.Acts {
		if r == nil || !s.set.ActLanded(id, entry, r.Fields) {
			continue
		}
		s.Mark("action_landed")
		landed = true
		if entry.Revision == "" {
			delete(base, id)
		} else {
			base[id] = entry
		}
	}
	return landed
}

// outlived reports whether the link was stored since a write was decided, so that
// what the write was to bring about has been agreed on, or replaced. The first
// time that a link is stored says nothing of the kind: whoever joined the pair
// before, and slept, may have done so.
func (p *openPair) outlived(e *intentEntry) bool {
	return p.versions.Left != e.Version && (e.Version != 0 || p.versions.Left != 1)
}

// landedValues are the intended values of a pair that are known to have landed.
func (s *session) landedValues(p *openPair) (out crm.PerSide[map[crm.MappingID]crm.Value]) {
	for _, side := range crm.Sides {
		e, r := p.entries.Get(side), p.rec.Get(side)
		if e == nil || r == nil {
			continue
		}
		found := map[crm.MappingID]crm.Value{}
		for id, want := range e.Intended {
			if !s.means(e, id) {
				continue
			}
			if v, ok := s.landedValue(id, side, r.Fields, p.past.Get(side), p.link.Base[id], want); ok {
				found[id] = v
			}
		}
		out.Set(side, found)
	}
	return out
}

// landedOtherwise is for a value that landed as something else than was
// intended: the record was last changed by our own user, and the other side
// still holds what was sent. Then nobody typed what is there.
func (s *session) landedOtherwise(
	ctx context.Context, p *openPair, side crm.Side, id crm.MappingID, want string,
) (entry crm.Agreed, ok bool, err error) {
	m, r, source := s.set.Mapping(id), p.rec.Get(side), p.rec.Get(side.Other())
	if m == nil || source == nil || r.ModifiedBy == "" || halfMoved(m, side, r.Fields) {
		return crm.Agreed{}, false, nil
	}
	sent, unfit := m.Canonical(side.Other(), source.Fields)
	if unfit != nil || sent.Digest() != want || !s.set.Moved(id, p.link.Base, side, p.rec.Left, p.rec.Right) ||
		p.entries.Get(side).stands(id, r.Fields) {
		return crm.Agreed{}, false, nil
	}
	self, err := s.self(ctx, side)
	if err != nil || r.ModifiedBy != self {
		return crm.Agreed{}, false, err
	}
	shared, err := s.shared(ctx, side)
	if err != nil || shared&s.set.Places(map[crm.MappingID]crm.Value{id: {}}) != 0 {
		return crm.Agreed{}, false, err
	}
	s.Mark("landed_otherwise")
	entry, ok = s.set.Settled(id, p.link.Base, p.rec.Left, p.rec.Right, crm.Difference{
		Reason: crm.ReasonChangedByApp, Side: side, Since: s.Now(),
	})
	return entry, ok, nil
}

// halfMoved reports whether a reference that stands for one record names several: then nothing tells
// whether the one that was to go is there still because the app stopped between the
// two steps of a move. The next look makes it so, or finds that it is.
func halfMoved(m *mapping.Compiled, side crm.Side, f crm.Fields) bool {
	return m.Joins() != "" && !m.JoinsSeveral() && len(mapping.RecordsNamed(f[m.Names(side)[0]])) > 1
}

// stands reports whether a record still holds the user's value that this write
// was to take the place of: the app refused that field, and took the others.
func (e *intentEntry) stands(id crm.MappingID, now crm.Fields) bool {
	return slices.ContainsFunc(e.Lost, func(d Diff) bool {
		return d.Mapping == id && d.Side == e.Side && now[d.Field].Equal(d.Before)
	})
}

// landedValue returns the intended value if the record holds it, or held it
// since the last agreement: then our write landed, and somebody may have edited
// it afterwards. Only mappings of one field can be told from history.
func (s *session) landedValue(
	id crm.MappingID, side crm.Side, now crm.Fields, past map[string][]crm.Value, agreed crm.Agreed, want string,
) (crm.Value, bool) {
	m := s.set.Mapping(id)
	if m == nil || halfMoved(m, side, now) {
		return crm.Value{}, false
	}
	if v, err := m.Canonical(side, now); err == nil && v.Digest() == want {
		s.Mark("landed_value_agreed")
		return v, true
	}
	names := m.Names(side)
	if len(names) != 1 {
		return crm.Value{}, false
	}
	for _, old := range past[names[0]] {
		f := now.Clone()
		f[names[0]] = old
		v, err := m.Canonical(side, f)
		if err == nil && v.Digest() == want {
			s.Mark("landed_value_in_history")
			return v, true
		}
		if err == nil && agreed.Is(v) {
			break // what came before the last agreement is none of ours
		}
	}
	return crm.Value{}, false
}
