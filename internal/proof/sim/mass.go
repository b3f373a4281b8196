package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// massKey is one kind of change: a mapping, the side written and the new value.
type massKey struct {
	mapping crm.MappingID
	side    crm.Side
	value   string
}

// massSlack is by how much the engine's count of an hour may be too low: the
// lease forgets what is rare while very much else is going on.
const massSlack = 5

// massEdit is a list cleared by mistake, or an import that gives everybody one
// value: a user does it to most records of a side at once.
func (w *world) massEdit() {
	side := sideOf(w.user.n(2))
	a := w.apps[side.Index()]
	v, name := crm.NullValue(), "mass_clearing"
	if w.user.in(500) {
		v, name = w.value(modelapp.Rank), "broken_import"
	}
	w.fault(name)
	for _, r := range a.rows() {
		if !r.deleted && w.user.in(900) {
			w.act(side, r.id, connector.EventChanged, func(a app) error {
				return a.edit(r.id, crm.Fields{a.field(modelapp.Rank): v})
			})
		}
	}
	w.after(w.rng.upTo(20*time.Minute), func() { w.ask("decide", w.decideChanges) })
}

// decideChanges lets an admin decide about every mapping that stands.
func (w *world) decideChanges(ctx context.Context, e *engine.Engine) {
	st, err := e.Status(ctx, workspace, connection)
	if err != nil {
		return
	}
	for _, h := range st[0].Changes {
		w.mark("mass_change_shown")
		decide := e.ConfirmChanges
		if w.rng.in(400) {
			decide = e.DiscardChanges
			w.discarded[h.Mapping] = true
		}
		w.allowed[h.Mapping] = w.now // before the fact: from here on it may be written
		w.letThrough(h.Mapping)
		if err := decide(ctx, workspace, connection, syncID, h.Mapping); err == nil {
			w.allowed[h.Mapping] = w.now
		}
	}
}

// letThrough notes which records wait for the decision about a mapping: it covers
// them however long they wait for something else then. One that waits because a
// field is gone no longer says that it waits for the decision, but did before.
func (w *world) letThrough(id crm.MappingID) {
	for _, l := range w.links {
		if !l.paired() || !massWaits(l) && !w.halted[ref{crm.Left, l.Left}] {
			continue
		}
		for _, side := range crm.Sides {
			w.let[cellKey{ref{side, l.id(side)}, id}] = true
		}
	}
	clear(w.halted)
}

func massWaits(l linkView) bool {
	return l.paired() && l.State == crm.StateWaiting && l.Code == "mass_change"
}

// changesHalt reports whether a mapping waits for an admin.
func (w *world) changesHalt() (halt bool) {
	if !w.set.mass {
		return false
	}
	w.aside(func(ctx context.Context, e *engine.Engine) {
		st, err := e.Status(ctx, workspace, connection)
		halt = err == nil && len(st[0].Changes) > 0
	})
	return halt
}

// replaced holds a write over a value that was known to S37: an hour has few of
// one kind, unless an admin let them through.
func (w *world) replaced(r ref, m *crm.Mapping, before, after crm.Value) {
	l, ok := w.link(r)
	_, known := l.Base[m.ID]
	if !w.set.mass || before.Blank() || !ok || !l.paired() && l.To == "" || l.paired() && !known {
		return
	}
	if since, ok := w.allowed[m.ID]; ok && w.now.Sub(since) < time.Hour {
		return
	}
	if k := (cellKey{r, m.ID}); w.let[k] {
		delete(w.let, k)
		return
	}
	k := massKey{m.ID, r.side, ""}
	if !after.Blank() {
		k.value = after.Digest()
	}
	hour := slices.DeleteFunc(w.replacements[k], func(t time.Time) bool {
		return w.now.Sub(t) >= time.Hour || !t.After(w.allowed[m.ID])
	})
	w.replacements[k] = append(hour, w.now)
	if n := int64(len(hour) + 1); n > w.set.tuning.ChangeFloor+massSlack {
		w.violated("S37", fmt.Sprintf("%s: %d values of %s were replaced alike within an hour, and nobody was asked", r.side,
			n, m.ID))
	}
}
