package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// front is what every request meets first, whichever surface it is for. It
// knows no route, so that a program with few of them links few.
type front struct {
	now    func() time.Time
	newID  func(prefix string) string
	log    *slog.Logger
	public *url.URL // nil without an address of our own
	allow  []string
	// proxies are the sources whose word about who calls is taken.
	proxies []netip.Prefix
}

// address reads PublicURL; "" when it is fine.
func (f *front) address(text string) (wrong string) {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" {
		return "PublicURL is not scheme://host[:port]"
	}
	f.public = u
	return ""
}

// meet names the request, and logs it under the pattern of its route, never
// under its path. What serve returns is answered as a problem.
func (f *front) meet(
	w http.ResponseWriter, r *http.Request, serve func(w http.ResponseWriter, r *http.Request, pattern *string) *Problem,
) {
	started := f.now()
	id := f.newID("req")
	who := &requester{source: f.source(r), key: "-", code: "-"}
	ctx := context.WithValue(withRequestID(r.Context(), id), hostKey{}, r.Host)
	ctx = context.WithValue(context.WithValue(ctx, requesterKey{}, who), secureKey{}, f.overTLS(r))
	wire := http.NewResponseController(w) // not every host has deadlines; then its own limits hold
	_ = wire.SetWriteDeadline(time.Now().Add(2 * requestTime))
	if r.ContentLength != 0 {
		_ = wire.SetReadDeadline(time.Now().Add(requestTime))
	}
	rec := &recorder{ResponseWriter: w}
	f.setHeaders(rec.Header(), id)
	pattern := "-"
	defer func() {
		if v := recover(); v != nil {
			f.log.ErrorContext(ctx, "handler panicked", "request_id", id, "route", pattern, "panic", fmt.Sprintf("%T", v),
				"stack", string(debug.Stack()))
			if rec.status == 0 {
				f.write(ctx, rec, problem(http.StatusInternalServerError, CodeInternal, ""))
			}
		}
		f.log.InfoContext(ctx, "request", "request_id", id, "method", r.Method, "route", cmp.Or(pattern, "-"), "status",
			rec.status, "code", who.code,
			"duration_ms", f.now().Sub(started).Milliseconds(), "source", who.source, "caller", who.key)
	}()
	body := &watched{ReadCloser: r.Body}
	if r.ContentLength != 0 {
		r.Body = body
		defer cutOff(wire, body)
	}
	if !f.knownHost(r.Host) {
		f.write(ctx, rec, problem(http.StatusMisdirectedRequest, CodeHostNotAllowed, ""))
		return
	}
	if p := serve(rec, r.WithContext(ctx), &pattern); p != nil {
		f.write(ctx, rec, p)
	}
}

// unreadFor is how long the rest of a body that nobody wants may take to come:
// a client that gets its answer only after it has sent everything may be waited
// for, one that sends a byte now and then may not.
const unreadFor = time.Second

// cutOff ends the reading of a body that was answered before its end.
func cutOff(wire *http.ResponseController, body *watched) {
	if !body.ended {
		_ = wire.SetReadDeadline(time.Now().Add(unreadFor)) // no deadlines: the host's own limits hold
	}
}

// watched is a body of which is known whether it was read to its end.
type watched struct {
	io.ReadCloser
	ended bool
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.ended = w.ended || errors.Is(err, io.EOF)
	return n, err
}

// requester is who sent a request, for the log: where from, and the ID of the key
// once it is known, "-" before; never the key. code is why it was refused, "-"
// when it was not.
type requester struct{ source, key, code string }

type requesterKey struct{}

// calledBy notes whose request it is.
func calledBy(ctx context.Context, key string) {
	if who, ok := ctx.Value(requesterKey{}).(*requester); ok {
		who.key = key
	}
}

// refusedWith notes why a request was refused.
func refusedWith(ctx context.Context, code string) {
	if who, ok := ctx.Value(requesterKey{}).(*requester); ok {
		who.code = code
	}
}

// sourceOf is where a request comes from; "-" when that is not known.
func sourceOf(ctx context.Context) string {
	if who, ok := ctx.Value(requesterKey{}).(*requester); ok {
		return who.source
	}
	return "-"
}

// source is the address that a request comes from: the last one in
// X-Forwarded-For that is no proxy of ours, if a proxy of ours sent it.
func (f *front) source(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "-"
	}
	addr := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && slices.ContainsFunc(f.proxies, func(p netip.Prefix) bool {
		return p.Contains(addr)
	}); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr.String()
}

// setHeaders tells browsers to keep nothing and to run nothing.
func (f *front) setHeaders(h http.Header, id string) {
	h.Set("X-Request-Id", id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if f.public != nil && f.public.Scheme == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// checkAddress refuses addresses that different readers would read differently.
func checkAddress(r *http.Request) *Problem {
	if len(r.URL.Path) > maxURL || len(r.URL.RawQuery) > maxURL {
		return problem(http.StatusBadRequest, CodeBadAddress, "path or query are longer than 8 KiB")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !utf8.ValidString(r.URL.Path) || strings.ContainsRune(r.URL.Path, 0) {
		return problem(http.StatusBadRequest, CodeBadAddress, "")
	}
	for name, values := range query {
		if !utf8.ValidString(name) || len(values) != 1 || !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0) {
			return problem(http.StatusBadRequest, CodeBadAddress, "every query parameter is given once, as UTF-8 text")
		}
	}
	return nil
}

// knownHost tells whether a request was sent to us. A foreign page could reach
// a server on one's own machine through a name of its own (DNS rebinding).
func (f *front) knownHost(hostPort string) bool {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "" {
		return false
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return true
	}
	if f.public != nil && strings.EqualFold(host, f.public.Hostname()) {
		return true
	}
	return slices.ContainsFunc(f.allow, func(a string) bool { return a == "*" || strings.EqualFold(a, host) })
}

// noRoute tells a wrong method from a wrong path. Hidden are the patterns that
// match a path only by mistake. Of patterns that match, those with the fewest names
// to fill in are the path's own: mappings/preview is none of mappings/{mapping}.
func noRoute(mux *listedMux, r *http.Request, hidden func(pattern string) bool) *Problem {
	var allow []string
	fewest := 0
	for _, m := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete,
	} {
		other := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		_, pattern := mux.Handler(other)
		if pattern == "" || hidden(pattern) {
			continue
		}
		if names := strings.Count(pattern, "{"); allow == nil || names < fewest {
			allow, fewest = []string{m}, names
		} else if names == fewest {
			allow = append(allow, m)
		}
	}
	if allow == nil {
		return problem(http.StatusNotFound, CodeNotFound, "there is no such path")
	}
	return problem(http.StatusMethodNotAllowed, CodeMethodNotAllowed, "").withHeader("Allow", strings.Join(allow, ", "))
}

// listedMux is a mux that knows what was registered: http.ServeMux tells nobody.
// The access matrix is held against the list, so that nothing is served that
// stands nowhere.
type listedMux struct {
	*http.ServeMux
	patterns []string
}

func newListedMux() *listedMux { return &listedMux{ServeMux: http.NewServeMux()} }

// Handle registers a handler, as http.ServeMux does.
func (m *listedMux) Handle(pattern string, h http.Handler) {
	m.patterns = append(m.patterns, pattern)
	m.ServeMux.Handle(pattern, h)
}

// HandleFunc registers a function, as http.ServeMux does.
func (m *listedMux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	m.Handle(pattern, http.HandlerFunc(h))
}

// refusal makes the problem that a client sees, and logs what it does not.
func (f *front) refusal(ctx context.Context, err error) *Problem {
	p := *problemOf(err)
	p.RequestID = requestID(ctx)
	refusedWith(ctx, p.Code)
	switch {
	case p.Status == http.StatusServiceUnavailable: // an app's limit or absence: nobody has to act
		f.log.WarnContext(ctx, "request not served now", "request_id", p.RequestID, "code", p.Code, "error", causeOf(&p))
	case p.Status >= http.StatusInternalServerError:
		f.log.ErrorContext(ctx, "request failed", "request_id", p.RequestID, "status", p.Status, "code", p.Code, "error",
			causeOf(&p))
	}
	return &p
}

func causeOf(p *Problem) string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.Detail
}

// write sends a problem.
func (f *front) write(ctx context.Context, w http.ResponseWriter, p *Problem) {
	p = f.refusal(ctx, p)
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone: nobody to tell
}

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

var _ http.ResponseWriter = (*recorder)(nil)
