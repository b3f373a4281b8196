package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// merged is what must become of the links of two records that a user merged.
type merged struct {
	survivor ref
	kept     ref      // the twin that stays, with its base
	base     crm.Base // of its link when they were merged
	moved    bool     // the link was seen to follow
	left     []ref    // twins of the others
	over     bool     // what came later decides
}

// tellsMerges reports whether an app says who lives on in whom.
func (w *world) tellsMerges(side crm.Side) bool {
	o := &w.set.apps[side.Index()]
	return w.set.real && !w.set.every || o.Merges || o.Absorbs
}

// userMerges merges record id into another one of its side.
func (w *world) userMerges(side crm.Side, id, into crm.RecordID) {
	a := w.apps[side.Index()]
	if id == into || id == "" || w.young(ref{side, id}) || w.young(ref{side, into}) {
		return
	}
	loser, primary := ref{side, id}, ref{side, into}
	links := [2]linkView{}
	for i, r := range []ref{primary, loser} {
		links[i], _ = w.link(r)
	}
	was, _ := a.get(into)
	lost, _ := a.get(id)
	survivor, err := a.merge(id, into)
	if err != nil {
		w.mark("user_refused")
		return
	}
	w.changes++
	w.acted[loser], w.acted[primary], w.acted[ref{side, survivor}] = w.now, w.now, w.now
	now, _ := a.get(survivor)
	r := ref{side, survivor}
	w.tell("USER merges %s %s into %s, which lives on as %s: %v and %v -> %v", side, id, into, survivor,
		shown(lost.fields), shown(was.fields), shown(now.fields))
	for _, gone := range []ref{loser, primary} {
		if gone != r {
			w.mergedAway[gone] = w.moment()
		}
	}
	w.removed[loser] = true
	if r == primary {
		w.typed(r, was.fields, now.fields)
	} else {
		w.removed[primary], w.made[r] = true, ""
		w.typed(r, nil, now.fields)
		w.mark("merge_made_a_record")
	}
	w.inherits(r, now.fields, lost, was)
	w.expectMerge(r, primary, loser, links)
	for _, gone := range []crm.RecordID{id, into} {
		if gone != survivor {
			e := connector.Event{Kind: connector.EventMerged, ID: gone, MergedInto: survivor}
			if survivor != into {
				e.Primary = into
			}
			w.hook(side, e)
		}
	}
	w.hook(side, connector.Event{Kind: connector.EventChanged, ID: survivor})
}

// inherits notes who emptied what is empty in the survivor of a merge: the user
// who did so in a record that lives on in it.
func (w *world) inherits(survivor ref, now crm.Fields, from ...row) {
	for i := range w.set.sync.Mappings {
		k := cellKey{survivor, w.set.sync.Mappings[i].ID}
		if !w.canonical(survivor.side, k.mapping, now).Blank() || w.last[k].user {
			continue
		}
		for _, r := range from {
			by := w.last[cellKey{ref{survivor.side, r.id}, k.mapping}]
			if by.user && w.canonical(survivor.side, k.mapping, r.fields).Blank() {
				w.last[k] = by
			}
		}
	}
}

// young reports whether a record was typed in just now: nobody merges it at once.
func (w *world) young(r ref) bool {
	born, ok := w.born[r]
	return ok && w.now.Sub(born) < 5*time.Second
}

// userMergesAChain merges two records and the survivor into a third.
func (w *world) userMergesAChain(side crm.Side, id crm.RecordID) {
	w.userMerges(side, id, w.anyLive(side))
	if last, ok := w.apps[side.Index()].get(id); ok && last.into != "" {
		w.after(w.user.upTo(pick(w.user, 0, 5*time.Second, 2*time.Minute)), func() {
			if next, ok := w.apps[side.Index()].get(last.into); ok && !next.deleted {
				w.mark("chain_of_merges")
				w.userMerges(side, last.into, w.anyLive(side))
			}
		})
	}
}

// expectMerge notes whose link has to follow, and who must not be written (S36).
func (w *world) expectMerge(survivor, primary, loser ref, links [2]linkView) {
	other := survivor.side.Other()
	w.hands.inherit(survivor, primary, loser)
	again := w.survivors[primary] || w.survivors[loser]
	for _, m := range w.merges {
		if m.survivor == primary || m.survivor == loser || m.kept == primary || m.kept == loser {
			m.over = true
			for _, r := range m.left {
				delete(w.left, r)
			}
		}
	}
	for _, r := range []ref{survivor, primary, loser} {
		delete(w.left, r)
	}
	w.survivors[survivor] = true
	if !w.tellsMerges(survivor.side) {
		return
	}
	born, ok := w.born[primary]
	coming := ok && w.now.Sub(born) < 2*time.Minute
	for _, source := range w.madeBy(other) {
		coming = coming || source == primary.id
	}
	if x, _ := w.apps[survivor.side.Index()].get(primary.id); !links[0].paired() {
		coming = coming || w.hasDouble(primary, x) || w.hasDouble(survivor, x)
	}
	if coming && !links[0].paired() {
		return // it may have a twin that is not stored yet
	}
	if again { // whose values the last survivor has is told by it alone
		for _, l := range links {
			delete(w.left, ref{other, l.id(other)})
		}
		return
	}
	// a twin that was merged itself, or may come back: which links there are then is decided there
	for _, l := range links {
		if x, _ := w.apps[other.Index()].get(l.id(other)); l.paired() && (x.deleted || w.survivors[ref{other, x.id}]) ||
			l.Code == "create_in_flight" {
			return
		}
	}
	if now, _ := w.apps[survivor.side.Index()].get(survivor.id); survivor != primary && links[0].paired() &&
		links[1].paired() && w.tells(survivor.side, now, links[0], links[1]) <= w.tells(survivor.side, now, links[1],
		links[0]) {
		return // neither its ID nor its values tell whose it is: users had emptied what the primary was known by
	}
	var kept *merged
	for i, l := range links {
		at := []ref{primary, loser}[i]
		twin := ref{other, l.id(other)}
		if !l.paired() || l.id(at.side) != at.id || l.State == crm.StateDeleted || !w.alive(twin) {
			continue
		}
		if kept == nil {
			kept = &merged{survivor: survivor, kept: twin, base: l.Base}
			w.merges = append(w.merges, kept)
			continue
		}
		w.mark("two_linked_were_merged")
		w.left[twin] = w.moment()
		kept.left = append(kept.left, twin)
	}
}

// tells counts the values of a survivor that are agreed for one link and were
// another one's otherwise: what either lacked says nothing, for a merge fills it.
func (w *world) tells(side crm.Side, x row, one, other linkView) (n int) {
	for id, agreed := range one.Base {
		v, b := w.canonical(side, id, x.fields), other.Base[id]
		if !v.Blank() && agreed.Is(v) && !b.Is(v) && !b.Is(crm.NullValue()) {
			n++
		}
	}
	return n
}

// checkLeft holds a write to S36: the twin of a record that was merged into
// another linked one is left as it is.
func (w *world) checkLeft(t *task, r ref) {
	merged, ok := w.left[r]
	if !ok {
		return
	}
	for _, seen := range t.seen {
		if seen.step < merged.step {
			return // it was decided before the two were merged
		}
	}
	if w.cameUndone(r) {
		return // then the only link that is left follows
	}
	w.violated("S36", fmt.Sprintf("%s %s was written, whose twin was merged into another record", r.side, r.id))
}

// cameUndone reports whether the survivor of a merge, or the twin that stayed
// instead of r, was deleted since: nobody can read then whose values it has.
func (w *world) cameUndone(r ref) bool {
	for _, m := range w.merges {
		if !slices.Contains(m.left, r) {
			continue
		}
		for _, x := range []ref{m.kept, m.survivor} {
			if !w.alive(x) || w.removed[x] || w.restored[x].step > 0 {
				return true
			}
		}
	}
	return false
}

// followed holds a link that was stored to S36: it kept its base.
func (w *world) followed(l linkView) {
	for _, m := range w.merges {
		if m.over || m.moved || !l.paired() || l.id(m.survivor.side) != m.survivor.id || l.id(m.kept.side) != m.kept.id {
			continue
		}
		m.moved = true
		for id := range m.base {
			if _, ok := l.Base[id]; !ok && l.State != crm.StateDeleted {
				w.violated("S36", fmt.Sprintf("%s %s got the link of a merge without the base of %s", m.survivor.side,
					m.survivor.id, id))
			}
		}
	}
}

// checkMerges holds the world at rest to S36.
func (w *world) checkMerges(when string) {
	for _, m := range w.merges {
		if m.over || w.failed() != "" || !w.alive(m.survivor) || !w.alive(m.kept) || w.removed[m.kept] ||
			w.removed[m.survivor] || w.restored[m.kept].step > 0 || w.restored[m.survivor].step > 0 {
			continue
		}
		l, _ := w.link(m.survivor)
		if !l.paired() || l.id(m.kept.side) != m.kept.id {
			w.violated("S36", fmt.Sprintf("%s: %s %s, the survivor of a merge, is linked to %q and not to %s", when,
				m.survivor.side, m.survivor.id, l.id(m.kept.side), m.kept.id))
		}
	}
	for r := range w.left {
		if l, ok := w.link(r); ok && !w.cameUndone(r) && l.paired() && l.State != crm.StateDeleted && w.alive(r) &&
			!w.removed[r] && w.failed() == "" && w.alive(ref{r.side.Other(), l.id(r.side.Other())}) {
			w.violated("S36", fmt.Sprintf("%s: %s %s, whose twin was merged away, is linked to %s", when, r.side, r.id,
				l.id(r.side.Other())))
		}
	}
}
