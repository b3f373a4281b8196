package googlecontactsfake_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts/googlecontactsfake"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

const list = "GET /v1/people/me/connections?personFields=names,metadata"

// user is a fake on a clock that tests move.
type user struct {
	*googlecontactsfake.Fake

	t      testing.TB
	clock  *testclock.Clock
	access string
}

func newUser(t testing.TB, lag time.Duration, seed int) *user {
	clock := testclock.New()
	f := googlecontactsfake.New(fakekit.Config{Now: clock.Now, Lag: lag, Seed: seed})
	return &user{f, t, clock, f.OAuthToken().Access}
}

// wants makes a call and holds the answer against a status and a part of what it says.
func (u *user) wants(status int, part, call, body string) string {
	u.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, w := httptest.NewRequestWithContext(u.t.Context(), method, path, strings.NewReader(body)), httptest.NewRecorder()
	req.Header.Set("Authorization", "Bearer "+u.access)
	u.ServeHTTP(w, req)
	if said := w.Body.String(); w.Code != status || !strings.Contains(said, part) {
		u.t.Errorf("%s %s: %d %s, want %d and %s", call, body, w.Code, said, status, part)
	}
	return w.Body.String()
}

// token is what an answer names so.
func token(said, name string) string {
	_, rest, _ := strings.Cut(said, `"`+name+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// TestReads: each names its fields; who is let in; a batch has a status for each contact.
func TestReads(t *testing.T) {
	t.Parallel()
	u := newUser(t, 0, 3)
	u.wants(400, "PersonFields mask is required", "GET /v1/people/c1001", "")
	u.wants(400, "Invalid personFields mask", "GET /v1/people/c1001?personFields=name", "")
	u.wants(200, `"resourceName":"people/c1001"`, "GET /v1/people/c1001?personFields=names", "")
	u.wants(404, `"status":"NOT_FOUND"`, "GET /v1/people/c9?personFields=names", "")
	u.wants(200, `"status":{"code":5,`,
		"GET /v1/people:batchGet?personFields=names&resourceNames=people/c1001&resourceNames=people/c9", "")
	u.wants(400, "between 1 and 200", "GET /v1/people:batchGet?personFields=names"+
		strings.Repeat("&resourceNames=people/c1", 201), "")
	u.wants(200, googlecontactsfake.UserEmail, "GET /v1/people/me?personFields=emailAddresses", "")
	u.wants(200, `"name":"VIP"`, "GET /v1/contactGroups", "")
	u.wants(409, `"status":"ALREADY_EXISTS"`, "POST /v1/contactGroups", `{"contactGroup":{"name":"vip"}}`)
	u.wants(200, `"name":"New"`, "POST /v1/contactGroups", `{"contactGroup":{"name":"New"}}`)
	u.access = "another"
	u.wants(401, `"status":"UNAUTHENTICATED"`, "GET /v1/people/me?personFields=names", "")
}

// TestWrites: an update needs the source's etag and replaces the fields of its mask; one
// invalid contact refuses its batch, unless the knob says otherwise.
func TestWrites(t *testing.T) {
	t.Parallel()
	u := newUser(t, 0, 0)
	create, update := "POST /v1/people:batchCreateContacts", "POST /v1/people:batchUpdateContacts"
	made := func(person string) string {
		return `{"readMask":"names,memberships","contacts":[{"contactPerson":{"names":[{"givenName":"Ann"}]}},{"contactPerson":` + person + `}]}`
	}
	for person, part := range map[string]string{
		`{"names":[{"givenName":"A"},{"givenName":"B"}]}`:                 "More than one names",
		`{"birthdays":[{"date":{"year":2001,"month":2,"day":31}}]}`:       "Invalid birthday",
		`{"memberships":[{"contactGroupMembership":{"contactGroup":1}}]}`: "does not exist",
	} {
		u.wants(400, part, create, made(person))
		u.wants(400, `"contactErrors":{"1":{"code":3`, create, made(person))
	}
	if n := len(u.Core().Records("contacts")); n != 0 {
		t.Fatalf("%d contacts were made of batches that failed", n)
	}
	u.wants(200, `"contactGroupResourceName":"contactGroups/myContacts"`, create,
		made(`{"emailAddresses":[{"value":"a@example.org","type":"work"},{"value":"b@example.org"}]}`))
	change := func(mask, meta, fields string) string {
		return fmt.Sprintf(`{"updateMask":%q,"readMask":"names,emailAddresses","contacts":{"people/c1002":{%s%s}}}`, mask,
			meta, fields)
	}
	meta := `"metadata":{"sources":[{"type":"CONTACT","etag":"#2"}]},`
	u.wants(400, "metadata.sources must be specified", update, change("names", "", `"names":[]`))
	u.wants(400, `"code":9`, update, change("names", strings.Replace(meta, "#2", "#1", 1), `"names":[]`))
	u.wants(400, "at least one contact group", update, change("memberships", meta, `"memberships":[]`))
	u.wants(400, "updateMask", update, change("photos", meta, `"names":[]`))
	u.wants(200, `"emailAddresses":[{"metadata"`, update, change("names", meta, `"names":[{"familyName":"Roe"}]`))
	u.wants(200, `"updateResult":{"people/c1002"`, update, change("emailAddresses", strings.Replace(meta, "#2", "#3", 1),
		`"names":[]`))
	if got := u.Person("c1002")["emailAddresses"]; got != nil {
		t.Errorf("a masked field that is left out holds %v", got)
	}
	u.wants(404, "NOT_FOUND", "POST /v1/people:batchDeleteContacts", `{"resourceNames":["people/c1001","people/c9"]}`)
	u.wants(200, "{}", "POST /v1/people:batchDeleteContacts", `{"resourceNames":["people/c1001"]}`)
	u.wants(200, "ok", "PUT /_fake/google", `{"partial_batches":true}`)
	u.wants(400, `"contactErrors":{"1":`, create, made(`{"names":[{},{}]}`))
	if n := len(u.Core().Records("contacts")); n != 3 {
		t.Errorf("%d contacts, want the valid one of the batch too", n)
	}
}

// TestListings: tokens are good with the parameters they were made for; one tells of
// what changed and what is gone, after the lag, for a week.
func TestListings(t *testing.T) {
	t.Parallel()
	u := newUser(t, time.Minute, 25)
	u.clock.Advance(time.Minute)
	seen, page := 0, ""
	var sync string
	for more := true; more; {
		said := u.wants(200, `"totalItems":25`, list+"&pageSize=10&requestSyncToken=true&pageToken="+page, "")
		seen += strings.Count(said, `"objectType"`)
		page, sync = token(said, "nextPageToken"), token(said, "nextSyncToken")
		more = page != ""
	}
	if seen != 25 || sync == "" {
		t.Fatalf("%d of 25 contacts, token %q", seen, sync)
	}
	since := list + "&pageSize=10&requestSyncToken=true&syncToken=" + sync
	u.wants(400, "parameters", strings.Replace(since, "names", "urls", 1), "")
	u.wants(400, "invalid argument", list+"&pageSize=1001", "")
	first, gone, linked := "c1001", "c1002", "c1003"
	if _, err := u.Core().UpdateRecord("contacts", first, map[string]string{"names/givenName": "Neu"}); err != nil {
		t.Fatal(err)
	}
	if err := u.Core().DeleteRecord("contacts", gone); err != nil {
		t.Fatal(err)
	}
	u.wants(200, `"id":"c1026"`, "POST /_fake/google/rename", `{"id":"`+linked+`"}`)
	if said := u.wants(200, "nextSyncToken", since, ""); strings.Contains(said, "connections") {
		t.Errorf("before the lag: %s", said)
	}
	u.clock.Advance(time.Minute)
	u.wants(200, `"givenName":"Neu"`, since, "")
	u.wants(200, `"deleted":true`, since, "")
	u.wants(200, `"previousResourceNames":["people/c1003"]`, since, "")
	u.wants(200, `"resourceName":"people/c1026"`, "GET /v1/people/"+linked+"?personFields=names", "")
	u.clock.Advance(6 * 24 * time.Hour)
	u.access = u.OAuthToken().Access
	newer := token(u.wants(200, "nextSyncToken", since, ""), "nextSyncToken")
	u.clock.Advance(24 * time.Hour)
	u.access = u.OAuthToken().Access
	u.wants(400, `"reason":"EXPIRED_SYNC_TOKEN"`, strings.Replace(since, sync, newer, 1), "")
	u.wants(200, "ok", "PUT /_fake/google", `{"expired_status":410}`)
	u.wants(410, "EXPIRED_SYNC_TOKEN", since, "")
}
