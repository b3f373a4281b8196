package intercomfake

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// shownTags is how many tags a contact shows of itself [S].
const shownTags = 10

// show writes a record as the API does. One that the knob has broken lacks its times.
func (f *space) show(o *object, r *fakekit.Record) map[string]any {
	custom := map[string]any{}
	out := map[string]any{"type": o.model, "custom_attributes": custom}
	for _, a := range o.attributes {
		into := out
		if a.Custom {
			into = custom
		}
		if !a.Archived {
			into[a.Name] = a.json(r.Fields[a.Full])
		}
	}
	out["id"], out["created_at"], out["updated_at"] = r.ID, r.Created.Unix(), r.Modified.Unix()
	if f.BrokenRow(r.ID) {
		delete(out, "updated_at")
	}
	if o.model == "company" {
		out["plan"] = map[string]any{"type": "plan", "id": "1", "name": r.Fields["plan"]}
		return out
	}
	out["workspace_id"] = AppID
	out["tags"] = f.tagsOf(r, shownTags)
	return out
}

// tagsOf are a contact's tags, so many of them.
func (f *space) tagsOf(r *fakekit.Record, most int) map[string]any {
	all := split(r.Fields["tags"])
	data := []map[string]string{}
	for _, name := range all[:min(most, len(all))] {
		t := f.tag(name)
		one := map[string]string{"type": "tag", "id": t.ID, "url": "/tags/" + t.ID}
		if most > shownTags {
			one["name"] = t.Name
		}
		data = append(data, one)
	}
	return map[string]any{
		"type": "list", "data": data, "url": "/contacts/" + r.ID + "/tags", "total_count": len(all),
		"has_more": len(all) > most,
	}
}

// json is a value in the type that the attribute has.
func (a attribute) json(v string) any {
	switch {
	case v == "" && a.Data == "boolean":
		return false
	case v == "":
		return nil
	case a.Data == "integer", a.Data == "date", a.Data == "float":
		return json.Number(v)
	case a.Data == "boolean":
		return v == "true"
	}
	return v
}

// text reads a value of a body.
func (a attribute) text(raw json.RawMessage) (string, bool) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, a.Data != "boolean"
	case bool, float64:
		return string(raw), a.Data != "string"
	}
	return "", false
}

// fieldsIn reads the body of a write.
func (o *object) fieldsIn(r *http.Request) (map[string]string, error) {
	var body, custom map[string]json.RawMessage
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return nil, &refusal{400, "parameter_invalid", "the body is no JSON object", ""}
	}
	if raw, ok := body["custom_attributes"]; ok {
		if json.Unmarshal(raw, &custom) != nil {
			return nil, &refusal{400, "parameter_invalid", "custom_attributes must be an object", "custom_attributes"}
		}
		delete(body, "custom_attributes")
	}
	for name, raw := range custom {
		body["custom_attributes."+name] = raw
	}
	out := map[string]string{}
	for name, raw := range body {
		a, ok := o.attribute(name)
		if !ok {
			return nil, &refusal{400, "parameter_invalid", "Custom attribute '" + name + "' does not exist", name}
		}
		if out[name], ok = a.text(raw); !ok {
			return nil, &refusal{400, "parameter_invalid", "Invalid value for " + name, name}
		}
	}
	return out, nil
}

func split(v string) []string {
	if v == "" {
		return nil
	}
	return strings.Split(v, ";")
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// refusal is an error of the API.
type refusal struct {
	status            int
	code, text, field string
}

func (e *refusal) Error() string { return e.text }

// fail is the error body of every call [S].
func fail(w http.ResponseWriter, e *refusal) {
	one := map[string]string{"code": e.code, "message": e.text}
	if e.field != "" {
		one["field"] = e.field
	}
	fakekit.WriteJSON(w, e.status, map[string]any{
		"type": "error.list", "request_id": "b68959ea6328902209709e58c", "errors": []any{one},
	})
}

// Refuse implements fakekit.App.
func (*space) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	codes := map[int]string{
		401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limit_exceeded", 500: "server_error",
		503: "service_unavailable",
	}
	fail(w, &refusal{status, codes[status], http.StatusText(status), ""})
}

// Throttle implements fakekit.App: when it is over is told as a time [L1].
func (f *space) Throttle(w http.ResponseWriter, _ *http.Request, _ fakekit.LimitKind, wait time.Duration) {
	f.pace(w.Header(), wait)
	fail(w, &refusal{
		429, "rate_limit_exceeded", "Exceeded rate limit of " + strconv.Itoa(f.Usage().Limits.Calls) + " in 10_seconds", "",
	})
}

// pace is how every answer tells of the limit [L1].
func (f *space) pace(h http.Header, reset time.Duration) {
	u := f.Usage()
	h.Set("X-RateLimit-Limit", strconv.Itoa(u.Limits.Calls))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(u.Remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(f.Now().Add(reset+time.Second-1).Unix(), 10))
}

// Unknown implements fakekit.App.
func (*space) Unknown(w http.ResponseWriter, _ *http.Request, status int) {
	fail(w, &refusal{status, "not_found", "The requested resource was not found", ""})
}
