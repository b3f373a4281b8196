package pause

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		wait, ends, after time.Duration // ends: when ctx does; 0 = never
		want              error
	}{
		"to its end":            {wait: time.Minute, after: time.Minute},
		"given up":              {wait: time.Minute, ends: time.Second, after: time.Second, want: context.DeadlineExceeded},
		"nothing":               {},
		"less than nothing":     {wait: -time.Second},
		"nothing, but too late": {ends: -time.Second, want: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := t.Context(), func() {}
				if tc.ends != 0 {
					ctx, cancel = context.WithTimeout(ctx, tc.ends)
				}
				defer cancel()
				began := time.Now()
				if err := For(ctx, tc.wait); !errors.Is(err, tc.want) || time.Since(began) != tc.after {
					t.Errorf("got %v after %s, want %v after %s", err, time.Since(began), tc.want, tc.after)
				}
			})
		})
	}
}
