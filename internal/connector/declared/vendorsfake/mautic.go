package vendorsfake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// What opens the fake.
const (
	MauticUser     = "lockstep"
	MauticPassword = "fake-mautic-password" //nolint:gosec // opens a fake
)

// Mautic returns a fake of an installation, after Mautic's developer documentation
// (contacts, users, webhooks): contacts keyed by their IDs, values below fields.all,
// advanced filters, dateModified null until the first edit, blanks written only with
// overwriteWithBlank, an unknown name ignored. A new contact with an e-mail that is
// there already is refused by nobody: it becomes that contact.
func Mautic(cfg fakekit.Config) *restapp.Fake {
	field := func(name string) restapp.Field {
		return restapp.Field{Name: name, At: "/fields/all/" + name, To: "/" + name, Max: 191}
	}
	score := field("score")
	score.Kind = restapp.Number
	contacts := &restapp.Object{
		Name: "contacts", ID: "/id", NewID: numbers, ShownID: numeric, Created: "/dateAdded", Modified: "/dateModified",
		Grain: time.Second, Lenient: true,
		Stamp: func(t time.Time) any { return t.UTC().Format("2006-01-02T15:04:05+00:00") },
		Fields: []restapp.Field{
			field("email"), field("firstname"), field("lastname"), field("phone"), field("mobile"), score,
			{Name: "owner", At: "/owner/id", To: "/owner", Kind: restapp.NumberText, Options: []string{"1", "2"}},
			{Name: "points", Kind: restapp.Number, ReadOnly: true},
		},
	}
	return restapp.New(restapp.Spec{
		ID: "mautic", Slot: 1, Keys: []string{MauticUser + ":" + MauticPassword}, Objects: []*restapp.Object{contacts},
		Wait: waits,
		Present: func(r *http.Request) string {
			user, password, _ := r.BasicAuth()
			return user + ":" + password
		},
		Person: func(p fakekit.Person) restapp.Values {
			return restapp.Values{"firstname": p.First, "lastname": p.Last, "email": p.Email, "phone": p.Phone}
		},
		Refuse: func(w http.ResponseWriter, x restapp.Refusal) {
			fakekit.WriteJSON(w, x.Status, map[string]any{"errors": []any{map[string]any{
				"code": x.Status, "message": x.Text, "type": nil, "details": map[string][]string{x.Field: {x.Text}},
			}}})
		},
		Routes: func(f *restapp.Fake) []fakekit.Route { return mauticRoutes(f, contacts) },
		Hook: &restapp.Hook{
			Limit: 10,
			Word: func(_, action string) string {
				return map[string]string{
					"create": "mautic.lead_post_save_new", "update": "mautic.lead_post_save_update",
					"delete": "mautic.lead_post_delete",
				}[action]
			},
			Pack: mauticDelivery,
		},
	}, cfg)
}

// mauticShow hides the time of a change that there was not.
func mauticShow(rec *fakekit.Record, shown map[string]any) map[string]any {
	if rec.Modified.Equal(rec.Created) {
		shown["dateModified"] = nil
	}
	return shown
}

func mauticRoutes(f *restapp.Fake, contacts *restapp.Object) []fakekit.Route {
	return append(verbs{
		read: "GET /api/contacts/{id}", create: "POST /api/contacts/new", update: "PATCH /api/contacts/{id}/edit",
		remove: "DELETE /api/contacts/{id}/delete",
		status: http.StatusCreated,
		body: func(_ string, body map[string]any) (map[string]any, *restapp.Refusal) {
			if blank, _ := restapp.Take(body, "/overwriteWithBlank"); blank != true {
				for name, v := range body {
					if v == nil || v == "" {
						delete(body, name)
					}
				}
			}
			return body, nil
		},
		wrap: func(action string, _ *restapp.Object, rec *fakekit.Record, shown map[string]any) any {
			if action == "delete" {
				shown["id"] = nil
			}
			return map[string]any{"contact": mauticShow(rec, shown)}
		},
	}.routes(f, contacts),
		get(f, "/api/users/self", always(map[string]any{
			"id": 1, "username": MauticUser, "firstName": "Robin", "lastName": "Sample",
		})),
		get(f, "/api/contacts/list/fields", func(w http.ResponseWriter, _ *http.Request) *restapp.Refusal {
			out := map[string]any{}
			for i, d := range []struct{ alias, label, kind string }{
				{"title", "Title", "lookup"},
				{"firstname", "First Name", "text"},
				{"lastname", "Last Name", "text"},
				{"email", "Email", "email"},
				{"phone", "Phone", "tel"},
				{"score", "Score", "number"},
			} {
				out[strconv.Itoa(i+1)] = map[string]any{
					"id": i + 1, "label": d.label, "alias": d.alias, "type": d.kind, "group": "core", "order": i + 1,
				}
			}
			fakekit.WriteJSON(w, http.StatusOK, out)
			return nil
		}),
		get(f, "/api/contacts", func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
			return mauticList(f, contacts, w, r)
		}))
}

func mauticList(f *restapp.Fake, contacts *restapp.Object, w http.ResponseWriter, r *http.Request) *restapp.Refusal {
	q := r.URL.Query()
	limit, refused := restapp.Int(r, "limit", 30, 1, 10_000)
	if refused != nil {
		return refused
	}
	start, refused := restapp.Int(r, "start", 0, 0, 10_000_000)
	if refused != nil {
		return refused
	}
	ask := restapp.Asked{Limit: limit, Offset: start}
	switch q.Get("where[0][expr]") {
	case "":
	case "orX":
		if q.Get("where[0][val][0][col]") != "dateModified" || q.Get("where[0][val][0][expr]") != "gte" ||
			q.Get("where[0][val][1][col]") != "dateAdded" || q.Get("where[0][val][1][expr]") != "gte" {
			return &restapp.Refusal{Status: http.StatusBadRequest, Text: "a condition is not known"}
		}
		if ask.From, refused = since(q.Get("where[0][val][0][val]"), time.DateTime); refused != nil {
			return refused
		}
	case "eq":
		ask.Match = restapp.Holds(q.Get("where[0][col]"), q.Get("where[0][val]"))
	default:
		return &restapp.Refusal{Status: http.StatusBadRequest, Text: "a condition is not known"}
	}
	page, refused := f.List(contacts, ask)
	if refused != nil {
		return refused
	}
	var list any = []any{} // PHP's empty array
	if len(page.Records) > 0 {
		keyed := map[string]any{}
		for _, shown := range page.Records {
			one := shown.(map[string]any)         //nolint:forcetypeassert // as List makes them
			id := string(one["id"].(json.Number)) //nolint:forcetypeassert // as ShownID makes it
			rec, _ := f.Get(contacts, id)
			keyed[id] = mauticShow(rec, one)
		}
		list = keyed
	}
	fakekit.WriteJSON(w, http.StatusOK, map[string]any{"total": strconv.Itoa(page.Total), "contacts": list})
	return nil
}

// mauticDelivery signs the body.
func mauticDelivery(_ *restapp.Fake, hook fakekit.Webhooks, events []fakekit.Event, _ time.Time) fakekit.Packed {
	body := map[string][]any{}
	for _, e := range events {
		shown, _ := e.Data.(map[string]any)
		one := map[string]any{"contact": shown, "timestamp": e.At.UTC().Format("2006-01-02T15:04:05+00:00")}
		if e.Kind == "mautic.lead_post_delete" {
			one["id"], one["contact"] = numeric(e.ID), map[string]any{"id": nil}
		}
		body[e.Kind] = append(body[e.Kind], one)
	}
	p := unsigned(hook, body)
	mac := hmac.New(sha256.New, []byte(hook.Secret))
	mac.Write(p.Body)
	p.Header.Set("Webhook-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return p
}
