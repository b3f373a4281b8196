package pipedrive

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// answer is what every success looks like.
type answer[T any] struct {
	Success bool `json:"success"`
	Data    T    `json:"data"`
	More    struct {
		Next string `json:"next_cursor"`
	} `json:"additional_data"`
}

// call makes a call that answers with a T.
func call[T any](ctx context.Context, a *account, r rest.Request) (answer[T], rest.Answer, error) {
	var out answer[T]
	got, err := a.client.Call(ctx, r, &out)
	if err == nil && !out.Success {
		err = rest.Malformed(r, "the answer is not what Pipedrive documents")
	}
	return out, got, err
}

// row is a record as Pipedrive writes it: fields by name, and custom ones, which
// stand in custom_fields, by the hash that is their code.
type row map[string]json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (w *row) UnmarshalJSON(b []byte) error {
	var all, custom map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	if raw := all["custom_fields"]; raw != nil {
		if err := json.Unmarshal(raw, &custom); err != nil {
			return err
		}
	}
	delete(all, "custom_fields")
	for code, raw := range custom {
		if isHash(code) { // no other name can hide a field
			all[code] = raw
		}
	}
	*w = all
	return nil
}

// entry is one e-mail or phone.
type entry struct {
	Value   string `json:"value"`
	Primary bool   `json:"primary"`
	Label   string `json:"label,omitempty"`
}

type user struct {
	ID      int64  `json:"id"`
	Email   string `json:"email"`
	Active  bool   `json:"active_flag"`
	Company int64  `json:"company_id"`
	Domain  string `json:"company_domain"`
}

// id is a record's ID in its one form: a positive number.
func id(s string) (crm.RecordID, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return crm.RecordID(s), err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

// lists are the fields that hold several entries, of which the primary one is the value.
var lists = []string{"emails", "phones"}

// references are the fields, and the types of fields, whose numbers name something:
// they are words to us. Source: openapi v2, field_type.
var references = []string{
	"owner_id", "org_id", "person_id", "deal_id", "pipeline_id", "priority", "outcome", "stage_id", "label_ids", "visible_to", "creator_user_id",
	"enum", "set", "user", "org", "people", "deal", "lead", "stage", "visible_to",
}

// record turns a row into a record with the wanted fields. types are those of custom
// fields, where they are known.
func (w row) record(r rest.Request, fields []string, types map[string]string) (crm.Record, error) {
	bad := func(why string) (crm.Record, error) { return crm.Record{}, rest.Malformed(r, why) }
	one, ok := id(string(w["id"]))
	if !ok {
		return bad("a record has no valid ID")
	}
	rec := crm.Record{ID: one, Fields: make(crm.Fields, len(fields)), Deleted: string(w["is_deleted"]) == "true"}
	for name, at := range map[string]*time.Time{"update_time": &rec.ModifiedAt, "add_time": &rec.CreatedAt} {
		if json.Unmarshal(w[name], at) != nil || at.IsZero() {
			return bad("a record has no valid " + name)
		}
		*at = at.UTC()
	}
	for _, f := range fields {
		code, sub, nested := strings.Cut(f, "/")
		typ := code
		if isHash(code) {
			typ = types[code]
		}
		if raw, ok := w[code]; ok {
			if rec.Fields[f], ok = value(raw, typ, sub, nested); !ok {
				return bad("the value of " + f + " is not what Pipedrive documents")
			}
		}
	}
	return rec, nil
}

// value reads one value of a field of a type, or what is nested in it.
func value(raw json.RawMessage, typ, sub string, nested bool) (v crm.Value, ok bool) {
	if slices.Contains(lists, typ) {
		entries, ok := entriesOf(raw)
		for _, e := range entries {
			if e.Primary || v.Kind() == crm.Absent {
				v = crm.TextValue(e.Value)
			}
		}
		if v.Blank() {
			v = crm.NullValue()
		}
		return v, ok
	}
	if nested {
		var doc any
		if json.Unmarshal(raw, &doc) != nil {
			return v, false
		}
		found, ok := wire.At(doc, "/"+sub)
		if !ok {
			return crm.NullValue(), true
		}
		raw, _ = json.Marshal(found) // it came out of JSON
	}
	if v.UnmarshalJSON(raw) != nil {
		return v, false
	}
	switch {
	case v.Kind() == crm.Text && v.Text() == "" || v.Kind() == crm.List && len(v.Items()) == 0:
		return crm.NullValue(), true
	case v.Kind() == crm.Number && slices.Contains(references, typ):
		return crm.TextValue(v.Text()), true
	}
	return v, true
}

func entriesOf(raw json.RawMessage) ([]entry, bool) {
	var out []entry
	return out, raw == nil || json.Unmarshal(raw, &out) == nil
}

// body makes what is sent of the fields. was is the record as it is, where lists are
// to be changed.
func (a *account) body(ctx context.Context, op string, o object, fields crm.Fields, was row) (map[string]any, error) {
	out, custom := map[string]any{}, map[string]any{}
	for f, v := range fields {
		switch {
		case v.Kind() == crm.Absent:
			continue
		case slices.Contains(lists, f):
			entries, _ := entriesOf(was[f]) // what is no list is replaced
			out[f] = replaced(entries, v)
			continue
		case o.about != nil && f == person:
			list, err := participants(op, was["participants"], v)
			if err != nil {
				return nil, err
			}
			out["participants"] = list
			continue
		}
		into, typ := out, f
		if isHash(f) {
			into, typ = custom, ""
			if ambiguous(v) {
				types, err := a.typesOf(ctx, op, o)
				if err != nil {
					return nil, err
				}
				typ = types[f]
			}
		}
		into[f] = typed(v, typ)
	}
	if len(custom) > 0 {
		out["custom_fields"] = custom
	}
	return out, nil
}

// replaced sets the primary entry of a list and keeps the others; without a value the
// next one becomes the primary.
func replaced(entries []entry, v crm.Value) []entry {
	at := max(0, slices.IndexFunc(entries, func(e entry) bool { return e.Primary }))
	if at == len(entries) {
		entries = append(entries, entry{Label: "work"})
	}
	if entries[at].Value = v.Text(); v.Blank() {
		entries, at = slices.Delete(entries, at, at+1), 0
	}
	for i := range entries {
		entries[i].Primary = i == at
	}
	return append([]entry{}, entries...)
}

// isHash reports whether a field's name is the code of a custom field.
func isHash(name string) bool { return len(name) == 40 && strings.Trim(name, "0123456789abcdef") == "" }

// ambiguous values are a text, or the number of an option, a number or a truth value,
// as the field wants it.
func ambiguous(v crm.Value) bool {
	return v.Kind() == crm.List || v.Kind() == crm.Text && json.Valid([]byte(v.Text()))
}

// typed writes a value as a field of the type wants it. What does not fit is sent as it
// is, and refused.
func typed(v crm.Value, typ string) any {
	literal := slices.Contains(references, typ) || slices.Contains([]string{"int", "double", "value", "boolean"}, typ)
	as := func(text string) any {
		if literal && json.Valid([]byte(text)) {
			return json.RawMessage(text)
		}
		return text
	}
	switch {
	case v.Blank():
		return nil
	case v.Kind() == crm.List || typ == "set" || typ == "label_ids":
		out := []any{}
		for _, item := range v.Items() {
			out = append(out, as(item))
		}
		return out
	case v.Kind() == crm.Text:
		return as(v.Text())
	}
	return v
}

// numeric reports whether a field of the row holds a number, or several.
func (w row) numeric(code string) bool {
	raw := strings.TrimLeft(string(w[code]), "[ \t\r\n")
	return raw != "" && strings.Contains("-0123456789", raw[:1])
}
