package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/access"
)

// session opens a session with a key and returns its cookie.
func (w *world) session(key string) *http.Cookie {
	w.t.Helper()
	set := w.must(201, "POST", "/v1/session", "", as(key)).header.Get("Set-Cookie")
	c, err := http.ParseSetCookie(set)
	if err != nil {
		w.t.Fatalf("%q: %v", set, err)
	}
	return c
}

// with sends the cookie alone, as a page does.
func with(c *http.Cookie) option {
	return func(r *http.Request) { r.Header.Del("Authorization"); r.AddCookie(c) }
}

// TestSessionIsItsKey: the cookie does what the key may do and no more, and
// nothing once its page has signed out.
func TestSessionIsItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.session(w.key(`{"name":"v","role":"viewer","user":{"email":"v@example.com"}}`))
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" ||
		c.MaxAge != int(access.SessionFor.Seconds()) {
		t.Errorf("cookie %s", c)
	}
	who := w.must(200, "GET", "/v1/session", "", with(c)).json(t)
	if who["role"] != "viewer" || who["masked"] != true || who["operator"] != false || who["email"] != "v@example.com" ||
		who["name"] != "v" {
		t.Errorf("%v", who)
	}
	if got := w.do("POST", "/v1/keys", `{"name":"n","role":"admin"}`, with(c)); got.status != 403 ||
		got.problem(t).Code != CodeRoleTooLow {
		t.Errorf("a viewer's session made a key: %d %s", got.status, got.body)
	}
	if got := w.do("POST", "/v1/session", "", with(c)); got.status != 401 {
		t.Errorf("a session opened another one: %d %s", got.status, got.body)
	}
	gone, err := http.ParseSetCookie(w.must(204, "DELETE", "/v1/session", "", with(c)).header.Get("Set-Cookie"))
	if err != nil || gone.Name != c.Name || gone.MaxAge >= 0 || gone.Value != "" {
		t.Errorf("signing out sets %v, %v", gone, err)
	}
	if got := w.do("GET", "/v1/session", "", with(c)); got.status != 401 {
		t.Errorf("the cookie works after signing out: %d %s", got.status, got.body)
	}
}

// TestSessionOfAnotherPage: a request that somebody else's page makes brings
// nothing with it, whether it changes something or not.
func TestSessionOfAnotherPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.session(operatorKey)
	for name, h := range map[string]struct {
		header, value string
		method        string
		status        int
	}{
		"our page reads":                  {"Sec-Fetch-Site", "same-origin", "GET", 200},
		"our page changes":                {"Sec-Fetch-Site", "same-origin", "POST", 201},
		"our page, in an older browser":   {"Origin", "http://localhost", "POST", 201},
		"another page reads":              {"Sec-Fetch-Site", "cross-site", "GET", 401},
		"another page changes":            {"Sec-Fetch-Site", "cross-site", "POST", 401},
		"a page of another port changes":  {"Sec-Fetch-Site", "same-site", "POST", 401},
		"a link in a mail":                {"Sec-Fetch-Site", "none", "GET", 401},
		"another page, in an old browser": {"Origin", "http://elsewhere.example", "POST", 401},
	} {
		body, path := "", "/v1/connections"
		if h.method == "POST" {
			body, path = `{"name":"n","role":"viewer"}`, "/v1/keys"
		}
		if got := w.do(h.method, path, body, with(c), header(h.header, h.value)); got.status != h.status {
			t.Errorf("%s: %d, want %d: %s", name, got.status, h.status, got.body)
		}
	}
	if got := w.do("GET", "/v1/connections", "", with(c), header("Authorization", "Bearer lsk_wrong")); got.status != 401 {
		t.Errorf("a cookie made up for a wrong key: %d", got.status)
	}
	if got := w.do("GET", "/v1/connections", "", header("Authorization", "Bearer "+c.Value)); got.status != 401 {
		t.Errorf("a session passed for a key: %d", got.status)
	}
}

// TestSessionCookieKnowsWhereItBelongs: over TLS it goes nowhere else, and two
// programs on one machine do not sign each other out.
func TestSessionCookieKnowsWhereItBelongs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.PublicURL = "https://lockstep.example" })
	if c := w.session(operatorKey); !c.Secure || !strings.HasPrefix(c.Name, "__Host-") || c.Domain != "" {
		t.Errorf("over TLS: %s", c)
	}
	if a, b := sessionCookieName("127.0.0.1:8080", false), sessionCookieName("127.0.0.1:8081", false); a == b {
		t.Errorf("two ports share %s", a)
	}
}
