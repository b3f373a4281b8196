package leadsquaredfake

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

// The keys of the account's user. None of the values is secret: they open a fake.
const (
	AccessKey  = "fake-access-key"
	SecretKey  = "fake-secret-key"
	HookSecret = "fake-hook-secret"
	HookHeader = "X-Lockstep-Secret"
)

// The users whom a lead's ModifiedBy names: the one that the keys belong to, and a person.
const (
	KeysUser = "7f0a8f1c-0000-11e2-9e64-000000000003"
	Person   = "7f0a8f1c-0000-11e2-9e64-000000000004"
)

// Object is the one record type.
const Object = "leads"

// OwnLimits are those of the plan Pro [L24].
var OwnLimits = fakekit.Limits{Calls: 10, Window: 5 * time.Second, Daily: 10_000}

// Fake is a LeadSquared account. Its HTTP surface includes the knobs of fakekit.
type Fake struct{ account *account }

// account is what the handlers work on, with the core's lock held.
type account struct {
	*fakekit.Core

	table  *fakekit.Table
	acts   []*activityType
	fields []field
	lastID int
	events int64
	region string // the only host that lets anybody in; "" = any
	failed int    // deliveries without success
}

// field is described as [L17] has it.
type field struct {
	Name      string   `json:"SchemaName"`
	Label     string   `json:"DisplayName"`
	Type      string   `json:"DataType"`
	Mandatory bool     `json:"IsMandatory"`
	Unique    bool     `json:"IsUnique"`
	ReadOnly  bool     `json:"IsReadOnly"`
	Length    string   `json:"MaxLength"`
	Options   []option `json:"Options,omitempty"`
}

type option struct {
	Value string `json:"Value"`
}

// New returns an account, with cfg.Seed leads. It starts without limits;
// SetLimits(OwnLimits) gives it LeadSquared's.
func New(cfg fakekit.Config) *Fake {
	f := &account{Core: fakekit.New(cfg), acts: activityTypes(), fields: []field{
		{Name: "ProspectID", Label: "Lead ID", Type: "Text", ReadOnly: true},
		{Name: "ProspectAutoId", Label: "Lead Number", Type: "Number", ReadOnly: true},
		{Name: "CreatedOn", Label: "Created On", Type: "Date", ReadOnly: true},
		{Name: "ModifiedOn", Label: "Modified On", Type: "Date", ReadOnly: true},
		{Name: "ModifiedBy", Label: "Modified By", Type: "Text", ReadOnly: true},
		{Name: "FirstName", Label: "First Name", Type: "Text", Length: "100"},
		{Name: "LastName", Label: "Last Name", Type: "Text", Length: "100"},
		{Name: "EmailAddress", Label: "Email", Type: "Email", Unique: true, Length: "200"},
		{Name: "Phone", Label: "Phone Number", Type: "Phone", Unique: true},
		{Name: "Company", Label: "Company", Type: "Text"},
		{Name: "JobTitle", Label: "Job Title", Type: "Text"},
		{Name: "Source", Label: "Lead Source", Type: "Text"},
		{Name: "ProspectStage", Label: "Lead Stage", Type: "Select", Options: []option{
			{"Prospect"}, {"Opportunity"}, {"Customer"},
		}},
		{Name: "mx_Street1", Label: "Street", Type: "Text"},
		{Name: "mx_City", Label: "City", Type: "Text"},
		{Name: "mx_State", Label: "State", Type: "Text"},
		{Name: "mx_Zip", Label: "Zip", Type: "Text"},
		{Name: "mx_Country", Label: "Country", Type: "Text"},
		{Name: "mx_Age", Label: "Age", Type: "Number"},
		{Name: "mx_Member", Label: "Member", Type: "Boolean"},
		{Name: "mx_Visited_On", Label: "Visited On", Type: "Date"},
	}}
	f.table = f.NewTable(Object)
	for _, name := range unique {
		f.table.IndexOn(name, fold)
	}
	for _, t := range f.acts {
		if t.kind == 2 {
			t.table = f.NewTable(t.object())
		}
	}
	f.Tokens().Add(fakekit.Token{Access: AccessKey + "/" + SecretKey})
	f.Start(f)
	return &Fake{f}
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.account.ServeHTTP(w, r) }

// Core implements fakekit.Fake.
func (f *Fake) Core() *fakekit.Core { return f.account.Core }

// Name implements fakekit.App.
func (*account) Name() string { return "leadsquared" }

// Slot implements fakekit.App.
func (*account) Slot() int { return 1 }

// Seed implements fakekit.App: each person is a lead; of two with one e-mail or phone the
// second has none.
func (f *account) Seed(people []fakekit.Person, at time.Time) {
	for i, p := range people {
		r := &fakekit.Record{
			Fields: map[string]string{"ModifiedBy": Person}, Created: at.Add(time.Duration(i) * time.Second),
		}
		for name, v := range map[string]string{
			"FirstName": p.First, "LastName": p.Last, "EmailAddress": p.Email, "Phone": p.Phone, "JobTitle": p.JobTitle,
			"Company": p.Company, "mx_City": p.City,
		} {
			if f.holder(name, v) == nil {
				r.Set(name, v)
			}
		}
		r.Modified = r.Created
		f.number(r)
		f.table.Put(r)
	}
}

// number gives a new lead its IDs.
func (f *account) number(r *fakekit.Record) {
	f.lastID++
	r.ID = fmt.Sprintf("%08d-51aa-11e2-9e64-%012d", f.lastID, f.lastID)
	r.Fields["ProspectAutoId"] = strconv.Itoa(f.lastID)
}

func (f *account) field(name string) (field, bool) {
	i := slices.IndexFunc(f.fields, func(d field) bool { return d.Name == name })
	if i < 0 {
		return field{}, false
	}
	return f.fields[i], true
}

// unique are the fields that no two leads hold alike, whatever the case.
var unique = []string{"EmailAddress", "Phone"}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// holder is the lead that has a value of a unique field.
func (f *account) holder(name, v string) *fakekit.Record {
	if found, _ := f.table.Live.Lookup(name, v); len(found) > 0 {
		return found[0]
	}
	return nil
}

func (f *account) live(id string) (*fakekit.Record, error) {
	r, ok := f.table.Get(id)
	if !ok || r.Deleted {
		return nil, fmt.Errorf("lead: %w", fakekit.ErrNotFound)
	}
	return r, nil
}

// Create implements fakekit.App.
func (f *account) Create(object string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(object, "", fields)
}

// Update implements fakekit.App.
func (f *account) Update(object, id string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(object, id, fields)
}

func (f *account) edit(object, id string, fields map[string]string) (*fakekit.Record, error) {
	if t := f.typeOf(object); t != nil {
		r, err := f.post(t, id, fields, true)
		if err != nil {
			return nil, err
		}
		return r, nil
	}
	if object != Object {
		return nil, fmt.Errorf("object %q: %w", object, fakekit.ErrNotFound)
	}
	r, err := f.save(id, fields, true)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// save makes a lead, or changes the one with the ID; empty values clear.
func (f *account) save(id string, fields map[string]string, byUser bool) (*fakekit.Record, error) {
	r, event := &fakekit.Record{Fields: map[string]string{"ProspectStage": "Prospect"}, Created: f.Tick()},
		"Lead_Post_Create"
	if id != "" {
		old, err := f.live(id)
		if err != nil {
			return nil, exception("MXInvalidEntityException", "Lead with the given Id does not exist")
		}
		r, event = old.Clone(), "Lead_Post_Update"
	}
	was := r.Clone()
	for name, v := range fields {
		d, ok := f.field(name)
		switch {
		case !ok:
			return nil, exception("MXInvalidAttributeException", "Attribute "+name+" does not exist")
		case d.ReadOnly:
			return nil, exception("MXInvalidAttributeException", "Attribute "+name+" cannot be updated")
		case !d.takes(v):
			return nil, exception("MXInvalidAttributeValueException", "Invalid value for attribute "+name)
		}
		if other := f.holder(name, v); d.Unique && other != nil && other.ID != r.ID {
			return nil, exception("MXDuplicateEntryException", "Duplicate entry '"+v+"' for key 'UQ_Prospect_Base_"+name+"'")
		}
		r.Set(name, f.Rewritten(Object, name, v, was.Fields[name], byUser))
	}
	if rule, broken := f.Broken(Object, r.Fields, byUser); broken {
		return nil, exception("MXInvalidAttributeValueException", "Invalid value for attribute "+strings.Join(rule.Names,
			", "))
	}
	if r.Fields["FirstName"]+r.Fields["LastName"]+r.Fields["EmailAddress"]+r.Fields["Phone"] == "" {
		return nil, exception("MXMandatoryAttributeMissingException",
			"One of FirstName, LastName, EmailAddress, Phone is required")
	}
	if r.ID == "" {
		f.number(r)
	}
	r.Fields["ModifiedBy"] = KeysUser
	if byUser {
		r.Fields["ModifiedBy"] = Person
	}
	r.Modified = f.Tick()
	f.table.Put(r)
	f.tell(event, was, r)
	return r, nil
}

// takes reports whether a field can hold a value.
func (d field) takes(v string) bool {
	if v == "" {
		return true
	}
	switch d.Type {
	case "Number":
		_, err := strconv.ParseFloat(v, 64)
		return err == nil
	case "Boolean":
		return v == "0" || v == "1"
	case "Date":
		_, err := time.Parse(layout, v)
		return err == nil
	case "Select":
		return slices.Contains(d.Options, option{v})
	}
	n, err := strconv.Atoi(d.Length)
	return err != nil || len([]rune(v)) <= n
}

// Delete implements fakekit.App: for good.
func (f *account) Delete(object, id string) error {
	if t := f.typeOf(object); t != nil {
		return f.deleteActivity(t, id)
	}
	old, err := f.live(id)
	if err != nil {
		return err
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt, r.Modified = true, f.Tick(), f.Tick()
	f.table.Put(r)
	f.tell("Lead_Post_Delete", old, r)
	return nil
}

// Restore implements fakekit.App: there is no bin.
func (*account) Restore(string, string) (*fakekit.Record, error) {
	return nil, errors.New("a deleted lead does not come back")
}

// Merge implements fakekit.App: the survivor takes what it lacks, the other one is deleted.
func (f *account) Merge(_, id, into string) (*fakekit.Record, error) {
	loser, winner, err := f.table.Merging(id, into)
	if err != nil {
		return nil, err
	}
	if err := f.Delete(Object, id); err != nil {
		return nil, err
	}
	f.follow(id, into)
	r := winner.Clone()
	r.TakeLacking(loser)
	r.Modified = f.Tick()
	f.table.Put(r)
	f.tell("Lead_Post_Update", winner, r)
	return r, nil
}

type regionIn struct {
	Host string `json:"host" doc:"the only host that lets anybody in; empty = any"`
}

// Knobs implements fakekit.Knobber.
func (f *account) Knobs() []fakekit.Knob {
	return []fakekit.Knob{
		fakekit.NewKnob("PUT", "/_fake/leadsquared/region", "Set the account's region.",
			func(_ *http.Request, in regionIn) (fakekit.Done, error) {
				f.Lock()
				defer f.Unlock()
				f.region = in.Host
				return fakekit.Done{OK: true}, nil
			}),
	}
}

var (
	_ fakekit.App     = (*account)(nil)
	_ fakekit.Knobber = (*account)(nil)
	_ fakekit.Fake    = (*Fake)(nil)
)
