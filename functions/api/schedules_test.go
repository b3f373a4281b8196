package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/alert"
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
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal/schedulerfake"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/schedule/eventbridge"
	"github.com/lockstep-crm/lockstep/internal/schedule/follow"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/localkey"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// clocked is the function over two fake apps and a scheduler. The bed's own
// connection is in the way of nobody.
type clocked struct {
	t         *testing.T
	handler   *invocation.HTTP
	scheduler *schedulerfake.Fake
	sample    events.APIGatewayV2HTTPRequest
}

func newClocked(t *testing.T) *clocked {
	t.Helper()
	c := &clocked{t: t, scheduler: &schedulerfake.Fake{Group: "syncs"}}
	text, err := os.ReadFile(filepath.Join("..", "..", "events", "api-list-apps.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &c.sample); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.scheduler)
	t.Cleanup(server.Close)
	client := scheduler.New(scheduler.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "fake", SecretAccessKey: "fake"}, nil
		}),
	})
	schedules, err := eventbridge.New(client, eventbridge.Config{
		Group: "syncs", TargetARN: "arn:pull", RoleARN: "arn:role", DeadARN: "arn:undelivered",
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	clock := testbed.NewClock()
	b, err := testbed.New(t.Context(), testbed.Options{
		Clock: clock, Store: &follow.Store{Store: memstore.New(clock.Now), Schedules: schedules, Log: log},
	}, func(c *crm.Connection) {
		c.ID, c.Left.Account, c.Right.Account = "con_other", "acc_other", "acc_another"
	})
	if err != nil {
		t.Fatal(err)
	}
	c.handler = newHandler(c.surface(b, log), log)
	return c
}

// surface is the REST surface over a bed, whose accounts it makes.
func (c *clocked) surface(b *testbed.Bed, log *slog.Logger) http.Handler {
	c.t.Helper()
	sealer, err := localkey.Open(filepath.Join(c.t.TempDir(), "root.key"))
	if err != nil {
		c.t.Fatal(err)
	}
	fakes := map[crm.AppID]http.Handler{hubspot.ID: b.Hub, salesforce.ID: b.Force}
	drivers := map[crm.AppID]connector.Driver{hubspot.ID: hubspot.Driver(), salesforce.ID: salesforce.Driver()}
	next := ""
	ids := 0
	accounts, err := account.New(account.Options{
		Store: b.Store, Sealer: sealer, Drivers: drivers, Documents: apps.Reader{}, Now: b.Now,
		NewID:    func(string) string { return next },
		Rand:     rand.Reader,
		HTTP:     func(app crm.App, _ string) *http.Client { return fakekit.Client(fakes[app.ID]) },
		CheckURL: func(crm.App, string) error { return nil },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	for id, draft := range map[crm.AccountID]account.Draft{
		testbed.LeftAccount: {App: hubspot.ID, Name: "left", Credentials: account.Credentials{
			Kind: crm.AuthToken,
			Fields: map[string]secret.Text{
				"token": secret.NewText(hubspotfake.PrivateToken),
			},
		}},
		testbed.RightAccount: {
			App: salesforce.ID, Name: "right", BaseURL: "https://fake.my.salesforce.com",
			Credentials: account.Credentials{Kind: crm.AuthOAuth2, Fields: map[string]secret.Text{
				"client_id": secret.NewText(salesforcefake.ClientID), "client_secret": secret.NewText(salesforcefake.ClientSecret),
			}},
		},
	} {
		next = string(id)
		if _, err := accounts.Create(c.t.Context(), testbed.Workspace, draft); err != nil {
			c.t.Fatal(err)
		}
	}
	newID := func(prefix string) string { ids++; return fmt.Sprintf("%s_%012d", prefix, ids) }
	alerts, err := alert.New(alert.Options{
		Store: b.Store, Engine: b.Engine, Accounts: accounts, Audit: access.NewAudit(b.Store, b.Now, newID), Sealer: sealer,
		Rand: rand.Reader, Now: b.Now, NewID: newID,
		HTTP: func(crm.App, string) *http.Client { return &http.Client{} }, CheckURL: func(crm.App, string) error {
			return nil
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	surface, err := api.New(api.Options{
		Engine: b.Engine, Accounts: accounts, Alerts: alerts, Store: b.Store, Now: b.Now, NewID: newID,
		Logger: log, PublicURL: "https://api.example.com", AllowHosts: []string{"*"}, AdminKey: secret.NewText(operatorKey),
		Home: testbed.Workspace,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return surface
}

// call sends one request as API Gateway does, and wants it to succeed.
func (c *clocked) call(method, path, query, body string) map[string]any {
	c.t.Helper()
	e := c.sample
	e.RawPath, e.RawQueryString, e.Body = path, query, body
	e.RequestContext.HTTP.Method = method
	e.Headers = map[string]string{"host": "api.example.com", "authorization": "Bearer " + operatorKey}
	if body != "" {
		e.Headers["content-type"] = "application/json"
	}
	if method == http.MethodPatch || method == http.MethodDelete {
		read := c.send(e, http.MethodGet, path)
		e.Headers["if-match"] = read.Headers["Etag"]
	}
	r := c.send(e, method, path)
	if r.StatusCode >= 300 {
		c.t.Fatalf("%s %s: %d %s", method, path, r.StatusCode, r.Body)
	}
	var out map[string]any
	_ = json.Unmarshal([]byte(r.Body), &out) // some answers have no body
	return out
}

func (c *clocked) send(e events.APIGatewayV2HTTPRequest, method, path string) events.APIGatewayV2HTTPResponse {
	c.t.Helper()
	e.RequestContext.HTTP.Method, e.RawPath = method, path
	if method == http.MethodGet {
		e.Body, e.RawQueryString = "", ""
	}
	event, err := json.Marshal(e)
	if err != nil {
		c.t.Fatal(err)
	}
	if event, err = lambda.NewHandler(c.handler.Handle).Invoke(c.t.Context(), event); err != nil {
		c.t.Fatal(err)
	}
	var r events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(event, &r); err != nil {
		c.t.Fatal(err)
	}
	return r
}

// contacts are syncs of one object.
func contacts(schedule string) []any {
	return []any{map[string]any{
		"id": "contacts", "left": map[string]any{"object": "contacts"}, "right": map[string]any{"object": "Contact"},
		"direction": "both", "schedule": schedule,
		"match": []any{map[string]any{"by": "any_key", "pairs": []any{[]any{"email", "Email"}}}},
		"mappings": []any{
			map[string]any{"id": "m1", "left": []any{"email"}, "right": []any{"Email"}}, map[string]any{
				"id": "m2", "left": []any{"lastname"}, "right": []any{"LastName"},
			},
		},
	}}
}

// draft creates a connection and returns its ID.
func (c *clocked) draft() string {
	c.t.Helper()
	text, err := json.Marshal(map[string]any{
		"name": "one", "left": map[string]any{"account": testbed.LeftAccount}, "right": map[string]any{
			"account": testbed.RightAccount,
		}, "syncs": contacts("5m"),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.call(http.MethodPost, "/v1/connections", "", string(text))["id"].(string)
}

// TestSchedulesFollowTheAPI starts, changes, pauses, resumes and deletes a
// connection, and looks at its schedule after each.
func TestSchedulesFollowTheAPI(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	id := c.draft()
	path := "/v1/connections/" + id
	name := schedule.Name(testbed.Workspace, crm.ConnectionID(id), "contacts")
	syncs := func(schedule string) string {
		text, err := json.Marshal(map[string]any{"syncs": contacts(schedule)})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, step := range []struct {
		name, method, path, query, body string
		want                            string // expression and state; "" = no schedule
		calls                           []string
	}{
		{"rename of a draft", http.MethodPatch, path, "", `{"name":"other"}`, "", nil},
		{"start", http.MethodPost, path + "/start", "", "", "rate(5 minutes) ENABLED", []string{"PUT", "POST"}},
		{"rename", http.MethodPatch, path, "", `{"name":"third"}`, "rate(5 minutes) ENABLED", nil},
		{"every 15 minutes", http.MethodPatch, path, "", syncs("15m"), "rate(15 minutes) ENABLED", []string{"PUT"}},
		{"pause", http.MethodPost, path + "/pause", "", "", "rate(15 minutes) DISABLED", []string{"PUT"}},
		{"resume", http.MethodPost, path + "/start", "", "", "rate(15 minutes) ENABLED", []string{"PUT"}},
		{"global toggle", http.MethodPatch, path, "", `{"enabled":false}`, "rate(15 minutes) DISABLED", []string{"PUT"}},
		{"on again", http.MethodPatch, path, "", `{"enabled":true}`, "rate(15 minutes) ENABLED", []string{"PUT"}},
		{"manual", http.MethodPatch, path, "", syncs("manual"), "", []string{"DELETE"}},
		{"every minute", http.MethodPatch, path, "", syncs("1m"), "rate(1 minute) ENABLED", []string{"PUT", "POST"}},
		{"delete", http.MethodDelete, path, "confirm=third", "", "", []string{"DELETE"}},
	} {
		c.scheduler.Plan(nil)
		c.call(step.method, step.path, step.query, step.body)
		got := ""
		if f := c.scheduler.Schedule(name); f != nil {
			got = fmt.Sprint(f["ScheduleExpression"], " ", f["State"])
			if target := f["Target"].(map[string]any); target["Arn"] != "arn:pull" || target["RoleArn"] != "arn:role" ||
				target["DeadLetterConfig"] == nil || target["RetryPolicy"] == nil {
				t.Errorf("%s: the target is %v, want all of its fields", step.name, target)
			}
		}
		if got != step.want {
			t.Fatalf("%s: the schedule is %q, want %q", step.name, got, step.want)
		}
		if calls := c.scheduler.Calls(); !slices.Equal(calls, step.calls) {
			t.Errorf("%s: calls %v, want %v", step.name, calls, step.calls)
		}
	}
}

// TestAPIWithoutScheduler saves all the same; keeper mends it.
func TestAPIWithoutScheduler(t *testing.T) {
	t.Parallel()
	c := newClocked(t)
	c.scheduler.Plan(func(string) (int, string) { return http.StatusForbidden, "AccessDeniedException" })
	path := "/v1/connections/" + c.draft()
	c.call(http.MethodPost, path+"/start", "", "")
	if got := c.call(http.MethodGet, path, "", ""); got["status"] != "active" {
		t.Errorf("status %v, want it started", got["status"])
	}
}
