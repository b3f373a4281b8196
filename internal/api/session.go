package api

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

func (s *server) registerSession() {
	handle(s, "open-session", s.openSession)
	handle(s, "get-session", s.getSession)
	handle(s, "end-session", s.endSession)
}

// sessionView is who calls and what they may do: what a page has to know to
// offer nothing that would be refused.
type sessionView struct {
	Workspace crm.WorkspaceID `json:"workspace"`
	Name      string          `json:"name" doc:"Of the key"`
	Role      access.Role     `json:"role" enum:"admin,member,viewer"`
	Operator  bool            `json:"operator" doc:"Whether workspaces may be made"`
	Masked    bool            `json:"masked" doc:"Whether field values are masked"`
	Email     string          `json:"email,omitempty" doc:"Of the key's user"`
	Until     time.Time       `json:"until,omitzero" doc:"When the session ends by itself; only in the answer that opens it"`
}

type sessionOutput struct {
	Cookie string `header:"Set-Cookie"`
	Body   sessionView
}

type sessionEnded struct {
	Cookie string `header:"Set-Cookie"`
}

func viewOf(p access.Principal) sessionView {
	return sessionView{
		Workspace: p.Workspace, Name: p.Name, Role: p.Role, Operator: p.Operator, Masked: p.Masked(),
		Email: p.User.Email,
	}
}

// openSession trades an API key for a cookie, so that a page need not keep the
// key. A session opens no other one: it would never end.
func (s *server) openSession(ctx context.Context, _ *empty) (*sessionOutput, error) {
	if sessionToken(ctx) != "" {
		return nil, problem(http.StatusUnauthorized, access.CodeUnauthorized,
			"a session is opened with an API key: send Authorization: Bearer")
	}
	who := access.From(ctx)
	token, until, err := s.keys.Open(ctx, who)
	if err != nil {
		return nil, err
	}
	out := &sessionOutput{
		Cookie: s.sessionCookie(ctx, token.Reveal(), int(access.SessionFor.Seconds())), Body: viewOf(who),
	}
	out.Body.Until = until
	return out, nil
}

func (s *server) getSession(ctx context.Context, _ *empty) (*sessionOutput, error) {
	return &sessionOutput{Body: viewOf(access.From(ctx))}, nil
}

// endSession ends the session whose cookie the request carries, if it does.
func (s *server) endSession(ctx context.Context, _ *empty) (*sessionEnded, error) {
	if err := s.keys.End(ctx, sessionToken(ctx)); err != nil {
		return nil, err
	}
	return &sessionEnded{Cookie: s.sessionCookie(ctx, "", -1)}, nil
}

func (f *front) sessionCookie(ctx context.Context, value string, maxAge int) string {
	host, _ := ctx.Value(hostKey{}).(string)
	secure, _ := ctx.Value(secureKey{}).(bool)
	c := http.Cookie{ //nolint:gosec // not Secure only over plain HTTP: this machine, or behind a proxy
		Name: sessionCookieName(host, secure), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	}
	return c.String()
}

// sessionCookieName carries the port: browsers tell hosts apart, not ports, and
// two programs on one machine must not sign each other out.
func sessionCookieName(host string, secure bool) string {
	name := "lockstep_session"
	if _, port, err := net.SplitHostPort(host); err == nil {
		name += "_" + port
	}
	if secure {
		return "__Host-" + name
	}
	return name
}

type (
	secureKey  struct{} // whether the browser reaches us over TLS
	sessionKey struct{} // the token of the session that a request came with
)

func sessionToken(ctx context.Context) string {
	token, _ := ctx.Value(sessionKey{}).(string)
	return token
}

// overTLS tells whether a request reached us, or what stands before us, over TLS.
func (f *front) overTLS(r *http.Request) bool {
	return r.TLS != nil || f.public != nil && f.public.Scheme == "https"
}

// sessionOf is the token of the session in a request's cookie; "" when there is
// none, or when a page of somebody else sent it. Strict cookies do not come with
// such requests; this holds in browsers that know less, and for pages of another
// port of this machine, which are the same site.
func (f *front) sessionOf(r *http.Request) string {
	c, err := r.Cookie(sessionCookieName(r.Host, f.overTLS(r)))
	if err != nil || r.Header.Get("Authorization") != "" || !ownPage(r) {
		return ""
	}
	if !access.IsSession(c.Value) {
		return ""
	}
	return c.Value
}

// ownPage tells whether a request is one that our own page makes. A browser says
// where each request comes from; one that does not say, says so about changes
// in Origin. Nothing else sends the cookie.
func ownPage(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	return new(http.CrossOriginProtection).Check(r) == nil
}
