package lambdarun

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// maxRequest is API Gateway's limit for a body.
const maxRequest = 10 << 20

// Gateway is an HTTP API in front of functions: the longest prefix of the path
// says which one a request goes to. A function that fails or is killed is
// answered 500, as there.
type Gateway struct {
	Routes map[string]Invoker // by prefix, such as "/hooks/"
}

// Invoker is what a Gateway and a Poller hand events to.
type Invoker interface {
	Invoke(ctx context.Context, event []byte) ([]byte, error)
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := g.route(r.URL.Path)
	if f == nil {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil || len(body) > maxRequest {
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	event, err := json.Marshal(HTTPEvent(r, body))
	if err != nil {
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	answer, err := f.Invoke(context.WithoutCancel(r.Context()), event)
	var resp events.APIGatewayV2HTTPResponse
	if err == nil {
		err = json.Unmarshal(answer, &resp)
	}
	text := []byte(resp.Body)
	if err == nil && resp.IsBase64Encoded {
		text, err = base64.StdEncoding.DecodeString(resp.Body)
	}
	if err != nil || resp.StatusCode == 0 {
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	for name, value := range resp.Headers {
		w.Header().Set(name, value)
	}
	for _, c := range resp.Cookies {
		w.Header().Add("Set-Cookie", c)
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(text) // the caller is gone
}

func (g *Gateway) route(path string) Invoker {
	best := ""
	for prefix := range g.Routes {
		if strings.HasPrefix(path, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	return g.Routes[best]
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"message":"`+message+`"}`)
}

// HTTPEvent is the event that API Gateway makes of a request.
func HTTPEvent(r *http.Request, body []byte) events.APIGatewayV2HTTPRequest {
	now := time.Now().UTC()
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "$default", AccountID: "000000000000", Stage: "$default", RequestID: newID(), APIID: "local",
			DomainName: r.Host,
			Time:       now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, UserAgent: r.UserAgent(),
			},
		},
	}
	e.RequestContext.HTTP.SourceIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	for name, values := range r.Header {
		if name == "Cookie" {
			e.Cookies = strings.Split(strings.Join(values, "; "), "; ")
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	e.Headers["host"] = r.Host
	if utf8.Valid(body) {
		e.Body = string(body)
	} else {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

var (
	_ http.Handler = (*Gateway)(nil)
	_ Invoker      = (*Function)(nil)
)
