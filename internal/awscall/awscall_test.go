package awscall_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// said is an error as the SDK gives it.
func said(status int, code string) error {
	return &smithy.OperationError{ServiceID: "S", OperationName: "O", Err: &awshttp.ResponseError{
		RequestID: "r1",
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      &smithy.GenericAPIError{Code: code, Message: "about ada@example.com"},
		},
	}}
}

var (
	errDial = &net.OpError{Op: "dial", Err: errors.New("refused")}
	errLost = errors.New("connection reset by peer")
)

// TestDo: which errors are repeated, by what a repetition would do, and what
// is said in the end. Errors come in this order; the last one repeats.
func TestDo(t *testing.T) {
	t.Parallel()
	throttle, down, no := said(400, "ThrottlingException"), said(500, "InternalServerError"),
		said(400, "ValidationException")
	for name, c := range map[string]struct {
		nature awscall.Nature
		errs   []error // nil = success
		calls  int
		kind   fault.Kind
		ok     bool
		landed bool
	}{
		"success":                        {awscall.Once, []error{nil}, 1, 0, true, false},
		"throttled, then success":        {awscall.Once, []error{throttle, throttle, nil}, 3, 0, true, false},
		"not reached, then success":      {awscall.Once, []error{errDial, nil}, 2, 0, true, false},
		"throttled for ever":             {awscall.Once, []error{throttle}, 6, fault.Throttled, false, false},
		"not reached for ever":           {awscall.Once, []error{errDial}, 6, fault.Unavailable, false, false},
		"lost, read":                     {awscall.Read, []error{errLost}, 6, fault.Unavailable, false, false},
		"lost, idempotent":               {awscall.Idempotent, []error{errLost}, 6, fault.Unavailable, false, true},
		"lost, idempotent, then success": {awscall.Idempotent, []error{errLost, down, nil}, 3, 0, true, false},
		"lost, once":                     {awscall.Once, []error{errLost}, 1, fault.Unavailable, false, true},
		"down, once":                     {awscall.Once, []error{down}, 1, fault.Unavailable, false, true},
		"throttled, then lost, once":     {awscall.Once, []error{throttle, errLost}, 2, fault.Unavailable, false, true},
		"lost, then throttled, idempotent": {
			awscall.Idempotent,
			[]error{errLost, throttle},
			6, fault.Throttled, false,
			true,
		},
		"refused":                             {awscall.Read, []error{no}, 1, fault.Other, false, false},
		"lost, then refused: may have landed": {awscall.Idempotent, []error{errLost, no}, 2, fault.Other, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				err := awscall.Do(t.Context(), "op", c.nature, awscall.Policy{}, func(context.Context) error {
					calls++
					return c.errs[min(calls, len(c.errs))-1]
				})
				err = awscall.Classify("op", err, false)
				if calls != c.calls || (err == nil) != c.ok {
					t.Fatalf("%v after %d calls, want %d", err, calls, c.calls)
				}
				if err == nil {
					return
				}
				if fault.KindOf(err) != c.kind || fault.MayHaveLanded(err) != c.landed {
					t.Errorf("%v, may have landed = %v; want %v, %v", err, fault.MayHaveLanded(err), c.kind, c.landed)
				}
				if strings.Contains(err.Error(), "ada@") {
					t.Errorf("the error quotes the service: %v", err)
				}
			})
		})
	}
}

// TestDoIsCappedInTime: slow refusals do not add up beyond the total.
func TestDoIsCappedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := awscall.Policy{Tries: 1000, First: time.Second, Most: 2 * time.Second, Total: 10 * time.Second}
		err := awscall.Do(t.Context(), "op", awscall.Read, p, func(context.Context) error {
			return said(400, "ThrottlingException")
		})
		if spent := time.Since(start); !fault.Is(err, fault.Throttled) || spent < 9*time.Second || spent > 13*time.Second {
			t.Errorf("%v after %v, want throttled after about 10 s", err, spent)
		}
	})
}

// TestDoCountsSlowCalls: the time of the calls counts, not that of the pauses only.
func TestDoCountsSlowCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := awscall.Do(t.Context(), "op", awscall.Read, awscall.Policy{Total: 8 * time.Second},
			func(context.Context) error {
				time.Sleep(5 * time.Second)
				return errLost
			})
		if spent := time.Since(start); !fault.Is(err, fault.Unavailable) || spent > 11*time.Second {
			t.Errorf("%v after %v, want unavailable after two calls", err, spent)
		}
	})
}

func TestDoEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start, calls := time.Now(), 0
		err := awscall.Do(ctx, "op", awscall.Read, awscall.Policy{
			Tries: 100, First: time.Minute, Most: time.Minute, Total: time.Hour,
		}, func(context.Context) error {
			calls++
			return said(400, "ThrottlingException")
		})
		if err == nil || calls != 1 || time.Since(start) != time.Second {
			t.Errorf("%v after %d calls and %v", err, calls, time.Since(start))
		}
		cancel()
		err = awscall.Do(ctx, "op", awscall.Once, awscall.Policy{}, func(context.Context) error {
			t.Error("called")
			return nil
		})
		if !fault.Is(err, fault.Unavailable) || fault.MayHaveLanded(err) {
			t.Errorf("under a context that is done: %v", err)
		}
	})
}

func TestClassifyKeepsWhatIsClassified(t *testing.T) {
	t.Parallel()
	done := fault.New("op", fault.Conflict, "condition_failed", "x")
	if got := awscall.Classify("other", done, true); !errors.Is(got, done) {
		t.Errorf("got %v", got)
	}
	if awscall.Classify("op", nil, true) != nil {
		t.Error("nil became an error")
	}
	if got := awscall.Classify("op", context.DeadlineExceeded, true); !fault.Is(got, fault.Unavailable) ||
		!errors.Is(got, context.DeadlineExceeded) {
		t.Errorf("got %v", got)
	}
}
