package follow

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// followTime bounds what a save waits for its schedules. What is not done by
// then is done by the next Rebuild.
const followTime = 6 * time.Second

// Store is a store.Store that has the schedules of a connection follow each
// save of it. A save stands, whatever becomes of its schedules: trouble with
// them is logged.
type Store struct {
	store.Store
	Schedules schedule.Schedules
	Log       *slog.Logger
}

// Unwrap implements store.Wrapped.
func (s *Store) Unwrap() store.Store { return s.Store }

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, w store.Write) (int64, error) {
	con, ok := connectionOf(w.Item.Key)
	if !ok {
		return s.Store.Write(ctx, w)
	}
	before, readErr := load(ctx, s.Store, w.Item.Key.Workspace, con)
	version, err := s.Store.Write(ctx, w)
	if err != nil {
		return version, err
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), followTime)
	defer cancel()
	if err := errors.Join(readErr, s.follow(within, w.Item.Key.Workspace, con, before)); err != nil {
		s.Log.WarnContext(ctx, "schedules do not follow yet; keeper sees to it", "connection", con, "error", err)
	}
	return version, nil
}

// follow brings the schedules from what the settings asked for before to what
// they ask for now.
func (s *Store) follow(
	ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, before map[string]schedule.Schedule,
) error {
	now, err := load(ctx, s.Store, ws, con)
	if err != nil {
		return err
	}
	var errs []error
	for name, sc := range now {
		if was, had := before[name]; !had || was != sc {
			errs = append(errs, s.Schedules.Put(ctx, sc))
		}
	}
	for name := range before {
		if _, still := now[name]; !still {
			errs = append(errs, s.Schedules.Delete(ctx, name))
		}
	}
	return errors.Join(errs...)
}

// load returns the schedules that a connection wants, by name; none for one
// that is not there.
func load(
	ctx context.Context, st store.Store, ws crm.WorkspaceID, con crm.ConnectionID,
) (map[string]schedule.Schedule, error) {
	c, _, err := store.LoadConnection(ctx, st, ws, con)
	if fault.Is(err, fault.NotFound) {
		return map[string]schedule.Schedule{}, nil
	}
	if err != nil {
		return nil, err
	}
	wanted := map[string]schedule.Schedule{}
	for _, sc := range schedule.Wanted(ws, c) {
		wanted[sc.Name] = sc
	}
	return wanted, nil
}

// connectionOf tells whether a key is that of a connection, and of which.
func connectionOf(k store.Key) (crm.ConnectionID, bool) {
	named := store.ConnectionKey(k.Workspace, "")
	id, ok := strings.CutPrefix(k.Sort, named.Sort)
	return crm.ConnectionID(id), ok && id != "" && k.Table == named.Table && k.Partition == named.Partition
}

var _ store.Store = (*Store)(nil)
