package invocation

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// HTTP serves an http.Handler behind API Gateway's HTTP API, payload format
// 2.0. The handler sees the request as it was sent: path and query as on the
// wire, the body's own bytes, the host that was called. Signatures of webhooks
// cover all of that.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
type HTTP struct {
	Surface http.Handler
	Log     *slog.Logger
}

// Handle answers one event. An event that is no request is answered 400: an
// error would be retried by nobody and seen by the caller as 500.
func (h *HTTP) Handle(ctx context.Context, event json.RawMessage) (events.APIGatewayV2HTTPResponse, error) {
	r, err := request(ctx, event)
	if err != nil {
		h.Log.ErrorContext(ctx, "event not readable", "error", err)
		return events.APIGatewayV2HTTPResponse{
			StatusCode: http.StatusBadRequest,
			Headers:    map[string]string{"Content-Type": "application/problem+json"},
			Body:       `{"title":"Bad Request","status":400,"code":"malformed_request","detail":"the event is no HTTP request"}`,
		}, nil
	}
	w := &answer{header: http.Header{}}
	h.Surface.ServeHTTP(w, r)
	return w.response(), nil
}

var errNoRequest = errors.New("the event lacks the parts of an HTTP request")

// request reads an event.
func request(ctx context.Context, event []byte) (*http.Request, error) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, fmt.Errorf("decode: %w", withoutValues(err))
	}
	if e.RequestContext.HTTP.Method == "" || !strings.HasPrefix(e.RawPath, "/") {
		return nil, errNoRequest
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, errors.New("the body is not base64, as the event says")
		}
	}
	if a := e.RequestContext.Authorizer; a != nil && a.JWT != nil {
		ctx = context.WithValue(ctx, claimsKey{}, a.JWT.Claims)
	}
	r, err := http.NewRequestWithContext(ctx, e.RequestContext.HTTP.Method, "/", bytes.NewReader(body))
	if err != nil {
		return nil, errNoRequest
	}
	r.URL = address(e.RawPath, e.RawQueryString)
	r.RequestURI = r.URL.RequestURI()
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	if r.Host = r.Header.Get("Host"); r.Host == "" {
		r.Host = e.RequestContext.DomainName
	}
	r.Header.Del("Host")                                                 // as net/http has it
	r.RemoteAddr = net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0") // brackets for IPv6
	return r, nil
}

type claimsKey struct{}

// Claims returns the claims of the token that API Gateway has verified before
// it called; nil when the route asks for none. Nothing that a caller sends can
// bring claims in.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
func Claims(ctx context.Context) map[string]string {
	claims, _ := ctx.Value(claimsKey{}).(map[string]string)
	return claims
}

// address is the path as it came; where API Gateway has decoded it into
// something that is no path on the wire, it is encoded again.
func address(rawPath, rawQuery string) *url.URL {
	u, err := url.ParseRequestURI(rawPath)
	if err != nil || u.Host != "" || u.RawQuery != "" {
		u = &url.URL{Path: rawPath}
	}
	u.RawQuery = rawQuery
	return u
}

// withoutValues keeps of an error of encoding/json where the trouble is: the
// text may quote what was sent.
func withoutValues(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("no JSON from byte %d on", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("%s is not of type %s", kind.Field, kind.Type)
	default:
		return errors.New("no JSON")
	}
}

// answer collects what a handler writes.
type answer struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter. A 1xx is not for API Gateway.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < http.StatusOK {
		return
	}
	a.status, a.sent = status, a.header.Clone()
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.sent.Get("Content-Type") == "" {
		a.sent.Set("Content-Type", http.DetectContentType(b))
	}
	return a.body.Write(b)
}

// response is the answer as API Gateway takes it: one value a header, cookies
// apart, and base64 for what is no text.
func (a *answer) response() events.APIGatewayV2HTTPResponse {
	a.WriteHeader(http.StatusOK)
	out := events.APIGatewayV2HTTPResponse{StatusCode: a.status, Headers: map[string]string{}}
	for name, values := range a.sent {
		if name == "Set-Cookie" {
			out.Cookies = values
			continue
		}
		out.Headers[name] = strings.Join(values, ", ")
	}
	if b := a.body.Bytes(); utf8.Valid(b) {
		out.Body = string(b)
	} else {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(b), true
	}
	return out
}

var _ http.ResponseWriter = (*answer)(nil)
