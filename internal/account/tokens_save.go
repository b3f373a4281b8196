package account

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// save stores a new pair before anybody uses it, in place of the grant it was
// made from. When somebody stored another grant meanwhile, theirs stands and
// Conflict is returned.
func (a *attempt) save(ctx context.Context, p pending) (grant, error) {
	g := grant{
		Access: p.grant.AccessToken.Reveal(), Refresh: p.grant.RefreshToken.Reveal(),
		Obtained: p.at, Lifetime: p.grant.ExpiresIn,
	}
	blob, err := a.s.sealGrant(ctx, a.at.ws, a.at.id, g)
	if err != nil {
		return g, err
	}
	for range maxTries {
		a.c.Grant, a.c.Serial, a.c.Dead, a.c.Owner = blob, p.serial+1, false, ""
		err = a.putGrant(ctx, p.grant)
		if err == nil {
			a.saved()
			return g, nil
		}
		// The item changed, or the answer was lost: see what is there now.
		c, readErr := a.s.loadCredential(ctx, a.at.ws, a.at.id)
		if readErr != nil {
			return g, readErr
		}
		if c.Serial != p.serial {
			a.saved()
			return g, fault.New("account: store token", fault.Conflict, "", "the grant was replaced meanwhile")
		}
		a.c = c
		if !fault.Is(err, fault.Conflict) && !fault.MayHaveLanded(err) {
			return g, err
		}
	}
	return g, err
}

func (t *tokens) saved() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending = nil
}

// What is kept of what an app says that it granted.
const (
	maxScopes = 200
	maxScope  = 200 // bytes
)

// scopesOf lists what was granted, sorted.
func scopesOf(g connector.Grant) []string {
	var out []string
	for _, scope := range g.Scopes[:min(len(g.Scopes), maxScopes)] {
		if n := len(scope); n > 0 && n <= maxScope && !strings.ContainsFunc(scope, unicode.IsControl) &&
			utf8.ValidString(scope) {
			out = append(out, scope)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// putGrant writes the credential, and with it what the grant says about the account.
func (a *attempt) putGrant(ctx context.Context, g connector.Grant) error {
	acc, err := a.s.load(ctx, a.at.ws, a.at.id)
	if err != nil {
		return err
	}
	before := acc
	acc.Status = StatusOK
	if g.BaseURL != "" {
		acc.BaseURL = g.BaseURL
	}
	if acc.ExternalID == "" {
		acc.ExternalID = g.ExternalID
	}
	// An answer without scopes is one that says that they are as before: RFC 6749, section 5.1.
	if scopes := scopesOf(g); len(scopes) > 0 {
		acc.Scopes = scopes
	}
	if reflect.DeepEqual(acc, before) {
		return a.put(ctx)
	}
	_, err = a.s.storeBoth(ctx, a.at.ws, acc, a.c)
	return err
}

// failed ends a refresh that gave no token. A dead grant is looked at once
// more, because somebody else may have rotated it, and then marked; anything
// else passes.
func (a *attempt) failed(ctx context.Context, cause error) error {
	ctx = context.WithoutCancel(ctx) // the lease must not outlive the caller by half a minute
	switch {
	case fault.CodeOf(cause) == codeReauthorize, fault.Is(cause, fault.Unsupported):
		return a.bury(ctx)
	case fault.Is(cause, fault.Invalid) && fault.CodeOf(cause) != codeBaseURL:
		cause = &fault.Error{
			Op: "account: refresh", Kind: fault.Denied, Code: codeClientRefused, Err: cause,
			Message: "the app refuses our OAuth client; check its ID and secret",
		}
	case fault.Is(cause, fault.Conflict), fault.Is(cause, fault.Other), fault.Is(cause, fault.NotFound):
		// Not what a token endpoint answers; never to be taken for our own conflict.
		cause = &fault.Error{
			Op: "account: refresh", Kind: fault.Unavailable, Code: "malformed_answer", Message: "the app gave no usable answer",
			Err: cause,
		}
	}
	a.c.Owner = ""
	if err := a.put(ctx); err != nil {
		return errors.Join(cause, fmt.Errorf("account: end refresh: %w", err))
	}
	return cause
}

// bury marks the grant dead and the account in need of authorisation, unless a
// newer grant is there.
func (a *attempt) bury(ctx context.Context) error {
	c, err := a.s.loadCredential(ctx, a.at.ws, a.at.id)
	if err != nil {
		return err
	}
	if c.Serial != a.c.Serial {
		return fault.New("account: refresh", fault.Conflict, "", "somebody else refreshed")
	}
	c.Dead, c.Owner = true, ""
	acc, err := a.s.load(ctx, a.at.ws, a.at.id)
	if err != nil {
		return err
	}
	acc.Status = StatusNeedsAuth
	if _, err := a.s.storeBoth(ctx, a.at.ws, acc, c); err != nil {
		return err
	}
	return gone()
}

// trial hands out tokens for credentials that are only tried: nothing is stored.
type trial struct {
	s      *Service
	d      connector.Driver
	login  string
	client connector.Client
}

// trialTokens returns a token source for one trial call, or nil when it needs none.
func (s *Service) trialTokens(d connector.Driver, a Account, fields map[string]secret.Text) connector.Tokens {
	client, ok := ownClient(fields)
	if d.OAuth == nil || !ok {
		return nil
	}
	return trial{s: s, d: d, login: a.LoginURL, client: client}
}

// Token implements connector.Tokens.
func (t trial) Token(ctx context.Context) (secret.Text, error) {
	g, err := t.d.OAuth.Refresh(ctx, t.s.o.HTTP(t.d.App, t.login), t.login, t.client, secret.Text{})
	if err != nil {
		return secret.Text{}, notSent(err)
	}
	return g.AccessToken, nil
}

// Renew implements connector.Tokens. A token refused just after it was given
// will not get better.
func (t trial) Renew(context.Context, secret.Text) (secret.Text, error) {
	return secret.Text{}, gone()
}

// codeOf is the code of a classified error, or nothing.
func codeOf(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// messageOf is the public message of a classified error, or nothing.
func messageOf(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return ""
}

// The codes of this package that more than one place gives.
const (
	codeNoClient      = "oauth_client_missing"
	codeClientRefused = "oauth_client_refused"
	codeBaseURL       = "base_url_refused"
)

var (
	_ connector.Tokens = (*tokens)(nil)
	_ connector.Tokens = trial{}
)
