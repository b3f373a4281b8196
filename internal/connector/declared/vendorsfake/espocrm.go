package vendorsfake

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// EspoCRMKey opens the fake.
const EspoCRMKey = "fake-espocrm-key"

// EspoCRM returns a fake of an installation, after docs.espocrm.com: development/api,
// api/crud, api-search-params, api/metadata. Attributes that an entity does not have are
// ignored; a duplicate is a person of the same name or e-mail, and is refused with 409.
func EspoCRM(cfg fakekit.Config) *restapp.Fake {
	entity := func(name string, fields ...restapp.Field) *restapp.Object {
		return &restapp.Object{
			Name: name, ID: "/id", NewID: hexes, Created: "/createdAt", Modified: "/modifiedAt", Stamp: stampSQL,
			Grain: time.Second, Lenient: true, Fields: fields,
		}
	}
	contacts := entity("Contact",
		restapp.Field{Name: "firstName", Max: 100}, restapp.Field{Name: "lastName", Required: true, Max: 100},
		restapp.Field{Name: "emailAddress"},
		restapp.Field{Name: "phoneNumber"}, restapp.Field{Name: "accountId"}, restapp.Field{Name: "assignedUserId"},
		restapp.Field{Name: "description"},
		restapp.Field{Name: "cScore", Kind: restapp.Number}, restapp.Field{
			Name: "cLevel", Options: []string{"Gold", "Silver"},
		})
	accounts := entity("Account",
		restapp.Field{Name: "name", Required: true, Max: 249}, restapp.Field{Name: "website"}, restapp.Field{
			Name: "emailAddress",
		}, restapp.Field{Name: "phoneNumber"},
		restapp.Field{Name: "billingAddressStreet"}, restapp.Field{Name: "billingAddressCity"}, restapp.Field{
			Name: "billingAddressState",
		},
		restapp.Field{Name: "billingAddressPostalCode"}, restapp.Field{Name: "billingAddressCountry"},
		restapp.Field{Name: "description"}, restapp.Field{Name: "assignedUserId"})
	return restapp.New(restapp.Spec{
		ID: "espocrm", Slot: 1, Keys: []string{EspoCRMKey}, Present: header("X-Api-Key", ""), Objects: []*restapp.Object{
			contacts, accounts,
		}, Wait: waits,
		Person: func(p fakekit.Person) restapp.Values {
			return restapp.Values{"firstName": p.First, "lastName": p.Last, "emailAddress": p.Email, "phoneNumber": p.Phone}
		},
		Refuse: func(w http.ResponseWriter, x restapp.Refusal) {
			word, ok := map[string]string{
				"required": "required", "too_long": "maxLength", "bad_value": "valid", "bad_option": "valid",
			}[x.Code]
			w.Header().Set("X-Status-Reason", x.Code)
			if !ok {
				fakekit.WriteJSON(w, x.Status, map[string]any{})
				return
			}
			fakekit.WriteJSON(w, x.Status, map[string]any{"messageTranslation": map[string]any{
				"label": "validationFailure", "data": map[string]string{"field": x.Field, "type": word},
			}})
		},
		Routes: func(f *restapp.Fake) []fakekit.Route {
			out := []fakekit.Route{
				get(f, "/api/v1/App/user", always(map[string]any{
					"user": map[string]string{"id": "64e0000000000001", "userName": "lockstep", "type": "api"},
				})),
				get(f, "/api/v1/Metadata", espoMetadata),
			}
			for _, o := range []*restapp.Object{contacts, accounts} {
				path := "/api/v1/" + o.Name
				out = append(out, verbs{
					read: "GET " + path + "/{id}", create: "POST " + path, update: "PUT " + path + "/{id}", remove: "DELETE " + path +
						"/{id}", status: http.StatusOK,
					wrap: func(action string, _ *restapp.Object, _ *fakekit.Record, shown map[string]any) any {
						if action == "delete" {
							return true
						}
						return shown
					},
				}.routes(f, o)...)
				out = append(out, get(f, path, func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
					return espoList(f, o, w, r)
				}))
			}
			return out
		},
	}, cfg)
}

// espoMetadata describes the fields of contacts.
func espoMetadata(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
	if r.URL.Query().Get("key") != "entityDefs.Contact.fields" {
		return &restapp.Refusal{Status: http.StatusNotFound, Code: "not_found", Text: "no such key"}
	}
	fakekit.WriteJSON(w, http.StatusOK, map[string]any{
		"name":         map[string]any{"type": "personName"},
		"firstName":    map[string]any{"type": "varchar", "maxLength": 100},
		"lastName":     map[string]any{"type": "varchar", "maxLength": 100, "required": true},
		"emailAddress": map[string]any{"type": "email"},
		"phoneNumber":  map[string]any{"type": "phone"},
		"account":      map[string]any{"type": "link"},
		"description":  map[string]any{"type": "text"},
		"createdAt":    map[string]any{"type": "datetime", "readOnly": true},
		"modifiedAt":   map[string]any{"type": "datetime", "readOnly": true},
		"cScore":       map[string]any{"type": "int"},
		"cLevel":       map[string]any{"type": "enum", "options": []string{"", "Gold", "Silver"}},
	})
	return nil
}

// espoList lists an entity by conditions that all have to hold.
func espoList(f *restapp.Fake, o *restapp.Object, w http.ResponseWriter, r *http.Request) *restapp.Refusal {
	q := r.URL.Query()
	size, refused := restapp.Int(r, "maxSize", 20, 1, 200)
	if refused != nil {
		return &restapp.Refusal{Status: http.StatusForbidden, Code: "maxSize", Text: "max size exceeded"}
	}
	offset, refused := restapp.Int(r, "offset", 0, 0, 10_000_000)
	if refused != nil {
		return refused
	}
	ask := restapp.Asked{Limit: size, Offset: offset, ByTime: q.Get("orderBy") == "modifiedAt"}
	if kind := q.Get("where[0][type]"); kind != "" {
		if refused := espoWhere(o, q, kind, &ask); refused != nil {
			return refused
		}
	}
	page, refused := f.List(o, ask)
	if refused != nil {
		return refused
	}
	fakekit.WriteJSON(w, http.StatusOK, map[string]any{"total": page.Total, "list": page.Records})
	return nil
}

func espoWhere(o *restapp.Object, q url.Values, kind string, ask *restapp.Asked) *restapp.Refusal {
	name, value := q.Get("where[0][attribute]"), q.Get("where[0][value]")
	known := slices.ContainsFunc(o.Fields, func(d restapp.Field) bool { return d.Name == name })
	var refused *restapp.Refusal
	switch {
	case kind == "greaterThanOrEquals" && name == "modifiedAt":
		ask.From, refused = since(value, time.DateTime)
	case kind == "in" && name == "id":
		ids := q["where[0][value][]"]
		ask.Match = func(rec *fakekit.Record) bool { return slices.Contains(ids, rec.ID) }
	case kind == "equals" && known:
		ask.Match = func(rec *fakekit.Record) bool { return strings.EqualFold(rec.Fields[name], value) }
	default:
		refused = &restapp.Refusal{Status: http.StatusBadRequest, Code: "where", Text: "a condition is not known"}
	}
	return refused
}
