package account

import (
	"context"
	"fmt"
	"reflect"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// maxOpened bounds the connectors kept open by one process.
const maxOpened = 256

// opened is a connector as it was for one version of its account.
type opened struct {
	version int64
	conn    connector.Connector
	app     crm.App
	used    int64
}

// Open returns the account's connector and its app. The connector is kept as
// long as the account stays as it is; each call reads the account once.
//
// Errors: NotFound; Denied with code "credentials_unreadable" when the stored
// secret was altered or moved; Invalid when the account's address is no longer allowed.
func (s *Service) Open(
	ctx context.Context, ws crm.WorkspaceID, id crm.AccountID,
) (connector.Connector, crm.App, error) {
	a, err := s.load(ctx, ws, id)
	if err != nil {
		return nil, crm.App{}, err
	}
	at := place{ws, id}
	if o := s.cached(at, a.Version); o != nil {
		return o.conn, o.app, nil
	}
	d, err := s.Driver(ctx, ws, a)
	if err != nil {
		return nil, crm.App{}, err
	}
	c, err := s.loadCredential(ctx, ws, id)
	if err != nil {
		return nil, crm.App{}, err
	}
	fields, err := s.openFields(ctx, ws, id, c)
	if err != nil {
		return nil, crm.App{}, err
	}
	if err := complete(d.App, a.Kind, fields); err != nil {
		return nil, crm.App{}, err
	}
	conn, err := s.connect(d, a, fields, s.sharedTokens(d, ws, a, fields))
	if err != nil {
		return nil, crm.App{}, err
	}
	if s.o.Pace != nil {
		conn = s.o.Pace(conn, ws, a)
	}
	o := s.keep(at, &opened{version: a.Version, conn: conn, app: d.App})
	return o.conn, o.app, nil
}

// connect opens a connector with the given credentials.
func (s *Service) connect(
	d connector.Driver, a Account, fields map[string]secret.Text, tokens connector.Tokens,
) (connector.Connector, error) {
	// The operator may have withdrawn a host since the account was made.
	for _, base := range []string{a.BaseURL, a.LoginURL} {
		if err := s.checkBase(d.App, base); err != nil {
			return nil, err
		}
	}
	conn, err := d.Open(connector.Config{
		BaseURL: a.BaseURL, LoginURL: a.LoginURL, Credentials: fields, Kind: a.Kind, Tokens: tokens,
		HTTP: s.o.HTTP(d.App, a.BaseURL), Now: s.o.Now, SaveDuplicates: a.SaveDuplicates,
	})
	if err != nil {
		return nil, fmt.Errorf("account: open: %w", err)
	}
	return conn, nil
}

func (s *Service) cached(at place, version int64) *opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.opened[at]
	if o == nil || o.version != version {
		return nil
	}
	s.uses++
	o.used = s.uses
	return o
}

// keep remembers o, unless somebody was faster, and drops the connector that
// was not asked for longest.
func (s *Service) keep(at place, o *opened) *opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses++
	if old := s.opened[at]; old != nil && old.version >= o.version {
		o = old
	}
	o.used = s.uses
	s.opened[at] = o
	if len(s.opened) <= maxOpened {
		return o
	}
	oldest := at
	for p, x := range s.opened {
		if x.used < s.opened[oldest].used {
			oldest = p
		}
	}
	delete(s.opened, oldest)
	return o
}

func (s *Service) forget(at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.opened, at)
	delete(s.delivered, at)
}

// Test makes a real call to the app, as a person who waits, and stores the
// portal or org that the credentials belong to. An account that the app lets
// in again becomes ok, one that it refuses needs authorisation.
//
// Errors: as Open; what the app answers; Conflict with code
// "different_account" when the credentials now belong to another portal.
func (s *Service) Test(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (connector.Identity, error) {
	conn, _, err := s.Open(ctx, ws, id)
	if err != nil {
		return connector.Identity{}, err
	}
	identity, err := conn.Test(connector.Foreground(ctx))
	if err != nil {
		if fault.CodeOf(err) == codeReauthorize {
			if err := s.Refused(ctx, ws, id); err != nil {
				return connector.Identity{}, err
			}
		}
		return connector.Identity{}, fmt.Errorf("account: test: %w", err)
	}
	var portal error
	_, err = s.amend(ctx, ws, id, func(a *Account) bool {
		if portal = checkPortal(*a, identity.ExternalID); portal != nil {
			return false
		}
		before := *a
		if identity.ExternalID != "" {
			a.ExternalID = identity.ExternalID
		}
		a.Status = StatusOK
		return !reflect.DeepEqual(*a, before)
	})
	if err == nil {
		err = portal
	}
	return identity, err
}

// codeReauthorize is what connectors and OAuth answer when a grant is gone.
const codeReauthorize = "reauthorization_required"

// Refused notes that the app refuses the account's credentials. Nothing is
// written when that is known already.
func (s *Service) Refused(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) error {
	_, err := s.amend(ctx, ws, id, func(a *Account) bool {
		if a.Status == StatusNeedsAuth {
			return false
		}
		a.Status = StatusNeedsAuth
		return true
	})
	return err
}
