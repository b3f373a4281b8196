package engine

import (
	"context"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// merging is a survivor with the records that live on in it.
type merging struct {
	unitKey

	lost    []crm.RecordID // as the app named them
	primary crm.RecordID   // of these, whose values the survivor has; "" = not told
	rec     *crm.Record    // the survivor as read; nil = not read, or gone
	job     *job

	survivor *unit   // what is remembered of it
	losers   []*unit // what is remembered of those that do not follow it yet
}

// mergings are what is known of merges, by survivor.
type mergings map[unitKey]*merging

func (m mergings) note(k unitKey, u *unit, primary crm.RecordID, lost ...crm.RecordID) {
	g := m[k]
	if g == nil {
		g = &merging{unitKey: k, job: u.jobs[0]}
		m[k] = g
	}
	if g.primary == "" {
		g.primary = primary
	}
	for _, id := range lost {
		if id != k.id && id != "" && !slices.Contains(g.lost, id) {
			g.lost = append(g.lost, id)
		}
	}
}

// tells notes the merges that the hints of a unit told of.
func (u *unit) tells(m mergings) {
	news := u.news()
	for _, side := range crm.Sides {
		for _, h := range news.Get(side) {
			m.note(unitKey{side, h.ID}, u, h.Primary, h.Merged...)
		}
	}
}

// sorted are the mergings in an order that does not depend on a map.
func (m mergings) sorted() []*merging {
	out := make([]*merging, 0, len(m))
	for _, g := range m {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *merging) int {
		if a.side != b.side {
			return slices.Index(crm.Sides[:], a.side) - slices.Index(crm.Sides[:], b.side)
		}
		return compareIDs(a.id, b.id)
	})
	return out
}

// compareIDs orders record IDs by age, as far as IDs tell: shorter ones first.
func compareIDs(a, b crm.RecordID) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.Compare([]byte(a), []byte(b))
}

// expectMerges marks the units whose hint tells of a merge that links do not
// follow yet, so that they are looked at whatever their digests say.
func (s *session) expectMerges(ctx context.Context, us []*unit) error {
	told := mergings{}
	for _, u := range us {
		u.tells(told)
	}
	if err := s.loadLosers(ctx, told); err != nil {
		return err
	}
	for _, u := range us {
		news := u.news()
		for _, side := range crm.Sides {
			for _, h := range news.Get(side) {
				if g := told[unitKey{side, h.ID}]; g != nil && len(g.losers) > 0 {
					u.hint.Force = true
				}
			}
		}
	}
	return nil
}

// loadLosers reads what is remembered of the records that lost a merge, and
// keeps those that do not follow their survivor yet.
func (s *session) loadLosers(ctx context.Context, m mergings) error {
	var all []*unit
	for _, g := range m.sorted() {
		g.losers = nil
		for _, id := range g.lost {
			if s.supposed.merged[unitKey{g.side, id}] {
				continue
			}
			u := &unit{side: g.side, id: id, jobs: []*job{g.job}}
			g.losers, all = append(g.losers, u), append(all, u)
		}
	}
	if len(all) == 0 {
		return nil
	}
	asked := make(map[*unit]crm.RecordID, len(all))
	for _, u := range all {
		asked[u] = u.id
	}
	if err := s.loadLinks(ctx, all); err != nil {
		return err
	}
	for _, g := range m {
		g.losers = slices.DeleteFunc(g.losers, func(u *unit) bool { return u.id != asked[u] || u.link == nil })
	}
	return nil
}

// longAgo is further back than any two clocks differ, and than the work of a
// first sync waits.
const longAgo = 72 * time.Hour

// askAbsorbed asks an app that does not say it by itself who was merged into
// records that are about to get a twin: one of them may have a twin already.
func (s *session) askAbsorbed(ctx context.Context, us []*unit) error {
	for _, side := range crm.Sides {
		e := s.end(side)
		ask := e.Extras().Absorbed
		if ask == nil || !e.app.Can(crm.AbilityAbsorbed) {
			continue
		}
		var asked []*unit
		for _, u := range us {
			if r := u.rec.Get(side); u.side == side && r != nil && s.mayHaveAbsorbed(u, r) {
				asked = append(asked, u)
			}
		}
		for part := range slices.Chunk(asked, max(e.app.Limits.ReadBatch, 1)) {
			ids := make([]crm.RecordID, len(part))
			for i, u := range part {
				ids[i] = u.id
			}
			cctx, done, err := s.ask(ctx, side, askOne)
			if err != nil {
				return err
			}
			got, err := ask(cctx, e.object, ids)
			done()
			if err != nil {
				return atSide(side, "ask for merged records", err)
			}
			for i := range min(len(got), len(part)) {
				part[i].rec.Get(side).Merged = got[i]
			}
		}
	}
	return nil
}

// mayHaveAbsorbed reports whether a record without a twin can be the survivor of
// a merge of records that we know.
func (s *session) mayHaveAbsorbed(u *unit, r *crm.Record) bool {
	if u.decided || u.link.paired() || u.link.setAside() || len(u.hint.Merged) > 0 || u.hint.Op != "" {
		return false
	}
	if s.conn.Status == crm.StatusDraft {
		return false // nobody is linked yet
	}
	c := u.jobs[0].chunk
	if c.Kind != RunInitial {
		return true // made and merged within the second that the app counts in, too
	}
	if r.ModifiedAt.Before(c.Since.Add(-longAgo)) {
		return false // nobody was when it was merged
	}
	return r.CreatedAt.IsZero() || r.ModifiedAt.After(r.CreatedAt)
}

// loadSurvivor reads the survivor and what is remembered of it. One that was
// merged on itself stands for the last of its chain.
func (s *session) loadSurvivor(ctx context.Context, g *merging) error {
	for range mergeRounds {
		g.survivor = &unit{side: g.side, id: g.id, jobs: []*job{g.job}}
		if err := s.loadLinks(ctx, []*unit{g.survivor}); err != nil {
			return err
		}
		s.suppose(g.survivor)
		if g.rec != nil && g.rec.ID == g.survivor.id {
			return nil
		}
		g.rec = nil
		if err := s.readAll(ctx, g.side, []*unit{g.survivor}, func(u *unit) crm.RecordID { return u.id }); err != nil {
			return err
		}
		g.rec = g.survivor.own()
		on := g.survivor.moved.Get(g.side)
		if on == nil || on.MergedInto == g.id {
			break
		}
		lost := append([]crm.RecordID{g.id}, on.Merged...)
		g.id, g.primary = on.MergedInto, "" // who was the primary of an earlier merge says nothing of this one
		for _, id := range lost {
			if !slices.Contains(g.lost, id) {
				g.lost = append(g.lost, id)
			}
		}
		if err := s.loadLosers(ctx, mergings{g.unitKey: g}); err != nil {
			return err
		}
	}
	g.id = g.survivor.id
	g.losers = slices.DeleteFunc(g.losers, func(u *unit) bool { return u.id == g.id })
	return nil
}
