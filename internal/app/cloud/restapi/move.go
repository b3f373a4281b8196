package restapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/store/moving"
)

const (
	// moveEvery is how often a request goes on with the move of secrets, and
	// moveFor for how long it is kept waiting by that.
	moveEvery = time.Minute
	moveFor   = 3 * time.Second
)

// mover goes on with the move of secrets to partitions of their own before it
// serves a request, now and then until the move is done. Of all functions this
// one has the right to write every kind of them anyway.
type mover struct {
	next  http.Handler
	store *moving.Store
	now   func() time.Time
	log   *slog.Logger

	mu   sync.Mutex
	last time.Time
	done bool
}

// ServeHTTP implements http.Handler.
func (m *mover) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.move(r.Context())
	m.next.ServeHTTP(w, r)
}

func (m *mover) move(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if since := now.Sub(m.last); m.done || since >= 0 && since < moveEvery {
		return
	}
	m.last = now
	ctx, cancel := context.WithTimeout(ctx, moveFor)
	defer cancel()
	var err error
	// out of time: the next goes on
	if m.done, err = m.store.Step(ctx, api.DefaultWorkspace); err != nil && ctx.Err() == nil {
		m.log.WarnContext(ctx, "secrets not moved to partitions of their own; the next request tries again", "error", err)
	}
}
