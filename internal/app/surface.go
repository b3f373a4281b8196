package app

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// surface is the engine as the REST surface sees it: whatever may leave work
// for the tick rings its bell, so that nobody waits for the next look.
type surface struct {
	*engine.Engine
	tick *bell
}

// StartConnection implements api.Engine.
func (s surface) StartConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]engine.Run, error) {
	defer s.tick.ring()
	return s.Engine.StartConnection(ctx, ws, id)
}

// DeleteConnection implements api.Engine.
func (s surface) DeleteConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) error {
	defer s.tick.ring()
	return s.Engine.DeleteConnection(ctx, ws, id)
}

// StartRun implements api.Engine.
func (s surface) StartRun(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, kind engine.RunKind,
) (engine.Run, error) {
	defer s.tick.ring()
	return s.Engine.StartRun(ctx, ws, id, sync, kind)
}

// CreatePlan implements api.Engine.
func (s surface) CreatePlan(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, records []crm.RecordRef,
) (engine.PlanView, error) {
	defer s.tick.ring()
	return s.Engine.CreatePlan(ctx, ws, id, sync, records)
}

// ApplyPlan implements api.Engine.
func (s surface) ApplyPlan(ctx context.Context, ws crm.WorkspaceID, plan crm.PlanID) (engine.Run, error) {
	defer s.tick.ring()
	return s.Engine.ApplyPlan(ctx, ws, plan)
}

// Erase implements api.Engine.
func (s surface) Erase(
	ctx context.Context, ws crm.WorkspaceID, id string, r engine.ErasureRequest,
) (engine.Erasure, error) {
	defer s.tick.ring()
	return s.Engine.Erase(ctx, ws, id, r)
}

// Webhook implements api.Engine.
func (s surface) Webhook(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, events []connector.Event) error {
	defer s.tick.ring() // hints may wait in an inbox
	return s.Engine.Webhook(ctx, ws, id, events)
}

// ConfirmDeletions implements api.Engine.
func (s surface) ConfirmDeletions(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID) error {
	defer s.tick.ring()
	return s.Engine.ConfirmDeletions(ctx, ws, id, sync)
}

// ReleaseHeld implements api.Engine.
func (s surface) ReleaseHeld(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, part string,
) (engine.Run, error) {
	defer s.tick.ring()
	return s.Engine.ReleaseHeld(ctx, ws, id, sync, part)
}

// ConfirmChanges implements api.Engine.
func (s surface) ConfirmChanges(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, mapping crm.MappingID,
) error {
	defer s.tick.ring()
	return s.Engine.ConfirmChanges(ctx, ws, id, sync, mapping)
}

// DiscardChanges implements api.Engine.
func (s surface) DiscardChanges(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, mapping crm.MappingID,
) error {
	defer s.tick.ring()
	return s.Engine.DiscardChanges(ctx, ws, id, sync, mapping)
}

// logins is the account service as the REST surface sees it: connections that
// waited for an account go on when it is let in again.
type logins struct {
	*account.Service
	app *App
}

// Update implements api.Accounts.
func (l logins) Update(
	ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, seen int64, change account.Change,
) (account.Account, error) {
	a, err := l.Service.Update(ctx, ws, id, seen, change)
	if err == nil && change.Credentials != nil {
		l.app.authorized(ctx, ws, id)
	}
	return a, err
}

// Test implements api.Accounts.
func (l logins) Test(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (connector.Identity, error) {
	identity, err := l.Service.Test(ctx, ws, id)
	if err == nil {
		l.app.authorized(ctx, ws, id)
	}
	return identity, err
}

// Callback implements api.Accounts.
func (l logins) Callback(ctx context.Context, req account.CallbackRequest) (account.Authorized, error) {
	a, err := l.Service.Callback(ctx, req)
	if err == nil && !a.Created {
		l.app.authorized(ctx, a.Workspace, a.ID)
	}
	return a, err
}

// authorized resumes the connections that waited for an account. The account
// itself is fine whatever comes of that, so trouble is only logged: the admin
// can still start the connection.
func (a *App) authorized(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) {
	if err := a.Engine.AccountAuthorized(ctx, ws, id); err != nil {
		a.log.Warn("connections of the account were not resumed", "account", id, "error", err)
	}
	a.tick.ring()
}

var (
	_ api.Engine   = surface{}
	_ api.Accounts = logins{}
)
