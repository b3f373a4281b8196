package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/api/idempotency"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	// requestTime bounds one request. Platforms cut off API functions at 25 s
	// or more, and a change must not be cut off in the middle.
	requestTime = 24 * time.Second
	maxURL      = 8 << 10
)

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.meet(w, r, func(w http.ResponseWriter, r *http.Request, pattern *string) *Problem {
		_, *pattern = s.mux.Handler(r)
		return s.serve(w, r, *pattern)
	})
}

// serve carries out a request; it returns the refusal when nothing was answered yet.
func (s *server) serve(w http.ResponseWriter, r *http.Request, pattern string) *Problem {
	if path.Clean(r.URL.Path) != r.URL.Path {
		return problem(http.StatusNotFound, CodeNotFound, "there is no such path")
	}
	sv, isRoute := s.routes[pattern]
	if pattern == "" || isRoute && sv.path != r.URL.Path && s.literal[r.URL.Path] {
		return s.insteadOfMerging(r, noRoute(s.mux, r, func(pattern string) bool {
			sv, isRoute := s.routes[pattern]
			return isRoute && sv.path != r.URL.Path && s.literal[r.URL.Path] // /v1/connections/import is no connection
		}))
	}
	if p := checkAddress(r); p != nil {
		return p
	}
	if isRoute && r.Method == http.MethodHead && sv.acts {
		return problem(http.StatusMethodNotAllowed, CodeMethodNotAllowed, "").withHeader("Allow", http.MethodGet)
	}
	if !isRoute {
		s.mux.ServeHTTP(w, r)
		return nil
	}
	if p := checkQuery(r, sv); p != nil {
		return p
	}
	ctx := r.Context()
	token := ""
	if sv.level != public {
		var p *Problem
		if ctx, token, p = s.authenticate(ctx, r); p != nil {
			return p
		}
		who := access.From(ctx)
		if p := s.spend(who, Requests); p != nil {
			return p
		}
		if !sv.level.allows(who) {
			return problem(http.StatusForbidden, CodeRoleTooLow, "this call needs the role "+sv.level.String())
		}
		ctx = s.spending(ctx, who)
		release, p := s.share(who, sv)
		if p != nil {
			return p
		}
		defer release()
	}
	if sv.id == "run-events" { // streams until its client leaves, or its key ends
		ctx = context.WithValue(ctx, recheckKey{}, func() bool {
			_, _, p := s.authenticate(ctx, r)
			return p == nil || p.Status >= http.StatusInternalServerError // what cannot be told now is told with the next event
		})
		s.mux.ServeHTTP(w, r.WithContext(ctx))
		return nil
	}
	var body []byte
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		ctx = context.WithoutCancel(ctx) // a change is not left half done when its client hangs up
		var p *Problem
		if body, ctx, p = s.readBody(ctx, w, r, sv); p != nil {
			return p
		}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	r = r.WithContext(ctx)
	if key := r.Header.Get("Idempotency-Key"); key != "" && r.Method == http.MethodPost {
		return s.once(w, r, key, token, body)
	}
	s.mux.ServeHTTP(w, r)
	return nil
}

// checkQuery refuses parameters that are there and empty where nothing is no
// value: a filter that is ignored in silence would let everything through, and an
// action that it bounds would be done to all.
func checkQuery(r *http.Request, sv *served) *Problem {
	if sv.op.SkipValidateParams {
		return nil
	}
	query := r.URL.Query()
	for _, p := range sv.op.Parameters {
		values, sent := query[p.Name]
		if p.In != "query" || !sent || values[0] != "" {
			continue
		}
		if x := p.Schema; x.Type != huma.TypeString || len(x.Enum) > 0 || x.Format != "" || x.MinLength != nil {
			return parameter("query."+p.Name, "the parameter "+p.Name+" is empty: leave it out")
		}
	}
	return nil
}

// authenticate finds out who calls.
func (s *server) authenticate(ctx context.Context, r *http.Request) (context.Context, string, *Problem) {
	const op = "api: authenticate"
	source := sourceOf(ctx)
	token, ok := bearerToken(r)
	if session := s.sessionOf(r); session != "" {
		token, ok = session, true
		ctx = context.WithValue(ctx, sessionKey{}, session)
	}
	if !ok {
		return ctx, "", s.refuseLogin(ctx, fault.New(op, fault.Denied, access.CodeUnauthorized,
			"send Authorization: Bearer with an API key"))
	}
	if s.logins.known(token) {
		return ctx, "", s.refuseLogin(ctx, fault.New(op, fault.Denied, access.CodeUnauthorized, "the token is not known"))
	}
	if wait := s.logins.wait(source, token); wait > 0 {
		refused := problem(http.StatusTooManyRequests, CodeLoginsSpent, "")
		refused.retryAfter(wait)
		return ctx, "", refused
	}
	let := s.keys.Authenticate
	if sessionToken(ctx) != "" {
		let = s.keys.Resume
	}
	p, err := let(ctx, token)
	if s.Auth != nil && sessionToken(ctx) == "" && fault.Is(err, fault.Denied) &&
		fault.CodeOf(err) == access.CodeUnauthorized {
		p, err = s.Auth.Authenticate(ctx, token)
	}
	if err == nil {
		calledBy(ctx, p.Key)
		s.logins.was(true, source, token)
		return access.With(ctx, p), token, nil
	}
	if fault.Is(err, fault.Denied) && fault.CodeOf(err) != access.CodeNoAccess { // else another token would not help
		s.logins.was(false, source, token)
		return ctx, "", s.refuseLogin(ctx, err)
	}
	return ctx, "", problemOf(err)
}

// refuseLogin is the answer to a request without a token that is good, and its
// line in the log.
func (s *server) refuseLogin(ctx context.Context, err error) *Problem {
	refused := problemOf(err)
	refused.Status, refused.Title = http.StatusUnauthorized, http.StatusText(http.StatusUnauthorized)
	refused.setHeader("WWW-Authenticate", `Bearer realm="lockstep"`)
	s.Logger.WarnContext(ctx, "login refused", "request_id", requestID(ctx), "source", sourceOf(ctx), "code", refused.Code)
	return refused
}

func bearerToken(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, ok && token != "" && strings.EqualFold(scheme, "Bearer")
}

// once carries out a request that has an Idempotency-Key.
func (s *server) once(w http.ResponseWriter, r *http.Request, key, token string, body []byte) *Problem {
	ctx := r.Context()
	if len(key) > idempotency.MaxKey || strings.ContainsFunc(key, func(c rune) bool { return c < 0x20 || c > 0x7e }) {
		return parameter("header.Idempotency-Key", "an Idempotency-Key is 1 to 255 printable ASCII characters")
	}
	who := access.From(ctx)
	sum := sha256.New()
	for _, part := range []string{r.Method, r.URL.RequestURI(), string(body)} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	claim, answer, err := s.answers.Begin(ctx, idempotency.Request{
		Workspace: who.Workspace, Caller: who.Key, Token: token, Key: key, Fingerprint: sum.Sum(nil),
	})
	if err != nil {
		p := problemOf(err)
		if p.Code == idempotency.CodeMismatch {
			p.Status, p.Title = http.StatusUnprocessableEntity, http.StatusText(http.StatusUnprocessableEntity)
		}
		return p
	}
	if answer != nil {
		replay(w, answer)
		return nil
	}
	buffered := &buffer{header: http.Header{}, status: http.StatusOK}
	finished := false
	defer func() {
		if !finished { // a panic: leave the request free to be repeated
			_ = claim.Abandon(context.WithoutCancel(ctx))
		}
	}()
	s.mux.ServeHTTP(buffered, r)
	finished = true
	got := idempotency.Answer{Status: buffered.status, Header: buffered.header, Body: buffered.body.Bytes()}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if got.Status >= http.StatusInternalServerError || got.Status == http.StatusTooManyRequests {
		err = claim.Abandon(after)
	} else {
		err = claim.Finish(after, got)
	}
	if err != nil { // the answer stands; only its repetition is lost
		s.Logger.ErrorContext(ctx, "idempotency answer not kept", "request_id", requestID(ctx), "error", err.Error())
	}
	copyTo(w, &got)
	return nil
}

func replay(w http.ResponseWriter, a *idempotency.Answer) {
	w.Header().Set("Idempotent-Replayed", "true")
	copyTo(w, a)
}

func copyTo(w http.ResponseWriter, a *idempotency.Answer) {
	for name, values := range a.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client is gone: nobody to tell
}

// buffer holds an answer back until it is remembered.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (b *buffer) Header() http.Header { return b.header }

// WriteHeader implements http.ResponseWriter.
func (b *buffer) WriteHeader(status int) { b.status = status }

// Write implements http.ResponseWriter.
func (b *buffer) Write(p []byte) (int, error) { return b.body.Write(p) }

var _ http.ResponseWriter = (*buffer)(nil)
