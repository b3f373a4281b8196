package salesforce

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
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
	{ID: "Task", Label: "Task", Activity: activity},
	{ID: "Event", Label: "Event", Activity: activity},
}

// activity says which fields of tasks and events name what they are about: a person,
// or something else.
// Source: atlas…/object_reference/sforce_api_objects_task.htm, WhoId and WhatId.
var activity = &crm.ActivityObject{Parents: []crm.ActivityParent{
	{Object: "Contact", Field: "WhoId"},
	{Object: "Lead", Field: "WhoId"},
	{Object: "Account", Field: "WhatId"},
	{Object: "Opportunity", Field: "WhatId"},
}}

// prefixes are how IDs of the well-known objects begin, in every org.
// Source: help.salesforce.com, standard field record ID prefix decoder.
var prefixes = map[string]string{"Contact": "003", "Lead": "00Q", "Account": "001", "Opportunity": "006"}

// mergeable objects keep the survivor of a merge in MasterRecordId.
var mergeable = map[string]bool{"Contact": true, "Lead": true, "Account": true}

// Driver returns the Salesforce driver.
func Driver() connector.Driver {
	return connector.Driver{App: app(), Open: Open, OAuth: oauth, Needs: needs, Webhooks: webhooks{}}
}

func app() crm.App {
	return crm.App{
		ID:   ID,
		Name: "Salesforce",
		// A column that was asked for is in the answer, null where it is blank;
		// one that is gone, or hidden by field-level security, fails the call.
		Blank:   crm.BlankNull,
		Objects: append([]crm.Object(nil), objects...),
		Page:    "{base}/lightning/r/{object}/{id}/view",
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
			crm.AbilityOwners, crm.AbilityArchive, crm.AbilityRecordTimes, crm.AbilityMerges, crm.AbilitySaveDuplicates,
			crm.AbilityAbsorbed,
		},
		Warnings: []string{
			"Salesforce's daily calls are shared with every other tool of the org.",
			"Fields that the connected user may not see are missing without an error.",
			"Custom fields are made in Salesforce's Setup, not from here.",
			"Tasks and events that Salesforce has archived are not listed.",
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

// api is how an org is called. Its usage of the day comes with each answer:
// guide/headers-api-usage.
var api = &rest.App{
	Describe: app,
	Example:  "https://example.my.salesforce.com, the org's instance URL",
	Auth:     map[crm.AuthKind]rest.Auth{crm.AuthOAuth2: rest.Bearer},
	Errors:   refusals,
	// Some 401 mean that the app or user is locked out, and no token helps.
	// Source: jsforce src/http-api.ts, isSessionExpired.
	Renewable: func(body []byte) bool {
		for _, s := range []string{
			"Connected app is not attached to Agent",
			"This session is not valid for use with the REST API",
			"BlackTab users cannot perform API operations",
		} {
			if strings.Contains(string(body), s) {
				return false
			}
		}
		return true
	},
	Prepare: func(r rest.Request, h http.Header) {
		h.Set("Sforce-Query-Options", "batchSize="+strconv.Itoa(pageSize))
	},
	Usage: func(h http.Header) (used, limit int, ok bool) { return apiUsage(h.Get("Sforce-Limit-Info")) },
}

// apiUsage reads "api-usage=10018/100000", possibly among other parts.
func apiUsage(info string) (used, limit int, ok bool) {
	for part := range strings.SplitSeq(info, ",") {
		value, found := strings.CutPrefix(strings.TrimSpace(part), "api-usage=")
		if !found {
			continue
		}
		u, l, _ := strings.Cut(value, "/")
		used, errU := strconv.Atoi(u)
		limit, errL := strconv.Atoi(l)
		return used, limit, errU == nil && errL == nil && limit > 0
	}
	return 0, 0, false
}

// needs says that the API is one right: what may be done with an object is a matter of
// the user's profile, which no grant tells.
// Source: help.salesforce.com, "OAuth Tokens and Scopes".
func needs(string, bool) [][]string { return [][]string{{"api", "full"}} }

// oauth authorises orgs. Production orgs log in at the common host, sandboxes at
// test.salesforce.com, and every org at its own My Domain. There is no expires_in: a
// session lives as long as the org's policy lets it.
// Source: jsforce src/oauth2.ts; atlas…/intro_understanding_refresh_token_oauth.htm.
var oauth = &rest.OAuth{ //nolint:gosec // addresses, and no credentials
	ID: ID, Errors: refusals,
	LoginHost: "https://login.salesforce.com", AuthorizePath: "/services/oauth2/authorize",
	TokenHost: "https://login.salesforce.com", TokenPath: "/services/oauth2/token",
	Style: oauth2.AuthStyleInParams,
	// refresh_token is what makes the grant outlive the admin's session.
	Scopes: []string{"api", "refresh_token"},
	Words: map[string]rest.Meaning{
		"invalid_client_id": rest.ClientRefused, "inactive_user": rest.GrantGone, "inactive_org": rest.GrantGone,
		"rate_limit_exceeded": {
			Kind: fault.Throttled, Code: connector.CodeRate, Text: "Salesforce limits how often tokens are asked for",
		},
	},
	Word: func(e *oauth2.RetrieveError) string {
		if strings.Contains(e.ErrorDescription, "login rate exceeded") {
			return "rate_limit_exceeded"
		}
		return ""
	},
	Says: func(t *oauth2.Token, g *connector.Grant) (ok bool) {
		instance, _ := t.Extra("instance_url").(string)
		identity, _ := t.Extra("id").(string)
		u, err := url.Parse(instance)
		g.BaseURL = strings.TrimRight(instance, "/")
		g.ExternalID, ok = orgOf(identity)
		return ok && err == nil && u.Host != ""
	},
	// Client credentials need the org's My Domain: the common hosts do not know which org is meant.
	Credentials: func(base string) error {
		if u, err := url.Parse(base); err != nil || u.Host == "" || u.Host == "login.salesforce.com" ||
			u.Host == "test.salesforce.com" {
			return fault.New("salesforce: refresh token", fault.Invalid, connector.CodeBaseURL,
				"client credentials need the org's My Domain address, such as https://example.my.salesforce.com")
		}
		return nil
	},
}

// orgOf takes the org out of an identity URL, https://host/id/00D…/005….
func orgOf(identity string) (string, bool) {
	u, err := url.Parse(identity)
	if err != nil {
		return "", false
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) != 3 || parts[0] != "id" {
		return "", false
	}
	id, ok := long(parts[1])
	return string(id), ok && strings.HasPrefix(string(id), "00D")
}

// Open returns a connector to one org. BaseURL is the instance URL that came
// with the grant.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	mine := *api
	if cfg.SaveDuplicates { // past alert rules: guide/headers-duplicaterules
		mine.Prepare = func(r rest.Request, h http.Header) {
			api.Prepare(r, h)
			if r.Write {
				h.Set("Sforce-Duplicate-Rule-Header", "allowSave=true")
			}
		}
	}
	c, err := mine.Open(cfg)
	if err != nil {
		return nil, err
	}
	return &org{c}, nil
}

// org is one Salesforce account.
type org struct{ client *rest.Client }

// App implements connector.Connector.
func (*org) App() crm.App { return app() }

// Test implements connector.Connector by asking for the org itself, which every
// user with the API right may read.
func (o *org) Test(ctx context.Context) (connector.Identity, error) {
	const op = "salesforce: test account"
	r := query(op, "SELECT Id, Name, OrganizationType, IsSandbox, InstanceName FROM Organization", false)
	r.Urgent = true
	page, _, err := o.page(ctx, r)
	if err != nil {
		return connector.Identity{}, err
	}
	if len(page.Records) != 1 {
		return connector.Identity{}, rest.Malformed(r, "there is not exactly one organization")
	}
	w := page.Records[0]
	id, ok := long(w.text(colID))
	if !ok {
		return connector.Identity{}, rest.Malformed(r, "the organization has no valid ID")
	}
	detail := w.text("OrganizationType")
	if string(w["IsSandbox"]) == "true" {
		detail += ", sandbox"
	}
	if i := w.text("InstanceName"); i != "" {
		detail += ", instance " + i
	}
	return connector.Identity{ExternalID: string(id), Name: w.text("Name"), Detail: detail}, nil
}

// Self is one of connector.Extras: the user that the token stands for.
// Source: help.salesforce.com, remoteaccess_using_userinfo_endpoint.
func (o *org) Self(ctx context.Context) (string, error) {
	r := rest.Request{Op: "salesforce: read own user", Path: "/services/oauth2/userinfo"}
	var who struct {
		User string `json:"user_id"`
	}
	if _, err := o.client.Call(ctx, r, &who); err != nil {
		return "", err
	}
	id, ok := long(who.User)
	if !ok {
		return "", rest.Malformed(r, "the user has no valid ID")
	}
	return string(id), nil
}

// Extras implements connector.Connector.
func (o *org) Extras() connector.Extras {
	return connector.Extras{
		Deleted: o.Deleted, Absorbed: o.Absorbed, Self: o.Self, OwnerByEmail: o.OwnerByEmail, OwnerEmail: o.OwnerEmail,
	}
}

var _ connector.Connector = (*org)(nil)
