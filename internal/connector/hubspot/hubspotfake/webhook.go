package hubspotfake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// The rules of delivery (W1): up to 100 events a call, up to 10 tries over 24
// hours.
const (
	maxEvents = 100
	maxTries  = 10
)

// event queues what subscriptions tell of (W1). The kind is the object's
// singular and the verb: "contact.creation".
func (f *account) event(o *object, verb, id string, by source, extra map[string]any) {
	if o.silent {
		return
	}
	f.eventID++
	data := map[string]any{
		"eventId":        f.eventID % 1000, // not unique (W1)
		"subscriptionId": 100, "portalId": f.portal, "appId": AppID, "objectId": number(id),
		"subscriptionType": o.singular + "." + verb, "changeSource": by.kind, "sourceId": by.id,
	}
	now := f.Tick()
	data["occurredAt"] = now.UnixMilli()
	switch verb {
	case "creation":
		data["changeFlag"] = "CREATED"
	case "deletion":
		data["changeFlag"] = "DELETED"
	}
	if verb == "associationChange" {
		delete(data, "objectId") // it names both ends
	}
	for k, v := range extra {
		data[k] = v
	}
	f.Emit(fakekit.Event{Object: o.name, ID: id, Kind: o.singular + "." + verb, At: now, Data: data})
}

// PackLimit implements fakekit.App.
func (*account) PackLimit() int { return maxEvents }

// Pack implements fakekit.App: an array of events under a signature of version
// 3 (W3), and the older one of version 1 beside it.
func (f *account) Pack(hook fakekit.Webhooks, events []fakekit.Event, attempt int, now time.Time) fakekit.Packed {
	body := make([]map[string]any, 0, len(events))
	for _, e := range events {
		m := map[string]any{"attemptNumber": attempt}
		if data, ok := e.Data.(map[string]any); ok {
			for k, v := range data {
				m[k] = v
			}
		}
		body = append(body, m)
	}
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body)
	b := bytes.TrimRight(raw.Bytes(), "\n")
	secret := hook.Secret
	if secret == "" {
		secret = ClientSecret
	}
	ms := strconv.FormatInt(now.UnixMilli(), 10)
	v1 := sha256.Sum256(append([]byte(secret), b...))
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "HubSpot Connect 2.0 (fake)")
	h.Set("X-HubSpot-Request-Timestamp", ms)
	h.Set("X-HubSpot-Signature-v3", Sign(secret, http.MethodPost, hook.URL, b, ms))
	h.Set("X-HubSpot-Signature", hex.EncodeToString(v1[:]))
	h.Set("X-HubSpot-Signature-Version", "v1")
	return fakekit.Packed{Method: http.MethodPost, URL: hook.URL, Header: h, Body: b}
}

// Sign is version 3 of the signature (W3).
func Sign(secret, method, url string, body []byte, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(method + url))
	mac.Write(body)
	mac.Write([]byte(timestamp))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Accepted implements fakekit.App: anything below 300 will do.
func (*account) Accepted(status int, _ []byte) bool { return status >= 200 && status < 300 }

// RetryIn implements fakekit.App: ten tries spread over a day (W1).
func (*account) RetryIn(attempt int) (time.Duration, bool) {
	waits := []time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
		2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 8 * time.Hour, 2 * time.Hour,
	}
	if attempt > maxTries || attempt < 1 {
		return 0, false
	}
	return waits[attempt-1], true
}
