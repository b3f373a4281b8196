package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// serveMetrics lets whoever has the token of the metrics read them. It is no key: a
// collector's configuration may lie where no key should, and no key of a person, nor the
// operator's, is asked for here.
func (s *server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	source := sourceOf(ctx)
	token, ok := bearerToken(r)
	if wait := s.logins.wait(source, token); wait > 0 {
		refused := problem(http.StatusTooManyRequests, CodeLoginsSpent, "")
		refused.retryAfter(wait)
		s.write(ctx, w, refused)
		return
	}
	shown, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.MetricsToken.Reveal()))
	if subtle.ConstantTimeCompare(shown[:], want[:]) == 1 && ok {
		s.logins.was(true, source, token)
		calledBy(ctx, "metrics")
		s.Metrics.ServeHTTP(w, r)
		return
	}
	s.logins.strange(source)
	s.write(ctx, w, s.refuseLogin(ctx, fault.New("api: metrics", fault.Denied, access.CodeUnauthorized,
		"send Authorization: Bearer with the token of the metrics; no API key is one")))
}
