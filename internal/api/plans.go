package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

func (s *server) registerPlans() {
	request := s.registry().Schema(reflect.TypeFor[planRequest](), true, "")
	handle(s, "create-plan", s.createPlan, jsonBody(request, false))
	handle(s, "get-plan", s.getPlan)
	handle(s, "list-changes", s.listChanges)
	handle(s, "apply-plan", s.applyPlan)
}

// planRequest narrows a plan.
type planRequest struct {
	Records []plannedRecord `json:"records,omitempty" maxItems:"1000" doc:"Records to plan; none means everything"`
}

type plannedRecord struct {
	Side crm.Side     `json:"side" enum:"left,right"`
	ID   crm.RecordID `json:"id" minLength:"1" maxLength:"500"`
}

// PlanPath names a plan.
type PlanPath struct {
	ID crm.PlanID `path:"id" maxLength:"200"`
}

type planOutput struct {
	Location string `header:"Location"`
	Body     engine.PlanView
}

func (s *server) createPlan(ctx context.Context, in *SyncPath) (*planOutput, error) {
	ws, err := s.syncOf(ctx, *in, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.whole(ctx, c); err != nil {
		return nil, err
	}
	var want planRequest
	if body := bodyOf(ctx); len(body) > 0 {
		if err := json.Unmarshal(body, &want); err != nil {
			return nil, problem(http.StatusBadRequest, CodeInvalidDocument, "")
		}
	}
	refs := make([]crm.RecordRef, len(want.Records))
	for i, r := range want.Records {
		refs[i] = crm.RecordRef{Side: r.Side, ID: r.ID}
	}
	p, err := s.Engine.CreatePlan(ctx, ws, in.ID, in.Sync, refs)
	if err != nil {
		return nil, err
	}
	return &planOutput{Location: "/v1/plans/" + string(p.ID), Body: p}, nil
}

// plan loads a plan whose connection the caller may use.
func (s *server) plan(
	ctx context.Context, id crm.PlanID, may func(access.Principal, crm.Access) bool,
) (engine.PlanView, error) {
	p, err := s.Engine.GetPlan(ctx, access.From(ctx).Workspace, id)
	if err != nil {
		return p, err
	}
	return p, s.mayUse(ctx, p.Connection, may)
}

func (s *server) getPlan(ctx context.Context, in *PlanPath) (*planOutput, error) {
	p, err := s.plan(ctx, in.ID, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	return &planOutput{Body: p}, nil
}

func (s *server) listChanges(ctx context.Context, in *struct {
	PlanPath
	ListInput
},
) (*listOutput[engine.Change], error) {
	p, err := s.plan(ctx, in.ID, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	who := access.From(ctx)
	changes, next, err := s.Engine.PlanChanges(ctx, who.Workspace, p.ID, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	if who.Masked() {
		for i := range changes {
			changes[i].Diffs = maskDiffs(changes[i].Diffs)
		}
	}
	return listed(changes, next), nil
}

func (s *server) applyPlan(ctx context.Context, in *PlanPath) (*runOutput, error) {
	p, err := s.plan(ctx, in.ID, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	c, _, err := s.changeable(ctx, p.Connection)
	if err != nil {
		return nil, err
	}
	var run engine.Run
	err = s.asWhole(ctx, c, func() error { // it may be the start of a draft
		var err error
		run, err = s.Engine.ApplyPlan(ctx, access.From(ctx).Workspace, p.ID)
		return err
	})
	return answer(run, err)
}
