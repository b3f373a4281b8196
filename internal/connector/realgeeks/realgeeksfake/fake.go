package realgeeksfake

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// What lets an integration in. None of the values is secret: they open a fake.
const (
	Username   = "fake-integration"
	Password   = "fake-password"
	HookSecret = "fake-hook-secret"
	Site       = "0b5e1d20-7c41-4a0f-9d7e-2f6a1c9b3e58"
)

// Object is the one record type.
const Object = "leads"

// fields are those of a lead that can be written [R6].
var fields = []string{
	"first_name", "last_name", "email", "second_email", "phone", "phone2",
	"address", "street_address", "city", "state", "zip",
	"source", "source_details", "role", "region",
}

// identifying are those of which a lead needs one [R6].
var identifying = fields[:10]

var roles = []string{"Buyer", "Seller", "Buyer and Seller", "Renter"}

// Fake is a Real Geeks site. Its HTTP surface includes the knobs of fakekit.
type Fake struct{ site *site }

// site is what the handlers work on, with the core's lock held.
type site struct {
	*fakekit.Core

	table *fakekit.Table
	unset map[string]map[string]bool // by lead: fields that had a value once
	last  int
}

// New returns a site, with cfg.Seed leads.
func New(cfg fakekit.Config) *Fake {
	f := &site{Core: fakekit.New(cfg), unset: map[string]map[string]bool{}}
	f.table = f.NewTable(Object)
	f.table.IndexOn("email", fold)
	f.Tokens().Add(fakekit.Token{Access: Username + ":" + Password})
	f.Start(f)
	return &Fake{f}
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.site.ServeHTTP(w, r) }

// Core implements fakekit.Fake.
func (f *Fake) Core() *fakekit.Core { return f.site.Core }

// Name implements fakekit.App.
func (*site) Name() string { return "realgeeks" }

// Slot implements fakekit.App.
func (*site) Slot() int { return 1 }

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// number is the ID of a lead that was made on the site.
func (f *site) number() string {
	f.last++
	return fmt.Sprintf("5eed%08x40008000%012x", f.last, f.last)
}

// Seed implements fakekit.App.
func (f *site) Seed(people []fakekit.Person, at time.Time) {
	for i, p := range people {
		f.table.Put(fakekit.NewRecord(f.number(), at.Add(time.Duration(i)*time.Second), map[string]string{
			"first_name": p.First, "last_name": p.Last, "email": p.Email, "phone": p.Phone, "city": p.City, "source": "Website",
		}))
	}
}

func (f *site) live(id string) (*fakekit.Record, error) {
	r, ok := f.table.Get(id)
	if !ok || r.Deleted {
		return nil, &wrong{http.StatusNotFound, "Lead not found"}
	}
	return r, nil
}

// Create implements fakekit.App: an agent's new lead.
func (f *site) Create(object string, values map[string]string) (*fakekit.Record, error) {
	if object != Object {
		return nil, fmt.Errorf("object %q: %w", object, fakekit.ErrNotFound)
	}
	r := &fakekit.Record{ID: f.number(), Fields: map[string]string{"source": "Manual"}, Created: f.Tick()}
	return f.save(r, values, "created", true)
}

// Update implements fakekit.App: an agent's edit, which may empty a field.
func (f *site) Update(object, id string, values map[string]string) (*fakekit.Record, error) {
	r, err := f.live(id)
	if object != Object || err != nil {
		return nil, fmt.Errorf("lead: %w", fakekit.ErrNotFound)
	}
	return f.save(r.Clone(), values, "updated", true)
}

// save changes a lead and tells of it; empty values clear.
func (f *site) save(r *fakekit.Record, values map[string]string, action string, byUser bool) (*fakekit.Record, error) {
	for name, v := range values {
		switch {
		case !slices.Contains(fields, name):
			return nil, bad("Field '" + name + "' is not allowed.")
		case name == "role" && v != "" && !slices.Contains(roles, v):
			return nil, bad("Field 'role' is not a valid choice.")
		case strings.Contains(name, "email") && v != "" && !strings.Contains(v, "@"):
			return nil, bad("Field '" + name + "' is not a valid email.")
		}
		old := r.Fields[name]
		if v == "" && old != "" {
			if f.unset[r.ID] == nil {
				f.unset[r.ID] = map[string]bool{}
			}
			f.unset[r.ID][name] = true
		}
		r.Set(name, f.Rewritten(Object, name, v, old, byUser))
	}
	if rule, broken := f.Broken(Object, r.Fields, byUser); broken {
		return nil, bad("Field '" + strings.Join(rule.Names, ", ") + "' is not valid.")
	}
	if r.Fields["source"] == "" {
		return nil, bad("Field 'source' is required.")
	}
	if !slices.ContainsFunc(identifying, func(name string) bool { return r.Fields[name] != "" }) {
		return nil, bad("One of the identification fields is required.")
	}
	r.Modified = f.Tick()
	f.table.Put(r)
	f.tell(action, r)
	return r, nil
}

// Delete implements fakekit.App: nobody is told.
func (f *site) Delete(_, id string) error {
	r, err := f.live(id)
	if err != nil {
		return err
	}
	gone := r.Clone()
	gone.Deleted, gone.DeletedAt, gone.Modified = true, f.Tick(), f.Tick()
	f.table.Put(gone)
	return nil
}

// Restore implements fakekit.App: there is no bin.
func (*site) Restore(string, string) (*fakekit.Record, error) {
	return nil, errors.New("a deleted lead does not come back")
}

// Merge implements fakekit.App: the survivor takes what it lacks, the other one is
// deleted, and only the survivor is told of.
func (f *site) Merge(_, id, into string) (*fakekit.Record, error) {
	loser, err := f.live(id)
	if err != nil {
		return nil, err
	}
	winner, err := f.live(into)
	if err != nil || id == into {
		return nil, errors.Join(errors.New("two live leads to merge"), err)
	}
	if err := f.Delete(Object, id); err != nil {
		return nil, err
	}
	lacks := map[string]string{}
	for name, v := range loser.Fields {
		if winner.Fields[name] == "" {
			lacks[name] = v
		}
	}
	return f.save(winner.Clone(), lacks, "updated", true)
}

var (
	_ fakekit.App  = (*site)(nil)
	_ fakekit.Fake = (*Fake)(nil)
)
