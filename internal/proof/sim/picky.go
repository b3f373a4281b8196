package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// marked reports whether a record holds a text with the mark.
func marked(f crm.Fields, mark string) bool {
	for _, v := range f {
		if v.Kind() == crm.Text && strings.Contains(v.Text(), mark) {
			return true
		}
	}
	return false
}

// refusalStands reports whether a failing record may fail: it, or its twin,
// holds what the other app refuses.
func (w *world) refusalStands(r ref, x row, l linkView) bool {
	twin, _ := w.apps[r.side.Other().Index()].get(l.id(r.side.Other()))
	holds := func(mark string) bool { return marked(x.fields, mark) || marked(twin.fields, mark) }
	if l.Code == reconcile.CodeFieldFailed {
		return holds(modelapp.MarkRefused)
	}
	return l.Code == "rejected_by_rule" && holds(modelapp.MarkRule)
}

// checkRefused holds a failing pair to S33: one refused field costs that field,
// a refusal that names none that direction.
func (w *world) checkRefused(when string, l linkView, left, right row) {
	lr, rr := crm.Record{ID: left.id, Fields: left.fields}, crm.Record{ID: right.id, Fields: right.fields}
	p := w.compiled.Reconcile(reconcile.Pair{
		Left: &lr, Right: &rr, Linked: true, Base: l.Base, Origin: crm.Left, Now: w.now,
	})
	for _, side := range crm.Sides {
		source := lr
		if side == crm.Left {
			source = rr
		}
		// that depends on times which are not looked at here
		if wr := p.Write(side); wr != nil && w.set.sync.Conflict != crm.ConflictNewest &&
			(l.Code == reconcile.CodeFieldFailed || !marked(wr.Fields, modelapp.MarkRule) && !w.givenAway(side, wr.Fields)) {
			w.violated("S33", fmt.Sprintf("%s: the pair %s, %s fails (%s) and the %s still waits for %s of %s", when, left.id,
				right.id, l.Code, side, ruleNames(p), source.ID))
			return
		}
	}
	if l.Code != reconcile.CodeFieldFailed {
		return
	}
	for i := range w.set.sync.Mappings {
		m := &w.set.sync.Mappings[i]
		a, b := w.canonical(crm.Left, m.ID, left.fields), w.canonical(crm.Right, m.ID, right.fields)
		if a.Equal(b) || a.Blank() && b.Blank() || !w.free(m) || !w.twoWay(m) || w.explained(l.Base[m.ID].Settled, a, b) ||
			w.unsettled(m, l, a, b) == "" || w.secondary(m, l, left, right) {
			continue
		}
		w.violated("S33", fmt.Sprintf("%s: %s of %s, %s differs beside a refused field", when, m.ID, left.id, right.id))
		return
	}
}

// givenAway reports whether a write gives a side an e-mail address that another
// of its records has, where each has its own: the app refuses it and names no field.
func (w *world) givenAway(side crm.Side, f crm.Fields) bool {
	email, ok := w.identity(side, f)
	return ok && w.set.apps[side.Index()].Unique && slices.ContainsFunc(w.apps[side.Index()].rows(), func(o row) bool {
		return !o.deleted && slices.Contains(w.addresses(side, o.fields), email)
	})
}

// explained reports whether two values may differ for good: an app refused one,
// made something else of it, or kept what it had.
func (w *world) explained(d *crm.Difference, left, right crm.Value) bool {
	if d == nil || d.Side == "" {
		return false
	}
	sent, held := left.Text(), right.Text()
	if d.Side == crm.Left {
		sent, held = held, sent
	}
	switch d.Reason {
	case crm.ReasonRefused:
		return strings.Contains(sent, modelapp.MarkRefused)
	case crm.ReasonChangedByApp:
		bent := strings.Contains(sent, modelapp.MarkBent) && held == strings.ToUpper(sent)
		return bent || strings.Contains(sent, modelapp.MarkKept)
	case crm.ReasonCleared, crm.ReasonDefault, crm.ReasonUndone, crm.ReasonFromNowOn, crm.ReasonInvalidPhone,
		crm.ReasonNotClearable, crm.ReasonProtected, crm.ReasonRestrained, crm.ReasonSecondary, crm.ReasonUnknownOwner,
		crm.ReasonNotLinked:
	}
	return false
}

// keeps notes that an app answered a write with success and kept the value that
// both sides had agreed on: a later value replaces a shadow, not an edit.
func (w *world) keeps(k cellKey, held, sent crm.Value) {
	if !strings.Contains(sent.Text(), modelapp.MarkKept) || sent.Equal(held) {
		return
	}
	w.retained[k] = held
	if l, ok := w.link(k.ref); ok && l.paired() {
		if agreed, ok := l.Base[k.mapping]; ok && agreed.Is(held) {
			w.kept[k] = w.moment()
		}
	}
}

// saves lets what an app kept against our write count as typed by the user who
// saves the record there next: its last modifier is a person then, and nothing
// tells the two apart.
func (w *world) saves(r ref, before crm.Fields) {
	for i := range w.set.sync.Mappings {
		k := cellKey{r, w.set.sync.Mappings[i].ID}
		held, ok := w.retained[k]
		if ok && held.Equal(w.canonical(r.side, k.mapping, before)) {
			w.reprieved[tokenKey(k.mapping, held)] = true
		}
		delete(w.retained, k)
	}
}

// bentBack reports whether what is written over a user's value is what an app
// made of that very value, and no user saved or restored the record there since:
// after that its last modifier is a person, and the value counts as theirs.
func (w *world) bentBack(k cellKey, l linkView, over, written crm.Value) bool {
	if !strings.Contains(over.Text(), modelapp.MarkBent) || written.Text() != strings.ToUpper(over.Text()) {
		return false
	}
	twin := ref{k.side.Other(), l.id(k.side.Other())}
	by := w.last[cellKey{twin, k.mapping}]
	wrote := by.when.step
	return !by.user && w.touched[twin].step < wrote && w.restored[twin].step < wrote
}

// takenField reports whether an app refused a field because another record has
// its value.
func takenField(l linkView) bool {
	for _, a := range l.Base {
		if d := a.Settled; d != nil && d.Reason == crm.ReasonRefused && d.Code == "already_exists" {
			return true
		}
	}
	return false
}
