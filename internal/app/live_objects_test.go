package app

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// thing is a pair of objects that tests go through: what a record is known by,
// what it is called and two texts, by side.
type thing struct {
	objects [2]string
	key     [2]string
	name    [2]string
	note    [2]string
	more    [2]string // a second text
	fixed   [2]map[string]string
	keyOf   func(who string) string
	sync    string // the sync without its objects
}

// things are the objects that both apps have.
var things = map[string]thing{
	"people": {
		objects: [2]string{"contacts", "Contact"}, key: [2]string{"email", "Email"}, name: [2]string{"lastname", "LastName"},
		note: [2]string{"jobtitle", "Title"}, more: [2]string{"city", "MailingCity"},
		keyOf: func(who string) string { return who + "@example.com" },
		sync: `"match":[{"by":"any_key","pairs":[["email","Email"]]}],"mappings":[
			{"id":"key","left":["email"],"right":["Email"],"transform":{"type":"email"}},
			{"id":"name","left":["lastname"],"right":["LastName"]},
			{"id":"note","left":["jobtitle"],"right":["Title"]},
			{"id":"more","left":["city"],"right":["MailingCity"]}]`,
	},
	"companies": {
		objects: [2]string{"companies", "Account"}, key: [2]string{"domain", "Website"}, name: [2]string{"name", "Name"},
		note: [2]string{"description", "Description"}, more: [2]string{"city", "BillingCity"},
		keyOf: func(who string) string { return who + ".example" },
		sync: `"match":[{"by":"any_key","pairs":[["domain","Website"]]}],"mappings":[
			{"id":"key","left":["domain"],"right":["Website"],"transform":{"type":"domain"}},
			{"id":"name","left":["name"],"right":["Name"]},
			{"id":"note","left":["description"],"right":["Description"]},
			{"id":"more","left":["city"],"right":["BillingCity"]}]`,
	},
	"deals": {
		objects: [2]string{"deals", "Opportunity"}, key: [2]string{"dealname", "Name"}, name: [2]string{"dealname", "Name"},
		note: [2]string{"description", "Description"}, more: [2]string{"amount", "Amount"},
		fixed: [2]map[string]string{
			{"dealstage": "qualifiedtobuy", "closedate": "2026-12-24T00:00:00Z"},
			{"StageName": "Prospecting", "CloseDate": "2026-12-24"},
		},
		keyOf: func(who string) string { return "Deal " + who },
		sync: `"match":[{"by":"any_key","pairs":[["dealname","Name"]]}],
			"stamp":{"to_right":{"StageName":"Prospecting"},"to_left":{"dealstage":"qualifiedtobuy"}},"mappings":[
			{"id":"key","left":["dealname"],"right":["Name"]},
			{"id":"close","left":["closedate"],"right":["CloseDate"],"direction":"to_right","transform":{"type":"date"}},
			{"id":"note","left":["description"],"right":["Description"]},
			{"id":"more","left":["amount"],"right":["Amount"],"transform":{"type":"number"}}]`,
	},
}

// thingsLive is a live program whose test is about one thing.
type thingsLive struct {
	*live
	thing
}

// onThings runs a test for each of the things named, all of them when none is,
// on either storage.
func onThings(t *testing.T, names []string, test func(t *testing.T, l *thingsLive)) {
	t.Helper()
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(things))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onLive(t, engine.Tuning{}, func(t *testing.T, l *live) { test(t, l.about(name)) })
		})
	}
}

// about turns a live program to things of a kind.
func (l *live) about(name string) *thingsLive {
	l.objects = things[name].objects
	return &thingsLive{l, things[name]}
}

// join connects the two objects and starts.
func (l *thingsLive) join() {
	l.t.Helper()
	l.plug()
	l.start()
}

// plug makes the connection, a draft.
func (l *thingsLive) plug() {
	l.t.Helper()
	text := fmt.Sprintf(`{"name":"Things","left":{"account":%q},"right":{"account":%q},"default_country":"US","syncs":[{
		"id":"contacts","left":{"object":%q},"right":{"object":%q},"schedule":"manual","conflict":"review",%s}]}`,
		l.left, l.right, l.thing.objects[0], l.thing.objects[1], l.thing.sync)
	l.con = "/v1/connections/" + l.must(201, "POST", "/v1/connections", text)["id"].(string)
	l.live.sync = l.con + "/syncs/contacts"
}

// add makes a record of somebody or something in an app.
func (l *thingsLive) add(side crm.Side, who, note, more string) string {
	l.t.Helper()
	core, object := l.core(side)
	i := side.Index()
	f := map[string]string{l.name[i]: "Of " + who, l.note[i]: note, l.more[i]: more}
	f[l.key[i]] = l.keyOf(who)
	maps.Copy(f, l.fixed[i])
	r, err := core.CreateRecord(object, f)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.ID
}

// partner is the record that one is linked to, which has to be in step with it.
func (l *thingsLive) partner(side crm.Side, id string) string {
	l.t.Helper()
	v := l.view(side, id)
	if v.State != crm.StateInSync || v.Partner == "" {
		l.t.Fatalf("%s %s is %s (%s %s) with %q", side, id, v.State, v.Code, v.Detail, v.Partner)
	}
	return string(v.Partner)
}

// hooked lets an app send its webhooks to the program.
func (l *live) hooked(side crm.Side, w fakekit.Webhooks) {
	l.t.Helper()
	var hooks struct {
		Items []struct {
			Side crm.Side `json:"side"`
			URL  string   `json:"url"`
		} `json:"items"`
	}
	l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
	core, _ := l.core(side)
	for _, h := range hooks.Items {
		if h.Side == side {
			w.URL = h.URL
		}
	}
	if w.URL == "" {
		l.t.Fatalf("no webhook address of the %s side: %+v", side, hooks.Items)
	}
	if side == crm.Left {
		w.Secret = hubspotfake.ClientSecret
	}
	core.SetWebhooks(w)
}

// deliver sends what an app has to tell, in the order of the numbers given, one
// delivery for each event; all in one when none are given.
func (l *live) deliver(side crm.Side) {
	l.t.Helper()
	core, _ := l.core(side)
	l.move(10 * time.Second)
	if _, err := core.Deliver(context.WithoutCancel(l.t.Context()), http.DefaultClient); err != nil {
		l.t.Fatal(err)
	}
	l.drain()
}
