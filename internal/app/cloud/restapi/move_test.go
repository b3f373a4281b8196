package restapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
	"github.com/lockstep-crm/lockstep/internal/store/moving"
)

// down is a store that does not answer while it is down, and counts questions.
type down struct {
	store.Store
	down  bool
	asked int
}

func (d *down) Get(ctx context.Context, k store.Key) (store.Item, error) {
	if d.asked++; d.down {
		return store.Item{}, errors.New("down")
	}
	return d.Store.Get(ctx, k)
}

// TestRequestsMoveSecrets: requests make the move, at most one a minute asks for
// it, all of them are served whatever comes of it, and none asks once it is done.
func TestRequestsMoveSecrets(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	below := &down{Store: memstore.New(clock), down: true}
	key := store.SettingsKey(api.DefaultWorkspace, "credential#acc_1")
	old, _ := store.Former(key)
	if _, err := below.Write(t.Context(), store.Write{Item: store.Item{Key: old}}); err != nil {
		t.Fatal(err)
	}
	served := 0
	m := &mover{
		next:  http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }),
		store: moving.New(below, clock), now: clock, log: slog.New(slog.DiscardHandler),
	}
	request := func(asks bool) {
		t.Helper()
		before := below.asked
		m.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/health",
			http.NoBody))
		if asked := below.asked > before; asked != asks {
			t.Errorf("request %d: asked for the move: %v, want %v", served, asked, asks)
		}
	}
	request(true) // and is served although nobody answers
	request(false)
	below.down, now = false, now.Add(moveEvery)
	request(true) // begins
	now = now.Add(moving.Wait)
	request(true) // moves
	if _, err := below.Get(t.Context(), key); err != nil {
		t.Errorf("not moved: %v", err)
	}
	now = now.Add(moving.Wait)
	request(true) // finds that nothing is left
	now = now.Add(time.Hour)
	request(false)
	if served != 6 {
		t.Errorf("%d of 6 requests were served", served)
	}
}
