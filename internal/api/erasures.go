package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func (s *server) registerErasures() {
	handle(s, "create-erasure", s.createErasure)
	handle(s, "list-erasures", s.listErasures)
	handle(s, "get-erasure", s.getErasure)
	handle(s, "lift-erasure", s.liftErasure)
}

// newErasure says who is to be erased.
type newErasure struct {
	Email  string         `json:"email,omitempty" minLength:"3" maxLength:"320" doc:"Any of the person's addresses"`
	Phone  string         `json:"phone,omitempty" minLength:"3" maxLength:"100" doc:"With its country code"`
	Record *erasureRecord `json:"record,omitempty" doc:"A record of the person in an app"`
}

type erasureRecord struct {
	Account crm.AccountID `json:"account" minLength:"1" maxLength:"200"`
	Object  string        `json:"object" minLength:"1" maxLength:"200"`
	ID      crm.RecordID  `json:"id" minLength:"1" maxLength:"200"`
}

func (n *newErasure) request() engine.ErasureRequest {
	r := engine.ErasureRequest{Email: n.Email, Phone: n.Phone}
	if x := n.Record; x != nil {
		r.Record = &engine.AppRecord{Account: x.Account, Object: x.Object, ID: x.ID}
	}
	return r
}

// by is what the audit trail keeps of a request: how somebody was named, never who.
func (n *newErasure) by() []string {
	out := []string{}
	for _, x := range []struct {
		name string
		said bool
	}{{"email", n.Email != ""}, {"phone", n.Phone != ""}, {"record", n.Record != nil}} {
		if x.said {
			out = append(out, x.name)
		}
	}
	return out
}

type erasureOutput struct {
	Location string `header:"Location"`
	Body     engine.Erasure
}

func erasureAt(e engine.Erasure) *erasureOutput {
	return &erasureOutput{Location: "/v1/erasures/" + e.ID, Body: e}
}

// createErasure begins an erasure, or answers the one that blocks the person already.
func (s *server) createErasure(ctx context.Context, in *struct {
	Body newErasure `nameHint:"NewErasure"`
},
) (*erasureOutput, error) {
	who := access.From(ctx)
	if x := in.Body.Record; x != nil {
		if _, err := s.Accounts.Get(ctx, who.Workspace, x.Account); fault.Is(err, fault.NotFound) {
			return nil, problem(http.StatusBadRequest, CodeUnknownValue, "there is no such account",
				ProblemItem{Pointer: "/record/account", Detail: "choose one of GET /v1/accounts", Code: CodeUnknownValue})
		} else if err != nil {
			return nil, err
		}
	}
	e, err := s.Engine.FindErasure(ctx, who.Workspace, in.Body.request())
	if err == nil {
		return erasureAt(e), nil
	}
	if !fault.Is(err, fault.NotFound) {
		return nil, atPart(err)
	}
	id := s.NewID("ers")
	err = s.audit.Do(ctx, who, requestID(ctx), "erasure.create", id, nil, plain(map[string]any{"by": in.Body.by()}),
		func() error {
			var err error
			e, err = s.Engine.Erase(ctx, who.Workspace, id, in.Body.request())
			return err
		})
	if err != nil {
		return nil, atPart(err)
	}
	return erasureAt(e), nil
}

// atPart points at the part of the request that is at fault.
func atPart(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Invalid {
		return err
	}
	pointer := ""
	if f.Field != "" {
		pointer = "/" + f.Field
	}
	return problem(http.StatusBadRequest, f.Code, f.Message, ProblemItem{
		Pointer: pointer, Detail: f.Message, Code: f.Code,
	})
}

func (s *server) listErasures(ctx context.Context, in *ListInput) (*listOutput[engine.Erasure], error) {
	items, next, err := s.Engine.ListErasures(ctx, access.From(ctx).Workspace, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	return listed(items, next), nil
}

type erasurePath struct {
	ID string `path:"id" maxLength:"200" doc:"ers_…"`
}

func (s *server) getErasure(ctx context.Context, in *erasurePath) (*erasureOutput, error) {
	e, err := s.Engine.GetErasure(ctx, access.From(ctx).Workspace, in.ID)
	if err != nil {
		return nil, err
	}
	return erasureAt(e), nil
}

// liftErasure lets an erased person in again. A receipt cannot be changed
// otherwise, so no version is asked for.
func (s *server) liftErasure(ctx context.Context, in *erasurePath) (*struct{}, error) {
	who := access.From(ctx)
	e, err := s.Engine.GetErasure(ctx, who.Workspace, in.ID)
	if err != nil || !e.Blocked {
		return nil, err
	}
	return nil, s.audit.Do(ctx, who, requestID(ctx), "erasure.lift", e.ID, plain(map[string]any{"blocked": true}),
		plain(map[string]any{"blocked": false}), func() error {
			_, err := s.Engine.LiftErasure(ctx, who.Workspace, e.ID)
			return err
		})
}
