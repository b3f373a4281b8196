package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// denial is a time in which an app lets us read and not write.
type denial struct {
	from, until time.Time
}

// deliveryTime is what a change may take to the other app with nothing in its way.
const deliveryTime = 5 * time.Minute

// denyForAWhile takes the right to write away in one app. While it is gone the
// sync says so, and in a world where nothing else goes wrong what comes from
// that app goes on as ever (S34).
func (w *world) denyForAWhile() {
	i := w.rng.n(2)
	if w.now.Before(w.denied[i].until) || w.now.Before(w.denied[1-i].until) && !w.rng.in(200) {
		return
	}
	w.fault("right_missing")
	d := denial{w.now, w.now.Add(time.Duration(w.rng.between(6, 20)) * time.Minute)}
	w.denied[i] = d
	w.after(d.until.Sub(w.now)-time.Second, func() {
		if w.denied[i] == d && w.failed() == "" {
			w.checkRights(sideOf(i))
		}
	})
}

// checkRights looks at a world in which one side may not be written.
func (w *world) checkRights(denied crm.Side) {
	c := w.connection()
	if c == nil || c.Status != crm.StatusActive {
		return
	}
	w.checkSaid(denied)
	if w.now.Sub(w.denied[denied.Other().Index()].until) < deliveryTime {
		return // neither side goes on
	}
	if w.set.sync.Conflict == crm.ConflictNewest { // who is newest depends on times that are not kept here
		return
	}
	if len(w.set.rate) > 0 || w.set.poison || !w.set.steady || !w.set.plain || len(w.absences) > 0 {
		return
	}
	w.mark("rights_checked")
	for _, r := range w.apps[denied.Index()].rows() {
		l, ok := w.link(ref{denied, r.id})
		if !ok || !l.paired() || r.deleted || w.now.Sub(w.acted[ref{denied, r.id}]) < deliveryTime {
			continue
		}
		other := denied.Other()
		twin, alive := w.apps[other.Index()].get(l.id(other))
		if !alive || twin.deleted || w.now.Sub(w.acted[ref{other, twin.id}]) < deliveryTime {
			continue
		}
		pair := reconcile.Pair{Linked: true, Base: l.Base, Origin: denied, Now: w.now}
		own, partner := crm.Record{ID: r.id, Fields: r.fields}, crm.Record{ID: twin.id, Fields: twin.fields}
		pair.Left, pair.Right = &own, &partner
		if denied == crm.Right {
			pair.Left, pair.Right = &partner, &own
		}
		p := w.compiled.Reconcile(pair)
		if p.Write(other) != nil {
			w.violated("S34", fmt.Sprintf("%s may not be written, and what comes from its record %s does not travel either: %s",
				denied, r.id, ruleNames(p)))
			return
		}
	}
}

// checkSaid holds the status to naming what waits: the code, the side, the
// direction and since when.
func (w *world) checkSaid(denied crm.Side) {
	key := "w" + string(denied) + "#" + string(connection) + "#" + string(syncID)
	if !w.holds(key) {
		return
	}
	w.ask("status", func(ctx context.Context, e *engine.Engine) {
		st, err := e.Status(ctx, workspace, connection)
		if err != nil || w.cur.dead || !w.holds(key) {
			return
		}
		for _, x := range st[0].Waiting {
			if x.Direction == crm.WayTo(denied) && x.Side == denied && x.Account == accounts[denied.Index()] &&
				x.Code == "missing_permission" && !x.Since.IsZero() && x.Records > 0 {
				return
			}
		}
		if w.now.Before(w.denied[denied.Index()].until) && w.status() == crm.StatusActive {
			w.violated("S34", fmt.Sprintf(
				"records wait for the right to write to the %s side, and the status does not say so: %+v", denied, st[0].Waiting))
		}
	})
}
