package rest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// Login exchanges what an admin entered for a token that ends, for apps that have
// neither a lasting key nor OAuth. Each instance of a connector logs in for itself.
type Login struct {
	// Request is the call that logs in; it carries no credentials but those it names.
	Request func(values []string) Request
	// Token reads the answer; false = it makes no sense. A life of zero means that the
	// token is good until it is refused.
	Token func(body []byte) (token string, life time.Duration, ok bool)
}

// session is the token of one instance.
type session struct {
	client *Client
	login  *Login
	values []string

	mu    sync.Mutex
	token secret.Text
	until time.Time // zero = until it is refused
}

// Token implements connector.Tokens.
func (s *session) Token(ctx context.Context) (secret.Text, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.token.Empty() && (s.until.IsZero() || s.client.now().Before(s.until)) {
		return s.token, nil
	}
	return s.fresh(ctx)
}

// Renew implements connector.Tokens.
func (s *session) Renew(ctx context.Context, stale secret.Text) (secret.Text, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Reveal() != stale.Reveal() {
		return s.token, nil
	}
	return s.fresh(ctx)
}

// loginMargin is how long before its end a token is no longer used.
const loginMargin = time.Minute

func (s *session) fresh(ctx context.Context) (secret.Text, error) {
	r := s.login.Request(s.values)
	body, contentType, err := r.encoded()
	if err != nil {
		return secret.Text{}, Malformed(r, "the login cannot be written as JSON")
	}
	name := s.client.app.Errors.Name
	a, err := s.client.once(ctx, r, body, contentType, nil)
	switch {
	case err != nil:
		return secret.Text{}, err
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusBadRequest:
		return secret.Text{}, fault.New(r.Op, fault.Denied, connector.CodeReauthorize,
			name+" refuses the login; enter the credentials again")
	case a.Status >= 300:
		return secret.Text{}, s.client.app.Errors.Classify(r, a)
	}
	token, life, ok := s.login.Token(a.Body)
	if !ok || token == "" {
		return secret.Text{}, Malformed(r, "the answer to the login is not what "+name+" documents")
	}
	s.token, s.until = secret.NewText(token), time.Time{}
	if life > 0 {
		s.until = s.client.now().Add(max(min(life, longestToken)-loginMargin, loginMargin))
	}
	return s.token, nil
}

var _ connector.Tokens = (*session)(nil)
