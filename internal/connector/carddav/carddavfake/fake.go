package carddavfake

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

// The user. None of the values is secret: they open a fake.
const (
	Username = "ada"
	Password = "fake-app-password"
	Book     = "/dav/addressbooks/ada/contacts/"
	BookName = "Contacts"
)

// Object is the one record type.
const Object = "contacts"

// Fake is a user's address book. Its HTTP surface includes the knobs of fakekit.
type Fake struct{ server *server }

// server is what the handlers work on, with the core's lock held.
type server struct {
	fakekit.Silent
	*fakekit.Core

	table  *fakekit.Table
	lastID int
	rev    int64 // of the address book: each change has the next one
	rules  rules
}

// rules are what servers do as they like.
type rules struct {
	NoSync    bool             `json:"no_sync" doc:"there is no sync-collection"`
	SyncPage  int              `json:"sync_page" doc:"changes told in one answer; 0 = all"`
	TokenLife fakekit.Duration `json:"token_life" doc:"of sync tokens; 0 = for ever"`
	NoTimes   bool             `json:"no_times" doc:"cards have no getlastmodified"`
	Books     int              `json:"books" doc:"address books; 0 = one. The further ones are empty"`
}

// resource is what is kept of a card.
type resource struct {
	text string
	rev  int64
}

// New returns a user's address book, cfg.Seed cards in it. It starts without limits.
func New(cfg fakekit.Config) *Fake {
	f := &server{Core: fakekit.New(cfg)}
	f.table = f.NewTable(Object)
	f.Tokens().Add(fakekit.Token{Access: Username + ":" + Password})
	f.Start(f)
	return &Fake{f}
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.server.ServeHTTP(w, r) }

// Core implements fakekit.Fake.
func (f *Fake) Core() *fakekit.Core { return f.server.Core }

// Card returns the text of a card, "" when there is none.
func (f *Fake) Card(id string) string {
	f.server.Lock()
	defer f.server.Unlock()
	r, err := f.server.live(id)
	if err != nil {
		return ""
	}
	return contents(r).text
}

// Name implements fakekit.App.
func (*server) Name() string { return "carddav" }

// Slot implements fakekit.App.
func (*server) Slot() int { return 1 }

// Seed implements fakekit.App: each person is a card.
func (f *server) Seed(people []fakekit.Person, at time.Time) {
	for i, p := range people {
		name := f.newName()
		text := blank(name)
		for _, v := range [][2]string{
			{"N/given", p.First},
			{"N/family", p.Last},
			{"EMAIL", p.Email},
			{"TEL", p.Phone},
			{"TITLE", p.JobTitle},
			{"ORG/name", p.Company},
			{"ADR/locality", p.City},
			{"BDAY", p.Birthday},
		} {
			text, _ = with(text, v[0], v[1]) // made-up people are valid
		}
		f.store(&fakekit.Record{ID: name, Created: at}, text, at.Add(time.Duration(i)*time.Second))
	}
}

func (f *server) newName() string {
	f.lastID++
	return "u" + strconv.Itoa(1000+f.lastID) + ".vcf"
}

// store puts a card as it is at a time.
func (f *server) store(r *fakekit.Record, text string, at time.Time) {
	f.rev++
	r.Extra, r.Fields, r.Modified = &resource{text, f.rev}, flat(text), at
	f.table.Put(r)
}

func contents(r *fakekit.Record) *resource { c, _ := r.Extra.(*resource); return c }

func (c *resource) etag() string { return `"` + strconv.FormatInt(c.rev, 10) + `"` }

// live returns a card that is not deleted.
func (f *server) live(name string) (*fakekit.Record, error) {
	r, ok := f.table.Get(name)
	if !ok || r.Deleted {
		return nil, fmt.Errorf("card: %w", fakekit.ErrNotFound)
	}
	return r, nil
}

// Create implements fakekit.App.
func (f *server) Create(object string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(object, "", fields)
}

// Update implements fakekit.App.
func (f *server) Update(object, id string, fields map[string]string) (*fakekit.Record, error) {
	return f.edit(object, id, fields)
}

// edit is what a user types: e-mails, phones and categories between semicolons.
func (f *server) edit(object, id string, fields map[string]string) (*fakekit.Record, error) {
	if object != Object {
		return nil, fmt.Errorf("object %q: %w", object, fakekit.ErrNotFound)
	}
	r, text := &fakekit.Record{Created: f.Tick()}, ""
	if id == "" {
		r.ID = f.newName()
		text = blank(r.ID)
	} else {
		old, err := f.live(id)
		if err != nil {
			return nil, err
		}
		r, text = old.Clone(), contents(old).text
	}
	was := flat(text)
	for _, name := range slices.Sorted(keys(fields)) {
		var err error
		if text, err = with(text, name, f.Rewritten(Object, name, fields[name], was[name], true)); err != nil {
			return nil, err
		}
	}
	if err := f.allowed(text, true); err != nil {
		return nil, err
	}
	f.store(r, text, f.Tick())
	return r, nil
}

// allowed reports what rule of the knobs a card breaks.
func (f *server) allowed(text string, byUser bool) error {
	if rule, broken := f.Broken(Object, flat(text), byUser); broken {
		return errors.New("invalid value for " + strings.Join(rule.Names, ", "))
	}
	return nil
}

// Delete implements fakekit.App.
func (f *server) Delete(_, id string) error {
	old, err := f.live(id)
	if err != nil {
		return err
	}
	r := old.Clone()
	f.rev++
	r.Deleted, r.DeletedAt, r.Extra = true, f.Tick(), &resource{contents(old).text, f.rev}
	r.Modified = r.DeletedAt
	f.table.Put(r)
	return nil
}

// Restore implements fakekit.App: the card is put back where it was.
func (f *server) Restore(_, id string) (*fakekit.Record, error) {
	r, err := f.table.Restored(id)
	if err != nil {
		return nil, err
	}
	f.store(r, contents(r).text, f.Tick())
	return r, nil
}

// Merge implements fakekit.App: one card is deleted and the other changes; nothing tells
// that they belong together.
func (f *server) Merge(object, id, into string) (*fakekit.Record, error) {
	loser, winner, err := f.table.Merging(id, into)
	if err != nil {
		return nil, err
	}
	r, text := winner.Clone(), contents(winner).text
	for _, name := range slices.Sorted(keys(loser.Fields)) {
		if slices.Contains(several, name) {
			all := append(list(winner.Fields[name]), list(loser.Fields[name])...)
			text, _ = with(text, name, strings.Join(all, ";")) // both were valid
		} else if winner.Fields[name] == "" {
			text, _ = with(text, name, loser.Fields[name])
		}
	}
	if err := f.Delete(object, id); err != nil {
		return nil, err
	}
	f.store(r, text, f.Tick())
	return r, nil
}

// Knobs implements fakekit.Knobber.
func (f *server) Knobs() []fakekit.Knob {
	return []fakekit.Knob{
		fakekit.NewKnob("PUT", "/_fake/carddav", "Set what servers do as they like.",
			func(_ *http.Request, in rules) (fakekit.Done, error) {
				f.Lock()
				defer f.Unlock()
				f.rules = in
				return fakekit.Done{OK: true}, nil
			}),
	}
}

var (
	_ fakekit.App     = (*server)(nil)
	_ fakekit.Knobber = (*server)(nil)
	_ fakekit.Fake    = (*Fake)(nil)
)
