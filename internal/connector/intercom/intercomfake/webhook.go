package intercomfake

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what Intercom signs with
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// tell queues the event of a change [W1].
func (f *space) tell(o *object, what string, r *fakekit.Record, more map[string]any) {
	f.events++
	topic := o.model + "." + what
	if o.model == "contact" && (what == "created" || what == "updated" || what == "tag.created") {
		topic = "contact." + r.Fields["role"] + "." + what
	}
	item := f.show(o, r)
	if what == "deleted" {
		item = map[string]any{"type": o.model, "id": r.ID, "external_id": nil, "deleted": true}
	}
	maps.Copy(item, more)
	if what == "tag.created" {
		item = map[string]any{"type": "contact_tag", "contact": item, "tag": map[string]string{"type": "tag"}}
	}
	f.Emit(fakekit.Event{Object: o.name, ID: r.ID, Kind: topic, At: r.Modified, Data: map[string]any{
		"type": "notification_event", "id": fmt.Sprintf("notif_%08d", f.events), "topic": topic, "app_id": AppID,
		"created_at":    r.Modified.Unix(),
		"first_sent_at": r.Modified.Unix(), "data": map[string]any{"type": "notification_event_data", "item": item},
	}})
}

// PackLimit implements fakekit.App: one event a request.
func (*space) PackLimit() int { return 1 }

// Pack implements fakekit.App: signed over the body, without a time [W2].
func (*space) Pack(hook fakekit.Webhooks, events []fakekit.Event, attempt int, _ time.Time) fakekit.Packed {
	data, _ := events[0].Data.(map[string]any)
	data = maps.Clone(data)
	data["delivery_attempts"] = attempt + 1
	body, _ := json.Marshal(data) // made of JSON's own types
	mac := hmac.New(sha1.New, []byte(cmp.Or(hook.Secret, ClientSecret)))
	_, _ = mac.Write(body)
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(mac.Sum(nil)))
	return fakekit.Packed{Method: http.MethodPost, URL: hook.URL, Header: h, Body: body}
}

// Accepted implements fakekit.App.
func (*space) Accepted(status int, _ []byte) bool { return status >= 200 && status < 300 }

// RetryIn implements fakekit.App: once more after a minute [W2].
func (*space) RetryIn(attempt int) (time.Duration, bool) { return time.Minute, attempt == 1 }
