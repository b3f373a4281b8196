package apps_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestPages: where people see records, written out; apps that are not listed have no
// such pages, or they are not known.
func TestPages(t *testing.T) {
	t.Parallel()
	want := map[crm.AppID]map[string]string{
		"hubspot": {
			"contacts":  "https://app.hubspot.com/contacts/44/record/0-1/7",
			"companies": "https://app.hubspot.com/contacts/44/record/0-2/7",
			"deals":     "https://app.hubspot.com/contacts/44/record/0-3/7",
		},
		"salesforce": {
			"Contact":     "https://x.example.com/lightning/r/Contact/7/view",
			"Lead":        "https://x.example.com/lightning/r/Lead/7/view",
			"Account":     "https://x.example.com/lightning/r/Account/7/view",
			"Opportunity": "https://x.example.com/lightning/r/Opportunity/7/view",
			"Task":        "https://x.example.com/lightning/r/Task/7/view",
			"Event":       "https://x.example.com/lightning/r/Event/7/view",
			"Thing__c":    "https://x.example.com/lightning/r/Thing__c/7/view",
		},
		"pipedrive": {
			"persons":       "https://x.example.com/person/7",
			"organizations": "https://x.example.com/organization/7",
			"deals":         "https://x.example.com/deal/7",
		},
		"googlecontacts": {"contacts": "https://contacts.google.com/person/7"},
	}
	for id, d := range apps.Drivers() {
		for _, o := range append(d.App.Objects, crm.Object{ID: "Thing__c"}) {
			if got := d.App.PageOf("https://x.example.com", "44", o.ID, "7"); got != want[id][o.ID] {
				t.Errorf("%s, %s: %q, want %q", id, o.ID, got, want[id][o.ID])
			}
		}
	}
}
