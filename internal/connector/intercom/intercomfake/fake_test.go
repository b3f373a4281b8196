package intercomfake_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/intercom/intercomfake"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

// space is a fake on a clock that tests move.
type space struct {
	*intercomfake.Fake

	t     testing.TB
	clock *testclock.Clock
}

func newSpace(t testing.TB, lag time.Duration, seed int) space {
	clock := testclock.New()
	return space{intercomfake.New(fakekit.Config{Now: clock.Now, Lag: lag, Seed: seed}), t, clock}
}

// wants makes a call of a version and holds the answer against a status and a part of what
// it says: headers by name, then the body.
func (s space) wants(status int, part, call, body string) string {
	s.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, w := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body)), httptest.NewRecorder()
	req.Header.Set("Authorization", "Bearer "+intercomfake.AccessToken)
	req.Header.Set("Intercom-Version", "2.17")
	s.ServeHTTP(w, req)
	said := fmt.Sprint(w.Header(), w.Body)
	if w.Code != status || !strings.Contains(said, part) {
		s.t.Errorf("%s %s: %d %s, want %d and %s", call, body, w.Code, said, status, part)
	}
	return said
}

// TestContacts: one needs an e-mail, an external ID or a role; a user's is unique, and the
// conflict names the twin; attributes have to be there, and of their type.
func TestContacts(t *testing.T) {
	t.Parallel()
	s := newSpace(t, time.Minute, 0)
	s.wants(400, "parameter_not_found", "POST /contacts", `{"name":"Ann"}`)
	s.wants(200, `"role":"user"`, "POST /contacts", `{"email":"a@example.org","custom_attributes":{"score":12}}`)
	id := "6762f0dd1bb69f9f00000001"
	s.wants(409, "already exists with id="+id, "POST /contacts", `{"email":"A@example.org"}`)
	s.wants(200, `"role":"lead"`, "POST /contacts", `{"email":"a@example.org","role":"lead"}`)
	for body, part := range map[string]string{
		`{"custom_attributes":{"none":1}}`:    "custom_attributes.none",
		`{"custom_attributes":{"score":"x"}}`: "custom_attributes.score", `{"name":7}`: `"field":"name"`,
		`{"custom_attributes":{"level":"Bronze"}}`: "custom_attributes.level", `{"updated_at":1}`: "updated_at",
		`{"custom_attributes":{"old":"x"}}`: "custom_attributes.old",
	} {
		s.wants(400, part, "PUT /contacts/"+id, body)
	}
	s.wants(200, `"custom_attributes":{"level":null,"nickname":null,"score":12,"since":null}`, "GET /contacts/"+id, "")
	s.wants(404, "not_found", "GET /contacts/7", "")
	for i := range 11 {
		said := s.wants(200, `"type":"tag"`, "POST /tags", fmt.Sprintf(`{"name":"T%d"}`, i))
		_, tag, _ := strings.Cut(said, `"id":"`)
		tag, _, _ = strings.Cut(tag, `"`)
		s.wants(200, fmt.Sprintf(`"name":"T%d"`, i), "POST /contacts/"+id+"/tags", `{"id":"`+tag+`"}`)
	}
	s.wants(200, `"has_more":true`, "GET /contacts/"+id, "")
	s.wants(200, `"name":"T10"`, "GET /contacts/"+id+"/tags", "")
	s.wants(200, `"archived":true`, "POST /contacts/"+id+"/archive", "")
	s.wants(404, "not_found", "GET /contacts/"+id, "")
}

// TestListings: pages by cursor lead to each contact once; a search knows of a change
// after the lag, and groups have fifteen filters at most.
func TestListings(t *testing.T) {
	t.Parallel()
	s := newSpace(t, time.Minute, 25)
	search := func(query, after string) string {
		return `{"query":` + query + `,"sort":{"field":"updated_at","order":"ascending"},"pagination":{"per_page":10,"starting_after":"` + after + `"}}`
	}
	everybody := `{"field":"updated_at","operator":">=","value":0}`
	s.wants(200, `"total_count":0`, "POST /contacts/search", search(everybody, ""))
	s.clock.Advance(time.Minute)
	for name, call := range map[string]func(after string) (string, string){
		"list":   func(after string) (string, string) { return "GET /contacts?per_page=10&starting_after=" + after, "" },
		"search": func(after string) (string, string) { return "POST /contacts/search", search(everybody, after) },
	} {
		seen, after, more := 0, "", true
		for more {
			path, body := call(after)
			said := s.wants(200, `"total_count":25`, path, body)
			seen += strings.Count(said, `"type":"contact"`)
			_, after, more = strings.Cut(said, `"starting_after":"`)
			after, _, _ = strings.Cut(after, `"`)
		}
		if seen != 25 {
			t.Errorf("%s: %d of 25 contacts", name, seen)
		}
	}
	one := `{"field":"email","operator":"=","value":"x@example.org"}`
	s.wants(200, `"total_count":0`, "POST /contacts/search", search(`{"operator":"OR","value":[`+one+`,`+one+`]}`, ""))
	s.wants(400, "15 filters", "POST /contacts/search",
		search(`{"operator":"AND","value":[`+strings.Repeat(one+`,`, 15)+one+`]}`, ""))
	s.wants(400, "invalid_field", "POST /contacts/search", search(strings.Replace(one, "email", "none", 1), ""))
	s.wants(400, "invalid_operator", "POST /contacts/search", search(strings.Replace(one, `"="`, `"LIKE"`, 1), ""))
	s.wants(400, "invalid_sort_order", "POST /contacts/search", `{"query":`+one+`,"sort":{"order":"asc"}}`)
	s.wants(400, "per_page", "GET /contacts?per_page=151", "")
	s.wants(200, `"company_id":"acme"`, "POST /companies", `{"company_id":"acme","name":"Acme"}`)
	s.wants(200, `"name":"Beta"`, "POST /companies", `{"company_id":"acme","name":"Beta"}`)
	s.wants(200, `"total_count":1`, "POST /companies/list?per_page=60&page=1&order=asc", "")
	s.wants(400, "please use scroll API", "POST /companies/list?per_page=50&page=201", "")
	s.wants(200, `"name":"Beta"`, "GET /companies?company_id=acme", "")
	s.wants(404, "company_not_found", "GET /companies?name=Acme", "")
}

// TestLimitsAndWebhooks: every answer tells of the limit, by a time; a delivery that fails
// is tried once more.
func TestLimitsAndWebhooks(t *testing.T) {
	t.Parallel()
	s := newSpace(t, 0, 1)
	s.Core().SetLimits(fakekit.Limits{Calls: 2, Window: 10 * time.Second})
	reset := fmt.Sprint(s.clock.Now().Add(10 * time.Second).Unix())
	s.wants(200, "X-Ratelimit-Limit:[2] X-Ratelimit-Remaining:[1] X-Ratelimit-Reset:["+reset, "GET /me", "")
	s.wants(200, "X-Ratelimit-Remaining:[0]", "GET /tags", "")
	s.wants(429, "rate_limit_exceeded", "GET /me", "")
	s.Core().SetLimits(fakekit.Limits{})
	s.Core().SetWebhooks(fakekit.Webhooks{URL: "https://hook.example.com/x", Secret: "pass"})
	id := s.Core().Records("contacts")[0].ID
	if err := s.Core().DeleteRecord("contacts", id); err != nil {
		t.Fatal(err)
	}
	d := s.Core().Outbox()[0].Packed
	if said := fmt.Sprintf("%s %s", d.Header, d.Body); !strings.Contains(said, "sha1=") ||
		!strings.Contains(said, `"topic":"contact.deleted"`) || !strings.Contains(said, id) ||
		strings.Contains(said, "email") {
		t.Errorf("a deletion is told as %s", said)
	}
	for range 3 {
		_, _ = s.Core().Deliver(t.Context(), fakekit.Client(s)) // which has no such address
		s.clock.Advance(time.Minute)
	}
	if all, _ := s.Core().Deliveries(); len(all) != 1 || all[0].Attempt != 2 || all[0].Status != fakekit.DeliveryGivenUp {
		t.Errorf("%+v", all)
	}
}
