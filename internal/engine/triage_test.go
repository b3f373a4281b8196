package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestCauseOf: an error's code says more than its kind, and what waits in the
// store follows from the cause alone.
func TestCauseOf(t *testing.T) {
	t.Parallel()
	limit := &fault.Error{Op: "test", Kind: fault.Throttled, Code: "rate_limited", RetryAfter: time.Minute}
	for name, c := range map[string]struct {
		err   error
		want  cause
		waits time.Duration // 0 = it does not
	}{
		"leased":                      {errLeased, causeLeased, 0},
		"switched off":                {errPaused, causeStopped, time.Second},
		"time used up":                {errTime, causeStopped, time.Second},
		"the lease ends":              {fault.New("test", fault.Unavailable, codeLeaseEnding, ""), causeStopped, time.Second},
		"a limit":                     {limit, causeLimit, time.Minute},
		"a limit deep down":           {fmt.Errorf("observe: %w", limit), causeLimit, time.Minute},
		"a limit that says no time":   {fault.New("test", fault.Throttled, "rate_limited", ""), causeLimit, time.Second},
		"a right":                     {fault.New("test", fault.Denied, codePermission, ""), causeDenied, 0},
		"the grant":                   {fault.New("test", fault.Denied, codeReauthorize, ""), causeDenied, 0},
		"nonsense":                    {fault.New("test", fault.Unavailable, codeMalformed, ""), causeBroken, 0},
		"a bug":                       {errors.New("nil map"), causeBroken, 0},
		"an app that does not answer": {fault.New("test", fault.Unavailable, "unavailable", ""), causeTrouble, 0},
		"our own end":                 {context.DeadlineExceeded, causeTrouble, 0},
		"somebody was faster":         {fault.New("test", fault.Conflict, "version_conflict", ""), causeTrouble, 0},
		"a value":                     {fault.New("test", fault.Invalid, "invalid_value", ""), causeTrouble, 0},
		"gone":                        {fault.New("test", fault.NotFound, "not_found", ""), causeTrouble, 0},
		"more than the app can":       {fault.New("test", fault.Unsupported, "unsupported", ""), causeTrouble, 0},
	} {
		if got := causeOf(c.err); got != c.want {
			t.Errorf("%s: cause %d, want %d", name, got, c.want)
		}
		if wait, ok := waits(c.err); wait != c.waits || ok != (c.waits > 0) {
			t.Errorf("%s: waits %s, %t, want %s", name, wait, ok, c.waits)
		}
	}
	if wait, ok := waits(nil); ok || wait != 0 {
		t.Error("nothing waits")
	}
	for c, r := range responses {
		if r.chunk == nil {
			t.Errorf("nothing becomes of a chunk whose cause is %d", c)
		}
	}
}
