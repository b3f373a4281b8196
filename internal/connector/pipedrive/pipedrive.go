package pipedrive

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
const ID crm.AppID = "pipedrive"

const (
	pageSize  = 500 // openapi v2, getPersons
	readBatch = 100 // openapi v2, getPersons: ids
	// overlap is how far scans look back. Pipedrive names no delay; a minute covers
	// clocks that differ and writes that end late.
	overlap = time.Minute
)

// object is what differs between the record types.
type object struct {
	id, label string
	fields    string // path of their description
	required  string // the one field that a create must have; "" = none
	// about is set for activities: what they may be about.
	about *crm.ActivityObject
}

// searched is what a search calls the fields that it looks into.
var searched = map[string]string{"name": "name", "title": "title", "emails": "email", "phones": "phone"}

// The record types. Leads and notes are not synced.
var objects = []object{
	{id: "persons", label: "Persons", fields: "/api/v2/personFields", required: "name"},
	{id: "organizations", label: "Organizations", fields: "/api/v2/organizationFields", required: "name"},
	{id: "deals", label: "Deals", fields: "/api/v2/dealFields", required: "title"},
	{id: activities, label: "Activities", fields: "/api/v2/activityFields", about: parents},
}

func (o object) path() string { return "/api/v2/" + o.id }

// find returns a record type, for a call about n of something.
func find(op, id string, n, limit int) (object, error) {
	i := slices.IndexFunc(objects, func(o object) bool { return o.id == id })
	if i < 0 {
		return object{}, fault.New(op, fault.NotFound, connector.CodeObject, "Pipedrive has no such object that is synced")
	}
	return objects[i], rows.Limit(op, n, limit)
}

// Driver returns the Pipedrive driver.
func Driver() connector.Driver {
	return connector.Driver{App: app(), Open: Open, OAuth: oauth, Needs: needs, Webhooks: webhooks{}}
}

func app() crm.App {
	a := crm.App{
		ID:   ID,
		Name: "Pipedrive",
		// Custom fields are listed, null where they are blank; lists are empty.
		Blank: crm.BlankNull,
		Auth: []crm.AuthMethod{
			{Kind: crm.AuthOAuth2},
			{Kind: crm.AuthToken, Fields: []crm.AuthField{{Name: "token", Label: "API token", Secret: true, Required: true}}},
		},
		Abilities: []crm.Ability{
			crm.AbilityWebhooks, crm.AbilityOwners, crm.AbilityArchive, crm.AbilityRecordTimes, crm.AbilityAnswerValues,
			crm.AbilityMerges,
		},
		Warnings: []string{
			"Pipedrive's daily budget is shared with every other app of the company.",
			"Deletions come by webhook only, or by a full listing.",
			"Pipedrive has no fields with unique values: two persons can have the same e-mail.",
		},
		Limits: crm.Limits{
			ReadBatch: readBatch, FindBatch: 1, WriteBatch: 1, PageSize: pageSize,
			// An API token on the smallest plan, with one seat: 30,000 a day, of which a
			// list or a deletion takes up to 10 and a search 20.
			// Source: pipedrive.readme.io/docs/core-api-concepts-rate-limiting.
			BurstCalls: 20, BurstWindow: 2 * time.Second,
			SearchCalls: 10, SearchWindow: 2 * time.Second,
			DailyCalls: 3_000,
			IndexLag:   overlap,
		},
		SignsWebhooks: true, // by a password, which is a secret of ours as well
		Hosts:         []string{"pipedrive.com"},
	}
	for _, o := range objects {
		one := crm.Object{ID: o.id, Label: o.label, Activity: o.about}
		if o.about == nil { // activities have no page of their own
			one.Page = "{base}/" + strings.TrimSuffix(o.id, "s") + "/{id}"
		}
		a.Objects = append(a.Objects, one)
	}
	return a
}

// api is how Pipedrive is called.
var api = &rest.App{
	Describe: app,
	Base:     "https://api.pipedrive.com",
	Auth:     map[crm.AuthKind]rest.Auth{crm.AuthOAuth2: rest.Bearer, crm.AuthToken: rest.Header("x-api-token", "")},
	Errors:   refusals,
	Reset:    "x-ratelimit-reset",
}

// oauth authorises companies. Scopes are fixed in the app's settings, not asked for.
// A refresh token ends after 60 days without use.
// Source: pipedrive.readme.io/docs/marketplace-oauth-authorization.
var oauth = &rest.OAuth{ //nolint:gosec // addresses, and no credentials
	ID: ID, Errors: refusals,
	LoginHost: "https://oauth.pipedrive.com", AuthorizePath: "/oauth/authorize",
	TokenHost: "https://oauth.pipedrive.com", TokenPath: "/oauth/token",
	Style: oauth2.AuthStyleInHeader,
	Says: func(t *oauth2.Token, g *connector.Grant) bool {
		domain, _ := t.Extra("api_domain").(string)
		u, err := url.Parse(domain)
		g.BaseURL = strings.TrimRight(domain, "/")
		return err == nil && u.Host != ""
	},
}

// scopes are those of an object's records: of two names, the one that only reads and the
// one that does all. Source: pipedrive.readme.io/docs/marketplace-scopes-and-permissions-explanations.
var scopes = rest.ReadOrAll(":read", ":full", map[string]string{
	"persons": "contacts", "organizations": "contacts", "deals": "deals", activities: "activities",
})

// needs are the scopes of an object. The fields of activities are shown to admins only.
// Source: openapi v2, getActivityFields.
func needs(object string, write bool) [][]string {
	out := scopes(object, write)
	if object == activities {
		out = append(out, []string{"admin"})
	}
	return out
}

// Open returns a connector to one company. Kind token uses a user's API token as it
// is; kind oauth2 asks cfg.Tokens.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	return api.Connect(cfg, func(c *rest.Client) connector.Connector { return &account{client: c} })
}

// account is one company, as one of its users sees it.
type account struct {
	client *rest.Client
	types  wire.FieldTypes // of fields, by code
}

// App implements connector.Connector.
func (*account) App() crm.App { return app() }

// Test implements connector.Connector: it reads the user that the credentials stand for.
func (a *account) Test(ctx context.Context) (connector.Identity, error) {
	me, err := a.me(ctx, "pipedrive: test")
	id := strconv.FormatInt(me.Company, 10)
	return connector.Identity{ExternalID: id, Name: "Pipedrive " + rest.Clip(me.Domain, 60), Detail: "company " + id}, err
}

func (a *account) me(ctx context.Context, op string) (user, error) {
	r := rest.Request{Op: op, Path: "/v1/users/me"}
	out, _, err := call[user](ctx, a, r)
	if err == nil && out.Data.Company <= 0 {
		err = rest.Malformed(r, "the user has no company")
	}
	return out.Data, err
}

// Objects implements connector.Connector. What the user may see of them shows when
// they are used; the one call makes sure that the credentials open anything at all.
func (a *account) Objects(ctx context.Context) ([]crm.Object, error) {
	if _, err := a.me(ctx, "pipedrive: list objects"); err != nil {
		return nil, err
	}
	return app().Objects, nil
}

// Extras implements connector.Connector.
func (a *account) Extras() connector.Extras {
	return connector.Extras{OwnerByEmail: a.OwnerByEmail, OwnerEmail: a.OwnerEmail}
}
