package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// OAuth implements connector.OAuth: authorization code with PKCE, refresh and,
// where an app has them, client credentials.
type OAuth struct {
	ID     crm.AppID
	Errors Errors
	// LoginHost is where the browser goes and TokenHost where we ask, when an account
	// has no login address of its own.
	LoginHost, AuthorizePath string
	TokenHost, TokenPath     string
	Scopes                   []string
	Style                    oauth2.AuthStyle // how the client names itself; never leave it to be found out
	// Words is what the token endpoint's words mean besides those of RFC 6749.
	Words map[string]Meaning
	// Word finds the endpoint's word where it is not RFC 6749's "error"; may be nil.
	Word func(e *oauth2.RetrieveError) string
	// Says reads what the app tells besides the tokens; false = the answer makes no sense.
	Says func(t *oauth2.Token, g *connector.Grant) bool
	// Credentials says whether client credentials can be used at base; nil = the app has none.
	Credentials func(base string) error
}

func (o *OAuth) config(base string, c connector.Client) *oauth2.Config {
	login, token := base, base
	if base == "" {
		login, token = o.LoginHost, o.TokenHost
	}
	return &oauth2.Config{
		ClientID: c.ID, ClientSecret: c.Secret.Reveal(), RedirectURL: c.RedirectURI, Scopes: o.Scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL: strings.TrimRight(login, "/") + o.AuthorizePath, TokenURL: strings.TrimRight(token, "/") + o.TokenPath,
			AuthStyle: o.Style,
		},
	}
}

// AuthorizeURL implements connector.OAuth.
func (o *OAuth) AuthorizeURL(base string, client connector.Client, state, challenge string) string {
	var pkce []oauth2.AuthCodeOption
	if challenge != "" {
		pkce = append(pkce, oauth2.SetAuthURLParam("code_challenge", challenge),
			oauth2.SetAuthURLParam("code_challenge_method", "S256"))
	}
	return o.config(base, client).AuthCodeURL(state, pkce...)
}

// Exchange implements connector.OAuth.
func (o *OAuth) Exchange(
	ctx context.Context, h *http.Client, base string, client connector.Client, code, verifier string,
) (connector.Grant, error) {
	var pkce []oauth2.AuthCodeOption
	if verifier != "" {
		pkce = append(pkce, oauth2.VerifierOption(verifier))
	}
	t, err := o.config(base, client).Exchange(through(ctx, h), code, pkce...)
	return o.grant(ctx, "exchange code", t, err)
}

// Refresh implements connector.OAuth.
func (o *OAuth) Refresh(
	ctx context.Context, h *http.Client, base string, client connector.Client, refresh secret.Text,
) (connector.Grant, error) {
	const op = "refresh token"
	conf := o.config(base, client)
	if !refresh.Empty() {
		t, err := conf.TokenSource(through(ctx, h), &oauth2.Token{RefreshToken: refresh.Reveal()}).Token()
		g, err := o.grant(ctx, op, t, err)
		if g.RefreshToken == refresh {
			g.RefreshToken = secret.Text{} // the library repeats the old one; empty means keep
		}
		return g, err
	}
	if o.Credentials == nil {
		return connector.Grant{}, fault.New(o.op(op), fault.Unsupported, connector.CodeUnsupported,
			o.Errors.Name+" needs a refresh token")
	}
	if err := o.Credentials(base); err != nil {
		return connector.Grant{}, err
	}
	cc := clientcredentials.Config{
		ClientID: conf.ClientID, ClientSecret: conf.ClientSecret, TokenURL: conf.Endpoint.TokenURL, AuthStyle: o.Style,
	}
	t, err := cc.Token(through(ctx, h))
	return o.grant(ctx, op, t, err)
}

func (o *OAuth) op(what string) string { return string(o.ID) + ": " + what }

// through has the library call by h.
func through(ctx context.Context, h *http.Client) context.Context {
	c := NoRedirects(h)
	if h.Transport != nil {
		c.Transport = asJSON{h.Transport}
	}
	return context.WithValue(ctx, oauth2.HTTPClient, c)
}

// asJSON calls every answer JSON: of plain text the library reads a form, and
// servers call JSON many things.
type asJSON struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (j asJSON) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := j.next.RoundTrip(req)
	if err == nil {
		resp.Header.Set("Content-Type", "application/json")
	}
	return resp, err
}

// longestToken bounds expires_in.
const longestToken = 30 * 24 * time.Hour

func (o *OAuth) grant(ctx context.Context, what string, t *oauth2.Token, err error) (connector.Grant, error) {
	r := Request{Op: o.op(what)}
	if err != nil {
		return connector.Grant{}, o.refused(ctx, r, err)
	}
	g := connector.Grant{AccessToken: secret.NewText(t.AccessToken), RefreshToken: secret.NewText(t.RefreshToken)}
	life := float64(t.ExpiresIn)
	if said, ok := t.Extra("expires_in").(float64); ok && life == 0 { // the library keeps it so for client credentials
		life = said
	}
	if life > 0 && life <= longestToken.Seconds() {
		g.ExpiresIn = time.Duration(life) * time.Second
	}
	if scope, ok := t.Extra("scope").(string); ok {
		g.Scopes = strings.Fields(scope)
	}
	if o.Says != nil && !o.Says(t, &g) {
		return connector.Grant{}, Malformed(r, "the token's answer lacks what "+o.Errors.Name+" documents")
	}
	return g, nil
}

// What a token endpoint's words may mean.
var (
	GrantGone = Meaning{
		Kind: fault.Denied, Code: connector.CodeReauthorize,
		Text: "the app no longer accepts the authorisation; connect the account again",
	}
	ClientRefused = Meaning{
		Kind: fault.Invalid, Code: connector.CodeClient,
		Text: "the app refuses our OAuth client: check its ID, secret and redirect URL",
	}
)

// endpointWords are those of RFC 6749, section 5.2, and one that many servers share.
var endpointWords = map[string]Meaning{
	"invalid_grant": GrantGone, "invalid_client": ClientRefused, "unauthorized_client": ClientRefused,
	"redirect_uri_mismatch": ClientRefused,
}

// refused tells a grant that is gone from a client that is refused. The library's
// own text repeats the answer and is not passed on.
func (o *OAuth) refused(ctx context.Context, r Request, err error) error {
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) || e.Response == nil {
		if strings.HasPrefix(err.Error(), "oauth2: ") && ctx.Err() == nil {
			return Malformed(r, "the token endpoint's answer is not a token")
		}
		return Unreachable(ctx, r, o.Errors.Name, err)
	}
	word := e.ErrorCode
	if o.Word != nil {
		if w := o.Word(e); w != "" {
			word = w
		}
	}
	status := e.Response.StatusCode
	m, ok := o.Words[word]
	// An endpoint in trouble, or one that is asked too often, refuses nothing, whatever its
	// answer says: a grant that is called gone makes a person authorise the account again.
	if !ok && status < http.StatusInternalServerError && status != http.StatusTooManyRequests {
		m, ok = endpointWords[word]
	}
	if !ok {
		m = usual(status)
		if m.Kind == fault.Denied || m.Kind == fault.Invalid && word != "" {
			m = Meaning{Kind: fault.Invalid, Code: connector.CodeClient, Text: o.Errors.Name + " refuses the token request"}
		}
	}
	out := fault.New(r.Op, m.Kind, m.Code, m.Text)
	if out.Message == "" {
		out.Message = o.Errors.Name + " refuses the token request"
	}
	if out.Kind == fault.Throttled || out.Kind == fault.Unavailable {
		out.RetryAfter = wait(e.Response.Header, "")
	}
	return out
}

var _ connector.OAuth = (*OAuth)(nil)
