package connectortest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Parts makes a call that takes at least so many requests, and lets each of them
// fail in turn, in several ways: the call fails with it, and hands out nothing of
// what the others brought. open opens a connector whose requests go through
// what it is given; call reports how much it was handed.
func Parts(
	t *testing.T, least int, open func(through func(http.RoundTripper) http.RoundTripper) connector.Connector,
	call func(ctx context.Context, c connector.Connector) (handed int, err error),
) {
	t.Helper()
	var seen atomic.Int64
	count := func(rt http.RoundTripper) http.RoundTripper { return &partly{RoundTripper: rt, seen: &seen, at: -1} }
	handed, err := call(t.Context(), open(count))
	n := int(seen.Load())
	if err != nil || handed == 0 || n < least {
		t.Fatalf("%d requests brought %d: %v; want %d requests or more", n, handed, err, least)
	}
	for at := range n {
		for name, answer := range map[string]func(*http.Request) (*http.Response, error){
			"unavailable": status(http.StatusServiceUnavailable), //nolint:bodyclose // the connector closes it
			"throttled":   status(http.StatusTooManyRequests),    //nolint:bodyclose // the connector closes them
			"refused":     status(http.StatusForbidden),          //nolint:bodyclose // likewise
			"malformed":   status(http.StatusOK),                 //nolint:bodyclose // likewise
			"lost":        func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		} {
			seen.Store(0)
			got, err := call(t.Context(), open(func(rt http.RoundTripper) http.RoundTripper {
				return &partly{RoundTripper: rt, seen: &seen, at: int64(at), answer: answer}
			}))
			if err == nil || got != 0 || fault.Is(err, fault.NotFound) {
				t.Errorf("request %d of %d is %s: the call hands out %d, %v", at, n, name, got, err)
			}
		}
	}
}

func status(code int) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(`"?"`)), Request: r,
		}, nil
	}
}

// partly answers one request itself.
type partly struct {
	http.RoundTripper
	seen   *atomic.Int64
	at     int64
	answer func(*http.Request) (*http.Response, error)
}

// RoundTrip implements http.RoundTripper.
func (p *partly) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.seen.Add(1)-1 == p.at {
		if r.Body != nil {
			_ = r.Body.Close() // as a transport has to
		}
		return p.answer(r)
	}
	return p.RoundTripper.RoundTrip(r)
}
