package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// checkWriteAllowed holds the beginning of a write to the switch (S24): after
// the acknowledgement of a pause at most the request that was past its last
// look at the switch may go out.
func (w *world) checkWriteAllowed(t *task) {
	if !w.isPaused {
		return
	}
	if t.checked.step > w.paused.step {
		w.violated("S24", "a write began although its process had seen the pause")
	}
	if t.late++; t.late > 1 {
		w.violated("S24", "a second write began after the pause was acknowledged")
	}
}

// wrote holds a write that landed to what is allowed.
func (w *world) wrote(t *task, side crm.Side, x *connector.Write, out *connector.Written, before crm.Fields) {
	w.writes++
	after, _ := w.apps[side.Index()].get(out.ID)
	r := ref{side, out.ID}
	var changed []*crm.Mapping
	w.checkLeft(t, r)
	w.checkPlanned(t, side, x)
	w.tell("WRITE %s %s (created %v) for %s: %v, before %v", side, out.ID, out.Created, x.Ref, shown(x.Fields),
		shown(before))
	if out.Created {
		w.created(t, r, x, after.fields)
	} else {
		w.checkUpdateMode(side, r)
	}
	for i := range w.set.sync.Mappings {
		m := &w.set.sync.Mappings[i]
		b, a := w.canonical(side, m.ID, before), w.canonical(side, m.ID, after.fields)
		if b.Equal(a) {
			w.keeps(cellKey{r, m.ID}, b, w.canonical(side, m.ID, x.Fields))
			continue
		}
		if !out.Created {
			w.checkSecondary(cellKey{r, m.ID}, b, a, before)
			w.overwrote(t, cellKey{r, m.ID}, m, b, a, before, ref{side, x.ID})
			w.refilled(t, cellKey{r, m.ID}, m, a)
			w.replaced(r, m, b, a)
			w.checkGone(t, r, m.ID, a)
		}
		changed = append(changed, m)
		w.mastered(t, m, a)
		if w.failed() == "" && !w.set.rules && !m.Direction.Allows(crm.WayTo(side)) {
			w.violated("S14", fmt.Sprintf("mapping %s may not write %s", m.ID, side))
		}
		w.last[cellKey{r, m.ID}] = author{false, w.moment()}
	}
	w.archived(t, r, x, before)
	w.checkSettings(t, r, x.Ref, changed)
	w.checkTags(t, r, x.Ref, before, after.fields)
	w.ranksOf(r, after.fields)
	if w.schedules >= 0 {
		kind := connector.EventChanged
		if x.Op == connector.Archive {
			kind = connector.EventDeleted
		}
		w.hook(side, connector.Event{Kind: kind, ID: out.ID})
	}
}

func (w *world) checkUpdateMode(side crm.Side, r ref) {
	way := crm.WayTo(side)
	if w.set.rules {
		return // see checkSettings
	}
	if !w.set.sync.Direction.Allows(way) || !w.set.sync.Behavior.Get(way).Updates() {
		w.violated("S14", fmt.Sprintf("a known record on the %s was changed, which the settings do not allow", side))
	}
}

// created holds a birth to S6 and S16.
func (w *world) created(t *task, r ref, x *connector.Write, f crm.Fields) {
	side := r.side
	way := crm.WayTo(side)
	if !w.set.rules && !w.set.sync.Direction.Allows(way) || !w.set.sync.Behavior.Get(way).Creates() {
		w.violated("S14", fmt.Sprintf("a record was created on the %s, which the settings do not allow", side))
	}
	source, _ := cutRef(x.Ref)
	if w.hands.apart[source] {
		w.violated("S16", fmt.Sprintf("%s %s was taken apart by hand, and carried over anew", source.side, source.id))
	}
	if l, ok := w.link(source); ok && l.paired() {
		id := "S6"
		if w.removed[ref{side, l.id(side)}] || w.removed[source] {
			id = "S16"
		}
		w.violated(id, fmt.Sprintf("%s %s has a twin already, %s, and got another: %s", source.side, source.id, l.id(side),
			r.id))
	}
	for other, from := range w.madeBy(side) {
		if from != source.id || other == r.id || w.renamed[ref{side, other}] {
			continue // renamed: a user gave it another identity before anybody could tell where it came from
		}
		if w.alive(ref{side, other}) && w.set.sync.AvoidsDuplicates() && !w.doubled(ref{side, other}) {
			w.violated("S6", fmt.Sprintf("%s %s was created twice on the other side: %s and %s", source.side, source.id, other,
				r.id))
		}
	}
	w.checkLonely(t, source)
	w.checkGoneKey(t, source, "carried over")
	w.made[r], w.born[r] = source.id, w.now
	email, ok := w.identity(side, f)
	if !ok {
		return
	}
	for _, o := range w.apps[side.Index()].rows() {
		if o.deleted || o.id == r.id {
			continue
		}
		if e, ok := w.identity(side, o.fields); !ok || e != email {
			continue
		}
		who := ref{side, o.id}
		by := w.last[cellKey{who, crm.MappingID(w.set.key)}]
		lag := w.lag(side)
		switch {
		case w.untold(who, by.when, t.found[side.Index()]):
		case !by.user:
			w.violated("S6", fmt.Sprintf("%s was created beside %s, which we gave the same identity", r.id, o.id))
		case t.found[side.Index()].at.Sub(by.when.at) > lag && t.found[side.Index()].step > by.when.step:
			w.violated("S6", fmt.Sprintf("%s was created beside %s, which could be found", r.id, o.id))
		}
	}
}

// doubled reports whether another record of the side has r's identity: nobody
// can tell then which of them was made from what.
func (w *world) doubled(r ref) bool {
	x, _ := w.apps[r.side.Index()].get(r.id)
	own, has := w.identity(r.side, x.fields)
	return has && slices.ContainsFunc(w.apps[r.side.Index()].rows(), func(o row) bool {
		e, has := w.identity(r.side, o.fields)
		return o.id != r.id && !o.deleted && has && e == own
	})
}

// checkLonely holds the source of a birth to S6: of several records of one side
// with the same identity, none is carried over once all could be seen.
func (w *world) checkLonely(t *task, source ref) {
	x, ok := w.apps[source.side.Index()].get(source.id)
	email, has := w.identity(source.side, x.fields)
	if !ok || !has {
		return
	}
	for _, o := range w.apps[source.side.Index()].rows() {
		e, has := w.identity(source.side, o.fields)
		by := w.last[cellKey{ref{source.side, o.id}, crm.MappingID(w.set.key)}]
		if o.id == source.id || o.deleted || !has || e != email || !by.user {
			continue
		}
		seen := t.found[source.side.Index()]
		own := w.last[cellKey{source, crm.MappingID(w.set.key)}]
		if w.untold(ref{source.side, o.id}, by.when, seen) {
			continue
		}
		if seen.step > by.when.step && seen.step > own.when.step && seen.at.Sub(by.when.at) > w.lag(source.side) &&
			w.restored[ref{source.side, o.id}].step < by.when.step {
			w.violated("S6", fmt.Sprintf("%s %s was carried over although %s has the same identity", source.side, source.id,
				o.id))
		}
	}
}

// lag is how long a change may hide from look-ups on a side.
func (w *world) lag(side crm.Side) time.Duration {
	if w.set.apps[side.Index()].FindNow {
		return 0
	}
	return w.set.apps[side.Index()].Lag
}

// checkEnded holds the end of a link to S16: no record counts as deleted while
// it lives, and no more at a time than the settings allow.
func (w *world) checkEnded(at ref, was, is linkView) {
	side, ok := strings.CutPrefix(is.Code, "deleted_on_")
	if !ok || is.State != crm.StateDeleted || !was.paired() || was.State == crm.StateDeleted {
		return
	}
	gone := ref{crm.Side(side), is.id(crm.Side(side))}
	x, _ := w.apps[gone.side.Index()].get(gone.id)
	switch back, since := w.restored[gone]; {
	case x.into != "":
		return // a merge is no deletion
	case !x.deleted && (!since || w.cur == nil || w.cur.seen[gone].step > back.step):
		w.violated("S16", fmt.Sprintf("%s %s lives and counts as deleted", gone.side, gone.id))
	}
	w.checkSpared(gone)
	if since, ok := w.flooded[gone]; ok && w.confirmed.Before(since.at) {
		w.unasked++
	}
	// Pulls may have noticed one or two before the others were deleted, and who works a run
	// meets them one by one: as many as are always allowed, before their number shows.
	if early := min(3, int(w.floor())); w.unasked > early || w.unasked > 0 && w.set.hooks {
		w.violated("S16", fmt.Sprintf("%s %s was deleted with very many others, and its link ended before anybody was asked",
			gone.side, gone.id))
	}
	limit := w.massLimit()
	if !w.confirmed.IsZero() && !w.acted[gone].After(w.confirmed) {
		return // it had vanished when an admin let deletions through, which then waited for something else
	}
	w.vanished = append(w.vanished, w.now)
	recent := 0
	for _, t := range w.vanished {
		if w.now.Sub(t) < time.Hour {
			recent++
		}
	}
	if recent > 2*limit+1 && (w.confirmed.IsZero() || w.now.Sub(w.confirmed) > 2*time.Hour) {
		w.violated("S16", fmt.Sprintf("%d links ended within an hour, %d are allowed", recent, limit))
	}
}

func (w *world) floor() int64 {
	if w.set.tuning.DeleteFloor > 0 {
		return w.set.tuning.DeleteFloor
	}
	return 50
}

// madeBy lists the records of a side that we created, with their sources.
func (w *world) madeBy(side crm.Side) map[crm.RecordID]crm.RecordID {
	out := map[crm.RecordID]crm.RecordID{}
	for r, source := range w.made {
		if r.side == side && source != "" {
			out[r.id] = source
		}
	}
	return out
}

func (w *world) alive(r ref) bool {
	x, ok := w.apps[r.side.Index()].get(r.id)
	return ok && !x.deleted
}

func (w *world) identity(side crm.Side, f crm.Fields) (string, bool) {
	return w.keyOf(f[w.apps[side.Index()].field(w.set.key)])
}

// keyOf is what a value of the key's field is compared by.
func (w *world) keyOf(v crm.Value) (string, bool) {
	kind := crm.TypeEmail
	if w.set.key == modelapp.Phone {
		kind = crm.TypePhone
	}
	if v.Kind() != crm.Text {
		return mapping.IdentityKey(kind, v, "US")
	}
	key, known := w.persons[v.Text()]
	if !known {
		key, _ = mapping.IdentityKey(kind, v, "US")
		w.persons[v.Text()] = key
	}
	return key, key != ""
}

// overwrote holds a write over a user's value to S2. asked is the record that the
// write was addressed to: an app may send it on to the survivor of a merge.
func (w *world) overwrote(t *task, k cellKey, m *crm.Mapping, b, a crm.Value, before crm.Fields, asked ref) {
	by := w.last[k]
	if !by.user || b.Blank() || !unique(k.mapping) {
		return
	}
	if w.decided(k, by.when) {
		return
	}
	if by.when.step < w.kept[k].step {
		return // it was agreed on already when its app kept it against what replaced it
	}
	if l, ok := w.link(k.ref); ok && l.paired() {
		if agreed, ok := l.Base[k.mapping]; ok && agreed.Is(b) && !w.bentBack(k, l, b, a) {
			return // it was the shadow
		}
	}
	if seen, ok := t.seen[k.ref]; ok && seen.step < by.when.step {
		if !w.set.apps[k.side.Index()].Conditional {
			w.races++
			w.mark("race_between_read_and_write")
			return
		}
		// The write was conditional, so the edit was seen by a later read.
	}
	if asked != k.ref && w.mergedSince(t, asked) {
		w.races++
		w.mark("race_between_read_and_write")
		return
	}
	if !w.twoWay(m) {
		return // its master is the other side
	}
	w.losers = append(w.losers, loser{k, before[m.Names(k.side)[0]], w.steps})
}

// mergedSince reports whether a user merged a record away after a task had read
// it. A write that was decided by that read lands in the survivor, where the app
// sends it on, and replaces values that nobody could see: the merge fell between
// our read and our write. One that was told of the merge has no such excuse.
func (w *world) mergedSince(t *task, r ref) bool {
	seen, ok := t.seen[r]
	return ok && seen.step < w.mergedAway[r].step
}

// checkSecondary holds two records that meet to S38: a first value that is one of
// the other's further ones is no difference, and neither is written over.
func (w *world) checkSecondary(k cellKey, b, a crm.Value, before crm.Fields) {
	l, ok := w.link(k.ref)
	if string(k.mapping) != w.set.key || b.Blank() || a.Blank() || ok && l.paired() && l.Base != nil {
		return
	}
	was, _ := w.identity(k.side, before)
	is, _ := w.keyOf(a)
	knows := func(side crm.Side, f crm.Fields, first, further string) bool {
		all := w.addresses(side, f)
		return len(all) > 1 && all[0] == first && slices.Contains(all[1:], further)
	}
	other := k.side.Other()
	if knows(k.side, before, was, is) || slices.ContainsFunc(w.apps[other.Index()].rows(), func(o row) bool {
		return !o.deleted && knows(other, o.fields, is, was)
	}) {
		w.violated("S38", fmt.Sprintf("%s %s got another first address, and one of the two records has both", k.side, k.id))
	}
}

// refilled holds a write into a field that its user had emptied to S32: what was
// agreed on before does not come back.
func (w *world) refilled(t *task, k cellKey, m *crm.Mapping, a crm.Value) {
	e, ok := w.emptied[k]
	if !ok || !a.Equal(e.was) || !unique(m.ID) {
		return
	}
	delete(w.emptied, k)
	if w.decided(k, e.when) {
		return
	}
	if seen, ok := t.seen[k.ref]; ok && seen.step < e.when.step {
		return // decided before
	}
	if w.twoWay(m) && !w.set.sync.FillBlanksOnly.Get(crm.WayTo(k.side)) && m.Clear == (crm.PerWay[bool]{}) {
		w.violated("S32", fmt.Sprintf("%s of %s %s was cleared by its user and filled again with what it held", m.ID, k.side,
			k.id))
	}
}

// twoWay reports whether a mapping travels both ways under the sync's own direction.
func (w *world) twoWay(m *crm.Mapping) bool {
	for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
		if !m.Direction.Allows(way) || !w.set.sync.Direction.Allows(way) {
			return false
		}
	}
	return true
}

// free reports whether nothing but the mapping's direction keeps its values apart.
func (w *world) free(m *crm.Mapping) bool {
	s := &w.set.sync
	both := func(b crm.Behavior) bool { return b.Creates() && b.Updates() }
	return !m.WriteOnce && !s.FillBlanksOnly.ToLeft && !s.FillBlanksOnly.ToRight && both(s.Behavior.ToLeft) &&
		both(s.Behavior.ToRight)
}
