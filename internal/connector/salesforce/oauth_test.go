package salesforce_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

var ours = connector.Client{
	ID: salesforcefake.ClientID, Secret: secret.NewText(salesforcefake.ClientSecret),
	RedirectURI: "https://lockstep.example/v1/oauth/callback",
}

// login goes through the browser's part and returns the code.
func login(t *testing.T, h *http.Client, state, challenge string) string {
	t.Helper()
	resp, err := h.Get(salesforce.Driver().OAuth.AuthorizeURL(instance, ours, state, challenge))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	back, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(back.String(), ours.RedirectURI+"?") || back.Query().Get("state") != state {
		t.Fatalf("the browser was sent to %s", back)
	}
	return back.Query().Get("code")
}

func TestX6_OAuth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := fakekit.Client(w.org)
	auth := salesforce.Driver().OAuth
	verifier := oauth2.GenerateVerifier()
	challenge := oauth2.S256ChallengeFromVerifier(verifier)

	grant, err := auth.Exchange(t.Context(), h, instance, ours, login(t, h, "st&te=1", challenge), verifier)
	if err != nil {
		t.Fatal(err)
	}
	if grant.BaseURL != instance || grant.ExternalID != w.ExternalID || grant.ExpiresIn != 0 ||
		grant.RefreshToken.Empty() || len(grant.Scopes) != 2 {
		t.Errorf("grant = %+v", grant)
	}
	if _, err := auth.Exchange(t.Context(), h, instance, ours, login(t, h, "s", challenge),
		"another verifier"); fault.CodeOf(err) != "reauthorization_required" {
		t.Errorf("a wrong verifier: %v, want reauthorization_required", err)
	}

	again, err := auth.Refresh(t.Context(), h, instance, ours, grant.RefreshToken)
	if err != nil || again.AccessToken.Reveal() == grant.AccessToken.Reveal() || !again.RefreshToken.Empty() {
		t.Errorf("refresh: new token %v, rotated %v, %v", again.AccessToken.Reveal() != grant.AccessToken.Reveal(),
			!again.RefreshToken.Empty(), err)
	}
	w.org.Core().RotateRefresh(true)
	rotated, err := auth.Refresh(t.Context(), h, instance, ours, grant.RefreshToken)
	if err != nil || rotated.RefreshToken.Empty() {
		t.Fatalf("with rotation: %v, a new refresh token %v", err, !rotated.RefreshToken.Empty())
	}
	_, err = auth.Refresh(t.Context(), h, instance, ours, grant.RefreshToken)
	if !fault.Is(err, fault.Denied) || fault.CodeOf(err) != "reauthorization_required" {
		t.Errorf("the old refresh token: %v, want denied, reauthorization_required", err)
	}
	if strings.Contains(err.Error(), grant.RefreshToken.Reveal()) {
		t.Error("the error holds the refresh token")
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := fakekit.Client(w.org)
	auth := salesforce.Driver().OAuth
	grant, err := auth.Refresh(t.Context(), h, instance, ours, secret.Text{})
	if err != nil || grant.AccessToken.Empty() || grant.BaseURL != instance || !grant.RefreshToken.Empty() {
		t.Fatalf("grant %+v, %v", grant, err)
	}
	for _, base := range []string{"", "https://login.salesforce.com", "https://test.salesforce.com"} {
		if _, err := auth.Refresh(t.Context(), h, base, ours, secret.Text{}); !fault.Is(err, fault.Invalid) ||
			fault.CodeOf(err) != "base_url_required" {
			t.Errorf("base %q: %v, want invalid, base_url_required", base, err)
		}
	}
	for name, c := range map[string]connector.Client{
		"unknown client": {ID: "x", Secret: ours.Secret},
		"wrong secret":   {ID: ours.ID, Secret: secret.NewText("x")},
	} {
		if _, err := auth.Refresh(t.Context(), h, instance, c, secret.Text{}); !fault.Is(err, fault.Invalid) ||
			fault.CodeOf(err) != "invalid_client" {
			t.Errorf("%s: %v, want invalid, invalid_client", name, err)
		}
	}
}

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	for base, host := range map[string]string{
		"": "login.salesforce.com", "https://acme.my.salesforce.com/": "acme.my.salesforce.com",
	} {
		u, err := url.Parse(salesforce.Driver().OAuth.AuthorizeURL(base, ours, "s t", "ch"))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if u.Scheme != "https" || u.Host != host || u.Path != "/services/oauth2/authorize" ||
			q.Get("response_type") != "code" ||
			q.Get("state") != "s t" || q.Get("code_challenge") != "ch" || q.Get("code_challenge_method") != "S256" ||
			q.Get("scope") != "api refresh_token" || q.Get("redirect_uri") != ours.RedirectURI || q.Get("client_secret") != "" {
			t.Errorf("base %q: %s", base, u)
		}
	}
}

// tripper answers everything alike.
type tripper struct {
	status int
	body   string
	err    error
}

func (r tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.err != nil {
		return nil, r.err
	}
	return &http.Response{
		StatusCode: r.status, Header: http.Header{"Content-Type": {"application/json"}, "Retry-After": {"30"}},
		Body: io.NopCloser(strings.NewReader(r.body)), Request: req,
	}, nil
}

func TestX13_TokenEndpoint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		err    error
		kind   fault.Kind
		code   string
	}{
		"no token": {200, `{}`, nil, fault.Unavailable, "malformed_answer"},
		"not JSON": {200, `<html>`, nil, fault.Unavailable, "malformed_answer"},
		"no instance": {
			200, `{"access_token":"secret-token","id":"https://login.salesforce.com/id/00Dxx0000001gPL/005xx000001Sv6A"}`, nil,
			fault.Unavailable, "malformed_answer",
		},
		"no org": {
			200, `{"access_token":"secret-token","instance_url":"https://x.my.salesforce.com","id":"https://login.salesforce.com/id/xx"}`, nil, fault.Unavailable, "malformed_answer",
		},
		"odd types": {
			200, `{"access_token":"secret-token","instance_url":7,"id":[1]}`, nil, fault.Unavailable,
			"malformed_answer",
		},
		"grant gone": {
			400, `{"error":"invalid_grant","error_description":"expired access/refresh token"}`, nil,
			fault.Denied, "reauthorization_required",
		},
		"user gone":      {400, `{"error":"inactive_user"}`, nil, fault.Denied, "reauthorization_required"},
		"client refused": {401, `{"error":"invalid_client"}`, nil, fault.Invalid, "invalid_client"},
		"something new": {
			400, `{"error":"new_error","error_description":"jane@example.com"}`, nil, fault.Invalid,
			"invalid_client",
		},
		"server down": {503, `down`, nil, fault.Unavailable, "unavailable"},
		"server error": {
			500, `{"error":"unknown_error","error_description":"retry your request"}`, nil, fault.Unavailable, "unavailable",
		},
		"too often": {429, `{"error":"rate_limit_exceeded"}`, nil, fault.Throttled, "rate_limited"},
		"login rate": {
			403, `{"error":"invalid_request","error_description":"login rate exceeded"}`, nil, fault.Throttled, "rate_limited",
		},
		"unreachable":        {0, ``, errors.New("connection refused"), fault.Unavailable, "unavailable"},
		"redirected":         {302, ``, nil, fault.Unavailable, "malformed_answer"},
		"cancelled meantime": {0, ``, context.Canceled, fault.Unavailable, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &http.Client{Transport: tripper{c.status, c.body, c.err}}
			_, err := salesforce.Driver().OAuth.Refresh(t.Context(), h, instance, ours, secret.NewText("a-refresh-token"))
			if !fault.Is(err, c.kind) || fault.CodeOf(err) != c.code {
				t.Fatalf("%v, want %s, %s", err, c.kind, c.code)
			}
			for _, leak := range []string{"a-refresh-token", "secret-token", "jane@example.com", salesforcefake.ClientSecret} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("the error's text holds %q", leak)
				}
			}
		})
	}
}
