package follow

import (
	"context"
	"errors"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Rebuilder compares schedules with settings. Make it with List, before the
// settings are read: a schedule that was there then and belongs to no
// connection read later belongs to nobody.
type Rebuilder struct {
	store     store.Store
	schedules schedule.Schedules
	there     map[string]schedule.Schedule // by name
	mended    int
	errs      []error
}

// List reads all schedules.
func List(ctx context.Context, st store.Store, schedules schedule.Schedules) (*Rebuilder, error) {
	r := &Rebuilder{store: st, schedules: schedules, there: map[string]schedule.Schedule{}}
	for cursor := ""; ; {
		page, err := schedules.List(ctx, cursor)
		if err != nil {
			return nil, err
		}
		for _, sc := range page.Schedules {
			r.there[sc.Name] = sc
		}
		if cursor = page.Next; cursor == "" {
			return r, nil
		}
	}
}

// Connection mends the schedules of one connection, as it was just read.
func (r *Rebuilder) Connection(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection) {
	for _, sc := range schedule.Wanted(ws, c) {
		if has, ok := r.there[sc.Name]; !ok || has != sc {
			r.mend(ctx, sc.Name, ws, c.ID)
		}
		delete(r.there, sc.Name)
	}
}

// Finish removes the schedules that no connection asked for, and returns how
// many of all were mended. Call it only when every connection was seen.
func (r *Rebuilder) Finish(ctx context.Context) (mended int, err error) {
	for name, sc := range r.there {
		r.mend(ctx, name, sc.Workspace, sc.Connection)
	}
	return r.mended, errors.Join(r.errs...)
}

// mend makes a schedule what the settings say by now. Trouble with one is its own.
func (r *Rebuilder) mend(ctx context.Context, name string, ws crm.WorkspaceID, con crm.ConnectionID) {
	var wanted map[string]schedule.Schedule
	var err error
	if con != "" { // one that was made by other hands names nobody
		wanted, err = load(ctx, r.store, ws, con)
	}
	if err == nil {
		if sc, ok := wanted[name]; ok {
			err = r.schedules.Put(ctx, sc)
		} else {
			err = r.schedules.Delete(ctx, name)
		}
	}
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	r.mended++
}
