package hubspot

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// ID is the app's name in settings and URLs.
const ID crm.AppID = "hubspot"

// Hosts and versions. v3 is what the official client libraries speak; the
// 2026-03 release is supported until September 2027.
// Source: https://developers.hubspot.com/docs/developer-tooling/platform/versioning
const (
	defaultBase  = "https://api.hubapi.com"
	defaultLogin = "https://app.hubspot.com"

	objectsPath    = "/crm/v3/objects/"
	propertiesPath = "/crm/v3/properties/"
	ownersPath     = "/crm/owners/2026-03"
	accountPath    = "/account-info/2026-03/details"
	tokenPath      = "/oauth/2026-03/token" //nolint:gosec // a path, not a token
	authorizePath  = "/oauth/authorize"
)

const (
	pageSize  = 200 // search: api-reference/search/guide
	listSize  = 100 // list: api-reference/…/objects/contacts/guide
	batchSize = 100 // every batch: api-reference/…/objects/contacts/guide
	// overlap is how far scans look back for records that the search index does
	// not show yet. HubSpot says "a few moments": api-reference/search/guide.
	overlap = time.Minute
)

// tokenField is the credential of a private app or service key.
const tokenField = "token"

// Driver returns the HubSpot driver.
func Driver() connector.Driver {
	return connector.Driver{App: app(), Open: Open, OAuth: oauth{}, Webhooks: webhooks{}}
}

func app() crm.App {
	return crm.App{
		ID:   ID,
		Name: "HubSpot",
		// A property that was asked for by name is in the answer, null where it
		// is blank; one that is archived, or never was, is left out in silence.
		Blank: crm.BlankNull,
		Objects: []crm.Object{
			{ID: "contacts", Label: "Contacts"},
			{ID: "companies", Label: "Companies"},
			{ID: "deals", Label: "Deals"},
		},
		Auth: []crm.AuthMethod{
			{Kind: crm.AuthOAuth2},
			{Kind: crm.AuthToken, Fields: []crm.AuthField{
				{Name: tokenField, Label: "Private app access token", Secret: true, Required: true},
			}},
		},
		Abilities: []crm.Ability{
			crm.AbilityWebhooks, crm.AbilityCreateField, crm.AbilityArchiveSweep, crm.AbilityHistory, crm.AbilityUpsert,
			crm.AbilityOwners, crm.AbilityArchive, crm.AbilityRecordTimes, crm.AbilityAnswerValues, crm.AbilityMerges,
		},
		Warnings: []string{
			"HubSpot's daily calls are shared with every other app of the account.",
			"Two contacts of one account cannot have the same e-mail; two companies can have the same domain.",
			"The lifecycle stage only moves forward, until it is cleared.",
			"Deletions come by webhook, or by a sweep through the archived records once a day.",
		},
		Limits: crm.Limits{
			ReadBatch:  batchSize,
			FindBatch:  batchSize,
			WriteBatch: batchSize,
			PageSize:   pageSize,
			// A private app on a starter plan, the least there is:
			// docs/developer-tooling/platform/usage-guidelines.
			BurstCalls: 100, BurstWindow: 10 * time.Second,
			// All searches of the account together: api-reference/search/guide.
			SearchCalls: 5, SearchWindow: time.Second,
			DailyCalls: 250_000,
			IndexLag:   overlap,
		},
		SignsWebhooks: true,
		Hosts:         []string{"hubapi.com"},
	}
}

// Open returns a connector to one account. Kind token uses the private app's
// token as it is; kind oauth2 asks cfg.Tokens.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	var problems []string
	base := strings.TrimRight(cfg.BaseURL, "/")
	if base == "" {
		base = defaultBase
	}
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		problems = append(problems, "the base URL must be a host such as "+defaultBase)
	}
	if cfg.HTTP == nil {
		problems = append(problems, "an HTTP client is required")
	}
	if cfg.Now == nil {
		problems = append(problems, "a clock is required")
	}
	tokens := cfg.Tokens
	switch cfg.Kind {
	case crm.AuthOAuth2:
		if tokens == nil {
			problems = append(problems, "tokens are required")
		}
	case crm.AuthToken:
		t := cfg.Credentials[tokenField]
		if strings.TrimSpace(t.Reveal()) == "" {
			problems = append(problems, "the private app's access token is required")
		}
		tokens = private{t}
	case crm.AuthAPIKey, crm.AuthBasic, crm.AuthKeyPair:
		problems = append(problems, "only oauth2 and token are supported")
	default:
		problems = append(problems, "only oauth2 and token are supported")
	}
	if problems != nil {
		return nil, fault.New("hubspot: open", fault.Invalid, connector.CodeConfig, strings.Join(problems, "; "))
	}
	return &account{client: &client{base: base, tokens: tokens, http: noRedirects(cfg.HTTP)}, now: cfg.Now}, nil
}

// noRedirects returns h without following redirects: the API sends none, and
// one would carry the token to another host.
func noRedirects(h *http.Client) *http.Client {
	c := *h
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// private is the token of a private app: it never expires, and once refused
// nothing but a person can replace it.
type private struct{ token secret.Text }

// Token implements connector.Tokens.
func (p private) Token(context.Context) (secret.Text, error) { return p.token, nil }

// Renew implements connector.Tokens.
func (private) Renew(context.Context, secret.Text) (secret.Text, error) {
	return secret.Text{}, fault.New("hubspot: token", fault.Denied, connector.CodeReauthorize, "HubSpot refuses the private app's token")
}

// account is one HubSpot account.
type account struct {
	client *client
	now    func() time.Time
}

// App implements connector.Connector.
func (*account) App() crm.App { return app() }

// Test implements connector.Connector: it reads the account's details.
func (a *account) Test(ctx context.Context) (connector.Identity, error) {
	var out accountDetails
	if _, err := a.client.call(ctx, request{op: "hubspot: test", method: http.MethodGet, path: accountPath}, &out); err != nil {
		return connector.Identity{}, err
	}
	if out.PortalID <= 0 {
		return connector.Identity{}, malformed(request{op: "hubspot: test"}, "the account has no ID")
	}
	id := strconv.FormatInt(out.PortalID, 10)
	return connector.Identity{
		ExternalID: id, Name: "HubSpot account " + id,
		Detail: strings.Trim(clip(out.AccountType, 40)+", "+clip(out.TimeZone, 40), ", "),
	}, nil
}

// clip bounds a text that the app chose.
func clip(s string, n int) string {
	r := []rune(s)
	return string(r[:min(n, len(r))])
}

// Objects implements connector.Connector. HubSpot tells no scopes of a private
// app, so which of the objects the token may use shows when they are used; the
// one call makes sure that it may do anything at all.
func (a *account) Objects(ctx context.Context) ([]crm.Object, error) {
	var out accountDetails
	if _, err := a.client.call(ctx, request{op: "hubspot: list objects", method: http.MethodGet, path: accountPath}, &out); err != nil {
		return nil, err
	}
	return app().Objects, nil
}

var (
	_ connector.Connector    = (*account)(nil)
	_ connector.Deletions    = (*account)(nil)
	_ connector.Historian    = (*account)(nil)
	_ connector.FieldCreator = (*account)(nil)
	_ connector.OwnerFinder  = (*account)(nil)
	_ connector.FindLagger   = (*account)(nil)
	_ connector.Tokens       = private{}
)
