package hubspotfake

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// The account, its app and its users. None of the values is secret: they open
// a fake.
const (
	PortalID     = 44332211
	AppID        = 998877
	PrivateToken = "pat-fake-private-app"
	ClientID     = "fake-client-id"
	ClientSecret = "fake-client-secret" //nolint:gosec // opens a fake
	// UniqueProperty is a custom property with unique values on every object.
	UniqueProperty = "lockstep_key"
)

// Scopes are the scopes the private app and every OAuth grant have unless they ask for less.
var Scopes = []string{
	"crm.objects.contacts.read", "crm.objects.contacts.write",
	"crm.objects.companies.read", "crm.objects.companies.write",
	"crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read",
	"crm.schemas.contacts.read", "crm.schemas.contacts.write",
	"crm.schemas.companies.read", "crm.schemas.companies.write",
	"crm.schemas.deals.read", "crm.schemas.deals.write", "oauth",
}

// OwnLimits are the limits of a private app on a starter plan (U1), and of
// search (G3).
var OwnLimits = fakekit.Limits{
	Calls: 100, Window: 10 * time.Second, SearchCalls: 5, SearchWindow: time.Second, Daily: 250_000,
}

// Fake is a HubSpot account. Its HTTP surface includes the knobs of fakekit.
type Fake struct{ account *account }

// account is what the handlers work on, with the core's lock held.
type account struct {
	*fakekit.Core
	objects   []*object
	owners    []owner
	calls     int
	lastID    int64
	eventID   int64
	edges     map[end][]edge
	own       []kind // that admins of the portal made
	lastLabel int
	limits    map[int]int // of a kind, with how many records one may be associated by it
	audits    []audit     // of pipelines and stages, oldest first

	refuseStages bool     // knob: a lifecycle stage that moves backwards is 400, not kept in silence
	portal       int      // knob: the ID of the account
	without      []string // knob: scopes that an admin has taken from every grant
	merges       Merges
	domains      string        // knob: what is kept of companies' domains
	keep         time.Duration // of archived records; 0 = archiveDays
}

type owner struct {
	ID        string
	Email     string
	FirstName string
	LastName  string
	archived  bool
}

// New returns an account, with cfg.Seed contacts of slot 0. It starts without
// limits; SetLimits(OwnLimits) gives it HubSpot's.
func New(cfg fakekit.Config) *Fake {
	f := &account{Core: fakekit.New(cfg), lastID: 1_000_000, portal: PortalID}
	f.owners = []owner{
		{"7001", "alex@example.com", "Alex", "Example", false},
		{"7002", "robin@example.com", "Robin", "Sample", false},
		{"7003", "kim@example.org", "Kim", "Muster", false},
	}
	f.objects = append([]*object{f.contacts(), f.companies(), f.deals()}, f.activities()...)
	f.edges, f.limits = map[end][]edge{}, map[int]int{}
	for _, o := range f.objects {
		o.table = f.NewTable(o.name)
		o.groups = []*propertyGroup{
			{Name: o.props[0].Group, Label: strings.ToUpper(o.singular[:1]) + o.singular[1:] + " information"},
		}
		for _, p := range o.props {
			switch {
			case p.Name == "hs_additional_emails":
				o.table.IndexEach(p.Name, addresses)
			case p.unique || p.Name == "email":
				o.table.IndexOn(p.Name, strings.ToLower)
			}
		}
		o.history, o.makers = map[string][]change{}, map[string]source{}
	}
	f.salesPipeline(f.objects[2])
	f.Tokens().Add(fakekit.Token{Access: PrivateToken, Scopes: Scopes})
	f.Start(f)
	return &Fake{f}
}

// addresses reads additional e-mails: several stand between semicolons (G1).
func addresses(s string) []string {
	var out []string
	for part := range strings.SplitSeq(strings.ToLower(s), ";") {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.account.ServeHTTP(w, r) }

// Core implements fakekit.Fake.
func (f *Fake) Core() *fakekit.Core { return f.account.Core }

// Name implements fakekit.App.
func (*account) Name() string { return "hubspot" }

// Slot implements fakekit.App.
func (*account) Slot() int { return 0 }

// Seed implements fakekit.App: each person is a contact.
func (f *account) Seed(people []fakekit.Person, at time.Time) {
	o := f.objects[0]
	for i, p := range people {
		r := fakekit.NewRecord(f.newID(), at.Add(time.Duration(i)*time.Second), map[string]string{
			"firstname": p.First, "lastname": p.Last, "email": strings.ToLower(p.Email), "phone": p.Phone,
			"jobtitle": p.JobTitle, "company": p.Company, "city": p.City, "birthday": p.Birthday,
			"lifecyclestage": "lead",
		})
		if r.Fields["email"] == "" || len(f.holders(o, "email", r.Fields["email"])) == 0 { // they are unique (G1)
			o.table.Put(r)
		}
	}
}

func (f *account) newID() string {
	f.lastID++
	return strconv.FormatInt(f.lastID, 10)
}

// object finds an object type by name or type ID (G2).
func (f *account) object(name string) (*object, bool) {
	i := slices.IndexFunc(f.objects, func(o *object) bool {
		return o.name == name || o.typeID == name || o.singular == name
	})
	if i < 0 {
		return nil, false
	}
	return f.objects[i], true
}

// Create implements fakekit.App.
func (f *account) Create(name string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(name, fields, func(o *object, rest map[string]string) (*fakekit.Record, *apiError) {
		return f.create(o, rest, sourceUser)
	})
}

// Update implements fakekit.App.
func (f *account) Update(name, id string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(name, fields, func(o *object, rest map[string]string) (*fakekit.Record, *apiError) {
		return f.update(o, id, rest, sourceUser)
	})
}

func userEdit(r *fakekit.Record, e *apiError) (*fakekit.Record, error) {
	if e == nil {
		return r, nil
	}
	if e.status == http.StatusNotFound {
		return nil, fmt.Errorf("record: %w", fakekit.ErrNotFound)
	}
	return nil, errors.New(e.Message)
}

// Delete implements fakekit.App.
func (f *account) Delete(name, id string) error {
	o, ok := f.object(name)
	if !ok {
		return fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	if !f.archive(o, id, sourceUser) {
		return fmt.Errorf("record: %w", fakekit.ErrNotFound)
	}
	return nil
}

// Restore implements fakekit.App.
func (f *account) Restore(name, id string) (*fakekit.Record, error) {
	o, ok := f.object(name)
	if !ok {
		return nil, fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	old, ok := o.table.Get(id)
	if !ok {
		return nil, fmt.Errorf("record: %w", fakekit.ErrNotFound)
	}
	if !old.Deleted || old.MergedInto != "" {
		return nil, errors.New("the record is not in the recycle bin")
	}
	if mail := old.Fields["email"]; mail != "" && len(f.holders(o, "email", mail)) > 0 {
		return nil, errors.New("another contact has the e-mail by now")
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt, r.Modified = false, time.Time{}, f.Tick()
	o.table.Put(r)
	f.event(o, "restore", r.ID, sourceUser, nil)
	return r, nil
}

// Merge implements fakekit.App.
func (f *account) Merge(name, id, into string) (*fakekit.Record, error) {
	o, ok := f.object(name)
	if !ok {
		return nil, fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	return userEdit(f.merge(o, into, id, sourceUser))
}

var (
	_ fakekit.App     = (*account)(nil)
	_ fakekit.Fake    = (*Fake)(nil)
	_ fakekit.Knobber = (*account)(nil)
)
