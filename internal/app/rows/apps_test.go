package rows

import (
	"bufio"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/declared/vendorsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakes"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive/pipedrivefake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// kind is how an app is made, how an account of it is let in, and where it keeps people.
type kind struct {
	fake        func(fakekit.Config) fakekit.Fake
	credentials map[string]string
	object      string
	email, name string
}

// kinds are the apps that many tests have; see kindOf.
var kinds = map[string]kind{
	"hubspot": {
		func(c fakekit.Config) fakekit.Fake { return hubspotfake.New(c) },
		map[string]string{"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret},
		"contacts", "email", "lastname",
	},
	"salesforce": {
		func(c fakekit.Config) fakekit.Fake { return salesforcefake.New(c) },
		map[string]string{
			"kind": "oauth2", "client_id": salesforcefake.ClientID, "client_secret": salesforcefake.ClientSecret,
		},
		"Contact", "Email", "LastName",
	},
	"mautic": {
		func(c fakekit.Config) fakekit.Fake { return vendorsfake.Mautic(c) },
		map[string]string{"kind": "basic", "username": vendorsfake.MauticUser, "password": vendorsfake.MauticPassword},
		"contacts", "email", "lastname",
	},
	"homestack": {
		func(c fakekit.Config) fakekit.Fake { return vendorsfake.Homestack(c) },
		map[string]string{"kind": "token", "token": vendorsfake.HomestackKey},
		"users", "email", "name",
	},
	"mainstay": {
		func(c fakekit.Config) fakekit.Fake { return vendorsfake.Mainstay(c) },
		map[string]string{"kind": "token", "token": vendorsfake.MainstayKey},
		"contacts", "email", "last_name",
	},
	"pipedrive": {
		func(c fakekit.Config) fakekit.Fake { return pipedrivefake.New(c) },
		map[string]string{"kind": "token", "token": pipedrivefake.APIToken, "webhook_secret": pipedrivefake.HookPassword},
		"persons", "emails", "name",
	},
}

// kindOf is one of kinds, or any other app, opened with its key.
func kindOf(name string) kind {
	if k, ok := kinds[name]; ok {
		return k
	}
	f := fakes.All()[crm.AppID(name)]
	return kind{f.Start, f.Credentials, f.Objects, f.Person.Email, f.Person.Last}
}

// fake is an app with an account. Its methods are what users of the app do and
// see, through the fake's knobs.
type fake struct {
	w       *world
	kind    string
	url     string
	account string
	object  string // that the test is about
	email   string // field of the address
	name    string // field that the app demands
}

// app starts an app of a kind for the length of the test and adds an account of it.
func (w *world) app(kind string) *fake {
	w.Helper()
	k := kindOf(kind)
	s := <-w.p.free
	var h http.Handler
	made := k.fake(fakekit.Config{Now: w.p.now})
	h = made
	s.app.Store(&h)
	w.Cleanup(func() {
		s.app.Store(nil)
		w.p.free <- s
	})
	go func() { _ = made.Core().Run(w.Context(), http.DefaultClient) }() // its webhooks, until the test ends
	f := &fake{w: w, kind: kind, url: s.url, object: k.object, email: k.email, name: k.name}
	f.account = w.accountAt(f, k.credentials)
	return f
}

// accountAt adds an account of an app.
func (w *world) accountAt(f *fake, credentials map[string]string) string {
	w.Helper()
	var a struct{ ID string }
	w.want(201, "POST", "/v1/accounts", map[string]any{
		"app": f.kind, "name": f.kind, "base_url": f.url, "credentials": credentials,
	}).into(&a)
	return a.ID
}

// knob drives the fake.
func (f *fake) knob(method, path string, body any) answer {
	f.w.Helper()
	a := f.w.send(f.url, "", method, "/_fake/"+path, body)
	if a.status != http.StatusOK {
		f.w.Fatalf("%s: %d: %s", a.call, a.status, a.body)
	}
	return a
}

// record is what an app holds of somebody.
type record struct {
	ID       string            `json:"id"`
	Fields   map[string]string `json:"fields"`
	Modified time.Time         `json:"modified_at"`
	Deleted  bool              `json:"deleted"`
}

// pairs makes a map of names and values.
func pairs(of []string) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(of); i += 2 {
		out[of[i]] = of[i+1]
	}
	return out
}

// add adds somebody; who is the local part of their address.
func (f *fake) add(who string, fields ...string) string {
	f.w.Helper()
	all := map[string]string{f.email: who + "@example.com", f.name: "Of " + who}
	maps.Copy(all, pairs(fields))
	return f.make(f.object, all)
}

// make adds a record with these fields and no others.
func (f *fake) make(object string, fields map[string]string) string {
	f.w.Helper()
	var r record
	f.knob("POST", "records/"+object, map[string]any{"fields": fields}).into(&r)
	return r.ID
}

// edit changes fields of a record.
func (f *fake) edit(id string, fields ...string) {
	f.w.Helper()
	f.knob("PATCH", "records/"+f.object+"/"+id, map[string]any{"fields": pairs(fields)})
}

// remove deletes a record.
func (f *fake) remove(id string) {
	f.w.Helper()
	f.knob("DELETE", "records/"+f.object+"/"+id, nil)
}

// dump is every living record of the object.
func (f *fake) dump() []record { f.w.Helper(); return f.of(f.object) }

// of is every living record of one of the app's objects.
func (f *fake) of(object string) []record {
	f.w.Helper()
	a := f.knob("GET", "records/"+object+"?deleted=false", nil)
	var out []record
	for sc := bufio.NewScanner(strings.NewReader(string(a.body))); sc.Scan(); {
		var r record
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			f.w.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// find looks somebody up by address; a test may go on without them.
func (f *fake) find(who string) (record, bool) {
	f.w.Helper()
	all := f.dump()
	i := slices.IndexFunc(all, func(r record) bool {
		return slices.ContainsFunc(strings.Split(r.Fields[f.email], ";"), func(s string) bool {
			return strings.EqualFold(s, who+"@example.com")
		})
	})
	if i < 0 {
		return record{}, false
	}
	return all[i], true
}

// id is the record of somebody.
func (f *fake) id(who string) string {
	f.w.Helper()
	r, ok := f.find(who)
	if !ok {
		f.w.Fatalf("%s has no %s", f.kind, who)
	}
	return r.ID
}

// has demands values of somebody's fields.
func (f *fake) has(who string, fields ...string) {
	f.w.Helper()
	r, ok := f.find(who)
	if !ok {
		f.w.Errorf("%s has no %s", f.kind, who)
		return
	}
	f.holds(r, fields...)
}

func (f *fake) holds(r record, fields ...string) {
	f.w.Helper()
	for name, want := range pairs(fields) {
		if got := r.Fields[name]; got != want {
			f.w.Errorf("%s of %s in %s is %q, want %q", name, r.Fields[f.email], f.kind, got, want)
		}
	}
}

// get is a record by ID.
func (f *fake) get(id string) record {
	f.w.Helper()
	var r record
	f.knob("GET", "records/"+f.object+"/"+id, nil).into(&r)
	return r
}

// lacks demands that somebody is not there.
func (f *fake) lacks(who ...string) {
	f.w.Helper()
	for _, one := range who {
		if r, ok := f.find(one); ok {
			f.w.Errorf("%s has %s: %v", f.kind, one, r.Fields)
		}
	}
}

// count demands how many records there are.
func (f *fake) count(want int) {
	f.w.Helper()
	if all := f.dump(); len(all) != want {
		f.w.Errorf("%s holds %d records, want %d: %v", f.kind, len(all), want, all)
	}
}

// calls are the app's calls so far, by "METHOD /pattern".
func (f *fake) calls() map[string]int {
	f.w.Helper()
	var all struct {
		By map[string]int `json:"by_endpoint"`
	}
	f.knob("GET", "requests", nil).into(&all)
	return all.By
}

// written counts the calls that change something in the app.
func (f *fake) written() (n int) {
	f.w.Helper()
	for name, calls := range f.calls() {
		reads := []string{
			"GET ", "HEAD ", "oauth", "/search", "/batch/read", "POST /services/data/{version}/composite/sobjects/{object}",
			"/Leads", "/RetrieveByActivityEvent", // LeadSquared lists by POST
		}
		if !slices.ContainsFunc(reads, func(part string) bool { return strings.Contains(name, part) }) {
			n += calls
		}
	}
	return n
}
