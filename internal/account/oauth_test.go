package account

import (
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func TestX6_StateWorksOnce(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	w.setClient(s)
	state, code := w.begin(s, AuthorizeRequest{User: "ada@example.com"})
	if strings.Contains(w.contents(), state) {
		t.Error("the state is stored as it is")
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		worker := w.worker()
		wg.Go(func() {
			got, err := worker.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
			switch {
			case err == nil:
				won.Add(1)
				if got.User != "ada@example.com" || got.Workspace != ws || !got.Created || got.ExternalID != "portal-1" {
					t.Errorf("%+v", got)
				}
			case fault.CodeOf(err) != "invalid_state":
				t.Errorf("a loser got %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d callbacks completed one authorisation", won.Load())
	}
	accounts, _, err := s.List(t.Context(), ws, 0, "")
	if err != nil || len(accounts) != 1 {
		t.Errorf("%d accounts, %v; want 1", len(accounts), err)
	}
}

func TestX6_RefusedFlowsChangeNothing(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		do   func(w *world, c *testclock.Clock, s *Service, state, code string) CallbackRequest
		kind fault.Kind
		code string
		open bool // the state may still be used
	}{
		"unknown state": {func(_ *world, _ *testclock.Clock, _ *Service, _, code string) CallbackRequest {
			return CallbackRequest{State: strings.Repeat("A", 43), Code: code}
		}, fault.Invalid, "invalid_state", true},
		"no state": {func(_ *world, _ *testclock.Clock, _ *Service, _, code string) CallbackRequest {
			return CallbackRequest{Code: code}
		}, fault.Invalid, "invalid_state", true},
		"another browser": {func(w *world, _ *testclock.Clock, s *Service, state, code string) CallbackRequest {
			other, _ := w.begin(s, AuthorizeRequest{User: "mallory@example.com"})
			return CallbackRequest{Browser: w.browser(other), State: state, Code: code}
		}, fault.Invalid, "invalid_state", true},
		"no browser": {func(_ *world, _ *testclock.Clock, _ *Service, state, code string) CallbackRequest {
			return CallbackRequest{State: state, Code: code}
		}, fault.Invalid, "invalid_state", true},
		"begun by nobody": {func(w *world, _ *testclock.Clock, s *Service, _, code string) CallbackRequest {
			a, err := s.Authorize(w.t.Context(), ws, AuthorizeRequest{App: appID, Name: "Sales"})
			if err != nil {
				w.t.Fatal(err)
			}
			return CallbackRequest{State: a.State, Code: code}
		}, fault.Invalid, "invalid_state", true},
		"expired": {func(w *world, c *testclock.Clock, _ *Service, state, code string) CallbackRequest {
			c.Advance(StateFor)
			return CallbackRequest{Browser: w.browser(state), State: state, Code: code}
		}, fault.Invalid, "invalid_state", false},
		"cancelled": {func(w *world, _ *testclock.Clock, _ *Service, state, _ string) CallbackRequest {
			return CallbackRequest{Browser: w.browser(state), State: state, Error: "access_denied"}
		}, fault.Denied, "authorization_refused", false},
		"no code": {func(w *world, _ *testclock.Clock, _ *Service, state, _ string) CallbackRequest {
			return CallbackRequest{Browser: w.browser(state), State: state}
		}, fault.Denied, "authorization_refused", false},
		"foreign code": {func(w *world, _ *testclock.Clock, _ *Service, state, _ string) CallbackRequest {
			return CallbackRequest{Browser: w.browser(state), State: state, Code: "stolen"}
		}, fault.Denied, "authorization_refused", false},
		"code of another flow: PKCE": {func(w *world, _ *testclock.Clock, s *Service, state, _ string) CallbackRequest {
			_, foreign := w.begin(s, AuthorizeRequest{User: "mallory@example.com"})
			return CallbackRequest{Browser: w.browser(state), State: state, Code: foreign}
		}, fault.Denied, "authorization_refused", false},
		"client replaced meanwhile": {func(w *world, _ *testclock.Clock, s *Service, state, code string) CallbackRequest {
			err := s.SetClient(w.t.Context(), ws, appID, connector.Client{
				ID: "other", Secret: secret.NewText("x"), RedirectURI: "https://sync.example.com/cb",
			})
			if err != nil {
				w.t.Fatal(err)
			}
			return CallbackRequest{Browser: w.browser(state), State: state, Code: code}
		}, fault.Invalid, "invalid_state", false},
		"host in the token reply": {func(w *world, _ *testclock.Clock, _ *Service, state, code string) CallbackRequest {
			w.auth.base = "https://169.254.169.254"
			return CallbackRequest{Browser: w.browser(state), State: state, Code: code}
		}, fault.Invalid, codeBaseURL, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, clock := newManual(t)
			s := w.worker()
			w.setClient(s)
			state, code := w.begin(s, AuthorizeRequest{User: "ada@example.com"})
			req := c.do(w, clock, s, state, code)
			_, err := s.Callback(t.Context(), req)
			wantKind(t, err, c.kind, c.code)
			accounts, _, err := s.List(t.Context(), ws, 0, "")
			if err != nil || len(accounts) != 0 || strings.Contains(w.contents(), credentialPrefix) {
				t.Errorf("something is half made: %v, %v", accounts, err)
			}
			_, err = s.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
			if (err == nil) != c.open {
				t.Errorf("the right callback afterwards: %v, want it to work: %t", err, c.open)
			}
		})
	}
}

func TestRow12_RefusalLeavesTheOldAuthorisation(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.oauthAccount(s)
	before := w.contents()
	state, _ := w.begin(s, AuthorizeRequest{Account: a.ID})
	_, err := s.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Error: "access_denied"})
	wantKind(t, err, fault.Denied, "authorization_refused")
	if diff := cmp.Diff(before, w.contents()); diff != "" {
		t.Errorf("a cancelled authorisation changed something (-before +after):\n%s", diff)
	}
	// A store that fails at the very end leaves nothing half made either.
	f := &faulty{Store: w.store}
	broken := w.worker(func(o *Options) { o.Store = f })
	state, code := w.begin(broken, AuthorizeRequest{Account: a.ID})
	f.set(func(k store.Key) error {
		if k.Workspace == ws {
			return &fault.Error{Kind: fault.Unavailable}
		}
		return nil
	}, nil)
	if _, err := broken.Callback(t.Context(), CallbackRequest{
		Browser: w.browser(state), State: state, Code: code,
	}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v, want Unavailable", err)
	}
	if diff := cmp.Diff(before, w.contents()); diff != "" {
		t.Errorf("a failed authorisation changed something (-before +after):\n%s", diff)
	}
}

func TestX6_AuthorizeURLBindsPKCEAndRedirect(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	_, err := s.Authorize(t.Context(), ws, AuthorizeRequest{App: appID, Name: "Sales"})
	wantKind(t, err, fault.Invalid, codeNoClient)
	w.setClient(s)
	seen := map[string]bool{}
	for range 50 {
		a, err := s.Authorize(t.Context(), ws, AuthorizeRequest{App: appID, Name: "Sales"})
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Begin(t.Context(), a.State)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Begin(t.Context(), a.State); !fault.Is(err, fault.Invalid) {
			t.Fatalf("begun twice: %v", err)
		}
		u, err := url.Parse(b.URL)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if len(q.Get("state")) != 43 || len(q.Get("challenge")) != 43 ||
			q.Get("redirect_uri") != "https://sync.example.com/v1/oauth/callback" {
			t.Fatalf("%s", b.URL)
		}
		seen[q.Get("state")], seen[q.Get("challenge")] = true, true
	}
	if len(seen) != 100 {
		t.Errorf("%d different states and challenges, want 100", len(seen))
	}
	_, err = s.Authorize(t.Context(), ws, AuthorizeRequest{App: plain, Name: "x"})
	wantKind(t, err, fault.Unsupported, "")
	_, err = s.Authorize(t.Context(), ws, AuthorizeRequest{App: "nosuch", Name: "x"})
	wantKind(t, err, fault.NotFound, "")
	_, err = s.Authorize(t.Context(), ws, AuthorizeRequest{App: appID})
	wantKind(t, err, fault.Invalid, "invalid_name")
	_, err = s.Authorize(t.Context(), ws, AuthorizeRequest{App: appID, Name: "x", BaseURL: "http://127.0.0.1"})
	wantKind(t, err, fault.Invalid, codeBaseURL)
	a := w.tokenAccount(w.worker(), "12345-canary")
	_, err = s.Authorize(t.Context(), other, AuthorizeRequest{App: appID, Account: a.ID})
	wantKind(t, err, fault.NotFound, "")
	_, err = s.Authorize(t.Context(), ws, AuthorizeRequest{App: appID, Account: mustPlain(t, w, w.worker()).ID})
	wantKind(t, err, fault.NotFound, "")
	// The client of one workspace is not another's.
	_, err = s.Authorize(t.Context(), other, AuthorizeRequest{App: appID, Name: "x"})
	wantKind(t, err, fault.Invalid, codeNoClient)
}

func TestReauthorisationKeepsThePortal(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.oauthAccount(s)
	before := w.contents()
	w.auth.portal = "portal-2"
	state, code := w.begin(s, AuthorizeRequest{Account: a.ID})
	_, err := s.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
	wantKind(t, err, fault.Conflict, "different_account")
	if diff := cmp.Diff(before, w.contents()); diff != "" {
		t.Errorf("another portal's consent changed the account (-before +after):\n%s", diff)
	}
	// As a new account it is welcome; the first one's portal is authorised again instead.
	state, code = w.begin(s, AuthorizeRequest{Name: "Second"})
	second, err := s.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
	if err != nil || !second.Created || second.ID == a.ID {
		t.Fatalf("%+v, %v", second, err)
	}
	w.auth.portal = "portal-1"
	state, code = w.begin(s, AuthorizeRequest{Name: "Third"})
	third, err := s.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
	if err != nil || third.Created || third.ID != a.ID || third.Name != a.Name {
		t.Errorf("%+v, %v: want the account of that portal", third, err)
	}
}

func TestRow13_AccountsOfOneAppStayApart(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.oauthAccount(s)
	w.auth.portal = "portal-2"
	b := w.oauthAccount(s)
	ta, err := w.tokens(s, a.ID).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tb, err := w.tokens(s, b.ID).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.ID == b.ID || ta.Reveal() == tb.Reveal() {
		t.Error("two accounts share a token")
	}
}

func TestSetClientRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	good := connector.Client{
		ID: "id", Secret: secret.NewText("canary-client"), RedirectURI: "http://localhost:8080/v1/oauth/callback",
	}
	cases := map[string]struct {
		change func(*connector.Client)
		field  string
	}{
		"no id":           {func(c *connector.Client) { c.ID = "" }, "client_id"},
		"blank in id":     {func(c *connector.Client) { c.ID = "a b" }, "client_id"},
		"no secret":       {func(c *connector.Client) { c.Secret = secret.Text{} }, "client_secret"},
		"no redirect":     {func(c *connector.Client) { c.RedirectURI = "" }, "redirect_uri"},
		"plain http":      {func(c *connector.Client) { c.RedirectURI = "http://sync.example.com/cb" }, "redirect_uri"},
		"fragment":        {func(c *connector.Client) { c.RedirectURI = "https://sync.example.com/cb#x" }, "redirect_uri"},
		"user name":       {func(c *connector.Client) { c.RedirectURI = "https://a@sync.example.com/cb" }, "redirect_uri"},
		"another scheme":  {func(c *connector.Client) { c.RedirectURI = "javascript:alert(1)" }, "redirect_uri"},
		"loopback's name": {func(c *connector.Client) { c.RedirectURI = "http://localhost.evil.example/cb" }, "redirect_uri"},
	}
	for name, c := range cases {
		client := good
		c.change(&client)
		err := s.SetClient(t.Context(), ws, appID, client)
		wantKind(t, err, fault.Invalid, "invalid_client")
		if e := new(fault.Error); !asFault(err, &e) || e.Field != c.field {
			t.Errorf("%s: %v, want field %s", name, err, c.field)
		}
	}
	_, err := s.Client(t.Context(), ws, appID)
	wantKind(t, err, fault.NotFound, codeNoClient)
	if err := s.SetClient(t.Context(), ws, appID, good); err != nil {
		t.Fatal(err)
	}
	got, err := s.Client(t.Context(), ws, appID)
	if err != nil || got != good {
		t.Errorf("%+v, %v", got, err)
	}
	if b, err := json.Marshal(got); err != nil || strings.Contains(string(b), "canary") ||
		strings.Contains(w.contents(), "canary") {
		t.Error("the secret shows")
	}
	wantKind(t, s.SetClient(t.Context(), ws, plain, good), fault.Unsupported, "")
	wantKind(t, s.SetClient(t.Context(), ws, "nosuch", good), fault.NotFound, "")
}

func TestAnExpiredStateIsGoneEvenIfTheStoreKeepsIt(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	s := w.worker()
	w.setClient(s)
	// The store's clock stands still: the service must look itself.
	late := w.worker(func(o *Options) { o.Now = func() time.Time { return c.Now().Add(StateFor) } })
	state, code := w.begin(s, AuthorizeRequest{})
	_, err := late.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
	wantKind(t, err, fault.Invalid, "invalid_state")
}
