package leadsquared

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// ID is the app's name in settings and URLs.
const ID crm.AppID = "leadsquared"

const (
	object    = "leads"
	leads     = "/v2/LeadManagement.svc/"
	pageSize  = 1000 // of 5,000: apidocs.leadsquared.com/get-leads-by-date-range
	readBatch = 500  // of 10,000: apidocs.leadsquared.com/get-leads-in-bulk-by-ids
	findPage  = 100
	// overlap is how far scans look back. LeadSquared names no delay; a minute covers
	// clocks that differ and writes that end late.
	overlap = time.Minute
)

// Driver returns the LeadSquared driver.
func Driver() connector.Driver {
	return connector.Driver{App: app(), Open: Open, Webhooks: webhooks{}, Refused: refused}
}

func app() crm.App {
	return crm.App{
		ID:   ID,
		Name: "LeadSquared",
		// Columns that were asked for are listed, null where they are blank.
		Blank: crm.BlankNull,
		Objects: []crm.Object{
			{ID: object, Label: "Leads"},
			{ID: family, Label: "Activities of one type", Activity: parents, Family: true, ReadBatch: 1},
		},
		Auth: []crm.AuthMethod{{Kind: crm.AuthAPIKey, Fields: []crm.AuthField{
			{Name: "access_key", Label: "Access key", Secret: true, Required: true},
			{Name: "secret_key", Label: "Secret key", Secret: true, Required: true},
		}}},
		Abilities: []crm.Ability{crm.AbilityWebhooks, crm.AbilityCreateField, crm.AbilityRecordTimes},
		Warnings: []string{
			"The keys have the rights of the user they belong to, and end with that user: take an admin's.",
			"Two leads of one account cannot have the same e-mail or phone.",
			"LeadSquared tells of deletions by webhook only.",
		},
		Limits: crm.Limits{
			ReadBatch: readBatch, FindBatch: 1, WriteBatch: 1, PageSize: pageSize,
			// The plan Pro has ten in five seconds. In halves they are the same, and short
			// enough to be waited for. Source: apidocs.leadsquared.com/rate-limits.
			BurstCalls: 5, BurstWindow: 2500 * time.Millisecond, DailyCalls: 10_000,
			IndexLag: overlap,
		},
		SignsWebhooks: true, // by a header of ours, which is a secret as well
		Hosts:         []string{"leadsquared.com"},
	}
}

// api is how LeadSquared is called: at the host of the account's region, with two keys.
// Source: apidocs.leadsquared.com/authentication, apidocs.leadsquared.com/api-host.
var api = &rest.App{
	Describe: app,
	Example:  "https://api-in21.leadsquared.com",
	Auth: map[crm.AuthKind]rest.Auth{crm.AuthAPIKey: func(req *http.Request, values []string) {
		req.Header.Set("x-LSQ-AccessKey", values[0])
		req.Header.Set("x-LSQ-SecretKey", values[1])
	}},
	Errors:    refusals,
	Renewable: func([]byte) bool { return false }, // keys are, or are not: the text says more
}

// Open returns a connector to one account.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	return api.Connect(cfg, func(c *rest.Client) connector.Connector { return &account{c} })
}

// account is one LeadSquared account, as one of its users sees it.
type account struct{ client *rest.Client }

// App implements connector.Connector.
func (*account) App() crm.App { return app() }

// Test implements connector.Connector: it reads the user whom the keys belong to.
// LeadSquared tells no ID of the account, and its webhooks name none.
func (a *account) Test(ctx context.Context) (connector.Identity, error) {
	me, err := a.me(ctx, "leadsquared: test")
	host := rest.Clip(me.URLs.API, 60)
	return connector.Identity{Name: strings.TrimSpace("LeadSquared " + host), Detail: "of " + rest.Clip(me.Email, 100)},
		err
}

type user struct {
	ID    string `json:"UserId"`
	Email string `json:"EmailAddress"`
	URLs  struct {
		API string `json:"api"`
	} `json:"LSQCommonServiceURLs"`
}

func (a *account) me(ctx context.Context, op string) (out user, err error) {
	r := rest.Request{Op: op, Path: "/v2/Authentication.svc/UserByAccessKey.Get"}
	_, err = a.client.Call(ctx, r, &out)
	if err == nil && out.ID == "" && out.URLs.API == "" {
		err = rest.Malformed(r, "the answer names no user")
	}
	return out, err
}

// Objects implements connector.Connector: leads, and each custom type of activities.
func (a *account) Objects(ctx context.Context) ([]crm.Object, error) {
	types, err := a.activityTypes(ctx, "leadsquared: list objects")
	if err != nil {
		return nil, err
	}
	return append([]crm.Object{{ID: object, Label: "Leads"}}, types...), nil
}

// check refuses unknown objects, and calls about more than one takes. It returns the code
// of a type of activities, "" for leads.
func check(op, name string, n, limit int) (string, error) {
	of, ok := code(name)
	if name != object && !ok {
		return "", noObject(op)
	}
	if name == object {
		of = ""
	}
	return of, rows.Limit(op, n, limit)
}

func noObject(op string) error {
	return fault.New(op, fault.NotFound, connector.CodeObject, "LeadSquared has no such object, or it is not synced")
}

// Extras implements connector.Connector.
func (a *account) Extras() connector.Extras {
	return connector.Extras{CreateField: a.CreateField, Self: a.Self}
}

// Self returns the user whom the keys belong to, as a lead's ModifiedBy names it: times
// tell whole seconds, in which a person may type right after our write.
func (a *account) Self(ctx context.Context) (string, error) {
	me, err := a.me(ctx, "leadsquared: self")
	return me.ID, err
}

var _ connector.Connector = (*account)(nil)
