package salesforce

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// loginHost is where production orgs log in. Sandboxes use test.salesforce.com,
// and every org its own My Domain.
const loginHost = "https://login.salesforce.com"

// oauth implements connector.OAuth: authorization code with PKCE, refresh, and
// client credentials. Source: jsforce src/oauth2.ts; atlas…/intro_understanding_refresh_token_oauth.htm.
type oauth struct{}

func config(base string, c connector.Client) *oauth2.Config {
	if base == "" {
		base = loginHost
	}
	base = strings.TrimRight(base, "/")
	return &oauth2.Config{
		ClientID:     c.ID,
		ClientSecret: c.Secret.Reveal(),
		RedirectURL:  c.RedirectURI,
		// refresh_token is what makes the grant outlive the admin's session.
		Scopes: []string{"api", "refresh_token"},
		Endpoint: oauth2.Endpoint{
			AuthURL:   base + "/services/oauth2/authorize",
			TokenURL:  base + "/services/oauth2/token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// AuthorizeURL implements connector.OAuth.
func (oauth) AuthorizeURL(base string, client connector.Client, state, challenge string) string {
	return config(base, client).AuthCodeURL(state,
		oauth2.SetAuthURLParam("code_challenge", challenge),
		oauth2.SetAuthURLParam("code_challenge_method", "S256"))
}

// Exchange implements connector.OAuth.
func (oauth) Exchange(ctx context.Context, h *http.Client, base string, client connector.Client, code, verifier string) (connector.Grant, error) {
	const op = "salesforce: exchange code"
	t, err := config(base, client).Exchange(with(ctx, h), code, oauth2.VerifierOption(verifier))
	return grant(ctx, op, t, err)
}

// Refresh implements connector.OAuth. Client credentials need the org's My
// Domain as base: the common login hosts do not know which org is meant.
func (oauth) Refresh(ctx context.Context, h *http.Client, base string, client connector.Client, refresh secret.Text) (connector.Grant, error) {
	const op = "salesforce: refresh token"
	conf := config(base, client)
	if !refresh.Empty() {
		t, err := conf.TokenSource(with(ctx, h), &oauth2.Token{RefreshToken: refresh.Reveal()}).Token()
		g, err := grant(ctx, op, t, err)
		if g.RefreshToken == refresh {
			g.RefreshToken = secret.Text{} // the library repeats the old one; empty means keep
		}
		return g, err
	}
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.Host == "login.salesforce.com" || u.Host == "test.salesforce.com" {
		return connector.Grant{}, fault.New(op, fault.Invalid, connector.CodeBaseURL, "client credentials need the org's My Domain address, such as https://example.my.salesforce.com")
	}
	cc := clientcredentials.Config{ClientID: conf.ClientID, ClientSecret: conf.ClientSecret, TokenURL: conf.Endpoint.TokenURL, AuthStyle: conf.Endpoint.AuthStyle}
	t, err := cc.Token(with(ctx, h))
	return grant(ctx, op, t, err)
}

func with(ctx context.Context, h *http.Client) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, noRedirects(h))
}

// grant reads what Salesforce's token endpoint says besides the tokens. There is
// no expires_in: a session lives as long as the org's policy lets it.
func grant(ctx context.Context, op string, t *oauth2.Token, err error) (connector.Grant, error) {
	if err != nil {
		return connector.Grant{}, refused(ctx, op, err)
	}
	instance, _ := t.Extra("instance_url").(string)
	identity, _ := t.Extra("id").(string)
	scope, _ := t.Extra("scope").(string)
	org, ok := orgOf(identity)
	u, errURL := url.Parse(instance)
	if !ok || errURL != nil || u.Host == "" {
		return connector.Grant{}, fault.New(op, fault.Unavailable, connector.CodeMalformed, "the token's answer names no org or instance")
	}
	return connector.Grant{
		AccessToken:  secret.NewText(t.AccessToken),
		RefreshToken: secret.NewText(t.RefreshToken),
		BaseURL:      strings.TrimRight(instance, "/"),
		ExternalID:   org,
		Scopes:       strings.Fields(scope),
	}, nil
}

// orgOf takes the org out of an identity URL, https://host/id/00D…/005….
func orgOf(identity string) (string, bool) {
	u, err := url.Parse(identity)
	if err != nil {
		return "", false
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) != 3 || parts[0] != "id" {
		return "", false
	}
	id, ok := long(parts[1])
	return string(id), ok && strings.HasPrefix(string(id), "00D")
}

// refused classifies an error of the token endpoint, which is an object with
// "error". The library's own text repeats the answer and is not passed on.
func refused(ctx context.Context, op string, err error) error {
	var r *oauth2.RetrieveError
	if !errors.As(err, &r) || r.Response == nil {
		if strings.HasPrefix(err.Error(), "oauth2: ") {
			return fault.New(op, fault.Unavailable, connector.CodeMalformed, "the token endpoint's answer is not a token")
		}
		return unreachable(ctx, request{op: op}, err)
	}
	switch {
	case r.ErrorCode == "invalid_grant":
		return fault.New(op, fault.Denied, connector.CodeReauthorize, "Salesforce has ended the grant; connect the account again")
	case r.ErrorCode == "invalid_client" || r.ErrorCode == "invalid_client_id" || r.ErrorCode == "unauthorized_client" || r.ErrorCode == "redirect_uri_mismatch":
		return fault.New(op, fault.Invalid, connector.CodeClient, "Salesforce does not accept our OAuth client; check key, secret and redirect URI")
	case r.ErrorCode == "inactive_user" || r.ErrorCode == "inactive_org":
		return fault.New(op, fault.Denied, connector.CodeReauthorize, "the user or org behind the grant is not active")
	case r.Response.StatusCode == http.StatusTooManyRequests || r.ErrorCode == "rate_limit_exceeded" || strings.Contains(r.ErrorDescription, "login rate exceeded"):
		e := fault.New(op, fault.Throttled, connector.CodeRate, "Salesforce limits how often tokens are asked for")
		if s, err := strconv.Atoi(r.Response.Header.Get("Retry-After")); err == nil && s > 0 && s <= 86400 {
			e.RetryAfter = time.Duration(s) * time.Second
		}
		return e
	case r.ErrorCode != "" && r.Response.StatusCode < 500:
		return fault.New(op, fault.Invalid, connector.CodeClient, "Salesforce refuses the token request")
	}
	return fromStatus(op, r.Response.StatusCode)
}

var _ connector.OAuth = oauth{}
