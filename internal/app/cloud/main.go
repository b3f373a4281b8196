package cloud

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lockstep-crm/lockstep/internal/invocation"
)

// Main runs a function: it wires the handler of what the environment names, once,
// and serves invocations by handle(h), a handler as the library knows them. What
// cannot be wired is logged as a failed cold start and ends the process with 1.
func Main[H any](
	wire func(env func(string) string, calls *invocation.Calls, log *slog.Logger) (H, error), handle func(H) any,
) {
	calls := new(invocation.Calls)
	log := calls.Logger()
	h, err := wire(os.Getenv, calls, log)
	if err != nil {
		log.Error("cold start failed", "error", err)
		os.Exit(1)
	}
	lambda.Start(calls.Handler(handle(h)))
}
