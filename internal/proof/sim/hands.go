package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// hands is what an admin did to single records, and what must come of it.
type hands struct {
	chance *chance
	cut    map[ref]bool      // was asked to be taken apart
	apart  map[ref]bool      // was taken apart, and not joined since
	joined map[ref]bool      // was asked to be joined with another one, whatever its key
	chosen map[cellKey]int64 // when an admin last decided about a field, which may be carried out any time later
	spared map[ref]moment    // its deletion was discarded
	unsure map[ref]bool      // it may have been: nobody heard the answer
}

func newHands(seed uint64) hands {
	return hands{
		newChance(seed ^ 0x68616e6473),
		map[ref]bool{},
		map[ref]bool{},
		map[ref]bool{},
		map[cellKey]int64{},
		map[ref]moment{},
		map[ref]bool{},
	}
}

// adminActs is one thing that an admin does to single records.
func (w *world) adminActs() {
	c := w.hands.chance
	side := sideOf(c.n(2))
	switch n := c.n(13); {
	case n < 2:
		w.ask("unlink", func(ctx context.Context, e *engine.Engine) { w.unlinkSome(ctx, e, side) })
	case n < 5:
		w.ask("link", func(ctx context.Context, e *engine.Engine) { w.linkSome(ctx, e, side) })
	case n < 8:
		w.ask("resolve", func(ctx context.Context, e *engine.Engine) { w.resolveSome(ctx, e, side) })
	case n < 9:
		w.ask("resolve all", func(ctx context.Context, e *engine.Engine) { w.resolveAll(ctx, e, side) })
	case n < 11:
		w.ask("retry", w.retryEntry)
	default:
		w.ask("cancel", w.cancelAny)
	}
}

// some picks one of the records of a side that are known and fit.
func (w *world) some(side crm.Side, fits func(r ref, l linkView) bool) (r ref, l linkView, ok bool) {
	var all []ref
	for _, x := range w.apps[side.Index()].rows() {
		at := ref{side, x.id}
		if l, ok := w.link(at); ok && !x.deleted && fits(at, l) {
			all = append(all, at)
		}
	}
	if len(all) == 0 {
		return ref{}, linkView{}, false
	}
	r = all[w.hands.chance.n(len(all))]
	l, _ = w.link(r)
	return r, l, true
}

// unlinkSome takes a pair apart. Both stay as they are until they are joined again.
func (w *world) unlinkSome(ctx context.Context, e *engine.Engine, side crm.Side) {
	r, l, ok := w.some(side, func(_ ref, l linkView) bool { return l.paired() && l.State == crm.StateInSync })
	if !ok {
		return
	}
	for _, s := range crm.Sides { // before the call, whose answer may be lost
		at := ref{s, l.id(s)}
		w.hands.cut[at] = true
		w.overruled(at)
	}
	if _, err := e.UnlinkRecord(ctx, workspace, connection, syncID, r.side, r.id); err == nil {
		w.mark("unlinked_by_hand")
	}
}

// linkSome joins two records: a pair that was taken apart, or any two.
func (w *world) linkSome(ctx context.Context, e *engine.Engine, side crm.Side) {
	again := w.hands.chance.in(600)
	alone := func(r ref, l linkView) bool { return !l.paired() && (!again || w.hands.apart[r]) }
	r, _, ok := w.some(side, alone)
	if !ok {
		return
	}
	twin, _, ok := w.some(side.Other(), alone)
	if !ok {
		return
	}
	for _, at := range []ref{r, twin} {
		w.hands.joined[at] = true
		w.overruled(at)
	}
	if _, err := e.LinkRecords(ctx, workspace, connection, syncID, r.side, r.id, twin.id); err == nil {
		w.mark("linked_by_hand")
	}
}

// overruled takes a record out of what merges decided: an admin decides now.
func (w *world) overruled(r ref) {
	delete(w.left, r)
	for _, m := range w.merges {
		if m.survivor == r || m.kept == r || slices.Contains(m.left, r) {
			m.over = true
			for _, x := range m.left {
				delete(w.left, x)
			}
		}
	}
}

// resolveSome decides about fields of a pair in conflict, or of any pair.
func (w *world) resolveSome(ctx context.Context, e *engine.Engine, side crm.Side) {
	r, l, ok := w.some(side, func(_ ref, l linkView) bool { return l.paired() && l.State == crm.StateConflict })
	if !ok {
		return
	}
	fields := map[crm.MappingID]engine.Resolution{}
	for i := range w.set.sync.Mappings {
		m := &w.set.sync.Mappings[i]
		if string(m.ID) == w.set.key || !w.twoWay(m) || !w.hands.chance.in(500) {
			continue
		}
		fields[m.ID] = engine.Resolution{Side: sideOf(w.hands.chance.n(2))}
		w.choose(l, m.ID)
	}
	if len(fields) == 0 {
		return
	}
	if _, err := e.ResolveRecord(ctx, workspace, connection, syncID, r.side, r.id, fields); err == nil {
		w.mark("resolved_by_hand")
	}
}

// resolveAll decides about all pairs in conflict at once, in the fields that wait.
func (w *world) resolveAll(ctx context.Context, e *engine.Engine, side crm.Side) {
	asked := false
	for _, x := range w.apps[side.Index()].rows() {
		l, ok := w.link(ref{side, x.id})
		if !ok || x.deleted || !l.paired() || l.State != crm.StateConflict {
			continue
		}
		asked = true
		for i := range w.set.sync.Mappings {
			if m := &w.set.sync.Mappings[i]; w.twoWay(m) {
				w.choose(l, m.ID)
			}
		}
	}
	if !asked {
		return
	}
	choice := [2]engine.Choice{engine.ChoiceLeft, engine.ChoiceRight}[w.hands.chance.n(2)]
	f := engine.ResolveFilter{State: crm.StateConflict}
	if got, err := e.ResolveRecords(ctx, workspace, connection, syncID, f, choice, false); err == nil && got.Decided > 0 {
		w.mark("resolved_in_bulk")
	}
}

// choose notes, before the call whose answer may be lost, that a person decides about a
// field of a pair: what its sides hold may be overwritten.
func (w *world) choose(l linkView, m crm.MappingID) {
	for _, s := range crm.Sides {
		k := cellKey{ref{s, l.id(s)}, m}
		w.hands.chosen[k] = w.moment().step
		x, _ := w.apps[s.Index()].get(k.id)
		w.reprieved[tokenKey(m, w.canonical(s, m, x.fields))] = true
	}
}

// retryEntry has one of the problems in the log tried again.
func (w *world) retryEntry(ctx context.Context, e *engine.Engine) {
	entries, _, err := e.ListLog(ctx, workspace, engine.LogFilter{
		Connection: connection, Sync: syncID, Outcomes: []crm.Outcome{crm.Failed, crm.Conflict, crm.Duplicate},
	}, 50, "")
	if err != nil || len(entries) == 0 {
		return
	}
	if _, err := e.RetryEntry(ctx, workspace, entries[w.hands.chance.n(len(entries))].ID, nil); err == nil {
		w.mark("entry_retried")
	}
}

// cancelAny stops a run of any kind. What it had not listed yet is looked at
// with the next one.
func (w *world) cancelAny(ctx context.Context, e *engine.Engine) {
	runs, _, err := e.ListRuns(ctx, workspace, connection, 20, "")
	if err != nil {
		return
	}
	for i := range runs {
		k := runs[i].Kind
		if runs[i].State != engine.RunRunning || k == engine.RunWebhook || k == engine.RunRecord || k == engine.RunRetry {
			continue
		}
		w.rejoined = w.rejoined || k != engine.RunPull // the next pull takes back what one that was cancelled had listed
		if r, err := e.CancelRun(ctx, workspace, runs[i].ID); err == nil && r.State == engine.RunCancelled {
			w.mark("any_run_cancelled")
		}
		return
	}
}

// discardDeletions keeps every pair whose records seem to be gone.
func (w *world) discardDeletions(ctx context.Context, e *engine.Engine) {
	page, err := w.store.Query(w.ctx, store.Query{
		Table: store.Links, Workspace: workspace, Partition: "x#" + string(connection) + "#" + string(syncID), Limit: 1000,
	})
	if err != nil {
		return
	}
	var noticed []ref
	for _, it := range page.Items {
		if r, ok := cutGone(it.Sort); ok {
			noticed, w.hands.unsure[r] = append(noticed, r), true // before the call, whose answer may be lost
		}
	}
	if e.DiscardDeletions(ctx, workspace, connection, syncID) != nil {
		return
	}
	w.mark("deletions_discarded")
	for _, r := range noticed {
		w.hands.spared[r] = w.moment()
	}
}

// checkSpared holds the end of a link to S16: what an admin discarded is not
// applied, in whatever portions it is noticed again, unless it is confirmed.
func (w *world) checkSpared(gone ref) {
	since, ok := w.hands.spared[gone]
	if ok && !w.confirmed.After(since.at) {
		w.violated("S16", fmt.Sprintf("the deletion of %s %s was discarded by an admin, and applied unasked", gone.side,
			gone.id))
	}
}

// cutGone reads which record's deletion is noticed at a place of the store.
func cutGone(sort string) (ref, bool) {
	side, id, ok := strings.Cut(sort, "#")
	return ref{crm.Side(side), crm.RecordID(id)}, ok
}

// decided reports whether an admin decided about a field after a user typed in
// it: then what was typed may be written over.
func (w *world) decided(k cellKey, typed moment) bool {
	return w.hands.chosen[k] > typed.step
}

// inherit lets what an admin decided about a record hold for the one that it has become.
func (h *hands) inherit(survivor ref, of ...ref) {
	for k, step := range h.chosen {
		if heir := (cellKey{survivor, k.mapping}); slices.Contains(of, k.ref) && step > h.chosen[heir] {
			h.chosen[heir] = step
		}
	}
}

// toldAtLeast reports whether the log tells of a value that was written over
// because an admin had decided about its field before it was typed.
func (w *world) toldAtLeast(entries []engine.Entry, l loser, field string) bool {
	return w.hands.chosen[l.cellKey] > 0 && slices.ContainsFunc(entries, func(e engine.Entry) bool {
		return slices.ContainsFunc(e.Diffs, func(d engine.Diff) bool {
			return d.Side == l.side && d.Field == field && d.Before.Equal(l.before) && (e.Record == l.id || e.Partner == l.id)
		})
	})
}

// followApart follows what becomes of pairs that are taken apart, and holds a
// link that is stored to it: nobody is joined by key with anybody (S16).
func (w *world) followApart(r ref, l linkView) {
	switch {
	case !w.set.hands:
	case l.Code == codeUnlinked && (w.hands.cut[r] || w.survivors[r]):
		w.hands.apart[r] = true
		w.overruled(r)
		for k := range w.emptied { // joined again, they meet for the first time
			if k.ref == r {
				delete(w.emptied, k)
			}
		}
		delete(w.hands.joined, r)
	case !l.paired() || !w.hands.apart[r]:
	case l.ByHand || w.survivors[r]: // a survivor has what others had
		delete(w.hands.apart, r)
		w.mark("joined_again")
	default:
		w.violated("S16", fmt.Sprintf("%s %s was taken apart by hand, and linked to %s without being asked", r.side, r.id,
			l.id(r.side.Other())))
	}
}

// codeUnlinked is the code of records that were taken apart.
const codeUnlinked = "unlinked"
