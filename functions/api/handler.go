package main

import (
	"log/slog"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/invocation"
)

// newHandler serves the surface, which answers every request by itself, those
// that it refuses too: so that each has an ID and a line in the log.
func newHandler(surface http.Handler, log *slog.Logger) *invocation.HTTP {
	return &invocation.HTTP{Surface: surface, Log: log}
}
