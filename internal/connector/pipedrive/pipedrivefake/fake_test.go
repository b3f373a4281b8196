package pipedrivefake_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/pipedrive/pipedrivefake"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

const own, persons = pipedrivefake.APIToken, "/api/v2/persons"

// company is a fake on a clock that tests move.
type company struct {
	*pipedrivefake.Fake
	t     testing.TB
	clock *testclock.Clock
}

func newCompany(t testing.TB, lag time.Duration) company {
	clock := testclock.New()
	return company{pipedrivefake.New(fakekit.Config{Now: clock.Now, Lag: lag, Seed: 20}), t, clock}
}

// wants makes a call with a header, by itself the user's own token, and holds the answer
// against a status and a part of what it says: headers by name, then the body.
func (c company) wants(status int, part, call, body string, header ...string) string {
	c.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, w := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body)), httptest.NewRecorder()
	header = append(header, "x-api-token", own)
	req.Header.Set(header[0], header[1])
	c.ServeHTTP(w, req)
	said := fmt.Sprint(w.Header(), w.Body)
	if w.Code != status || !strings.Contains(said, part) {
		c.t.Errorf("%s %s %q: %d %s, want %d and %s", call, body, header, w.Code, said, status, part)
	}
	return said
}

// TestCalls: a user's own token comes in a header, or in the address of version 1; OAuth's is a Bearer. Version 1 has
// users and nothing that version 2 has. A day is counted in tokens and a burst in calls, of which answers tell.
func TestCalls(t *testing.T) {
	t.Parallel()
	c, refused := newCompany(t, 0), `"errorCode":401`
	granted := c.OAuthToken().Access
	c.wants(200, "", "GET "+persons, "", "Authorization", "Bearer "+granted)
	c.wants(401, refused, "GET "+persons, "", "Authorization", "Basic "+granted)
	c.wants(401, refused, "GET "+persons+"?api_token="+own, "", "Accept", "*/*")
	c.wants(200, `"company_id":31`, "GET /v1/users/me?api_token="+own, "", "Accept", "*/*")
	c.wants(404, `"success":false`, "GET /v1/persons", "")
	c.Core().SetLimits(fakekit.Limits{Daily: 20 + 10 + 1 + 5 + 3 + 2})
	for _, call := range []string{
		"GET P/search?term=ann", "GET P", "GET P/1", "PATCH P/1", "DELETE P/1", "GET /v1/users/me",
	} {
		c.wants(200, "", strings.Replace(call, " P", " "+persons, 1), `{}`)
	}
	// it is noon
	c.wants(429, "GMT] X-Ratelimit-Limit:[0] X-Ratelimit-Remaining:[0] X-Ratelimit-Reset:[43200.0]", "GET "+persons+"/1",
		"")
	c.Core().SetLimits(pipedrivefake.OwnLimits)
	for i := range 21 {
		c.wants(200+229*(i/20), fmt.Sprintf("Limit:[20] X-Ratelimit-Remaining:[%d] X-Ratelimit-Reset:[2.0]", max(0, 19-i)),
			"GET /v1/users/me", "")
	}
}

// TestRecords: cursors lead to each person once; a page is bounded; deleted persons are left out without an error.
// Types
// are strict, null clears, lists are replaced whole, and a search knows of a change after its lag.
func TestRecords(t *testing.T) {
	t.Parallel()
	c := newCompany(t, time.Minute)
	for _, order := range []string{"sort_by=id", "sort_by=update_time&sort_direction=desc", "unheard_of=1"} {
		seen, next, more := 0, "", true
		for more {
			text := c.wants(200, "", "GET "+persons+"?limit=6&"+order+"&cursor="+next, "")
			_, next, more = strings.Cut(text, `"next_cursor":"`)
			next, _, _ = strings.Cut(next, `"`)
			seen += strings.Count(text, `"is_deleted"`)
		}
		if seen != 20 {
			t.Errorf("%s: %d of 20 persons", order, seen)
		}
	}
	// from it on
	c.wants(200, `"data":[{"`, "GET "+persons+"?updated_since="+c.clock.Now().Add(-time.Second).Format(time.RFC3339), "")
	// not with it
	c.wants(200, `"data":[]`, "GET "+persons+"?updated_until="+c.clock.Now().Add(-20*time.Second).Format(time.RFC3339), "")
	c.wants(400, "limit", "GET "+persons+"?limit=501", "")
	c.wants(400, "ids", "GET "+persons+"?ids=1"+strings.Repeat(",1", 100), "")
	c.wants(200, `"data":{"id":1}`, "DELETE "+persons+"/1", "")
	c.wants(404, "Person not found", "GET "+persons+"/1", "")
	c.wants(200, `"data":[]`, "GET "+persons+"?ids=1", "")
	find, one := "GET "+persons+"/search?fields=email&exact_match=true&term=B@EXAMPLE.org", "PATCH "+persons+"/21"
	custom := func(code, value string) string { return fmt.Sprintf(`{"custom_fields":{%q:%s}}`, code, value) }
	c.wants(200, `"emails":[{"value":"b@example.org","primary":true`, "POST "+persons,
		`{"name":"Ann Roe","emails":[{"value":"a@example.org"},{"value":"b@example.org","primary":true}]}`)
	c.wants(200, `"items":[]`, find, "")
	c.clock.Advance(time.Minute)
	c.wants(200, `"name":"Ann Roe"`, find, "")
	c.wants(200, `"items":[]`, strings.TrimSuffix(find, ".org"), "") // exact is the whole address
	for body, part := range map[string]string{
		`{"owner_id":"3"}`: "owner_id", `{"first_name":"Bea"}`: "first_name", `{"name":null}`: "name",
		`{"emails":"a@example.org"}`:      "emails",
		custom(pipedrivefake.Level, `99`): pipedrivefake.Level, custom(pipedrivefake.Tags, `[]`): pipedrivefake.Tags,
		custom("name", `"Bea"`): "name",
	} {
		c.wants(400, "arameter '"+part, one, body)
	}
	c.wants(200, `"owner_id":null`, one, `{"owner_id":null}`) // it was the caller's
	c.wants(200, `"emails":[{"value":"c@example.org","primary":true,"label":"work"}]`, one,
		`{"emails":[{"value":"c@example.org"}]}`)
	c.wants(200, `"first_name":"Cher","id":21,"is_deleted":false,"label_ids":[],"last_name":null`, one, `{"name":"Cher"}`)
}

// TestWebhooks: they carry a user and a password, who changed what, and both records of a merge; a receiver that fails
// ten
// times misses half an hour.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	c := newCompany(t, 0)
	c.Core().SetWebhooks(fakekit.Webhooks{URL: "https://hook.example.com/x", Secret: "pass"})
	c.wants(200, "", "PATCH "+persons+"/1", `{"custom_fields":{"`+pipedrivefake.Nickname+`":"Nan"}}`)
	_, err := c.Core().MergeRecord("persons", "2", "1")
	told := c.Core().Take()
	for i, parts := range []string{
		`"entity":"person" "entity_id":"1" "company_id":"31" "change_source":"api" "attempt":1 "previous":{"custom_fields":{"` + pipedrivefake.Nickname + `":null},"update`,
		`"action":"delete" "merged_to_id":"1" "change_source":"app" "data":null "is_deleted":false`,
		`"action":"change" "merged_from_id":"2" "entity_id":"1"`,
	} {
		for part := range strings.SplitSeq(parts+" bG9ja3N0ZXA6cGFzcw==", " ") { // lockstep:pass
			if said := fmt.Sprintf("%s %s", told[i].Packed.Header, told[i].Packed.Body); err != nil ||
				!strings.Contains(said, part) {
				t.Errorf("%s lacks %s (%v)", said, part, err)
			}
		}
	}
	for i := range 12 {
		c.wants(200, "", fmt.Sprint("DELETE ", persons, "/", i+3), "")
		_, _ = c.Core().Deliver(t.Context(), fakekit.Client(c)) // which has no such address
	}
	c.clock.Advance(30 * time.Minute)
	c.wants(200, "", "DELETE "+persons+"/19", "")
	if n := len(c.Core().Outbox()); n != 10+1 {
		t.Errorf("%d events wait, want the ten before the ban and the one behind it", n)
	}
}
