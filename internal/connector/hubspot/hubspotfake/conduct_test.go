package hubspotfake_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// TestValuesThatTheAccountChanges shows what a write that succeeds may leave
// behind: the old lifecycle stage, or what a workflow made of the value.
func TestValuesThatTheAccountChanges(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	id := p.contact(map[string]string{"email": "a@example.com", "lifecyclestage": "customer", "city": "Ghent"})
	knob := func(path, body string, want int) {
		t.Helper()
		if status, out := p.do("PUT", path, body); status != want {
			t.Fatalf("PUT %s: %d %v, want %d", path, status, out, want)
		}
	}
	write := func(props string) map[string]any {
		t.Helper()
		status, out := p.do("PATCH", "/crm/v3/objects/contacts/"+id, `{"properties":{`+props+`}}`)
		if status != 200 {
			t.Fatalf("%s: %d %v", props, status, out)
		}
		shown, _ := out["properties"].(map[string]any)
		return shown
	}
	if got := write(`"lifecyclestage":"lead"`)["lifecyclestage"]; got != "customer" {
		t.Errorf("the stage is %v, want the old one, in silence", got)
	}
	if got := write(`"lifecyclestage":""`)["lifecyclestage"]; got != nil {
		t.Errorf("the stage is %v, want it cleared", got)
	}
	if got := write(`"lifecyclestage":"lead"`)["lifecyclestage"]; got != "lead" {
		t.Errorf("the stage is %v, want any after it was cleared", got)
	}
	knob("/_fake/rewrites", `{"rules":[{"object":"contacts","field":"city","how":"upper"},{"object":"contacts","field":"score","how":"round"},`+
		`{"object":"contacts","field":"jobtitle","how":"keep","api_only":true}]}`, 200)
	if got := write(`"city":"Lund","score":"2.6","jobtitle":"x"`); got["city"] != "LUND" || got["score"] != "3" ||
		got["jobtitle"] != nil {
		t.Errorf("the app holds %v", got)
	}
	knob("/_fake/rewrites", `{"rules":[{"object":"contacts","field":"city","how":"shout"}]}`, 400)
	knob("/_fake/validations", `{"rules":[{"object":"contacts","field":"city","contains":"Lund","names":["city","zip"]}]}`,
		200)
	status, out := p.do("PATCH", "/crm/v3/objects/contacts/"+id, `{"properties":{"city":"Lund"}}`)
	if status != 200 { // the workflow comes first, and LUND does not break the rule
		t.Errorf("%d %v", status, out)
	}
	status, out = p.do("PATCH", "/crm/v3/objects/contacts/"+id, `{"properties":{"zip":"1"}}`)
	if status != 200 {
		t.Errorf("%d %v", status, out)
	}
	knob("/_fake/rewrites", `{"rules":[]}`, 200)
	status, out = p.do("PATCH", "/crm/v3/objects/contacts/"+id, `{"properties":{"city":"Lund"}}`)
	if details, _ := out["errors"].([]any); status != 400 || len(details) != 2 {
		t.Errorf("%d %v, want both properties named", status, out)
	}
	knob("/_fake/validations", `{"rules":[{"object":"contacts","field":"city","contains":"Lund"}]}`, 200)
	status, out = p.do("PATCH", "/crm/v3/objects/contacts/"+id, `{"properties":{"city":"Lund"}}`)
	if status != 400 || out["errors"] != nil {
		t.Errorf("%d %v, want no property named", status, out)
	}
}
