package app

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakes"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// naming is what an app calls a person's e-mail, name and phone. A name without a
// last one is one field.
type naming struct{ object, email, first, last, phone string }

var namings = map[crm.AppID]naming{
	"carddav":        {"contacts", "EMAIL", "N/given", "N/family", "TEL"},
	"clientsuccess":  {"contacts", "email", "firstName", "lastName", "phone"},
	"googlecontacts": {"contacts", "emailAddresses", "names/givenName", "names/familyName", "phoneNumbers"},
	"homestack":      {"users", "email", "name", "", "phone"},
	"hubspot":        {"contacts", "email", "firstname", "lastname", "phone"},
	"leadsquared":    {"leads", "EmailAddress", "FirstName", "LastName", "Phone"},
	"mainstay":       {"contacts", "email", "first_name", "last_name", "phone"},
	"realgeeks":      {"leads", "email", "first_name", "last_name", "phone"},
	"sierra":         {"leads", "email", "firstName", "lastName", "phone"},
}

// exampleSide is one app of an example.
type exampleSide struct {
	naming

	*fakekit.Core
}

// person is somebody in the app, by the number of their phone.
func (s exampleSide) person(t *testing.T, who, phone string) {
	t.Helper()
	in := map[string]string{s.email: strings.ToLower(who) + "@example.com", s.phone: phone, s.first: who, s.last: "Roe"}
	if s.last == "" {
		in[s.first] = who + " Roe"
	}
	delete(in, "")
	if _, err := s.CreateRecord(s.object, in); err != nil {
		t.Fatal(err)
	}
}

// find is the one record with that e-mail.
func (s exampleSide) find(t *testing.T, who string) *fakekit.Record {
	t.Helper()
	var found *fakekit.Record
	for _, r := range s.Records(s.object) {
		if !r.Deleted && strings.EqualFold(r.Fields[s.email], who+"@example.com") {
			if found != nil {
				t.Fatalf("%s is twice among the %s", who, s.object)
			}
			found = r
		}
	}
	if found == nil {
		t.Fatalf("%s is not among the %s", who, s.object)
	}
	return found
}

// name is the first and the last name.
func (s exampleSide) name(t *testing.T, who string) string {
	t.Helper()
	f := s.find(t, who).Fields
	return strings.TrimSpace(f[s.first] + " " + f[s.last])
}

// TestExamples makes a connection of each file of docs/examples: it is valid, its first
// sync leaves everybody on both sides once, and an edit on either side gets across.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "examples", "*.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			onEachStore(t, func(t *testing.T, o Options) { example(t, o, name, text) })
		})
	}
}

func example(t *testing.T, o Options, name string, text []byte) {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	left, right, _ := strings.Cut(name, "-")
	var thirds [2]*third
	for i, app := range []crm.AppID{crm.AppID(left), crm.AppID(right)} {
		thirds[i] = thirdOf(t, app, fakes.All()[app].Start)
		o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(thirds[i].url, "http://"))
	}
	l := launched(t, o, engine.Tuning{})
	var sides [2]exampleSide
	for i, side := range []string{"left", "right"} {
		doc[side] = map[string]any{"account": thirds[i].account(l)}
		sides[i] = exampleSide{namings[thirds[i].app], thirds[i].Core()}
	}
	syncs := doc["syncs"].([]any) //nolint:forcetypeassert // a file of ours
	for _, s := range syncs {
		s.(map[string]any)["schedule"] = "manual"
	}
	main := syncs[len(syncs)-1].(map[string]any) //nolint:forcetypeassert // people stand last
	l.con = "/v1/connections/" + l.must(http.StatusCreated, "POST", "/v1/connections", doc)["id"].(string)
	l.sync = l.con + "/syncs/" + main["id"].(string)
	deliver := l.pushed(thirds)
	onlyLeft := main["behavior"] == nil || main["behavior"].(map[string]any)["to_right"] != "update_only"
	if onlyLeft {
		sides[0].person(t, "Ann", "2025550101")
	}
	sides[1].person(t, "Bea", "2025550102")
	for _, s := range sides {
		s.person(t, "Cay", "2025550103")
	}
	deliver()
	l.want(http.StatusAccepted, "POST", l.con+"/start", nil)
	l.drain()
	people := []string{"Bea", "Cay"}
	if onlyLeft {
		people = append(people, "Ann")
	}
	for _, who := range people {
		if a, b := sides[0].name(t, who), sides[1].name(t, who); a != b || a != who+" Roe" {
			t.Errorf("%s is %q on the left and %q on the right", who, a, b)
		}
	}
	for _, e := range each[engine.Entry](l, "/v1/log?event=failed&connection="+strings.TrimPrefix(l.con,
		"/v1/connections/")) {
		t.Errorf("failed: %+v", e)
	}

	for i, who := range []string{"Bea", "Cay"} {
		s, field, value := sides[i], sides[i].last, "Changed"
		if field == "" {
			field, value = s.first, who+" Changed"
		}
		l.move(2e9)
		if _, err := s.UpdateRecord(s.object, s.find(t, who).ID, map[string]string{field: value}); err != nil {
			t.Fatal(err)
		}
		deliver()
		l.pull()
		if got := sides[1-i].name(t, who); got != who+" Changed" {
			t.Errorf("%s was changed on side %d and is %q on the other", who, i, got)
		}
	}
}

// pushed lets apps that cannot be asked call, and returns what hands in their calls.
func (l *live) pushed(sides [2]*third) func() {
	l.t.Helper()
	var hooks struct{ Items []hookView }
	l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
	var push []*fakekit.Core
	for _, h := range hooks.Items {
		x := sides[h.Side.Index()]
		if app := apps.Drivers()[x.app].App; app.Can(crm.AbilityPush) {
			x.Core().SetWebhooks(fakekit.Webhooks{URL: h.URL, Secret: fakes.All()[x.app].HookSecret})
			push = append(push, x.Core())
		}
	}
	return func() {
		l.t.Helper()
		for _, core := range push {
			for _, d := range core.Take() {
				if status := l.post(d.Packed); status != http.StatusOK {
					l.t.Errorf("a delivery is answered with %d", status)
				}
			}
		}
		l.drain()
	}
}
