package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

var start = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// acme is an app of our own invention with each kind of credentials.
func acme() *rest.App {
	return &rest.App{
		Describe: func() crm.App {
			return crm.App{ID: "acme", Name: "Acme", Auth: []crm.AuthMethod{
				{Kind: crm.AuthOAuth2},
				{Kind: crm.AuthToken, Fields: []crm.AuthField{{Name: "token", Label: "Access token", Required: true}}},
				{Kind: crm.AuthAPIKey, Fields: []crm.AuthField{{Name: "key", Label: "Key", Required: true}}},
				{Kind: crm.AuthBasic, Fields: []crm.AuthField{
					{Name: "user", Label: "User name", Required: true}, {Name: "password", Label: "Password", Required: true},
				}},
			}}
		},
		Base: "https://api.acme.example",
		Auth: map[crm.AuthKind]rest.Auth{
			crm.AuthOAuth2: rest.Bearer, crm.AuthToken: rest.Header("X-Token", "t="), crm.AuthAPIKey: rest.Query("key"),
			crm.AuthBasic: rest.Basic,
		},
		RequestID: "X-Request", Reset: "X-Reset",
		Errors: rest.Errors{
			Name:     "Acme",
			Statuses: map[int]rest.Meaning{423: {Kind: fault.Conflict, Code: connector.CodeLocked, Wait: time.Second}},
			Words: map[string]rest.Meaning{
				"TAKEN":     {Kind: fault.Conflict, Code: connector.CodeExists, Text: "Acme has it"},
				"BAD":       {Kind: fault.Invalid, Code: connector.CodeValue},
				"BAD@field": {Kind: fault.Invalid, Code: connector.CodeOption},
				"GONE":      {Kind: fault.NotFound},
				"DAY":       {Kind: fault.Throttled, Code: connector.CodeQuota, Wait: time.Minute, Guessed: true},
			},
			Read: func(_ int, body []byte) (out []rest.Problem) {
				_ = json.Unmarshal(body, &out)
				return out
			},
		},
	}
}

// answering answers every call alike and keeps the last one.
type answering struct {
	status int
	header http.Header
	body   io.Reader
	err    error
	calls  int
	last   *http.Request
	sent   string
}

// RoundTrip implements http.RoundTripper.
func (a *answering) RoundTrip(req *http.Request) (*http.Response, error) {
	a.calls++
	a.last = req
	if req.Body != nil {
		b, _ := io.ReadAll(req.Body)
		a.sent = string(b)
	}
	if a.err != nil {
		return nil, a.err
	}
	h := a.header
	if h == nil {
		h = http.Header{}
	}
	if a.body == nil {
		a.body = strings.NewReader("{}")
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(a.body), Request: req}, nil
}

func open(t *testing.T, app *rest.App, rt http.RoundTripper, cfg connector.Config) *rest.Client {
	t.Helper()
	cfg.HTTP, cfg.Now = &http.Client{Transport: rt}, func() time.Time { return start }
	if cfg.Kind == "" {
		cfg.Kind, cfg.Credentials = crm.AuthToken, map[string]secret.Text{"token": secret.NewText("canary")}
	}
	c, err := app.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCredentialsGoWhereTheAppWantsThem(t *testing.T) {
	t.Parallel()
	text := func(m map[string]string) map[string]secret.Text {
		out := map[string]secret.Text{}
		for k, v := range m {
			out[k] = secret.NewText(v)
		}
		return out
	}
	for name, c := range map[string]struct {
		cfg  connector.Config
		want func(r *http.Request) bool
	}{
		"bearer": {
			connector.Config{Kind: crm.AuthOAuth2, Tokens: &tokens{}}, func(r *http.Request) bool {
				return r.Header.Get("Authorization") == "Bearer token 0"
			},
		},
		"header": {
			connector.Config{Kind: crm.AuthToken, Credentials: text(map[string]string{"token": "k"})},
			func(r *http.Request) bool { return r.Header.Get("X-Token") == "t=k" },
		},
		"query": {
			connector.Config{Kind: crm.AuthAPIKey, Credentials: text(map[string]string{"key": "a&b"})},
			func(r *http.Request) bool { return r.URL.Query().Get("key") == "a&b" && r.URL.Query().Get("q") == "1" },
		},
		"basic": {
			connector.Config{Kind: crm.AuthBasic, Credentials: text(map[string]string{"user": "u", "password": "p"})},
			func(r *http.Request) bool {
				u, p, ok := r.BasicAuth()
				return ok && u == "u" && p == "p"
			},
		},
	} {
		rt := &answering{status: 200}
		cl := open(t, acme(), rt, c.cfg)
		r := rest.Request{Op: "acme: read", Path: "/x", Query: url.Values{"q": {"1"}}}
		a, err := cl.Call(t.Context(), r, nil)
		if err != nil || !c.want(rt.last) || rt.last.URL.Host != "api.acme.example" {
			t.Errorf("%s: %v, %v %v", name, err, rt.last.URL, rt.last.Header)
		}
		if x := cl.Exchange(r, a, nil); x.URL != "https://api.acme.example/x?q=1" {
			t.Errorf("%s: the log keeps %q", name, x.URL)
		}
	}
}

func TestOpenNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := acme().Open(connector.Config{Kind: crm.AuthBasic, BaseURL: "https://x.example/path"})
	for _, want := range []string{
		"the base URL must be a host such as https://api.acme.example", "an HTTP client", "a clock",
		"the user name is required", "the password is required",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %q", err, want)
		}
	}
	for kind, want := range map[crm.AuthKind]string{
		crm.AuthKeyPair: "only oauth2 and token and api_key and basic are supported", crm.AuthOAuth2: "tokens are required",
	} {
		_, err := acme().Open(connector.Config{Kind: kind, HTTP: http.DefaultClient, Now: time.Now})
		if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != connector.CodeConfig ||
			!strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q alone", kind, err, want)
		}
	}
}

// TestOpenNamesTheOneWay: an app with a single way to authorise is said to have it.
func TestOpenNamesTheOneWay(t *testing.T) {
	t.Parallel()
	a := acme()
	whole := a.Describe()
	a.Describe = func() crm.App {
		one := whole
		one.Auth = slices.DeleteFunc(slices.Clone(whole.Auth), func(m crm.AuthMethod) bool { return m.Kind != crm.AuthToken })
		return one
	}
	_, err := a.Open(connector.Config{Kind: crm.AuthKeyPair, HTTP: http.DefaultClient, Now: time.Now})
	if err == nil || !strings.HasSuffix(err.Error(), "only token is supported") {
		t.Errorf("%v", err)
	}
}

// tokens mints a new token for each refusal; done ends the grant.
type tokens struct {
	n    int
	done bool
}

func (k *tokens) Token(context.Context) (secret.Text, error) {
	return secret.NewText("token " + string(rune('0'+k.n))), nil
}

func (k *tokens) Renew(ctx context.Context, _ secret.Text) (secret.Text, error) {
	if k.done {
		return secret.Text{}, fault.New("acme: renew", fault.Denied, connector.CodeReauthorize, "over")
	}
	k.n++
	return k.Token(ctx)
}

// only answers 200 to the token named, 401 to others.
type only struct {
	answering

	token string
}

func (o *only) RoundTrip(req *http.Request) (*http.Response, error) {
	o.status, o.body = 401, nil
	if req.Header.Get("Authorization") == "Bearer "+o.token {
		o.status = 200
	}
	return o.answering.RoundTrip(req)
}

func TestATokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		good  string
		done  bool
		calls int
		code  string
	}{
		"still good": {"token 0", false, 1, "other"},
		"renewed":    {"token 1", false, 2, "other"},
		"refused":    {"token 2", false, 2, connector.CodeReauthorize},
		"grant gone": {"token 1", true, 1, connector.CodeReauthorize},
	} {
		rt := &only{token: c.good}
		_, err := open(t, acme(), rt, connector.Config{Kind: crm.AuthOAuth2, Tokens: &tokens{done: c.done}}).Call(t.Context(),
			rest.Request{Op: "acme: write", Method: "POST", Body: 1, Write: true}, nil)
		if fault.CodeOf(err) != c.code || rt.calls != c.calls || fault.MayHaveLanded(err) {
			t.Errorf("%s: %v after %d calls, want %s after %d", name, err, rt.calls, c.code, c.calls)
		}
		if rt.sent != "1" {
			t.Errorf("%s: the repeat sent %q", name, rt.sent)
		}
	}
	locked := acme()
	locked.Renewable = func(body []byte) bool { return !strings.Contains(string(body), "locked") }
	locked.Errors.Statuses[401] = rest.Meaning{Kind: fault.Denied, Code: connector.CodePermission}
	rt := &answering{status: 401, body: strings.NewReader("locked")}
	if _, err := open(t, locked, rt, connector.Config{Kind: crm.AuthOAuth2, Tokens: &tokens{}}).Call(t.Context(),
		rest.Request{}, nil); rt.calls != 1 || fault.CodeOf(err) != connector.CodePermission {
		t.Errorf("locked out: %v after %d calls", err, rt.calls)
	}
}

func TestClassification(t *testing.T) {
	t.Parallel()
	type want struct {
		Kind    fault.Kind
		Code    string
		Wait    time.Duration
		Landed  bool
		Guessed bool
		Fields  string
	}
	day := http.Header{"Date": {"Mon, 02 Mar 2026 09:30:00 GMT"}}
	with := func(k, v string) http.Header {
		h := day.Clone()
		h.Set(k, v)
		return h
	}
	for name, c := range map[string]struct {
		status int
		body   string
		header http.Header
		want   want
	}{
		"status":             {403, "<html>", nil, want{Kind: fault.Denied, Code: connector.CodePermission}},
		"status of the app":  {423, "{}", nil, want{Kind: fault.Conflict, Code: connector.CodeLocked, Wait: time.Second}},
		"word":               {418, `[{"Words":["TAKEN"]}]`, nil, want{Kind: fault.Conflict, Code: connector.CodeExists}},
		"word before status": {500, `[{"Words":["BAD"]}]`, nil, want{Kind: fault.Invalid, Code: connector.CodeValue}},
		"first known word":   {400, `[{"Words":["NEW","GONE","BAD"]}]`, nil, want{Kind: fault.NotFound}},
		"first problem": {
			400, `[{"Words":["BAD"],"Fields":["a"]},{"Words":["TAKEN"],"Fields":["b","a"]},{"Words":["NEW"],"Fields":["c"]}]`,
			nil,
			want{
				Kind: fault.Invalid, Code: connector.CodeValue, Fields: "a invalid_value,b already_exists,c invalid_value",
			},
		},
		"unknown word": {400, `[{"Words":["NEW"]}]`, nil, want{Kind: fault.Invalid, Code: connector.CodeRejected}},
		"quota": {
			403, `[{"Words":["DAY"]}]`, nil, want{
				Kind: fault.Throttled, Code: connector.CodeQuota, Wait: time.Minute, Guessed: true,
			},
		},
		"quota until": {
			429, `[{"Words":["DAY"]}]`, http.Header{"Retry-After": {"7"}}, want{
				Kind: fault.Throttled, Code: connector.CodeQuota, Wait: 7 * time.Second,
			},
		},
		"a date": {
			429, ``, with("Retry-After", "Mon, 02 Mar 2026 09:30:20 GMT"), want{
				Kind: fault.Throttled, Code: connector.CodeRate, Wait: 20 * time.Second,
			},
		},
		"a date that has passed": {
			429, ``, with("Retry-After", "Mon, 02 Mar 2026 09:20:00 GMT"), want{Kind: fault.Throttled, Code: connector.CodeRate},
		},
		"a date without a clock": {
			429, ``, http.Header{"Retry-After": {"Mon, 02 Mar 2026 09:30:20 GMT"}}, want{
				Kind: fault.Throttled, Code: connector.CodeRate,
			},
		},
		"the app's header": {
			429, ``, http.Header{"X-Reset": {"1.5"}}, want{
				Kind: fault.Throttled, Code: connector.CodeRate, Wait: 1500 * time.Millisecond,
			},
		},
		"both headers": {
			429, ``, http.Header{"X-Reset": {"1"}, "Retry-After": {"2"}}, want{
				Kind: fault.Throttled, Code: connector.CodeRate, Wait: 2 * time.Second,
			},
		},
		"too long": {
			503, ``, http.Header{"Retry-After": {"99999999999"}}, want{Kind: fault.Unavailable, Wait: 24 * time.Hour},
		},
		"no number": {503, ``, http.Header{"Retry-After": {"NaN"}}, want{Kind: fault.Unavailable}},
		"negative":  {503, ``, http.Header{"Retry-After": {"-3"}}, want{Kind: fault.Unavailable}},
		"redirect": {
			307, ``, http.Header{"Location": {"https://elsewhere.example"}}, want{
				Kind: fault.Unavailable, Code: connector.CodeMalformed,
			},
		},
		"time-out of a gateway": {408, ``, nil, want{Kind: fault.Unavailable}},
		"retired":               {410, ``, nil, want{Kind: fault.Unsupported, Code: connector.CodeVersion}},
		"not found":             {404, ``, nil, want{Kind: fault.NotFound}},
		"conflict":              {409, ``, nil, want{Kind: fault.Conflict}},
	} {
		for _, write := range []bool{false, true} {
			rt := &answering{status: c.status, header: c.header, body: strings.NewReader(c.body)}
			_, err := open(t, acme(), rt, connector.Config{}).Call(t.Context(), rest.Request{Op: "acme: call", Write: write},
				nil)
			var e *fault.Error
			if !errors.As(err, &e) {
				t.Fatalf("%s: %v is not classified", name, err)
			}
			var fields []string
			for _, f := range e.Fields {
				fields = append(fields, f.Field+" "+f.Code)
			}
			got := want{e.Kind, e.Code, e.RetryAfter, e.MayHaveLanded, e.Guessed, strings.Join(fields, ",")}
			c.want.Landed = write && landed(c.status)
			if diff := cmp.Diff(c.want, got); diff != "" || rt.calls != 1 {
				t.Errorf("%s, write %t: %d calls (-want +got):\n%s", name, write, rt.calls, diff)
			}
		}
	}
}

// TestLimitsThatEndAtATime: a header tells the time, by the app's clock; a wait that is
// named comes first.
func TestLimitsThatEndAtATime(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]time.Duration{
		"1772443812": 12 * time.Second, "1772443700": 0, "soon": 0, "99999999999999": 24 * time.Hour,
	} {
		app := acme()
		app.Reset, app.ResetAt = "", "X-Reset-At"
		h := http.Header{"Date": {"Mon, 02 Mar 2026 09:30:00 GMT"}, "X-Reset-At": {at}}
		_, err := open(t, app, &answering{status: 429, header: h, body: strings.NewReader("")},
			connector.Config{}).Call(t.Context(), rest.Request{}, nil)
		if got := fault.RetryAfter(err); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
		h.Set("Retry-After", "7")
		_, err = open(t, app, &answering{status: 429, header: h, body: strings.NewReader("")},
			connector.Config{}).Call(t.Context(), rest.Request{}, nil)
		if got := fault.RetryAfter(err); got != 7*time.Second {
			t.Errorf("%s, and 7 named: %s", at, got)
		}
	}
}

// TestPlainRefusals: of an app that refuses things with any status, what a word refuses
// was not written; what it does not know still may have been.
func TestPlainRefusals(t *testing.T) {
	t.Parallel()
	for body, kind := range map[string]fault.Kind{
		`[{"Words":["TAKEN"]}]`: fault.Conflict, `[{"Words":["DAY"]}]`: fault.Throttled,
		`[{"Words":["NEW"]}]`: fault.Unavailable,
	} {
		e := acme().Errors
		e.Plain = true
		f := e.Classify(rest.Request{Write: true}, rest.Answer{Status: 500, Body: []byte(body)})
		if f.Kind != kind || f.MayHaveLanded != (kind != fault.Conflict) {
			t.Errorf("%s: %s, may have landed: %t", body, f.Kind, f.MayHaveLanded)
		}
	}
}

// landed says after which statuses nobody knows what became of a write.
func landed(status int) bool { return status < 400 || status == 408 || status >= 500 }

func TestRowsAreClassifiedByWhatWasToBeDone(t *testing.T) {
	t.Parallel()
	e := acme().Errors
	for name, c := range map[string]struct {
		op       connector.Op
		problems []rest.Problem
		kind     fault.Kind
		code     string
		text     string
	}{
		"gone": {
			connector.Update,
			[]rest.Problem{{Words: []string{"GONE"}}},
			fault.NotFound, "not_found",
			"Acme says GONE",
		},
		"gone, of a create": {
			connector.Create,
			[]rest.Problem{{Words: []string{"GONE"}}},
			fault.Invalid, connector.CodeValue,
			"Acme says GONE",
		},
		"a case": {
			connector.Create,
			[]rest.Problem{{Words: []string{"BAD@field"}, Fields: []string{"f"}}},
			fault.Invalid, connector.CodeOption, "Acme says BAD about f",
		},
		"unknown": {
			connector.Create,
			[]rest.Problem{{Words: []string{"NEW@x", "NEW_ONE"}}},
			fault.Invalid,
			connector.CodeRejected, "Acme refuses the record: NEW_ONE",
		},
		"personal": {
			connector.Create,
			[]rest.Problem{{Words: []string{"JANE@EXAMPLE.COM"}}},
			fault.Invalid,
			connector.CodeRejected, "Acme refuses the record",
		},
		"nothing": {connector.Create, nil, fault.Invalid, connector.CodeRejected, "Acme refuses the record"},
	} {
		if got := e.Row("acme: write", c.op, c.problems); got.Kind != c.kind || fault.CodeOf(got) != c.code ||
			got.Message != c.text {
			t.Errorf("%s: %v, want %s, %s, %q", name, got, c.kind, c.code, c.text)
		}
	}
	if e.Known("acme: read", []rest.Problem{{Words: []string{"NEW"}}}) != nil {
		t.Error("a word that the table lacks is known")
	}
}

func TestCallsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context //nolint:containedctx // a case's
		rt     *answering
		body   any
		landed bool
		calls  int
		code   string
		kind   fault.Kind
	}{
		"cancelled before": {over, &answering{status: 200}, 1, false, 0, "unavailable", fault.Unavailable},
		"no connection": {
			t.Context(), &answering{err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, 1, false, 1,
			"unavailable", fault.Unavailable,
		},
		"cut": {
			t.Context(), &answering{err: errors.New("reset")}, 1, true, 1, "unavailable", fault.Unavailable,
		},
		"cut in the middle": {
			t.Context(), &answering{status: 200, body: io.MultiReader(strings.NewReader("{"), broken{})}, 1,
			true, 1, "unavailable", fault.Unavailable,
		},
		"too large": {
			t.Context(), &answering{status: 200, body: io.LimitReader(blanks{}, connector.MaxResponse+1)},
			1, true, 1, connector.CodeMalformed, fault.Unavailable,
		},
		"no JSON": {
			t.Context(), &answering{status: 200, body: strings.NewReader("<html>canary")}, 1, true, 1,
			connector.CodeMalformed, fault.Unavailable,
		},
		"no value": {t.Context(), &answering{status: 200}, func() {}, false, 0, connector.CodeValue, fault.Invalid},
	} {
		var out map[string]any
		_, err := open(t, acme(), c.rt, connector.Config{}).Call(c.ctx, rest.Request{
			Op: "acme: write", Method: "POST", Path: "/p", Query: url.Values{"email": {"canary"}}, Body: c.body, Write: true,
		}, &out)
		if !fault.Is(err, c.kind) || fault.CodeOf(err) != c.code || fault.MayHaveLanded(err) != c.landed ||
			c.rt.calls != c.calls {
			t.Errorf("%s: %v, landed %t, %d calls", name, err, fault.MayHaveLanded(err), c.rt.calls)
		}
		if cause := c.ctx.Err(); cause != nil && !errors.Is(err, cause) || c.rt.err != nil && !errors.Is(err, c.rt.err) {
			t.Errorf("%s: %v does not say what went wrong", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the text %q holds personal data", name, err)
		}
	}
}

// closing tells whether an answer's body was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// TestBodiesAreClosed: whatever an answer is, its connection is given back.
func TestBodiesAreClosed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   io.Reader
	}{
		"fine":   {200, strings.NewReader("{}")},
		"failed": {500, strings.NewReader("oops")},
		"cut":    {200, broken{}},
		"large":  {200, io.LimitReader(blanks{}, connector.MaxResponse+1)},
	} {
		body := &closing{Reader: c.body}
		_, _ = open(t, acme(), answer{c.status, body}, connector.Config{}).Call(t.Context(), rest.Request{
			Op: "acme: read", Path: "/p",
		}, nil) // what comes of it is asserted elsewhere
		if !body.closed {
			t.Errorf("%s: it is left open", name)
		}
	}
}

// answer answers with a body as it is.
type answer struct {
	status int
	body   io.ReadCloser
}

func (a answer) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: a.body, Request: req}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("reset") }

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestAnswersAndExchanges(t *testing.T) {
	t.Parallel()
	rt := &answering{
		status: 201, header: http.Header{"X-Request": {"id-1"}, "Date": {"Mon, 02 Mar 2026 10:00:00 GMT"}},
		body: strings.NewReader(`{"a":"b"}`),
	}
	c := open(t, acme(), rt, connector.Config{BaseURL: "https://eu.acme.example/"})
	var out struct{ A string }
	r := rest.Request{Op: "acme: write", Method: "POST", Path: "/p", Body: map[string]string{"x": "<&>"}}
	a, err := c.Call(t.Context(), r, &out)
	if err != nil || out.A != "b" || a.ID != "id-1" || !a.Now.Equal(start.Add(30*time.Minute)) ||
		rt.sent != `{"x":"<&>"}` {
		t.Errorf("%+v, %+v, %v, sent %s", out, a, err, rt.sent)
	}
	if !c.Time().Equal(start.Add(30*time.Minute)) || !c.Clock().Equal(start) {
		t.Errorf("the app's time is %s, ours %s", c.Time(), c.Clock())
	}
	got := c.Exchange(r, a, []byte("\xffback"+strings.Repeat("x", 1<<20)))
	if len(got.Response) > 64<<10 || !strings.HasPrefix(got.Response, "back") {
		t.Errorf("the response is kept as %.10q, %d bytes", got.Response, len(got.Response))
	}
	got.Response = ""
	want := &connector.Exchange{
		Method: "POST", URL: "https://eu.acme.example/p", Status: 201, RequestID: "id-1", Request: `{"x":"<&>"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	rt.header.Set("X-Request", "jane doe") // not what an ID looks like
	if a, err = c.Call(t.Context(), r, nil); a.ID != "" || err != nil {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestAQuotaIsLeftToOthersWhenNearlySpent(t *testing.T) {
	t.Parallel()
	app := acme()
	app.Usage = func(h http.Header) (used, limit int, ok bool) {
		return len(h.Get("Used")), 10, h.Get("Used") != ""
	}
	now := start.Add(20 * time.Second)
	rt := &answering{status: 200, header: http.Header{"Used": {"123456789"}}}
	c, err := app.Open(connector.Config{
		Kind: crm.AuthToken, Credentials: map[string]secret.Text{"token": secret.NewText("t")},
		HTTP: &http.Client{Transport: rt}, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	call := func(ctx context.Context, urgent bool) error {
		rt.body = nil
		_, err := c.Call(ctx, rest.Request{Op: "acme: read", Urgent: urgent}, nil)
		return err
	}
	if err := call(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := call(t.Context(), false); fault.CodeOf(err) != connector.CodeQuota ||
		fault.RetryAfter(err) != 40*time.Second || !fault.Guessed(err) || rt.calls != 1 {
		t.Errorf("nine tenths used: %v, wait %s, %d calls", err, fault.RetryAfter(err), rt.calls)
	}
	if err := errors.Join(call(connector.Foreground(t.Context()), false), call(t.Context(), true)); err != nil ||
		rt.calls != 3 {
		t.Errorf("a person who waits, and a test of the account: %v, %d calls", err, rt.calls)
	}
	now = now.Add(40 * time.Second)
	rt.header.Set("Used", "12345678")
	if err := errors.Join(call(t.Context(), false), call(t.Context(), false)); err != nil {
		t.Errorf("once there is room again: %v", err)
	}
}
