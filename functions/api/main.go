// Command api is the function behind /v1/*: settings, log, plans, retries and
// redrives, and the callback of the apps' OAuth.
package main

import (
	"context"
	"log/slog"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/app/cloud/restapi"
	"github.com/lockstep-crm/lockstep/internal/app/cloud/schedules"
	"github.com/lockstep-crm/lockstep/internal/invocation"
)

func main() { cloud.Main(wire, func(h *invocation.HTTP) any { return h.Handle }) }

// wire makes the handler of what the environment names.
func wire(env func(string) string, calls *invocation.Calls, log *slog.Logger) (*invocation.HTTP, error) {
	c, err := cloud.Open(env, cloud.All, log, schedules.Follow, cloud.Follow(calls))
	if err != nil {
		return nil, err
	}
	h, err := restapi.New(context.Background(), c)
	if err != nil {
		return nil, err
	}
	return newHandler(h, log), nil
}
