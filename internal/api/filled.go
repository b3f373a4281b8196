package api

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// readFilled reads a document, with what its apps leave no choice about filled in: the
// object of a side whose app has but one that is synced, and which field of an activity
// names the record that it is about.
func (s *server) readFilled(
	ctx context.Context, body []byte, old *crm.Connection,
) (*crm.Connection, []mapping.Problem) {
	c, problems := readDocument(body, old)
	if c == nil {
		return nil, problems
	}
	for _, side := range crm.Sides {
		s.fillObjects(ctx, c, side)
		for i := range c.Syncs {
			s.fillParent(ctx, c, &c.Syncs[i], side)
		}
	}
	return c, problems
}

// fillObjects names the object of a side where its app has no other.
func (s *server) fillObjects(ctx context.Context, c *crm.Connection, side crm.Side) {
	var only *string // asked for once a document, and not where nothing is open
	for i := range c.Syncs {
		end := &c.Syncs[i].Left
		if side == crm.Right {
			end = &c.Syncs[i].Right
		}
		if end.Object != "" {
			continue
		}
		if only == nil {
			only = new(string)
			if all := syncable(s.appOf(ctx, c.Account(side))); len(all) == 1 {
				*only = all[0]
			}
		}
		end.Object = *only
	}
}

// fillParent says which field of an activity names the record that it is about.
func (s *server) fillParent(ctx context.Context, c *crm.Connection, sync *crm.Sync, side crm.Side) {
	end := &sync.Activities.Left
	if side == crm.Right {
		end = &sync.Activities.Right
	}
	if end.Object == "" || end.Parent != "" {
		return
	}
	app := s.appOf(ctx, c.Account(side))
	if o := app.Object(end.Object); o != nil && o.Activity != nil {
		end.Parent = o.Activity.Parent(sync.Object(side))
	}
}

// appOf describes the app of an account; the zero App if there is no such account, which
// is said of the account.
func (s *server) appOf(ctx context.Context, id crm.AccountID) crm.App {
	if id == "" {
		return crm.App{}
	}
	a, err := s.Accounts.Get(ctx, access.From(ctx).Workspace, id)
	if err != nil {
		return crm.App{}
	}
	d, err := s.driverOf(ctx, access.From(ctx).Workspace, a)
	if err != nil {
		return crm.App{}
	}
	return d.App
}

// driverOf is what an account's app is made by; the zero Driver where nothing describes
// the app any more, which is said where the account is used.
func (s *server) driverOf(ctx context.Context, ws crm.WorkspaceID, a account.Account) (connector.Driver, error) {
	d, err := s.Accounts.Driver(ctx, ws, a)
	if fault.Is(err, fault.NotFound) || fault.CodeOf(err) == account.CodeBadDocument {
		return connector.Driver{}, nil
	}
	return d, err
}

// syncable lists the well-known objects of an app that a sync can join. Activities are
// none: they follow the records that they are about.
func syncable(app crm.App) []string {
	var out []string
	for _, o := range app.Objects {
		if o.Activity == nil {
			out = append(out, o.ID)
		}
	}
	return out
}
