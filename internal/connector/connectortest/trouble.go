package connectortest

import (
	"context"
	"net/http"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// mostCalls bounds the calls of one thing to do.
const mostCalls = 30

// InTrouble does each thing again and again, every time with another one of its calls
// answered 503: the trouble has to show, whatever the calls before it have brought.
func InTrouble(t *testing.T, f Fixture, things map[string]func(context.Context, connector.Connector) error) {
	t.Helper()
	tools := Tools{Tokens: NewTokens(f.Token)}
	for name, do := range things {
		for n := 1; ; n++ {
			calls := 0
			tools.Wrap = func(rt http.RoundTripper) http.RoundTripper {
				return through(func(r *http.Request) (*http.Response, error) {
					if calls++; calls == n {
						return &http.Response{
							Status: "503", StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r,
						}, nil
					}
					return rt.RoundTrip(r)
				})
			}
			err := do(t.Context(), f.Open(t, tools))
			if calls < n {
				if err != nil {
					t.Errorf("%s without trouble: %v", name, err)
				}
				break
			}
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s with trouble at call %d: %v, want unavailable", name, n, err)
			}
			if n > mostCalls {
				t.Fatalf("%s: more than %d calls", name, mostCalls)
			}
		}
	}
}

type through func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Reading is a thing to do: it answers with the trouble of the one record read.
func Reading(object string, id crm.RecordID, fields ...string) func(context.Context, connector.Connector) error {
	return func(ctx context.Context, c connector.Connector) error {
		out, err := c.BatchRead(ctx, object, []crm.RecordID{id}, fields)
		if err == nil {
			err = out[0].Err
		}
		return err
	}
}

// Writing is a thing to do: it answers with the trouble of the one record written.
func Writing(object string, w connector.Write) func(context.Context, connector.Connector) error {
	return func(ctx context.Context, c connector.Connector) error {
		out, err := c.BatchWrite(ctx, object, []connector.Write{w})
		if err == nil {
			err = out[0].Err
		}
		return err
	}
}

// Listing is a thing to do: a full listing of an object.
func Listing(object string, fields ...string) func(context.Context, connector.Connector) error {
	return func(ctx context.Context, c connector.Connector) error {
		req := connector.ChangesRequest{Object: object, Fields: fields, Full: true}
		for {
			page, err := c.Changes(ctx, req)
			if err != nil || page.Next == "" {
				return err
			}
			req.Position = page.Next
		}
	}
}

// Finding is a thing to do: it looks for one value.
func Finding(
	object string, f crm.Field, value string, fields ...string,
) func(context.Context, connector.Connector) error {
	return func(ctx context.Context, c connector.Connector) error {
		_, err := c.BatchFind(ctx, object, f, []string{value}, fields)
		return err
	}
}

// Describing is a thing to do: an object's fields.
func Describing(object string) func(context.Context, connector.Connector) error {
	return func(ctx context.Context, c connector.Connector) error {
		_, err := c.Fields(ctx, object)
		return err
	}
}
