package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"time"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/invocation"
	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/schedule/follow"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

const (
	// reserve is kept back of the function's time, to say what was found.
	reserve = 5 * time.Second
	// home is the workspace that exists without an item.
	home = crm.WorkspaceID("default")
	page = 100
)

// syncs is what keeper asks of the engine.
type syncs interface {
	Status(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]engine.SyncStatus, error)
	AccountAuthorized(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID) error
}

// handler looks over all workspaces.
type handler struct {
	// alerts looks what is wrong in a workspace, and tells.
	alerts func(ctx context.Context, ws crm.WorkspaceID) error
	store  store.Store
	engine syncs
	// schedules are held against the settings; nil = there are none to hold.
	schedules schedule.Schedules
	// part of its daily calls that is used
	budget  func(context.Context, crm.WorkspaceID, account.Account) (float64, error)
	account func(context.Context, crm.WorkspaceID, crm.AccountID) (account.Account, error)
	now     func() time.Time
	stage   string    // of the metrics
	metrics io.Writer // takes lines in embedded metric format
	log     *slog.Logger
}

// findings are what one look has found.
type findings struct {
	connections, overdue, resumed, troubles int
	schedules                               *follow.Rebuilder // nil when they cannot be listed
	unauthorized                            map[string]bool   // accounts, by workspace and ID
	budget                                  float64           // of the account that has used most
}

// Handle looks once: at what is wrong where the event says so, else at
// everything else. One connection's trouble is its own; the function fails when
// the connections cannot be listed.
func (h *handler) Handle(ctx context.Context, event json.RawMessage) error {
	within, cancel := invocation.Reserve(ctx, reserve)
	defer cancel()
	var firing struct {
		Alerts bool `json:"alerts"`
	}
	if json.Unmarshal(event, &firing) == nil && firing.Alerts { // any other event says nothing but that it is time
		if err := h.eachWorkspace(within, func(ws crm.WorkspaceID) error { return h.alerts(within, ws) }); err != nil {
			return fmt.Errorf("keeper: alerts: %w", err)
		}
		return nil
	}
	f := &findings{unauthorized: map[string]bool{}}
	h.listSchedules(within, f)
	err := h.eachWorkspace(within, func(ws crm.WorkspaceID) error { return h.workspace(within, ws, f) })
	mended := 0
	if f.schedules != nil && err == nil { // else a schedule may belong to a connection that was not seen
		var trouble error
		if mended, trouble = f.schedules.Finish(within); trouble != nil {
			h.log.WarnContext(ctx, "schedules not all mended; the next hour tries again", "error", trouble)
		}
	}
	h.log.InfoContext(ctx, "looked over", "connections", f.connections, "overdue", f.overdue, "resumed", f.resumed,
		"to_authorize", len(f.unauthorized), "troubles", f.troubles, "schedules_mended", mended, "whole", err == nil)
	if err != nil {
		return fmt.Errorf("keeper: %w", err)
	}
	return h.tell(f)
}

// listSchedules reads the schedules before the settings. All else goes on
// without them.
func (h *handler) listSchedules(ctx context.Context, f *findings) {
	if h.schedules == nil {
		return
	}
	var err error
	if f.schedules, err = follow.List(ctx, h.store, h.schedules); err != nil {
		f.troubles++
		h.log.WarnContext(ctx, "schedules not listed; the next hour tries again", "error", err)
	}
}

// eachWorkspace calls f for the home workspace and all others.
func (h *handler) eachWorkspace(ctx context.Context, f func(crm.WorkspaceID) error) error {
	if err := f(home); err != nil {
		return err
	}
	for cursor := ""; ; {
		all, next, err := store.ListWorkspaces(ctx, h.store, page, cursor)
		if err != nil {
			return err
		}
		for _, w := range all {
			if w.ID == home {
				continue
			}
			if err := f(w.ID); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

func (h *handler) workspace(ctx context.Context, ws crm.WorkspaceID, f *findings) error {
	for cursor := ""; ; {
		conns, next, err := store.ListConnections(ctx, h.store, ws, page, cursor)
		if err != nil {
			return err
		}
		for i := range conns {
			f.connections++
			if f.schedules != nil {
				f.schedules.Connection(ctx, ws, &conns[i])
			}
			if err := h.connection(ctx, ws, &conns[i], f); err != nil {
				if ctx.Err() != nil {
					return err
				}
				f.troubles++
				h.log.WarnContext(ctx, "connection not looked over", "workspace", ws, "connection", conns[i].ID, "error", err)
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

func (h *handler) connection(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, f *findings) error {
	switch c.Status {
	case crm.StatusActive:
		return h.overdue(ctx, ws, c, f)
	case crm.StatusNeedsAuth:
		return h.authorize(ctx, ws, c, f)
	default: // the rest waits for a person who knows it
		return nil
	}
}

// overdue counts the syncs that are.
func (h *handler) overdue(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, f *findings) error {
	if !c.Enabled {
		return nil
	}
	all, err := h.engine.Status(ctx, ws, c.ID)
	if err != nil {
		return err
	}
	h.calls(ctx, ws, c, f)
	for i := range all {
		st := &all[i]
		if !engine.Overdue(c, st.Sync, st.LatestPull, st.OpenRun != "", h.now()) {
			continue
		}
		f.overdue++
		h.log.WarnContext(ctx, "sync overdue", "workspace", ws, "connection", c.ID, "sync", st.Sync, "age",
			h.now().Sub(st.LatestPull).Round(time.Second).String(), "interval", c.Sync(st.Sync).Interval().String())
	}
	return nil
}

// calls looks how much of their daily calls the accounts have used. It is a
// metric for the dashboard: whoever needs calls asks for them himself.
func (h *handler) calls(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, f *findings) {
	for _, side := range crm.Sides {
		a, err := h.account(ctx, ws, c.Account(side))
		var used float64
		if err == nil {
			used, err = h.budget(ctx, ws, a)
		}
		if err != nil {
			h.log.WarnContext(ctx, "calls of an account not counted", "workspace", ws, "account", c.Account(side), "error", err)
		}
		f.budget = max(f.budget, used)
	}
}

// authorize resumes a connection both of whose accounts are fine, which a crash
// after the new authorisation left waiting, and counts the accounts that a
// person must authorise.
func (h *handler) authorize(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, f *findings) error {
	fine := true
	var errs []error
	for _, side := range crm.Sides {
		a, err := h.account(ctx, ws, c.Account(side))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if a.Status == account.StatusNeedsAuth {
			fine = false
			f.unauthorized[string(ws)+"/"+string(a.ID)] = true
		}
	}
	if err := errors.Join(errs...); err != nil || !fine {
		return err
	}
	if err := h.engine.AccountAuthorized(ctx, ws, c.Account(crm.Left)); err != nil {
		return err
	}
	f.resumed++
	h.log.InfoContext(ctx, "connection resumed: both accounts are authorised", "workspace", ws, "connection", c.ID)
	return nil
}

// tell writes the metrics that alarms and dashboard watch.
func (h *handler) tell(f *findings) error {
	return telemetry.WriteMetrics(h.metrics, h.now(), h.stage, []telemetry.Metric{
		{Name: telemetry.MetricOverdue, Unit: telemetry.Count, Value: float64(f.overdue)},
		{Name: telemetry.MetricUnauthorized, Unit: telemetry.Count, Value: float64(len(f.unauthorized))},
		{Name: telemetry.MetricBudget, Unit: telemetry.Percent, Value: math.Round(f.budget*1000) / 10},
	}, nil)
}
