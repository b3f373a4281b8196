package hubspot

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// ID is the app's name in settings and URLs.
const ID crm.AppID = "hubspot"

// Hosts and versions. v3 is what the official client libraries speak; the
// 2026-03 release is supported until September 2027.
// Source: https://developers.hubspot.com/docs/developer-tooling/platform/versioning
const (
	objectsPath    = "/crm/v3/objects/"
	propertiesPath = "/crm/v3/properties/"
	ownersPath     = "/crm/owners/2026-03"
	accountPath    = "/account-info/2026-03/details"
)

const (
	pageSize  = 200 // search: api-reference/search/guide
	listSize  = 100 // list: api-reference/…/objects/contacts/guide
	batchSize = 100 // every batch: api-reference/…/objects/contacts/guide
	// overlap is how far scans look back for records that the search index does
	// not show yet. HubSpot says "a few moments": api-reference/search/guide.
	overlap = time.Minute
)

// Driver returns the HubSpot driver.
func Driver() connector.Driver {
	return connector.Driver{App: app(), Open: Open, OAuth: oauth, Needs: needs, Webhooks: webhooks{}}
}

// recordPage is where people see records, of a type by its number.
// Source: guides/crm/understanding-the-crm, object type IDs.
const recordPage = "https://app.hubspot.com/contacts/{account}/record/"

func app() crm.App {
	return crm.App{
		ID:   ID,
		Name: "HubSpot",
		// A property that was asked for by name is in the answer, null where it
		// is blank; one that is archived, or never was, is left out in silence.
		Blank: crm.BlankNull,
		Objects: append([]crm.Object{
			{ID: "contacts", Label: "Contacts", Page: recordPage + "0-1/{id}"},
			{ID: "companies", Label: "Companies", Page: recordPage + "0-2/{id}"},
			{ID: "deals", Label: "Deals", Page: recordPage + "0-3/{id}"},
		}, activities()...),
		Auth: []crm.AuthMethod{
			{Kind: crm.AuthOAuth2},
			{Kind: crm.AuthToken, Fields: []crm.AuthField{
				{Name: "token", Label: "Private app access token", Secret: true, Required: true},
			}},
		},
		Abilities: []crm.Ability{
			crm.AbilityWebhooks, crm.AbilityCreateField, crm.AbilityDeleteField, crm.AbilityArchiveSweep, crm.AbilityHistory,
			crm.AbilityUpsert,
			crm.AbilityOwners, crm.AbilityArchive, crm.AbilityRecordTimes, crm.AbilityAnswerValues, crm.AbilityMerges,
		},
		Warnings: []string{
			"HubSpot's daily calls are shared with every other app of the account.",
			"Two contacts of one account cannot have the same e-mail; two companies can have the same domain.",
			"The lifecycle stage only moves forward, until it is cleared.",
			"Deletions come by webhook, or by a sweep through the archived records once a day.",
			"Notes, tasks, calls and meetings come by pull: HubSpot has no webhooks for them.",
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

// api is how HubSpot is called. The token of a private app never expires, and once
// refused nothing but a person can replace it.
var api = &rest.App{
	Describe:  app,
	Base:      "https://api.hubapi.com",
	Auth:      map[crm.AuthKind]rest.Auth{crm.AuthOAuth2: rest.Bearer, crm.AuthToken: rest.Bearer},
	Errors:    refusals,
	RequestID: "X-HubSpot-Correlation-Id",
}

// oauth authorises accounts. Without a base the browser goes to the login host and
// the server to the API's: HubSpot has one for each. The scopes are what the three
// objects, their fields and owners need; the client credentials are not for CRM
// data. Some of the endpoint's words are older than RFC 6749's.
// Source: docs/api-reference/2026-03/authentication/manage-oauth-tokens.
var oauth = &rest.OAuth{ //nolint:gosec // addresses, and no credentials
	ID: ID, Errors: refusals,
	LoginHost: "https://app.hubspot.com", AuthorizePath: "/oauth/authorize",
	TokenHost: api.Base, TokenPath: "/oauth/2026-03/token",
	Style: oauth2.AuthStyleInParams,
	Scopes: []string{
		"oauth",
		"crm.objects.contacts.read", "crm.objects.contacts.write",
		"crm.objects.companies.read", "crm.objects.companies.write",
		"crm.objects.deals.read", "crm.objects.deals.write",
		"crm.objects.owners.read",
		"crm.schemas.contacts.read", "crm.schemas.contacts.write",
		"crm.schemas.companies.read", "crm.schemas.companies.write",
		"crm.schemas.deals.read", "crm.schemas.deals.write",
	},
	Words: map[string]rest.Meaning{
		"BAD_REFRESH_TOKEN": rest.GrantGone, "BAD_AUTH_CODE": rest.GrantGone, "EXPIRED_AUTH_CODE": rest.GrantGone,
		"BAD_CLIENT_ID": rest.ClientRefused, "BAD_CLIENT_SECRET": rest.ClientRefused,
		"MISMATCHED_REDIRECT_URI": rest.ClientRefused, "BAD_REDIRECT_URI": rest.ClientRefused,
	},
	Word: func(e *oauth2.RetrieveError) string {
		var older struct {
			Status string `json:"status"`
		}
		_ = json.Unmarshal(e.Body, &older) // no JSON, no word
		return older.Status
	},
	Says: func(t *oauth2.Token, g *connector.Grant) bool {
		if hub, ok := t.Extra("hub_id").(float64); ok && hub > 0 {
			g.ExternalID = strconv.FormatInt(int64(hub), 10)
		}
		list, _ := t.Extra("scopes").([]any)
		for _, s := range list {
			if scope, ok := s.(string); ok {
				g.Scopes = append(g.Scopes, scope)
			}
		}
		return true
	},
}

// needs are the scopes of an object. Those of contacts are those of activities, too.
// Source: docs/api-reference/2026-03, the scopes of each call.
func needs(object string, write bool) [][]string {
	if activityLabels[object] != "" {
		object = contacts
	}
	if !slices.ContainsFunc(aboutObjects, func(o crm.Object) bool { return o.ID == object }) {
		return nil
	}
	out := [][]string{{"crm.objects." + object + ".read"}}
	if write {
		out = append(out, []string{"crm.objects." + object + ".write"})
	}
	return out
}

// Open returns a connector to one account. Kind token uses the private app's
// token as it is; kind oauth2 asks cfg.Tokens.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	return api.Connect(cfg, func(c *rest.Client) connector.Connector { return &account{c} })
}

// account is one HubSpot account.
type account struct{ client *rest.Client }

// App implements connector.Connector.
func (*account) App() crm.App { return app() }

// Test implements connector.Connector: it reads the account's details.
func (a *account) Test(ctx context.Context) (connector.Identity, error) {
	r := rest.Request{Op: "hubspot: test", Path: accountPath}
	var out accountDetails
	if _, err := a.client.Call(ctx, r, &out); err != nil {
		return connector.Identity{}, err
	}
	if out.PortalID <= 0 {
		return connector.Identity{}, rest.Malformed(r, "the account has no ID")
	}
	id := strconv.FormatInt(out.PortalID, 10)
	return connector.Identity{
		ExternalID: id, Name: "HubSpot account " + id,
		Detail: strings.Trim(rest.Clip(out.AccountType, 40)+", "+rest.Clip(out.TimeZone, 40), ", "),
	}, nil
}

// Objects implements connector.Connector. HubSpot tells no scopes of a private
// app, so which of the objects the token may use shows when they are used; the
// one call makes sure that it may do anything at all.
func (a *account) Objects(ctx context.Context) ([]crm.Object, error) {
	if _, err := a.client.Call(ctx, rest.Request{Op: "hubspot: list objects", Path: accountPath},
		new(accountDetails)); err != nil {
		return nil, err
	}
	return app().Objects, nil
}

// path returns base + object, or NotFound for what can be no object.
func path(op, base, object string) (string, error) {
	if !objectPattern.MatchString(object) {
		return "", fault.New(op, fault.NotFound, connector.CodeObject, "HubSpot has no such object")
	}
	return base + object, nil
}

// records returns the path of an object's records, for a call about n of them.
func records(op, object string, n int) (string, error) {
	if err := rows.Limit(op, n, batchSize); err != nil {
		return "", err
	}
	return path(op, objectsPath, object)
}

// Extras implements connector.Connector.
func (a *account) Extras() connector.Extras {
	return connector.Extras{
		Deleted: a.Deleted, History: a.History, CreateField: a.CreateField, DeleteField: a.DeleteField,
		OwnerByEmail: a.OwnerByEmail, OwnerEmail: a.OwnerEmail, FindLag: a.FindLag,
	}
}

var _ connector.Connector = (*account)(nil)
