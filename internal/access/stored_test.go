package access

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestX12_IncompressibleChangesAreCounted: an entry that no item can hold says
// who, when and how much, and the change is made.
func TestX12_IncompressibleChangesAreCounted(t *testing.T) {
	t.Parallel()
	p := newParts()
	audit := NewAudit(p.store, p.Now, p.newID)
	doc := map[string]string{}
	for i := range 300 {
		b := make([]byte, 4<<10)
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
		doc[fmt.Sprint(i)] = base64.StdEncoding.EncodeToString(b)
	}
	after, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	done := false
	who := Principal{Workspace: home, Key: "key_1", Name: "n", Role: Admin}
	if err := audit.Do(t.Context(), who, "req", "big", "x", nil, after, func() error {
		done = true
		return nil
	}); err != nil || !done {
		t.Fatalf("done %t, %v", done, err)
	}
	entries, _, err := audit.List(t.Context(), home, 10, "")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	if e := entries[0]; len(e.Changes) != 0 || e.More != 300 || e.Actor.Key != "key_1" || e.Action != "big" {
		t.Errorf("%d changes, %d more, by %q: %q", len(e.Changes), e.More, e.Actor.Key, e.Action)
	}
}

// TestKeysOfAnotherFormatAreRefused: an item that a newer release wrote, or a
// damaged one, lets nobody in and is not taken for a key that is not there.
func TestKeysOfAnotherFormatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ data, code string }{
		"newer":   {`{"v":99,"key":{"role":"admin"}}`, "unknown_format"},
		"damaged": {`{"v":1,"key":`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newParts()
			keys := NewKeys(p.store, p.Now, p.newID, secret.Text{}, home)
			key, token, err := keys.Create(t.Context(), Key{Name: "n", Role: Admin, Workspace: home})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.store.Write(t.Context(), store.Write{
				Item: store.Item{Key: keyItem(home, key.ID), Data: []byte(c.data)},
			}); err != nil {
				t.Fatal(err)
			}
			if who, err := keys.Authenticate(t.Context(), token.Reveal()); !fault.Is(err, fault.Other) ||
				fault.CodeOf(err) != c.code && c.code != "" || who.Role != "" {
				t.Errorf("authenticate: %+v, %v", who, err)
			}
			if _, err := keys.Get(t.Context(), home, key.ID); !fault.Is(err, fault.Other) {
				t.Errorf("get: %v", err)
			}
			if _, _, err := keys.List(t.Context(), home, 10, ""); !fault.Is(err, fault.Other) {
				t.Errorf("list: %v", err)
			}
		})
	}
}
