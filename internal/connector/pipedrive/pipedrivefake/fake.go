package pipedrivefake

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// The company, its app and its users. None of the values is secret: they open a fake.
const (
	CompanyID    = 31
	APIToken     = "fake-api-token"
	ClientID     = "fake-client"
	ClientSecret = "fake-client-secret" //nolint:gosec // opens a fake
	HookUser     = "lockstep"           // of the webhooks that the knob sets up
	HookPassword = "fake-hook-password" //nolint:gosec // opens a fake
)

// The codes of the custom fields that every object has.
const (
	Nickname = "9a1b0000000000000000000000000000000000aa" // text
	Score    = "9a1b0000000000000000000000000000000000bb" // number
	Level    = "9a1b0000000000000000000000000000000000cc" // one option
	Tags     = "9a1b0000000000000000000000000000000000dd" // several options
	Budget   = "9a1b0000000000000000000000000000000000ee" // an amount and its currency
)

// OwnLimits are those of an API token on the smallest plan with one seat; the day's
// are tokens [L].
var OwnLimits = fakekit.Limits{
	Calls: 20, Window: 2 * time.Second, SearchCalls: 10, SearchWindow: 2 * time.Second, Daily: 30_000,
}

// Fake is a Pipedrive company. Its HTTP surface includes the knobs of fakekit.
type Fake struct{ company *company }

// company is what the handlers work on, with the core's lock held.
type company struct {
	*fakekit.Core
	objects []*object
	users   []user
	lastID  int64
	events  int64
	source  string    // of the change that is made: "app" or "api"
	failed  int       // deliveries whose first attempt failed, since the last ban
	banned  time.Time // until when nothing is delivered
}

type user struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Email   string `json:"email"`
	Active  bool   `json:"active_flag"`
	Company int64  `json:"company_id"`
	Domain  string `json:"company_domain"`
}

// object is a record type with its fields.
type object struct {
	name, singular string
	title          string // the field that a create must have; "" = none, and nothing is searched
	fields         []field
	table          *fakekit.Table
}

// field is described as [S2] getPersonFields has it.
type field struct {
	Name    string   `json:"field_name"`
	Code    string   `json:"field_code"`
	Type    string   `json:"field_type"`
	Custom  bool     `json:"is_custom_field"`
	Options []option `json:"options"`
	Parts   []field  `json:"subfields,omitempty"`
	fixed   bool     // worked out by Pipedrive
	words   bool     // of an enum: its options are words
}

type option struct {
	ID    any    `json:"id"` // a number, of the company's own fields a word
	Label string `json:"label"`
}

func text(name, code string) field { return field{Name: name, Code: code, Type: "varchar"} }

func fieldsOf(own ...field) []field {
	return slices.Concat([]field{
		{Name: "ID", Code: "id", Type: "int", fixed: true},
		{Name: "Created", Code: "add_time", Type: "date", fixed: true},
		{Name: "Updated", Code: "update_time", Type: "date", fixed: true},
	}, own, []field{
		{Name: "Owner", Code: "owner_id", Type: "user"},
		{Name: "Labels", Code: "label_ids", Type: "set", Options: []option{{1, "Hot"}, {2, "Cold"}}},
		{Name: "Nickname", Code: Nickname, Type: "varchar", Custom: true},
		{Name: "Score", Code: Score, Type: "double", Custom: true},
		{Name: "Level", Code: Level, Type: "enum", Custom: true, Options: []option{{12, "Gold"}, {13, "Silver"}}},
		{Name: "Tags", Code: Tags, Type: "set", Custom: true, Options: []option{{21, "Tea"}, {22, "Chess"}}},
		{Name: "Budget", Code: Budget, Type: "monetary", Custom: true, fixed: true, Parts: []field{
			{Name: "Amount", Code: "value", Type: "double"}, {Name: "Currency", Code: "currency", Type: "varchar"},
		}},
	})
}

// New returns a company, with cfg.Seed persons. It starts without limits;
// SetLimits(OwnLimits) gives it Pipedrive's.
func New(cfg fakekit.Config) *Fake {
	f := &company{Core: fakekit.New(cfg), source: "app", users: []user{
		{3, "Alex Example", "alex@example.com", true, CompanyID, "made-up"},
		{4, "Robin Sample", "robin@example.com", true, CompanyID, "made-up"},
		{5, "Kim Muster", "kim@example.org", false, CompanyID, "made-up"},
	}}
	f.objects = []*object{
		{name: "persons", singular: "person", title: "name", fields: fieldsOf(
			text("Name", "name"), field{Name: "First name", Code: "first_name", Type: "varchar", fixed: true},
			field{Name: "Last name", Code: "last_name", Type: "varchar", fixed: true}, text("Email", "emails"),
			field{Name: "Phone", Code: "phones", Type: "phone"}, field{Name: "Organization", Code: "org_id", Type: "org"})},
		{name: "organizations", singular: "organization", title: "name", fields: fieldsOf(text("Name", "name"))},
		{name: "deals", singular: "deal", title: "title", fields: fieldsOf(
			text("Title", "title"), field{Name: "Value", Code: "value", Type: "double"}, text("Currency", "currency"),
			field{Name: "Person", Code: "person_id", Type: "people"})},
		{name: "activities", singular: "activity", fields: activityFields},
	}
	for _, o := range f.objects {
		o.table = f.NewTable(o.name)
	}
	f.Tokens().Add(fakekit.Token{Access: APIToken})
	f.Start(f)
	return &Fake{f}
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.company.ServeHTTP(w, r) }

// Core implements fakekit.Fake.
func (f *Fake) Core() *fakekit.Core { return f.company.Core }

// OAuthToken makes a grant as if a user had just agreed, for tests that do not want
// to go through the browser.
func (f *Fake) OAuthToken() fakekit.Token {
	f.company.Lock()
	defer f.company.Unlock()
	return f.company.Tokens().Issue("fake-", ClientID, tokenLife, nil, true)
}

// Name implements fakekit.App.
func (*company) Name() string { return "pipedrive" }

// Slot implements fakekit.App.
func (*company) Slot() int { return 1 }

// Seed implements fakekit.App: each person is a person.
func (f *company) Seed(people []fakekit.Person, at time.Time) {
	for i, p := range people {
		f.objects[0].table.Put(fakekit.NewRecord(f.newID(), at.Add(time.Duration(i)*time.Second), map[string]string{
			"name": p.First + " " + p.Last, "first_name": p.First, "last_name": p.Last, "emails": p.Email, "phones": p.Phone,
			"owner_id": "3",
		}))
	}
}

func (f *company) newID() string {
	f.lastID++
	return strconv.FormatInt(f.lastID, 10)
}

func (f *company) object(name string) (*object, error) {
	i := slices.IndexFunc(f.objects, func(o *object) bool { return o.name == name })
	if i < 0 {
		return nil, fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	return f.objects[i], nil
}

// live returns a record that is not deleted.
func (o *object) live(id string) (*fakekit.Record, error) {
	r, ok := o.table.Get(id)
	if !ok || r.Deleted {
		return nil, fmt.Errorf("%s: %w", o.singular, fakekit.ErrNotFound)
	}
	return r, nil
}

// Create implements fakekit.App.
func (f *company) Create(name string, fields map[string]string) (*fakekit.Record, error) {
	return f.save(name, "", fields)
}

// Update implements fakekit.App.
func (f *company) Update(name, id string, fields map[string]string) (*fakekit.Record, error) {
	return f.save(name, id, fields)
}

// save makes a record, or changes the one with the ID; empty values clear. Values are
// in the fake's text form: entries of lists between semicolons, the primary one first.
func (f *company) save(name, id string, fields map[string]string) (*fakekit.Record, error) {
	o, err := f.object(name)
	if err != nil {
		return nil, err
	}
	r, action := &fakekit.Record{Fields: map[string]string{"owner_id": "3"}, Created: f.Tick()}, "create"
	if id != "" {
		old, err := o.live(id)
		if err != nil {
			return nil, err
		}
		r, action = old.Clone(), "change"
	}
	if id == "" && o.singular == "activity" {
		r.Fields["subject"], r.Fields["type"], r.Fields["done"] = "Call", "call", "false" // [S1] addActivity
	}
	was := r.Clone()
	for code, v := range fields {
		d, ok := o.field(code)
		switch {
		case !ok || d.fixed:
			return nil, fmt.Errorf("parameter '%s' is not allowed", code)
		case !d.takes(v), d.Type == "user" && v != "" && v != was.Fields[code] && !f.assignable(v):
			return nil, fmt.Errorf("parameter '%s' has a wrong value", code)
		case o.singular == "activity" && !f.there(d, v):
			return nil, fmt.Errorf("parameter '%s' names a record that is not there", code)
		case o.singular == "activity" && v == "" && (code == "subject" || code == "type"):
			return nil, fmt.Errorf("parameter '%s' is required", code)
		}
		r.Set(code, f.Rewritten(o.name, code, v, was.Fields[code], f.source == "app"))
	}
	if o.title != "" && r.Fields[o.title] == "" {
		return nil, fmt.Errorf("parameter '%s' is required", o.title)
	}
	if rule, broken := f.Broken(o.name, r.Fields, f.source == "app"); broken {
		return nil, fmt.Errorf("a rule of the company refuses %s", strings.Join(rule.Names, ", "))
	}
	if r.ID == "" {
		r.ID = f.newID()
	}
	if name := r.Fields["name"]; o.singular == "person" && name != was.Fields["name"] {
		first, last, _ := strings.Cut(name, " ")
		r.Set("first_name", first)
		r.Set("last_name", last)
	}
	if o.singular == "activity" {
		primary, _, _ := strings.Cut(r.Fields["participants"], ";")
		r.Set("person_id", primary)
	}
	return f.put(o, r, action, "", ""), nil
}

func (o *object) field(code string) (field, bool) {
	i := slices.IndexFunc(o.fields, func(d field) bool { return d.Code == code })
	if i < 0 {
		return field{}, false
	}
	return o.fields[i], true
}

// takes reports whether a field can hold a value.
func (d field) takes(v string) bool {
	for part := range strings.SplitSeq(v, ";") {
		known := slices.ContainsFunc(d.Options, func(o option) bool { return fmt.Sprint(o.ID) == part })
		_, err := strconv.ParseFloat(part, 64)
		switch {
		case v == "":
		case d.Options != nil && !known, d.number() && err != nil:
			return false
		}
	}
	return true
}

// number reports whether a field's values are numbers on the wire, one or several.
func (d field) number() bool {
	return !d.words && slices.Contains([]string{"int", "double", "enum", "set", "user", "org", "people", "deal"}, d.Type)
}

// put stores and returns a version and tells of it, of a merge with the other record's ID.
func (f *company) put(o *object, r *fakekit.Record, action, merged, other string) *fakekit.Record {
	old, _ := o.table.Get(r.ID)
	r.Modified = f.Tick()
	o.table.Put(r)
	f.tell(o, old, r, action, merged, other)
	return r
}

// Delete implements fakekit.App.
func (f *company) Delete(name, id string) error { return f.remove(name, id, "") }

func (f *company) remove(name, id, into string) error {
	o, err := f.object(name)
	if err != nil {
		return err
	}
	old, err := o.live(id)
	if err != nil {
		return err
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt, r.MergedInto = true, f.Tick(), into
	f.put(o, r, "delete", "merged_to_id", into)
	return nil
}

// Restore implements fakekit.App: by hand, within 30 days [S2].
func (f *company) Restore(name, id string) (*fakekit.Record, error) {
	o, err := f.object(name)
	if err != nil {
		return nil, err
	}
	r, err := o.table.Restored(id)
	if err != nil {
		return nil, err
	}
	return f.put(o, r, "change", "", ""), nil
}

// Merge implements fakekit.App: the survivor's data win, and it takes what it lacks [S1].
func (f *company) Merge(name, id, into string) (*fakekit.Record, error) {
	o, err := f.object(name)
	if err != nil {
		return nil, err
	}
	loser, winner, err := o.table.Merging(id, into)
	if err != nil {
		return nil, err
	}
	if err := f.remove(name, id, into); err != nil {
		return nil, err
	}
	r := winner.Clone()
	r.TakeLacking(loser)
	return f.put(o, r, "change", "merged_from_id", id), nil
}
