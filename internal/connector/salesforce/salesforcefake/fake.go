package salesforcefake

import (
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// The OAuth client that the org knows, good for every grant.
const (
	ClientID     = "3MVG9lockstep.fake.consumer.key"
	ClientSecret = "lockstep-fake-consumer-secret" //nolint:gosec // of a made-up org
)

const (
	newest       = 67 // of the API versions answered: 31.0 to 67.0
	oldest       = 31
	dataURL      = "/services/data/v67.0"
	defaultDaily = 1_000_000
	sessionLife  = 24 * time.Hour // the longest that an org's policy can say
)

// Fake is an org. It is an http.Handler.
type Fake struct{ org *org }

// org is what the core drives; its methods want the core's lock held.
type org struct {
	core    *fakekit.Core
	tables  map[string]*table
	virtual map[string][]*fakekit.Record // User, Organization
	cursors []cursor
	lastID  int // of cursors and notifications
	calls   int
	objects []*object      // this org's own: fields may come and go
	tx      *transaction   // of the collection call under way
	parts   *http.ServeMux // what a composite can call

	pageRows int           // knob: rows per page at most
	late     time.Duration // knob: how far back user edits are stamped
	rule     string        // knob: "", alert, block
	keepLog  time.Duration // knob: how long deletions are remembered
	session  time.Duration // knob: life of a session
	rights   Rights        // knob: what the API's user has lost
}

// New returns an org with cfg.Seed people as contacts.
func New(cfg fakekit.Config) *Fake {
	core := fakekit.New(cfg)
	f := &org{
		core: core, objects: own(), tables: map[string]*table{}, keepLog: 15 * 24 * time.Hour, session: sessionLife,
		pageRows: maxRows,
	}
	for _, o := range f.objects {
		if !o.readOnly {
			f.tables[o.name] = newTable(core, o)
		}
	}
	f.virtual = map[string][]*fakekit.Record{"User": users(core.Now()), "Organization": {organization(core.Now())}}
	core.Start(f)
	return &Fake{f}
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.org.core.ServeHTTP(w, r) }

// Core implements fakekit.Fake.
func (f *Fake) Core() *fakekit.Core { return f.org.core }

// OrgID is the org's ID, which webhooks name.
func (*Fake) OrgID() string { return orgID }

// OwnerEmail is the address of an active user.
func (*Fake) OwnerEmail() string { return "ada.owner@example.com" }

// Token makes an access token with a refresh token, as after a login.
func (f *Fake) Token() (access, refresh string) {
	core := f.org.core
	core.Lock()
	defer core.Unlock()
	t := core.Tokens().Issue(orgID[:15]+"!", ClientID, f.org.session, scopes, true)
	return t.Access, t.Refresh
}

func users(at time.Time) []*fakekit.Record {
	user := func(n int, name, email, active string) *fakekit.Record {
		return &fakekit.Record{
			ID: newID("005", n), Created: at, Modified: at.Truncate(time.Second),
			Fields: map[string]string{
				"Name": name, "Email": email, "Username": email + ".crm", "IsActive": active, "UserType": "Standard",
			},
		}
	}
	return []*fakekit.Record{
		user(1, "Ada Owner", "ada.owner@example.com", "true"),
		user(2, "Ben Seller", "ben.seller@example.com", "true"),
		user(3, "Cleo Gone", "cleo.gone@example.com", "false"),
	}
}

func organization(at time.Time) *fakekit.Record {
	return &fakekit.Record{ID: orgID, Created: at, Modified: at.Truncate(time.Second), Fields: map[string]string{
		"Name": "Made-up Org", "OrganizationType": "Enterprise Edition", "IsSandbox": "false", "InstanceName": "XX1",
	}}
}

// Name implements fakekit.App.
func (*org) Name() string { return "salesforce" }

// Slot implements fakekit.App: the second side of a pair.
func (*org) Slot() int { return 1 }

// Seed implements fakekit.App: each person is a contact. The duplicates behind
// the n people would be from the future; they are as old as the newest.
func (f *org) Seed(people []fakekit.Person, at time.Time) {
	t := f.tables["Contact"]
	now := f.core.Now()
	for i, p := range people {
		when := at.Add(time.Duration(i) * time.Second)
		if when.After(now) {
			when = now
		}
		when = when.Truncate(time.Second)
		t.put(fakekit.NewRecord(t.nextID(), when, map[string]string{
			"FirstName": p.First, "LastName": p.Last, "Email": strings.ToLower(p.Email), "Phone": p.Phone, "Title": p.JobTitle,
			"MailingCity": p.City, "Birthdate": p.Birthday, "Company__c": p.Company, "OwnerId": userID,
		}))
	}
}

// Routes implements fakekit.App.
func (f *org) Routes() []fakekit.Route {
	routes := []fakekit.Route{
		{Pattern: "GET /services/data", Handler: f.versions, Free: true},
		{Pattern: "GET /services/data/{$}", Handler: f.versions, Free: true},
		{Pattern: "GET /services/oauth2/authorize", Handler: f.authorize, Free: true},
		{Pattern: "POST /services/oauth2/token", Handler: f.token, Free: true},
		{Pattern: "POST /services/oauth2/revoke", Handler: f.revoke, Free: true},
		{Pattern: "GET /services/oauth2/revoke", Handler: f.revoke, Free: true},
		{Pattern: "GET /services/oauth2/userinfo", Handler: f.withToken(f.userInfo), Free: true},
		{Pattern: "GET /id/{org}/{user}", Handler: f.withToken(f.userInfo), Free: true},
	}
	first := len(routes)
	// Every path is the same with a slash behind it, as simple-salesforce writes many.
	data := func(pattern string, write bool, h http.HandlerFunc, params ...string) {
		method, path, _ := strings.Cut(pattern, " ")
		for _, end := range []string{"", "/{$}"} {
			routes = append(routes, fakekit.Route{
				Pattern: method + " /services/data/{version}" + path + end, Handler: f.data(h, params), Write: write,
			})
		}
	}
	data("GET ", false, f.resources)
	data("GET /limits", false, f.limits)
	data("GET /query", false, f.query, "q")
	data("GET /queryAll", false, f.query, "q")
	data("GET /query/{locator}", false, f.queryMore)
	data("GET /queryAll/{locator}", false, f.queryMore)
	data("GET /sobjects", false, f.globalDescribe)
	data("GET /sobjects/{object}/describe", false, f.describe)
	data("GET /sobjects/{object}/updated", false, f.updated, "start", "end")
	data("GET /sobjects/{object}/deleted", false, f.deleted, "start", "end")
	data("GET /search", false, f.searchFor, "q")
	data("GET /sobjects/{object}", false, f.basics)
	data("POST /sobjects/{object}", true, f.createOne)
	data("GET /sobjects/{object}/{id}", false, f.readOne, "fields")
	data("PATCH /sobjects/{object}/{id}", true, f.updateOne)
	data("DELETE /sobjects/{object}/{id}", true, f.deleteOne)
	data("GET /sobjects/{object}/{field}/{value}", false, f.readByKey, "fields")
	data("PATCH /sobjects/{object}/{field}/{value}", true, f.upsertOne, "updateOnly")
	data("GET /composite/sobjects/{object}", false, f.retrieve, "ids", "fields")
	data("POST /composite/sobjects/{object}", false, f.retrieve)
	data("POST /composite/sobjects", true, f.createMany)
	data("PATCH /composite/sobjects", true, f.updateMany)
	data("DELETE /composite/sobjects", true, f.deleteMany, "ids", "allOrNone")
	data("PATCH /composite/sobjects/{object}/{field}", true, f.upsertMany)
	f.parts = partRoutes(routes[first:])
	data("POST /composite", true, f.composite)
	data("POST /composite/batch", true, f.batch)
	return routes
}

var (
	_ fakekit.App     = (*org)(nil)
	_ fakekit.Fake    = (*Fake)(nil)
	_ fakekit.Knobber = (*org)(nil)
)
