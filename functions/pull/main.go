// Command pull is the function that schedules fire: once per interval of every
// sync, to list what changed, and every minute, to wake what waits.
package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/invocation"
)

func main() { cloud.Main(wire, func(h *handler) any { return h.Handle }) }

// wire makes the handler of what the environment names.
func wire(env func(string) string, calls *invocation.Calls, log *slog.Logger) (*handler, error) {
	c, err := cloud.Open(env, cloud.Nothing, log, cloud.Follow(calls))
	if err != nil {
		return nil, err
	}
	return &handler{
		pull: c.Engine.Pull, tick: c.Engine.Tick, now: time.Now, log: log, report: c.Report(os.Stdout),
	}, nil
}
