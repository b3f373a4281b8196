package carddav

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// ID is the app's name in settings and URLs.
const ID crm.AppID = "carddav"

const (
	object    = "contacts"
	pageSize  = 500 // of a listing, whose cards are read a batch at a time
	batchSize = 100 // cards of one answer, photos included where a server does not leave them out
	findSize  = 50  // values of one search
)

// Driver returns the CardDAV driver.
func Driver() connector.Driver { return connector.Driver{App: app(), Open: Open} }

func app() crm.App {
	book := crm.AuthField{Name: "address_book", Label: "Address book: its name, or its path on the server"}
	return crm.App{
		ID:   ID,
		Name: "CardDAV",
		// Properties without a value are left out.
		Blank:   crm.BlankOmitted,
		Objects: []crm.Object{{ID: object, Label: "Contacts"}},
		Auth: []crm.AuthMethod{
			{Kind: crm.AuthBasic, Fields: []crm.AuthField{
				{Name: "username", Label: "User name", Required: true},
				{Name: "password", Label: "App password", Secret: true, Required: true},
				book,
			}},
			{Kind: crm.AuthToken, Fields: []crm.AuthField{
				{Name: "token", Label: "Bearer token", Secret: true, Required: true}, book,
			}},
		},
		Abilities: []crm.Ability{
			crm.AbilityDeletedFeed, crm.AbilityArchive, crm.AbilityRecordTimes, crm.AbilityConditional,
		},
		Warnings: []string{
			"A server of one's own is a host that the operator has to allow.",
			"Address books call nobody: changes arrive with the next pull.",
			"Two contacts can have the same e-mail: address books keep nothing unique.",
			"Cards of groups are left alone.",
		},
		// No server publishes any; what it has enough of it says by 429 or 503.
		Limits: crm.Limits{
			ReadBatch: batchSize, FindBatch: findSize, WriteBatch: 1, PageSize: pageSize,
			BurstCalls: 20, BurstWindow: time.Second,
		},
		Hosts: []string{"icloud.com", "fastmail.com"},
	}
}

// api is how a server is called.
var api = &rest.App{
	Describe: app,
	Example:  "https://cloud.example.com",
	Auth:     map[crm.AuthKind]rest.Auth{crm.AuthBasic: rest.Basic, crm.AuthToken: rest.Bearer},
	Errors:   refusals,
	Prepare:  func(_ rest.Request, h http.Header) { h.Set("Accept", "application/xml, text/xml") },
}

// Open returns a connector to one address book.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	c, err := api.Open(cfg)
	if err != nil {
		return nil, err
	}
	a := &account{
		client: c, base: strings.TrimRight(cfg.BaseURL, "/"), chance: cfg.Rand,
		wanted: strings.TrimSpace(cfg.Credentials["address_book"].Reveal()),
	}
	if a.chance == nil {
		a.chance = rand.Reader
	}
	return a, nil
}

// account is one address book.
type account struct {
	client *rest.Client
	base   string
	wanted string    // the address book: its path or name; "" = the only one
	chance io.Reader // of new cards' UIDs

	mu     sync.Mutex
	book   *place // where it is, once it was found
	noSync bool   // the server has no sync-collection
}

// App implements connector.Connector.
func (*account) App() crm.App { return app() }

// Extras implements connector.Connector: there are none.
func (*account) Extras() connector.Extras { return connector.Extras{} }

// Test implements connector.Connector: it reads what the address book says of itself.
func (a *account) Test(ctx context.Context) (connector.Identity, error) {
	const op = "carddav: test"
	at, err := a.found(ctx, op)
	if err != nil {
		return connector.Identity{}, err
	}
	self, r, err := a.about(ctx, op, at)
	switch {
	case err != nil:
		return connector.Identity{}, err
	case self.Kind.Book == nil:
		return connector.Identity{}, fault.New(op, fault.Invalid, connector.CodeConfig,
			"what is at the address book's path is no address book")
	case r.Base != "":
		return connector.Identity{ExternalID: r.Base + at.path, Name: "Address book " + self.name(at)}, nil
	}
	return connector.Identity{ExternalID: a.base + at.path, Name: "Address book " + self.name(at)}, nil
}

// Objects implements connector.Connector; the call makes sure that the address book is there.
func (a *account) Objects(ctx context.Context) ([]crm.Object, error) {
	if _, err := a.Test(ctx); err != nil {
		return nil, err
	}
	return app().Objects, nil
}

// check refuses unknown objects, and calls about more than one takes.
func check(op, name string, n, most int) error {
	if name != object {
		return fault.New(op, fault.NotFound, connector.CodeObject, "CardDAV has no such object, or it is not synced")
	}
	return rows.Limit(op, n, most)
}

// id is a card's ID: the last part of its path.
func id(s string) (crm.RecordID, bool) {
	odd := strings.ContainsFunc(s, func(r rune) bool { return r == '/' || unicode.IsControl(r) })
	return crm.RecordID(s), s != "" && s != "." && s != ".." && len(s) <= 255 && !odd && utf8.ValidString(s)
}

// gone is how a card that is not there is said.
func gone(op string) error {
	return fault.New(op, fault.NotFound, "", "the address book has no such contact")
}

var _ connector.Connector = (*account)(nil)
