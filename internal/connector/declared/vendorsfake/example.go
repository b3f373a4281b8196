package vendorsfake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// What opens the Example CRM, and its workspace.
const (
	ExampleKey       = "fake-example-key"
	ExampleWorkspace = "w-31"
	ExampleUser      = "robin@example.com"
)

var exampleUsers = []map[string]any{
	{"id": 3, "name": "Alex Example", "email": "alex@example.com"},
	{"id": 4, "name": "Robin Sample", "email": ExampleUser},
}

// Example returns a workspace of the Example CRM, the app of the model document. Its own
// description: keys in X-Api-Key; listings by cursor, updated_since inclusive, in the order
// that sort names; look-ups by the search index; unknown parameters and fields refused.
func Example(cfg fakekit.Config) *restapp.Fake { return restapp.New(example(), cfg) }

func example() restapp.Spec {
	people := &restapp.Object{
		Name: "people", ID: "/id", Created: "/created_at", Modified: "/updated_at",
		NewID:   func(n int64) string { return strconv.FormatInt(1000+n, 10) },
		ShownID: numeric,
		Stamp:   func(t time.Time) any { return t.UTC().Format("2006-01-02T15:04:05.000Z") },
		Fields: []restapp.Field{
			{Name: "email"},
			{Name: "first_name"},
			{Name: "last_name", Required: true, Max: 80},
			{Name: "phone"},
			{Name: "tags", Kind: restapp.List},
			{Name: "owner", At: "/owner/id", To: "/owner_id", Kind: restapp.NumberText, Options: []string{"3", "4"}},
			{Name: "score", At: "/custom/score", Kind: restapp.Number},
			{Name: "level", At: "/custom/level", Options: []string{"gold", "silver"}},
			{Name: "visits", At: "/custom/visits", Kind: restapp.Number, ReadOnly: true},
		},
	}
	return restapp.Spec{
		ID: "example", Slot: 1, Keys: []string{ExampleKey}, Objects: []*restapp.Object{people},
		Present: func(r *http.Request) string { return r.Header.Get("X-Api-Key") },
		Person: func(p fakekit.Person) restapp.Values {
			return restapp.Values{"email": p.Email, "first_name": p.First, "last_name": p.Last, "phone": p.Phone}
		},
		Refuse: func(w http.ResponseWriter, x restapp.Refusal) {
			body := map[string]any{"code": x.Code, "message": x.Text}
			if x.Field != "" {
				body["field"] = x.Field
			}
			fakekit.WriteJSON(w, x.Status, map[string]any{"error": body})
		},
		Wait: func(h http.Header, wait time.Duration) {
			h.Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		},
		Routes: func(f *restapp.Fake) []fakekit.Route { return exampleRoutes(f, people) },
		Hook: &restapp.Hook{
			Limit: 20,
			Word:  func(_, action string) string { return "person." + action },
			Pack:  exampleDelivery,
		},
	}
}

func numeric(id string) any { return json.Number(id) }

func exampleRoutes(f *restapp.Fake, people *restapp.Object) []fakekit.Route {
	get := func(path string, h func(w http.ResponseWriter, r *http.Request) *restapp.Refusal) fakekit.Route {
		return fakekit.Route{Pattern: "GET " + path, Handler: f.Known(h)}
	}
	data := func(w http.ResponseWriter, status int, v any) *restapp.Refusal {
		fakekit.WriteJSON(w, status, map[string]any{"data": v})
		return nil
	}
	saved := func(status int) http.HandlerFunc {
		return f.Known(func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
			body, refused := f.Body(r)
			if refused != nil {
				return refused
			}
			person, _ := body["person"].(map[string]any)
			values, refused := f.Values(people, person)
			if refused != nil {
				return refused
			}
			rec, refused := f.Save(people, r.PathValue("id"), values)
			if refused != nil {
				return refused
			}
			return data(w, status, f.Show(people, rec))
		})
	}
	return []fakekit.Route{
		get("/v1/me", func(w http.ResponseWriter, _ *http.Request) *restapp.Refusal {
			fakekit.WriteJSON(w, 200, map[string]any{"workspace": map[string]string{"id": ExampleWorkspace, "name": "Sample"}})
			return nil
		}),
		get("/v1/fields/people", func(w http.ResponseWriter, _ *http.Request) *restapp.Refusal {
			fakekit.WriteJSON(w, 200, map[string]any{"fields": []any{
				map[string]any{"key": "score", "label": "Score", "kind": "int"},
				map[string]any{"key": "level", "label": "Level", "kind": "choice", "choices": []any{
					map[string]string{"id": "gold", "label": "Gold"}, map[string]string{"id": "silver", "label": "Silver"},
				}},
				map[string]any{"key": "visits", "label": "Visits", "kind": "int", "computed": true},
				map[string]any{"key": "photo", "label": "Photo", "kind": "file"},
			}})
			return nil
		}),
		get("/v1/people", func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
			return exampleList(f, people, w, r)
		}),
		{Pattern: "POST /v1/people", Write: true, Handler: saved(http.StatusCreated)},
		{Pattern: "PATCH /v1/people/{id}", Write: true, Handler: saved(http.StatusOK)},
		{
			Pattern: "DELETE /v1/people/{id}", Write: true,
			Handler: f.Known(func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
				if f.Delete("people", r.PathValue("id")) != nil {
					return &restapp.Refusal{Status: http.StatusNotFound, Code: "not_found", Text: "no such person"}
				}
				return data(w, 200, map[string]any{"id": numeric(r.PathValue("id")), "deleted": true})
			}),
		},
		get("/v1/users", func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
			found := []any{}
			for _, u := range exampleUsers {
				if u["email"] == r.URL.Query().Get("email") {
					found = append(found, u)
				}
			}
			return data(w, 200, found)
		}),
		get("/v1/users/{id}", func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
			for _, u := range exampleUsers {
				if strconv.Itoa(u["id"].(int)) == r.PathValue("id") { //nolint:forcetypeassert // made above
					return data(w, 200, u)
				}
			}
			return &restapp.Refusal{Status: http.StatusNotFound, Code: "not_found", Text: "no such user"}
		}),
	}
}

// exampleList lists people: all, by IDs, by a field, or since a time.
func exampleList(f *restapp.Fake, people *restapp.Object, w http.ResponseWriter, r *http.Request) *restapp.Refusal {
	searched := []string{"email", "last_name", "phone"}
	if refused := restapp.Only(r, append([]string{"limit", "cursor", "sort", "updated_since", "ids"},
		searched...)...); refused != nil {
		return refused
	}
	limit, refused := restapp.Int(r, "limit", 50, 1, 100)
	if refused != nil {
		return refused
	}
	q := r.URL.Query()
	ask := restapp.Asked{Limit: limit, Cursor: q.Get("cursor"), ByTime: q.Get("sort") == "updated_at"}
	if since := q.Get("updated_since"); since != "" {
		at, err := time.Parse(time.RFC3339, since)
		if err != nil {
			return &restapp.Refusal{Status: http.StatusBadRequest, Code: "bad_value", Field: "updated_since", Text: "is no time"}
		}
		ask.From = at
	}
	if ids := q.Get("ids"); ids != "" {
		list := strings.Split(ids, ",")
		ask.Match = func(rec *fakekit.Record) bool { return slices.Contains(list, rec.ID) }
	}
	for _, name := range searched {
		if q.Has(name) {
			ask.Match, ask.Indexed = restapp.Holds(name, q.Get(name)), true
		}
	}
	page, refused := f.List(people, ask)
	if refused != nil {
		return refused
	}
	var next any
	if page.Next != "" {
		next = page.Next
	}
	fakekit.WriteJSON(w, 200, map[string]any{"data": page.Records, "total": page.Total, "next": next})
	return nil
}

// exampleDelivery signs time, address and body.
func exampleDelivery(_ *restapp.Fake, hook fakekit.Webhooks, events []fakekit.Event, now time.Time) fakekit.Packed {
	list := make([]any, len(events))
	for i, e := range events {
		list[i] = map[string]any{
			"event": e.Kind, "object": map[string]any{"id": numeric(e.ID)}, "at": e.At.UTC().Format(time.RFC3339),
		}
	}
	body, _ := json.Marshal(map[string]any{"workspace": ExampleWorkspace, "events": list}) // made of JSON's own types
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(hook.Secret))
	mac.Write([]byte(stamp + "." + hook.URL + "." + string(body)))
	return fakekit.Packed{Method: http.MethodPost, URL: hook.URL, Body: body, Header: http.Header{
		"Content-Type": {"application/json"}, "X-Example-Time": {stamp}, "X-Example-Signature": {
			"v1=" + hex.EncodeToString(mac.Sum(nil)),
		},
	}}
}
