package pipedrivefake

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// tell queues the event of a change [W1].
func (f *company) tell(o *object, r *fakekit.Record, action string, more map[string]any) {
	f.events++
	meta := map[string]any{
		"action": action, "entity": o.singular, "entity_id": r.ID, "company_id": strconv.Itoa(CompanyID),
		"id": "fake-event-" + strconv.FormatInt(f.events, 10), "timestamp": r.Modified.UTC().Format("2006-01-02T15:04:05.000Z"),
		"type": "general", "user_id": "3", "version": "2.0", "webhook_id": "5", "change_source": "app", "is_bulk_edit": false,
		"permitted_user_ids": []string{"3"},
	}
	maps.Copy(meta, more)
	data := map[string]any{"meta": meta, "data": f.show(o, r)}
	if action == "delete" {
		data["data"], data["previous"] = nil, f.show(o, r)
	}
	f.Emit(fakekit.Event{Object: o.name, ID: r.ID, Kind: o.singular + "." + action, At: r.Modified, Data: data})
}

// PackLimit implements fakekit.App: one event a delivery.
func (*company) PackLimit() int { return 1 }

// Pack implements fakekit.App: a user and a password are all the proof there is.
func (*company) Pack(hook fakekit.Webhooks, events []fakekit.Event, attempt int, _ time.Time) fakekit.Packed {
	data, _ := events[0].Data.(map[string]any)
	meta, _ := data["meta"].(map[string]any)
	meta = maps.Clone(meta)
	meta["attempt"] = attempt + 1
	body, _ := json.Marshal(map[string]any{"meta": meta, "data": data["data"], "previous": data["previous"]}) // made of JSON's own types
	password := hook.Secret
	if password == "" {
		password = HookPassword
	}
	req := http.Request{Header: http.Header{"Content-Type": {"application/json"}}}
	req.SetBasicAuth(HookUser, password)
	return fakekit.Packed{Method: http.MethodPost, URL: hook.URL, Header: req.Header, Body: body}
}

// Accepted implements fakekit.App.
func (*company) Accepted(status int, _ []byte) bool { return status >= 200 && status < 300 }

// RetryIn implements fakekit.App: three more tries [W1].
func (*company) RetryIn(attempt int) (time.Duration, bool) {
	waits := []time.Duration{3 * time.Second, 30 * time.Second, 150 * time.Second}
	if attempt < 1 || attempt > len(waits) {
		return 0, false
	}
	return waits[attempt-1], true
}
