package vendorsfake

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// What opens the fake, and its organisation.
const (
	MainstayKey = "fake-mainstay-token"
	MainstayOrg = "org-47"
)

const mainstayPage = 50

// Mainstay returns a fake of an organisation. The fields and their rules are official
// (support.admithub.com: Standard Contact Fields Data Dictionary, Import Error Dictionary);
// the token's word, the listing with modified_since and the path that takes three sorts of
// IDs were seen in a public client; writes are a guess.
func Mainstay(cfg fakekit.Config) *restapp.Fake {
	contacts := &restapp.Object{
		Name: "contacts", ID: "/id", NewID: hexes, Grain: time.Second,
		Fields: []restapp.Field{
			{Name: "first_name", Required: true, Max: 64},
			{Name: "last_name", Required: true, Max: 64},
			{Name: "preferred_name", Max: 64},
			{Name: "email"},
			{Name: "phone", Required: true},
			{Name: "country_calling_code"},
			{Name: "invalid_phone", Kind: restapp.Bool, ReadOnly: true},
			{Name: "crm_id"},
			{Name: "enrollment_id"},
			{Name: "conversation_record_url", ReadOnly: true},
		},
		Rule: func(f *restapp.Fake, before, after *fakekit.Record) *restapp.Refusal {
			if p := after.Fields["phone"]; p != "" && (len(p) != 10 || strings.Trim(p, "0123456789") != "") {
				return &restapp.Refusal{
					Status: http.StatusBadRequest, Code: "invalid-phone", Field: "phone", Text: "phone is no number of ten digits",
				}
			}
			for name, code := range map[string]string{"phone": "duplicate-contact", "crm_id": "duplicate-unique-id-crmId"} {
				if v := after.Fields[name]; v != "" && (before == nil || before.Fields[name] != v) {
					if twins, _ := f.List(f.Object("contacts"), restapp.Asked{Match: restapp.Holds(name, v)}); twins.Total > 0 {
						return &restapp.Refusal{Status: http.StatusConflict, Code: code, Field: name, Text: "another contact has it"}
					}
				}
			}
			return nil
		},
	}
	return restapp.New(restapp.Spec{
		ID: "mainstay", Slot: 1, Keys: []string{MainstayKey}, Present: header("Authorization", "APIToken "),
		Objects: []*restapp.Object{contacts}, Wait: waits,
		Person: func(p fakekit.Person) restapp.Values {
			digits := strings.Map(func(r rune) rune {
				if r < '0' || r > '9' {
					return -1
				}
				return r
			}, p.Phone)
			return restapp.Values{
				"first_name": p.First, "last_name": p.Last, "email": p.Email, "phone": digits[max(0, len(digits)-10):],
			}
		},
		Refuse: func(w http.ResponseWriter, x restapp.Refusal) {
			if x.Code == "required" {
				x.Code = "blank-required-data-in-record"
			}
			fakekit.WriteJSON(w, x.Status, map[string]any{"code": x.Code, "field": x.Field, "message": x.Text})
		},
		Routes: func(f *restapp.Fake) []fakekit.Route { return mainstayRoutes(f, contacts) },
	}, cfg)
}

func mainstayRoutes(f *restapp.Fake, contacts *restapp.Object) []fakekit.Route {
	return append(verbs{
		create: "POST /contacts/{$}", update: "PATCH /contacts/{id}/{$}", status: http.StatusCreated,
		wrap: func(_ string, _ *restapp.Object, _ *fakekit.Record, shown map[string]any) any { return shown },
	}.routes(f, contacts),
		get(f, "/auth_valid", always(map[string]any{"ok": true, "org_id": MainstayOrg})),
		get(f, "/contacts/{id}/{$}", func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
			id := r.PathValue("id")
			rec, ok := f.Get(contacts, id)
			if ok {
				fakekit.WriteJSON(w, http.StatusOK, f.Show(contacts, rec))
				return nil
			}
			for _, name := range []string{"crm_id", "phone"} {
				if page, _ := f.List(contacts, restapp.Asked{Match: restapp.Holds(name, id), Limit: 1}); page.Total > 0 {
					fakekit.WriteJSON(w, http.StatusOK, page.Records[0])
					return nil
				}
			}
			return &restapp.Refusal{Status: http.StatusNotFound, Code: "not-found", Text: "no such contact"}
		}),
		get(f, "/contacts/{$}", func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
			refused := restapp.Only(r, "page", "modified_since", "modified_before", "texting_status", "can_text", "custom",
				"include_test_contacts", "include_nonpermitted_contacts")
			if refused != nil {
				return refused
			}
			n, refused := restapp.Int(r, "page", 1, 1, 1_000_000)
			if refused != nil {
				return refused
			}
			ask := restapp.Asked{Limit: mainstayPage, Offset: (n - 1) * mainstayPage}
			if text := r.URL.Query().Get("modified_since"); text != "" {
				if ask.From, refused = since(text, time.RFC3339); refused != nil {
					return refused
				}
			}
			page, refused := f.List(contacts, ask)
			if refused != nil {
				return refused
			}
			var next any
			if n*mainstayPage < page.Total {
				next = f.BaseURL(r) + "/contacts/?page=" + strconv.Itoa(n+1)
			}
			fakekit.WriteJSON(w, http.StatusOK, map[string]any{"count": page.Total, "next": next, "results": page.Records})
			return nil
		}))
}
