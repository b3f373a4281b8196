package api

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// HeldList is what of a sync stands still.
type HeldList struct {
	Items []engine.HeldItem `json:"items" nullable:"false"`
}

type heldOutput struct{ Body HeldList }

// listHeld lists what of a sync stands still. No app is asked.
func (s *server) listHeld(ctx context.Context, in *SyncPath) (*heldOutput, error) {
	ws, err := s.syncOf(ctx, *in, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	items, err := s.Engine.ListHeld(ctx, ws, in.ID, in.Sync)
	if err != nil {
		return nil, err
	}
	out := &heldOutput{Body: HeldList{Items: items}}
	some(&out.Body.Items)
	return out, nil
}

// releaseHeld lets a part go on whose field is back.
func (s *server) releaseHeld(ctx context.Context, in *MappingPath) (*runOutput, error) {
	ws, err := s.syncOf(ctx, in.SyncPath, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	return answer(s.Engine.ReleaseHeld(ctx, ws, in.ID, in.Sync, string(in.Mapping)))
}
