package invocation

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"
)

// TestLogNamesTheInvocation has lines carry request and trace whether or not
// they were written with the invocation's context, and never beyond its end.
func TestLogNamesTheInvocation(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	calls := new(Calls)
	log := slog.New(calls.LogHandler(slog.NewJSONHandler(&b, nil))).With("a", 1)
	h := calls.Handler(func(context.Context) error {
		log.Info("within") // without a context on purpose
		return nil
	})
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "req-1"})
	ctx = context.WithValue(ctx, "x-amzn-trace-id", //nolint:staticcheck,revive // the runtime's own key
		"Self=1-2;Root=1-65f1c0de-0123;Sampled=1")
	if _, err := h.Invoke(ctx, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	log.Info("outside", "message", "m1")
	var got []map[string]any
	for line := range strings.Lines(b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "time")
		got = append(got, m)
	}
	want := []map[string]any{
		{"level": "INFO", "msg": "within", "a": 1.0, "requestId": "req-1", "traceId": "1-65f1c0de-0123"},
		{"level": "INFO", "msg": "outside", "a": 1.0, "message_id": "m1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	plain, cancel := Reserve(t.Context(), time.Second)
	defer cancel()
	if _, ok := plain.Deadline(); ok {
		t.Error("a context without a deadline got one")
	}
	end := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	within, cancel := Reserve(ctx, time.Minute)
	defer cancel()
	if got, _ := within.Deadline(); !got.Equal(end.Add(-time.Minute)) {
		t.Errorf("the deadline is %s, want a minute before %s", got, end)
	}
	if got := Left(within, end.Add(-2*time.Minute), 0); got != time.Minute {
		t.Errorf("Left = %s, want 1m", got)
	}
	if got := Left(t.Context(), end, 7); got != 7 {
		t.Errorf("Left without a deadline = %s, want what was given", got)
	}
}

// handle sends an event through an HTTP whose surface is f.
func handle(t *testing.T, event string, f http.HandlerFunc) events.APIGatewayV2HTTPResponse {
	t.Helper()
	r, err := (&HTTP{Surface: f, Log: slog.New(slog.DiscardHandler)}).Handle(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSourceOfARequest: the address of the caller is one that can be read,
// whichever family it is of.
func TestSourceOfARequest(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"198.51.100.7", "2001:db8::7"} {
		handle(t, `{"rawPath":"/","requestContext":{"http":{"method":"GET","sourceIp":"`+source+`"}}}`,
			func(_ http.ResponseWriter, r *http.Request) {
				if at, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || at.Addr().String() != source {
					t.Errorf("%s is %s: %v", source, r.RemoteAddr, err)
				}
			})
	}
}

func TestRequestAsItWasSent(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ rawPath, query, uri, path string }{
		"plain":            {"/v1/apps", "", "/v1/apps", "/v1/apps"},
		"query stays raw":  {"/v1/apps", "b=%20&a=+", "/v1/apps?b=%20&a=+", "/v1/apps"},
		"escaped slash":    {"/v1/a%2Fb", "", "/v1/a%2Fb", "/v1/a/b"},
		"decoded space":    {"/v1/a b", "", "/v1/a%20b", "/v1/a b"},
		"decoded per cent": {"/v1/a%zz", "", "/v1/a%25zz", "/v1/a%zz"},
		"question mark":    {"/v1/a?b", "", "/v1/a%3Fb", "/v1/a?b"},
		"two slashes":      {"//host/x", "", "//host/x", "//host/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event, err := json.Marshal(events.APIGatewayV2HTTPRequest{
				RawPath: tt.rawPath, RawQueryString: tt.query, Headers: map[string]string{
					"host": "api.example.com", "x-one": "a,b",
				}, Cookies: []string{"a=b", "c=d"},
				Body: "hé", RequestContext: events.APIGatewayV2HTTPRequestContext{
					HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: "PUT", SourceIP: "198.51.100.7"},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			r := handle(t, string(event), func(_ http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got := []string{
					r.Method, r.RequestURI, r.URL.Path, r.Host, r.Header.Get("X-One"), r.Header.Get("Cookie"),
					string(b), r.RemoteAddr,
				}
				want := []string{"PUT", tt.uri, tt.path, "api.example.com", "a,b", "a=b; c=d", "hé", "198.51.100.7:0"}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
				if r.Header.Get("Host") != "" || r.ContentLength != int64(len("hé")) {
					t.Errorf("header Host %q, length %d", r.Header.Get("Host"), r.ContentLength)
				}
			})
			if r.StatusCode != http.StatusOK {
				t.Errorf("status %d, want 200 from a handler that wrote nothing", r.StatusCode)
			}
		})
	}
}

const anyRequest = `{"rawPath":"/","requestContext":{"http":{"method":"GET"},"domainName":"d.example.com"}}`

func TestResponse(t *testing.T) {
	t.Parallel()
	r := handle(t, anyRequest, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "d.example.com" {
			t.Errorf("host %q, want the domain", r.Host)
		}
		w.Header().Add("Vary", "a")
		w.Header().Add("Vary", "b")
		w.Header().Add("Set-Cookie", "a=b")
		w.Header().Add("Set-Cookie", "c=d")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)     // too late
		w.Header().Set("X-Late", "late") // too late
		_, _ = w.Write([]byte{0xff, 0x00})
	})
	want := events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusTeapot, Headers: map[string]string{
			"Vary": "a, b", "Content-Type": "text/plain; charset=utf-8",
		}, Cookies: []string{"a=b", "c=d"}, Body: "/wA=", IsBase64Encoded: true,
	}
	want.Headers["Content-Type"] = http.DetectContentType([]byte{0xff, 0x00})
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
}

// TestNoValuesInErrors logs where an event is broken, and not what it holds.
func TestNoValuesInErrors(t *testing.T) {
	t.Parallel()
	for _, event := range []string{
		`{"rawPath":1234567}`, `{"body":"someone@example.com`, `"someone@example.com"`, `{"rawPath":"someone@example.com"}`,
	} {
		var said bytes.Buffer
		h := &HTTP{Surface: http.NotFoundHandler(), Log: slog.New(slog.NewTextHandler(&said, nil))}
		r, err := h.Handle(t.Context(), []byte(event))
		if err != nil || r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d, %v; want 400", event, r.StatusCode, err)
		}
		if said.Len() == 0 || strings.Contains(said.String(), "someone") || strings.Contains(said.String(), "1234567") {
			t.Errorf("%s: the log says %q, want it without values", event, said.String())
		}
	}
}
