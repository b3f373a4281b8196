package vendorsfake_test

import (
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/declared/vendorsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// TestStrict holds each fake against what its vendor's documents say: who is let in, what
// is refused and how, how pages and filters go. Each call is made on its own.
func TestStrict(t *testing.T) {
	t.Parallel()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(vendorsfake.MauticUser+":"+vendorsfake.MauticPassword))
	type calls map[string]string // by call and body; what is answered begins with it, or holds what stands behind "…"
	for name, x := range map[string]struct {
		start   func(fakekit.Config) *restapp.Fake
		header  [2]string
		refused [2]string // a header that opens nothing
		calls   calls
	}{
		"homestack": {
			vendorsfake.Homestack,
			[2]string{"Authorization", "Bearer " + vendorsfake.HomestackKey},
			[2]string{"Authorization", vendorsfake.HomestackKey},
			calls{
				"GET /api/users":                             `200 {"users":[{"agent_email":null,"agent_guid"…`,
				"GET /api/leads":                             `404 {"error"`,
				"GET /api/users?limit=0":                     `400 {"error":"limit is out of range"}`,
				`POST /api/users {"name":"A","email":"a@b"}`: `400 {"error":"phone is required"}`,
				`POST /api/users {"name":"A","email":"a@b","phone":"1","labels":["x"]}`: `400 {"error":"labels is no field"}`,
			},
		},
		"mainstay": {
			vendorsfake.Mainstay,
			[2]string{"Authorization", "APIToken " + vendorsfake.MainstayKey},
			[2]string{"Authorization", "Bearer " + vendorsfake.MainstayKey},
			calls{
				"GET /auth_valid":                                    `200 {"ok":true,"org_id":"org-47"}`,
				"GET /contacts/?page=1":                              `200 {"count":3,"next":null,"results":[`,
				"GET /contacts/?page=2":                              `200 {"count":3,"next":null,"results":[]}`,
				"GET /contacts/?modified_since=yesterday":            `400 {"code":"bad_value"`,
				"GET /contacts/?since=2026":                          `400 {"code":"unknown_parameter"`,
				"GET /contacts/nobody/":                              `404 {"code":"not-found"`,
				`POST /contacts/ {"first_name":"A","last_name":"B"}`: `400 {"code":"blank-required-data-in-record","field":"phone"`,
				`POST /contacts/ {"first_name":"A","last_name":"B","phone":"+14155550100"}`:                    `400 {"code":"invalid-phone"`,
				`POST /contacts/ {"first_name":"A","last_name":"B","phone":"4155550100","invalid_phone":true}`: `400 {"code":"read_only"`,
			},
		},
		"clientsuccess": {
			vendorsfake.ClientSuccess,
			[2]string{"Authorization", vendorsfake.ClientSuccessKey},
			[2]string{"Authorization", "Bearer " + vendorsfake.ClientSuccessKey},
			calls{
				"GET /v2/contact/search?page=0&size=2":                      `200 {"data":[…"last":false`,
				"GET /v2/contact/search?page=1&size=2":                      `200 {"data":[…"last":true`,
				"GET /v2/contact/search?size=201":                           `400 {"error":"bad_value"`,
				"GET /v2/contact/search?modifiedAfter=2026-01-01T00:00:00Z": `400 {"error":"bad_value"`,
				`POST /v2/client {"active":true}`:                           `400 {"error":"required"`,
				`POST /v1/auth {"username":"x","password":"y"}`:             `401 {"error":"unauthorized"}`,
			},
		},
		"sierra": {vendorsfake.Sierra, [2]string{"Sierra-ApiKey", vendorsfake.SierraKey}, [2]string{
			"Authorization", "Bearer " + vendorsfake.SierraKey,
		}, calls{
			"GET /leads/find?pageSize=101":                                                         `400 {"errorMessage":"pageSize is out of range","success":false}`,
			"GET /leads/get/1":                                                                     `404 {"errorMessage"`,
			`POST /leads {"email":"a@example.com","password":"p"}`:                                 `400 {"errorMessage":"nobody is to be written to","success":false}`,
			`PUT /leads/1001 {"password":"p"}`:                                                     `400 {"errorMessage":"somebody's own password is not changed","success":false}`,
			`POST /leads {"email":"a@example.com"}`:                                                `400 {"errorMessage":"Password is required","success":false}`,
			`POST /leads {"password":"p","sendRegistrationEmail":false}`:                           `400 {"errorMessage":"email is required","success":false}`,
			`POST /leads {"email":"nobody","password":"p","sendRegistrationEmail":false}`:          `400 {"errorMessage":"Invalid email address format","success":false}`,
			`POST /leads {"email":"new@example.com","password":"p","sendRegistrationEmail":false}`: `200 {"data":{"agentUserId":234567,"leadId":1004},"success":true}`,
			`POST /leads {"email":"long@example.com","password":"` + strings.Repeat("p", 31) +
				`"}`: `400 {"errorMessage":"Password is required"`,
		}},
		"espocrm": {
			vendorsfake.EspoCRM,
			[2]string{"X-Api-Key", vendorsfake.EspoCRMKey},
			[2]string{"X-Api-Key", "other"},
			calls{
				"GET /api/v1/Contact?maxSize=2":                      `200 {"list":[…"total":3}`,
				"GET /api/v1/Contact?maxSize=201":                    `403 {}`,
				"GET /api/v1/Metadata?key=entityDefs.Pet":            `404 {}`,
				`POST /api/v1/Contact {"firstName":"A"}`:             `400 {"messageTranslation":{"data":{"field":"lastName","type":"required"}`,
				`POST /api/v1/Contact {"lastName":"A","cScore":"x"}`: `400 {"messageTranslation":{"data":{"field":"cScore","type":"valid"}`,
				`POST /api/v1/Contact {"lastName":"A","pet":"x"}`:    `200 {…"lastName":"A"`,
				"GET /api/v1/Contact?where[0][type]=magic":           `400 {}`,
			},
		},
		"twenty": {
			vendorsfake.Twenty,
			[2]string{"Authorization", "Bearer " + vendorsfake.TwentyKey},
			[2]string{"Authorization", vendorsfake.TwentyKey},
			calls{
				"GET /rest/people?limit=2":                     `200 {"data":{"people":[…"hasNextPage":true},"totalCount":3}`,
				"GET /rest/people?limit=61":                    `400 {"error":"Bad Request","messages":[`,
				"GET /rest/people?filter=updatedAt[gte]:2026":  `400 {"error":"Bad Request","messages":["filter invalid"]`,
				`GET /rest/people?filter=pet[eq]:"x"`:          `400 {"error":"Bad Request","messages":["filter invalid"]`,
				`POST /rest/people {"name":{"firstName":"A"}}`: `201 {"data":{"createPerson":{`,
				`POST /rest/people {"firstName":"A"}`:          `400 {"error":"Bad Request","messages":["firstName is no field"]`,
				`POST /rest/companies {"employees":"many"}`:    `400 {"error":"Bad Request","messages":["Invalid value`,
			},
		},
		"mautic": {vendorsfake.Mautic, [2]string{"Authorization", basic}, [2]string{"Authorization", "Bearer x"}, calls{
			"GET /api/contacts?limit=1":                                  `200 {"contacts":{"1001":{…"dateModified":null`,
			"GET /api/contacts?start=5":                                  `200 {"contacts":[],"total":"3"}`,
			"GET /api/contacts/7":                                        `404 {"errors":[`,
			"GET /api/users/self":                                        `200 {"firstName"…"username":"lockstep"`,
			`POST /api/contacts/new {"score":"x"}`:                       `400 {"errors":[…score has a value of another type`,
			`POST /api/contacts/new {"email":"a@example.com","pet":"x"}`: `201 {"contact":{…"email":"a@example.com"`,
			"DELETE /api/contacts/1001/delete":                           `200 {"contact":{…"id":null`,
		}},
	} {
		for call, want := range x.calls {
			fake := x.start(fakekit.Config{Seed: 3})
			method, rest, _ := strings.Cut(call, " ")
			path, body, _ := strings.Cut(rest, " ")
			send := func(header [2]string) string {
				req := httptest.NewRequestWithContext(t.Context(), method, strings.ReplaceAll(path, `"`, "%22"),
					strings.NewReader(body))
				req.Header.Set(header[0], header[1])
				w := httptest.NewRecorder()
				fake.ServeHTTP(w, req)
				return fmt.Sprint(w.Code, " ", w.Body)
			}
			begins, holds, _ := strings.Cut(want, "…")
			if got := send(x.header); !strings.HasPrefix(got, begins) || !strings.Contains(got, holds) {
				t.Errorf("%s: %s: %s, want %s", name, call, got, want)
			}
			if got := send(x.refused); !strings.HasPrefix(got, "401 ") && !strings.Contains(call, "/v1/auth") &&
				!strings.HasPrefix(want, "404 {\"error\"") {
				t.Errorf("%s: %s is open to everybody: %s", name, call, got)
			}
		}
	}
}
