package intercomfake

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

// The workspace, its app and a token. None of the values is secret: they open a fake.
const (
	AppID        = "abc123"
	AccessToken  = "fake-access-token"
	ClientID     = "fake-client"
	ClientSecret = "fake-client-secret" //nolint:gosec // opens a fake
)

// The custom attributes that contacts have.
const (
	Nickname = "custom_attributes.nickname" // text
	Score    = "custom_attributes.score"    // whole number
	Level    = "custom_attributes.level"    // one option
	Since    = "custom_attributes.since"    // date, in Unix seconds
)

// OwnLimits are those of the document's example [L1].
var OwnLimits = fakekit.Limits{Calls: 167, Window: 10 * time.Second}

// Fake is an Intercom workspace. Its HTTP surface includes the knobs of fakekit.
type Fake struct{ space *space }

// space is what the handlers work on, with the core's lock held.
type space struct {
	*fakekit.Core

	objects []*object
	tags    []tag
	admins  []admin
	lastID  int
	events  int64
}

type tag struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

type admin struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

// object is a record type with its attributes.
type object struct {
	name, model string
	attributes  []attribute
	table       *fakekit.Table
}

// attribute is described as [S] data_attributes has it.
type attribute struct {
	Type     string   `json:"type"`
	Model    string   `json:"model"`
	Name     string   `json:"name"`
	Full     string   `json:"full_name"`
	Label    string   `json:"label"`
	Data     string   `json:"data_type"`
	Options  []string `json:"options,omitempty"`
	Writable bool     `json:"api_writable"`
	Custom   bool     `json:"custom"`
	Archived bool     `json:"archived"`
}

func attributesOf(model string, list ...attribute) []attribute {
	for i := range list {
		a := &list[i]
		a.Type, a.Model = "data_attribute", model
		a.Name = strings.TrimPrefix(a.Full, "custom_attributes.")
		a.Custom = a.Name != a.Full
		if a.Data == "" {
			a.Data = "string"
		}
	}
	return list
}

// New returns a workspace, with cfg.Seed contacts. It starts without limits;
// SetLimits(OwnLimits) gives it Intercom's.
func New(cfg fakekit.Config) *Fake {
	f := &space{Core: fakekit.New(cfg), admins: []admin{
		{"admin", "1001", "alex@example.com", "Alex Example"}, {"admin", "1002", "robin@example.com", "Robin Sample"},
	}, tags: []tag{{"tag", "501", "VIP"}, {"tag", "502", "Lead"}}}
	f.objects = []*object{
		{name: "contacts", model: "contact", attributes: attributesOf("contact",
			attribute{Full: "id", Label: "ID"}, attribute{Full: "created_at", Label: "Created", Data: "date"},
			attribute{Full: "updated_at", Label: "Updated", Data: "date"},
			attribute{Full: "name", Label: "Name", Writable: true}, attribute{Full: "email", Label: "Email", Writable: true},
			attribute{Full: "phone", Label: "Phone", Writable: true}, attribute{
				Full: "external_id", Label: "User ID", Writable: true,
			},
			attribute{Full: "role", Label: "Role", Writable: true, Options: []string{"user", "lead"}},
			attribute{Full: "owner_id", Label: "Owner", Data: "integer", Writable: true},
			attribute{Full: "unsubscribed_from_emails", Label: "Unsubscribed", Data: "boolean", Writable: true},
			attribute{Full: Nickname, Label: "Nickname", Writable: true}, attribute{
				Full: Score, Label: "Score", Data: "integer", Writable: true,
			},
			attribute{Full: Level, Label: "Level", Writable: true, Options: []string{"Gold", "Silver"}},
			attribute{Full: Since, Label: "Since", Data: "date", Writable: true},
			attribute{Full: "custom_attributes.old", Label: "Old", Archived: true})},
		{name: "companies", model: "company", attributes: attributesOf("company",
			attribute{Full: "id", Label: "ID"}, attribute{Full: "created_at", Label: "Created", Data: "date"},
			attribute{Full: "updated_at", Label: "Updated", Data: "date"},
			attribute{Full: "company_id", Label: "Company ID", Writable: true}, attribute{
				Full: "name", Label: "Name", Writable: true,
			},
			attribute{Full: "website", Label: "Website", Writable: true}, attribute{
				Full: "industry", Label: "Industry", Writable: true,
			},
			attribute{Full: "size", Label: "Size", Data: "integer", Writable: true}, attribute{
				Full: "monthly_spend", Label: "Spend", Data: "float", Writable: true,
			},
			attribute{Full: "plan", Label: "Plan", Writable: true}, attribute{
				Full: "custom_attributes.tier", Label: "Tier", Writable: true,
			})},
	}
	for _, o := range f.objects {
		o.table = f.NewTable(o.name)
	}
	for _, name := range []string{"email", "external_id"} {
		f.objects[0].table.IndexOn(name, fold)
	}
	f.objects[1].table.IndexOn("company_id", func(s string) string { return s })
	f.Tokens().Add(fakekit.Token{Access: AccessToken})
	f.Start(f)
	return &Fake{f}
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.space.ServeHTTP(w, r) }

// Core implements fakekit.Fake.
func (f *Fake) Core() *fakekit.Core { return f.space.Core }

// Name implements fakekit.App.
func (*space) Name() string { return "intercom" }

// Slot implements fakekit.App.
func (*space) Slot() int { return 1 }

// Seed implements fakekit.App: each person is a user; who has no e-mail, or one that is
// taken, is a lead.
func (f *space) Seed(people []fakekit.Person, at time.Time) {
	for i, p := range people {
		o := f.objects[0]
		r := &fakekit.Record{
			ID: f.newID(), Fields: map[string]string{"role": "user"}, Created: at.Add(time.Duration(i) * time.Second),
		}
		r.Modified = r.Created
		for name, v := range map[string]string{"name": p.First + " " + p.Last, "email": p.Email, "phone": p.Phone} {
			r.Set(name, v)
		}
		if p.Email == "" || f.holder(o, "email", p.Email) != nil {
			r.Set("role", "lead")
		}
		o.table.Put(r)
	}
}

func (f *space) newID() string {
	f.lastID++
	return fmt.Sprintf("6762f0dd1bb69f9f%08d", f.lastID)
}

func (f *space) object(name string) (*object, error) {
	i := slices.IndexFunc(f.objects, func(o *object) bool { return o.name == name || o.model == name })
	if i < 0 {
		return nil, fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	return f.objects[i], nil
}

func (o *object) attribute(full string) (attribute, bool) {
	i := slices.IndexFunc(o.attributes, func(a attribute) bool { return a.Full == full && !a.Archived })
	if i < 0 {
		return attribute{}, false
	}
	return o.attributes[i], true
}

// holder is the live record that has a unique value; of contacts users alone are unique.
func (f *space) holder(o *object, name, v string) *fakekit.Record {
	found, _ := o.table.Live.Lookup(name, v)
	for _, r := range found {
		if o.model == "company" || r.Fields["role"] == "user" {
			return r
		}
	}
	return nil
}

func (o *object) live(id string) (*fakekit.Record, error) {
	r, ok := o.table.Get(id)
	if !ok || r.Deleted {
		return nil, fmt.Errorf("%s: %w", o.model, fakekit.ErrNotFound)
	}
	return r, nil
}

// Create implements fakekit.App.
func (f *space) Create(name string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(name, "", fields)
}

// Update implements fakekit.App.
func (f *space) Update(name, id string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(name, id, fields)
}

func (f *space) edit(name, id string, fields map[string]string) (*fakekit.Record, error) {
	o, err := f.object(name)
	if err != nil {
		return nil, err
	}
	if labels, ok := fields["tags"]; ok {
		for _, label := range split(labels) {
			f.tag(label)
		}
	}
	if e := f.save(o, &id, fields, true); e != nil {
		return nil, e
	}
	return o.live(id)
}

// save makes a record, or changes the one with the ID; empty values clear.
func (f *space) save(o *object, id *string, fields map[string]string, byUser bool) error {
	r, what := &fakekit.Record{Fields: map[string]string{}, Created: f.Tick()}, "created"
	if *id != "" {
		old, err := o.live(*id)
		if err != nil {
			return &refusal{404, "not_found", capital(o.model) + " Not Found", ""}
		}
		r, what = old.Clone(), "updated"
	}
	was := r.Clone()
	for name, v := range fields {
		a, ok := o.attribute(name)
		switch {
		case name == "tags" && o.model == "contact":
		case !ok || !a.Writable:
			return &refusal{400, "parameter_invalid", "Custom attribute '" + name + "' does not exist", name}
		case !a.takes(v):
			return &refusal{400, "parameter_invalid", "Invalid value for " + name, name}
		case a.Name == "monthly_spend":
			v, _, _ = strings.Cut(v, ".") // it is truncated [S]
		}
		r.Set(name, f.Rewritten(o.name, name, v, was.Fields[name], byUser))
	}
	if err := f.allowed(o, r, was, byUser); err != nil {
		return err
	}
	if r.ID == "" {
		r.ID = f.newID()
	}
	*id, r.Modified = r.ID, f.Tick()
	o.table.Put(r)
	f.tell(o, what, r, nil)
	return nil
}

// allowed reports what a record as it is about to be saved breaks.
func (f *space) allowed(o *object, r, was *fakekit.Record, byUser bool) error {
	if o.model == "contact" && r.Fields["role"] == "" {
		if r.Fields["email"] == "" && r.Fields["external_id"] == "" {
			return &refusal{400, "parameter_not_found", "Please provide at least one of email, external_id or role", ""}
		}
		r.Fields["role"] = "user"
	}
	unique := []string{"email", "external_id"}
	if o.model == "company" {
		unique = []string{"company_id"}
		if r.Fields["company_id"] == "" || was.ID != "" && r.Fields["company_id"] != was.Fields["company_id"] {
			return &refusal{400, "parameter_invalid", "company_id is required and cannot be changed", "company_id"}
		}
	}
	for _, name := range unique {
		if other := f.holder(o, name, r.Fields[name]); other != nil && other.ID != r.ID &&
			(o.model == "company" || r.Fields["role"] == "user") {
			return &refusal{409, "conflict", "A " + o.model + " matching those details already exists with id=" + other.ID, ""}
		}
	}
	if rule, broken := f.Broken(o.name, r.Fields, byUser); broken {
		return &refusal{
			422, "parameter_invalid", "a rule refuses " + strings.Join(rule.Names, ", "), strings.Join(rule.Names, ""),
		}
	}
	return nil
}

// takes reports whether an attribute can hold a value.
func (a attribute) takes(v string) bool {
	switch {
	case v == "":
		return true
	case a.Data == "integer", a.Data == "date":
		_, err := strconv.ParseInt(v, 10, 64)
		return err == nil
	case a.Data == "float":
		_, err := strconv.ParseFloat(v, 64)
		return err == nil
	case a.Data == "boolean":
		return v == "true" || v == "false"
	}
	return a.Options == nil || slices.Contains(a.Options, v)
}

// tag returns the tag of a name, whatever its case; it is made where there is none.
func (f *space) tag(name string) tag {
	i := slices.IndexFunc(f.tags, func(t tag) bool { return strings.EqualFold(t.Name, name) })
	if i < 0 {
		i = len(f.tags)
		f.tags = append(f.tags, tag{"tag", strconv.Itoa(503 + i), name})
	}
	return f.tags[i]
}

// Delete implements fakekit.App.
func (f *space) Delete(name, id string) error {
	o, err := f.object(name)
	if err != nil {
		return err
	}
	return f.remove(o, id, "", "deleted")
}

func (f *space) remove(o *object, id, into, what string) error {
	old, err := o.live(id)
	if err != nil {
		return err
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt, r.Modified, r.MergedInto = true, f.Tick(), f.Tick(), into
	o.table.Put(r)
	if into == "" {
		f.tell(o, what, r, nil)
	}
	return nil
}

// Restore implements fakekit.App: of an archived contact.
func (f *space) Restore(name, id string) (*fakekit.Record, error) {
	o, err := f.object(name)
	if err != nil {
		return nil, err
	}
	r, err := o.table.Restored(id)
	if err != nil {
		return nil, err
	}
	r.Modified = f.Tick()
	o.table.Put(r)
	f.tell(o, "unarchived", r, nil)
	return r, nil
}

// Merge implements fakekit.App: the one named into stays as it is but for what it lacks.
func (f *space) Merge(name, id, into string) (*fakekit.Record, error) {
	o, err := f.object(name)
	if err != nil {
		return nil, err
	}
	loser, winner, err := o.table.Merging(id, into)
	if err != nil || o.model != "contact" {
		return nil, errors.Join(errors.New("two contacts to merge"), err)
	}
	if err := f.remove(o, id, into, ""); err != nil {
		return nil, err
	}
	r := winner.Clone()
	r.TakeLacking(loser)
	r.Modified = f.Tick()
	o.table.Put(r)
	f.tell(o, "merged", r, map[string]any{"merged_from": map[string]string{"type": "contact", "id": id}})
	return r, nil
}

var (
	_ fakekit.App  = (*space)(nil)
	_ fakekit.Fake = (*Fake)(nil)
)
