package sim

import (
	"context"
	"log/slog"
)

// witness reads the engine's log: a panic that it recovered from is a finding, of
// the engine or of this world, whatever comes of the work.
type witness struct {
	slog.Handler
	w *world
}

// Enabled implements slog.Handler.
func (witness) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// WithAttrs implements slog.Handler.
func (x witness) WithAttrs([]slog.Attr) slog.Handler { return x }

// WithGroup implements slog.Handler.
func (x witness) WithGroup(string) slog.Handler { return x }

// Handle implements slog.Handler.
func (x witness) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "internal error" {
		return nil
	}
	detail := r.Message
	r.Attrs(func(a slog.Attr) bool {
		detail += "; " + a.String()
		return true
	})
	x.w.violated("panic", detail)
	return nil
}
