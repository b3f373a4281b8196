package main

import (
	"log/slog"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/invocation"
)

// newHandler serves the whole surface but the hooks, which are another
// function's: this one may do far more than a delivery needs.
func newHandler(surface http.Handler, log *slog.Logger) *invocation.HTTP {
	mux := http.NewServeMux()
	mux.Handle("/", surface)
	mux.Handle("/hooks/", http.NotFoundHandler())
	return &invocation.HTTP{Surface: mux, Log: log}
}
