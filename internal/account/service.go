package account

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Options are what a Service works with. All are required unless they say otherwise.
type Options struct {
	Store   store.Store
	Sealer  secret.Sealer
	Drivers map[crm.AppID]connector.Driver
	// Documents reads apps that workspaces describe for themselves.
	Documents DocumentReader
	// HTTP returns the client for calls to an app's host; base is "" for the app's own.
	HTTP func(app crm.App, base string) *http.Client
	// CheckURL says whether an address that came from outside may be called.
	CheckURL func(app crm.App, raw string) error
	Now      func() time.Time
	// NewID makes an identifier that sorts by time: NewID("acc") is "acc_…".
	NewID func(prefix string) string
	// Rand gives the random bytes of states, verifiers and hook tokens.
	Rand io.Reader
	// Sleep waits while another worker refreshes a token. Optional: without
	// it such a caller is told at once to come back later.
	Sleep func(ctx context.Context, d time.Duration)
	// Pace wraps an opened connector. Optional.
	Pace func(c connector.Connector, ws crm.WorkspaceID, a Account) connector.Connector
}

// Service is the use cases around accounts. Safe for concurrent use.
type Service struct {
	o Options

	mu        sync.Mutex
	opened    map[place]*opened
	uses      int64               // grows with every Open; orders the cache
	delivered map[place]time.Time // last delivery written by this process
	documents map[appPlace]described

	erasureKeys map[crm.WorkspaceID][]byte
}

// place names an account across workspaces.
type place struct {
	ws crm.WorkspaceID
	id crm.AccountID
}

// New returns a service. Invalid, naming everything that is missing.
func New(o Options) (*Service, error) {
	var missing []string
	for _, need := range []struct {
		name   string
		absent bool
	}{
		{"Store", o.Store == nil},
		{"Sealer", o.Sealer == nil},
		{"Drivers", len(o.Drivers) == 0},
		{"Documents", o.Documents == nil},
		{"HTTP", o.HTTP == nil},
		{"CheckURL", o.CheckURL == nil},
		{"Now", o.Now == nil},
		{"NewID", o.NewID == nil},
		{"Rand", o.Rand == nil},
	} {
		if need.absent {
			missing = append(missing, need.name)
		}
	}
	if missing != nil {
		return nil, fault.New("account: new", fault.Invalid, "invalid_config", "missing: "+strings.Join(missing, ", "))
	}
	return &Service{
		o: o, opened: map[place]*opened{}, delivered: map[place]time.Time{}, documents: map[appPlace]described{},
	}, nil
}

// Status says whether an account can be used.
type Status string

// The statuses of an account.
const (
	StatusOK        Status = "ok"
	StatusNeedsAuth Status = "needs_authorization" // the app refuses the credentials
)

// Account is one authorised login to an app, without its secrets.
type Account struct {
	ID         crm.AccountID `json:"id"`
	App        crm.AppID     `json:"app"`
	Name       string        `json:"name"`                  // 1 to 200 characters
	BaseURL    string        `json:"base_url,omitempty"`    // where data calls go; "" = the app's own host
	LoginURL   string        `json:"login_url,omitempty"`   // where the app's OAuth lives; "" = the app's own host
	Kind       crm.AuthKind  `json:"kind"`                  // how it is authorised
	ExternalID string        `json:"external_id,omitempty"` // portal or org; "" until the app named it
	Status     Status        `json:"status"`

	SaveDuplicates bool `json:"save_duplicates,omitempty"` // write past the app's duplicate rules, where it lets us

	Budget *crm.Budget `json:"budget,omitempty" doc:"How much of the app's limits may be used; absent = all"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Document  int64     `json:"-"` // the version of the workspace's document that its app is made of; 0 = the program's
	Scopes    []string  `json:"-"` // what the app said it granted, sorted, when it last gave a token; empty = it did not say
	Version   int64     `json:"-"` // grows with every write of the item
	Revision  int64     `json:"-"` // grows with every change of what clients own; the ETag
}

// formatVersion is the version of every form this package stores.
const formatVersion = 1

// The purposes that sealed blobs are bound to.
const (
	purposeCredential = "credential"
	purposeGrant      = "oauth_grant"
	purposeClient     = "oauth_client"
	purposeState      = "oauth_state"
	purposeHook       = "webhook_token"
)

// How the sort texts of a workspace's settings begin.
const (
	accountPrefix    = "account#"
	credentialPrefix = "credential#" //nolint:gosec // a key prefix, no secret
	clientPrefix     = "client#"
	hookPrefix       = "webhook#"
	deliveryPrefix   = "delivery#"
)

func settingsKey(ws crm.WorkspaceID, sort string) store.Key {
	return store.SettingsKey(ws, sort)
}

func accountKey(ws crm.WorkspaceID, id crm.AccountID) store.Key {
	return settingsKey(ws, accountPrefix+string(id))
}

func credentialKey(ws crm.WorkspaceID, id crm.AccountID) store.Key {
	return settingsKey(ws, credentialPrefix+string(id))
}

// storedAccount is an account with the version of its form.
type storedAccount struct {
	V        int      `json:"v"`
	Revision int64    `json:"rev,omitempty"`
	Scopes   []string `json:"scopes,omitempty"`
	Document int64    `json:"document,omitempty"`
	Account
}

// encode writes a stored form. It cannot fail for the types of this package.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return b, fault.Wrap("account: encode", fault.Other, err)
}

// decode reads a stored form; v's version is checked by the caller.
func decode(op string, data []byte, v any) error {
	return fault.Wrap(op, fault.Other, json.Unmarshal(data, v))
}

func checkFormat(op string, v int) error {
	if v == formatVersion {
		return nil
	}
	return fault.New(op, fault.Invalid, "unknown_format", "the item was written by a newer version of Lockstep")
}

// load reads an account. NotFound for an unknown one and for one of another workspace.
func (s *Service) load(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (Account, error) {
	const op = "account: read"
	if ws == "" || id == "" || len(id) > maxID {
		return Account{}, noAccount(op)
	}
	item, err := s.o.Store.Get(ctx, accountKey(ws, id))
	if fault.Is(err, fault.NotFound) {
		return Account{}, noAccount(op)
	}
	if err != nil {
		return Account{}, fmt.Errorf("%s: %w", op, err)
	}
	return decodeAccount(item)
}

// maxID bounds identifiers that come from a URL.
const maxID = 200

func noAccount(op string) error {
	return fault.New(op, fault.NotFound, "", "there is no such account")
}

func decodeAccount(item store.Item) (Account, error) {
	const op = "account: decode"
	var a storedAccount
	if err := decode(op, item.Data, &a); err != nil {
		return Account{}, err
	}
	if err := checkFormat(op, a.V); err != nil {
		return Account{}, err
	}
	a.Account.Version, a.Account.Revision, a.Account.Scopes = item.Version, a.Revision+1, a.Scopes
	a.Account.Document = a.Document
	return a.Account, nil
}

// accountWrite is the change that stores a if it is still at version a.Version.
func (s *Service) accountWrite(ws crm.WorkspaceID, a *Account) (store.Write, error) {
	a.UpdatedAt = s.o.Now().UTC()
	b, err := encode(storedAccount{
		V: formatVersion, Revision: max(a.Revision-1, 0), Scopes: a.Scopes, Document: a.Document, Account: *a,
	})
	return store.Write{Item: store.Item{Key: accountKey(ws, a.ID), Data: b}, If: store.IfVersion(a.Version)}, err
}

// amend changes an account's own fields; change reports whether anything is to be written.
func (s *Service) amend(
	ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, change func(*Account) bool,
) (Account, error) {
	for range maxTries {
		a, err := s.load(ctx, ws, id)
		if err != nil || !change(&a) {
			return a, err
		}
		w, err := s.accountWrite(ws, &a)
		if err != nil {
			return a, err
		}
		switch version, err := s.o.Store.Write(ctx, w); {
		case err == nil:
			a.Version = version
			return a, nil
		case !fault.Is(err, fault.Conflict):
			return a, fmt.Errorf("account: write: %w", err)
		}
	}
	return Account{}, contended("account: write")
}

// maxTries caps every loop around a conditional write.
const maxTries = 8

func contended(op string) error {
	return fault.New(op, fault.Conflict, "contended", "the account is being changed by others; try again")
}

// random returns n random bytes.
func (s *Service) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.o.Rand, b); err != nil {
		return nil, fault.Wrap("account: random", fault.Unavailable, err)
	}
	return b, nil
}

// driver returns the driver of an app of the program. UnknownApp for another.
func (s *Service) driver(id crm.AppID) (connector.Driver, error) {
	d, ok := s.o.Drivers[id]
	if !ok {
		return d, UnknownApp(s.o.Drivers)
	}
	return d, nil
}

// CodeUnknownApp says that an app is not one of those that can be connected.
const CodeUnknownApp = "unknown_app"

// UnknownApp is the refusal, of kind NotFound, of an app that is not among
// drivers: it names those that are.
func UnknownApp(drivers map[crm.AppID]connector.Driver) error {
	var known []string
	for _, id := range slices.Sorted(maps.Keys(drivers)) {
		known = append(known, string(id))
	}
	return fault.New("account: app", fault.NotFound, CodeUnknownApp,
		"there is no such app: choose one of "+strings.Join(known, ", ")+"; GET /v1/apps says more about them")
}
