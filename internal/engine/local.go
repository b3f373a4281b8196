package engine

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// SyncRef names one sync of one workspace's connection.
type SyncRef struct {
	Workspace  crm.WorkspaceID
	Connection crm.ConnectionID
	Sync       crm.SyncID
}

// DuePulls lists the workspace's syncs whose interval has passed since their
// latest pull and that have no run open. It asks no app and writes nothing.
// For a process that keeps its own schedule; in AWS the schedules fire by
// themselves.
func (e *Engine) DuePulls(ctx context.Context, ws crm.WorkspaceID, now time.Time) ([]SyncRef, error) {
	var due []SyncRef
	err := e.eachSync(ctx, ws, func(conn *crm.Connection, conf *crm.Sync) error {
		every := conf.Interval()
		if ok, _ := runnable(conn, conf.ID); !ok || every <= 0 {
			return nil
		}
		st, err := e.loadScan(ctx, scope{ws, conn.ID, conf.ID})
		if err != nil {
			return err
		}
		if age := now.Sub(st.LatestPull); age >= 0 && age < every {
			return nil
		}
		if st.OpenRun != "" {
			r, err := e.loadRun(ctx, ws, st.OpenRun)
			if err != nil && !fault.Is(err, fault.NotFound) || err == nil && r.open() && r.Generation == conn.Generation {
				return err // the open run lists what there is
			}
		}
		due = append(due, SyncRef{Workspace: ws, Connection: conn.ID, Sync: conf.ID})
		return nil
	})
	return due, err
}

// ForgetLeases frees the lease of every sync of a workspace: for a process that
// has just started and knows, by a lock on its storage, that whoever held them
// is dead. Anybody else must wait them out.
func (e *Engine) ForgetLeases(ctx context.Context, ws crm.WorkspaceID) error {
	return e.eachSync(ctx, ws, func(conn *crm.Connection, conf *crm.Sync) error {
		sc := scope{ws, conn.ID, conf.ID}
		held, err := e.loadLease(ctx, sc)
		if err != nil || held.Owner == "" {
			return err
		}
		held.Wrote = held.wrote()
		w, err := held.freed().asWrite(sc)
		if err != nil {
			return err
		}
		e.Mark("lease_forgotten")
		_, err = e.Store.Write(ctx, w)
		return err
	})
}

// eachSync calls f for every sync of a workspace.
func (e *Engine) eachSync(ctx context.Context, ws crm.WorkspaceID, f func(*crm.Connection, *crm.Sync) error) error {
	return e.eachConnection(ctx, ws, func(conn *crm.Connection) error {
		for n := range conn.Syncs {
			if err := f(conn, &conn.Syncs[n]); err != nil {
				return err
			}
		}
		return nil
	})
}
