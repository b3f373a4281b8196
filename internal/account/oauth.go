package account

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// StateFor is how long an admin may take to consent.
const StateFor = 10 * time.Minute

// secretBytes is the length of states, verifiers and hook tokens: 256 bits.
const secretBytes = 32

// AuthorizeRequest asks for an authorisation in the browser.
type AuthorizeRequest struct {
	App     crm.AppID
	User    string        // the admin who asks; recorded
	Account crm.AccountID // to authorise again; "" = a new account
	Name    string        // of a new account
	BaseURL string        // login host; "" = the app's own, or the account's
}

// flow is an authorisation under way, as stored under the hash of its state.
type flow struct {
	V        int             `json:"v"`
	WS       crm.WorkspaceID `json:"ws"`
	App      crm.AppID       `json:"app"`
	Account  crm.AccountID   `json:"account,omitempty"`
	User     string          `json:"user"`
	Name     string          `json:"name,omitempty"`
	Login    string          `json:"login,omitempty"`
	Client   string          `json:"client"`            // ID of the client the flow was started with
	Verifier []byte          `json:"verifier"`          // sealed
	Browser  string          `json:"browser,omitempty"` // hash of what the browser was given that began; "" = none has
	Until    time.Time       `json:"until"`

	key     store.Key
	version int64
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func stateKey(state string) store.Key {
	return store.Key{Table: store.Settings, Partition: "oauth_state#" + hashOf(state), Sort: "state"}
}

func (f *flow) binding() secret.Binding {
	return secret.Binding{Workspace: string(f.WS), Subject: f.key.Partition, Purpose: purposeState}
}

// randomText returns 256 random bits as URL-safe text of 43 characters.
func (s *Service) randomText() (string, error) {
	b, err := s.random(secretBytes)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// Authorization is an authorisation that waits for its browser.
type Authorization struct {
	State    string // to Begin with, once, within ten minutes
	Redirect string // where the app will send the browser back to
}

// Authorize starts an authorisation. The admin's browser goes on with Begin.
//
// Errors: NotFound for an unknown app or account; Unsupported for an app
// without OAuth; Invalid for a bad name or address, and with code
// "oauth_client_missing" when the workspace has set no client for the app.
func (s *Service) Authorize(ctx context.Context, ws crm.WorkspaceID, req AuthorizeRequest) (Authorization, error) {
	const op = "account: authorize"
	var none Authorization
	d, _, err := s.driverFor(ctx, ws, req.App)
	if err != nil {
		return none, err
	}
	if d.OAuth == nil {
		return none, fault.New(op, fault.Unsupported, "unsupported", d.App.Name+" has no OAuth")
	}
	f := flow{
		V: formatVersion, WS: ws, App: req.App, Account: req.Account, User: req.User, Name: req.Name, Login: req.BaseURL,
	}
	if err := s.checkFlow(ctx, d, &f); err != nil {
		return none, err
	}
	client, err := s.Client(ctx, ws, req.App)
	if fault.Is(err, fault.NotFound) {
		return none, fault.New(op, fault.Invalid, codeNoClient, "set the OAuth client of this app first")
	}
	if err != nil {
		return none, err
	}
	f.Client = client.ID
	state, err := s.randomText()
	if err != nil {
		return none, err
	}
	verifier, err := s.randomText()
	if err != nil {
		return none, err
	}
	return Authorization{State: state, Redirect: client.RedirectURI}, s.storeFlow(ctx, f, state, verifier)
}

// Begun is what the browser that begins an authorisation gets.
type Begun struct {
	URL      string // the app's page
	Browser  string // to be kept by this browser alone, and shown to Callback
	Redirect string // where it will be sent back to
}

// Begin binds an authorisation to the browser that asks, the first one. What it
// gets back must be shown at the end: whoever was lured to the app's page with
// somebody else's link, or saw that link, cannot complete it.
//
// Errors: Invalid with code "invalid_state" for a state that is unknown, used,
// expired or begun.
func (s *Service) Begin(ctx context.Context, state string) (Begun, error) {
	f, err := s.loadFlow(ctx, state)
	if err != nil {
		return Begun{}, err
	}
	d, err := s.driver(f.App)
	if err != nil {
		return Begun{}, err
	}
	client, err := s.Client(ctx, f.WS, f.App)
	if f.Browser != "" || d.OAuth == nil || fault.Is(err, fault.NotFound) || err == nil && client.ID != f.Client {
		return Begun{}, badState()
	}
	if err != nil {
		return Begun{}, err
	}
	var verifier string
	if err := s.openJSON(ctx, f.binding(), f.Verifier, &verifier); err != nil {
		return Begun{}, err
	}
	browser, err := s.randomText()
	if err != nil {
		return Begun{}, err
	}
	f.Browser = hashOf(browser)
	b, err := encode(f)
	if err != nil {
		return Begun{}, err
	}
	_, err = s.o.Store.Write(ctx, store.Write{
		Item: store.Item{Key: f.key, Data: b, Expires: f.Until}, If: store.IfVersion(f.version),
	})
	if fault.Is(err, fault.Conflict) {
		return Begun{}, badState()
	}
	if err != nil {
		return Begun{}, fmt.Errorf("account: begin: %w", err)
	}
	sum := sha256.Sum256([]byte(verifier)) // PKCE S256, RFC 7636 section 4.2
	page := d.OAuth.AuthorizeURL(f.Login, client, state, base64.RawURLEncoding.EncodeToString(sum[:]))
	return Begun{URL: page, Browser: browser, Redirect: client.RedirectURI}, nil
}

// checkFlow refuses what could not be completed, and fills in the login host
// of an account that is authorised again.
func (s *Service) checkFlow(ctx context.Context, d connector.Driver, f *flow) error {
	if f.Account == "" {
		if err := checkName(f.Name); err != nil {
			return err
		}
		return s.checkBase(d.App, f.Login)
	}
	a, err := s.load(ctx, f.WS, f.Account)
	if err != nil {
		return err
	}
	if a.App != f.App {
		return noAccount("account: authorize")
	}
	if f.Login == "" {
		f.Login = a.LoginURL
	}
	if f.Login == "" {
		f.Login = a.BaseURL // an account that lives elsewhere than the app's own host is authorised there
	}
	return s.checkBase(d.App, f.Login)
}

func (s *Service) storeFlow(ctx context.Context, f flow, state, verifier string) (err error) {
	f.key = stateKey(state)
	f.Until = s.o.Now().Add(StateFor).UTC()
	if f.Verifier, err = s.sealJSON(ctx, f.binding(), verifier); err != nil {
		return err
	}
	b, err := encode(f)
	if err != nil {
		return err
	}
	_, err = s.o.Store.Write(ctx, store.Write{Item: store.Item{Key: f.key, Data: b, Expires: f.Until}, If: store.IfAbsent})
	if err != nil {
		return fmt.Errorf("account: write state: %w", err)
	}
	return nil
}

// badState is the one answer to a state that is unknown, used, expired or another's.
func badState() error {
	return fault.New("account: callback", fault.Invalid, "invalid_state",
		"this authorisation is unknown, used or expired; start it again")
}

// loadFlow reads an authorisation that is still open.
func (s *Service) loadFlow(ctx context.Context, state string) (flow, error) {
	var f flow
	if len(state) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return f, badState()
	}
	item, err := s.o.Store.Get(ctx, stateKey(state))
	if fault.Is(err, fault.NotFound) {
		return f, badState()
	}
	if err != nil {
		return f, fmt.Errorf("account: read state: %w", err)
	}
	if err := decode("account: decode state", item.Data, &f); err != nil {
		return f, err
	}
	f.key, f.version = item.Key, item.Version
	if f.V != formatVersion || !s.o.Now().Before(f.Until) {
		return f, badState()
	}
	return f, nil
}

// Authorized is what became of an authorisation.
type Authorized struct {
	Account
	Workspace crm.WorkspaceID
	User      string // who started it: for the audit trail
	Created   bool   // a new account, not one authorised again
}

// CallbackRequest is what the browser brought back.
type CallbackRequest struct {
	State string
	Code  string
	Error string // set by the app when the admin refused; its text is not used
	// Browser is what Begin gave to the browser that began.
	Browser string
}

// Callback completes an authorisation. The state is used up first, whatever
// comes of it; the account is stored last, whole. A new authorisation of a
// portal that an account of the workspace is for already authorises that one
// again, so that one portal never stands in two accounts.
//
// Errors: Invalid with code "invalid_state"; Denied with code
// "authorization_refused" when the admin or the app said no; Conflict with
// code "different_account" when the consent was given for another portal than
// the account's; Invalid with code "base_url_refused" when the app named a
// host that is not its own; Throttled and Unavailable as usual. After any of
// them everything is as before, and the flow must be started again.
func (s *Service) Callback(ctx context.Context, req CallbackRequest) (Authorized, error) {
	f, err := s.loadFlow(ctx, req.State)
	if err != nil {
		return Authorized{}, err
	}
	if got := hashOf(req.Browser); f.Browser == "" || subtle.ConstantTimeCompare([]byte(got), []byte(f.Browser)) != 1 {
		return Authorized{}, badState() // and left as it is: another browser cannot use it up
	}
	_, err = s.o.Store.Write(ctx, store.Write{
		Op: store.Delete, Item: store.Item{Key: f.key}, If: store.IfVersion(f.version),
	})
	if fault.Is(err, fault.Conflict) {
		return Authorized{}, badState()
	}
	if err != nil {
		return Authorized{}, fmt.Errorf("account: use state: %w", err)
	}
	if req.Error != "" || req.Code == "" {
		return Authorized{}, refused(nil)
	}
	g, err := s.exchange(ctx, f, req.Code)
	if err != nil {
		return Authorized{}, err
	}
	a, created, err := s.grantAccount(ctx, f, g)
	return Authorized{Account: a, Workspace: f.WS, User: f.User, Created: created}, err
}

func refused(cause error) error {
	return &fault.Error{
		Op: "account: callback", Kind: fault.Denied, Code: "authorization_refused", Err: cause,
		Message: "the authorisation was cancelled or refused in the app; nothing was changed",
	}
}

// exchange turns the code into a grant whose host may be called.
func (s *Service) exchange(ctx context.Context, f flow, code string) (connector.Grant, error) {
	var none connector.Grant
	d, err := s.driver(f.App)
	if err != nil {
		return none, err
	}
	if d.OAuth == nil {
		return none, badState()
	}
	var verifier string
	if err := s.openJSON(ctx, f.binding(), f.Verifier, &verifier); err != nil {
		return none, err
	}
	client, err := s.Client(ctx, f.WS, f.App)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return none, err
	}
	if err != nil || client.ID != f.Client {
		return none, badState() // the client was replaced meanwhile: its code would be refused
	}
	if err := s.checkBase(d.App, f.Login); err != nil {
		return none, err
	}
	g, err := d.OAuth.Exchange(ctx, s.o.HTTP(d.App, f.Login), f.Login, client, code, verifier)
	switch {
	case fault.CodeOf(err) == codeReauthorize:
		return none, refused(err)
	case err != nil:
		return none, fmt.Errorf("account: exchange: %w", err)
	case g.AccessToken.Empty():
		return none, fault.New("account: exchange", fault.Unavailable, "malformed_answer", "the app answered without a token")
	}
	return g, s.checkBase(d.App, g.BaseURL)
}

// grantAccount stores what was granted, in a new account or an old one.
func (s *Service) grantAccount(ctx context.Context, f flow, g connector.Grant) (a Account, created bool, err error) {
	for range maxTries {
		a, err = s.flowAccount(ctx, f, g)
		if err != nil {
			return a, false, err
		}
		created = a.Version == 0
		a, err = s.storeGrant(ctx, f, g, a)
		if !fault.Is(err, fault.Conflict) {
			return a, created, err
		}
	}
	return Account{}, false, contended("account: callback")
}

// flowAccount returns the account that the grant is for; one at version zero is new.
func (s *Service) flowAccount(ctx context.Context, f flow, g connector.Grant) (Account, error) {
	id := f.Account
	if id == "" {
		var err error
		if id, err = s.samePlace(ctx, f, g); err != nil {
			return Account{}, err
		}
	}
	if id == "" {
		return Account{
			ID: crm.AccountID(s.o.NewID("acc")), App: f.App, Name: f.Name, CreatedAt: s.o.Now().UTC(),
		}, nil
	}
	a, err := s.load(ctx, f.WS, id)
	if err != nil {
		return a, err
	}
	return a, checkPortal(a, g.ExternalID)
}

// samePlace looks for an account of the same portal at the same host.
func (s *Service) samePlace(ctx context.Context, f flow, g connector.Grant) (crm.AccountID, error) {
	if g.ExternalID == "" {
		return "", nil
	}
	for cursor := ""; ; {
		page, next, err := s.List(ctx, f.WS, store.MaxLimit, cursor)
		if err != nil {
			return "", err
		}
		for _, a := range page {
			if a.App == f.App && a.Kind == crm.AuthOAuth2 && a.ExternalID == g.ExternalID && a.BaseURL == dataURL(f, g) {
				return a.ID, nil
			}
		}
		if next == "" {
			return "", nil
		}
		cursor = next
	}
}

// dataURL is where data calls go: where the app says, else where it logged us in.
func dataURL(f flow, g connector.Grant) string {
	if g.BaseURL != "" {
		return g.BaseURL
	}
	return f.Login
}

// storeGrant writes a with the grant; the lease of a refresh under way ends with it.
func (s *Service) storeGrant(ctx context.Context, f flow, g connector.Grant, a Account) (Account, error) {
	var c storedCredential
	if a.Version > 0 {
		old, err := s.loadCredential(ctx, f.WS, a.ID)
		if err != nil {
			return a, err
		}
		c.Serial, c.version = old.Serial, old.version
	}
	a.Kind, a.Status, a.LoginURL, a.BaseURL = crm.AuthOAuth2, StatusOK, f.Login, dataURL(f, g)
	if g.ExternalID != "" {
		a.ExternalID = g.ExternalID
	}
	a.Scopes = scopesOf(g)
	c.Serial++
	var err error
	c.Grant, err = s.sealGrant(ctx, f.WS, a.ID, grant{
		Access: g.AccessToken.Reveal(), Refresh: g.RefreshToken.Reveal(), Obtained: s.o.Now().UTC(), Lifetime: g.ExpiresIn,
	})
	if err != nil {
		return a, err
	}
	return s.storeBoth(ctx, f.WS, a, c)
}
