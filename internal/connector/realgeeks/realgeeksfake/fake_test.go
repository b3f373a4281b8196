package realgeeksfake_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/realgeeks/realgeeksfake"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

const (
	leads = "/rest/sites/" + realgeeksfake.Site + "/leads"
	lead  = "3f0c2b9e-7d51-4c3a-a1d8-e4f60b725c19"
	bare  = "3f0c2b9e7d514c3aa1d8e4f60b725c19"
)

// site is a fake on a clock that tests move.
type site struct {
	*realgeeksfake.Fake

	t     testing.TB
	clock *testclock.Clock
}

func newSite(t testing.TB) site {
	clock := testclock.New()
	return site{realgeeksfake.New(fakekit.Config{Now: clock.Now}), t, clock}
}

// wants makes a call as user, "" = the integration, and holds the answer against a status
// and a part of what it says.
func (s site) wants(status int, part, user, call, body string) {
	s.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	req, w := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body)), httptest.NewRecorder()
	if user == "" {
		user = realgeeksfake.Username
	}
	req.SetBasicAuth(user, realgeeksfake.Password)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	s.ServeHTTP(w, req)
	if said := w.Body.String(); w.Code != status || !strings.Contains(said, part) {
		s.t.Errorf("%s %s: %d %s, want %d and %s", call, body, w.Code, said, status, part)
	}
}

func (s site) holds(id string) map[string]string {
	for _, r := range s.Core().Records("leads") {
		if r.ID == id && !r.Deleted {
			return r.Fields
		}
	}
	return nil
}

// TestLeads: who is let in; a create answers nothing, and changes a lead that is known;
// only version 2 unsets; nothing can be asked for.
func TestLeads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.wants(401, `"error"`, "nobody", "POST "+leads, `{}`)
	s.wants(403, `"error"`, "", "POST /rest/sites/"+lead+"/leads", `{}`)
	s.wants(400, "Invalid JSON", "", "POST "+leads, `[]`)
	s.wants(400, "'source' is required", "", "POST "+leads, `{"email":"a@example.com"}`)
	s.wants(400, "identification", "", "POST "+leads, `{"source":"Fair","zip":"96720"}`)
	s.wants(400, "valid UUID", "", "POST "+leads, `{"id":"7","source":"Fair","email":"a@example.com"}`)
	s.wants(400, "'role'", "", "POST "+leads, `{"source":"Fair","email":"a@example.com","role":"Astronaut"}`)
	s.wants(400, "not a string", "", "POST "+leads, `{"source":"Fair","email":7}`)
	s.wants(400, "'shoe_size' is not allowed", "", "POST "+leads,
		`{"source":"Fair","email":"a@example.com","shoe_size":"9"}`)
	s.wants(201, "{}", "", "POST "+leads,
		`{"id":"`+lead+`","source":"Fair","email":"a@example.com","city":"Hilo","activities":[]}`)
	s.wants(201, "{}", "", "POST "+leads, `{"source":"Web","email":"A@Example.com","first_name":"Ann"}`)
	if got := s.holds(bare); len(s.Core().Records("leads")) != 1 || got["first_name"] != "Ann" || got["source"] != "Web" ||
		got["city"] != "Hilo" {
		t.Errorf("a known lead is %v", got)
	}
	s.wants(200, "{}", "", "PATCH "+leads+"/"+lead, `{"city":"","zip":"96720"}`)
	if got := s.holds(bare); got["city"] != "Hilo" || got["zip"] != "96720" {
		t.Errorf("version 1 made it %v", got)
	}
	s.wants(200, "{}", "", "PATCH /v2"+leads+"/"+bare, `{"city":""}`)
	if got := s.holds(bare); got["city"] != "" {
		t.Errorf("version 2 made it %v", got)
	}
	s.wants(404, "not found", "", "PATCH /v2"+leads+"/00000000-0000-4000-8000-000000000001", `{}`)
	s.wants(405, "", "", "GET "+leads+"/"+lead, "")
	s.wants(405, "", "", "GET "+leads, "")
}

// TestWebhooks: a message has the lead, what was unset as empty, the time of the change
// however late it is sent, and a signature over the body; there are eight tries.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Core().SetWebhooks(fakekit.Webhooks{URL: "https://hook.example.com/x", Secret: "pass"})
	s.wants(201, "{}", "", "POST "+leads, `{"id":"`+lead+`","source":"Fair","email":"a@example.com","city":"Hilo"}`)
	s.clock.Advance(time.Second)
	changed := s.clock.Now()
	if _, err := s.Core().UpdateRecord("leads", bare, map[string]string{"city": ""}); err != nil {
		t.Fatal(err)
	}
	if err := s.Core().DeleteRecord("leads", bare); err != nil { // which nobody is told of
		t.Fatal(err)
	}
	s.clock.Advance(time.Hour)
	all := s.Core().Take()
	if len(all) != 2 {
		t.Fatalf("%d messages", len(all))
	}
	for i, want := range []string{
		`"action":"created" "city":"Hilo" "id":"` + bare + `"`, `"action":"updated" "city":"" "email":"a@example.com"`,
	} {
		for part := range strings.SplitSeq(want, " ") {
			if !strings.Contains(string(all[i].Packed.Body), part) {
				t.Errorf("%s lacks %s", all[i].Packed.Body, part)
			}
		}
	}
	mac := hmac.New(sha256.New, []byte("pass"))
	mac.Write(all[1].Packed.Body)
	h := all[1].Packed.Header
	if got := h.Get("X-Lead-Router-Signature"); got != hex.EncodeToString(mac.Sum(nil)) ||
		h.Get("X-Lead-Router-Action") != "updated" {
		t.Errorf("signed %s: %v", got, h)
	}
	if at, err := time.Parse(time.RFC3339Nano, h.Get("X-Lead-Router-Timestamp")); err != nil || !at.Equal(changed) {
		t.Errorf("the time is %v, %v, want %v", at, err, changed)
	}
	if _, err := s.Core().CreateRecord("leads", map[string]string{"last_name": "Roe"}); err != nil {
		t.Fatal(err)
	}
	tries := 0
	for range 12 {
		_, _ = s.Core().Deliver(t.Context(), fakekit.Client(s)) // which has no such address
		s.clock.Advance(5 * time.Hour)
	}
	log, _ := s.Core().Deliveries()
	for _, d := range log {
		if strings.Contains(string(d.Packed.Body), "Roe") {
			tries = max(tries, d.Attempt)
		}
	}
	if tries != 8 {
		t.Errorf("%d tries, want 8", tries)
	}
}
