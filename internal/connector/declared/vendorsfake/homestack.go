package vendorsfake

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// HomestackKey opens the fake.
const HomestackKey = "fake-homestack-key"

// Homestack returns a fake of what is guessed of Homestack's API: users with a GUID, one
// unpaged list, an e-mail, a phone and a name demanded of a new one
// (apination.happyfox.com/kb/article/279), webhooks as Zapier's. Nothing of it is published.
func Homestack(cfg fakekit.Config) *restapp.Fake {
	users := &restapp.Object{
		Name: "users", ID: "/guid", NewID: uuids,
		Fields: []restapp.Field{
			{Name: "name", Required: true, Max: 255},
			{Name: "email", Required: true},
			{Name: "phone", Required: true},
			{Name: "agent_guid", Max: 60},
			{Name: "agent_name"},
			{Name: "agent_email"},
			{Name: "agent_notes"},
			{Name: "tags", Kind: restapp.List},
		},
	}
	return restapp.New(restapp.Spec{
		ID: "homestack", Slot: 1, Keys: []string{HomestackKey}, Present: bearer, Objects: []*restapp.Object{users},
		Wait: waits,
		Person: func(p fakekit.Person) restapp.Values {
			return restapp.Values{"name": p.First + " " + p.Last, "email": p.Email, "phone": p.Phone}
		},
		Refuse: func(w http.ResponseWriter, x restapp.Refusal) {
			fakekit.WriteJSON(w, x.Status, map[string]any{"error": x.Text})
		},
		Routes: func(f *restapp.Fake) []fakekit.Route {
			return append(verbs{
				read: "GET /api/users/{id}", create: "POST /api/users", update: "PATCH /api/users/{id}", status: http.StatusCreated,
				wrap: func(_ string, _ *restapp.Object, _ *fakekit.Record, shown map[string]any) any {
					return map[string]any{"user": shown}
				},
			}.routes(f, users), get(f, "/api/users", func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
				limit, refused := restapp.Int(r, "limit", 0, 1, 100_000)
				if refused != nil {
					return refused
				}
				ask := restapp.Asked{Limit: limit}
				for _, name := range []string{"email", "phone", "name"} {
					if q := r.URL.Query(); q.Has(name) {
						ask.Match = restapp.Holds(name, q.Get(name))
					}
				}
				page, refused := f.List(users, ask)
				if refused != nil {
					return refused
				}
				fakekit.WriteJSON(w, http.StatusOK, map[string]any{"users": page.Records})
				return nil
			}))
		},
		Hook: &restapp.Hook{
			Limit: 1,
			Word: func(_, action string) string {
				return map[string]string{"create": "new_user", "update": "update_user", "delete": "delete_user"}[action]
			},
			Pack: func(_ *restapp.Fake, hook fakekit.Webhooks, events []fakekit.Event, _ time.Time) fakekit.Packed {
				return unsigned(hook, map[string]any{"event": events[0].Kind, "zap_id": 7, "data": events[0].Data})
			},
		},
	}, cfg)
}

// unsigned is a delivery without any proof.
func unsigned(hook fakekit.Webhooks, body any) fakekit.Packed {
	raw, _ := json.Marshal(body) // made of JSON's own types
	return fakekit.Packed{
		Method: http.MethodPost, URL: hook.URL, Header: http.Header{"Content-Type": {"application/json"}}, Body: raw,
	}
}
