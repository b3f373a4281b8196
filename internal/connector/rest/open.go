package rest

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// App is what calls of one app have in common, whatever the account.
type App struct {
	Describe  func() crm.App
	Base      string // where the API lives; "" = every account has an address of its own
	Example   string // of such an address
	Auth      map[crm.AuthKind]Auth
	Logins    map[crm.AuthKind]*Login // kinds whose fields are exchanged for a token, which Auth then sends
	Errors    Errors
	RequestID string // the header with the app's name of a request
	Reset     string // the header with the seconds until a limit ends, where that is not Retry-After
	ResetAt   string // or the one with the Unix time at which it does
	// Renewable says of a 401's body whether a new token may help; nil = always.
	Renewable func(body []byte) bool
	// Prepare adds headers to a call.
	Prepare func(r Request, h http.Header)
	// Usage reads how many of a day's calls are used from an answer's header.
	Usage func(h http.Header) (used, limit int, ok bool)
}

// Auth puts an account's credentials on a call: the token, or the values of the
// kind's fields in their order.
type Auth func(req *http.Request, values []string)

// Bearer sends a token in Authorization.
func Bearer(req *http.Request, values []string) { req.Header.Set("Authorization", "Bearer "+values[0]) }

// Header sends a key in a header, behind prefix.
func Header(name, prefix string) Auth {
	return func(req *http.Request, values []string) { req.Header.Set(name, prefix+values[0]) }
}

// Basic sends a user and a password.
func Basic(req *http.Request, values []string) { req.SetBasicAuth(values[0], values[1]) }

// Query sends a key in the address. It is no part of what is kept for the log.
func Query(name string) Auth {
	return func(req *http.Request, values []string) {
		q := req.URL.Query()
		q.Set(name, values[0])
		req.URL.RawQuery = q.Encode()
	}
}

// credentials are those of one account: fixed values, or tokens that are renewed.
type credentials struct {
	put    Auth
	values []string
	tokens connector.Tokens
}

func (c credentials) token(ctx context.Context) ([]string, error) {
	if c.tokens == nil {
		return c.values, nil
	}
	t, err := c.tokens.Token(ctx)
	return []string{t.Reveal()}, err
}

func (c credentials) renew(ctx context.Context, stale []string) ([]string, error) {
	t, err := c.tokens.Renew(ctx, secret.NewText(stale[0]))
	return []string{t.Reveal()}, err
}

// Connect opens an account and makes its connector of the client. Errors as Open.
func (a *App) Connect(
	cfg connector.Config, of func(*Client) connector.Connector,
) (connector.Connector, error) {
	c, err := a.Open(cfg)
	if err != nil {
		return nil, err
	}
	return of(c), nil
}

// ReadOrAll makes Driver.Needs of an app that grants each of its parts to be read, or
// all: parts are those of the objects, and how the two names of a part end.
func ReadOrAll(read, all string, parts map[string]string) func(object string, write bool) [][]string {
	return func(object string, write bool) [][]string {
		part, known := parts[object]
		switch {
		case !known:
			return nil
		case write:
			return [][]string{{part + all}}
		}
		return [][]string{{part + read, part + all}}
	}
}

// Open returns a client of one account. Kind oauth2 asks cfg.Tokens, the others use
// the credentials as they are.
//
// Errors: Invalid, naming every problem.
func (a *App) Open(cfg connector.Config) (*Client, error) {
	var problems []string
	app := a.Describe()
	base, example := strings.TrimRight(cfg.BaseURL, "/"), a.Example
	if a.Base != "" {
		example = a.Base
		if base == "" {
			base = a.Base
		}
	}
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		problems = append(problems, "the base URL must be a host such as "+example)
	}
	if cfg.HTTP == nil {
		problems = append(problems, "an HTTP client is required")
	}
	if cfg.Now == nil {
		problems = append(problems, "a clock is required")
	}
	auth, wrong := a.credentials(app, cfg)
	if problems = append(problems, wrong...); len(problems) > 0 {
		return nil, fault.New(string(app.ID)+": open", fault.Invalid, connector.CodeConfig, strings.Join(problems, "; "))
	}
	c := &Client{app: a, base: base, auth: auth, http: NoRedirects(cfg.HTTP), now: cfg.Now}
	if l := a.Logins[cfg.Kind]; l != nil {
		c.auth.tokens = &session{client: c, login: l, values: auth.values}
	}
	return c, nil
}

func (a *App) credentials(app crm.App, cfg connector.Config) (c credentials, problems []string) {
	var kinds []string
	for _, m := range app.Auth {
		kinds = append(kinds, string(m.Kind))
		if m.Kind != cfg.Kind {
			continue
		}
		c.put, c.values = a.Auth[m.Kind], []string{}
		if m.Kind == crm.AuthOAuth2 {
			c.tokens = cfg.Tokens
			continue
		}
		for _, f := range m.Fields {
			v := cfg.Credentials[f.Name].Reveal()
			if f.Required && strings.TrimSpace(v) == "" {
				problems = append(problems, "the "+strings.ToLower(f.Label[:1])+f.Label[1:]+" is required")
			}
			c.values = append(c.values, v)
		}
	}
	if c.put == nil {
		verb := " are supported"
		if len(kinds) == 1 {
			verb = " is supported"
		}
		problems = append(problems, "only "+strings.Join(kinds, " and ")+verb)
	}
	if wanted := cfg.Kind == crm.AuthOAuth2 || len(kinds) == 1 && kinds[0] == string(crm.AuthOAuth2); wanted &&
		cfg.Tokens == nil {
		problems = append(problems, "tokens are required")
	}
	return c, problems
}

// NoRedirects returns h without following redirects: no API of ours sends any, and
// one would carry the credentials to another host.
func NoRedirects(h *http.Client) *http.Client {
	c := *h
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}
