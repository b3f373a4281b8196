package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// TestHeadersOfACall are those of JSON, and what the app asks for besides.
func TestHeadersOfACall(t *testing.T) {
	t.Parallel()
	app := acme()
	app.Prepare = func(r rest.Request, h http.Header) { h.Set("X-Op", r.Op) }
	for _, body := range []any{nil, map[string]int{"a": 1}} {
		rt := &answering{status: 200}
		if _, err := open(t, app, rt, connector.Config{}).Call(t.Context(),
			rest.Request{Op: "acme: write", Method: http.MethodPost, Path: "/x", Body: body}, nil); err != nil {
			t.Fatal(err)
		}
		want := http.Header{"Accept": {"application/json"}, "X-Op": {"acme: write"}, "X-Token": {"t=canary"}}
		if body != nil {
			want.Set("Content-Type", "application/json; charset=utf-8")
		}
		if diff := cmp.Diff(want, rt.last.Header); diff != "" {
			t.Errorf("with body %v (-want +got):\n%s", body, diff)
		}
	}
	rt := &answering{status: 200}
	_, err := open(t, app, rt, connector.Config{}).Call(t.Context(),
		rest.Request{Op: "acme: write", Method: "NO METHOD"}, nil)
	if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != connector.CodeRequest || rt.calls != 0 {
		t.Errorf("a request that cannot be made: %v after %d calls", err, rt.calls)
	}
}

// TestRefusedRows say what the app says, where it is a word and no value.
func TestRefusedRows(t *testing.T) {
	t.Parallel()
	e := acme().Errors
	for name, c := range map[string]struct {
		problems []rest.Problem
		op       connector.Op
		kind     fault.Kind
		said     string
	}{
		"nothing said":        {nil, connector.Update, fault.Invalid, "Acme refuses the record"},
		"no word":             {[]rest.Problem{{}}, connector.Update, fault.Invalid, "Acme refuses the record"},
		"a value for a word":  {[]rest.Problem{{Words: []string{"Ann"}}}, connector.Update, fault.Invalid, "Acme refuses the record"},
		"one letter":          {[]rest.Problem{{Words: []string{"A"}}}, connector.Update, fault.Invalid, "Acme refuses the record"},
		"an unknown word":     {[]rest.Problem{{Words: []string{"OLD", "NEW"}}}, connector.Update, fault.Invalid, "Acme refuses the record: NEW"},
		"a word":              {[]rest.Problem{{Words: []string{"BAD"}}}, connector.Update, fault.Invalid, "Acme says BAD"},
		"a case of a word":    {[]rest.Problem{{Words: []string{"BAD@field"}}}, connector.Update, fault.Invalid, "Acme says BAD"},
		"a text of ours":      {[]rest.Problem{{Words: []string{"TAKEN"}}}, connector.Update, fault.Conflict, "Acme has it"},
		"a text of its own":   {[]rest.Problem{{Words: []string{"TAKEN"}, Text: "it is there"}}, connector.Update, fault.Conflict, "it is there"},
		"about a field":       {[]rest.Problem{{Words: []string{"TAKEN"}, Fields: []string{"f", "g"}}}, connector.Update, fault.Conflict, "Acme has it about f"},
		"gone":                {[]rest.Problem{{Words: []string{"GONE"}}}, connector.Update, fault.NotFound, "Acme says GONE"},
		"gone, archived":      {[]rest.Problem{{Words: []string{"GONE"}}}, connector.Archive, fault.NotFound, "Acme says GONE"},
		"gone, to be created": {[]rest.Problem{{Words: []string{"GONE"}}}, connector.Create, fault.Invalid, "Acme says GONE"},
		"gone, either":        {[]rest.Problem{{Words: []string{"GONE"}}}, connector.Upsert, fault.Invalid, "Acme says GONE"},
	} {
		if f := e.Row("acme: write", c.op, c.problems); f.Kind != c.kind || f.Message != c.said || f.Op != "acme: write" {
			t.Errorf("%s: %+v, want %s %q", name, f, c.kind, c.said)
		}
		f := e.Known("acme: write", c.problems)
		known := len(c.problems) > 0 && len(c.problems[0].Words) > 0 && e.Words[c.problems[0].Words[0]].Kind != fault.Other
		if (f != nil) != known {
			t.Errorf("%s: known %+v, want %v", name, f, known)
		}
	}
}

// TestClientCredentials are used where the app has them, and there is no token to
// refresh.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	refused := errors.New("not at this address")
	o := &rest.OAuth{
		ID: "acme", Errors: acme().Errors, TokenHost: "https://token.acme.example", TokenPath: "/token",
		Style: oauth2.AuthStyleInParams, Word: func(e *oauth2.RetrieveError) string {
			var said struct{ Reason string }
			_ = json.Unmarshal(e.Body, &said)
			return said.Reason
		},
		Words: map[string]rest.Meaning{"closed": rest.GrantGone},
	}
	client := connector.Client{ID: "i", Secret: secret.NewText("canary")}
	ask := func(rt *answering) (connector.Grant, error) {
		return o.Refresh(t.Context(), &http.Client{Transport: rt}, "", client, secret.Text{})
	}
	rt := &answering{status: 200, body: strings.NewReader(`{"access_token":"a","expires_in":60}`)}
	if _, err := ask(rt); !fault.Is(err, fault.Unsupported) || rt.calls != 0 ||
		!strings.Contains(err.Error(), "acme: refresh token") {
		t.Errorf("an app that has none: %v after %d calls", err, rt.calls)
	}
	o.Credentials = func(string) error { return refused }
	if _, err := ask(rt); !errors.Is(err, refused) || rt.calls != 0 {
		t.Errorf("an address that has none: %v after %d calls", err, rt.calls)
	}
	o.Credentials = func(string) error { return nil }
	g, err := ask(rt)
	if err != nil || g.AccessToken.Reveal() != "a" || g.ExpiresIn != time.Minute ||
		!g.RefreshToken.Empty() || rt.calls != 1 {
		t.Errorf("%+v, %v after %d calls", g, err, rt.calls)
	}
	if rt.sent != "client_id=i&client_secret=canary&grant_type=client_credentials" {
		t.Errorf("sent %q", rt.sent)
	}
	for body, want := range map[string]string{
		`{"reason":"closed"}`:                          connector.CodeReauthorize,
		`{"error":"invalid_grant","reason":""}`:        connector.CodeReauthorize,
		`{"error":"invalid_grant","reason":"unknown"}`: connector.CodeClient,
	} {
		if _, err := ask(&answering{status: 400, body: strings.NewReader(body)}); fault.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Refresh(ctx, &http.Client{Transport: &answering{err: context.Canceled}}, "", client,
		secret.Text{}); !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("without time: %v", err)
	}
	if _, err := ask(&answering{status: 200, body: strings.NewReader(`{}`)}); fault.CodeOf(err) != connector.CodeMalformed {
		t.Errorf("no token: %v", err)
	}
}

// TestALimitThatTheAppDoesNotTell stops nobody.
func TestALimitThatTheAppDoesNotTell(t *testing.T) {
	t.Parallel()
	for name, usage := range map[string]func(http.Header) (int, int, bool){
		"none":    nil,
		"unknown": func(http.Header) (int, int, bool) { return 9, 10, false },
		"zero":    func(http.Header) (int, int, bool) { return 9, 0, true },
		"little":  func(http.Header) (int, int, bool) { return 8, 10, true },
	} {
		app, rt := acme(), &answering{status: 200}
		app.Usage = usage
		c := open(t, app, rt, connector.Config{
			Kind: crm.AuthToken, Credentials: map[string]secret.Text{"token": secret.NewText("t")},
		})
		for range 2 {
			rt.body = nil
			if _, err := c.Call(t.Context(), rest.Request{Op: "acme: read"}, nil); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestClip cuts between letters, not within.
func TestClip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		n    int
		want string
	}{{"äöü", 2, "äö"}, {"äöü", 3, "äöü"}, {"äöü", 4, "äöü"}, {"", 1, ""}} {
		if got := rest.Clip(c.text, c.n); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
