package api

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// fixture is one of everything that a path can name.
type fixture struct {
	*world
	ruled           bool // the connection has a rule, too
	connection, tag string
	run             crm.RunID
	plan            crm.PlanID
	keyID           string
	erasure         string
	hook            string // the path that the left app delivers to
	callers         []caller
}

type caller struct {
	name   string
	token  string
	column string // of the literal matrix
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{world: newWorld(t)}
	f.accounts()
	document := strings.Replace(f.document("Shared"), `"syncs"`, `"access":{"mode":"roles","roles":["team-a"]},"syncs"`, 1)
	r := f.must(201, "POST", "/v1/connections", document)
	f.connection, f.tag = r.json(t)["id"].(string), r.header.Get("ETag")
	id := crm.ConnectionID(f.connection)
	f.run = f.engine.run(DefaultWorkspace, id, "contacts", engine.RunPull).ID
	plan, err := f.engine.CreatePlan(t.Context(), DefaultWorkspace, id, "contacts", nil)
	if err != nil {
		t.Fatal(err)
	}
	f.plan = plan.ID
	entry := canaryEntry()
	entry.Connection = id
	f.engine.entries = []engine.Entry{entry}
	f.keyID = f.must(201, "POST", "/v1/keys", `{"name":"victim","role":"viewer"}`).json(t)["id"].(string)

	f.erasure = f.must(202, "POST", "/v1/erasures", `{"email":"erased@example.com"}`).json(t)["id"].(string)

	address, err := url.Parse(f.must(200, "GET", "/v1/connections/"+f.connection+"/webhooks",
		"").json(t)["items"].([]any)[0].(map[string]any)["url"].(string))
	if err != nil {
		t.Fatal(err)
	}
	f.hook = address.Path

	other := f.must(201, "POST", "/v1/workspaces", `{"name":"Other"}`).json(t)["id"].(string)
	expired := f.key(`{"name":"e","role":"admin","expires_at":"` + f.now().Add(time.Minute).Format(time.RFC3339) + `"}`)
	f.callers = []caller{
		{"none", "", "none"},
		{"garbage", "lsk_garbage", "none"},
		{"expired", expired, "none"},
		{"viewer", f.key(`{"name":"v","role":"viewer"}`), "viewer"},
		{"denied member", f.key(`{"name":"d","role":"member","user":{"email":"d@example.com","roles":["team-b"],"attributes":{"is_employee":true}}}`), "denied"},
		{"member", f.key(`{"name":"m","role":"member","user":{"email":"m@example.com","roles":["team-a"]}}`), "member"},
		{"admin", f.key(`{"name":"a","role":"admin"}`), "admin"},
		{"operator", operatorKey, "operator"},
		{"other tenant", f.key(`{"name":"o","role":"admin","workspace":"` + other + `"}`), "foreign"},
	}
	f.must(201, "PUT", "/v1/app-documents/small", f.body(route{id: "validate-app-document"}))
	f.clock.Advance(2 * time.Minute)
	return f
}

// smallDocument describes an app that the program does not know.
const smallDocument = `app: {id: small, name: Small CRM, base: "https://api.small.example", hosts: [small.example], blank: "null"}
auth: [{kind: token, send: bearer, fields: [{name: token, label: Token, secret: true}]}]
account: {get: /me, id: /id, label: /name}
limits: {calls: 10, per: 1s}
objects:
  people:
    label: People
    id: {at: /id, form: number}
    fields: {email: {label: E-mail, type: email}}
    list: {get: /people, query: {page: "{page}"}, items: /items, page: {kind: number, first: 1}}
    read: {get: "/people/{id}", record: ""}
    create: {post: /people, record: ""}
    update: {put: "/people/{id}", record: ""}
`

// target fills the path of a route with things that exist.
func (f *fixture) target(r route) string {
	id := f.connection
	switch {
	case strings.HasPrefix(r.path, hooksPath):
		return f.hook
	case strings.HasPrefix(r.path, "/v1/accounts/"):
		id = string(f.left)
	case strings.HasPrefix(r.path, "/v1/app-documents/"):
		id = "small"
	case strings.HasPrefix(r.path, "/v1/runs/"):
		id = string(f.run)
	case strings.HasPrefix(r.path, "/v1/plans/"):
		id = string(f.plan)
	case strings.HasPrefix(r.path, "/v1/log/"):
		id = "log_1"
	case strings.HasPrefix(r.path, "/v1/keys/"):
		id = f.keyID
	case strings.HasPrefix(r.path, "/v1/erasures/"):
		id = f.erasure
	}
	target := strings.NewReplacer("{id}", id, "{app}", "hubspot", "{object}", "contacts", "{sync}", "contacts",
		"{mapping}", "m1", "{part}", "email", "{side}", "left", "{record}", "1").Replace(r.path)
	if strings.Contains(r.path, "/rules/{part}") && !f.ruled {
		f.ruled = true
		f.must(200, "PUT", strings.TrimSuffix(target, "/email"), `[{"id":"email","direction":"to_right"}]`, ifMatch("*"))
	}
	switch r.id {
	case "validate-app-document":
		target += "?app=small"
	case "delete-connection":
		target += "?confirm=Shared"
	case "retry-log", "redrive-dead":
		target += "?connection=" + f.connection
	}
	return target
}

// body is one that the route accepts.
func (f *fixture) body(r route) string {
	switch r.id {
	case "create-account":
		return `{"app":"hubspot","name":"New","credentials":{"kind":"token","token":"t"}}`
	case "update-account":
		return `{"name":"Renamed"}`
	case "set-client":
		return `{"client_id":"i","client_secret":"s","redirect_uri":"https://app.example.com/v1/oauth/callback"}`
	case "start-authorization":
		return `{"name":"New"}`
	case "put-app-document":
		return `{"document":` + strconv.Quote(smallDocument+"# again\n") + `}`
	case "validate-app-document":
		return `{"document":` + strconv.Quote(smallDocument) + `}`
	case "create-field":
		return `{"name":"x","label":"X","type":"text"}`
	case "create-connection", "import-connection", "plan-import":
		return emptyDocument(f.world, "Fresh")
	case "put-connection":
		return strings.Replace(f.document("Shared"), `"syncs"`, `"access":{"mode":"roles","roles":["team-a"]},"syncs"`, 1)
	case "patch-connection":
		return `{"description":"changed"}`
	case "put-sync":
		return `{"id":"contacts","left":{"object":"contacts"},"right":{"object":"Contact"},"match":[{"by":"any_key","pairs":[["email","Email"]]}],"mappings":` + twoMappings + `}`
	case "put-syncs":
		return "[" + f.body(route{id: "put-sync"}) + "]"
	case "create-sync":
		return `{"id":"fresh","left":{"object":"contacts"},"right":{"object":"Contact"},"direction":"off"}`
	case "create-rule":
		return `{"id":"fresh","direction":"to_right"}`
	case "create-mapping":
		return `{"id":"fresh","left":["firstname"],"right":["FirstName"]}`
	case "patch-match":
		return `{"to_right":[{"by":"any_key","pairs":[["email","Email"]]}]}`
	case "put-mappings":
		return twoMappings
	case "put-mapping":
		return `{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}}`
	case "put-rules":
		return `[{"id":"email","direction":"to_right"}]`
	case "put-rule":
		return `{"id":"email","direction":"to_right"}`
	case "put-match":
		return `[{"by":"any_key","pairs":[["email","Email"]]}]`
	case "patch-sync":
		return `{"schedule":"10m"}`
	case "patch-rule", "patch-mapping":
		return `{"enabled":true}`
	case "link-records":
		return `{"partner":"2"}`
	case "import-links":
		return `{"pairs":[{"left":"1","right":"2"}]}`
	case "resolve-records":
		return `{"filter":{"state":"conflict"},"choice":"left"}`
	case "resolve-record":
		return `{"fields":{"last":"left"}}`
	case "unfreeze-record":
		return `{"field":"last"}`
	case "restore-record":
		return `{"field":"last","entry":"log_1"}`
	case "create-erasure":
		return `{"email":"erased@example.com"}`
	case "update-workspace":
		return `{"name":"Renamed"}`
	case "create-key":
		return `{"name":"k","role":"viewer"}`
	case "create-workspace":
		return `{"name":"W"}`
	}
	return ""
}

const twoMappings = `[{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},{"id":"last","left":["lastname"],"right":["LastName"]}]`

// emptyDocument is a connection that writes nothing.
func emptyDocument(w *world, name string) string {
	return fmt.Sprintf(`{"name":%q,"left":{"account":%q},"right":{"account":%q},"syncs":[]}`, name, w.left, w.right)
}

// last puts what deletes behind what needs the deleted.
func last(r route) string {
	return map[string]string{
		"delete-rule": "0", "delete-mapping": "0", "delete-sync": "01", "delete-connection": "1", "delete-account": "2",
	}[r.id]
}

// TestX3_ServerOwnedFieldsCannotBeSet tries each of them in each way to write.
func TestX3_ServerOwnedFieldsCannotBeSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	before := w.stored()
	for _, key := range serverOwned {
		set := `"` + key + `":"2020-01-01T00:00:00Z",`
		if key == "status" {
			set = `"status":"active",`
		}
		document := strings.Replace(w.document("One"), `{"name"`, `{`+set+`"name"`, 1)
		for _, try := range []struct{ method, target, body string }{
			{"POST", "/v1/connections", document},
			{"PUT", "/v1/connections/" + id, document},
			{"PATCH", "/v1/connections/" + id, "{" + strings.TrimSuffix(set, ",") + "}"},
			{"PATCH", "/v1/connections/" + id, `{"` + key + `":null}`},
		} {
			p := w.must(400, try.method, try.target, try.body, ifMatch("*")).problem(t)
			if len(p.Errors) == 0 || p.Errors[0].Pointer != "/"+key {
				t.Errorf("%s %s: %+v", try.method, key, p)
			}
		}
	}
	for _, key := range []string{"version", "generation", "workspace", "Status"} {
		w.must(400, "PATCH", "/v1/connections/"+id, `{"`+key+`":1}`, ifMatch("*"))
	}
	if after := w.stored(); after != before {
		t.Errorf("something was stored:\n%s\nbefore:\n%s", after, before)
	}
	w.must(200, "PUT", "/v1/connections/"+id, string(w.must(200, "GET", "/v1/connections/"+id, "").body), ifMatch("*"))
}

// TestRow8_Row9_AccessRules shows both modes of access.
func TestRow8_Row9_AccessRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	tokens := map[string]string{
		"yes":    w.key(`{"name":"1","role":"member","user":{"attributes":{"is_employee":true}}}`),
		"no":     w.key(`{"name":"2","role":"member","user":{"attributes":{"is_employee":false}}}`),
		"word":   w.key(`{"name":"3","role":"member","user":{"attributes":{"is_employee":"true"}}}`),
		"blank":  w.key(`{"name":"4","role":"member","user":{"attributes":{"is_employee":null}}}`),
		"absent": w.key(`{"name":"5","role":"member"}`),
		"sales":  w.key(`{"name":"6","role":"member","user":{"roles":["sales"]}}`),
	}
	for name, c := range map[string]struct {
		access string
		in     string
	}{
		"default: every member":  {`{"mode":"roles","roles":["member"]}`, "yes no word blank absent sales"},
		"by a role of the user":  {`{"mode":"roles","roles":["sales"]}`, "sales"},
		"nobody":                 {`{"mode":"roles","roles":[]}`, ""},
		"by a boolean attribute": {`{"mode":"user_attribute","attribute":"is_employee","roles":["member"]}`, "yes"},
	} {
		t.Run(name, func(t *testing.T) {
			w.must(200, "PATCH", "/v1/connections/"+id, `{"access":`+c.access+`}`, ifMatch("*"))
			for who, token := range tokens {
				want := 403
				if strings.Contains(" "+c.in+" ", " "+who+" ") {
					want = 200
				}
				if got := w.do("GET", "/v1/connections/"+id, "", as(token)); got.status != want {
					t.Errorf("%s: got %d, want %d", who, got.status, want)
				}
				listed := strings.Contains(string(w.must(200, "GET", "/v1/connections", "", as(token)).body), id)
				if listed != (want == 200) {
					t.Errorf("%s: in the list: %t", who, listed)
				}
			}
		})
	}
	w.must(202, "POST", "/v1/connections/"+id+"/start", "")
	w.must(400, "PATCH", "/v1/connections/"+id, `{"access":{"mode":"user_attribute","attribute":null}}`, ifMatch("*"))
	w.must(200, "PATCH", "/v1/connections/"+id, `{"access":{"mode":"user_attribute","attribute":"is_employee"}}`,
		ifMatch("*"))
	w.must(403, "PATCH", "/v1/connections/"+id, `{"access":{"mode":"roles","roles":["member"]}}`, ifMatch("*"),
		as(tokens["yes"]))
}

// TestX9_ViewersAndLogsSeeNoValues looks for a planted value in what viewers
// get and in the program's own log.
func TestX9_ViewersAndLogsSeeNoValues(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range f.callers {
		if c.name != "viewer" && c.name != "admin" {
			continue
		}
		seen := 0
		for _, r := range routes {
			if r.method != "GET" || r.id == "run-events" {
				continue
			}
			if got := f.do("GET", f.target(r), "", as(c.token)); strings.Contains(string(got.body), canary) {
				seen++
				if c.name == "viewer" {
					t.Errorf("%s shows a value to a viewer: %s", r.id, got.body)
				}
			}
		}
		if c.name == "admin" && seen < 5 {
			t.Errorf("only %d calls show values to admins: the test looks at nothing", seen)
		}
	}
	for _, hidden := range []string{canary, operatorKey, "pat-1", "lsk_"} {
		if strings.Contains(f.log.String(), hidden) {
			t.Errorf("the log holds %q", hidden)
		}
	}
}
