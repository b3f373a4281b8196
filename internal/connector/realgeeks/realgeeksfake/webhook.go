package realgeeksfake

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// tell queues the message about a lead: all that it holds, and, empty, what was unset [R4][R13].
func (f *site) tell(action string, r *fakekit.Record) {
	body := map[string]any{
		"id": r.ID, "action": action, "created": r.Created.Format(time.RFC3339Nano), "site_uuid": Site,
		"site_domain": "www.example.com", "partner_id": "lockstep",
		"agent_name": "Alex Agent", "agent_email": "alex@example.com", "activities": []any{},
	}
	for name := range f.unset[r.ID] {
		body[name] = ""
	}
	for name, v := range r.Fields {
		body[name] = v
	}
	f.Emit(fakekit.Event{Object: Object, ID: r.ID, Kind: action, At: r.Modified, Data: body})
}

// PackLimit implements fakekit.App: one message a call.
func (*site) PackLimit() int { return 1 }

// Pack implements fakekit.App: the time is that of the message, however often it is sent,
// and stands in a header that is not signed [R9][R13].
func (*site) Pack(to fakekit.Webhooks, events []fakekit.Event, _ int, _ time.Time) fakekit.Packed {
	e := events[0]
	body, _ := json.Marshal(e.Data) // made of JSON's own types
	mac := hmac.New(sha256.New, []byte(cmp.Or(to.Secret, HookSecret)))
	mac.Write(body)
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set("X-Lead-Router-Action", e.Kind)
	h.Set("X-Lead-Router-Timestamp", e.At.Format(time.RFC3339Nano))
	h.Set("X-Lead-Router-Message-Id", fmt.Sprintf("00000000-0000-4000-8000-%012d", e.N))
	h.Set("X-Lead-Router-Signature", hex.EncodeToString(mac.Sum(nil)))
	return fakekit.Packed{Method: http.MethodPost, URL: to.URL, Header: h, Body: body}
}

// Accepted implements fakekit.App: 406 says that the message is not wanted [R13].
func (*site) Accepted(status int, _ []byte) bool {
	return status == http.StatusOK || status == http.StatusNotAcceptable
}

// RetryIn implements fakekit.App: eight attempts.
func (*site) RetryIn(attempt int) (time.Duration, bool) {
	waits := []time.Duration{
		10 * time.Minute,
		30 * time.Minute,
		time.Hour,
		2 * time.Hour,
		2 * time.Hour,
		4 * time.Hour,
		4 * time.Hour,
	}
	if attempt > len(waits) {
		return 0, false
	}
	return waits[attempt-1], true
}
