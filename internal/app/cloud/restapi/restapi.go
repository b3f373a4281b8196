package restapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/app/cloud/alerts"
	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/invocation"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// New returns the surface on the parts of a function. Where the environment
// names the parameter with the operator's key, it is read now.
//
// Errors: Invalid for a key that is none; what awscall says of a key that
// cannot be read.
func New(ctx context.Context, c *cloud.Cloud) (http.Handler, error) {
	var key secret.Text
	if name := c.Environment.AdminKey; name != "" {
		var err error
		if key, err = readAdminKey(ctx, parameters{c.Environment.SDK("SSM")}, name); err != nil {
			return nil, err
		}
	}
	told, err := alerts.New(c)
	if err != nil {
		return nil, err
	}
	h, err := api.New(api.Options{
		Engine: c.Engine, Accounts: logins{c.Accounts, c}, Alerts: told, Store: c.Store, Now: time.Now,
		NewID: c.NewID, Logger: c.Log,
		PublicURL: c.Environment.PublicURL, AllowHosts: []string{"*"}, // API Gateway lets its own names in only
		AdminKey: key, Version: c.Environment.Version, Auth: Users{},
		// another function's: this one may do far more than a delivery needs
		WithoutHooks: true,
		// of this instance; the gateway bounds all of them together
		Budgets: api.NewBudgets(api.DefaultShares, time.Now), Calls: c.Calls,
	})
	if err != nil || c.Moving == nil {
		return h, err
	}
	return &mover{next: h, store: c.Moving, now: time.Now, log: c.Log}, nil
}

// Users are the callers whose token API Gateway has verified. It reads the
// claims that came with the event, and never the token.
type Users struct{}

// Authenticate implements access.Authenticator.
func (Users) Authenticate(ctx context.Context, _ string) (access.Principal, error) {
	return access.FromClaims(invocation.Claims(ctx))
}

// readAdminKey reads the operator's key from the parameter store, where the
// operator put it: it is in no template and no environment.
func readAdminKey(ctx context.Context, client parameters, name string) (secret.Text, error) {
	const op = "restapi: read the admin key"
	var value string
	err := awscall.Do(ctx, op, awscall.Read, awscall.Policy{}, func(ctx context.Context) (err error) {
		value, err = client.GetParameter(ctx, name)
		return err
	})
	if err != nil {
		return secret.Text{}, awscall.Classify(op, err, false)
	}
	return checkAdminKey(op, value)
}

const (
	minAdminKey = 16  // characters
	maxAdminKey = 512 // what access.Keys accepts
)

func checkAdminKey(op, key string) (secret.Text, error) {
	key = strings.TrimSpace(key)
	if len(key) < minAdminKey || len(key) > maxAdminKey ||
		strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }) {
		return secret.Text{}, malformedKey(op)
	}
	return secret.NewText(key), nil
}

func malformedKey(op string) error {
	return fault.New(op, fault.Invalid, "invalid_config",
		fmt.Sprintf("the parameter that %s names holds no key of %d to %d printable characters", cloud.EnvAdminKey,
			minAdminKey, maxAdminKey))
}

// logins is the account service as the surface sees it: connections that
// waited for an account go on when it is let in again. The tick does the rest.
type logins struct {
	*account.Service
	cloud *cloud.Cloud
}

// Update implements api.Accounts.
func (l logins) Update(
	ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, seen int64, change account.Change,
) (account.Account, error) {
	a, err := l.Service.Update(ctx, ws, id, seen, change)
	if err == nil && change.Credentials != nil {
		l.authorized(ctx, ws, id)
	}
	return a, err
}

// Test implements api.Accounts.
func (l logins) Test(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (connector.Identity, error) {
	identity, err := l.Service.Test(ctx, ws, id)
	if err == nil {
		l.authorized(ctx, ws, id)
	}
	return identity, err
}

// Callback implements api.Accounts.
func (l logins) Callback(ctx context.Context, req account.CallbackRequest) (account.Authorized, error) {
	a, err := l.Service.Callback(ctx, req)
	if err == nil && !a.Created {
		l.authorized(ctx, a.Workspace, a.ID)
	}
	return a, err
}

// authorized resumes the connections that waited. The account itself is fine
// whatever comes of that, so trouble is only logged; keeper tries it again.
func (l logins) authorized(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) {
	if err := l.cloud.Engine.AccountAuthorized(ctx, ws, id); err != nil {
		l.cloud.Log.WarnContext(ctx, "connections of the account were not resumed", "account", id, "error", err)
	}
}

var (
	_ api.Accounts         = logins{}
	_ access.Authenticator = Users{}
)
