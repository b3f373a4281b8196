package connector

import "context"

type foregroundKey struct{}

// Foreground marks calls under ctx as asked for by a person who waits: they
// may use the part of a budget that bulk work leaves alone.
func Foreground(ctx context.Context) context.Context {
	return context.WithValue(ctx, foregroundKey{}, true)
}

// IsForeground reports whether ctx carries the mark of Foreground.
func IsForeground(ctx context.Context) bool {
	on, _ := ctx.Value(foregroundKey{}).(bool)
	return on
}

type spareKey struct{}

// Spare marks calls under ctx as made only because there is room: they keep
// well away from what others may need of a budget, and are not waited for.
func Spare(ctx context.Context) context.Context {
	return context.WithValue(ctx, spareKey{}, true)
}

// IsSpare reports whether ctx carries the mark of Spare.
func IsSpare(ctx context.Context) bool {
	on, _ := ctx.Value(spareKey{}).(bool)
	return on
}
