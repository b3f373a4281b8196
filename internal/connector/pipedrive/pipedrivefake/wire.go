package pipedrivefake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// stamp is how version 2 writes times: whole seconds [S2].
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// entry is one e-mail or phone [S2].
type entry struct {
	Value   string `json:"value"`
	Primary bool   `json:"primary"`
	Label   string `json:"label"`
}

// show writes a record as version 2 does. A record that the knob has broken lacks
// its times.
func (f *company) show(o *object, r *fakekit.Record) map[string]any {
	custom := map[string]any{}
	out := map[string]any{"is_deleted": r.Deleted}
	if o.singular != "activity" { // which has none
		out["custom_fields"] = custom
	}
	for _, d := range o.fields {
		into := out
		if d.Custom {
			into = custom
		}
		into[d.Code] = d.json(r.Fields[d.Code])
	}
	id, _ := strconv.ParseInt(r.ID, 10, 64) // the fake made it
	out["id"], out["add_time"], out["update_time"] = id, stamp(r.Created), stamp(r.Modified)
	if f.BrokenRow(r.ID) {
		out["add_time"], out["update_time"] = nil, nil
	}
	return out
}

// json is a value in the type that the API has for the field.
func (d field) json(v string) any {
	switch {
	case d.Code == "emails" || d.Code == "phones":
		list := []entry{}
		for i, part := range split(v) {
			list = append(list, entry{part, i == 0, "work"})
		}
		return list
	case d.Type == "json":
		return participants(v)
	case d.Type == "set":
		list := []json.Number{}
		for _, part := range split(v) {
			list = append(list, json.Number(part))
		}
		if len(list) == 0 && d.Custom {
			return nil
		}
		return list
	case v == "":
		return nil
	case d.Type == "boolean":
		return v == "true"
	case d.Type == "monetary":
		amount, currency, _ := strings.Cut(v, " ")
		return map[string]any{"value": json.Number(amount), "currency": currency}
	case d.number():
		return json.Number(v)
	}
	return v
}

func split(v string) []string {
	if v == "" {
		return nil
	}
	return strings.Split(v, ";")
}

// text reads a value of a body; the API is strict about types (v2 migration guide).
func (d field) text(raw json.RawMessage) (string, error) {
	wrong := fmt.Errorf("parameter '%s' has a wrong type", d.Code)
	if string(raw) == "null" {
		return "", nil
	}
	switch {
	case d.Code == "emails" || d.Code == "phones":
		var list []entry
		if json.Unmarshal(raw, &list) != nil {
			return "", wrong
		}
		var first, rest []string
		for _, e := range list {
			if e.Primary {
				first = append(first, e.Value)
			} else {
				rest = append(rest, e.Value)
			}
		}
		return strings.Join(append(first, rest...), ";"), nil
	case d.Type == "json":
		return participantsIn(raw, wrong)
	case d.Type == "boolean":
		var b bool
		if json.Unmarshal(raw, &b) != nil {
			return "", wrong
		}
		return strconv.FormatBool(b), nil
	case d.Type == "set":
		var list []int64
		if json.Unmarshal(raw, &list) != nil || len(list) == 0 && d.Custom { // [] is refused, null clears
			return "", wrong
		}
		var parts []string
		for _, n := range list {
			parts = append(parts, strconv.FormatInt(n, 10))
		}
		return strings.Join(parts, ";"), nil
	case d.number():
		if json.Unmarshal(raw, new(float64)) != nil {
			return "", wrong
		}
		return string(raw), nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", wrong
	}
	return s, nil
}

// fieldsIn reads the body of a write.
func (o *object) fieldsIn(r *http.Request) (map[string]string, error) {
	var body map[string]json.RawMessage
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return nil, errors.New("the body is no JSON object")
	}
	out := map[string]string{}
	read := func(in map[string]json.RawMessage, custom bool) error {
		for code, raw := range in {
			d, ok := o.field(code)
			if !ok || d.Custom != custom || d.fixed {
				return fmt.Errorf("parameter '%s' is not allowed", code)
			}
			v, err := d.text(raw)
			if err != nil {
				return err
			}
			out[code] = v
		}
		return nil
	}
	if raw, ok := body["custom_fields"]; ok {
		var custom map[string]json.RawMessage
		if json.Unmarshal(raw, &custom) != nil {
			return nil, errors.New("parameter 'custom_fields' has a wrong type")
		}
		if err := read(custom, true); err != nil {
			return nil, err
		}
		delete(body, "custom_fields")
	}
	return out, read(body, false)
}

// fail is the error body of both versions [E1].
func fail(w http.ResponseWriter, status int, text string) {
	body := map[string]any{
		"success": false, "error": text, "data": nil, "additional_data": nil,
		"error_info": "Please check developers.pipedrive.com for more information about Pipedrive API.",
	}
	if status == http.StatusUnauthorized {
		body["errorCode"] = status
	}
	fakekit.WriteJSON(w, status, body)
}

// answer is a success, with the cursor of the next page where there is one.
func answer(w http.ResponseWriter, status int, data any, next string) {
	more := map[string]any{"next_cursor": nil}
	if next != "" {
		more["next_cursor"] = next
	}
	fakekit.WriteJSON(w, status, map[string]any{"success": true, "data": data, "additional_data": more})
}

// Refuse implements fakekit.App.
func (*company) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	fail(w, status, http.StatusText(status))
}

// Throttle implements fakekit.App: no Retry-After, but the seconds until there is room [L].
func (f *company) Throttle(w http.ResponseWriter, _ *http.Request, _ fakekit.LimitKind, wait time.Duration) {
	tellPace(w.Header(), f.Usage(), wait)
	fail(w, http.StatusTooManyRequests, "request over limit")
}

// tellPace is how every answer tells of the burst limit [L].
func tellPace(h http.Header, u fakekit.Usage, reset time.Duration) {
	h.Set("x-ratelimit-limit", strconv.Itoa(u.Limits.Calls))
	h.Set("x-ratelimit-remaining", strconv.Itoa(u.Remaining))
	h.Set("x-ratelimit-reset", strconv.FormatFloat(reset.Seconds(), 'f', 1, 64))
}

// Unknown implements fakekit.App.
func (*company) Unknown(w http.ResponseWriter, _ *http.Request, status int) {
	fail(w, status, http.StatusText(status))
}
