package account

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func TestX2_TokensAreLongAndStoredHashed(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	seen := map[string]bool{}
	for range 20 {
		a := w.tokenAccount(s, "12345")
		h, err := s.EnsureWebhook(t.Context(), ws, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(h.Token.Reveal())
		if err != nil || len(raw)*8 < 128 {
			t.Fatalf("%d bits, %v", len(raw)*8, err)
		}
		seen[h.Token.Reveal()] = true
		if shown := fmt.Sprintf("%v %+v %#v", h, h, h); strings.Contains(shown, h.Token.Reveal()) {
			t.Errorf("printed: %s", shown)
		}
		again, err := w.worker().EnsureWebhook(t.Context(), ws, a.ID)
		if err != nil || again.Token.Reveal() != h.Token.Reveal() {
			t.Errorf("asked again, got another token: %v", err)
		}
		got, err := s.LookupWebhook(t.Context(), h.Token.Reveal())
		if err != nil || got.Workspace != ws || got.Account != a.ID || got.Driver.App.ID != appID {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if len(seen) != 20 {
		t.Errorf("%d different tokens, want 20", len(seen))
	}
	for token := range seen {
		if strings.Contains(w.contents(), token) {
			t.Fatal("a token is stored in the clear")
		}
	}
}

func TestX2_UnknownRevokedAndForeignLookAlike(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345")
	old, err := s.EnsureWebhook(t.Context(), ws, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RotateWebhook(t.Context(), ws, a.ID, false); err != nil {
		t.Fatal(err)
	}
	c.Advance(overlap)
	gone := w.tokenAccount(s, "67890")
	hook, err := s.EnsureWebhook(t.Context(), ws, gone.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), ws, gone.ID, 0); err != nil {
		t.Fatal(err)
	}
	// A hash that points to a workspace that does not have the account.
	foreign := base64.RawURLEncoding.EncodeToString(make([]byte, secretBytes))
	data, err := encode(hookTarget{V: formatVersion, WS: other, Account: a.ID})
	if err != nil {
		t.Fatal(err)
	}
	put(t, w, store.Item{Key: hookKey(hashOf(foreign)), Data: data})
	answers := map[string]bool{}
	for _, token := range []string{
		old.Token.Reveal(), hook.Token.Reveal(), foreign, strings.Repeat("x", 43), "", "x", strings.Repeat("x", 100000),
		hashOf(old.Token.Reveal()), old.Token.Reveal() + "\x00", "../" + old.Token.Reveal()[3:],
		strings.ToLower(old.Token.Reveal()),
	} {
		_, err := s.LookupWebhook(t.Context(), token)
		wantKind(t, err, fault.NotFound, "")
		answers[fmt.Sprint(err)] = true
	}
	if len(answers) != 1 {
		t.Errorf("they differ: %v", answers)
	}
}

// TestX18_RevokedAddressesEndAtOnce: the present address and those that are on
// their way out, and as often as somebody needs it.
func TestX18_RevokedAddressesEndAtOnce(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345")
	first, err := s.EnsureWebhook(t.Context(), ws, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	leaked := []string{first.Token.Reveal()}
	for i := range maxOld + 3 {
		h, err := s.RotateWebhook(t.Context(), ws, a.ID, i > 0)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			leaked = append(leaked, h.Token.Reveal())
			continue
		}
		if !h.OldUntil.IsZero() {
			t.Errorf("an old address is said to work until %v", h.OldUntil)
		}
		for _, token := range leaked {
			if _, err := w.worker().LookupWebhook(t.Context(), token); !fault.Is(err, fault.NotFound) {
				t.Errorf("a revoked address: %v", err)
			}
		}
		if _, err := w.worker().LookupWebhook(t.Context(), h.Token.Reveal()); err != nil {
			t.Error(err)
		}
		leaked = append(leaked, h.Token.Reveal())
	}
}

func TestX2_RotationOverlaps(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345")
	first, err := s.EnsureWebhook(t.Context(), ws, a.ID)
	if err != nil || !first.OldUntil.IsZero() {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := s.RotateWebhook(t.Context(), ws, a.ID, false)
	if err != nil || second.Token.Reveal() == first.Token.Reveal() || !second.OldUntil.Equal(c.Now().Add(overlap)) {
		t.Fatalf("%+v, %v", second, err)
	}
	works := func(token string) bool {
		_, err := w.worker().LookupWebhook(t.Context(), token)
		return err == nil
	}
	c.Advance(overlap - time.Second)
	if !works(first.Token.Reveal()) || !works(second.Token.Reveal()) {
		t.Error("within a day both addresses must work")
	}
	third, err := s.RotateWebhook(t.Context(), ws, a.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Second)
	if works(first.Token.Reveal()) || !works(second.Token.Reveal()) || !works(third.Token.Reveal()) {
		t.Error("after a day the first address must be gone, and only that")
	}
	c.Advance(overlap)
	if works(second.Token.Reveal()) || !works(third.Token.Reveal()) {
		t.Error("after another day the second one must be gone, too")
	}
	for i := 0; ; i++ {
		if _, err := s.RotateWebhook(t.Context(), ws, a.ID, false); err != nil {
			wantKind(t, err, fault.Conflict, codeTooManyHooks)
			if i != maxOld {
				t.Errorf("refused after %d rotations, want %d", i, maxOld)
			}
			break
		}
	}
	if !works(third.Token.Reveal()) {
		t.Error("a refused rotation took an address away")
	}
}

func TestX1_TrustOfADelivery(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	trust := func(id crm.AccountID) (string, string) {
		t.Helper()
		h, err := s.EnsureWebhook(t.Context(), ws, id)
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.LookupWebhook(t.Context(), h.Token.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		return d.Trust.Secret.Reveal(), d.Trust.ExternalID
	}
	a := w.tokenAccount(s, "12345")
	if key, portal := trust(a.ID); key != "" || portal != "" {
		t.Errorf("trust %q %q before anything is known", key, portal)
	}
	if _, err := s.Test(t.Context(), ws, a.ID); err != nil {
		t.Fatal(err)
	}
	o := w.oauthAccount(s)
	if key, portal := trust(o.ID); key != "our-client-secret" || portal != "portal-1" {
		t.Errorf("an OAuth account trusts %q %q", key, portal)
	}
	if _, err := s.Update(t.Context(), ws, a.ID, 0, Change{
		Credentials: &Credentials{Kind: crm.AuthToken, Fields: texts("token", "12345", "webhook_secret", "own-key")},
	}); err != nil {
		t.Fatal(err)
	}
	if key, portal := trust(a.ID); key != "own-key" || portal != "portal of 12345" {
		t.Errorf("an account with a signing secret of its own trusts %q %q", key, portal)
	}
	h, err := s.EnsureWebhook(t.Context(), ws, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.worker(func(o *Options) { o.Sealer = noSealer{} }).LookupWebhook(t.Context(), h.Token.Reveal())
	wantKind(t, err, fault.Unavailable, "webhook_secret_unavailable")
	_, err = s.EnsureWebhook(t.Context(), ws, mustPlain(t, w, s).ID)
	wantKind(t, err, fault.Unsupported, "")
}

func mustPlain(t *testing.T, w *world, s *Service) Account {
	t.Helper()
	a, err := s.Create(t.Context(), ws, Draft{
		App: plain, Name: "Plain", Credentials: Credentials{Kind: crm.AuthAPIKey, Fields: texts("key", "x")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLastDeliveryIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	w, c := newManual(t)
	f := &faulty{Store: w.store}
	writes := 0
	f.set(nil, func(k store.Key) error {
		if strings.HasPrefix(k.Sort, deliveryPrefix) {
			writes++
		}
		return nil
	})
	s := w.worker(func(o *Options) { o.Store = f })
	second := w.worker(func(o *Options) { o.Store = f })
	a := w.tokenAccount(s, "12345")
	for range 30 {
		for _, worker := range []*Service{s, second} {
			for range 10 {
				if err := worker.Delivered(t.Context(), ws, a.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.Advance(10 * time.Second)
	}
	if writes != 5 {
		t.Errorf("%d writes in five minutes, want 5", writes)
	}
	h, err := s.EnsureWebhook(t.Context(), ws, a.ID)
	if err != nil || c.Now().Sub(h.LastDelivery) > time.Minute {
		t.Errorf("last delivery %s, now %s, %v", h.LastDelivery, c.Now(), err)
	}
}
