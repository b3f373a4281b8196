package fakekit

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// WriteJSON answers with JSON, every character as it is.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	writeJSON(w, "; charset=utf-8", status, body)
}

func writeJSON(w http.ResponseWriter, charset string, status int, body any) {
	w.Header().Set("Content-Type", "application/json"+charset)
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body)
}

// Consent stands for a consent page whose user always agrees: it sends the browser
// back with a code. false: the client is another one, or there is no address to go
// back to, and nothing is written.
func (t *Tokens) Consent(w http.ResponseWriter, r *http.Request, client string, scopes []string) bool {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Host == "" || q.Get("client_id") != client {
		return false
	}
	params := back.Query()
	params.Set("code", t.Code(client, q.Get("redirect_uri"), q.Get("code_challenge"), scopes))
	if s := q.Get("state"); s != "" {
		params.Set("state", s)
	}
	back.RawQuery = params.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound) //nolint:gosec // where the caller says: what this is for
	return true
}
