package main

import (
	"log/slog"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/invocation"
)

// newHandler serves the hooks of the surface and nothing else of it, whatever
// route an event came by.
func newHandler(surface http.Handler, log *slog.Logger) *invocation.HTTP {
	mux := http.NewServeMux()
	mux.Handle("/hooks/", surface)
	return &invocation.HTTP{Surface: mux, Log: log}
}
