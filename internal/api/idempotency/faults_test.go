package idempotency

import (
	"bytes"
	"context"
	"strconv"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// faulty is a store whose reads or writes answer with an error, and whose items may
// be damaged.
type faulty struct {
	store.Store
	get, write error
	damage     func([]byte) []byte // of what is read; or nil
}

func (f *faulty) Get(ctx context.Context, k store.Key) (store.Item, error) {
	if f.get != nil {
		return store.Item{}, f.get
	}
	item, err := f.Store.Get(ctx, k)
	if f.damage != nil {
		item.Data = f.damage(item.Data)
	}
	return item, err
}

func (f *faulty) Write(ctx context.Context, w store.Write) (int64, error) {
	if f.write != nil {
		return 0, f.write
	}
	return f.Store.Write(ctx, w)
}

// TestStoreMayFail: what the store says is said, and nothing is taken for an answer
// that is none.
func TestStoreMayFail(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	s := &faulty{Store: memstore.New(clock.Now)}
	m := New(s, clock.Now)
	req := Request{Workspace: home, Caller: "k", Token: "lsk_x", Key: "once", Fingerprint: []byte("f")}
	down := fault.New("test: store", fault.Unavailable, "", "down")
	begin := func(name string, kind fault.Kind, code string) {
		t.Helper()
		c, answer, err := m.Begin(t.Context(), req)
		if c != nil || answer != nil || !fault.Is(err, kind) || code != "" && fault.CodeOf(err) != code {
			t.Errorf("%s: %v, %v, %v; want %s %s", name, c, answer, err, kind, code)
		}
	}
	s.write = down
	begin("the store is away", fault.Unavailable, "")
	s.write = nil
	claim, _, err := m.Begin(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	s.get = down
	begin("the claim cannot be read", fault.Unavailable, "")
	s.get = fault.New("test: store", fault.NotFound, "", "")
	begin("it has just ended", fault.Conflict, CodeRunning)
	s.get = nil
	s.damage = func(b []byte) []byte { return b[:len(b)-1] }
	begin("it is cut off", fault.Other, "")
	s.damage = nil
	s.write = down
	if err := claim.Abandon(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("abandoned without a store: %v", err)
	}
	if err := claim.Finish(t.Context(), Answer{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("finished without a store: %v", err)
	}
	s.write = nil
	req.Key = "other"
	if claim, _, err = m.Begin(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if err := claim.Finish(t.Context(), Answer{Status: 200, Body: []byte("b")}); err != nil {
		t.Fatal(err)
	}
	other := req
	other.Token = "lsk_other"
	if _, _, err := m.Begin(t.Context(), other); fault.CodeOf(err) != CodeLost {
		t.Errorf("by another token: %v", err)
	}
	s.damage = func([]byte) []byte { return []byte(`{"v":1,"fingerprint":"66","done":true,"sealed":"c2hvcnQ="}`) }
	begin("a sealed answer cut short", fault.Conflict, CodeLost)
	s.damage = func(b []byte) []byte { return bytes.Replace(b, []byte(`"sealed":"`), []byte(`"sealed":"AAAA`), 1) }
	begin("a sealed answer that was changed", fault.Conflict, CodeLost)
}

// TestEveryAnswerIsFinished, however large: it is repeated as long as it fits into an
// item, and is lost from there on, so that no request is carried out twice.
func TestEveryAnswerIsFinished(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	m := New(memstore.New(clock.Now), clock.Now)
	lost := 0 // the smallest that was
	for n := 200_000; n <= 300_000; n += 1000 {
		req := Request{Workspace: home, Caller: "k", Token: "lsk_x", Key: strconv.Itoa(n), Fingerprint: []byte("f")}
		claim, _, err := m.Begin(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if err := claim.Finish(t.Context(), Answer{Status: 200, Body: make([]byte, n)}); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		switch _, answer, err := m.Begin(t.Context(), req); {
		case fault.CodeOf(err) == CodeLost:
			if lost == 0 {
				lost = n
			}
		case err != nil || len(answer.Body) != n || answer.Status != 200 || lost > 0:
			t.Errorf("%d bytes: %v, although %d are lost", n, err, lost)
		}
	}
	if lost < 225_000 || lost > 230_000 {
		t.Errorf("answers are lost from %d bytes on, want as much kept as an item holds", lost)
	}
}
