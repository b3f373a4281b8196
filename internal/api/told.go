package api

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// CodeNothingTold says that an app that cannot be asked has told nothing yet.
const CodeNothingTold = "nothing_told"

// toldOnly says of the sides of a sync whose app cannot be asked for its records that
// only what it told is known, since when, and that nothing is while it told nothing.
func (s *server) toldOnly(ctx context.Context, c *crm.Connection, st *engine.SyncStatus) error {
	ws, conf := access.From(ctx).Workspace, c.Sync(st.Sync)
	if conf == nil {
		return nil
	}
	for _, side := range crm.Sides {
		if c.Account(side) == "" {
			continue
		}
		a, err := s.Accounts.Get(ctx, ws, c.Account(side))
		if fault.Is(err, fault.NotFound) {
			continue // the status says so elsewhere
		}
		if err != nil {
			return err
		}
		d, err := s.driverOf(ctx, ws, a)
		if err != nil {
			return err
		}
		if !d.App.Can(crm.AbilityPush) {
			continue
		}
		since, err := s.Engine.ToldSince(ctx, ws, a.ID, conf.Object(side))
		if err != nil {
			return err
		}
		st.Told = append(st.Told, engine.Told{Side: side, Account: a.ID, Since: since})
		if len(st.Told) == 1 {
			st.Warnings = append(st.Warnings, engine.CodeToldOnly)
		}
		if since.IsZero() {
			st.Warnings = append(st.Warnings, CodeNothingTold)
			st.Waiting = append(st.Waiting, engine.Waiting{Code: CodeNothingTold, Side: side, Account: a.ID, App: a.App})
		}
	}
	return nil
}
