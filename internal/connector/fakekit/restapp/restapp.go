package restapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// Spec is the table of an app.
type Spec struct {
	ID      string
	Slot    int
	Keys    []string                           // that open the account for good
	Present func(r *http.Request) string       // the key or token that a call comes with
	Objects []*Object                          // the first one has the seeded people
	Person  func(fakekit.Person) Values        // a seeded person
	Routes  func(f *Fake) []fakekit.Route      // all of the app's
	Refuse  func(http.ResponseWriter, Refusal) // the app's error body
	Wait    func(h http.Header, wait time.Duration)
	Hook    *Hook // nil = the app does not call
}

// Values are a record's by the name of the field; a list is joined by semicolons.
type Values map[string]string

// Refusal is what the app says in place of an answer.
type Refusal struct {
	Status            int
	Code, Field, Text string
	Existing          string // the record in the way
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// Object is a record type.
type Object struct {
	Name     string
	NewID    func(n int64) string
	ShownID  func(id string) any // nil = as text
	ID       string              // JSON pointers
	Created  string
	Modified string
	Stamp    func(time.Time) any
	Grain    time.Duration // how finely the app tells times
	Blank    any           // how a blank field is written; Omitted = not at all
	Fields   []Field
	Lenient  bool // keys of a body that are no fields are ignored
	// Rule refuses what the app's own rules do; before is nil for a new record.
	Rule func(f *Fake, before, after *fakekit.Record) *Refusal

	table *fakekit.Table
}

// Omitted is the Blank of apps that leave blank fields out.
var Omitted = struct{}{}

// Field is a field of an object.
type Field struct {
	Name     string
	At       string // JSON pointer; "" = /<Name>
	To       string // in bodies; "" = At
	Kind     Kind
	Options  []string
	Required bool // of a new record
	ReadOnly bool
	Max      int // characters
}

// Kind is the type of a field's values in JSON.
type Kind int

// The kinds.
const (
	Text Kind = iota
	Number
	Bool
	List
	NumberText // a number on the wire that names something
)

func (d Field) at() string {
	if d.At == "" {
		return "/" + d.Name
	}
	return d.At
}

func (d Field) to() string {
	if d.To == "" {
		return d.at()
	}
	return d.To
}

// Hook is how an app calls.
type Hook struct {
	// Word names an event: of an object and "create", "update" or "delete".
	Word  func(object, action string) string
	Limit int // events in one delivery
	Pack  func(f *Fake, hook fakekit.Webhooks, events []fakekit.Event, now time.Time) fakekit.Packed
}

// core has another name, so that Fake has the method Core.
type core = fakekit.Core

// Fake is a fake of a table.
type Fake struct {
	*core
	spec   Spec
	byUser bool
	lastID int64
}

// New returns a fake of a table.
func New(spec Spec, cfg fakekit.Config) *Fake {
	f := &Fake{core: fakekit.New(cfg), spec: spec, byUser: true}
	for _, o := range spec.Objects {
		o.table = f.NewTable(o.Name)
		if o.Grain == 0 {
			o.Grain = time.Millisecond
		}
	}
	for _, key := range spec.Keys {
		f.Tokens().Add(fakekit.Token{Access: key})
	}
	f.Start(f)
	return f
}

// Name implements fakekit.App.
func (f *Fake) Name() string { return f.spec.ID }

// Slot implements fakekit.App.
func (f *Fake) Slot() int { return f.spec.Slot }

// Routes implements fakekit.App.
func (f *Fake) Routes() []fakekit.Route { return f.spec.Routes(f) }

// Seed implements fakekit.App.
func (f *Fake) Seed(people []fakekit.Person, at time.Time) {
	o := f.spec.Objects[0]
	for i, p := range people {
		o.table.Put(fakekit.NewRecord(f.newID(o), at.Add(time.Duration(i)*time.Second), f.spec.Person(p)))
	}
}

func (f *Fake) newID(o *Object) string {
	f.lastID++
	return o.NewID(f.lastID)
}

// Object returns a record type by its name.
func (f *Fake) Object(name string) *Object {
	i := slices.IndexFunc(f.spec.Objects, func(o *Object) bool { return o.Name == name })
	if i < 0 {
		return nil
	}
	return f.spec.Objects[i]
}

// Get returns a live record.
func (f *Fake) Get(o *Object, id string) (*fakekit.Record, bool) {
	r, ok := o.table.Get(id)
	return r, ok && !r.Deleted
}

// Create implements fakekit.App.
func (f *Fake) Create(name string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(name, "", fields)
}

// Update implements fakekit.App.
func (f *Fake) Update(name, id string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(name, id, fields)
}

func (f *Fake) edit(name, id string, fields map[string]string) (*fakekit.Record, error) {
	o := f.Object(name)
	if o == nil {
		return nil, fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	r, refused := f.Save(o, id, fields)
	if refused != nil {
		if refused.Status == http.StatusNotFound {
			return nil, fmt.Errorf("%s: %w", o.Name, fakekit.ErrNotFound)
		}
		return nil, refused
	}
	return r, nil
}

// Save makes a record, or changes the one with the ID; empty values clear.
func (f *Fake) Save(o *Object, id string, values Values) (*fakekit.Record, *Refusal) {
	r, action := &fakekit.Record{Fields: map[string]string{}, Created: f.Tick()}, "create"
	var before *fakekit.Record
	if id != "" {
		old, ok := f.Get(o, id)
		if !ok {
			return nil, &Refusal{Status: http.StatusNotFound, Code: "not_found", Text: "no such record"}
		}
		r, before, action = old.Clone(), old, "update"
	}
	for _, d := range o.Fields {
		v, given := values[d.Name]
		if !given {
			continue
		}
		if d.ReadOnly && !f.byUser {
			return nil, bad("read_only", d.Name, "cannot be written")
		}
		if refused := d.holds(v); refused != nil {
			return nil, refused
		}
		was := ""
		if before != nil {
			was = before.Fields[d.Name]
		}
		r.Set(d.Name, f.Rewritten(o.Name, d.Name, v, was, f.byUser))
	}
	for name := range values {
		if !slices.ContainsFunc(o.Fields, func(d Field) bool { return d.Name == name }) {
			return nil, bad("unknown_field", name, "is no field")
		}
	}
	for _, d := range o.Fields {
		if d.Required && before == nil && r.Fields[d.Name] == "" {
			return nil, bad("required", d.Name, "is required")
		}
	}
	if o.Rule != nil {
		if refused := o.Rule(f, before, r); refused != nil {
			return nil, refused
		}
	}
	if rule, broken := f.Broken(o.Name, r.Fields, f.byUser); broken {
		return nil, bad("rule", strings.Join(rule.Names, ","), "is refused by a rule of the account")
	}
	if r.ID == "" {
		r.ID = f.newID(o)
	}
	f.put(o, r, action)
	return r, nil
}

func bad(code, field, what string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: code, Field: field, Text: field + " " + what}
}

// holds refuses a value that the field cannot have.
func (d Field) holds(v string) *Refusal {
	switch {
	case v == "":
	case d.Kind == Number && !number(v), d.Kind == NumberText && !number(v), d.Kind == Bool && v != "true" && v != "false":
		return bad("bad_value", d.Name, "has a value of another type")
	case d.Max > 0 && len([]rune(v)) > d.Max:
		return bad("too_long", d.Name, "is too long")
	case d.Options != nil:
		for part := range strings.SplitSeq(v, ";") {
			if !slices.Contains(d.Options, part) {
				return bad("bad_option", d.Name, "has no such option")
			}
		}
	}
	return nil
}

func number(s string) bool {
	var n json.Number
	return json.Unmarshal([]byte(s), &n) == nil && s[0] != '"'
}

func (f *Fake) put(o *Object, r *fakekit.Record, action string) {
	r.Modified = f.Tick()
	o.table.Put(r)
	if h := f.spec.Hook; h != nil {
		f.Emit(fakekit.Event{Object: o.Name, ID: r.ID, Kind: h.Word(o.Name, action), At: r.Modified, Data: f.Show(o, r)})
	}
}

// Delete implements fakekit.App.
func (f *Fake) Delete(name, id string) error {
	o := f.Object(name)
	if o == nil {
		return fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	old, ok := f.Get(o, id)
	if !ok {
		return fmt.Errorf("%s: %w", name, fakekit.ErrNotFound)
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt = true, f.Tick()
	f.put(o, r, "delete")
	return nil
}

// Restore implements fakekit.App.
func (f *Fake) Restore(name, id string) (*fakekit.Record, error) {
	o := f.Object(name)
	if o == nil {
		return nil, fmt.Errorf("object %q: %w", name, fakekit.ErrNotFound)
	}
	old, ok := o.table.Get(id)
	if !ok || !old.Deleted {
		return nil, errors.New("the record is not among the deleted ones")
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt = false, time.Time{}
	f.put(o, r, "update")
	return r, nil
}

// Merge implements fakekit.App: none of these apps tells of merges.
func (*Fake) Merge(string, string, string) (*fakekit.Record, error) {
	return nil, errors.New("the app does not merge records")
}

var (
	_ fakekit.App  = (*Fake)(nil)
	_ fakekit.Fake = (*Fake)(nil)
)
