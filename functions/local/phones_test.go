package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// spelled is a phone as each app holds it at first, and what both are to hold
// in the end; "" is blank, and want "" means that each keeps its own.
type spelled struct{ left, right, want string }

var spelledPhones = []spelled{
	{"(212) 555-0122", "+1 212.555.0122", ""},
	{"+44 20 7183 8750", "0044 (0)20 7183-8750", ""},
	{"0044 20 7183 8751", "", "+442071838751"},
	{"011 49 30 901820 ext 7", "+49 30 901820 x7", ""},
	{"", "212 555 0123 ext. 45", "+12125550123 ext. 45"},
	{"020 7183 8750", "", "020 7183 8750"},
	{"212 555 0122 / 212 555 0123", "", "212 555 0122 / 212 555 0123"},
	{"", "ask for Ann: 212 555 0124", "ask for Ann: 212 555 0124"},
	{"212-555-0125 or 0126", "(212) 555 0125 or 0126", ""},
	{"555-0100", "555 01 00", ""},
}

// TestRow130_PhonesOverTheAPI: numbers in many spellings, and texts that are
// none, meet without drift: two resyncs write nothing, and explain says of a text
// that it is no number. The e-mail field takes no text (row 127).
func TestRow130_PhonesOverTheAPI(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		a := companyApps{newServed(t, 0, on), t, companyObjects}
		for i, p := range spelledPhones {
			mail := fmt.Sprintf("p%d@example.com", i)
			a.addTo(0, "contacts", map[string]string{"email": mail, "lastname": "Lee", "phone": p.left})
			a.addTo(1, "Contact", map[string]string{"Email": mail, "LastName": "Lee", "Phone": p.right})
		}
		a.connectPreset("hubspot-salesforce-contacts")
		run := a.run(a.path("/start"))
		if run.State != engine.RunDone ||
			run.Outcomes[crm.Created]+run.Outcomes[crm.Failed]+run.Outcomes[crm.Conflict]+run.Outcomes[crm.Duplicate] != 0 {
			t.Errorf("the first sync: %s, %v", run.State, run.Outcomes)
		}
		for range 2 {
			for side, field := range [2]string{"phone", "Phone"} {
				a.phonesAre(side, field)
			}
			var again engine.Run
			if err := a.api.Call(t.Context(), http.MethodPost, a.syncPath("/resync"), nil, &again); err != nil {
				t.Fatal(err)
			}
			a.waitRun(t, &again, 0)
			if n := again.Outcomes[crm.Created] + again.Outcomes[crm.Updated]; again.State != engine.RunDone || n != 0 {
				t.Errorf("a resync: %s, %v", again.State, again.Outcomes)
			}
		}
		a.noTextForAddresses()
		a.stop(t)
	})
}

// phonesAre holds what a side has against what was typed there and what is wanted.
func (a companyApps) phonesAre(side int, field string) {
	a.t.Helper()
	object := [2]string{"contacts", "Contact"}[side]
	for _, f := range a.allOf(side, object) {
		var i int
		if _, err := fmt.Sscanf(f[[2]string{"email", "Email"}[side]], "p%d@", &i); err != nil {
			a.t.Fatal(err)
		}
		p := spelledPhones[i]
		want := [2]string{p.left, p.right}[side]
		if want == "" {
			want = p.want
		}
		if f[field] != want {
			a.t.Errorf("%s of %d is %q, want %q", field, i, f[field], want)
		}
	}
}

// noTextForAddresses maps HubSpot's e-mail to a text of Salesforce, which is refused.
func (a companyApps) noTextForAddresses() {
	a.t.Helper()
	m := crm.Mapping{
		ID: "address", Left: []string{"email"}, Right: []string{"Title"}, Direction: crm.DirectionBoth,
		Origin: "custom", Transform: crm.Transform{Type: crm.TransformNone},
	}
	syncs := []crm.Sync{a.sync}
	syncs[0].Mappings = []crm.Mapping{m}
	var now crm.Connection
	head, err := a.api.Do(a.t.Context(), http.MethodGet, a.path(""), nil, &now)
	if err != nil {
		a.t.Fatal(err)
	}
	_, err = a.api.Do(a.t.Context(), http.MethodPatch, a.path(""), map[string]any{"syncs": syncs}, nil, "If-Match",
		head.Get("ETag"))
	var refused *apiclient.Refusal
	if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest ||
		!strings.Contains(refused.Body, "map an e-mail field") {
		a.t.Errorf("an e-mail from a text: %v", err)
	}
}
