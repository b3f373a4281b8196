package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/app/cloud/restapi"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/invocation"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/localkey"
)

const operatorKey = "the-operator's-own-key"

func newFunction(t *testing.T) *invocation.HTTP {
	t.Helper()
	b, err := testbed.New(t.Context(), testbed.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := localkey.Open(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	var ids atomic.Int64
	newID := func(prefix string) string { return fmt.Sprintf("%s_%012d", prefix, ids.Add(1)) }
	drivers := map[crm.AppID]connector.Driver{hubspot.ID: hubspot.Driver(), salesforce.ID: salesforce.Driver()}
	accounts, err := account.New(account.Options{
		Store: b.Store, Sealer: sealer, Drivers: drivers, Documents: apps.Reader{}, Now: b.Now, NewID: newID,
		Rand: rand.Reader,
		HTTP: func(crm.App, string) *http.Client { return &http.Client{} }, CheckURL: func(crm.App, string) error {
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := alert.New(alert.Options{
		Store: b.Store, Engine: b.Engine, Accounts: accounts, Audit: access.NewAudit(b.Store, b.Now, newID), Sealer: sealer,
		Rand: rand.Reader, Now: b.Now, NewID: newID,
		HTTP: func(crm.App, string) *http.Client { return &http.Client{} }, CheckURL: func(crm.App, string) error {
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := api.New(api.Options{
		Engine: b.Engine, Accounts: accounts, Alerts: alerts, Store: b.Store, Now: b.Now, NewID: newID,
		Logger: slog.New(slog.DiscardHandler), PublicURL: "https://api.example.com", AllowHosts: []string{"*"},
		AdminKey: secret.NewText(operatorKey), Auth: restapi.Users{},
		WithoutHooks: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return newHandler(rest, slog.New(slog.DiscardHandler))
}

func send(
	t *testing.T, h *invocation.HTTP, name string, change ...func(event string) string,
) events.APIGatewayV2HTTPResponse {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	b = []byte(strings.ReplaceAll(string(b), "API_KEY", operatorKey))
	for _, f := range change {
		b = []byte(f(string(b)))
	}
	if b, err = lambda.NewHandler(h.Handle).Invoke(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var r events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestListApps(t *testing.T) {
	t.Parallel()
	r := send(t, newFunction(t), "api-list-apps")
	var page struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(r.Body), &page); err != nil || r.StatusCode != http.StatusOK || len(page.Items) != 2 {
		t.Errorf("answer %+v, %v; want both apps", r, err)
	}
	if r.Headers["Content-Type"] == "" || r.IsBase64Encoded {
		t.Errorf("headers %v, base64 %v; want text with its type", r.Headers, r.IsBase64Encoded)
	}
}

// TestDraft: a connection whose accounts are not there yet is kept, with what it lacks.
func TestDraft(t *testing.T) {
	t.Parallel()
	r := send(t, newFunction(t), "api-create-connection")
	var draft struct {
		Status   string `json:"status"`
		Problems []struct {
			Pointer string `json:"pointer"`
			Code    string `json:"code"`
		} `json:"problems"`
	}
	if err := json.Unmarshal([]byte(r.Body), &draft); err != nil || r.StatusCode != http.StatusCreated ||
		draft.Status != "draft" || len(draft.Problems) == 0 || draft.Problems[0].Pointer != "/left/account" ||
		draft.Problems[0].Code != "unknown_account" {
		t.Errorf("answer %+v, %v; want a draft that says what it lacks", r, err)
	}
}

// TestRefusals are problems with a code, as on one machine.
func TestRefusals(t *testing.T) {
	t.Parallel()
	h := newFunction(t)
	for name, want := range map[string]struct {
		status int
		code   string
	}{
		"api-unauthorized":               {http.StatusUnauthorized, "unauthorized"},
		"api-malformed":                  {http.StatusBadRequest, "malformed_request"},
		"webhook-hubspot-propertychange": {http.StatusNotFound, "not_found"}, // another function's
	} {
		r := send(t, h, name)
		var p struct {
			Code string `json:"code"`
		}
		if err := json.Unmarshal([]byte(r.Body), &p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.StatusCode != want.status || p.Code != want.code {
			t.Errorf("%s: %d %q, want %d %q; %s", name, r.StatusCode, p.Code, want.status, want.code, r.Body)
		}
	}
}

// TestUsers come with claims that API Gateway has verified, and with nothing else.
func TestUsers(t *testing.T) {
	t.Parallel()
	h := newFunction(t)
	const claim = `"custom:lockstep_role": "viewer"`
	for name, tt := range map[string]struct {
		event  string
		change func(event string) string
		status int
		code   string
	}{
		"viewer reads": {"api-user", func(e string) string { return e }, http.StatusOK, ""},
		"viewer makes": {
			"api-user", func(e string) string { return strings.ReplaceAll(e, `"GET"`, `"POST"`) }, http.StatusForbidden,
			"role_too_low",
		},
		"admin makes": {"api-user", func(e string) string {
			return strings.ReplaceAll(strings.ReplaceAll(e, claim, `"custom:lockstep_role": "admin"`), `"GET"`, `"POST"`)
		}, http.StatusBadRequest, "body_required"},
		"no operator": {"api-user", func(e string) string {
			return strings.ReplaceAll(strings.ReplaceAll(e, claim, `"custom:lockstep_role": "admin"`), "/v1/connections",
				"/v1/workspaces")
		}, http.StatusForbidden, "role_too_low"},
		"unknown role": {
			"api-user", func(e string) string { return strings.ReplaceAll(e, claim, `"custom:lockstep_role": "operator"`) },
			http.StatusForbidden, "user_without_access",
		},
		"no workspace": {
			"api-user-without-workspace", func(e string) string { return e }, http.StatusForbidden,
			"user_without_access",
		},
		"token, no claims": {
			"api-user", func(e string) string { return strings.ReplaceAll(e, `"authorizer"`, `"unverified"`) },
			http.StatusUnauthorized, "unauthorized",
		},
		"claims by header": {"api-unauthorized", func(e string) string {
			return strings.ReplaceAll(e, `"accept"`,
				`"custom:lockstep_workspace": "default", "sub": "x", "custom:lockstep_role": "admin", "accept"`)
		}, http.StatusUnauthorized, "unauthorized"},
		"claims, no bearer": {
			"api-user", func(e string) string { return strings.ReplaceAll(e, "Bearer ", "Basic ") },
			http.StatusUnauthorized, "unauthorized",
		},
		"key beside claims": {"api-user", func(e string) string {
			at := strings.Index(e, "Bearer ")
			return e[:at] + "Bearer " + operatorKey + e[at+strings.Index(e[at:], `"`):]
		}, http.StatusOK, ""},
		"claims no map": {
			"api-user", func(e string) string { return strings.ReplaceAll(e, `"claims": {`, `"claims": 7, "other": {`) },
			http.StatusBadRequest, "malformed_request",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := send(t, h, tt.event, tt.change)
			var p struct {
				Code string `json:"code"`
			}
			if err := json.Unmarshal([]byte(r.Body), &p); err != nil {
				t.Fatal(err)
			}
			if r.StatusCode != tt.status || p.Code != tt.code {
				t.Errorf("%d %q, want %d %q: %s", r.StatusCode, p.Code, tt.status, tt.code, r.Body)
			}
			if asks := r.Headers["Www-Authenticate"] != ""; asks != (tt.status == http.StatusUnauthorized) {
				t.Errorf("asks for a token: %v", asks)
			}
		})
	}
}
