package account

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func asFault(err error, e **fault.Error) bool { return errors.As(err, e) }

func texts(kv ...string) map[string]secret.Text {
	m := map[string]secret.Text{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = secret.NewText(kv[i+1])
	}
	return m
}

func TestCreateRefusesWithTheFieldAtFault(t *testing.T) {
	t.Parallel()
	good := Draft{
		App: appID, Name: "Sales", Credentials: Credentials{Kind: crm.AuthToken, Fields: texts("token", "12345")},
	}
	cases := map[string]struct {
		change func(*Draft)
		kind   fault.Kind
		code   string
		field  string
	}{
		"unknown app": {func(d *Draft) { d.App = "nosuch" }, fault.NotFound, "unknown_app", ""},
		"no name":     {func(d *Draft) { d.Name = "  " }, fault.Invalid, "invalid_name", "name"},
		"long name": {
			func(d *Draft) { d.Name = strings.Repeat("\u00e4", 201) }, fault.Invalid, "invalid_name",
			"name",
		},
		"control character": {func(d *Draft) { d.Name = "a\x00b" }, fault.Invalid, "invalid_name", "name"},
		"refused host":      {func(d *Draft) { d.BaseURL = "http://127.0.0.1" }, fault.Invalid, codeBaseURL, "base_url"},
		"kind not offered": {
			func(d *Draft) { d.Credentials.Kind = crm.AuthBasic }, fault.Invalid, "unknown_auth_kind",
			"credentials.kind",
		},
		"missing field": {
			func(d *Draft) { d.Credentials.Fields = texts("note", "x") }, fault.Invalid, "missing_credential",
			"credentials.token",
		},
		"blank field": {
			func(d *Draft) { d.Credentials.Fields = texts("token", " \t") }, fault.Invalid, "missing_credential",
			"credentials.token",
		},
		"unknown field": {
			func(d *Draft) { d.Credentials.Fields = texts("token", "x", "password-canary", "x") },
			fault.Invalid, "unknown_credential", "credentials",
		},
		"too long": {
			func(d *Draft) { d.Credentials.Fields = texts("token", strings.Repeat("x", maxSecret+1)) },
			fault.Invalid, "invalid_credential", "credentials.token",
		},
		"no text": {
			func(d *Draft) { d.Credentials.Fields = texts("token", "\xff") }, fault.Invalid, "invalid_credential",
			"credentials.token",
		},
		"oauth by hand": {
			func(d *Draft) { d.Credentials = Credentials{Kind: crm.AuthOAuth2} }, fault.Invalid, "needs_consent",
			"credentials.kind",
		},
		"client without key": {
			func(d *Draft) { d.Credentials = Credentials{Kind: crm.AuthOAuth2, Fields: texts("client_id", "x")} }, fault.Invalid,
			"missing_credential", "credentials.client_secret",
		},
		"key without client": {
			func(d *Draft) { d.Credentials = Credentials{Kind: crm.AuthOAuth2, Fields: texts("client_secret", "x")} },
			fault.Invalid, "missing_credential", "credentials.client_id",
		},
		"hook secret, no hooks": {func(d *Draft) {
			d.App = plain
			d.Credentials = Credentials{Kind: crm.AuthAPIKey, Fields: texts("key", "x", "webhook_secret", "y")}
		}, fault.Invalid, "unknown_credential", "credentials"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newManual(t)
			d := good
			c.change(&d)
			_, err := w.worker().Create(t.Context(), ws, d)
			wantKind(t, err, c.kind, c.code)
			if e := new(fault.Error); !asFault(err, &e) || e.Field != c.field {
				t.Errorf("%v: want field %q", err, c.field)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("%v shows what was entered", err)
			}
			if got := w.contents(); got != "" {
				t.Errorf("something was stored: %s", got)
			}
		})
	}
}

func TestX5_CredentialsAreSealedAndNeverShown(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345-canary")
	oauth := w.oauthAccount(s)
	if _, err := s.EnsureWebhook(t.Context(), ws, a.ID); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"canary", "our-client-secret"} {
		if strings.Contains(w.contents(), leak) {
			t.Errorf("%q is stored in the clear", leak)
		}
	}
	c, app, err := s.Open(t.Context(), ws, a.ID)
	if err != nil || app.ID != appID {
		t.Fatal(err)
	}
	if got := c.(*conn).cfg.Credentials["token"].Reveal(); got != "12345-canary" {
		t.Errorf("opened with %q", got)
	}
	for _, shown := range []any{a, oauth, c.(*conn).cfg.Credentials} {
		if s := fmt.Sprintf("%v %+v %#v", shown, shown, shown); strings.Contains(s, "canary") {
			t.Errorf("printed: %s", s)
		}
	}
}

func TestX5_MovedOrFlippedCredentialsFailClosed(t *testing.T) {
	t.Parallel()
	// Each case rewrites the credential item of an account; from holds blobs of others.
	cases := map[string]func(w *world, c, from *storedCredential){
		"another account's":   func(_ *world, c, from *storedCredential) { c.Fields = from.Fields },
		"one bit":             func(_ *world, c, _ *storedCredential) { c.Fields[len(c.Fields)/2] ^= 1 },
		"first byte":          func(_ *world, c, _ *storedCredential) { c.Fields[0] ^= 0x80 },
		"last byte":           func(_ *world, c, _ *storedCredential) { c.Fields[len(c.Fields)-1] ^= 1 },
		"cut":                 func(_ *world, c, _ *storedCredential) { c.Fields = c.Fields[:len(c.Fields)-1] },
		"emptied":             func(_ *world, c, _ *storedCredential) { c.Fields = []byte{} },
		"an OAuth grant":      func(_ *world, c, from *storedCredential) { c.Fields = from.Grant },
		"the clear text":      func(_ *world, c, _ *storedCredential) { c.Fields = []byte(`{"token":"mallory"}`) },
		"another workspace's": nil,
	}
	for name, tamper := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newManual(t)
			s := w.worker()
			load := func(id crm.AccountID) storedCredential {
				c, err := s.loadCredential(t.Context(), ws, id)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			a := w.tokenAccount(s, "12345-canary").ID
			c, from := load(a), load(w.tokenAccount(s, "67890-canary").ID)
			from.Grant = load(w.oauthAccount(s).ID).Grant
			at := ws
			if tamper == nil { // the whole account copied into another workspace
				at = other
				put(t, w, store.Item{Key: accountKey(other, a), Data: w.item(accountKey(ws, a)).Data})
			} else {
				tamper(w, &c, &from)
			}
			data, err := encode(c)
			if err != nil {
				t.Fatal(err)
			}
			put(t, w, store.Item{Key: credentialKey(at, a), Data: data})
			_, _, err = w.worker().Open(t.Context(), at, a)
			wantKind(t, err, fault.Denied, "credentials_unreadable")
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("%v shows a secret", err)
			}
		})
	}
}

func TestX5_SwappedGrantsFailClosed(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(a, b *storedCredential){
		"another account's grant": func(a, b *storedCredential) { a.Grant = b.Grant },
		"one bit":                 func(a, _ *storedCredential) { a.Grant[len(a.Grant)-1] ^= 1 },
		"no grant":                func(a, _ *storedCredential) { a.Grant = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newManual(t)
			s := w.worker()
			first := w.oauthAccount(s).ID
			w.auth.portal = "portal-2"
			a, err := s.loadCredential(t.Context(), ws, first)
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.loadCredential(t.Context(), ws, w.oauthAccount(s).ID)
			if err != nil {
				t.Fatal(err)
			}
			tamper(&a, &b)
			data, err := encode(a)
			if err != nil {
				t.Fatal(err)
			}
			put(t, w, store.Item{Key: credentialKey(ws, first), Data: data})
			_, err = w.tokens(w.worker(), first).Token(t.Context())
			wantKind(t, err, fault.Denied, "")
			if _, asked := w.auth.counts(); asked != 0 {
				t.Error("the app was asked with what was found")
			}
		})
	}
}

func put(t *testing.T, w *world, it store.Item) {
	t.Helper()
	if _, err := w.store.Write(t.Context(), store.Write{Item: it}); err != nil {
		t.Fatal(err)
	}
}

func TestX5_SealerOutageIsNotARefusal(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	a := w.tokenAccount(w.worker(), "12345")
	down := w.worker(func(o *Options) { o.Sealer = noSealer{} })
	_, _, err := down.Open(t.Context(), ws, a.ID)
	wantKind(t, err, fault.Unavailable, "")
}

type noSealer struct{}

func (noSealer) Seal(context.Context, secret.Binding, []byte) ([]byte, error) {
	return nil, &fault.Error{Op: "kms", Kind: fault.Unavailable}
}

func (noSealer) Open(context.Context, secret.Binding, []byte) ([]byte, error) {
	return nil, &fault.Error{Op: "kms", Kind: fault.Unavailable}
}

func TestX3_AccountsOfOtherWorkspacesAreNotFound(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345")
	ctx := t.Context()
	calls := map[string]func(crm.WorkspaceID, crm.AccountID) error{
		"get": func(ws crm.WorkspaceID, id crm.AccountID) error { _, err := s.Get(ctx, ws, id); return err },
		"update": func(ws crm.WorkspaceID, id crm.AccountID) error {
			_, err := s.Update(ctx, ws, id, 0, Change{})
			return err
		},
		"delete": func(ws crm.WorkspaceID, id crm.AccountID) error { return s.Delete(ctx, ws, id, 0) },
		"test":   func(ws crm.WorkspaceID, id crm.AccountID) error { _, err := s.Test(ctx, ws, id); return err },
		"open":   func(ws crm.WorkspaceID, id crm.AccountID) error { _, _, err := s.Open(ctx, ws, id); return err },
		"hook":   func(ws crm.WorkspaceID, id crm.AccountID) error { _, err := s.EnsureWebhook(ctx, ws, id); return err },
		"rotate": func(ws crm.WorkspaceID, id crm.AccountID) error {
			_, err := s.RotateWebhook(ctx, ws, id, false)
			return err
		},
		"refuse": func(ws crm.WorkspaceID, id crm.AccountID) error { return s.Refused(ctx, ws, id) },
	}
	if _, _, err := s.Open(ctx, ws, a.ID); err != nil { // in the cache of this process
		t.Fatal(err)
	}
	before := w.contents()
	for name, call := range calls {
		foreign := call(other, a.ID)
		wantKind(t, foreign, fault.NotFound, "")
		for _, id := range []crm.AccountID{"acc_nosuch", "", crm.AccountID(strings.Repeat("x", 5000))} {
			unknown := call(ws, id)
			wantKind(t, unknown, fault.NotFound, "")
			if foreign != nil && unknown != nil && foreign.Error() != unknown.Error() {
				t.Errorf("%s: foreign %q, unknown %q: they must look alike", name, foreign, unknown)
			}
		}
	}
	if list, _, err := s.List(ctx, other, 0, ""); err != nil || len(list) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
	if diff := cmp.Diff(before, w.contents()); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345-old")
	ctx := t.Context()
	name, base, bad := " Marketing ", "https://eu1.crm.example.com", "http://127.0.0.1"

	got, err := s.Update(ctx, ws, a.ID, a.Version, Change{Name: &name})
	if err != nil || got.Name != "Marketing" || got.Version != a.Version+1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if read, err := s.Get(ctx, ws, a.ID); err != nil || !reflect.DeepEqual(read, got) {
		t.Errorf("read %+v, %v; want what Update answered: %+v", read, err, got)
	}
	_, err = s.Update(ctx, ws, a.ID, a.Version, Change{Name: &name})
	wantKind(t, err, fault.Conflict, "stale_version")
	_, err = s.Update(ctx, ws, a.ID, 0, Change{BaseURL: &base})
	wantKind(t, err, fault.Invalid, "base_url_fixed") // the old token must not go to a new host
	_, err = s.Update(ctx, ws, a.ID, 0, Change{
		BaseURL: &bad, Credentials: &Credentials{Kind: crm.AuthToken, Fields: texts("token", "x")},
	})
	wantKind(t, err, fault.Invalid, codeBaseURL)

	c, _, err := s.Open(ctx, ws, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	got, err = s.Update(ctx, ws, a.ID, 0, Change{
		BaseURL: &base, Credentials: &Credentials{Kind: crm.AuthToken, Fields: texts("token", "12345-new")},
	})
	if err != nil || got.BaseURL != base {
		t.Fatalf("%+v, %v", got, err)
	}
	fresh, _, err := s.Open(ctx, ws, a.ID)
	if err != nil || fresh == c || fresh.(*conn).cfg.Credentials["token"].Reveal() != "12345-new" ||
		fresh.(*conn).cfg.BaseURL != base {
		t.Errorf("the connector in use is the old one: %v", err)
	}
	if again, _, _ := s.Open(ctx, ws, a.ID); again != fresh {
		t.Error("opened twice for one version")
	}
	if elsewhere, _, err := w.worker().Open(ctx, ws, a.ID); err != nil ||
		elsewhere.(*conn).cfg.Credentials["token"].Reveal() != "12345-new" {
		t.Errorf("another process opens the old one: %v", err)
	}
}

func TestUpdateRefusesAnotherPortal(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345-old")
	if _, err := s.Test(t.Context(), ws, a.ID); err != nil {
		t.Fatal(err)
	}
	before := w.contents()
	for token, want := range map[string]struct {
		kind fault.Kind
		code string
	}{"99999-x": {fault.Conflict, "different_account"}, "revoked": {fault.Denied, codeReauthorize}} {
		_, err := s.Update(t.Context(), ws, a.ID, 0, Change{
			Credentials: &Credentials{Kind: crm.AuthToken, Fields: texts("token", token)},
		})
		wantKind(t, err, want.kind, want.code)
	}
	if diff := cmp.Diff(before, w.contents()); diff != "" {
		t.Errorf("refused credentials changed something (-before +after):\n%s", diff)
	}
	if _, err := s.Update(t.Context(), ws, a.ID, 0, Change{
		Credentials: &Credentials{Kind: crm.AuthToken, Fields: texts("token", "12345-new")},
	}); err != nil {
		t.Errorf("the same portal's new token: %v", err)
	}
	own := Credentials{
		Kind: crm.AuthOAuth2, Fields: texts("client_id", "own-client", "client_secret", "own-secret-canary"),
	}
	w.auth.portal = "portal of 12345"
	if _, err := s.Update(t.Context(), ws, a.ID, 0, Change{Credentials: &own}); err != nil {
		t.Errorf("another kind for the same portal: %v", err)
	}
	if _, err := s.Test(t.Context(), ws, a.ID); err != nil {
		t.Error(err)
	}
}

func TestTestStoresIdentityAndStatus(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345")
	id, err := s.Test(t.Context(), ws, a.ID)
	if err != nil || id.ExternalID != "portal of 12345" {
		t.Fatalf("%+v, %v", id, err)
	}
	got, err := s.Get(t.Context(), ws, a.ID)
	if err != nil || got.ExternalID != id.ExternalID || got.Status != StatusOK {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := s.Test(t.Context(), ws, a.ID); err != nil {
		t.Fatal(err)
	}
	if again, _ := s.Get(t.Context(), ws, a.ID); again.Version != got.Version {
		t.Error("a test that found nothing new was written down")
	}
	b := w.tokenAccount(s, "revoked")
	_, err = s.Test(t.Context(), ws, b.ID)
	wantKind(t, err, fault.Denied, codeReauthorize)
	if got, _ := s.Get(t.Context(), ws, b.ID); got.Status != StatusNeedsAuth {
		t.Errorf("status %s, want needs_authorization", got.Status)
	}
}

func TestTestIsForeground(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	var marked bool
	s := w.worker(func(o *Options) {
		o.Pace = func(c connector.Connector, _ crm.WorkspaceID, _ Account) connector.Connector {
			return probe{c, &marked}
		}
	})
	if _, err := s.Test(t.Context(), ws, w.tokenAccount(s, "12345").ID); err != nil || !marked {
		t.Errorf("foreground %t, %v", marked, err)
	}
}

type probe struct {
	connector.Connector
	marked *bool
}

func (p probe) Test(ctx context.Context) (connector.Identity, error) {
	*p.marked = connector.IsForeground(ctx)
	return p.Connector.Test(ctx)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a, b := w.tokenAccount(s, "12345"), w.oauthAccount(s)
	con := crm.Connection{ID: "con_1", Name: "x", Left: crm.End{Account: "acc_else"}, Right: crm.End{Account: a.ID}}
	if _, err := store.SaveConnection(t.Context(), w.store, ws, &con, 0); err != nil {
		t.Fatal(err)
	}
	hook, err := s.EnsureWebhook(t.Context(), ws, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RotateWebhook(t.Context(), ws, a.ID, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Delivered(t.Context(), ws, a.ID); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.Delete(t.Context(), ws, a.ID, 0), fault.Conflict, "account_in_use")
	if err := s.Delete(t.Context(), ws, b.ID, 0); err != nil {
		t.Errorf("an account that nobody uses: %v", err)
	}
	if _, err := w.store.Write(t.Context(), store.Write{
		Op: store.Delete, Item: store.Item{Key: store.ConnectionKey(ws, con.ID)},
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), ws, a.ID, 0); err != nil {
		t.Fatal(err)
	}
	for _, id := range []crm.AccountID{a.ID, b.ID} {
		if strings.Contains(w.contents(), string(id)) {
			t.Errorf("something of %s is left:\n%s", id, w.contents())
		}
		_, _, err = s.Open(t.Context(), ws, id)
		wantKind(t, err, fault.NotFound, "")
	}
	_, err = s.LookupWebhook(t.Context(), hook.Token.Reveal())
	wantKind(t, err, fault.NotFound, "")
	wantKind(t, s.Delete(t.Context(), ws, a.ID, 0), fault.NotFound, "")
}

func TestOpenedConnectorsAreBounded(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	first := w.tokenAccount(s, "12345")
	c, _, err := s.Open(t.Context(), ws, first.ID)
	if err != nil {
		t.Fatal(err)
	}
	for range maxOpened + 5 {
		a := w.tokenAccount(s, "12345")
		if _, _, err := s.Open(t.Context(), ws, a.ID); err != nil {
			t.Fatal(err)
		}
		if again, _, _ := s.Open(t.Context(), ws, first.ID); again != c { // in use: it stays
			t.Fatal("a connector in use was dropped")
		}
	}
	if len(s.opened) > maxOpened {
		t.Errorf("%d connectors are kept", len(s.opened))
	}
}

func TestNewNamesEverythingMissing(t *testing.T) {
	t.Parallel()
	_, err := New(Options{})
	wantKind(t, err, fault.Invalid, "")
	for _, name := range []string{"Store", "Sealer", "Drivers", "HTTP", "CheckURL", "Now", "NewID", "Rand"} {
		if err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestNewerFormsAreRefused(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "12345")
	for _, key := range []store.Key{credentialKey(ws, a.ID), accountKey(ws, a.ID)} {
		it := w.item(key)
		put(t, w, store.Item{Key: key, Data: []byte(strings.Replace(string(it.Data), `"v":1`, `"v":2`, 1))})
		_, _, err := w.worker().Open(t.Context(), ws, a.ID)
		wantKind(t, err, fault.Invalid, "unknown_format")
	}
}
