package app

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/moving"
)

// TestX16_StoredSecretsMove: what the release before left in the partition of
// all settings is used from the first request on, goes to partitions of its own
// while it is used, and stays there.
func TestX16_StoredSecretsMove(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		const operator = "key-of-a-test-and-nothing-else"
		var late time.Duration
		o.AdminKey, o.Now = secret.NewText(operator), func() time.Time { return time.Now().Add(late) }
		a, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		call := func(a *App, token, method, path, body string, want int) {
			t.Helper()
			r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+token)
			rec := httptest.NewRecorder()
			if a.Handler().ServeHTTP(rec, r); rec.Code != want {
				t.Fatalf("%s %s: %d: %s", method, path, rec.Code, rec.Body)
			}
		}
		call(a, operator, "POST", "/v1/accounts",
			`{"app":"hubspot","name":"H","credentials":{"kind":"token","token":"pat-1"}}`, http.StatusCreated)
		list, _, err := a.Accounts.List(t.Context(), api.DefaultWorkspace, 10, "")
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		id := list[0].ID
		hook, err := a.Accounts.EnsureWebhook(t.Context(), api.DefaultWorkspace, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			a.Accounts.Delivered(t.Context(), api.DefaultWorkspace, id),
			a.Accounts.RefusedDelivery(t.Context(), api.DefaultWorkspace, id, "signature_wrong"),
			a.Accounts.SetClient(t.Context(), api.DefaultWorkspace, "hubspot", connector.Client{
				ID: "c", Secret: secret.NewText("s"), RedirectURI: "https://example.com/v1/oauth/callback",
			}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		before, err := a.Accounts.ErasureKey(t.Context(), api.DefaultWorkspace)
		if err != nil {
			t.Fatal(err)
		}
		_, token, err := access.NewKeys(a.Store, time.Now, identifiers(time.Now), secret.Text{}, "").Create(t.Context(),
			access.Key{Role: access.Admin, Workspace: api.DefaultWorkspace})
		if err != nil {
			t.Fatal(err)
		}
		toFormer(t, a, o)

		b := opened(t, o)
		used := func(when string) {
			t.Helper()
			call(b, token.Reveal(), "GET", "/v1/keys", "", http.StatusOK)
			if found, err := account.TryCredential(t.Context(), b.Store, b.kept.sealer, api.DefaultWorkspace); !found ||
				err != nil {
				t.Errorf("%s: credential: %v, %v", when, found, err)
			}
			if d, err := b.Accounts.LookupWebhook(t.Context(), hook.Token.Reveal()); err != nil || d.Account != id {
				t.Errorf("%s: webhook: %+v, %v", when, d, err)
			}
			h, err := b.Accounts.EnsureWebhook(t.Context(), api.DefaultWorkspace, id)
			if err != nil || h.Token.Reveal() != hook.Token.Reveal() || h.LastDelivery.IsZero() || len(h.Refused) != 1 {
				t.Errorf("%s: hook: %+v, %v", when, h, err)
			}
			if c, err := b.Accounts.Client(t.Context(), api.DefaultWorkspace, "hubspot"); err != nil || c.ID != "c" {
				t.Errorf("%s: client: %+v, %v", when, c.ID, err)
			}
			if key, err := b.Accounts.ErasureKey(t.Context(), api.DefaultWorkspace); err != nil || !slices.Equal(key, before) {
				t.Errorf("%s: another erasure key, %v", when, err)
			}
		}
		used("at the start")
		if b.kept.move != nil {
			for range 2 {
				late += moving.Wait
				if _, err := b.kept.move(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			used("moved")
			if done, err := b.kept.move(t.Context()); !done || err != nil {
				t.Errorf("not done: %v", err)
			}
		}
		below := b.Store
		if w, ok := below.(store.Wrapped); ok {
			below = w.Unwrap()
		}
		page, err := below.Query(t.Context(), store.Query{
			Table: store.Settings, Workspace: api.DefaultWorkspace, Partition: "workspace",
		})
		if err != nil || len(page.Items) != 1 || page.Items[0].Sort != "account#"+string(id) {
			t.Errorf("in the partition of all settings: %+v, %v; want the account alone", page.Items, err)
		}
		if err := b.Accounts.Delete(t.Context(), api.DefaultWorkspace, id, 0); err != nil {
			t.Fatal(err)
		}
		for _, q := range store.Apart(api.DefaultWorkspace) {
			if page, err := below.Query(t.Context(), q); err != nil ||
				len(page.Items) > 0 && q.Partition != "key" && q.Partition != "client" && q.Partition != "erasure_key" {
				t.Errorf("left of the account: %+v, %v", page.Items, err)
			}
		}
	})
}

// toFormer has everything stand where the release before kept it, and closes a.
func toFormer(t *testing.T, a *App, o Options) {
	t.Helper()
	n := 0
	for _, q := range store.Apart(api.DefaultWorkspace) {
		page, err := a.Store.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			n++
			to := item
			to.Key, _ = store.Former(item.Key)
			if err := a.Store.Transact(t.Context(), []store.Write{{Item: to}, {Op: store.Delete, Item: item}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n != 7 {
		t.Fatalf("%d secrets and notes of deliveries are stored, want one of each kind", n)
	}
	_, err := a.Store.Write(t.Context(), store.Write{
		Op: store.Delete, Item: store.Item{Key: store.Key{Table: store.Settings, Partition: "moves", Sort: "secrets"}},
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if o.DataDir == "" {
		return
	}
	db, err := sql.Open("sqlite", filepath.Join(o.DataDir, sqlitedb.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "UPDATE component SET version = 1 WHERE name = 'store'"); err != nil {
		t.Fatal(err)
	}
}
