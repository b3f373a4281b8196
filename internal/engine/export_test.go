package engine

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// ErasedPlaces names a partition of each kind that an erasure looks through.
func ErasedPlaces(ctx context.Context, e *Engine, ws crm.WorkspaceID) ([]store.Key, error) {
	w := &eraser{Engine: e, ws: ws, x: &storedErasure{Work: &erasureWork{}}, t: &tombs{}}
	err := e.eachConnection(ctx, ws, func(c *crm.Connection) error {
		w.conns = append(w.conns, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	list, err := w.stations(ctx)
	var out []store.Key
	for _, st := range list {
		out = append(out, store.Key{Table: st.query.Table, Workspace: ws, Partition: st.query.Partition, Sort: "x"})
	}
	return out, err
}

// RunIsOpen reports whether a run of any sync is open, as Status does, without the rest of it.
func RunIsOpen(ctx context.Context, e *Engine, ws crm.WorkspaceID, con crm.ConnectionID) (bool, error) {
	conn, err := e.connection(ctx, ws, con)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, conf := range conn.Syncs {
		st, err := e.loadScan(ctx, scope{ws, con, conf.ID})
		if err != nil {
			return false, err
		}
		if st.OpenRun == "" {
			continue
		}
		r, err := e.loadRun(ctx, ws, st.OpenRun)
		if err != nil && !fault.Is(err, fault.NotFound) || err == nil && r.open() {
			return true, err
		}
	}
	return false, nil
}
