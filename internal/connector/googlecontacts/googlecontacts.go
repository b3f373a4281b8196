package googlecontacts

import (
	"context"
	"net/url"
	"strings"
	"sync"
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
const ID crm.AppID = "googlecontacts"

const (
	object    = "contacts"
	pageSize  = 1000 // discovery document people:v1, people.connections.list
	batchSize = 200  // batchGet, batchCreateContacts, batchUpdateContacts
	// lag is how late a listing may know of a write: "several minutes", people.connections.list.
	lag = 5 * time.Minute
	// maxPages bounds a look-up: an address book holds 25,000 contacts.
	maxPages = 30
)

// Driver returns the Google Contacts driver.
func Driver() connector.Driver {
	return connector.Driver{App: app(), Open: Open, OAuth: oauth, Needs: needs}
}

func app() crm.App {
	return crm.App{
		ID:   ID,
		Name: "Google Contacts",
		// Fields without entries are left out.
		Blank:   crm.BlankOmitted,
		Objects: []crm.Object{{ID: object, Label: "Contacts", Page: "https://contacts.google.com/person/{id}"}},
		Auth:    []crm.AuthMethod{{Kind: crm.AuthOAuth2}},
		Abilities: []crm.Ability{
			crm.AbilityDeletedFeed, crm.AbilityArchive, crm.AbilityRecordTimes, crm.AbilityAnswerValues, crm.AbilityConditional,
		},
		Warnings: []string{
			"Google calls nobody: changes arrive with the next pull, and a few minutes after they were made.",
			"Two contacts can have the same e-mail: Google keeps nothing unique.",
			"While the consent screen is in testing, Google ends the authorisation after seven days.",
		},
		Limits: crm.Limits{
			ReadBatch: batchSize, FindBatch: batchSize, WriteBatch: batchSize, PageSize: pageSize,
			// Google publishes no figures, and the console shows a project its own. Others saw
			// 90 reads a minute and user, of which a call takes one and a batch of writes six.
			BurstCalls: 60, BurstWindow: time.Minute,
			IndexLag: lag,
		},
		Hosts: []string{"googleapis.com"},
	}
}

// api is how the People API is called.
var api = &rest.App{
	Describe: app,
	Base:     "https://people.googleapis.com",
	Auth:     map[crm.AuthKind]rest.Auth{crm.AuthOAuth2: rest.Bearer},
	Errors:   refusals,
}

// oauth authorises users. Only access_type=offline brings a refresh token, and only
// prompt=consent brings one again. The e-mail is for the account's name.
// Source: developers.google.com/identity/protocols/oauth2/web-server.
var oauth = &rest.OAuth{ //nolint:gosec // addresses, and no credentials
	ID: ID, Errors: refusals,
	LoginHost: "https://accounts.google.com", AuthorizePath: "/o/oauth2/v2/auth?access_type=offline&prompt=consent",
	TokenHost: "https://oauth2.googleapis.com", TokenPath: "/token",
	Scopes: []string{"https://www.googleapis.com/auth/contacts", "https://www.googleapis.com/auth/userinfo.email"},
	Style:  oauth2.AuthStyleInParams,
	Words:  map[string]rest.Meaning{"admin_policy_enforced": rest.GrantGone},
}

// needs are the scopes of contacts; the user can untick each of those that are asked for.
// Source: developers.google.com/people/api/rest/v1/people.connections/list and its siblings.
var needs = rest.ReadOrAll(".readonly", "", map[string]string{object: "https://www.googleapis.com/auth/contacts"})

// Open returns a connector to one user's contacts.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	return api.Connect(cfg, func(c *rest.Client) connector.Connector { return &account{client: c} })
}

// account is one user's contacts.
type account struct {
	client  *rest.Client
	writing sync.Mutex // writes of a user come one after the other
	groups  wire.LabelCache
}

// App implements connector.Connector.
func (*account) App() crm.App { return app() }

// Test implements connector.Connector: it reads the user that the credentials stand for.
func (a *account) Test(ctx context.Context) (connector.Identity, error) {
	me, id, err := a.me(ctx, "googlecontacts: test")
	name := value(me.fields["emailAddresses"], "value")
	if name == "" {
		name = id
	}
	return connector.Identity{ExternalID: id, Name: "Google Contacts of " + rest.Clip(name, 100)}, err
}

func (a *account) me(ctx context.Context, op string) (me person, id string, err error) {
	r := rest.Request{Op: op, Path: "/v1/people/me", Query: url.Values{"personFields": {"metadata,emailAddresses"}}}
	if _, err := a.client.Call(ctx, r, &me); err != nil {
		return me, "", err
	}
	one, ok := idOf(me.Name)
	if !ok {
		return me, "", rest.Malformed(r, "the user has no name")
	}
	return me, string(one), nil
}

// Objects implements connector.Connector; the one call makes sure that the user agreed.
func (a *account) Objects(ctx context.Context) ([]crm.Object, error) {
	if _, _, err := a.me(ctx, "googlecontacts: list objects"); err != nil {
		return nil, err
	}
	return app().Objects, nil
}

// check refuses unknown objects, and calls about more than one takes.
func check(op, name string, n int) error {
	if name != object {
		return fault.New(op, fault.NotFound, connector.CodeObject, "Google Contacts has no such object, or it is not synced")
	}
	return rows.Limit(op, n, batchSize)
}

// id is a contact's ID: its resource name without what all have in common.
func id(s string) (crm.RecordID, bool) {
	plain := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
	return crm.RecordID(s), plain && s != "" && s != "me" && len(s) <= 100
}

// idOf reads a resource name.
func idOf(name string) (crm.RecordID, bool) {
	s, ok := strings.CutPrefix(name, "people/")
	one, valid := id(s)
	return one, ok && valid
}

func resource(id crm.RecordID) string { return "people/" + string(id) }

// Extras implements connector.Connector: there are none.
func (a *account) Extras() connector.Extras { return connector.Extras{} }

var _ connector.Connector = (*account)(nil)
