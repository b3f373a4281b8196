// Package pause waits. It stands below everything that may look at a clock:
// whoever must not, such as the engine, takes the wait from outside.
package pause

import (
	"context"
	"time"
)

// For waits for d and returns nil, or returns why ctx ended before. Of nothing
// to wait for it only says whether ctx has ended.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
