package intercom

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// custom is what the names of custom attributes begin with.
const custom = "custom_attributes."

// row is a record as Intercom writes it: attributes by their full names.
type row map[string]json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (w *row) UnmarshalJSON(b []byte) error {
	var all, own map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	if raw := all["custom_attributes"]; raw != nil {
		if err := json.Unmarshal(raw, &own); err != nil {
			return err
		}
	}
	delete(all, "custom_attributes")
	for name, raw := range own {
		all[custom+name] = raw
	}
	*w = all
	return nil
}

// text is an attribute that is a text.
func (w row) text(name string) string {
	var s string
	_ = json.Unmarshal(w[name], &s) // what is none is blank
	return s
}

// second is a time: seconds, as a number or as a text of digits.
func second(raw json.RawMessage) (time.Time, bool) {
	n, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}

// list is a page of records.
type list struct {
	Data  []row `json:"data"`
	Pages struct {
		Next *struct {
			After string `json:"starting_after"`
		} `json:"next"`
		Total int `json:"total_pages"`
	} `json:"pages"`
	Count int `json:"total_count"`
}

// next is the app's place behind the page.
func (l *list) next() string {
	if l.Pages.Next == nil {
		return ""
	}
	return l.Pages.Next.After
}

// tagField is the contact's tags, by name.
const tagField = "tags"

// record turns a row into a record with the wanted fields.
func (a *account) record(ctx context.Context, r rest.Request, o object, w row, fields []string) (crm.Record, error) {
	bad := func(why string) (crm.Record, error) { return crm.Record{}, rest.Malformed(r, why) }
	one, ok := id(w.text("id"))
	if !ok {
		return bad("a record has no valid ID")
	}
	rec := crm.Record{ID: one, Fields: make(crm.Fields, len(fields))}
	if rec.ModifiedAt, ok = second(w["updated_at"]); !ok {
		return bad("a record has no valid updated_at")
	}
	rec.CreatedAt, _ = second(w["created_at"]) // it is no more than a help
	for _, f := range fields {
		raw, ok := w[f]
		if !ok {
			continue
		}
		v, ok, err := a.value(ctx, r, o, w, f, raw)
		switch {
		case err != nil:
			return crm.Record{}, err
		case !ok:
			return bad("the value of " + f + " is not what Intercom documents")
		}
		if rec.Fields[f] = v; v.Blank() {
			rec.Fields[f] = crm.NullValue()
		}
	}
	return rec, nil
}

// value reads one attribute. A number in a custom one may be a date: its type says.
func (a *account) value(
	ctx context.Context, r rest.Request, o object, w row, f string, raw json.RawMessage,
) (v crm.Value, ok bool, err error) {
	switch {
	case f == tagField && o == contacts:
		names, err := a.tagsOf(ctx, r.Op, w)
		return crm.ListValue(names...), true, err
	case f == "plan" && strings.HasPrefix(string(raw), "{"):
		var plan struct {
			Name string `json:"name"`
		}
		ok := json.Unmarshal(raw, &plan) == nil
		return crm.TextValue(plan.Name), ok, nil
	}
	if v.UnmarshalJSON(raw) != nil {
		return v, false, nil
	}
	if v.Kind() != crm.Number {
		return v, true, nil
	}
	typ := map[string]string{
		"created_at": "time", "updated_at": "time", "signed_up_at": "time", "last_seen_at": "time",
		"remote_created_at": "time", "owner_id": "name",
	}[f]
	if strings.HasPrefix(f, custom) {
		types, err := a.typesOf(ctx, r.Op, o)
		if err != nil {
			return v, false, err
		}
		typ = types[f]
	}
	at, isTime := second(raw)
	switch {
	case typ == "name":
		return crm.TextValue(v.Text()), true, nil
	case typ == "date" && isTime:
		return crm.TextValue(at.Format(time.DateOnly)), true, nil
	case (typ == "time" || typ == "datetime") && isTime:
		return crm.TextValue(at.Format(time.RFC3339)), true, nil
	}
	return v, true, nil
}

// body makes what is sent of the fields, tags apart.
func (a *account) body(ctx context.Context, op string, o object, fields crm.Fields) (map[string]any, error) {
	out, own := map[string]any{}, map[string]any{}
	for f, v := range fields {
		if v.Kind() == crm.Absent || f == tagField && o == contacts {
			continue
		}
		into, name := out, f
		if rest, isCustom := strings.CutPrefix(f, custom); isCustom {
			into, name = own, rest
		}
		switch {
		case v.Blank():
			into[name] = nil
		case v.Kind() == crm.List:
			into[name] = strings.Join(v.Items(), ";")
		case f == "owner_id" && json.Valid([]byte(v.Text())):
			into[name] = json.RawMessage(v.Text())
		case v.Kind() == crm.Text && strings.HasPrefix(f, custom):
			typed, err := a.typed(ctx, op, o, f, v.Text())
			if err != nil {
				return nil, err
			}
			into[name] = typed
		default:
			into[name] = v
		}
	}
	if len(own) > 0 {
		out["custom_attributes"] = own
	}
	return out, nil
}

// typed writes a text as its attribute wants it: a date in seconds. What does not fit is
// sent as it is, and refused.
func (a *account) typed(ctx context.Context, op string, o object, f, text string) (any, error) {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		return text, nil //nolint:nilerr // it is no time
	}
	types, err := a.typesOf(ctx, op, o)
	if err != nil || !slices.Contains([]string{"date", "datetime"}, types[f]) {
		return text, err
	}
	return at.Unix(), nil
}
