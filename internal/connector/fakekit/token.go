package fakekit

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TokenState is what an app thinks of a token.
type TokenState string

// The states of a token.
const (
	TokenValid   TokenState = "valid"
	TokenExpired TokenState = "expired"
	TokenRevoked TokenState = "revoked"
	TokenUnknown TokenState = "unknown"
)

// Token is one access token.
type Token struct {
	Access  string
	Refresh string // "" = the grant has none
	Client  string // OAuth client it was given to; "" for static tokens
	Scopes  []string
	Issued  time.Time
	Expires time.Time // zero = never
}

// Can reports whether the token has a scope. A token without a list has all.
func (t Token) Can(scope string) bool { return t.Scopes == nil || slices.Contains(t.Scopes, scope) }

// Tokens is a fake's book of tokens. Methods want the core's lock held (they
// are for handlers); knobs on Core take it themselves.
type Tokens struct {
	core    *Core
	access  map[string]*tokenEntry
	refresh map[string]*tokenEntry
	codes   map[string]code
	n       int
	rotate  bool
	issued  int
}

type tokenEntry struct {
	Token
	revoked bool
}

type code struct {
	client, redirect, challenge string
	scopes                      []string
	expires                     time.Time
}

// ErrGrant is the refusal of a code or a refresh token.
var ErrGrant = errors.New("fakekit: grant unknown, used, expired or revoked")

func (t *Tokens) value(prefix string) string {
	t.n++
	return fmt.Sprintf("%s%08x%016x", prefix, t.n, t.core.rng.Uint64())
}

func (t *Tokens) init() {
	if t.access == nil {
		t.access, t.refresh, t.codes = map[string]*tokenEntry{}, map[string]*tokenEntry{}, map[string]code{}
	}
}

// Add puts a static token into the book, or brings a revoked one back.
func (t *Tokens) Add(tok Token) {
	t.init()
	e := &tokenEntry{Token: tok}
	t.access[tok.Access] = e
	if tok.Refresh != "" {
		t.refresh[tok.Refresh] = e
	}
}

// Issue makes a token for a client; ttl 0 = it never expires by itself.
func (t *Tokens) Issue(prefix, client string, ttl time.Duration, scopes []string, refreshable bool) Token {
	tok := Token{Access: t.value(prefix), Client: client, Scopes: slices.Clone(scopes), Issued: t.core.now()}
	if ttl > 0 {
		tok.Expires = tok.Issued.Add(ttl)
	}
	if refreshable {
		tok.Refresh = t.value(prefix + "r-")
	}
	t.Add(tok)
	t.issued++
	return tok
}

// Check looks an access token up.
func (t *Tokens) Check(access string) (Token, TokenState) {
	e := t.access[access]
	switch {
	case e == nil:
		return Token{}, TokenUnknown
	case e.revoked:
		return e.Token, TokenRevoked
	case !e.Expires.IsZero() && !t.core.now().Before(e.Expires):
		return e.Token, TokenExpired
	}
	return e.Token, TokenValid
}

// Refreshing looks a refresh token up.
func (t *Tokens) Refreshing(refresh string) (Token, bool) {
	e := t.refresh[refresh]
	if e == nil || e.revoked {
		return Token{}, false
	}
	tok := e.Token
	tok.Refresh = refresh
	return tok, true
}

// Renew redeems a refresh token for a new access token. With rotation on, the
// refresh token changes and the old one is dead.
func (t *Tokens) Renew(prefix, client, refresh string, ttl time.Duration) (Token, error) {
	e := t.refresh[refresh]
	if e == nil || e.revoked || e.Client != client {
		return Token{}, ErrGrant
	}
	tok := Token{Access: t.value(prefix), Refresh: refresh, Client: client, Scopes: e.Scopes, Issued: t.core.now()}
	if ttl > 0 {
		tok.Expires = tok.Issued.Add(ttl)
	}
	if t.rotate {
		tok.Refresh = t.value(prefix + "r-")
		delete(t.refresh, refresh)
	}
	t.Add(tok)
	t.issued++
	return tok, nil
}

// Revoke ends the grant of a refresh token, its access tokens included; false
// when there is none.
func (t *Tokens) Revoke(refresh string) bool {
	e := t.refresh[refresh]
	if e == nil {
		return false
	}
	for _, a := range t.access {
		if a.Refresh == refresh {
			a.revoked = true
		}
	}
	delete(t.refresh, refresh)
	return true
}

// Code makes an authorization code, good for a minute and one use. challenge is
// PKCE S256, or "".
func (t *Tokens) Code(client, redirect, challenge string, scopes []string) string {
	t.init()
	v := t.value("code-")
	t.codes[v] = code{client, redirect, challenge, slices.Clone(scopes), t.core.now().Add(time.Minute)}
	return v
}

// Redeem checks a code as RFC 6749 and RFC 7636 want and returns its scopes. A
// code is used up by the first try, a wrong one too.
func (t *Tokens) Redeem(value, client, redirect, verifier string) ([]string, error) {
	c, ok := t.codes[value]
	delete(t.codes, value)
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	if !ok || c.client != client || c.redirect != redirect || !t.core.now().Before(c.expires) ||
		c.challenge != "" && c.challenge != challenge || c.challenge == "" && verifier != "" {
		return nil, ErrGrant
	}
	return c.scopes, nil
}

// Bearer returns the token of an Authorization header.
func Bearer(header string) (string, bool) {
	scheme, value, ok := strings.Cut(header, " ")
	return strings.TrimSpace(value), ok && strings.EqualFold(scheme, "Bearer")
}

// ExpireTokens makes all access tokens that expire at all expire now, and
// returns how many. Refresh tokens live on.
func (c *Core) ExpireTokens() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, e := range c.tokens.access {
		if !e.Expires.IsZero() && c.now().Before(e.Expires) || e.Refresh != "" && e.Expires.IsZero() {
			e.Expires = c.now()
			n++
		}
	}
	return n
}

// RevokeTokens ends every grant and static token, as an admin of the app who
// removes us would; it returns how many access tokens died.
func (c *Core) RevokeTokens() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, e := range c.tokens.access {
		if !e.revoked {
			e.revoked = true
			n++
		}
	}
	clear(c.tokens.refresh)
	clear(c.tokens.codes)
	return n
}

// AllowTokens takes a revocation of static tokens back.
func (c *Core) AllowTokens() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.tokens.access {
		if e.Refresh == "" {
			e.revoked = false
		}
	}
}

// RotateRefresh makes every refresh return a new refresh token and kill the old one.
func (c *Core) RotateRefresh(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens.rotate = on
}

// TokensIssued counts tokens given out by code or refresh since the start.
func (c *Core) TokensIssued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens.issued
}
