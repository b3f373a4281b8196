package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/invocation"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/localkey"
)

const (
	publicURL   = "https://hooks.example.com"
	sampleToken = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" // in the sample events
)

// world is the function on a bed whose connection runs.
type world struct {
	*testbed.Bed
	handler *invocation.HTTP
	tokens  map[crm.AccountID]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	b, err := testbed.New(t.Context(), testbed.Options{People: 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection); err != nil {
		t.Fatal(err)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	sealer, err := localkey.Open(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	next := testbed.LeftAccount
	drivers := map[crm.AppID]connector.Driver{hubspot.ID: hubspot.Driver(), salesforce.ID: salesforce.Driver()}
	fakes := map[crm.AppID]http.Handler{hubspot.ID: b.Hub, salesforce.ID: b.Force}
	accounts, err := account.New(account.Options{
		Store: b.Store, Sealer: sealer, Drivers: drivers, Documents: apps.Reader{}, Now: b.Now,
		NewID:    func(string) string { return string(next) },
		Rand:     rand.Reader,
		HTTP:     func(app crm.App, _ string) *http.Client { return fakekit.Client(fakes[app.ID]) },
		CheckURL: func(crm.App, string) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Bed: b, tokens: map[crm.AccountID]string{}}
	for id, draft := range map[crm.AccountID]account.Draft{
		testbed.LeftAccount: {App: hubspot.ID, Name: "left", Credentials: account.Credentials{
			Kind: crm.AuthToken,
			Fields: map[string]secret.Text{
				"token": secret.NewText(hubspotfake.PrivateToken), "webhook_secret": secret.NewText(hubspotfake.ClientSecret),
			},
		}},
		testbed.RightAccount: {
			App: salesforce.ID, Name: "right", BaseURL: "https://fake.my.salesforce.com",
			Credentials: account.Credentials{Kind: crm.AuthOAuth2, Fields: map[string]secret.Text{
				"client_id": secret.NewText(salesforcefake.ClientID), "client_secret": secret.NewText(salesforcefake.ClientSecret),
			}},
		},
	} {
		next = id
		if _, err := accounts.Create(t.Context(), testbed.Workspace, draft); err != nil {
			t.Fatal(err)
		}
		if _, err := accounts.Test(t.Context(), testbed.Workspace, id); err != nil {
			t.Fatal(err)
		}
		hook, err := accounts.EnsureWebhook(t.Context(), testbed.Workspace, id)
		if err != nil {
			t.Fatal(err)
		}
		w.tokens[id] = hook.Token.Reveal()
	}
	surface, err := api.NewHooks(api.HookOptions{
		Engine: b.Engine, Accounts: accounts, Now: b.Now, NewID: func(p string) string { return p + "_1" },
		Logger: slog.New(slog.DiscardHandler), PublicURL: publicURL, AllowHosts: []string{"*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.handler = newHandler(surface, slog.New(slog.DiscardHandler))
	return w
}

func sample(t *testing.T, name string, replace ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer(replace...).Replace(string(b)))
}

// send hands an event in as the runtime does.
func (w *world) send(t *testing.T, event []byte) events.APIGatewayV2HTTPResponse {
	t.Helper()
	b, err := lambda.NewHandler(w.handler.Handle).Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	var r events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// signed is the sample delivery of HubSpot, for this token, signed now.
func (w *world) signed(t *testing.T, change ...func(*events.APIGatewayV2HTTPRequest)) []byte {
	t.Helper()
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(sample(t, "webhook-hubspot-propertychange", sampleToken, w.tokens[testbed.LeftAccount]),
		&e); err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&e)
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			t.Fatal(err)
		}
	}
	url := publicURL + e.RawPath
	if e.RawQueryString != "" {
		url += "?" + e.RawQueryString
	}
	stamp := strconv.FormatInt(w.Now().UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(hubspotfake.ClientSecret))
	for _, part := range []string{e.RequestContext.HTTP.Method, url, string(body), stamp} {
		_, _ = io.WriteString(mac, part)
	}
	e.Headers["x-hubspot-request-timestamp"] = stamp
	e.Headers["x-hubspot-signature-v3"] = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// queued is how many messages wait.
func (w *world) queued(t *testing.T) int {
	t.Helper()
	d, err := w.Queue.Depth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d.Visible
}

func TestDeliveryOfHubSpot(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*events.APIGatewayV2HTTPRequest){
		"as text": func(*events.APIGatewayV2HTTPRequest) {},
		"as base64": func(e *events.APIGatewayV2HTTPRequest) {
			e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(e.Body)), true
		},
		"with a query": func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString = "a=%20b&c=2" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if r := w.send(t, w.signed(t, change)); r.StatusCode/100 != 2 || r.IsBase64Encoded {
				t.Fatalf("answer %+v, want success", r)
			}
			if n := w.queued(t); n != 1 {
				t.Errorf("%d messages wait, want one for both records", n)
			}
		})
	}
}

func TestForgedDelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	event := sample(t, "webhook-hubspot-propertychange", sampleToken, w.tokens[testbed.LeftAccount])
	if r := w.send(t, event); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a delivery with a wrong signature: %d, want 401", r.StatusCode)
	}
	if r := w.send(t, sample(t, "webhook-hubspot-propertychange")); r.StatusCode != http.StatusNotFound {
		t.Errorf("a delivery to an unknown address: %d, want 404", r.StatusCode)
	}
	if n := w.queued(t); n != 0 {
		t.Errorf("%d messages wait, want none", n)
	}
}

func TestDeliveryOfSalesforce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.send(t, sample(t, "webhook-salesforce-outbound", sampleToken, w.tokens[testbed.RightAccount]))
	if r.StatusCode != http.StatusOK || !strings.Contains(r.Body, "<Ack>true</Ack>") ||
		!strings.HasPrefix(r.Headers["Content-Type"], "text/xml") {
		t.Errorf("answer %+v, want the acknowledgement that Salesforce asks for", r)
	}
	if n := w.queued(t); n != 1 {
		t.Errorf("%d messages wait, want one", n)
	}
}

func TestCheckOfTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := w.send(t, sample(t, "webhook-check", sampleToken,
		w.tokens[testbed.LeftAccount])); r.StatusCode != http.StatusOK || r.Body != "" {
		t.Errorf("HEAD of an address: %+v, want 200 without a body", r)
	}
}

// TestOnlyHooks shows that this function does not serve the REST API.
func TestOnlyHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.send(t, sample(t, "api-list-apps"))
	if id := r.Headers["X-Request-Id"]; r.StatusCode != http.StatusNotFound || id == "" || !strings.Contains(r.Body, id) {
		t.Errorf("the API by the function for webhooks: %+v, want 404 with the request's ID", r)
	}
}

func TestMalformedEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, event := range map[string][]byte{
		"headers": sample(t, "webhook-malformed"), "another event": sample(t, "sync-batch"), "an array": []byte(`[]`),
		"a number": []byte(`1`),
		"base64":   []byte(`{"rawPath":"/hooks/x","body":"*","isBase64Encoded":true,"requestContext":{"http":{"method":"POST"}}}`),
		"method":   []byte(`{"rawPath":"/hooks/x","requestContext":{"http":{"method":"P O"}}}`),
	} {
		if r := w.send(t, event); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", name, r.StatusCode)
		}
	}
}
