package restapp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// Show writes a record as the app does. One that the knob has broken has values of no
// type that any field has.
func (f *Fake) Show(o *Object, r *fakekit.Record) map[string]any {
	out := map[string]any{}
	for _, d := range o.Fields {
		v := d.json(r.Fields[d.Name], o.Blank)
		if f.BrokenRow(r.ID) {
			v = map[string]any{"broken": true}
		}
		if v != Omitted {
			set(out, d.at(), v)
		}
	}
	var id any = r.ID
	if o.ShownID != nil {
		id = o.ShownID(r.ID)
	}
	set(out, o.ID, id)
	if o.Created != "" {
		set(out, o.Created, o.Stamp(r.Created))
	}
	if o.Modified != "" {
		set(out, o.Modified, o.Stamp(r.Modified))
	}
	return out
}

// json is a value in the type that the app has for the field.
func (d Field) json(v string, blank any) any {
	switch {
	case v == "" && d.Kind == List && blank != Omitted:
		return []string{}
	case v == "":
		return blank
	case d.Kind == List:
		return strings.Split(v, ";")
	case d.Kind == Number || d.Kind == NumberText:
		return json.Number(v)
	case d.Kind == Bool:
		return v == "true"
	}
	return v
}

func set(out map[string]any, pointer string, v any) {
	parts := strings.Split(pointer[1:], "/")
	for _, part := range parts[:len(parts)-1] {
		next, ok := out[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			out[part] = next
		}
		out = next
	}
	out[parts[len(parts)-1]] = v
}

// Take takes what stands at a pointer out of a body; mappings that it leaves empty go too.
func Take(body map[string]any, pointer string) (v any, ok bool) {
	head, rest, nested := strings.Cut(pointer[1:], "/")
	if v, ok = body[head]; !ok || !nested {
		delete(body, head)
		return v, ok
	}
	inner, isMap := v.(map[string]any)
	if !isMap {
		return nil, false
	}
	if v, ok = Take(inner, "/"+rest); len(inner) == 0 {
		delete(body, head)
	}
	return v, ok
}

// Body reads the body of a call.
func (f *Fake) Body(r *http.Request) (map[string]any, *Refusal) {
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	var body map[string]any
	if err := dec.Decode(&body); err != nil || body == nil {
		return nil, &Refusal{Status: http.StatusBadRequest, Code: "bad_body", Text: "the body is no JSON object"}
	}
	return body, nil
}

// Values reads what a body says about a record.
func (f *Fake) Values(o *Object, body map[string]any) (Values, *Refusal) {
	out := Values{}
	for _, d := range o.Fields {
		v, given := Take(body, d.to())
		if !given {
			continue
		}
		text, ok := d.text(v)
		if !ok {
			return nil, bad("bad_value", d.Name, "has a value of another type")
		}
		out[d.Name] = text
	}
	if left := slices.Sorted(maps.Keys(body)); len(left) > 0 && !o.Lenient {
		return nil, bad("unknown_field", left[0], "is no field")
	}
	return out, nil
}

// text reads a value of the field's type; null and "" clear.
func (d Field) text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, v == "" || d.Kind == Text
	case json.Number:
		return v.String(), d.Kind == Number || d.Kind == NumberText
	case bool:
		return fmt.Sprint(v), d.Kind == Bool
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			text, ok := one.(string)
			if parts[i] = text; !ok {
				return "", false
			}
		}
		return strings.Join(parts, ";"), d.Kind == List
	}
	return "", false
}

// Asked is what a listing is asked for.
type Asked struct {
	From    time.Time // modified at or after it, as finely as the app tells times; zero = all
	Match   func(*fakekit.Record) bool
	ByTime  bool // in the order of modification; else of IDs
	Indexed bool // by what the search index knows
	Limit   int  // 0 = all
	Offset  int
	Cursor  string // as Page.Next was
}

// Page is one page of a listing.
type Page struct {
	Records []any
	Next    string // a cursor behind the page; "" = there is no more
	Total   int    // of all pages
}

// List lists live records.
func (f *Fake) List(o *Object, q Asked) (Page, *Refusal) {
	var all []*fakekit.Record
	view := o.table.Live
	if q.Indexed {
		view = o.table.Indexed()
	}
	view.Ascend(time.Time{}, "", func(r *fakekit.Record) bool {
		if !r.Modified.Truncate(o.Grain).Before(q.From) && (q.Match == nil || q.Match(r)) {
			all = append(all, r)
		}
		return true
	})
	key := func(r *fakekit.Record) string {
		at := int64(0)
		if q.ByTime {
			at = r.Modified.Truncate(o.Grain).UnixMilli()
		}
		return fmt.Sprintf("%020d %03d %s", at, len(r.ID), r.ID)
	}
	slices.SortFunc(all, func(a, b *fakekit.Record) int { return strings.Compare(key(a), key(b)) })
	page := Page{Total: len(all)}
	if q.Cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		if err != nil {
			return page, bad("bad_value", "cursor", "is none of ours")
		}
		all = slices.DeleteFunc(all, func(r *fakekit.Record) bool { return key(r) <= string(after) })
	}
	all = all[min(q.Offset, len(all)):]
	if q.Limit > 0 && len(all) > q.Limit {
		all = all[:q.Limit]
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(key(all[q.Limit-1])))
	}
	page.Records = make([]any, len(all))
	for i, r := range all {
		page.Records[i] = f.Show(o, r)
	}
	return page, nil
}

// Holds matches records whose field has a value, whatever its case.
func Holds(field, value string) func(*fakekit.Record) bool {
	return func(r *fakekit.Record) bool {
		return value != "" && strings.EqualFold(strings.TrimSpace(r.Fields[field]), strings.TrimSpace(value))
	}
}

// Known lets calls with a good key or token through, and has h work for a program.
func (f *Fake) Known(h func(w http.ResponseWriter, r *http.Request) *Refusal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, state := f.Tokens().Check(f.spec.Present(r)); state != fakekit.TokenValid {
			f.spec.Refuse(w, Refusal{Status: http.StatusUnauthorized, Code: "unauthorized", Text: "unauthorized"})
			return
		}
		f.byUser = false
		defer func() { f.byUser = true }()
		if refused := h(w, r); refused != nil {
			f.spec.Refuse(w, *refused)
		}
	}
}

// Only refuses parameters that an endpoint does not have.
func Only(r *http.Request, known ...string) *Refusal {
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
			return bad("unknown_parameter", name, "is no parameter")
		}
	}
	return nil
}

// Int reads a parameter between bounds.
func Int(r *http.Request, name string, otherwise, least, most int) (int, *Refusal) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n := 0
	if _, err := fmt.Sscanf(text, "%d", &n); err != nil || fmt.Sprint(n) != text || n < least || n > most {
		return 0, bad("bad_value", name, "is out of range")
	}
	return n, nil
}

// Refuse implements fakekit.App.
func (f *Fake) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	f.spec.Refuse(w, Refusal{Status: status, Text: http.StatusText(status)})
}

// Throttle implements fakekit.App.
func (f *Fake) Throttle(w http.ResponseWriter, r *http.Request, _ fakekit.LimitKind, wait time.Duration) {
	if f.spec.Wait != nil {
		f.spec.Wait(w.Header(), wait)
	}
	f.Refuse(w, r, http.StatusTooManyRequests)
}

// Unknown implements fakekit.App.
func (f *Fake) Unknown(w http.ResponseWriter, r *http.Request, status int) { f.Refuse(w, r, status) }

// Pack implements fakekit.App.
func (f *Fake) Pack(hook fakekit.Webhooks, events []fakekit.Event, _ int, now time.Time) fakekit.Packed {
	return f.spec.Hook.Pack(f, hook, events, now)
}

// PackLimit implements fakekit.App.
func (f *Fake) PackLimit() int {
	if f.spec.Hook == nil {
		return 1
	}
	return f.spec.Hook.Limit
}

// Accepted implements fakekit.App.
func (*Fake) Accepted(status int, _ []byte) bool { return status >= 200 && status < 300 }

// RetryIn implements fakekit.App.
func (*Fake) RetryIn(attempt int) (time.Duration, bool) {
	return time.Duration(attempt) * time.Minute, attempt <= 3
}
