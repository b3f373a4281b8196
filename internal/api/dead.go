package api

import (
	"context"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

func (s *server) listDead(ctx context.Context, in *struct {
	ListInput
	Connection crm.ConnectionID `query:"connection" maxLength:"200"`
}) (*listOutput[engine.DeadItem], error) {
	mine, err := s.visible(ctx, in.Connection)
	if err != nil {
		return nil, err
	}
	items, next, err := s.Engine.ListDead(ctx, access.From(ctx).Workspace, in.Connection, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	return listed(filter(items, func(d engine.DeadItem) bool { return mine(d.Connection) }), next), nil
}

type redriven struct {
	Sent int `json:"sent" doc:"Dead items sent again"`
}

type redrivenOutput struct {
	Body redriven
}

func (s *server) redriveDead(ctx context.Context, in *struct {
	Connection crm.ConnectionID `query:"connection" maxLength:"200"`
}) (*redrivenOutput, error) {
	who := access.From(ctx)
	if in.Connection == "" && who.Role == access.Member {
		return nil, problem(http.StatusBadRequest, CodeConnectionNeeded, "", ProblemItem{Parameter: "query.connection", Detail: meaning(CodeConnectionNeeded)})
	}
	if in.Connection != "" {
		if _, _, err := s.changeable(ctx, in.Connection); err != nil {
			return nil, err
		}
	}
	n, err := s.Engine.RedriveDead(ctx, who.Workspace, in.Connection)
	if err != nil {
		return nil, err
	}
	return &redrivenOutput{Body: redriven{Sent: n}}, nil
}
