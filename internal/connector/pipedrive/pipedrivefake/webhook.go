package pipedrivefake

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// A receiver is banned after so many first attempts that failed, for so long [W1].
const banAfter, banFor = 10, 30 * time.Minute

// tell queues the event of a change; while the receiver is banned it is lost [W1].
func (f *company) tell(o *object, old, r *fakekit.Record, action, merged, other string) {
	if f.Now().Before(f.banned) {
		return
	}
	f.events++
	meta := map[string]any{
		"action": action, "entity": o.singular, "entity_id": r.ID, "company_id": strconv.Itoa(CompanyID), "type": "general",
		"id": "fake-event-" + strconv.FormatInt(f.events, 10), "user_id": "3", "version": "2.0", "webhook_id": "5",
		"timestamp": r.Modified.UTC().Format("2006-01-02T15:04:05.000Z"), "change_source": f.source,
		"is_bulk_edit": false, "permitted_user_ids": []string{"3"},
	}
	if other != "" {
		meta[merged] = other
	}
	data := map[string]any{"meta": meta, "data": f.show(o, r)}
	switch action {
	case "change":
		data["previous"] = changed(f.show(o, old), f.show(o, r))
	case "delete":
		data["data"], data["previous"] = nil, f.show(o, old)
	}
	f.Emit(fakekit.Event{Object: o.name, ID: r.ID, Kind: o.singular + "." + action, At: r.Modified, Data: data})
}

// changed is what of a record was different.
func changed(was, is map[string]any) map[string]any {
	maps.DeleteFunc(was, func(name string, v any) bool { return reflect.DeepEqual(v, is[name]) })
	if custom, ok := was["custom_fields"].(map[string]any); ok {
		now, _ := is["custom_fields"].(map[string]any)
		was["custom_fields"] = changed(custom, now)
	}
	return was
}

// PackLimit implements fakekit.App: one event a delivery.
func (*company) PackLimit() int { return 1 }

// Pack implements fakekit.App: a user and a password are all the proof there is.
func (*company) Pack(hook fakekit.Webhooks, events []fakekit.Event, attempt int, _ time.Time) fakekit.Packed {
	data, _ := events[0].Data.(map[string]any)
	meta, _ := data["meta"].(map[string]any)
	meta = maps.Clone(meta)
	meta["attempt"] = attempt + 1
	// made of JSON's own types
	body, _ := json.Marshal(map[string]any{"meta": meta, "data": data["data"], "previous": data["previous"]})
	req := http.Request{Header: http.Header{"Content-Type": {"application/json"}}}
	req.SetBasicAuth(HookUser, cmp.Or(hook.Secret, HookPassword))
	return fakekit.Packed{Method: http.MethodPost, URL: hook.URL, Header: req.Header, Body: body}
}

// Accepted implements fakekit.App.
func (*company) Accepted(status int, _ []byte) bool { return status >= 200 && status < 300 }

// RetryIn implements fakekit.App: three more tries, and a ban for those who fail often [W1].
func (f *company) RetryIn(attempt int) (time.Duration, bool) {
	if attempt == 1 {
		if f.failed++; f.failed == banAfter {
			f.failed, f.banned = 0, f.Now().Add(banFor)
		}
	}
	waits := []time.Duration{3 * time.Second, 30 * time.Second, 150 * time.Second}
	if attempt < 1 || attempt > len(waits) {
		return 0, false
	}
	return waits[attempt-1], true
}
