package access

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// TestSessionsStandForTheirKey: a session lets in whom its key lets in, for as
// long as the key is good and no longer than SessionFor.
func TestSessionsStandForTheirKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(p *parts, k *Keys, id, session string) error // what ends it
		code string                                            // "" = it goes on
	}{
		"nothing happens": {func(*parts, *Keys, string, string) error { return nil }, ""},
		"an hour":         {func(p *parts, _ *Keys, _, _ string) error { p.Advance(time.Hour); return nil }, ""},
		"its time is over": {
			func(p *parts, _ *Keys, _, _ string) error { p.Advance(SessionFor); return nil }, CodeUnauthorized,
		},
		"the key expires": {
			func(p *parts, _ *Keys, _, _ string) error { p.Advance(2 * time.Hour); return nil }, CodeTokenExpired,
		},
		"the key is ended": {
			func(_ *parts, k *Keys, id, _ string) error { return k.Delete(t.Context(), "other", id) },
			CodeUnauthorized,
		},
		"signing out": {
			func(_ *parts, k *Keys, _, session string) error { return k.End(t.Context(), session) },
			CodeUnauthorized,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newParts()
			keys := NewKeys(p.store, p.Now, p.newID, secret.Text{}, home)
			key, token, err := keys.Create(t.Context(), Key{
				Name: "n", Role: Member, Workspace: "other", User: User{Roles: []string{"sales"}},
				ExpiresAt: p.Now().Add(2 * time.Hour),
			})
			if err != nil {
				t.Fatal(err)
			}
			want, err := keys.Authenticate(t.Context(), token.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			session, until, err := keys.Open(t.Context(), want)
			if err != nil || !until.Equal(p.Now().Add(SessionFor)) {
				t.Fatalf("until %v, %v", until, err)
			}
			if err := c.end(p, keys, key.ID, session.Reveal()); err != nil {
				t.Fatal(err)
			}
			got, err := keys.Resume(t.Context(), session.Reveal())
			if c.code != "" {
				want = Principal{}
			}
			if diff := cmp.Diff(want, got); diff != "" || (err != nil || c.code != "") && fault.CodeOf(err) != c.code {
				t.Errorf("%v, want %q (-want +got)\n%s", err, c.code, diff)
			}
		})
	}
}

// TestSessionOfTheOperator ends with the operator's key: another one may mean
// that the first has become known.
func TestSessionOfTheOperator(t *testing.T) {
	t.Parallel()
	p := newParts()
	keys := NewKeys(p.store, p.Now, p.newID, secret.NewText("operator-key"), home)
	who, err := keys.Authenticate(t.Context(), "operator-key")
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := keys.Open(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keys.Resume(t.Context(), session.Reveal()); err != nil || !got.Operator {
		t.Errorf("%+v, %v", got, err)
	}
	for name, key := range map[string]string{"another": "another-operator-key", "none": ""} {
		later := NewKeys(p.store, p.Now, p.newID, secret.NewText(key), home)
		if _, err := later.Resume(t.Context(), session.Reveal()); fault.CodeOf(err) != CodeUnauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSessionsAndKeysAreTwoThings: neither token passes for the other, and
// whoever reads the store can make neither.
func TestSessionsAndKeysAreTwoThings(t *testing.T) {
	t.Parallel()
	p := newParts()
	keys := NewKeys(p.store, p.Now, p.newID, secret.NewText("operator-key"), home)
	_, token, err := keys.Create(t.Context(), Key{Name: "n", Role: Admin, Workspace: home})
	if err != nil {
		t.Fatal(err)
	}
	who, err := keys.Authenticate(t.Context(), token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := keys.Open(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Authenticate(t.Context(), session.Reveal()); fault.CodeOf(err) != CodeUnauthorized {
		t.Errorf("a session passed for a key: %v", err)
	}
	for name, text := range map[string]string{
		"a key": token.Reveal(), "the operator's key": "operator-key", "none": "", "altered": session.Reveal() + "A",
		"huge": sessionPrefix + strings.Repeat("x", 5000),
	} {
		if _, err := keys.Resume(t.Context(), text); fault.CodeOf(err) != CodeUnauthorized {
			t.Errorf("%s passed for a session: %v", name, err)
		}
	}
	item, err := p.store.Get(t.Context(), sessionKey(session.Reveal()))
	if err != nil || strings.Contains(string(item.Data), session.Reveal()) ||
		strings.Contains(string(item.Data), token.Reveal()) || item.Expires.IsZero() {
		t.Errorf("%s, expires %v, %v", item.Data, item.Expires, err)
	}
	if _, _, err := keys.Open(t.Context(), Principal{
		Workspace: home, Key: "somebody@example.com", Role: Admin,
	}); !fault.Is(err, fault.Denied) {
		t.Errorf("whoever has no key opened a session: %v", err)
	}
}

// TestTokensCannotBeGuessed: every key and every session has a token of its own,
// which says nothing else.
func TestTokensCannotBeGuessed(t *testing.T) {
	t.Parallel()
	p := newParts()
	keys := NewKeys(p.store, p.Now, p.newID, secret.Text{}, home)
	key, first, err := keys.Create(t.Context(), Key{Name: "n", Role: Member, Workspace: "other"})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{first.Reveal(): true}
	for range 20 {
		_, token, err := keys.Create(t.Context(), Key{Name: "n", Role: Member, Workspace: "other"})
		if err != nil {
			t.Fatal(err)
		}
		session, _, err := keys.Open(t.Context(), Principal{Workspace: "other", Key: key.ID})
		if err != nil {
			t.Fatal(err)
		}
		seen[token.Reveal()], seen[session.Reveal()] = true, true
	}
	if len(seen) != 41 {
		t.Errorf("%d tokens of 21 keys and 20 sessions", len(seen))
	}
	for token := range seen {
		different := map[rune]bool{}
		for _, r := range token[len(token)-40:] {
			different[r] = true
		}
		if len(different) < 10 {
			t.Errorf("%q", token)
		}
	}
}
