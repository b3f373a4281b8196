package main

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockstep-crm/lockstep/internal/engine"
)

// TestWatchEndsWithTheProgram: once stop has returned nothing reads the store, which is
// closed next, and nothing is printed, although a look was under way.
func TestWatchEndsWithTheProgram(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks, closed := 0, false
		p := newProgress(newScreen(&world{out: io.Discard, err: io.Discard}),
			func(context.Context, time.Time) ([]engine.Run, error) {
				looks++
				time.Sleep(time.Second) // a store that is slow, and does not hear that it is to end
				if closed {
					t.Error("a look at a store that is closed")
				}
				return nil, nil
			})
		stop := p.start(t.Context())
		time.Sleep(p.every + time.Millisecond)
		stop()
		closed = true
		time.Sleep(time.Minute)
		if looks != 1 {
			t.Errorf("%d looks, want the one that was under way", looks)
		}
	})
}
