package app

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/declared/vendorsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakes"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// modelDocument is the document of an app that does not exist.
func modelDocument(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../connector/declared/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// withExample is the whole program with the model document, in its folder of documents or
// put by an admin, and an account of that app.
func withExample(t *testing.T, o Options, put bool) (*live, *fakekit.Core, crm.AccountID) {
	t.Helper()
	if !put {
		o.AppDocuments = t.TempDir()
		if err := os.WriteFile(filepath.Join(o.AppDocuments, "example.yaml"), []byte(modelDocument(t)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var l *live
	fake := vendorsfake.Example(fakekit.Config{Now: func() time.Time {
		if l == nil {
			return time.Now()
		}
		return l.now()
	}})
	s := httptest.NewServer(fake)
	storages.AtEnd(t, s.Close)
	o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(s.URL, "http://"))
	l = launched(t, o, engine.Tuning{})
	if put {
		l.must(201, "PUT", "/v1/app-documents/example", map[string]any{"document": modelDocument(t)})
	}
	return l, fake.Core(), l.account("example", s.URL, map[string]string{
		"kind": "api_key", "api_key": vendorsfake.ExampleKey, "webhook_secret": "fake-example-secret",
	})
}

// TestLive_DocumentStaysInStep: contacts of HubSpot and people of an app that is nothing
// but a document, through the whole program: a first sync, edits on both sides, a clearing,
// one that comes by webhook, and a resync that finds nothing to do. The document is in the
// operator's folder, or an admin has put it.
func TestLive_DocumentStaysInStep(t *testing.T) {
	t.Parallel()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		staysInStep(t, Options{DataDir: t.TempDir()}, false)
	})
	onEachStore(t, func(t *testing.T, o Options) { staysInStep(t, o, true) })
}

func staysInStep(t *testing.T, o Options, put bool) {
	t.Helper()
	l, core, example := withExample(t, o, put)
	by := func() map[string]*fakekit.Record { return byMail(core, "people", "email") }
	for i := range 12 {
		who := fmt.Sprintf("p%d", i)
		if i < 8 {
			l.person(crm.Left, who, "firstname", "Ann "+who, "phone", fmt.Sprintf("(202) 555-01%02d", i))
		}
		if i >= 4 {
			if _, err := core.CreateRecord("people", map[string]string{
				"first_name": "Ann " + who, "last_name": "Of " + who, "email": strings.ToUpper(who) + "@example.com",
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.right = example
	l.connect(
		[2]string{`"object":"Contact"`, `"object":"people"`}, [2]string{`"conflict":"review"`, `"conflict":"newest"`},
		[2]string{`["email","Email"]`, `["email","email"]`}, [2]string{`"right":["Email"]`, `"right":["email"]`},
		[2]string{`"right":["FirstName"]`, `"right":["first_name"]`}, [2]string{
			`"right":["LastName"]`, `"right":["last_name"]`,
		},
		[2]string{`"right":["Title"]`, `"right":["level"]`},
		[2]string{
			`{"id":"city","left":["city"],"right":["MailingCity"]}`,
			`{"id":"score","left":["score"],"right":["score"]},{"id":"phone","left":["phone"],"right":["phone"],"transform":{"type":"phone"},"clear":{"to_right":true,"to_left":true}}`,
		},
	)
	if run := l.start(); run.Outcomes[crm.Failed] != 0 {
		t.Errorf("the first sync: %v", run.Outcomes)
	}
	if people := by(); len(people) != 12 || l.living(crm.Left) != 12 {
		t.Fatalf("%d people and %d contacts, want 12 on both sides", len(people), l.living(crm.Left))
	}
	if got := by()["p1@example.com"].Fields; got["first_name"] != "Ann p1" || got["last_name"] != "Of p1" {
		t.Errorf("a new person is %v", got)
	}

	l.edit(crm.Left, l.twin(crm.Left, "p1"), "lastname", "Changed")
	l.edit(crm.Left, l.twin(crm.Left, "p2"), "score", "12.5")
	l.edit(crm.Left, l.twin(crm.Left, "p3"), "phone", "")
	change := func(who string, fields map[string]string) {
		t.Helper()
		l.move(time.Second)
		if _, err := core.UpdateRecord("people", by()[who+"@example.com"].ID, fields); err != nil {
			t.Fatal(err)
		}
	}
	change("p9", map[string]string{"level": "gold"})
	change("p10", map[string]string{"first_name": "Bea"})
	l.pull()
	people := by()
	if got := people["p1@example.com"].Fields["last_name"]; got != "Changed" {
		t.Errorf("p1 is called %q", got)
	}
	if got := people["p2@example.com"].Fields["score"]; got != "12.5" {
		t.Errorf("the number of p2 is %q", got)
	}
	if got := people["p3@example.com"].Fields["phone"]; got != "" {
		t.Errorf("p3's phone is %q, and was cleared on the other side", got)
	}
	if c := l.held(crm.Left, l.twin(crm.Left, "p9")); c["jobtitle"] != "gold" {
		t.Errorf("p9's title is %q", c["jobtitle"])
	}
	if c := l.held(crm.Left, l.twin(crm.Left, "p10")); c["firstname"] != "Bea" {
		t.Errorf("p10 is called %q", c["firstname"])
	}
	var hooks struct{ Items []hookView }
	l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
	for _, h := range hooks.Items {
		if h.Side == crm.Right {
			core.SetWebhooks(fakekit.Webhooks{URL: h.URL, Secret: "fake-example-secret"})
		}
	}
	change("p11", map[string]string{"level": "silver"})
	for _, d := range core.Take() {
		if status := l.post(d.Packed); status != 200 {
			t.Errorf("a delivery is answered with %d", status)
		}
	}
	l.drain()
	if c := l.held(crm.Left, l.twin(crm.Left, "p11")); c["jobtitle"] != "silver" {
		t.Errorf("p11's title is %q, want what the webhook told of", c["jobtitle"])
	}
	core.SetWebhooks(fakekit.Webhooks{})
	l.move(time.Hour)
	if run := l.run("POST", l.sync+"/resync",
		nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
		t.Errorf("a resync: %v", run.Outcomes)
	}
}

// TestLive_DocumentsOfAWorkspace: an admin describes an app over the API, and corrects it
// under an account that there is; what is wrong is told by line, and what would send secrets
// elsewhere or leave an account without an app is refused.
func TestLive_DocumentsOfAWorkspace(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		l, _, example := withExample(t, o, true)
		const path = "/v1/app-documents/example"
		document := func(pairs ...string) map[string]any {
			return map[string]any{"document": strings.NewReplacer(pairs...).Replace(modelDocument(t))}
		}
		var problem struct {
			Errors []struct{ Pointer, Detail string }
		}
		l.want(400, "PUT", path, document("page: 100", "pages: 100"), "If-Match", "*").into(&problem)
		if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/document" ||
			!strings.HasPrefix(problem.Errors[0].Detail, "line 18, limits.pages: ") {
			t.Errorf("a wrong key is told as %+v", problem.Errors)
		}
		var checked struct {
			Valid    bool
			Problems []struct{ Detail string }
			App      *struct{ Name string }
		}
		l.want(200, "POST", "/v1/app-documents/validate?app=example", document("page: 100", "pages: 100")).into(&checked)
		if checked.Valid || checked.App != nil || len(checked.Problems) != 1 {
			t.Errorf("a check finds %+v", checked)
		}
		l.want(200, "POST", "/v1/app-documents/validate?app=example", document()).into(&checked)
		if !checked.Valid || checked.App == nil || checked.App.Name != "Example CRM" {
			t.Errorf("a check of a good one finds %+v", checked)
		}
		l.want(200, "PUT", path, document()) // as it is
		l.refused(428, "precondition_required", "PUT", path, document("Example CRM", "Corrected CRM"))
		l.refused(412, "stale_version", "PUT", path, document("Example CRM", "Corrected CRM"), "If-Match", `"9"`)
		l.refused(409, "host_added", "PUT", path, document("[crm.example]", "[crm.example, evil.example]"), "If-Match", "*")
		l.refused(409, "app_in_use", "DELETE", path, nil, "If-Match", "*")
		l.refused(400, "invalid_app_document", "PUT", "/v1/app-documents/hubspot", document("id: example", "id: hubspot"))
		a := l.want(200, "PUT", path, document("Example CRM", "Corrected CRM", "label: First name", "label: Given name"),
			"If-Match", `"1"`)
		if tag := a.header.Get("ETag"); tag != `"2"` {
			t.Errorf("the ETag is %s after one change", tag)
		}
		if got := l.must(200, "GET", "/v1/apps/example", nil)["name"]; got != "Corrected CRM" {
			t.Errorf("the app is called %v", got)
		}
		l.want(200, "POST", "/v1/accounts/"+string(example)+"/test", nil)
		fields := l.want(200, "GET", "/v1/accounts/"+string(example)+"/objects/people/fields", nil)
		if !strings.Contains(string(fields.body), "Given name") {
			t.Errorf("the account's fields are as before: %s", fields.body)
		}
		l.want(204, "DELETE", "/v1/accounts/"+string(example), nil, "If-Match", "*")
		l.want(204, "DELETE", path, nil, "If-Match", `"2"`)
		l.refused(404, "unknown_app", "GET", "/v1/apps/example", nil)
		if log := string(l.want(200, "GET", "/v1/audit", nil).body); strings.Count(log, `"app_document.put"`) < 2 ||
			!strings.Contains(log, `"app_document.delete"`) {
			t.Errorf("the audit trail lacks the document's changes: %.600s", log)
		}
	})
}

// TestOpen_DocumentsAreChecked: the program does not start with a folder that is not there
// or a document that is half right, and says what to mend.
func TestOpen_DocumentsAreChecked(t *testing.T) {
	t.Parallel()
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "homestack.yaml"), []byte("app: {id: homestack}\nauthh: []\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{
		filepath.Join(broken, "nowhere"): "is no folder that can be read",
		broken:                           "homestack.yaml:2: authh: there is no such key",
	} {
		a, err := Open(t.Context(), Options{DataDir: t.TempDir(), AppDocuments: folder})
		if a != nil || !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestLive_EveryDocumentStaysInStep: contacts of HubSpot and the people of each app that
// is a document, by its preset: a first sync, an edit on each side, and a resync that
// finds nothing to do. What takes its time is one call a second, where that is the limit.
func TestLive_EveryDocumentStaysInStep(t *testing.T) {
	t.Parallel()
	for app, x := range map[crm.AppID]struct{ object, email, last, phone string }{
		"clientsuccess": {"contacts", "email", "lastName", "phone"},
		"espocrm":       {"Contact", "emailAddress", "lastName", "phoneNumber"},
		"homestack":     {"users", "email", "name", "phone"},
		"mainstay":      {"contacts", "email", "last_name", "phone"},
		"mautic":        {"contacts", "email", "lastname", "phone"},
		"sierra":        {"leads", "email", "lastName", "phone"},
		"twenty":        {"people", "emails.primaryEmail", "name.lastName", "phones.primaryPhoneNumber"},
	} {
		t.Run(string(app), func(t *testing.T) {
			t.Parallel()
			l, core, account := with(t, Options{DataDir: t.TempDir()}, app, fakes.All()[app].Start)
			by := func() map[string]*fakekit.Record { return byMail(core, x.object, x.email) }
			for i := range 4 {
				who := fmt.Sprintf("p%d", i)
				phone := fmt.Sprintf("202555010%d", i)
				if i < 3 {
					l.person(crm.Left, who, "firstname", "Ann", "phone", "+1"+phone)
				}
				if i < 2 {
					continue
				}
				fields := map[string]string{x.email: who + "@example.com", x.last: "Of " + who, x.phone: phone}
				if app == "homestack" {
					fields[x.last] = "Ann Of " + who
				}
				if app == "mainstay" {
					fields["first_name"] = "Ann"
				}
				if _, err := core.CreateRecord(x.object, fields); err != nil {
					t.Fatal(err)
				}
			}
			l.right = account
			l.preset("hubspot-" + string(app) + "-contacts")
			sync := l.must(200, "GET", l.con, nil)["syncs"].([]any)[0].(map[string]any)
			sync["schedule"], sync["conflict"] = "manual", "newest"
			if app == "homestack" || app == "mainstay" || app == "sierra" { // they give no times
				sync["conflict"] = "left"
			}
			l.must(200, "PATCH", l.con, map[string]any{"syncs": []any{sync}}, "If-Match", "*", "Content-Type", mergePatch)
			if run := l.start(); run.Outcomes[crm.Failed] != 0 {
				t.Errorf("the first sync: %v", run.Outcomes)
			}
			if people := by(); len(people) != 4 || l.living(crm.Left) != 4 {
				t.Fatalf("%d people and %d contacts, want 4 on both sides", len(people), l.living(crm.Left))
			}
			l.move(10 * time.Minute)
			l.edit(crm.Left, l.twin(crm.Left, "p0"), "lastname", "Changed")
			l.move(time.Second)
			name := "Bea"
			if app == "homestack" {
				name = "Ann Bea"
			}
			if _, err := core.UpdateRecord(x.object, by()["p3@example.com"].ID, map[string]string{x.last: name}); err != nil {
				t.Fatal(err)
			}
			l.pull()
			if got := by()["p0@example.com"].Fields[x.last]; !strings.HasSuffix(got, "Changed") {
				t.Errorf("p0 is called %q", got)
			}
			if c := l.held(crm.Left, l.twin(crm.Left, "p3")); c["lastname"] != "Bea" {
				t.Errorf("p3 is called %q", c["lastname"])
			}
			l.move(time.Hour)
			if run := l.run("POST", l.sync+"/resync",
				nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
				t.Errorf("a resync: %v", run.Outcomes)
			}
		})
	}
}
