package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// knob turns one of an app's knobs.
func (l *live) knob(side crm.Side, method, path, body string) {
	l.t.Helper()
	var app http.Handler = l.hub
	if side == crm.Right {
		app = l.force
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if app.ServeHTTP(w, r); w.Code != http.StatusOK {
		l.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
}

// settledCase is a difference that stays, and how it came about.
type settledCase struct {
	mapping crm.MappingID
	fields  [2]string // of the mapping
	values  [2]string // that the sides hold in the end
	edit    string    // what is typed on the left
	right   bool      // a person can have what is on the right instead
	left    bool      // … or what is on the left
}

var settledCases = map[crm.Reason]settledCase{
	crm.ReasonCleared: {"title", [2]string{"jobtitle", "Title"}, [2]string{"", "CEO"}, "", true, true},
	crm.ReasonChangedByApp: {
		"company",
		[2]string{"company", "Company__c"},
		[2]string{"Beta", "BETA"},
		"Beta", true,
		false,
	},
	crm.ReasonRefused:      {"title", [2]string{"jobtitle", "Title"}, [2]string{"Nope", "CEO"}, "Nope", true, false},
	crm.ReasonInvalidPhone: {"phone", [2]string{"phone", "Phone"}, [2]string{"ask", "+12125550122"}, "ask", true, true},
	crm.ReasonNotClearable: {"last", [2]string{"lastname", "LastName"}, [2]string{"", "Of "}, "", true, false},
	crm.ReasonDefault:      {"call", [2]string{"newsletter", "DoNotCall"}, [2]string{"", ""}, "-", false, false},
}

// TestS32_SettledOverTheAPI: every difference that stays is named with its
// reason by the record, explain, status and a plan; a pull, a resync and a plan
// that went stale leave it as it is, and a person's decision ends it.
func TestS32_SettledOverTheAPI(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		for why := range settledCases {
			l.person(crm.Left, string(why), "jobtitle", "CEO", "phone", "(212) 555-0122", "company", "ACME")
		}
		l.connect(withTexts, [2]string{`"mappings":[`, `"mappings":[
			{"id":"phone","left":["phone"],"right":["Phone"],"transform":{"type":"phone"}},
			{"id":"call","left":["newsletter"],"right":["DoNotCall"],"transform":{"type":"boolean"}},`},
			[2]string{`"right":["LastName"]`, `"right":["LastName"],"clear":{"to_right":true,"to_left":true}`})
		l.start()
		of := map[crm.Reason][2]string{}
		for why := range settledCases {
			of[why] = l.ids(string(why))
		}
		if err := l.force.Core().SetValidations([]fakekit.Validation{
			{Object: "Contact", Field: "Title", Contains: "Nope", Names: []string{"Title"}},
		}); err != nil {
			t.Fatal(err)
		}
		if err := l.force.Core().SetRewrites([]fakekit.Rewrite{
			{Object: "Contact", Field: "Company__c", How: "upper", APIOnly: true},
		}); err != nil {
			t.Fatal(err)
		}
		for why, c := range settledCases {
			if c.edit != "-" {
				l.edit(crm.Left, of[why][0], c.fields[0], c.edit)
			}
		}
		l.pull()
		l.pull() // what Salesforce stored shows in its next listing
		stand := func(when string) {
			t.Helper()
			for why, c := range settledCases {
				if got := l.settledAs(crm.Left, of[why][0], c.mapping); got != why {
					t.Errorf("%s: %s is settled as %q, want %q", when, c.mapping, got, why)
				}
				for side, field := range c.fields {
					if got := l.held(crm.Sides[side], of[why][side])[field]; !strings.HasPrefix(got, c.values[side]) ||
						c.values[side] == "" && got != "" {
						t.Errorf("%s, %s: %s is %q, want %q", when, why, field, got, c.values[side])
					}
				}
				if !l.explained(of[why][0], c.mapping, why) {
					t.Errorf("%s: explain does not say %s of %s", when, why, c.mapping)
				}
			}
			if _, st := l.standing(); len(st.Settled.Reasons) != len(settledCases) ||
				st.Settled.Links != int64(len(settledCases)) {
				t.Errorf("%s: the status counts %+v", when, st.Settled)
			}
		}
		stand("settled")
		p := l.planned(nil)
		if len(p.Settled.Reasons) != len(settledCases) || p.Settled.Links != int64(len(settledCases)) ||
			p.Totals[crm.Updated] != 0 {
			t.Errorf("the plan counts %+v, totals %v", p.Settled, p.Totals)
		}
		l.settledPlans(of)
		l.run("POST", l.sync+"/resync", nil)
		stand("after a resync")
		if run := l.run("POST", "/v1/plans/"+string(p.ID)+"/apply", nil); run.Outcomes[crm.Updated] > 0 {
			t.Errorf("the plan applied: %v", run.Outcomes)
		}
		stand("after the plan")
		l.move(25 * time.Hour)
		l.pull()
		stand("a day later")
		for why, c := range settledCases {
			l.decided(why, c, of[why])
		}
	})
}

// explained reports whether explain gives the reason for a field.
func (l *live) explained(id string, m crm.MappingID, why crm.Reason) bool {
	l.t.Helper()
	var x engine.Explanation
	l.want(200, "GET", l.record(crm.Left, id)+"/explain", nil).into(&x)
	return slices.ContainsFunc(x.Fields, func(f engine.FieldVerdict) bool { return f.Mapping == m && f.Reason == why })
}

// settledPlans asks for a plan of each record by name: it lists what is settled.
func (l *live) settledPlans(of map[crm.Reason][2]string) {
	l.t.Helper()
	var refs []map[string]string
	for _, ids := range of {
		refs = append(refs, map[string]string{"side": "left", "id": ids[0]})
	}
	p := l.planned(map[string]any{"records": refs})
	found := map[crm.Reason]bool{}
	for _, c := range each[engine.Change](l, "/v1/plans/"+string(p.ID)+"/changes") {
		for _, s := range c.Settled {
			if of[s.Reason][0] == string(c.Record) && settledCases[s.Reason].mapping == s.Mapping {
				found[s.Reason] = true
			}
		}
	}
	if len(found) != len(of) {
		l.t.Errorf("the plan of the records lists %v, want every reason", found)
	}
}

// decided lets a person decide for either side.
func (l *live) decided(why crm.Reason, c settledCase, ids [2]string) {
	l.t.Helper()
	resolve := func(side string, values [2]string) {
		l.t.Helper()
		l.run("POST", l.record(crm.Left, ids[0])+"/resolve", map[string]any{
			"fields": map[crm.MappingID]string{c.mapping: side},
		})
		for i, field := range c.fields {
			if got := l.held(crm.Sides[i], ids[i])[field]; !strings.HasPrefix(got, values[i]) || values[i] == "" && got != "" {
				l.t.Errorf("%s resolved for the %s: %s is %q, want %q", why, side, field, got, values[i])
			}
		}
		if got := l.settledAs(crm.Left, ids[0], c.mapping); got != "" {
			l.t.Errorf("%s resolved for the %s is settled as %q", why, side, got)
		}
	}
	switch {
	case c.left:
		resolve("left", [2]string{c.values[0], c.values[0]})
	case c.right:
		resolve("right", [2]string{c.values[1], c.values[1]})
	}
}

// TestRow96_PageAddressesStay: HubSpot keeps only the host of a web address. For
// a host where everybody has a page that says nothing of the company: the page's
// address in Salesforce stays whole, whoever comes first, and edits of it travel
// as far as the app lets them.
func TestRow96_PageAddressesStay(t *testing.T) {
	t.Parallel()
	for _, keep := range []string{"host", "address", "typed"} {
		t.Run(keep, func(t *testing.T) {
			t.Parallel()
			onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
				l.objects = things["companies"].objects
				l.knob(crm.Left, http.MethodPut, "/_fake/domains", `{"keep":"`+keep+`"}`)
				sites := map[string]string{
					"New": "https://facebook.com/new", "Both": "https://www.facebook.com/both/", "Bare": "http://bare.github.io/x",
					"Deep": "https://linkedin.com/company/deep?trk=1",
				}
				accounts := map[string]string{}
				for name, site := range sites {
					accounts[name] = l.made(crm.Right, map[string]string{"Name": name, "Website": site})
				}
				l.made(crm.Left, map[string]string{"name": "Both", "domain": "facebook.com/both"})
				bare := l.made(crm.Left, map[string]string{"name": "Bare", "domain": "bare.github.io"})
				l.preset("hubspot-salesforce-companies")
				l.start()
				stay := func(when string) {
					t.Helper()
					for name, site := range sites {
						if got := l.held(crm.Right, accounts[name])["Website"]; got != site {
							t.Errorf("%s: the site of %s is %q, want %q", when, name, got, site)
						}
					}
					if n := [2]int{l.living(crm.Left), l.living(crm.Right)}; n != [2]int{4, 4} {
						t.Errorf("%s: %v companies, want four each", when, n)
					}
				}
				stay("after the first sync")
				if got := l.settledAs(crm.Left, bare, "website"); got != crm.ReasonChangedByApp {
					t.Errorf("what is left of an address is settled as %q", got)
				}
				l.pull()
				l.run("POST", l.sync+"/resync", nil)
				stay("after a resync")
				sites["New"] = "https://facebook.com/newer"
				l.edit(crm.Right, accounts["New"], "Website", sites["New"])
				l.edit(crm.Left, bare, "description", "Edited")
				l.pull()
				l.pull()
				l.run("POST", l.sync+"/resync", nil)
				stay("after an edit")
				l.is(crm.Right, accounts["Bare"], "Description", "Edited")
				sites["Bare"] = "elsewhere.example"
				l.edit(crm.Left, bare, "domain", "elsewhere.example") // another address is another matter
				l.pull()
				stay("after a new address")
			})
		})
	}
}

// made adds a record with these fields.
func (l *live) made(side crm.Side, fields map[string]string) string {
	l.t.Helper()
	core, object := l.core(side)
	r, err := core.CreateRecord(object, fields)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.ID
}

// preset makes the connection of a preset, a draft.
func (l *live) preset(name string) {
	l.t.Helper()
	var doc struct {
		ID    string `json:"id"`
		Syncs []struct {
			ID string `json:"id"`
		} `json:"syncs"`
	}
	end := func(id crm.AccountID) json.RawMessage { return json.RawMessage(fmt.Sprintf(`{"account":%q}`, id)) }
	in := map[string]any{"name": "Preset", "default_country": "US", "left": end(l.left), "right": end(l.right)}
	l.want(201, "POST", "/v1/connections?preset="+name, in).into(&doc)
	l.con = "/v1/connections/" + doc.ID
	l.sync = l.con + "/syncs/" + doc.Syncs[0].ID
}
