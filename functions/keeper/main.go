// Command keeper is the function that looks over everything once an hour: what
// is overdue, who has to authorise again, and what a crash left half done; and
// every few minutes what is wrong, to tell whoever wants to hear of it.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/app/cloud/alerts"
	"github.com/lockstep-crm/lockstep/internal/app/cloud/schedules"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/invocation"
)

func main() { cloud.Main(wire, func(h *handler) any { return h.Handle }) }

// wire makes the handler of what the environment names.
func wire(env func(string) string, calls *invocation.Calls, log *slog.Logger) (*handler, error) {
	c, err := cloud.Open(env, cloud.Schedules, log, cloud.Follow(calls))
	if err != nil {
		return nil, err
	}
	c.Engine.Open = noLogin
	all, err := schedules.Open(c)
	if err != nil {
		return nil, err
	}
	told, err := alerts.New(c)
	if err != nil {
		return nil, err
	}
	return &handler{
		alerts: told.Round, store: c.Store, engine: c.Engine, schedules: all, budget: c.BudgetUsed, account: c.Accounts.Get,
		now:   time.Now,
		stage: c.Environment.Stage, metrics: os.Stdout, log: log,
	}, nil
}

// noLogin opens no account: keeper looks at what is stored, and its role has no
// right to what the apps are called with.
func noLogin(context.Context, crm.WorkspaceID, crm.AccountID) (connector.Connector, error) {
	return nil, fault.New("keeper: open account", fault.Unsupported, "", "this function calls no app")
}
