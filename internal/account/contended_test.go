package account

import (
	"context"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// rival lets somebody else always be faster: every conditional write of an item
// whose sort key has the prefix finds another version.
func rival(prefix string) func(store.Key) error {
	return func(k store.Key) error {
		if strings.HasPrefix(k.Sort, prefix) {
			return fault.New("test: write", fault.Conflict, "", "somebody was faster")
		}
		return nil
	}
}

// TestContendedChangesEndAndChangeNothing: a change that always finds somebody
// faster ends with a Conflict that says so, after a bounded number of tries.
func TestContendedChangesEndAndChangeNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prefix string
		do     func(ctx context.Context, w *world, s *Service, id crm.AccountID) error
	}{
		"update": {accountPrefix, func(ctx context.Context, _ *world, s *Service, id crm.AccountID) error {
			fresh := "New"
			_, err := s.Update(ctx, ws, id, 0, Change{Name: &fresh})
			return err
		}},
		"delete": {accountPrefix, func(ctx context.Context, _ *world, s *Service, id crm.AccountID) error {
			return s.Delete(ctx, ws, id, 0)
		}},
		"test": {accountPrefix, func(ctx context.Context, _ *world, s *Service, id crm.AccountID) error {
			_, err := s.Test(ctx, ws, id)
			return err
		}},
		"make a hook": {hookPrefix, func(ctx context.Context, _ *world, s *Service, id crm.AccountID) error {
			_, err := s.EnsureWebhook(ctx, ws, id)
			return err
		}},
		"rotate a hook": {hookPrefix, func(ctx context.Context, _ *world, s *Service, id crm.AccountID) error {
			_, err := s.RotateWebhook(ctx, ws, id, false)
			return err
		}},
		"count a refusal": {refusedPrefix, func(ctx context.Context, _ *world, s *Service, id crm.AccountID) error {
			return s.RefusedDelivery(ctx, ws, id, "forged")
		}},
		"authorise": {accountPrefix, func(ctx context.Context, w *world, s *Service, id crm.AccountID) error {
			w.setClient(s)
			state, code := w.begin(s, AuthorizeRequest{Account: id})
			_, err := s.Callback(ctx, CallbackRequest{Browser: w.browser(state), State: state, Code: code})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newManual(t)
			f := &faulty{Store: w.store}
			s := w.worker(func(o *Options) { o.Store = f })
			a := w.tokenAccount(s, "12345-canary")
			tries := 0
			lost := rival(c.prefix)
			f.set(func(k store.Key) error {
				err := lost(k)
				if err != nil {
					tries++
				}
				return err
			}, nil)
			wantKind(t, c.do(t.Context(), w, s, a.ID), fault.Conflict, "contended")
			if tries != maxTries {
				t.Errorf("%d tries, want %d", tries, maxTries)
			}
			f.set(nil, nil)
			if got, err := s.Get(t.Context(), ws, a.ID); err != nil || got.Name != "Sales" || got.Version != a.Version {
				t.Errorf("afterwards: %+v, %v", got, err)
			}
			if err := c.do(t.Context(), w, s, a.ID); err != nil {
				t.Errorf("without a rival: %v", err)
			}
		})
	}
}

// TestAnAccountWithoutItsSecretIsUnknown: an account whose credential is gone
// is not opened, nor is one whose credential cannot be read taken for such.
func TestAnAccountWithoutItsSecretIsUnknown(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345-canary")
	down := w.worker(func(o *Options) { o.Store = &secretsDown{w.store} })
	_, _, err := down.Open(t.Context(), ws, a.ID)
	wantKind(t, err, fault.Unavailable, "")
	if _, err := w.store.Write(t.Context(), store.Write{
		Op: store.Delete, Item: store.Item{Key: credentialKey(ws, a.ID)},
	}); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Open(t.Context(), ws, a.ID)
	wantKind(t, err, fault.NotFound, "")
}

// secretsDown fails every read of a credential.
type secretsDown struct{ store.Store }

func (d *secretsDown) Get(ctx context.Context, k store.Key) (store.Item, error) {
	if strings.HasPrefix(k.Sort, credentialPrefix) {
		return store.Item{}, fault.New("test: get", fault.Unavailable, "", "down")
	}
	return d.Store.Get(ctx, k)
}

// TestX6_ATrialNeverAsksTwice: credentials that are only tried get one token;
// one that the app refuses at once is no grant, and nothing of it is stored.
func TestX6_ATrialNeverAsksTwice(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	own := Credentials{Kind: crm.AuthOAuth2, Fields: map[string]secret.Text{
		"client_id": secret.NewText("own-client"), "client_secret": secret.NewText("own-secret-canary"),
	}}
	a, err := s.Create(t.Context(), ws, Draft{App: appID, Name: "Own", Credentials: own})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Test(t.Context(), ws, a.ID); err != nil { // its portal is known from here on
		t.Fatal(err)
	}
	before := w.contents()
	_, asked := w.auth.counts()
	w.auth.refuseAll = true
	_, err = s.Update(t.Context(), ws, a.ID, 0, Change{Credentials: &own})
	wantKind(t, err, fault.Denied, codeReauthorize)
	if _, now := w.auth.counts(); now != asked+1 {
		t.Errorf("%d tokens were asked for, want 1", now-asked)
	}
	if w.contents() != before {
		t.Error("a trial changed what is stored")
	}
	w.auth.refuseAll = false
	if _, err := s.Update(t.Context(), ws, a.ID, 0, Change{Credentials: &own}); err != nil {
		t.Errorf("the same credentials, accepted: %v", err)
	}
}

// TestX6_WhatTheTokenEndpointSaysIsJudged: what an exchange answers ends as what
// it is, and nothing is stored of it; where the app names no host, data calls go
// where the admin logged in.
func TestX6_WhatTheTokenEndpointSaysIsJudged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grant connector.Grant
		err   error
		kind  fault.Kind
		code  string
	}{
		"outage": {
			err: fault.New("test: exchange", fault.Unavailable, "unavailable", ""), kind: fault.Unavailable,
			code: "unavailable",
		},
		"throttled": {
			err: fault.New("test: exchange", fault.Throttled, "rate_limited", ""), kind: fault.Throttled,
			code: "rate_limited",
		},
		"no token": {kind: fault.Unavailable, code: "malformed_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newManual(t)
			s := w.worker()
			w.setClient(s)
			state, code := w.begin(s, AuthorizeRequest{})
			w.auth.exchange = func() (connector.Grant, error) { return c.grant, c.err }
			_, err := s.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
			wantKind(t, err, c.kind, c.code)
			if accounts, _, err := s.List(t.Context(), ws, 0, ""); err != nil || len(accounts) != 0 {
				t.Errorf("%d accounts, %v", len(accounts), err)
			}
		})
	}
	w, _ := newManual(t)
	s := w.worker()
	w.setClient(s)
	state, code := w.begin(s, AuthorizeRequest{BaseURL: "https://eu1.crm.example.com"})
	a, err := s.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
	if err != nil || a.BaseURL != "https://eu1.crm.example.com" || a.LoginURL != a.BaseURL {
		t.Errorf("data calls go to %q, logins to %q: %v", a.BaseURL, a.LoginURL, err)
	}
	w.auth.base = "https://crm.example.com"
	state, code = w.begin(s, AuthorizeRequest{BaseURL: "https://eu1.crm.example.com", Account: a.ID})
	a, err = s.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
	if err != nil || a.BaseURL != "https://crm.example.com" || a.LoginURL != "https://eu1.crm.example.com" {
		t.Errorf("the app named another host: data calls go to %q, logins to %q: %v", a.BaseURL, a.LoginURL, err)
	}
}

// TestS19_ARefusedTokenIsRenewedOnce: a worker whose token the app refuses is
// given the one that somebody fetched meanwhile, without another refresh; a
// token that is refused and is the newest is refreshed.
func TestS19_ARefusedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.oauthAccount(s)
	tokens := w.tokens(s, a.ID)
	first, err := tokens.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := tokens.Renew(t.Context(), first)
	if err != nil || second.Reveal() == first.Reveal() {
		t.Fatalf("renewed: %v", err)
	}
	refreshes, _ := w.auth.counts()
	again, err := tokens.Renew(t.Context(), first) // by whoever still holds the old one
	if now, _ := w.auth.counts(); err != nil || again.Reveal() != second.Reveal() || now != refreshes {
		t.Errorf("the old token once more: %d refreshes more, %v", now-refreshes, err)
	}
	third, err := tokens.Renew(t.Context(), second)
	if now, _ := w.auth.counts(); err != nil || third.Reveal() == second.Reveal() || now != refreshes+1 {
		t.Errorf("the newest token: %d refreshes more, %v", now-refreshes, err)
	}
}
