package api

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// usage is a connection's month with what it is called.
type usage struct {
	engine.Usage
	Name string `json:"name" doc:"The connection's"`
}

func (s *server) listUsage(ctx context.Context, in *struct {
	ListInput
	Connection crm.ConnectionID `query:"connection" minLength:"1" maxLength:"200" doc:"Only this one"`
	Month      string           `query:"month" minLength:"7" maxLength:"7" pattern:"^[0-9]{4}-(0[1-9]|1[0-2])$" doc:"In UTC, as 2026-01; the present one without it. Known for a year"`
},
) (*listOutput[usage], error) {
	month := s.Now()
	if in.Month != "" {
		var err error
		if month, err = time.Parse("2006-01", in.Month); err != nil {
			return nil, parameter("query.month", "a month is a year and two digits, as 2026-01")
		}
	}
	who := access.From(ctx)
	var all []crm.Connection
	var next string
	if in.Connection != "" {
		c, _, err := s.connection(ctx, in.Connection)
		if err != nil {
			return nil, err
		}
		all = []crm.Connection{*c}
	} else {
		var err error
		if all, next, err = store.ListConnections(ctx, s.Store, who.Workspace, in.Limit, in.Cursor); err != nil {
			return nil, err
		}
	}
	out := []usage{}
	for i := range all {
		if !who.Reads(all[i].Access) {
			continue
		}
		u, err := s.Engine.Usage(ctx, who.Workspace, all[i].ID, month)
		if fault.Is(err, fault.NotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, usage{u, all[i].Name})
	}
	return listed(out, next), nil
}
