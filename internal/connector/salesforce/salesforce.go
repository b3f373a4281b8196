package salesforce

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// ID is the app's name in settings and URLs.
const ID crm.AppID = "salesforce"

const (
	apiVersion = "v67.0"
	dataPath   = "/services/data/" + apiVersion

	pageSize   = 2000 // rows per query answer: guide/resources-query-more-results
	readBatch  = 2000 // IDs per retrieve by POST: guide/resources-composite-sobjects-collections-retrieve-post
	writeBatch = 200  // rows per collection call: guide/resources-composite-sobjects-collections-upsert
	findBatch  = 100  // values of usual length whose query fits into a URL

	// overlap is how far scans look back for transactions that commit late.
	// Salesforce names no figure; a minute covers all but the longest.
	overlap = time.Minute
)

// well-known objects, in the order shown to admins.
var objects = []crm.Object{
	{ID: "Contact", Label: "Contact"},
	{ID: "Lead", Label: "Lead"},
	{ID: "Account", Label: "Account"},
	{ID: "Opportunity", Label: "Opportunity"},
}

// mergeable objects keep the survivor of a merge in MasterRecordId.
var mergeable = map[string]bool{"Contact": true, "Lead": true, "Account": true}

// Driver returns the Salesforce driver.
func Driver() connector.Driver {
	return connector.Driver{App: app(), Open: Open, OAuth: oauth{}, Webhooks: webhooks{}}
}

func app() crm.App {
	return crm.App{
		ID:   ID,
		Name: "Salesforce",
		// A column that was asked for is in the answer, null where it is blank;
		// one that is gone, or hidden by field-level security, fails the call.
		Blank:   crm.BlankNull,
		Objects: append([]crm.Object(nil), objects...),
		Auth: []crm.AuthMethod{{
			// Both blank: the browser flow with the workspace's OAuth client.
			// Both given: client credentials of the org's own External Client App.
			Kind: crm.AuthOAuth2,
			Fields: []crm.AuthField{
				{Name: "client_id", Label: "Consumer key (client credentials only)"},
				{Name: "client_secret", Label: "Consumer secret (client credentials only)", Secret: true},
			},
		}},
		Abilities: []crm.Ability{
			crm.AbilityWebhooks, crm.AbilityDeletedFeed, crm.AbilityArchiveSweep, crm.AbilityUpsert,
			crm.AbilityOwners, crm.AbilityArchive, crm.AbilityRecordTimes, crm.AbilityMerges, crm.AbilitySaveDuplicates, crm.AbilityAbsorbed,
		},
		Warnings: []string{
			"Salesforce's daily calls are shared with every other tool of the org.",
			"Fields that the connected user may not see are missing without an error.",
			"Custom fields are made in Salesforce's Setup, not from here.",
		},
		Limits: crm.Limits{
			ReadBatch:  readBatch,
			FindBatch:  findBatch,
			WriteBatch: writeBatch,
			PageSize:   pageSize,
			// The base of a paid edition; licences add to it, and each answer tells the real figure.
			DailyCalls: 100_000,
		},
		Hosts: []string{"salesforce.com"},
	}
}

// Open returns a connector to one org. BaseURL is the instance URL that came
// with the grant.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	var problems []string
	base := strings.TrimRight(cfg.BaseURL, "/")
	if u, err := url.Parse(base); base == "" || err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		problems = append(problems, "the base URL must be the org's instance URL, such as https://example.my.salesforce.com")
	}
	if cfg.Kind != crm.AuthOAuth2 {
		problems = append(problems, "only oauth2 is supported")
	}
	if cfg.Tokens == nil {
		problems = append(problems, "tokens are required")
	}
	if cfg.HTTP == nil {
		problems = append(problems, "an HTTP client is required")
	}
	if cfg.Now == nil {
		problems = append(problems, "a clock is required")
	}
	if problems != nil {
		return nil, fault.New("salesforce: open", fault.Invalid, connector.CodeConfig, strings.Join(problems, "; "))
	}
	return &org{client: &client{base: base, tokens: cfg.Tokens, http: noRedirects(cfg.HTTP), now: cfg.Now, duplicates: cfg.SaveDuplicates}}, nil
}

// noRedirects returns h without following redirects: Salesforce's API sends
// none, and one would carry the token to another host.
func noRedirects(h *http.Client) *http.Client {
	c := *h
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// org is one Salesforce account.
type org struct {
	client *client
}

// App implements connector.Connector.
func (*org) App() crm.App { return app() }

var (
	_ connector.Connector   = (*org)(nil)
	_ connector.Deletions   = (*org)(nil)
	_ connector.OwnerFinder = (*org)(nil)
	_ connector.Selfer      = (*org)(nil)
)
