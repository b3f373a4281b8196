package googlecontactsfake

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// The user and our OAuth client. None of the values is secret: they open a fake.
const (
	UserID       = "110000000000000000031"
	UserEmail    = "alex@example.com"
	ClientID     = "fake-client"
	ClientSecret = "fake-client-secret" //nolint:gosec // opens a fake
)

// The scopes that the fake knows [D].
const (
	ScopeContacts = "https://www.googleapis.com/auth/contacts"
	ScopeReadOnly = "https://www.googleapis.com/auth/contacts.readonly"
	ScopeEmail    = "https://www.googleapis.com/auth/userinfo.email"
)

// OwnLimits are what others have seen of a project's quota: 90 calls a minute and user.
var OwnLimits = fakekit.Limits{Calls: 90, Window: time.Minute}

// Object is the one record type.
const Object = "contacts"

// Fake is the contacts of a Google user. Its HTTP surface includes the knobs of fakekit.
type Fake struct{ book *book }

// book is what the handlers work on, with the core's lock held.
type book struct {
	fakekit.Silent
	*fakekit.Core

	table  *fakekit.Table
	groups []group
	lastID int64
	rev    int64
	dirty  []*fakekit.Record // versions that listings may not show yet
	shown  []string          // IDs in the order in which listings got to know of a change
	rules  rules
}

// rules are the doubts of doc.go.
type rules struct {
	PartialBatches bool             `json:"partial_batches" doc:"of a batch that fails the valid contacts are saved"`
	RenewedTokens  bool             `json:"renewed_tokens" doc:"the token of a listing of changes lives for seven days of its own"`
	ExpiredStatus  int              `json:"expired_status" doc:"of an expired sync token; 0 = 400"`
	TokenLife      fakekit.Duration `json:"token_life" doc:"of sync tokens; 0 = 168h"`
}

// group is a contact group [D].
type group struct {
	ID   string
	Name string
	Type string
}

// card is what is kept of a contact: its fields as the API has them, and its version.
type card struct {
	fields map[string][]entry
	rev    int64
	former []string // resource names that it had
}

// entry is one item of a field.
type entry = map[string]any

// New returns a user's contacts, cfg.Seed of them. It starts without limits;
// SetLimits(OwnLimits) gives it Google's.
func New(cfg fakekit.Config) *Fake {
	f := &book{Core: fakekit.New(cfg), groups: []group{
		{"myContacts", "myContacts", "SYSTEM_CONTACT_GROUP"},
		{"starred", "starred", "SYSTEM_CONTACT_GROUP"},
		{"family", "family", "SYSTEM_CONTACT_GROUP"},
		{"7a", "VIP", "USER_CONTACT_GROUP"},
	}}
	f.table = f.NewTable(Object)
	f.Start(f)
	return &Fake{f}
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.book.ServeHTTP(w, r) }

// Core implements fakekit.Fake.
func (f *Fake) Core() *fakekit.Core { return f.book.Core }

// OAuthToken makes a grant as if the user had just agreed, for tests that do not want to
// go through the browser.
func (f *Fake) OAuthToken() fakekit.Token {
	f.book.Lock()
	defer f.book.Unlock()
	return f.book.Tokens().Issue("fake-", ClientID, tokenLife, []string{ScopeContacts, ScopeEmail}, true)
}

// Person returns a contact as the API shows it to whoever asks for all its fields, nil
// when there is none.
func (f *Fake) Person(id string) map[string]any {
	f.book.Lock()
	defer f.book.Unlock()
	r, err := f.book.live(id)
	if err != nil {
		return nil
	}
	return f.book.show(r, allFields)
}

// Name implements fakekit.App.
func (*book) Name() string { return "googlecontacts" }

// Slot implements fakekit.App.
func (*book) Slot() int { return 1 }

// Seed implements fakekit.App: each person is a contact.
func (f *book) Seed(people []fakekit.Person, at time.Time) {
	for i, p := range people {
		c := &card{fields: map[string][]entry{}}
		for name, v := range map[string]string{
			"names/givenName": p.First, "names/familyName": p.Last, "emailAddresses": p.Email, "phoneNumbers": p.Phone,
			"organizations/title": p.JobTitle, "organizations/name": p.Company, "addresses/city": p.City,
			"birthdays": p.Birthday,
		} {
			_ = f.set(c, name, v) // made-up people are valid
		}
		f.store(&fakekit.Record{Created: at, Extra: c}, at.Add(time.Duration(i)*time.Second))
	}
}

// store puts a version of a contact, as it is at a time.
func (f *book) store(r *fakekit.Record, at time.Time) {
	c := contents(r)
	if r.ID == "" {
		f.lastID++
		r.ID = "c" + strconv.FormatInt(1000+f.lastID, 10)
	}
	f.rev++
	c.rev = f.rev
	if len(c.fields["memberships"]) == 0 { // "My Contacts" is where contacts are
		c.fields["memberships"] = []entry{membership("myContacts")}
	}
	r.Fields, r.Modified = f.flat(c), at
	f.table.Put(r)
	f.dirty = append(f.dirty, r)
}

// live returns a contact that is not deleted, under a former name too.
func (f *book) live(id string) (*fakekit.Record, error) {
	r, ok := f.table.Get(id)
	if ok && r.MergedInto != "" {
		r, ok = f.table.Get(r.MergedInto)
	}
	if !ok || r.Deleted {
		return nil, fmt.Errorf("contact: %w", fakekit.ErrNotFound)
	}
	return r, nil
}

func contents(r *fakekit.Record) *card { c, _ := r.Extra.(*card); return c }

// draft is a contact to change.
func (c *card) draft() *card {
	d := &card{fields: map[string][]entry{}, former: slices.Clone(c.former)}
	for name, list := range c.fields {
		for _, e := range list {
			d.fields[name] = append(d.fields[name], maps.Clone(e))
		}
	}
	return d
}

// Create implements fakekit.App.
func (f *book) Create(object string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(object, "", fields)
}

// Update implements fakekit.App.
func (f *book) Update(object, id string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(object, id, fields)
}

// edit is what a user types: entries of lists between semicolons, labels by name.
func (f *book) edit(object, id string, fields map[string]string) (*fakekit.Record, error) {
	if object != Object {
		return nil, fmt.Errorf("object %q: %w", object, fakekit.ErrNotFound)
	}
	r, c := &fakekit.Record{Created: f.Tick()}, &card{fields: map[string][]entry{}}
	if id != "" {
		old, err := f.live(id)
		if err != nil {
			return nil, err
		}
		r, c = old.Clone(), contents(old).draft()
	}
	was := f.flat(c)
	for name, v := range fields {
		if err := f.set(c, name, f.Rewritten(Object, name, v, was[name], true)); err != nil {
			return nil, err
		}
	}
	if err := f.allowed(c, true); err != nil {
		return nil, err
	}
	r.Extra = c
	f.store(r, f.Tick())
	return r, nil
}

// allowed reports what rule of the knobs a contact breaks.
func (f *book) allowed(c *card, byUser bool) error {
	if rule, broken := f.Broken(Object, f.flat(c), byUser); broken {
		return fmt.Errorf("invalid value for %s", strings.Join(rule.Names, ", "))
	}
	return nil
}

// Delete implements fakekit.App.
func (f *book) Delete(_, id string) error {
	old, err := f.live(id)
	if err != nil {
		return err
	}
	r := old.Clone()
	r.Deleted, r.DeletedAt, r.Extra = true, f.Tick(), contents(old).draft()
	f.store(r, r.DeletedAt)
	return nil
}

// Restore implements fakekit.App: by hand, from the bin.
func (f *book) Restore(_, id string) (*fakekit.Record, error) {
	r, err := f.table.Restored(id)
	if err != nil {
		return nil, err
	}
	r.Extra = contents(r).draft()
	f.store(r, f.Tick())
	return r, nil
}

// Merge implements fakekit.App: one contact is deleted and the other changes; the API
// does not tell that they belong together.
func (f *book) Merge(object, id, into string) (*fakekit.Record, error) {
	loser, winner, err := f.table.Merging(id, into)
	if err != nil {
		return nil, err
	}
	if err := f.Delete(object, id); err != nil {
		return nil, err
	}
	r, c := winner.Clone(), contents(winner).draft()
	for name, list := range contents(loser).draft().fields {
		if !single[name] || len(c.fields[name]) == 0 {
			c.fields[name] = append(c.fields[name], list...)
		}
	}
	r.Extra = c
	f.store(r, f.Tick())
	return r, nil
}

// rename gives a contact another resource name, as happens when it is linked to a
// profile or no longer is [D].
func (f *book) rename(id string) (*fakekit.Record, error) {
	old, err := f.live(id)
	if err != nil {
		return nil, err
	}
	r, c := old.Clone(), contents(old).draft()
	gone := old.Clone()
	r.ID, r.Extra, c.former = "", c, append(c.former, old.ID)
	f.store(r, f.Tick())
	gone.Deleted, gone.DeletedAt, gone.MergedInto, gone.Extra = true, f.Tick(), r.ID, contents(old).draft()
	f.table.Put(gone) // which no listing tells of: the new name says which ones it had
	return r, nil
}

type renameIn struct {
	ID string `json:"id" doc:"of the contact"`
}

type renameOut struct {
	ID string `json:"id" doc:"its new one"`
}

// Knobs implements fakekit.Knobber.
func (f *book) Knobs() []fakekit.Knob {
	return []fakekit.Knob{
		fakekit.NewKnob("PUT", "/_fake/google", "Set what the documents leave open.",
			func(_ *http.Request, in rules) (fakekit.Done, error) {
				f.Lock()
				defer f.Unlock()
				f.rules = in
				return fakekit.Done{OK: true}, nil
			}),
		fakekit.NewKnob("POST", "/_fake/google/rename",
			"Give a contact another resource name, as linking it to a profile does.",
			func(_ *http.Request, in renameIn) (renameOut, error) {
				f.Lock()
				defer f.Unlock()
				r, err := f.rename(in.ID)
				if err != nil {
					return renameOut{}, err
				}
				return renameOut{r.ID}, nil
			}),
	}
}

var (
	_ fakekit.App     = (*book)(nil)
	_ fakekit.Knobber = (*book)(nil)
	_ fakekit.Fake    = (*Fake)(nil)
)
