package account

import (
	"context"
	"encoding/json"
	"io"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	purposeErasure   = "erasure"
	erasureKeySort   = "erasure#key"
	erasureKeyLength = 32
)

// storedErasureKey is the sealed key of the hashes of erased people.
type storedErasureKey struct {
	V    int    `json:"v"`
	Blob []byte `json:"blob"`
}

// ErasureKey returns the key of a workspace's hashes of erased people, made when
// it is first asked for. It is sealed like a credential and never changes: with
// another key the people would not be known any more.
func (s *Service) ErasureKey(ctx context.Context, ws crm.WorkspaceID) ([]byte, error) {
	const op = "account: erasure key"
	s.mu.Lock()
	known := s.erasureKeys[ws]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	bound := secret.Binding{Workspace: string(ws), Subject: "people", Purpose: purposeErasure}
	item, err := s.o.Store.Get(ctx, settingsKey(ws, erasureKeySort))
	if fault.Is(err, fault.NotFound) {
		if err := s.makeErasureKey(ctx, ws, bound); err != nil {
			return nil, err
		}
		item, err = s.o.Store.Get(ctx, settingsKey(ws, erasureKeySort))
	}
	if err != nil {
		return nil, err
	}
	var stored storedErasureKey
	if err := json.Unmarshal(item.Data, &stored); err != nil {
		return nil, fault.Wrap(op, fault.Other, err)
	}
	if stored.V != 1 {
		return nil, fault.New(op, fault.Invalid, "unknown_format", "the key was written by a newer version of Lockstep")
	}
	key, err := s.o.Sealer.Open(ctx, bound, stored.Blob)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.erasureKeys == nil || len(s.erasureKeys) >= maxErasureKeys {
		s.erasureKeys = map[crm.WorkspaceID][]byte{}
	}
	s.erasureKeys[ws] = key
	return key, nil
}

// maxErasureKeys bounds the keys that a process keeps open.
const maxErasureKeys = 1000

// makeErasureKey stores a new key unless somebody else was faster.
func (s *Service) makeErasureKey(ctx context.Context, ws crm.WorkspaceID, bound secret.Binding) error {
	const op = "account: make erasure key"
	key := make([]byte, erasureKeyLength)
	if _, err := io.ReadFull(s.o.Rand, key); err != nil {
		return fault.Wrap(op, fault.Other, err)
	}
	blob, err := s.o.Sealer.Seal(ctx, bound, key)
	if err != nil {
		return err
	}
	b, err := json.Marshal(storedErasureKey{V: 1, Blob: blob})
	if err != nil {
		return fault.Wrap(op, fault.Other, err)
	}
	_, err = s.o.Store.Write(ctx, store.Write{
		Item: store.Item{Key: settingsKey(ws, erasureKeySort), Data: b}, If: store.IfAbsent,
	})
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}
