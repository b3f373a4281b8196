package fakekit

import (
	"errors"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	c := testclock.New()
	d := newDiary(Config{Now: c.Now})
	d.Lock()
	defer d.Unlock()
	code := d.tokens.Code("app", "https://us.example.com/cb", "", []string{"read"})
	if _, err := d.tokens.Redeem(code, "other", "https://us.example.com/cb", ""); !errors.Is(err, ErrGrant) {
		t.Errorf("another client's code: %v", err)
	}
	if _, err := d.tokens.Redeem(code, "app", "https://us.example.com/cb", ""); !errors.Is(err, ErrGrant) {
		t.Errorf("a code tried twice: %v", err)
	}
	tok := d.tokens.Issue("t-", "app", time.Minute, []string{"read"}, true)
	if _, s := d.tokens.Check(tok.Access); s != TokenValid {
		t.Errorf("fresh token is %s", s)
	}
	c.Advance(time.Minute)
	if _, s := d.tokens.Check(tok.Access); s != TokenExpired {
		t.Errorf("old token is %s", s)
	}
	d.tokens.rotate = true
	next, err := d.tokens.Renew("t-", "app", tok.Refresh, time.Minute)
	if err != nil || next.Refresh == tok.Refresh {
		t.Fatalf("renewed: %v", err)
	}
	if _, err := d.tokens.Renew("t-", "app", tok.Refresh, time.Minute); !errors.Is(err, ErrGrant) {
		t.Errorf("a rotated refresh token: %v", err)
	}
	if !d.tokens.Revoke(next.Refresh) {
		t.Error("nothing revoked")
	}
	if _, s := d.tokens.Check(next.Access); s != TokenRevoked {
		t.Errorf("token of a revoked grant is %s", s)
	}
}
