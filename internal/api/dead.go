package api

import (
	"context"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// listDead lists one connection after the other.
func (s *server) listDead(ctx context.Context, in *struct {
	ListInput
	Connection crm.ConnectionID `query:"connection" minLength:"1" maxLength:"200"`
},
) (*listOutput[engine.DeadItem], error) {
	among, err := s.among(ctx, in.Connection, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	ws := access.From(ctx).Workspace
	if in.Connection != "" {
		items, next, err := s.Engine.ListDead(ctx, ws, in.Connection, in.Limit, in.Cursor)
		if err != nil {
			return nil, err
		}
		return listed(items, next), nil
	}
	spots, err := decodeSpots(in.Cursor, among)
	if err != nil {
		return nil, err
	}
	var out []engine.DeadItem
	for len(spots) > 0 && len(out) < in.Limit {
		items, next, err := s.Engine.ListDead(ctx, ws, spots[0].Connection, in.Limit-len(out), spots[0].Cursor)
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
		if spots[0].Cursor = next; next == "" {
			spots = spots[1:]
		}
	}
	return listed(out, encodeSpots(spots)), nil
}

type redriven struct {
	Sent int `json:"sent" doc:"Dead items sent again"`
}

type redrivenOutput struct {
	Body redriven
}

func (s *server) redriveDead(ctx context.Context, in *struct {
	Connection crm.ConnectionID `query:"connection" minLength:"1" maxLength:"200"`
},
) (*redrivenOutput, error) {
	who := access.From(ctx)
	if in.Connection == "" && who.Role == access.Member {
		return nil, problem(http.StatusBadRequest, CodeConnectionNeeded, "", ProblemItem{
			Parameter: "query.connection", Detail: meaning(CodeConnectionNeeded),
		})
	}
	among, err := s.among(ctx, in.Connection, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	sent := 0
	for _, id := range among {
		n, err := s.Engine.RedriveDead(ctx, who.Workspace, id)
		if err != nil {
			return nil, err
		}
		sent += n
	}
	return &redrivenOutput{Body: redriven{Sent: sent}}, nil
}
