package rest_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// gate lets users in by name and password and gives them tokens of an hour.
type gate struct {
	logins, calls int
	good          string // the token that opens; "" = none
	answer        string // in place of the login's; "" = the right one
	status        int
	life          int    // of a token in seconds; 0 = an hour
	during        func() // what happens while a call is on its way; nil = nothing
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/login" {
		g.calls++
		if do := g.during; do != nil {
			g.during = nil
			do()
		}
		if r.Header.Get("Authorization") != "T "+g.good || g.good == "" {
			return reply(401, `{}`), nil
		}
		return reply(200, `{"ok":true}`), nil
	}
	g.logins++
	var in struct{ User, Password string }
	switch err := json.NewDecoder(r.Body).Decode(&in); {
	case r.Header.Get("Authorization") != "" || err != nil || in.User != "ann" || in.Password != "s3cret":
		return reply(401, `{}`), nil
	case g.status != 0:
		return reply(g.status, g.answer), nil
	case g.answer != "":
		return reply(200, g.answer), nil
	}
	g.good = "token" + strings.Repeat("x", g.logins)
	return reply(200, fmt.Sprintf(`{"token":%q,"life":%d}`, g.good, cmp.Or(g.life, 3600))), nil
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// loginApp is an app whose users log in.
func loginApp() *rest.App {
	app := acme()
	app.Auth[crm.AuthBasic] = rest.Header("Authorization", "T ")
	app.Logins = map[crm.AuthKind]*rest.Login{crm.AuthBasic: {
		Request: func(v []string) rest.Request {
			return rest.Request{
				Op: "acme: log in", Method: http.MethodPost, Path: "/login", Body: map[string]string{
					"user": v[0], "password": v[1],
				},
			}
		},
		Token: func(body []byte) (string, time.Duration, bool) {
			var a struct {
				Token string
				Life  int
			}
			err := json.Unmarshal(body, &a)
			return a.Token, time.Duration(a.Life) * time.Second, err == nil
		},
	}}
	return app
}

// login opens the app for one that logs in.
func login(t *testing.T, g *gate, clock *testclock.Clock, password string) *rest.Client {
	t.Helper()
	c, err := loginApp().Open(connector.Config{
		Kind: crm.AuthBasic, Credentials: map[string]secret.Text{
			"user": secret.NewText("ann"), "password": secret.NewText(password),
		},
		BaseURL: "https://acme.example", HTTP: &http.Client{Transport: g}, Now: clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestALoginOfAnotherIsUsed: a call whose token was refused takes the one that another
// call has got meanwhile.
func TestALoginOfAnotherIsUsed(t *testing.T) {
	t.Parallel()
	g := &gate{}
	c := login(t, g, testclock.New(), "s3cret")
	call := func() {
		if _, err := c.Call(t.Context(), rest.Request{Op: "acme: test", Path: "/x"}, nil); err != nil {
			t.Error(err)
		}
	}
	call()
	g.during = func() {
		g.good = "" // the token ends, which the other call is told first
		call()
	}
	call()
	if g.logins != 2 || g.calls != 5 {
		t.Errorf("%d logins and %d calls, want 2 and 5", g.logins, g.calls)
	}
}

// TestHowLongATokenIsUsed: until a minute before its end, by what the app says; for a
// minute at least, and for a month at most. One without an end until it is refused.
func TestHowLongATokenIsUsed(t *testing.T) {
	t.Parallel()
	for life, used := range map[int]time.Duration{
		1: time.Minute, 119: time.Minute, 120: time.Minute, 300: 4 * time.Minute, 3600: 59 * time.Minute,
		90 * 24 * 3600: 30*24*time.Hour - time.Minute, -1: 1000 * time.Hour,
	} {
		g, clock := &gate{life: life}, testclock.New()
		c := login(t, g, clock, "s3cret")
		call := func() {
			if _, err := c.Call(t.Context(), rest.Request{Op: "acme: test", Path: "/x"}, nil); err != nil {
				t.Error(err)
			}
		}
		call()
		clock.Advance(used - 1)
		call()
		if g.logins != 1 {
			t.Errorf("of %d s: it is not used for %s", life, used)
		}
		clock.Advance(1)
		call()
		if want := map[bool]int{true: 2, false: 1}[life > 0]; g.logins != want || g.calls != 3 {
			t.Errorf("of %d s, after %s: %d logins and %d calls", life, used, g.logins, g.calls)
		}
	}
}

// TestRefusedLogins: what is made of every status of a login's answer.
func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		kind fault.Kind
		code string
		text string
	}{
		300: {fault.Unavailable, connector.CodeMalformed, "Acme answered with status 300"},
		400: {fault.Denied, connector.CodeReauthorize, "Acme refuses the login; enter the credentials again"},
		401: {fault.Denied, connector.CodeReauthorize, "Acme refuses the login; enter the credentials again"},
		402: {fault.Invalid, "rejected", "Acme answered with status 402"},
		403: {fault.Denied, connector.CodeReauthorize, "Acme refuses the login; enter the credentials again"},
		404: {fault.NotFound, "not_found", "Acme answered with status 404"},
		429: {fault.Throttled, connector.CodeRate, "Acme answered with status 429"},
		500: {fault.Unavailable, "unavailable", "Acme answered with status 500"},
	} {
		g := &gate{status: status, answer: "{}"}
		_, err := login(t, g, testclock.New(), "s3cret").Call(t.Context(), rest.Request{Op: "acme: test", Path: "/x"}, nil)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != want.kind || fault.CodeOf(err) != want.code || f.Message != want.text {
			t.Errorf("%d: %v %s %q", status, f.Kind, fault.CodeOf(err), f.Message)
		}
	}
}

// TestLogin: one login serves all calls until the token ends or is refused; a login that
// is refused, or answered with nonsense, is told from a call that is.
func TestLogin(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	open := func(g *gate, password string) *rest.Client { return login(t, g, clock, password) }
	g := &gate{}
	c := open(g, "s3cret")
	call := func() error {
		_, err := c.Call(t.Context(), rest.Request{Op: "acme: test", Path: "/x"}, nil)
		return err
	}
	for range 3 {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	if g.logins != 1 || g.calls != 3 {
		t.Errorf("three calls took %d logins and %d calls", g.logins, g.calls)
	}
	clock.Advance(time.Hour - 30*time.Second) // nearly ended: not used any more
	if err := call(); err != nil || g.logins != 2 || g.calls != 4 {
		t.Errorf("after the token's life: %d logins, %d calls, %v", g.logins, g.calls, err)
	}
	g.good = ""
	if err := call(); err != nil || g.logins != 3 || g.calls != 6 {
		t.Errorf("after it was refused: %d logins, %d calls, %v", g.logins, g.calls, err)
	}
	for name, x := range map[string]struct {
		gate     gate
		password string
		kind     fault.Kind
	}{
		"wrong password": {gate{}, "other", fault.Denied},
		"locked out":     {gate{status: 403, answer: `{}`}, "s3cret", fault.Denied},
		"throttled":      {gate{status: 429, answer: `{}`}, "s3cret", fault.Throttled},
		"down":           {gate{status: 503, answer: `s3cret`}, "s3cret", fault.Unavailable},
		"no token":       {gate{answer: `{"token":""}`}, "s3cret", fault.Unavailable},
		"nonsense":       {gate{answer: `<html>s3cret`}, "s3cret", fault.Unavailable},
	} {
		_, err := open(&x.gate, x.password).Call(t.Context(), rest.Request{Op: "acme: test", Path: "/x", Write: true}, nil)
		if !fault.Is(err, x.kind) || x.gate.calls != 0 || fault.MayHaveLanded(err) {
			t.Errorf("%s: %v after %d calls, want %s and none", name, err, x.gate.calls, x.kind)
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error repeats the password", name)
		}
	}
}
