// Command sync is the function that works the change queue: it reads both
// sides, plans, writes and remembers. Its one trigger is that queue.
package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/invocation"
)

func main() {
	calls := new(invocation.Calls)
	log := calls.Logger()
	h, err := wire(os.Getenv, calls, log)
	if err != nil {
		log.Error("cold start failed", "error", err)
		os.Exit(1)
	}
	lambda.Start(calls.Handler(h.Handle))
}

// wire makes the handler of what the environment names.
func wire(env func(string) string, calls *invocation.Calls, log *slog.Logger) (*handler, error) {
	c, err := cloud.Open(env, cloud.Nothing, log, cloud.Follow(calls))
	if err != nil {
		return nil, err
	}
	return &handler{
		work: c.Engine.Work, hide: c.Queue.SetVisibility, now: time.Now, log: log, report: c.Report(os.Stdout),
	}, nil
}
