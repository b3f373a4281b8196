// Command api is the function behind /v1/*: settings, log, plans, retries and
// redrives, and the callback of the apps' OAuth.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/app/cloud/restapi"
	"github.com/lockstep-crm/lockstep/internal/app/cloud/schedules"
	"github.com/lockstep-crm/lockstep/internal/invocation"
)

func main() {
	calls := new(invocation.Calls)
	log := calls.Logger()
	h, err := wire(context.Background(), os.Getenv, calls, log)
	if err != nil {
		log.Error("cold start failed", "error", err)
		os.Exit(1)
	}
	lambda.Start(calls.Handler(h.Handle))
}

// wire makes the handler of what the environment names.
func wire(ctx context.Context, env func(string) string, calls *invocation.Calls, log *slog.Logger) (*invocation.HTTP, error) {
	c, err := cloud.Open(env, cloud.All, log, schedules.Follow, cloud.Follow(calls))
	if err != nil {
		return nil, err
	}
	h, err := restapi.New(ctx, c)
	if err != nil {
		return nil, err
	}
	return newHandler(h, log), nil
}
