package account

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// together runs f for each token source at once and returns the tokens.
func together(t *testing.T, sources []connector.Tokens, f func(connector.Tokens) (secret.Text, error)) map[string]int {
	t.Helper()
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for _, source := range sources {
		wg.Go(func() {
			token, err := f(source)
			if err != nil {
				t.Errorf("no token: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got[token.Reveal()]++
		})
	}
	wg.Wait()
	return got
}

func waiting(o *Options) { o.Sleep = sleep }

func TestS19_OneRefreshPerExpiryForTenWorkers(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"ten processes": false, "one process": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, time.Now)
				w.auth.takes = time.Second
				first := w.worker(waiting)
				a := w.oauthAccount(first)
				var sources []connector.Tokens
				for range 10 {
					s := first
					if !shared {
						s = w.worker(waiting)
					}
					sources = append(sources, w.tokens(s, a.ID))
				}
				get := func(s connector.Tokens) (secret.Text, error) { return s.Token(t.Context()) }
				for expiry := 1; expiry <= 3; expiry++ {
					sleep(t.Context(), w.auth.lifetime)
					got := together(t, sources, get)
					if refreshes, asked := w.auth.counts(); refreshes != expiry || asked != expiry || len(got) != 1 {
						t.Fatalf("after %d expiries: %d refreshes, %d asked for, %d different tokens", expiry, refreshes, asked, len(got))
					}
					together(t, sources, get) // all know it by now
				}
				// A token that the app refuses before its time: again one refresh.
				stale, err := sources[0].Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got := together(t, sources, func(s connector.Tokens) (secret.Text, error) { return s.Renew(t.Context(), stale) })
				if refreshes, _ := w.auth.counts(); refreshes != 4 || len(got) != 1 || got[stale.Reveal()] != 0 {
					t.Errorf("after a refused token: %d refreshes, tokens %v", refreshes, got)
				}
			})
		})
	}
}

func TestS19_WhoCannotWaitIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	s, late := w.worker(), w.worker()
	a := w.oauthAccount(s)
	c.Advance(w.auth.lifetime)
	source := w.tokens(late, a.ID)
	var err error
	w.auth.during = func() { _, err = source.Token(t.Context()) }
	if _, err := w.tokens(s, a.ID).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, err, fault.Unavailable, "token_refresh")
	if fault.RetryAfter(err) <= 0 || fault.MayHaveLanded(err) {
		t.Errorf("%v: want a wait, and nothing landed", err)
	}
	w.auth.during = nil
	if _, err := source.Token(t.Context()); err != nil {
		t.Errorf("later: %v", err)
	}
	if refreshes, _ := w.auth.counts(); refreshes != 1 {
		t.Errorf("%d refreshes, want 1", refreshes)
	}
}

func TestS19_ATokenStillAliveIsUsedWhileItIsRefreshed(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	s, second := w.worker(), w.worker()
	a := w.oauthAccount(s)
	old, err := w.tokens(s, a.ID).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(w.auth.lifetime - 30*time.Second) // inside the margin
	source := w.tokens(second, a.ID)
	var during secret.Text
	w.auth.during = func() { during, err = source.Token(t.Context()) }
	if _, refreshErr := w.tokens(s, a.ID).Token(t.Context()); refreshErr != nil || err != nil {
		t.Fatal(refreshErr, err)
	}
	if during.Reveal() != old.Reveal() {
		t.Error("the second worker did not use the token that still lived")
	}
	w.auth.during, w.auth.fail = nil, fault.New("x", fault.Unavailable, "", "")
	c.Advance(w.auth.lifetime - 30*time.Second)
	if _, err := w.tokens(s, a.ID).Token(t.Context()); err != nil {
		t.Errorf("an early refresh failed, the token lives, but: %v", err)
	}
	c.Advance(time.Minute)
	_, err = w.tokens(s, a.ID).Token(t.Context())
	wantKind(t, err, fault.Unavailable, "")
}

func TestS19_NewPairIsStoredBeforeItsFirstUse(t *testing.T) {
	t.Parallel()
	for name, landed := range map[string]bool{"write refused": false, "answer lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, c := newManual(t)
			f := &faulty{Store: w.store}
			s := w.worker(func(o *Options) { o.Store = f })
			a := w.oauthAccount(s)
			source := w.tokens(s, a.ID)
			c.Advance(w.auth.lifetime)
			down := &fault.Error{Op: "store", Kind: fault.Unavailable, MayHaveLanded: landed}
			broken := func(k store.Key) error {
				if _, asked := w.auth.counts(); asked > 0 && strings.HasPrefix(k.Sort, credentialPrefix) {
					return down
				}
				return nil
			}
			if landed {
				f.set(nil, broken)
			} else {
				f.set(broken, nil)
			}
			_, err := source.Token(t.Context())
			if landed {
				if err != nil { // it was found stored when looked at again
					t.Fatal(err)
				}
			} else {
				wantKind(t, err, fault.Unavailable, "")
				if fault.MayHaveLanded(err) {
					t.Error("a call that was never made may have landed")
				}
			}
			f.set(nil, nil)
			token, err := source.Token(t.Context())
			if err != nil {
				t.Fatalf("after the outage: %v", err)
			}
			if refreshes, asked := w.auth.counts(); refreshes != 1 || asked != 1 {
				t.Errorf("%d refreshes, %d asked for, want 1: the pair must survive the outage", refreshes, asked)
			}
			elsewhere, err := w.tokens(w.worker(), a.ID).Token(t.Context())
			if err != nil || elsewhere.Reveal() != token.Reveal() {
				t.Errorf("another process does not find the pair: %v", err)
			}
		})
	}
}

func TestS19_CancelledCallerDoesNotCostTheNewPair(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	s := w.worker()
	a := w.oauthAccount(s)
	source := w.tokens(s, a.ID)
	c.Advance(w.auth.lifetime)
	ctx, cancel := context.WithCancel(t.Context())
	w.auth.during = cancel
	_, _ = source.Token(ctx)
	w.auth.during = nil
	if _, err := w.tokens(w.worker(), a.ID).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if refreshes, _ := w.auth.counts(); refreshes != 1 {
		t.Errorf("%d refreshes, want 1", refreshes)
	}
}

func TestS19_CrashBetweenRefreshAndStore(t *testing.T) {
	t.Parallel()
	for name, lenient := range map[string]bool{"the app keeps the old refresh token": true, "the app rotates": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, c := newManual(t)
			w.auth.lenient = lenient
			f := &faulty{Store: w.store}
			s := w.worker(func(o *Options) { o.Store = f })
			a := w.oauthAccount(s)
			source := w.tokens(s, a.ID)
			c.Advance(w.auth.lifetime)
			f.set(func(store.Key) error {
				if _, asked := w.auth.counts(); asked > 0 {
					return errors.New("the process is dead")
				}
				return nil
			}, nil)
			if _, err := source.Token(t.Context()); err == nil {
				t.Fatal("a token came out of a dead process")
			}
			heir := w.tokens(w.worker(), a.ID)
			_, err := heir.Token(t.Context())
			wantKind(t, err, fault.Unavailable, "token_refresh") // the dead worker's lease
			c.Advance(leaseFor)
			_, err = heir.Token(t.Context())
			if lenient {
				if err != nil {
					t.Errorf("the old refresh token works, but: %v", err)
				}
				return
			}
			wantKind(t, err, fault.Denied, codeReauthorize)
			if got, _ := s.Get(t.Context(), ws, a.ID); got.Status != StatusNeedsAuth {
				t.Errorf("status %s, want needs_authorization", got.Status)
			}
		})
	}
}

func TestS19_InvalidGrantLooksOnceMore(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	s := w.worker()
	// The other worker's clock runs ahead, so it does not respect our lease.
	hasty := w.worker(func(o *Options) { o.Now = func() time.Time { return c.Now().Add(24 * time.Hour) } })
	a := w.oauthAccount(s)
	c.Advance(w.auth.lifetime)
	ours, theirs := w.tokens(s, a.ID), w.tokens(hasty, a.ID)
	w.auth.during = func() {
		w.auth.mu.Lock()
		w.auth.during = nil
		w.auth.mu.Unlock()
		if _, err := theirs.Token(t.Context()); err != nil {
			t.Errorf("the hasty worker: %v", err)
		}
	}
	got, err := ours.Token(t.Context())
	if err != nil {
		t.Fatalf("our refresh token was rotated away, the new pair is stored, but: %v", err)
	}
	if !w.auth.accepts(got.Reveal()) {
		t.Error("the token is not the rotated one")
	}
	if refreshes, asked := w.auth.counts(); refreshes != 1 || asked != 2 {
		t.Errorf("%d refreshes, %d asked for, want 1 and 2", refreshes, asked)
	}
	if got, _ := s.Get(t.Context(), ws, a.ID); got.Status != StatusOK {
		t.Errorf("status %s, want ok", got.Status)
	}
}

func TestS19_RevokedIsParkedThenResumed(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	s := w.worker()
	a := w.oauthAccount(s)
	source := w.tokens(s, a.ID)
	w.auth.revoke()
	stale, err := source.Token(t.Context()) // not known to be refused yet
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		_, err = source.Renew(t.Context(), stale)
		wantKind(t, err, fault.Denied, codeReauthorize)
		c.Advance(time.Hour)
	}
	if _, asked := w.auth.counts(); asked != 1 {
		t.Errorf("the app was asked %d times about a dead grant, want 1", asked)
	}
	if got, _ := s.Get(t.Context(), ws, a.ID); got.Status != StatusNeedsAuth {
		t.Fatalf("status %s, want needs_authorization", got.Status)
	}
	state, code := w.begin(s, AuthorizeRequest{Account: a.ID})
	again, err := s.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != a.ID || again.Created || again.Status != StatusOK {
		t.Errorf("authorised again: %+v", again)
	}
	if _, err := source.Renew(t.Context(), stale); err != nil { // the connector that was open all the time
		t.Errorf("resumed: %v", err)
	}
	if id, err := s.Test(t.Context(), ws, a.ID); err != nil || id.ExternalID != "portal-1" {
		t.Errorf("Test = %+v, %v", id, err)
	}
}

func TestS19_FailuresOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fail error
		kind fault.Kind
		code string
	}{
		"throttled": {
			&fault.Error{Kind: fault.Throttled, Code: "rate_limited", RetryAfter: 7 * time.Second}, fault.Throttled,
			"rate_limited",
		},
		"down":           {&fault.Error{Kind: fault.Unavailable, MayHaveLanded: true}, fault.Unavailable, ""},
		"client refused": {&fault.Error{Kind: fault.Invalid, Code: "invalid_client"}, fault.Denied, codeClientRefused},
		"cannot refresh": {&fault.Error{Kind: fault.Unsupported}, fault.Denied, codeReauthorize},
		"nonsense":       {&fault.Error{Kind: fault.Conflict}, fault.Unavailable, ""},
		"a bug":          {errors.New("bug"), fault.Unavailable, ""},
		"no time":        {context.DeadlineExceeded, fault.Unavailable, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, clock := newManual(t)
			s := w.worker()
			a := w.oauthAccount(s)
			source := w.tokens(s, a.ID)
			clock.Advance(w.auth.lifetime)
			w.auth.fail = c.fail
			_, err := source.Token(t.Context())
			wantKind(t, err, c.kind, c.code)
			if fault.MayHaveLanded(err) {
				t.Error("no write of the caller can have landed")
			}
			if want := fault.RetryAfter(c.fail); want != 0 && fault.RetryAfter(err) != want {
				t.Errorf("RetryAfter %s, want %s", fault.RetryAfter(err), want)
			}
			_, asked := w.auth.counts()
			if asked != 1 {
				t.Errorf("asked %d times, want 1", asked)
			}
			if c.code == codeReauthorize {
				return
			}
			w.auth.fail = nil
			if _, err := w.tokens(w.worker(), a.ID).Token(t.Context()); err != nil {
				t.Errorf("the lease was not given back: %v", err)
			}
		})
	}
}

func TestClientCredentialsNeedNoRefreshToken(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	w.auth.base = "https://eu1.crm.example.com"
	s := w.worker()
	a, err := s.Create(t.Context(), ws, Draft{
		App: appID, Name: "Org", BaseURL: "https://crm.example.com",
		Credentials: Credentials{
			Kind: crm.AuthOAuth2, Fields: map[string]secret.Text{
				"client_id": secret.NewText("own-client"), "client_secret": secret.NewText("own-secret-canary"),
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		if _, err := s.Test(t.Context(), ws, a.ID); err != nil {
			t.Fatal(err)
		}
		if refreshes, _ := w.auth.counts(); refreshes != i {
			t.Errorf("%d refreshes after %d lifetimes", refreshes, i)
		}
		c.Advance(w.auth.lifetime)
	}
	got, err := s.Get(t.Context(), ws, a.ID)
	if err != nil || got.ExternalID != "portal-1" || got.BaseURL != w.auth.base ||
		got.LoginURL != "https://crm.example.com" {
		t.Errorf("%+v, %v: want the portal, the host of the data and that of the login", got, err)
	}
	w.auth.base = "https://evil.example"
	_, err = s.Test(t.Context(), ws, a.ID)
	wantKind(t, err, fault.Invalid, codeBaseURL)
}

func TestUnknownExpiryIsUsedUntilRefused(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	w.auth.lifetime = 0
	s := w.worker()
	a := w.oauthAccount(s)
	source := w.tokens(s, a.ID)
	old, err := source.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(1000 * time.Hour)
	if again, err := source.Token(t.Context()); err != nil || again.Reveal() != old.Reveal() {
		t.Errorf("another token, %v", err)
	}
	if _, asked := w.auth.counts(); asked != 0 {
		t.Errorf("asked %d times, want 0", asked)
	}
	if fresh, err := source.Renew(t.Context(), old); err != nil || fresh.Reveal() == old.Reveal() {
		t.Errorf("refused, but not renewed: %v", err)
	}
}

func TestS22_TokensSurviveWrongClocks(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-24 * time.Hour, -time.Hour, time.Hour, 24 * time.Hour} {
		w, c := newManual(t)
		s := w.worker()
		wrong := w.worker(func(o *Options) { o.Now = func() time.Time { return c.Now().Add(skew) } })
		a := w.oauthAccount(s)
		for range 6 {
			for _, worker := range []*Service{s, wrong} {
				source := w.tokens(worker, a.ID)
				token, err := source.Token(t.Context())
				if err == nil && !w.auth.accepts(token.Reveal()) {
					_, err = source.Renew(t.Context(), token)
				}
				if err != nil {
					t.Errorf("skew %s: %v", skew, err)
				}
			}
			c.Advance(20 * time.Minute)
		}
		if refreshes, _ := w.auth.counts(); refreshes > 12 {
			t.Errorf("skew %s: %d refreshes for 12 uses", skew, refreshes)
		}
	}
}
