// Command webhook is the function behind /hooks/{token}: it verifies what an
// app sends, queues the IDs of the records and answers. It never reads or
// writes an app.
package main

import (
	"log/slog"
	"time"

	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/invocation"
)

func main() { cloud.Main(wire, func(h *invocation.HTTP) any { return h.Handle }) }

// wire makes the handler of what the environment names.
func wire(env func(string) string, calls *invocation.Calls, log *slog.Logger) (*invocation.HTTP, error) {
	c, err := cloud.Open(env, cloud.Hooks, log, cloud.Follow(calls))
	if err != nil {
		return nil, err
	}
	// The surface for deliveries alone: without the REST surface the program is a
	// third smaller. It calls nobody.
	h, err := api.NewHooks(api.HookOptions{
		Engine: c.Engine, Accounts: c.Accounts, Now: time.Now, NewID: c.NewID, Logger: c.Log,
		PublicURL: c.Environment.PublicURL, AllowHosts: []string{"*"}, // API Gateway lets its own names in only
	})
	if err != nil {
		return nil, err
	}
	return newHandler(h, log), nil
}
