package account

import (
	"context"
	"encoding/hex"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const (
	// leaseFor is how long one worker may take to refresh: more than the
	// longest HTTP call, so that two never overlap unless a clock jumps.
	leaseFor = 30 * time.Second
	// pollEvery and pollFor are how a worker waits for another one's refresh.
	pollEvery = 100 * time.Millisecond
	pollFor   = 5 * time.Second
	// comeBack is what a worker is told that cannot wait.
	comeBack = 2 * time.Second
	// earlyBy is how long before its expiry a token is refreshed, at most a
	// fifth of its life.
	earlyBy = time.Minute
)

// tokens hands out one account's access token. The truth is the credential
// item; what is held here only saves reading it.
type tokens struct {
	s     *Service
	d     connector.Driver
	at    place
	login string
	own   *connector.Client // the account's own client; nil = the workspace's

	mu      sync.Mutex
	held    grant
	pending *pending
	seen    lease
}

// pending is a pair that the app gave and the store did not take: kept, so
// that an outage of the store does not cost the grant.
type pending struct {
	grant  connector.Grant
	at     time.Time // when it was obtained
	serial int64     // of the grant that it replaces
}

// lease is a refresh of another worker, and since when we know of it.
type lease struct {
	owner string
	since time.Time
}

// sharedTokens returns the account's token source, or nil when it needs none.
func (s *Service) sharedTokens(
	d connector.Driver, ws crm.WorkspaceID, a Account, fields map[string]secret.Text,
) connector.Tokens {
	own, ok := ownClient(fields)
	if d.OAuth == nil || a.Kind != crm.AuthOAuth2 && !ok {
		return nil
	}
	t := &tokens{s: s, d: d, at: place{ws, a.ID}, login: a.LoginURL}
	if ok {
		t.own = &own
	}
	return t
}

// good reports whether the token may be used now: it is not the refused one
// and at least margin away from its expiry.
func (g grant) good(now time.Time, stale secret.Text, margin time.Duration) bool {
	if g.Access == "" || g.Access == stale.Reveal() {
		return false
	}
	if g.Lifetime <= 0 {
		return true
	}
	// Obtained may come from a clock that runs ahead of ours; nothing lives
	// longer than its lifetime from now.
	start := g.Obtained
	if start.After(now) {
		start = now
	}
	return now.Add(margin).Before(start.Add(g.Lifetime))
}

func (g grant) margin() time.Duration { return min(earlyBy, g.Lifetime/5) }

// Token implements connector.Tokens.
func (t *tokens) Token(ctx context.Context) (secret.Text, error) {
	g := t.hold()
	if g.good(t.s.o.Now(), secret.Text{}, g.margin()) {
		return secret.NewText(g.Access), nil
	}
	return t.fresh(ctx, secret.Text{})
}

// Renew implements connector.Tokens.
func (t *tokens) Renew(ctx context.Context, stale secret.Text) (secret.Text, error) {
	if g := t.hold(); g.good(t.s.o.Now(), stale, 0) {
		return secret.NewText(g.Access), nil
	}
	return t.fresh(ctx, stale)
}

func (t *tokens) hold() grant {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held
}

func (t *tokens) adopt(g grant) secret.Text {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = g
	return secret.NewText(g.Access)
}

// attempt is one caller's way to a fresh token.
type attempt struct {
	*tokens
	stale  secret.Text
	owner  string
	waited time.Duration
	c      storedCredential // as last read
	g      grant            // of c
}

// fresh returns a token that is good and not stale: the stored one, or a new
// one. Its errors never leave open whether a write landed: no call was made.
func (t *tokens) fresh(ctx context.Context, stale secret.Text) (secret.Text, error) {
	owner, err := t.s.random(12)
	if err != nil {
		return secret.Text{}, notSent(err)
	}
	a := &attempt{tokens: t, stale: stale, owner: hex.EncodeToString(owner)}
	for tries := 0; tries < maxTries; {
		g, wait, err := a.step(ctx)
		switch {
		case err == nil && wait > 0:
			a.waited += wait
			t.s.o.Sleep(ctx, wait)
			if err := ctx.Err(); err != nil {
				return secret.Text{}, notSent(err)
			}
		case err == nil:
			return t.adopt(g), nil
		case !fault.Is(err, fault.Conflict):
			if a.g.good(t.s.o.Now(), stale, 0) { // refreshed early: the present one still lives
				return t.adopt(a.g), nil
			}
			return secret.Text{}, notSent(err)
		default:
			tries++
		}
	}
	return secret.Text{}, busy(comeBack)
}

// step looks at the stored grant and does the next thing about it: use it,
// wait (wait > 0), or refresh it. Conflict means that the item changed: look again.
func (a *attempt) step(ctx context.Context) (g grant, wait time.Duration, err error) {
	if a.c, err = a.s.loadCredential(ctx, a.at.ws, a.at.id); err != nil {
		return g, 0, err
	}
	if a.g, err = a.s.openGrant(ctx, a.at.ws, a.at.id, a.c); err != nil {
		return g, 0, err
	}
	now := a.s.o.Now()
	if a.g.good(now, a.stale, a.g.margin()) {
		return a.g, 0, nil
	}
	if p := a.unsaved(a.c.Serial); p != nil {
		g, err := a.save(ctx, *p)
		return g, 0, err
	}
	if a.c.Dead {
		return g, 0, gone()
	}
	if a.leased(now) {
		switch {
		case a.g.good(now, a.stale, 0):
			return a.g, 0, nil
		case a.s.o.Sleep == nil || a.waited >= pollFor:
			return g, 0, busy(comeBack)
		}
		return g, pollEvery, nil
	}
	g, err = a.refresh(ctx)
	return g, 0, err
}

// leased reports whether another worker is refreshing. A lease ends at its
// time, or when we have seen it for its length: its owner's clock may be wrong.
func (a *attempt) leased(now time.Time) bool {
	if a.c.Owner == "" || a.c.Owner == a.owner {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen.owner != a.c.Owner {
		a.seen = lease{a.c.Owner, now}
	}
	return now.Before(a.c.Until) && now.Sub(a.seen.since) < leaseFor
}

// unsaved returns the pair that is still to be stored in place of serial.
func (t *tokens) unsaved(serial int64) *pending {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending != nil && t.pending.serial != serial {
		t.pending = nil
	}
	return t.pending
}

// refresh takes the lease, asks the app and stores what it gave.
func (a *attempt) refresh(ctx context.Context) (grant, error) {
	if a.own == nil && a.g.Refresh == "" {
		return grant{}, a.bury(ctx) // the workspace's client must not stand in for an account
	}
	client, err := a.client(ctx)
	if err != nil {
		return grant{}, err
	}
	a.c.Owner, a.c.Until = a.owner, a.s.o.Now().Add(leaseFor).UTC()
	if err := a.put(ctx); err != nil {
		return grant{}, err
	}
	fresh, err := a.d.OAuth.Refresh(ctx, a.s.o.HTTP(a.d.App, a.login), a.login, client, secret.NewText(a.g.Refresh))
	if err == nil && fresh.AccessToken.Empty() {
		err = fault.New("account: refresh", fault.Unavailable, "malformed_answer", "the app answered without a token")
	}
	if err == nil && fresh.BaseURL != "" {
		err = a.s.checkBase(a.d.App, fresh.BaseURL)
	}
	if err != nil {
		return grant{}, a.failed(ctx, err)
	}
	p := pending{grant: fresh, at: a.s.o.Now().UTC(), serial: a.c.Serial}
	if p.grant.RefreshToken.Empty() {
		p.grant.RefreshToken = secret.NewText(a.g.Refresh)
	}
	a.mu.Lock()
	a.pending = &p
	a.mu.Unlock()
	// From here on a cancelled caller must not cost the new pair: the old one
	// may be dead already.
	return a.save(context.WithoutCancel(ctx), p)
}

// client returns the OAuth client the grant belongs to.
func (a *attempt) client(ctx context.Context) (connector.Client, error) {
	if a.own != nil {
		return *a.own, nil
	}
	c, err := a.s.Client(ctx, a.at.ws, a.d.App.ID)
	if fault.Is(err, fault.NotFound) {
		return c, fault.New("account: refresh", fault.Denied, codeNoClient,
			"the OAuth client of this app is gone; set it again")
	}
	return c, err
}

// put writes the credential item as it is in a.c, if nobody changed it.
func (a *attempt) put(ctx context.Context) error {
	w, err := credentialWrite(a.at.ws, a.at.id, a.c)
	if err != nil {
		return err
	}
	version, err := a.s.o.Store.Write(ctx, w)
	if err == nil {
		a.c.version = version
	}
	return err
}

// busy tells a caller that another worker is refreshing.
func busy(after time.Duration) error {
	return &fault.Error{
		Op: "account: token", Kind: fault.Unavailable, Code: "token_refresh", RetryAfter: after,
		Message: "the access token is being refreshed by another worker",
	}
}

// gone is the answer while a grant is dead.
func gone() error {
	return fault.New("account: token", fault.Denied, codeReauthorize,
		"the app no longer accepts this account's authorisation; authorise the account again")
}

// notSent returns err as the failure of a call that was never made.
func notSent(err error) error {
	return &fault.Error{
		Op: "account: token", Kind: fault.KindOf(err), Code: codeOf(err), RetryAfter: fault.RetryAfter(err),
		Message: messageOf(err), Err: err,
	}
}
