package idempotency

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

const home crm.WorkspaceID = "home"

func TestHasOneWinner(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	items := memstore.New(clock.Now)
	memory := New(items, clock.Now)
	req := Request{Workspace: home, Caller: "k", Token: "lsk_x", Key: "once", Fingerprint: []byte("f")}
	var winners, running int
	var claim *Claim
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			c, answer, err := memory.Begin(context.Background(), req)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case c != nil:
				winners, claim = winners+1, c
			case answer == nil && fault.CodeOf(err) == CodeRunning:
				running++
			}
		})
	}
	wg.Wait()
	if winners != 1 || running != 19 {
		t.Fatalf("%d winners, %d told to wait", winners, running)
	}
	want := Answer{Status: 201, Header: map[string][]string{"Etag": {`"1"`}}, Body: []byte(`{"key":"lsk_secret"}`)}
	if err := claim.Finish(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	_, got, err := memory.Begin(t.Context(), req)
	if err != nil || !cmp.Equal(&want, got) {
		t.Errorf("%+v, %v", got, err)
	}
	item, err := items.Get(t.Context(), req.item())
	if err != nil || bytes.Contains(item.Data, []byte("lsk_")) {
		t.Errorf("the answer is stored in the clear: %s, %v", item.Data, err)
	}
	foreign := req
	foreign.Token = "lsk_y"
	if _, _, err := memory.Begin(t.Context(), foreign); fault.CodeOf(err) != CodeLost {
		t.Errorf("another token opened the answer: %v", err)
	}
	foreign = req
	foreign.Fingerprint = []byte("g")
	if _, _, err := memory.Begin(t.Context(), foreign); fault.CodeOf(err) != CodeMismatch {
		t.Errorf("another request got the answer: %v", err)
	}
	foreign = req
	foreign.Workspace = "other"
	if c, _, err := memory.Begin(t.Context(), foreign); c == nil || err != nil {
		t.Errorf("another workspace is in the way: %v", err)
	}
	foreign = req
	foreign.Caller = "another key"
	if c, answer, err := memory.Begin(t.Context(), foreign); c == nil || answer != nil || err != nil {
		t.Errorf("another caller is in the way, or gets the answer: %v, %v", answer, err)
	}
	clock.Advance(25 * time.Hour)
	if c, _, err := memory.Begin(t.Context(), req); c == nil || err != nil {
		t.Errorf("the answer outlived a day: %v", err)
	}
}

func TestAfterACrash(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	items := memstore.New(clock.Now)
	memory := New(items, clock.Now)
	req := Request{Workspace: home, Caller: "k", Token: "t", Key: "once", Fingerprint: []byte("f")}
	dead, _, err := memory.Begin(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(3 * time.Minute)
	next, _, err := memory.Begin(t.Context(), req)
	if next == nil || err != nil {
		t.Fatalf("a dead request blocks for ever: %v", err)
	}
	if err := dead.Finish(t.Context(), Answer{Status: 200}); !fault.Is(err, fault.Conflict) {
		t.Errorf("the dead request came back: %v", err)
	}
	if err := next.Finish(t.Context(), Answer{Status: 200, Body: make([]byte, maxClaim)}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := memory.Begin(t.Context(), req); fault.CodeOf(err) != CodeLost {
		t.Errorf("a huge answer: %v", err)
	}
	again := req
	again.Key = "twice"
	c, _, err := memory.Begin(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Abandon(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, _, err := memory.Begin(t.Context(), again); c == nil || err != nil {
		t.Errorf("an abandoned request blocks: %v", err)
	}
}

// TestClaimsOfAnotherFormatAreRefused: an item that a newer release wrote, or a
// damaged one, is not taken for an answer, nor for the right to go on.
func TestClaimsOfAnotherFormatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ data, code string }{
		"newer":   {`{"v":99,"done":true}`, "unknown_format"},
		"damaged": {`{"v":1,"done":`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := testclock.New()
			items := memstore.New(clock.Now)
			req := Request{Workspace: home, Caller: "k", Token: "t", Key: "once", Fingerprint: []byte("f")}
			stored := store.Item{Key: req.item(), Data: []byte(c.data)}
			if _, err := items.Write(t.Context(), store.Write{Item: stored}); err != nil {
				t.Fatal(err)
			}
			claim, answer, err := New(items, clock.Now).Begin(t.Context(), req)
			if claim != nil || answer != nil || !fault.Is(err, fault.Other) || c.code != "" && fault.CodeOf(err) != c.code {
				t.Errorf("claim %v, answer %v, %v", claim, answer, err)
			}
		})
	}
}
