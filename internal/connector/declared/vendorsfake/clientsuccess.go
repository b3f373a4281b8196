package vendorsfake

import (
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// What opens the fake: a key of the Open API, or a login.
const (
	ClientSuccessKey      = "fake-clientsuccess-key"
	ClientSuccessUser     = "api.access@example.com"
	ClientSuccessPassword = "fake-clientsuccess-password" //nolint:gosec // opens a fake
)

// ClientSuccess returns a fake of an account, after public clients of both generations of
// the API (github.com/tomasvenegas/tap-clientsuccess, aosmcleod/clientsuccess-mcp): tokens
// go bare, listings know changes by the day and page from 0. Creates of clients are
// official (clientsuccess.readme.io), other writes a guess.
func ClientSuccess(cfg fakekit.Config) *restapp.Fake {
	object := func(name string, fields ...restapp.Field) *restapp.Object {
		return &restapp.Object{
			Name: name, ID: "/uuid", NewID: uuids, Created: "/createdTime", Modified: "/modifiedTime", Stamp: stampMillis,
			Fields: fields,
		}
	}
	contacts := object("contacts",
		restapp.Field{Name: "firstName"}, restapp.Field{Name: "lastName"}, restapp.Field{Name: "email"},
		restapp.Field{Name: "phone"},
		restapp.Field{Name: "mobile"}, restapp.Field{Name: "title"}, restapp.Field{
			Name: "client", At: "/tenantClient/uuid", To: "/clientUuid",
		},
		restapp.Field{Name: "linkedinUrl"}, restapp.Field{Name: "city", Max: 100}, restapp.Field{Name: "state", Max: 100},
		restapp.Field{Name: "country", Max: 100},
		restapp.Field{Name: "keyContact", Kind: restapp.Bool}, restapp.Field{Name: "externalId", Max: 100},
		restapp.Field{Name: "hubspot_id", At: "/externalSystems/HUBSPOT", ReadOnly: true})
	clients := object("clients",
		restapp.Field{Name: "name", Required: true, Max: 255}, restapp.Field{Name: "active", Kind: restapp.Bool},
		restapp.Field{Name: "status"},
		restapp.Field{Name: "siteUrl", Max: 1024}, restapp.Field{Name: "street", Max: 100}, restapp.Field{
			Name: "city", Max: 100,
		},
		restapp.Field{Name: "state", Max: 100}, restapp.Field{Name: "zip", Max: 20}, restapp.Field{Name: "country", Max: 100},
		restapp.Field{Name: "externalId", Max: 100}, restapp.Field{Name: "npsScore", Kind: restapp.Number},
		restapp.Field{Name: "note"})
	return restapp.New(restapp.Spec{
		ID: "clientsuccess", Slot: 1, Keys: []string{ClientSuccessKey}, Present: header("Authorization", ""),
		Objects: []*restapp.Object{contacts, clients}, Wait: waits,
		Person: func(p fakekit.Person) restapp.Values {
			return restapp.Values{"firstName": p.First, "lastName": p.Last, "email": p.Email, "phone": p.Phone}
		},
		Refuse: func(w http.ResponseWriter, x restapp.Refusal) {
			fakekit.WriteJSON(w, x.Status, map[string]any{"error": x.Code, "message": x.Text})
		},
		Routes: func(f *restapp.Fake) []fakekit.Route {
			out := []fakekit.Route{
				{Pattern: "POST /v1/auth", Free: true, Handler: func(w http.ResponseWriter, r *http.Request) {
					clientSuccessLogin(f, w, r)
				}},
			}
			for path, o := range map[string]*restapp.Object{"client": clients, "contact": contacts} {
				out = append(out, verbs{
					read: "GET /v2/" + path + "/{id}", create: "POST /v2/" + path, update: "PATCH /v2/" + path + "/{id}",
					status: http.StatusCreated,
					wrap:   func(_ string, _ *restapp.Object, _ *fakekit.Record, shown map[string]any) any { return shown },
				}.routes(f, o)...)
				out = append(out, get(f, "/v2/"+path+"/search", func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
					return clientSuccessSearch(f, o, w, r)
				}))
			}
			return out
		},
	}, cfg)
}

// clientSuccessLogin gives a token of twelve hours.
func clientSuccessLogin(f *restapp.Fake, w http.ResponseWriter, r *http.Request) {
	body, refused := f.Body(r)
	if refused != nil || body["username"] != ClientSuccessUser || body["password"] != ClientSuccessPassword {
		fakekit.WriteJSON(w, http.StatusUnauthorized, map[string]any{"error": "unauthorized"})
		return
	}
	t := f.Tokens().Issue("fake-cs-", "", 12*time.Hour, nil, false)
	fakekit.WriteJSON(w, http.StatusOK, map[string]any{
		"access_token": t.Access, "token_type": "Bearer", "expires_in": 43200,
	})
}

func clientSuccessSearch(f *restapp.Fake, o *restapp.Object, w http.ResponseWriter, r *http.Request) *restapp.Refusal {
	q := r.URL.Query()
	n, refused := restapp.Int(r, "page", 0, 0, 1_000_000)
	if refused != nil {
		return refused
	}
	size, refused := restapp.Int(r, "size", 20, 1, 200)
	if refused != nil {
		return refused
	}
	ask := restapp.Asked{Limit: size, Offset: n * size, ByTime: q.Get("sortBy") == "modifiedTime"}
	if text := q.Get("modifiedAfter"); text != "" {
		if ask.From, refused = since(text, time.DateOnly); refused != nil {
			return refused
		}
	}
	for _, name := range []string{"email", "externalId", "name"} {
		if q.Has(name) {
			ask.Match = restapp.Holds(name, q.Get(name))
		}
	}
	page, refused := f.List(o, ask)
	if refused != nil {
		return refused
	}
	fakekit.WriteJSON(w, http.StatusOK, map[string]any{"data": page.Records, "page": n, "last": (n+1)*size >= page.Total})
	return nil
}
