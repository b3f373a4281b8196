package hubspotfake

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// tokenLife is how long an access token lives (A1).
const tokenLife = 30 * time.Minute

func (f *account) oauthRoutes() []fakekit.Route {
	routes := []fakekit.Route{{Pattern: "GET /oauth/authorize", Handler: f.authorize, Free: true}}
	for _, v := range []string{"v1", "v3", "2026-03"} {
		routes = append(routes,
			fakekit.Route{Pattern: "POST /oauth/" + v + "/token", Handler: f.token, Write: true, Free: true},
			fakekit.Route{Pattern: "POST /oauth/" + v + "/token/introspect", Handler: f.introspect, Free: true},
			fakekit.Route{Pattern: "POST /oauth/" + v + "/token/revoke", Handler: f.revoke, Write: true, Free: true})
	}
	return append(routes,
		fakekit.Route{Pattern: "GET /oauth/v1/access-tokens/{token}", Handler: f.tokenInfo, Free: true},
		fakekit.Route{Pattern: "GET /oauth/v1/refresh-tokens/{token}", Handler: f.refreshInfo, Free: true},
		fakekit.Route{Pattern: "DELETE /oauth/v1/refresh-tokens/{token}", Handler: f.dropRefresh, Write: true, Free: true})
}

// authorize stands for the consent page: the user always agrees. It sends the
// browser back with a code (A1).
func (f *account) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	scopes := strings.Fields(q.Get("scope"))
	unknown := slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(Scopes, s) })
	if len(scopes) == 0 || unknown || q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256" ||
		!f.Tokens().Consent(w, r, ClientID, scopes) {
		f.fail(w, invalid("Authorization failed because of a mismatch of client, redirect URL or scopes."))
	}
}

// form reads a form-encoded body: everything is in the body, nothing in Basic
// authentication (S: oauth.json).
func (f *account) form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	body, _ := io.ReadAll(r.Body)
	v, err := url.ParseQuery(string(body))
	if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		f.fail(w, &apiError{status: http.StatusUnsupportedMediaType, Message: "HTTP 415 Unsupported Media Type"})
		return nil, false
	}
	if v.Get("client_id") != ClientID || v.Get("client_secret") != ClientSecret {
		f.oauthFail(w, "BAD_CLIENT_ID", "invalid_client", "missing or unknown client id or secret")
		return nil, false
	}
	return v, true
}

// oauthFail is the refusal of the token endpoint: HubSpot's word in status (O)
// and the standard one in error (RFC 6749).
func (f *account) oauthFail(w http.ResponseWriter, status, code, message string) {
	f.calls++
	f.json(w, http.StatusBadRequest, map[string]string{
		"status": status, "error": code, "error_description": message, "message": message,
	})
}

func (f *account) token(w http.ResponseWriter, r *http.Request) {
	v, ok := f.form(w, r)
	if !ok {
		return
	}
	switch v.Get("grant_type") {
	case "authorization_code":
		scopes, err := f.Tokens().Redeem(v.Get("code"), ClientID, v.Get("redirect_uri"), v.Get("code_verifier"))
		if err != nil {
			f.oauthFail(w, "BAD_AUTH_CODE", "invalid_grant", "missing or unknown auth code")
			return
		}
		f.grant(w, f.Tokens().Issue("fake-at-", ClientID, tokenLife, scopes, true))
	case "refresh_token":
		tok, err := f.Tokens().Renew("fake-at-", ClientID, v.Get("refresh_token"), tokenLife)
		if err != nil {
			f.oauthFail(w, "BAD_REFRESH_TOKEN", "invalid_grant", "missing or invalid refresh token")
			return
		}
		f.grant(w, tok)
	default:
		f.oauthFail(w, "BAD_GRANT_TYPE", "unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
	}
}

// grant is the token answer (S: oauth.json).
func (f *account) grant(w http.ResponseWriter, t fakekit.Token) {
	f.json(w, http.StatusOK, map[string]any{
		"access_token": t.Access, "refresh_token": t.Refresh, "expires_in": int(tokenLife / time.Second),
		"token_type": "bearer", "token_use": "access_token", "hub_id": f.portal, "user_id": 7001, "scopes": t.Scopes,
	})
}

func (f *account) introspect(w http.ResponseWriter, r *http.Request) {
	v, ok := f.form(w, r)
	if !ok {
		return
	}
	t, state := f.Tokens().Check(v.Get("token"))
	if state != fakekit.TokenValid {
		f.json(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	f.json(w, http.StatusOK, map[string]any{
		"active": true, "hub_id": f.portal, "hub_domain": "fake.example.com", "app_id": AppID, "scopes": t.Scopes,
		"user": "alex@example.com", "token_type": "bearer", "token_use": "access_token",
	})
}

func (f *account) revoke(w http.ResponseWriter, r *http.Request) {
	v, ok := f.form(w, r)
	if !ok {
		return
	}
	f.Tokens().Revoke(v.Get("token"))
	w.WriteHeader(http.StatusNoContent)
}

// tokenInfo is the deprecated question about a token in the path (S: v1 oauth.json).
func (f *account) tokenInfo(w http.ResponseWriter, r *http.Request) {
	t, state := f.Tokens().Check(r.PathValue("token"))
	if state != fakekit.TokenValid {
		f.fail(w, notFound())
		return
	}
	f.json(w, http.StatusOK, map[string]any{
		"token": t.Access, "hub_id": f.portal, "hub_domain": "fake.example.com", "app_id": AppID, "user_id": 7001,
		"scopes": t.Scopes, "expires_in": int(t.Expires.Sub(f.Now()) / time.Second), "token_type": "access",
		"user": "alex@example.com",
	})
}

// refreshInfo is the question about a refresh token in the path (S: v1 oauth.json).
func (f *account) refreshInfo(w http.ResponseWriter, r *http.Request) {
	t, ok := f.Tokens().Refreshing(r.PathValue("token"))
	if !ok {
		f.fail(w, notFound())
		return
	}
	f.json(w, http.StatusOK, map[string]any{
		"token": t.Refresh, "hub_id": f.portal, "hub_domain": "fake.example.com", "client_id": ClientID, "user_id": 7001,
		"scopes": t.Scopes, "token_type": "refresh", "user": "alex@example.com",
	})
}

// dropRefresh ends a grant, as the uninstalling of an app does (S: v1 oauth.json).
func (f *account) dropRefresh(w http.ResponseWriter, r *http.Request) {
	if !f.Tokens().Revoke(r.PathValue("token")) {
		f.fail(w, notFound())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// OAuthToken makes a grant as if a user had just agreed to all scopes, for
// tests that do not want to go through the browser.
func (f *Fake) OAuthToken() fakekit.Token {
	c := f.Core()
	c.Lock()
	defer c.Unlock()
	return c.Tokens().Issue("fake-at-", ClientID, tokenLife, Scopes, true)
}

// TokenWith makes a static token that has only these scopes.
func (f *Fake) TokenWith(scopes ...string) fakekit.Token {
	c := f.Core()
	c.Lock()
	defer c.Unlock()
	return c.Tokens().Issue("pat-fake-", "", 0, append([]string{}, scopes...), false)
}
