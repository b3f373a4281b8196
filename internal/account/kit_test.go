package account

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/localkey"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

const (
	ws    crm.WorkspaceID = "ws_1"
	other crm.WorkspaceID = "ws_2"
	appID crm.AppID       = "fakecrm"
	plain crm.AppID       = "plaincrm" // no OAuth, no webhooks
)

// world is a store, an app's authorisation server and the workers around them.
type world struct {
	t      *testing.T
	now    func() time.Time
	store  *memstore.Store
	sealer secret.Sealer
	auth   *authServer
	hosts  []string // that CheckURL allows

	browsers sync.Map // what the browser holds that began, by state
}

func newWorld(t *testing.T, now func() time.Time) *world {
	t.Helper()
	sealer, err := localkey.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, now: now, store: memstore.New(now), sealer: sealer,
		auth: &authServer{
			now: now, lifetime: 30 * time.Minute, codes: map[string]consent{}, live: map[string]string{},
			access: map[string]bool{}, portal: "portal-1",
		},
		hosts: []string{"https://crm.example.com", "https://eu1.crm.example.com"},
	}
}

func newManual(t *testing.T) (*world, *testclock.Clock) {
	t.Helper()
	c := testclock.New()
	return newWorld(t, c.Now), c
}

// worker returns a service of its own, as another process would have it.
func (w *world) worker(change ...func(*Options)) *Service {
	w.t.Helper()
	o := Options{
		Store: w.store, Sealer: w.sealer, Now: w.now, Rand: rand.Reader, Drivers: w.drivers(), Documents: apps.Reader{},
		HTTP: func(crm.App, string) *http.Client { return &http.Client{} },
		CheckURL: func(_ crm.App, raw string) error {
			for _, h := range w.hosts {
				if raw == h {
					return nil
				}
			}
			return &fault.Error{Op: "test", Kind: fault.Invalid, Code: codeBaseURL, Field: "base_url", Message: "not allowed"}
		},
		NewID: func(prefix string) string {
			b := make([]byte, 8)
			_, _ = rand.Read(b)
			return fmt.Sprintf("%s_%x", prefix, b)
		},
	}
	for _, f := range change {
		f(&o)
	}
	s, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) drivers() map[crm.AppID]connector.Driver {
	return map[crm.AppID]connector.Driver{
		appID: {
			App: crm.App{ID: appID, Name: "Fake CRM", Auth: []crm.AuthMethod{
				{Kind: crm.AuthOAuth2, Fields: []crm.AuthField{
					{Name: "client_id", Label: "Client ID"}, {Name: "client_secret", Label: "Client secret", Secret: true},
				}},
				{Kind: crm.AuthToken, Fields: []crm.AuthField{
					{Name: "token", Label: "Token", Secret: true, Required: true}, {Name: "note", Label: "Note"},
				}},
			}},
			Open: w.auth.open, OAuth: w.auth, Webhooks: hooks{},
		},
		plain: {
			App: crm.App{
				ID: plain, Name: "Plain CRM", Auth: []crm.AuthMethod{
					{Kind: crm.AuthAPIKey, Fields: []crm.AuthField{{Name: "key", Label: "API key", Secret: true, Required: true}}},
				},
			},
			Open: w.auth.open,
		},
	}
}

// contents is everything stored, for looking for what must not be there.
func (w *world) contents() string {
	var b bytes.Buffer
	for _, table := range store.Tables {
		w.store.Each(table, func(it store.Item) bool {
			fmt.Fprintf(&b, "%s|%s|%s|%s|%s\n", table, it.Workspace, it.Partition, it.Sort, it.Data)
			return true
		})
	}
	return b.String()
}

// item reads one item of the store.
func (w *world) item(key store.Key) store.Item {
	w.t.Helper()
	it, err := w.store.Get(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	return it
}

// tokenAccount makes an account with an API token.
func (w *world) tokenAccount(s *Service, token string) Account {
	w.t.Helper()
	a, err := s.Create(w.t.Context(), ws, Draft{App: appID, Name: "Sales", Credentials: Credentials{
		Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText(token)},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// setClient stores the OAuth client of the workspace.
func (w *world) setClient(s *Service) {
	w.t.Helper()
	err := s.SetClient(w.t.Context(), ws, appID, connector.Client{
		ID: "our-client", Secret: secret.NewText("our-client-secret"),
		RedirectURI: "https://sync.example.com/v1/oauth/callback",
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// begin starts an authorisation and lets the admin consent at the app.
func (w *world) begin(s *Service, req AuthorizeRequest) (state, code string) {
	w.t.Helper()
	req.App = appID
	if req.Name == "" {
		req.Name = "Sales"
	}
	if req.User == "" {
		req.User = "admin@example.com"
	}
	a, err := s.Authorize(w.t.Context(), ws, req)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := s.Begin(w.t.Context(), a.State)
	if err != nil {
		w.t.Fatal(err)
	}
	w.browsers.Store(a.State, b.Browser)
	u, err := url.Parse(b.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Query().Get("state"), w.auth.consent(u.Query())
}

// browser is what the browser holds that began the authorisation of state.
func (w *world) browser(state string) string {
	v, _ := w.browsers.Load(state)
	b, _ := v.(string)
	return b
}

// oauthAccount makes an account through the browser flow.
func (w *world) oauthAccount(s *Service) Account {
	w.t.Helper()
	w.setClient(s)
	state, code := w.begin(s, AuthorizeRequest{})
	a, err := s.Callback(w.t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
	if err != nil {
		w.t.Fatal(err)
	}
	return a.Account
}

// token opens the account and returns its token source.
func (w *world) tokens(s *Service, id crm.AccountID) connector.Tokens {
	w.t.Helper()
	c, _, err := s.Open(w.t.Context(), ws, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.(*conn).cfg.Tokens
}

// authServer is an app's authorisation server: it rotates refresh tokens,
// checks PKCE and counts.
type authServer struct {
	now func() time.Time

	mu        sync.Mutex
	lifetime  time.Duration                   // of access tokens; 0 = not said
	lenient   bool                            // a refresh token that was rotated away still works
	takes     time.Duration                   // how long a refresh takes
	during    func()                          // runs while a refresh is on its way back
	fail      error                           // the answer to the next refreshes
	base      string                          // of grants
	refuseAll bool                            // no token is good enough for a call
	exchange  func() (connector.Grant, error) // answers exchanges; nil = as it should
	portal    string
	serial    int
	refreshes int // that succeeded
	asked     int
	codes     map[string]consent
	live      map[string]string // refresh token to the client it was given to
	access    map[string]bool
}

type consent struct{ client, redirect, challenge string }

// consent is the admin pressing "Allow".
func (p *authServer) consent(q url.Values) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serial++
	code := fmt.Sprintf("code-%d", p.serial)
	p.codes[code] = consent{q.Get("client_id"), q.Get("redirect_uri"), q.Get("challenge")}
	return code
}

func (p *authServer) AuthorizeURL(base string, c connector.Client, state, challenge string) string {
	if base == "" {
		base = "https://crm.example.com"
	}
	q := url.Values{"client_id": {c.ID}, "redirect_uri": {c.RedirectURI}, "state": {state}, "challenge": {challenge}}
	return base + "/authorize?" + q.Encode()
}

func invalidGrant() error {
	return fault.New("fakecrm: token", fault.Denied, codeReauthorize, "invalid_grant")
}

func (p *authServer) Exchange(
	_ context.Context, _ *http.Client, _ string, c connector.Client, code, verifier string,
) (connector.Grant, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exchange != nil {
		return p.exchange()
	}
	k, ok := p.codes[code]
	delete(p.codes, code)
	sum := sha256.Sum256([]byte(verifier))
	if !ok || k.client != c.ID || k.redirect != c.RedirectURI ||
		k.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return connector.Grant{}, invalidGrant()
	}
	return p.grant(c.ID), nil
}

// grant gives out a new pair.
func (p *authServer) grant(client string) connector.Grant {
	p.serial++
	access, refresh := fmt.Sprintf("access-canary-%d", p.serial), fmt.Sprintf("refresh-canary-%d", p.serial)
	p.live[refresh], p.access[access] = client, true
	return connector.Grant{
		AccessToken: secret.NewText(access), RefreshToken: secret.NewText(refresh), ExpiresIn: p.lifetime, BaseURL: p.base,
		ExternalID: p.portal,
	}
}

func (p *authServer) Refresh(
	ctx context.Context, _ *http.Client, _ string, c connector.Client, refresh secret.Text,
) (connector.Grant, error) {
	p.mu.Lock()
	p.asked++
	during := p.during
	p.mu.Unlock()
	if during != nil {
		during()
	}
	if p.takes > 0 {
		sleep(ctx, p.takes)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return connector.Grant{}, p.fail
	}
	if refresh.Empty() {
		if c.ID != "own-client" || c.Secret.Reveal() != "own-secret-canary" {
			return connector.Grant{}, fault.New("fakecrm: token", fault.Invalid, "invalid_client", "invalid_client")
		}
		p.refreshes++
		g := p.grant(c.ID)
		g.RefreshToken = secret.Text{}
		return g, nil
	}
	if p.live[refresh.Reveal()] != c.ID {
		return connector.Grant{}, invalidGrant()
	}
	if !p.lenient {
		delete(p.live, refresh.Reveal())
	}
	p.refreshes++
	return p.grant(c.ID), nil
}

// revoke is the admin of the app withdrawing everything.
func (p *authServer) revoke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.live)
	clear(p.access)
}

func (p *authServer) counts() (refreshes, asked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refreshes, p.asked
}

func (p *authServer) accepts(token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.access[token] && !p.refuseAll
}

// open is the driver's Open.
func (p *authServer) open(cfg connector.Config) (connector.Connector, error) {
	return &conn{cfg: cfg, auth: p}, nil
}

// conn is a connector that can be tested and no more.
type conn struct {
	connector.Connector
	cfg  connector.Config
	auth *authServer
}

func (c *conn) Test(ctx context.Context) (connector.Identity, error) {
	if c.cfg.Tokens == nil {
		token := c.cfg.Credentials["token"].Reveal()
		if strings.HasPrefix(token, "revoked") {
			return connector.Identity{}, invalidGrant()
		}
		return connector.Identity{ExternalID: "portal of " + token[:5], Name: "Portal"}, nil
	}
	t, err := c.cfg.Tokens.Token(ctx)
	if err != nil {
		return connector.Identity{}, err
	}
	if !c.auth.accepts(t.Reveal()) {
		if t, err = c.cfg.Tokens.Renew(ctx, t); err != nil {
			return connector.Identity{}, err
		}
	}
	if !c.auth.accepts(t.Reveal()) {
		return connector.Identity{}, invalidGrant()
	}
	c.auth.mu.Lock()
	defer c.auth.mu.Unlock()
	return connector.Identity{ExternalID: c.auth.portal, Name: "Portal"}, nil
}

// hooks says that the app calls us; what it says is not looked at here.
type hooks struct{}

func (hooks) Verify(connector.WebhookRequest, connector.WebhookTrust, time.Time) error { return nil }

func (hooks) Parse(connector.WebhookRequest) ([]connector.Event, error) { return nil, nil }

func (hooks) Reply() connector.Reply { return connector.Reply{} }

// sleep waits in the time of the test.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// faulty lets a test break single calls of the store.
type faulty struct {
	store.Store
	mu    sync.Mutex
	write func(store.Key) error // asked before each write of an item
	after func(store.Key) error // asked after it took effect
}

func (f *faulty) ask(keys []store.Write, q func(*faulty) func(store.Key) error) error {
	f.mu.Lock()
	ask := q(f)
	f.mu.Unlock()
	if ask == nil {
		return nil
	}
	for _, w := range keys {
		if err := ask(w.Item.Key); err != nil {
			return err
		}
	}
	return nil
}

func (f *faulty) set(write, after func(store.Key) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.write, f.after = write, after
}

func (f *faulty) Write(ctx context.Context, w store.Write) (int64, error) {
	if err := f.ask([]store.Write{w}, func(f *faulty) func(store.Key) error { return f.write }); err != nil {
		return 0, err
	}
	v, err := f.Store.Write(ctx, w)
	if err == nil {
		err = f.ask([]store.Write{w}, func(f *faulty) func(store.Key) error { return f.after })
	}
	return v, err
}

func (f *faulty) Transact(ctx context.Context, ws []store.Write) error {
	if err := f.ask(ws, func(f *faulty) func(store.Key) error { return f.write }); err != nil {
		return err
	}
	err := f.Store.Transact(ctx, ws)
	if err == nil {
		err = f.ask(ws, func(f *faulty) func(store.Key) error { return f.after })
	}
	return err
}

func wantKind(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if !fault.Is(err, kind) || code != "" && fault.CodeOf(err) != code {
		t.Errorf("error %v, want %s %s", err, kind, code)
	}
}
