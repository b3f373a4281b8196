package salesforcefake

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// scopes are what a grant gives when nothing less was asked for.
var scopes = []string{"api", "refresh_token"}

// oauthError is an object, unlike the errors of the data API. Source: jsforce src/oauth2.ts.
func (f *org) oauthError(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
}

// authorize lets everybody in at once and sends the browser back with a code.
// Source: atlas.en-us.222.0.api_rest.meta/api/intro_understanding_refresh_token_oauth.htm.
func (f *org) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if q.Get("client_id") != ClientID || err != nil || !back.IsAbs() || q.Get("response_type") != "code" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte("error=invalid_client_id&amp;error_description=client%20identifier%20invalid or " +
			"response_type, redirect_uri not usable: " + html.EscapeString(q.Get("response_type"))))
		return
	}
	if m := q.Get("code_challenge_method"); q.Get("code_challenge") != "" && m != "S256" && m != "" {
		f.back(w, back, url.Values{
			"error": {"invalid_request"}, "error_description": {"unsupported code challenge method"},
			"state": {q.Get("state")},
		})
		return
	}
	asked := strings.Fields(q.Get("scope"))
	if len(asked) == 0 {
		asked = scopes
	}
	code := f.core.Tokens().Code(ClientID, q.Get("redirect_uri"), q.Get("code_challenge"), asked)
	f.back(w, back, url.Values{"code": {code}, "state": {q.Get("state")}})
}

func (f *org) back(w http.ResponseWriter, to *url.URL, add url.Values) {
	q := to.Query()
	for k, v := range add {
		q[k] = v
	}
	to.RawQuery = q.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
}

// token answers the grants authorization_code, refresh_token and
// client_credentials. Source: jsforce src/oauth2.ts.
func (f *org) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		f.oauthError(w, http.StatusBadRequest, "invalid_request", "the body is not a form")
		return
	}
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		id, secret = user, pass
	}
	switch {
	case id != ClientID:
		f.oauthError(w, http.StatusBadRequest, "invalid_client_id", "client identifier invalid")
		return
	case secret != ClientSecret:
		f.oauthError(w, http.StatusBadRequest, "invalid_client", "invalid client credentials")
		return
	}
	tokens, prefix := f.core.Tokens(), orgID[:15]+"!"
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		granted, err := tokens.Redeem(r.PostForm.Get("code"), id, r.PostForm.Get("redirect_uri"),
			r.PostForm.Get("code_verifier"))
		if err != nil {
			f.oauthError(w, http.StatusBadRequest, "invalid_grant", "expired authorization code")
			return
		}
		lasting := slices.Contains(granted, "refresh_token") || slices.Contains(granted, "offline_access")
		f.granted(w, r, tokens.Issue(prefix, id, f.session, granted, lasting), true)
	case "refresh_token":
		old := r.PostForm.Get("refresh_token")
		t, err := tokens.Renew(prefix, id, old, f.session)
		if err != nil {
			f.oauthError(w, http.StatusBadRequest, "invalid_grant", "expired access/refresh token")
			return
		}
		f.granted(w, r, t, t.Refresh != old)
	case "client_credentials":
		f.granted(w, r, tokens.Issue(prefix, id, f.session, []string{"api"}, false), false)
	default:
		f.oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "grant type not supported")
	}
}

// granted writes a token as Salesforce does: without expires_in.
func (f *org) granted(w http.ResponseWriter, r *http.Request, t fakekit.Token, withRefresh bool) {
	base := f.core.BaseURL(r)
	out := map[string]string{
		"access_token": t.Access, "instance_url": base, "id": base + "/id/" + orgID + "/" + userID,
		"issued_at": strconv.FormatInt(f.core.Now().UnixMilli(), 10), "signature": "bWFkZSB1cA==",
		"scope": strings.Join(t.Scopes, " "), "token_type": "Bearer",
	}
	if withRefresh && t.Refresh != "" {
		out["refresh_token"] = t.Refresh
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_ = json.NewEncoder(w).Encode(out)
}

// revoke ends a grant by its refresh token.
func (f *org) revoke(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !f.core.Tokens().Revoke(r.Form.Get("token")) {
		f.oauthError(w, http.StatusBadRequest, "unsupported_token_type", "this token type is not supported")
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (f *org) userInfo(w http.ResponseWriter, r *http.Request) {
	base := f.core.BaseURL(r)
	u := f.virtual["User"][0]
	f.write(w, http.StatusOK, map[string]any{
		"id": base + "/id/" + orgID + "/" + userID, "sub": base + "/id/" + orgID + "/" + userID,
		"user_id": userID, "organization_id": orgID, "username": u.Fields["Username"],
		"preferred_username": u.Fields["Username"],
		"email":              u.Fields["Email"], "name": u.Fields["Name"], "active": true,
	})
}
