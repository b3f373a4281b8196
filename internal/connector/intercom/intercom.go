package intercom

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// ID is the app's name in settings and URLs.
const ID crm.AppID = "intercom"

const (
	// version is the first one whose searches know seconds.
	// Source: developers.intercom.com/docs/references/2.17/changelog.
	version     = "2.17"
	pageSize    = 150 // contacts, by listing and by search
	companyPage = 60
	// overlap is how far scans look back: new contacts are searched "after a few minutes".
	overlap = 10 * time.Minute
)

// object is what differs between the record types.
type object struct {
	id, label, model string
}

var (
	contacts  = object{"contacts", "Contacts", "contact"}
	companies = object{"companies", "Companies", "company"}
	objects   = []object{contacts, companies}
)

func (o object) path() string { return "/" + o.id }

// find returns a record type, for a call about n of something.
func find(op, id string, n, limit int) (object, error) {
	i := slices.IndexFunc(objects, func(o object) bool { return o.id == id })
	if i < 0 {
		return object{}, fault.New(op, fault.NotFound, connector.CodeObject,
			"Intercom has no such object, or it is not synced")
	}
	return objects[i], rows.Limit(op, n, limit)
}

// Driver returns the Intercom driver.
func Driver() connector.Driver {
	return connector.Driver{App: app(), Open: Open, OAuth: oauth, Webhooks: webhooks{}}
}

func app() crm.App {
	a := crm.App{
		ID:   ID,
		Name: "Intercom",
		// Attributes are listed, null where they are blank; lists are empty.
		Blank: crm.BlankNull,
		Auth: []crm.AuthMethod{
			{Kind: crm.AuthOAuth2},
			{Kind: crm.AuthToken, Fields: []crm.AuthField{{Name: "token", Label: "Access token", Secret: true, Required: true}}},
		},
		Abilities: []crm.Ability{
			crm.AbilityWebhooks, crm.AbilityOwners, crm.AbilityArchive, crm.AbilityRecordTimes, crm.AbilityAnswerValues,
			crm.AbilityMerges,
		},
		Warnings: []string{
			"Deletions come by webhook only, or by a full listing.",
			"A contact has one name, which stands for first and last name.",
			"Two users cannot have the same e-mail; leads can.",
		},
		Limits: crm.Limits{
			ReadBatch: 1, FindBatch: 1, WriteBatch: 1, PageSize: pageSize,
			// The example of the documents, 1,000 a minute: an app's own are in every answer.
			// In tenths they are the same. Source: rest-api/errors/rate-limiting.
			BurstCalls: 16, BurstWindow: time.Second,
			IndexLag: overlap,
		},
		SignsWebhooks: true,
		Hosts:         []string{"intercom.io"},
	}
	for _, o := range objects {
		a.Objects = append(a.Objects, crm.Object{ID: o.id, Label: o.label})
	}
	return a
}

// api is how Intercom is called. Other regions have other hosts.
var api = &rest.App{
	Describe: app,
	Base:     "https://api.intercom.io",
	Auth:     map[crm.AuthKind]rest.Auth{crm.AuthOAuth2: rest.Bearer, crm.AuthToken: rest.Bearer},
	Errors:   refusals,
	ResetAt:  "X-RateLimit-Reset",
	Prepare:  func(_ rest.Request, h http.Header) { h.Set("Intercom-Version", version) },
}

// oauth authorises workspaces. What the app may do is ticked in its settings, not asked
// for; tokens do not end. Source: authentication/setting-up-oauth.
var oauth = &rest.OAuth{ //nolint:gosec // addresses, and no credentials
	ID: ID, Errors: refusals,
	LoginHost: "https://app.intercom.com", AuthorizePath: "/oauth",
	TokenHost: api.Base, TokenPath: "/auth/eagle/token",
	Style: oauth2.AuthStyleInParams,
}

// Open returns a connector to one workspace. Kind token uses an access token as it is;
// kind oauth2 asks cfg.Tokens.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	return api.Connect(cfg, func(c *rest.Client) connector.Connector { return &account{client: c} })
}

// account is one workspace.
type account struct {
	client *rest.Client
	types  wire.FieldTypes // of attributes, by name
	tags   wire.LabelCache
}

// App implements connector.Connector.
func (*account) App() crm.App { return app() }

// Test implements connector.Connector: it reads whom the token stands for.
func (a *account) Test(ctx context.Context) (connector.Identity, error) {
	me, err := a.me(ctx, "intercom: test")
	return connector.Identity{
		ExternalID: me.App.ID, Name: "Intercom " + rest.Clip(me.App.Name, 60), Detail: "region " + rest.Clip(me.App.Region,
			10),
	}, err
}

type identity struct {
	App struct {
		ID     string `json:"id_code"`
		Name   string `json:"name"`
		Region string `json:"region"`
	} `json:"app"`
}

func (a *account) me(ctx context.Context, op string) (out identity, err error) {
	r := rest.Request{Op: op, Path: "/me"}
	_, err = a.client.Call(ctx, r, &out)
	if err == nil && out.App.ID == "" {
		err = rest.Malformed(r, "the token is of no workspace")
	}
	return out, err
}

// Objects implements connector.Connector. What the token may see of them shows when
// they are used; the one call makes sure that it opens anything at all.
func (a *account) Objects(ctx context.Context) ([]crm.Object, error) {
	if _, err := a.me(ctx, "intercom: list objects"); err != nil {
		return nil, err
	}
	return app().Objects, nil
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{24}$`)

// id is a record's ID.
func id(s string) (crm.RecordID, bool) { return crm.RecordID(s), idPattern.MatchString(s) }

// Extras implements connector.Connector.
func (a *account) Extras() connector.Extras {
	return connector.Extras{OwnerByEmail: a.OwnerByEmail, OwnerEmail: a.OwnerEmail}
}

var _ connector.Connector = (*account)(nil)
