package leadsquaredfake

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// disabledAfter is how many deliveries without success switch a webhook off [L26].
const disabledAfter = 20

// whole is a lead as a webhook has it: all its fields, blank ones too.
func (f *account) whole(r *fakekit.Record) map[string]any {
	names := make([]string, len(f.fields))
	for i, d := range f.fields {
		names[i] = d.Name
	}
	out := f.show(r, names)
	for name, v := range out {
		if v == nil {
			out[name] = ""
		}
	}
	return out
}

// tell queues the event of a change.
func (f *account) tell(event string, was, r *fakekit.Record) {
	if f.failed >= disabledAfter {
		return
	}
	f.events++
	var body any = f.whole(r)
	if event == "Lead_Post_Update" {
		body = map[string]any{"Before": f.whole(was), "After": f.whole(r)}
	}
	f.Emit(fakekit.Event{Object: Object, ID: r.ID, Kind: event, At: r.Modified, Data: body})
}

// PackLimit implements fakekit.App: one event a call.
func (*account) PackLimit() int { return 1 }

// Pack implements fakekit.App: what happened stands in the address, and a header of the
// customer's own is all the proof there is [L26].
func (*account) Pack(hook fakekit.Webhooks, events []fakekit.Event, _ int, _ time.Time) fakekit.Packed {
	body, _ := json.Marshal(events[0].Data) // made of JSON's own types
	u, err := url.Parse(hook.URL)
	if err != nil {
		u = &url.URL{}
	}
	q := u.Query()
	q.Set("entityType", "webhook")
	q.Set("entityId", "5d1c0f6e")
	q.Set("eventType", events[0].Kind)
	u.RawQuery = q.Encode()
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set(HookHeader, cmp.Or(hook.Secret, HookSecret))
	return fakekit.Packed{Method: http.MethodPost, URL: u.String(), Header: h, Body: body}
}

// Accepted implements fakekit.App: 200 and nothing else.
func (*account) Accepted(status int, _ []byte) bool { return status == http.StatusOK }

// RetryIn implements fakekit.App: three attempts [L26].
func (f *account) RetryIn(attempt int) (time.Duration, bool) {
	if attempt < 3 {
		return time.Minute, true
	}
	f.failed++
	return 0, false
}
