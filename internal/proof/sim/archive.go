package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// absence is a time in which an app does not show a field: an admin archived it,
// renamed it, or took the right to see it. Its values wait.
type absence struct {
	side    crm.Side
	mapping crm.MappingID
	from    moment
	until   moment // zero = it is gone still
}

// over reports whether the field was gone at a moment.
func (a *absence) over(m moment) bool {
	return m.step > a.from.step && (a.until.step == 0 || m.step < a.until.step)
}

// backKnown is how long it may take until an engine knows that a field is back:
// what an app lists and does not show is taken for gone an hour.
const backKnown = 70 * time.Minute

// archiveForAWhile takes a mapped field away in one app and brings it back.
func (w *world) archiveForAWhile() {
	side := sideOf(w.user.n(2))
	name := w.set.logical()[w.user.n(len(w.set.logical()))]
	a := w.apps[side.Index()]
	if w.gone(side, name) || !a.archive(a.field(name), true) {
		return
	}
	w.fault("field_archived")
	w.tell("ADMIN archives %s of the %s", name, side)
	w.absences = append(w.absences, &absence{side: side, mapping: crm.MappingID(name), from: w.moment()})
	this := w.absences[len(w.absences)-1]
	w.after(time.Duration(w.user.between(1, 25))*time.Minute, func() {
		w.checkHeldSaid(this)
		w.bringBack(this)
	})
}

// bringBack restores a field with its values.
func (w *world) bringBack(a *absence) {
	if a.until.step == 0 {
		w.apps[a.side.Index()].archive(w.apps[a.side.Index()].field(string(a.mapping)), false)
		a.until = w.moment()
		w.tell("ADMIN restores %s of the %s", a.mapping, a.side)
	}
}

// gone reports whether an app does not show a field now, by its logical name.
func (w *world) gone(side crm.Side, name string) bool {
	return slices.ContainsFunc(w.absences, func(a *absence) bool {
		return a.side == side && string(a.mapping) == name && a.until.step == 0
	})
}

// missed returns the time in which a field was gone and a task read a record of
// its side; nil when it was there.
func (w *world) missed(t *task, r ref, m crm.MappingID) *absence {
	seen, ok := t.seen[r]
	if !ok {
		return nil
	}
	i := slices.IndexFunc(w.absences, func(a *absence) bool { return a.side == r.side && a.mapping == m && a.over(seen) })
	if i < 0 {
		return nil
	}
	return w.absences[i]
}

// checkGone holds a write to S31: what was read while a field was gone says
// nothing of it, so nothing is written for it but what the field holds.
func (w *world) checkGone(t *task, r ref, m crm.MappingID, written crm.Value) {
	l, ok := w.link(r)
	if len(w.absences) == 0 || !ok || !l.paired() {
		return
	}
	source := ref{r.side.Other(), l.id(r.side.Other())}
	if w.missed(t, source, m) == nil {
		return
	}
	x, _ := w.apps[source.side.Index()].get(source.id)
	if now := w.canonical(source.side, m, x.fields); !now.Equal(written) && !(now.Blank() && written.Blank()) {
		w.violated("S31", fmt.Sprintf("%s of %s %s was written because the %s no longer shows its field", m, r.side, r.id,
			source.side))
	}
}

// checkGoneKey holds what becomes of a record to S31: nobody is made, and nobody
// left out, because the field that tells who it is was gone.
func (w *world) checkGoneKey(t *task, r ref, what string) {
	if t == nil || w.missed(t, r, crm.MappingID(w.set.key)) == nil {
		return
	}
	if x, _ := w.apps[r.side.Index()].get(r.id); !w.keyless(r.side, x.fields) {
		w.violated("S31", fmt.Sprintf("%s %s was %s while its app did not show its key", r.side, r.id, what))
	}
}

// leftOut holds a link that is stored as excluded to S31.
func (w *world) leftOut(r ref, l linkView) {
	if l.State == crm.StateExcluded && l.Code == reconcile.CodeNoIdentity && len(w.absences) > 0 {
		w.checkGoneKey(w.cur, r, "left out")
	}
}

// checkHeldSaid holds the status to naming what is held, in a world where
// nothing else goes wrong, once somebody must have noticed.
func (w *world) checkHeldSaid(a *absence) {
	if len(w.set.rate) > 0 || w.set.real || a.until.step != 0 || w.set.interval == 0 || !w.set.steady || w.failed() != "" {
		return
	}
	noticed := false
	for r, at := range w.acted { // a record of the side that was edited long enough ago has been read since
		noticed = noticed || r.side == a.side && at.Sub(a.from.at) > time.Minute && w.now.Sub(at) > deliveryTime && w.alive(r)
	}
	if !noticed || w.status() != crm.StatusActive {
		return
	}
	w.ask("status", func(ctx context.Context, e *engine.Engine) {
		st, err := e.Status(ctx, workspace, connection)
		if err != nil || w.cur.dead || a.until.step != 0 && w.now.Sub(a.until.at) > time.Second {
			return
		}
		w.mark("held_checked")
		// While its other field is gone, too, nobody asks for this one.
		named := func(h engine.HeldPart) bool {
			return h.Kind == reconcile.HeldMapping && h.ID == string(a.mapping) && !h.Since.IsZero()
		}
		if !slices.ContainsFunc(st[0].Held, named) {
			w.violated("S31", fmt.Sprintf("%s of the %s has been gone for %s, and the status does not say that it is held: %+v",
				a.mapping, a.side, w.now.Sub(a.from.at), st[0].Held))
		}
	})
}

// allBack restores every field, and lets the engine find out.
func (w *world) allBack() {
	if len(w.absences) == 0 {
		return
	}
	for _, a := range w.absences {
		w.bringBack(a)
	}
	w.run(w.now.Add(backKnown))
}
