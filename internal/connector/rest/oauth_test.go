package rest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

func TestOAuthOfAnAppThatNamesItsClientInAHeader(t *testing.T) {
	t.Parallel()
	o := &rest.OAuth{
		ID: "acme", Errors: acme().Errors, LoginHost: "https://login.acme.example", AuthorizePath: "/authorize",
		TokenHost: "https://token.acme.example", TokenPath: "/token", Style: oauth2.AuthStyleInHeader,
		Words: map[string]rest.Meaning{"closed": rest.GrantGone},
		Says: func(t *oauth2.Token, g *connector.Grant) bool {
			g.ExternalID, _ = t.Extra("account").(string)
			return g.ExternalID != ""
		},
	}
	client := connector.Client{ID: "i", Secret: secret.NewText("canary"), RedirectURI: "https://lockstep.example/back"}
	for base, host := range map[string]string{"": "login.acme.example", "https://own.acme.example/": "own.acme.example"} {
		u, err := url.Parse(o.AuthorizeURL(base, client, "s", ""))
		if q := u.Query(); err != nil || u.Host != host || u.Path != "/authorize" || q.Has("code_challenge") ||
			q.Get("state") != "s" || q.Has("scope") {
			t.Errorf("base %q: %s", base, u)
		}
	}
	if q := (&url.URL{
		RawQuery: strings.SplitN(o.AuthorizeURL("", client, "s", "c"), "?", 2)[1],
	}).Query(); q.Get("code_challenge") != "c" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("with a challenge: %v", q)
	}
	exchange := &answering{status: 200, body: strings.NewReader(`{"access_token":"a","account":"31"}`)}
	if _, err := o.Exchange(t.Context(), &http.Client{Transport: exchange}, "", client, "the code", "v"); err != nil ||
		!strings.Contains(exchange.sent, "code=the+code") || !strings.Contains(exchange.sent, "code_verifier=v") {
		t.Errorf("exchanged %s, %v", exchange.sent, err)
	}
	refresh := func(rt *answering) (connector.Grant, error) {
		return o.Refresh(t.Context(), &http.Client{Transport: rt}, "", client, secret.NewText("old"))
	}
	rt := &answering{
		status: 200, header: http.Header{"Content-Type": {"text/plain"}},
		body: strings.NewReader(`{"access_token":"a","refresh_token":"old","expires_in":3599,"scope":"one two","account":"31"}`),
	}
	g, err := refresh(rt)
	if err != nil || g.AccessToken.Reveal() != "a" || !g.RefreshToken.Empty() || g.ExpiresIn != 3599*time.Second ||
		len(g.Scopes) != 2 || g.ExternalID != "31" {
		t.Errorf("%+v, %v", g, err)
	}
	for life, want := range map[string]time.Duration{"-1": 0, "2592000": 30 * 24 * time.Hour, "2592001": 0} {
		g, err := refresh(&answering{
			status: 200, body: strings.NewReader(`{"access_token":"a","account":"31","expires_in":` + life + `}`),
		})
		if err != nil || g.ExpiresIn != want {
			t.Errorf("expires_in %s: %s, %v, want %s", life, g.ExpiresIn, err, want)
		}
	}
	if u, p, ok := rt.last.BasicAuth(); !ok || u != "i" || p != "canary" ||
		rt.last.URL.String() != "https://token.acme.example/token" || strings.Contains(rt.sent, "canary") {
		t.Errorf("asked %s as %s with %s", rt.last.URL, u, rt.sent)
	}
	for name, c := range map[string]struct {
		rt   *answering
		kind fault.Kind
		code string
	}{
		"lacks a part": {
			&answering{status: 200, body: strings.NewReader(`{"access_token":"a"}`)}, fault.Unavailable,
			connector.CodeMalformed,
		},
		"word of the app": {
			&answering{status: 400, body: strings.NewReader(`{"error":"closed"}`)}, fault.Denied, connector.CodeReauthorize,
		},
		"unknown word": {
			&answering{status: 400, body: strings.NewReader(`{"error":"canary"}`)}, fault.Invalid,
			connector.CodeClient,
		},
		"no word": {&answering{status: 401}, fault.Invalid, connector.CodeClient},
		"limit": {
			&answering{status: 429, header: http.Header{"Retry-After": {"9"}}}, fault.Throttled, connector.CodeRate,
		},
		"redirected": {
			&answering{status: 307, header: http.Header{"Location": {"https://elsewhere.example"}}},
			fault.Unavailable, connector.CodeMalformed,
		},
		"cut": {&answering{err: http.ErrHandlerTimeout}, fault.Unavailable, "unavailable"},
		"error in a success": {
			&answering{status: 200, body: strings.NewReader(`{"error":"invalid_grant"}`)}, fault.Denied,
			connector.CodeReauthorize,
		},
	} {
		_, err := refresh(c.rt)
		if !fault.Is(err, c.kind) || fault.CodeOf(err) != c.code || c.rt.calls != 1 ||
			strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v after %d calls, want %s, %s", name, err, c.rt.calls, c.kind, c.code)
		}
		if want := map[string]time.Duration{"limit": 9 * time.Second}[name]; fault.RetryAfter(err) != want {
			t.Errorf("%s: wait %s, want %s", name, fault.RetryAfter(err), want)
		}
	}
	if _, err := o.Refresh(t.Context(), http.DefaultClient, "", client, secret.Text{}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("without a refresh token: %v", err)
	}
}
