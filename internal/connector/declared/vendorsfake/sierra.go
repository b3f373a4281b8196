package vendorsfake

import (
	"encoding/json"
	"net/http"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// SierraKey opens the fake.
const SierraKey = "fake-sierra-key"

var sierraStatuses = []string{
	"New", "Qualify", "Active", "Prime", "Pending", "Closed", "Archived", "Junk", "DoNotContact", "Watch", "Blocked",
}

// Sierra returns a fake of a customer's site. Access, envelopes, errors and the creation of
// leads are official (api.sierrainteractivedev.com); reading, finding, updating and
// webhooks are as public code has them: docs/apps/sierra.md. It also refuses what nobody
// is to do: to change a password, and to let Sierra write to people.
func Sierra(cfg fakekit.Config) *restapp.Fake {
	leads := &restapp.Object{
		Name: "leads", ID: "/id", NewID: numbers, ShownID: numeric, Lenient: true,
		Created: "/creationDate", Modified: "/updateDate", Stamp: stampSeconds,
		Fields: []restapp.Field{
			{Name: "email", Required: true},
			{Name: "firstName", Max: 100},
			{Name: "lastName", Max: 100},
			{Name: "phone"},
			{Name: "leadStatus", Options: sierraStatuses},
			{Name: "emailStatus", Options: []string{
				"Unknown", "WrongAddress", "ReportedAsSpam", "TwoWayEmailing", "ValidAddress", "OptedOut",
			}},
			{Name: "phoneStatus", Options: []string{"Unknown", "TalkingToProspect", "ValidNumber", "DoNotCall", "WrongNumber"}},
			{Name: "leadType", To: "/leadTypeName"},
			{Name: "source"},
			{Name: "shortSummary"},
			{Name: "streetAddress"},
			{Name: "city"},
			{Name: "state"},
			{Name: "zip"},
			{Name: "tags", Kind: restapp.List},
			{Name: "assignee", At: "/assignedTo/agentUserEmail"},
			{Name: "assigneeFirst", At: "/assignedTo/agentUserFirstName", ReadOnly: true},
			{Name: "assigneeLast", At: "/assignedTo/agentUserLastName", ReadOnly: true},
			{Name: "marketingEmailOptOut", Kind: restapp.Bool, ReadOnly: true},
		},
		Rule: func(f *restapp.Fake, before, after *fakekit.Record) *restapp.Refusal {
			email := after.Fields["email"]
			if _, err := mail.ParseAddress(email); err != nil {
				return &restapp.Refusal{Status: http.StatusBadRequest, Text: "Invalid email address format"}
			}
			if before == nil || before.Fields["email"] != email {
				if twins, _ := f.List(f.Object("leads"), restapp.Asked{Match: restapp.Holds("email", email)}); twins.Total > 0 {
					return &restapp.Refusal{Status: http.StatusBadRequest, Text: "A lead with this email already exists"}
				}
			}
			return nil
		},
	}
	return restapp.New(restapp.Spec{
		ID: "sierra", Slot: 1, Keys: []string{SierraKey}, Present: header("Sierra-ApiKey", ""), Objects: []*restapp.Object{
			leads,
		}, Wait: waits,
		Person: func(p fakekit.Person) restapp.Values {
			return restapp.Values{"firstName": p.First, "lastName": p.Last, "email": p.Email, "phone": p.Phone}
		},
		Refuse: func(w http.ResponseWriter, x restapp.Refusal) {
			fakekit.WriteJSON(w, x.Status, map[string]any{"success": false, "errorMessage": x.Text})
		},
		Routes: func(f *restapp.Fake) []fakekit.Route { return sierraRoutes(f, leads) },
		Hook: &restapp.Hook{
			Limit: 1,
			Word: func(_, action string) string {
				return map[string]string{"create": "LeadCreated", "update": "LeadDetailsChanged", "delete": "LeadDeleted"}[action]
			},
			Pack: func(_ *restapp.Fake, hook fakekit.Webhooks, events []fakekit.Event, _ time.Time) fakekit.Packed {
				return unsigned(hook, map[string]any{
					"eventType": events[0].Kind, "resourceList": []json.Number{json.Number(events[0].ID)}, "data": map[string]any{
						"changes": []any{},
					},
				})
			},
		},
	}, cfg)
}

func sierraRoutes(f *restapp.Fake, leads *restapp.Object) []fakekit.Route {
	data := func(v any) map[string]any { return map[string]any{"success": true, "data": v} }
	return append(verbs{
		read: "GET /leads/get/{id}", create: "POST /leads", update: "PUT /leads/{id}", status: http.StatusOK,
		body: func(action string, body map[string]any) (map[string]any, *restapp.Refusal) {
			password, given := restapp.Take(body, "/password")
			mail, told := restapp.Take(body, "/sendRegistrationEmail")
			text, ok := password.(string)
			wrong := ""
			switch {
			case action == "create" && (!ok || text == "" || len(text) > 30):
				wrong = "Password is required"
			case action == "update" && given:
				wrong = "somebody's own password is not changed"
			case action == "create" && mail != false || action == "update" && told:
				wrong = "nobody is to be written to"
			}
			if wrong != "" {
				return nil, &restapp.Refusal{Status: http.StatusBadRequest, Text: wrong}
			}
			return body, nil
		},
		wrap: func(action string, _ *restapp.Object, rec *fakekit.Record, shown map[string]any) any {
			switch action {
			case "create":
				return data(map[string]any{"leadId": numeric(rec.ID), "agentUserId": 234567})
			case "update":
				return data(map[string]any{})
			}
			return data(shown)
		},
	}.routes(f, leads),
		get(f, "/users", always(data(map[string]any{
			"records": []any{map[string]any{"id": 234567, "name": "Robin Sample", "email": ExampleUser, "role": "Agent"}},
		}))),
		get(f, "/leads/find", func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
			n, refused := restapp.Int(r, "page", 1, 1, 1_000_000)
			if refused != nil {
				return refused
			}
			size, refused := restapp.Int(r, "pageSize", 25, 1, 100)
			if refused != nil {
				return refused
			}
			ask := restapp.Asked{Limit: size, Offset: (n - 1) * size}
			for _, name := range []string{"email", "phone"} { // full or partial
				if v := strings.ToLower(r.URL.Query().Get(name)); v != "" {
					ask.Match = func(rec *fakekit.Record) bool { return strings.Contains(strings.ToLower(rec.Fields[name]), v) }
				}
			}
			page, refused := f.List(leads, ask)
			if refused != nil {
				return refused
			}
			fakekit.WriteJSON(w, http.StatusOK,
				data(map[string]any{"leads": page.Records, "totalRecords": strconv.Itoa(page.Total)}))
			return nil
		}))
}
