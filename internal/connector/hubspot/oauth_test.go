package hubspot_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const fakeBase = "https://hubspot.example.com"

func client() connector.Client {
	return connector.Client{
		ID: hubspotfake.ClientID, Secret: secret.NewText(hubspotfake.ClientSecret),
		RedirectURI: "https://lockstep.example/v1/oauth/callback",
	}
}

// code goes through the fake's consent page and returns what it sent back.
func code(t *testing.T, h http.Handler, verifier string) url.Values {
	t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	at := hubspot.Driver().OAuth.AuthorizeURL(fakeBase, client(), "st&te", base64.RawURLEncoding.EncodeToString(sum[:]))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := fakekit.Transport(h).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusFound {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return back.Query()
}

func TestOAuthRound(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	fake := hubspotfake.New(fakekit.Config{Now: clock.Now})
	h, oauth := fakekit.Client(fake), hubspot.Driver().OAuth
	verifier := strings.Repeat("v", 43)
	back := code(t, fake, verifier)
	if back.Get("state") != "st&te" {
		t.Errorf("state %q came back", back.Get("state"))
	}
	g, err := oauth.Exchange(t.Context(), h, fakeBase, client(), back.Get("code"), verifier)
	if err != nil {
		t.Fatal(err)
	}
	if g.ExpiresIn != 30*time.Minute || g.ExternalID != strconv.Itoa(hubspotfake.PortalID) || g.RefreshToken.Empty() ||
		len(g.Scopes) == 0 || g.BaseURL != "" {
		t.Errorf("grant %+v", g)
	}
	fake.Core().RotateRefresh(true)
	next, err := oauth.Refresh(t.Context(), h, fakeBase, client(), g.RefreshToken)
	if err != nil || next.AccessToken.Reveal() == g.AccessToken.Reveal() ||
		next.RefreshToken.Reveal() == g.RefreshToken.Reveal() {
		t.Errorf("refreshed: %v", err)
	}
	if _, err := oauth.Refresh(t.Context(), h, fakeBase, client(), g.RefreshToken); !fault.Is(err, fault.Denied) ||
		fault.CodeOf(err) != "reauthorization_required" {
		t.Errorf("the rotated token: %v, want reauthorization_required", err)
	}
	if _, err := oauth.Exchange(t.Context(), h, fakeBase, client(), back.Get("code"), verifier); !fault.Is(err,
		fault.Denied) {
		t.Errorf("a code used twice: %v, want denied", err)
	}
	if _, err := oauth.Exchange(t.Context(), h, fakeBase, client(), code(t, fake, verifier).Get("code"),
		"another"); !fault.Is(err, fault.Denied) {
		t.Errorf("another verifier: %v, want denied", err)
	}
	if _, err := oauth.Refresh(t.Context(), h, fakeBase, client(), secret.Text{}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("no refresh token: %v, want unsupported", err)
	}
	wrong := client()
	wrong.Secret = secret.NewText("other")
	if _, err := oauth.Refresh(t.Context(), h, fakeBase, wrong, next.RefreshToken); !fault.Is(err, fault.Invalid) ||
		fault.CodeOf(err) != "invalid_client" {
		t.Errorf("another client: %v, want invalid_client", err)
	}
}

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(hubspot.Driver().OAuth.AuthorizeURL("", client(), "s", "c"))
	if err != nil || u.Host != "app.hubspot.com" || u.Path != "/oauth/authorize" {
		t.Fatalf("%v, %v", u, err)
	}
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") != "c" || q.Get("state") != "s" ||
		q.Get("redirect_uri") != client().RedirectURI ||
		!strings.Contains(q.Get("scope"), "crm.objects.contacts.write") ||
		strings.Contains(u.String(), hubspotfake.ClientSecret) {
		t.Errorf("query %v", q)
	}
}

// TestTokenEndpointErrors crosses the endpoint with what may go wrong.
func TestTokenEndpointErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		kind   fault.Kind
		code   string
	}{
		"standard":   {400, `{"error":"invalid_grant"}`, fault.Denied, "reauthorization_required"},
		"older word": {400, `{"status":"BAD_REFRESH_TOKEN","message":"canary"}`, fault.Denied, "reauthorization_required"},
		"client":     {401, `{"error":"invalid_client"}`, fault.Invalid, "invalid_client"},
		"redirect":   {400, `{"status":"MISMATCHED_REDIRECT_URI"}`, fault.Invalid, "invalid_client"},
		"refused":    {403, `{}`, fault.Invalid, "invalid_client"},
		"odd":        {400, `{}`, fault.Invalid, "rejected"},
		"limit":      {429, `{}`, fault.Throttled, "rate_limited"},
		"down":       {503, `<html>`, fault.Unavailable, "unavailable"},
		"redirected": {302, ``, fault.Unavailable, "malformed_answer"},
		"no token":   {200, `{}`, fault.Unavailable, "malformed_answer"},
		"malformed":  {200, `{"access_token":`, fault.Unavailable, "malformed_answer"},
		"wrong type": {200, `{"access_token":"a","expires_in":"soon"}`, fault.Unavailable, "malformed_answer"},
		"huge":       {200, `{"x":"` + strings.Repeat("x", 2<<20) + `"}`, fault.Unavailable, "malformed_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := fakekit.Client(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			_, err := hubspot.Driver().OAuth.Refresh(t.Context(), h, fakeBase, client(), secret.NewText("canary-refresh"))
			if !fault.Is(err, tc.kind) || fault.CodeOf(err) != tc.code {
				t.Errorf("%v, want %s %s", err, tc.kind, tc.code)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Error("the error's text repeats a secret")
			}
		})
	}
}

func TestGrantsAreBounded(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{
		`{"access_token":"a","expires_in":1800}`:                30 * time.Minute,
		`{"access_token":"a","expires_in":-1}`:                  0,
		`{"access_token":"a","expires_in":9223372036854775807}`: 0,
		`{"access_token":"a"}`:                                  0,
	} {
		h := fakekit.Client(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		g, err := hubspot.Driver().OAuth.Refresh(t.Context(), h, fakeBase, client(), secret.NewText("r"))
		if err != nil || g.ExpiresIn != want || !g.RefreshToken.Empty() || g.ExternalID != "" {
			t.Errorf("%s: %+v, %v, want %s", body, g, err, want)
		}
	}
}
