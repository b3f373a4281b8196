package declared

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// answer is a decoded body, numbers as they were written.
type answer struct{ v any }

// UnmarshalJSON implements json.Unmarshaler.
func (a *answer) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode(&a.v)
}

// entry is an element of a list, or of a mapping with its key.
type entry struct {
	key string
	v   any
}

// at returns what stands at a pointer.
func (e entry) at(p pointer) (any, bool) {
	if p == atKey {
		return e.key, e.key != ""
	}
	return wire.At(e.v, string(p))
}

// value returns what stands at a pointer. Below a null everything is null.
func (e entry) value(p pointer) (any, bool) {
	for at := string(p); at != ""; at = at[:strings.LastIndexByte(at, '/')] {
		if v, ok := wire.At(e.v, at); ok {
			return v, at == string(p) || v == nil
		}
	}
	return nil, false
}

// text returns the scalar at a pointer, "" for none.
func (e entry) text(p *pointer) string {
	if p == nil {
		return ""
	}
	v, _ := e.at(*p)
	return scalar(v)
}

// is reports whether what stands at a pointer is something: not false, 0, "" or null.
func (e entry) is(p *pointer) bool {
	switch v := e.text(p); v {
	case "", "false", "0":
		return false
	}
	return true
}

func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// entries lists what stands at a pointer: the elements of a list, or those of a mapping
// in the order of its keys, numbers by value.
func entries(doc any, p pointer) ([]entry, bool) {
	v, ok := wire.At(doc, string(p))
	var out []entry
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			out = append(out, entry{v: e})
		}
	case map[string]any:
		for k, e := range v {
			out = append(out, entry{k, e})
		}
		slices.SortFunc(out, func(a, b entry) int {
			if len(a.key) != len(b.key) {
				return len(a.key) - len(b.key)
			}
			return strings.Compare(a.key, b.key)
		})
	default:
		ok = false
	}
	return out, ok
}

// timeFormats are the ways to write a time.
var timeFormats = []string{"rfc3339", "rfc3339_ms", "sql", "day", "epoch_s", "epoch_ms"}

const (
	sqlTime = "2006-01-02 15:04:05"
	dayTime = "2006-01-02"
)

// parseTime reads a time; those without a zone are in UTC.
func parseTime(s, format string) (time.Time, bool) {
	n, nerr := strconv.ParseInt(s, 10, 64)
	switch format {
	case "epoch_s":
		return time.Unix(n, 0).UTC(), nerr == nil
	case "epoch_ms":
		return time.UnixMilli(n).UTC(), nerr == nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", sqlTime, dayTime} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func formatTime(t time.Time, format string) string {
	t = t.UTC()
	switch format {
	case "rfc3339_ms":
		return t.Format("2006-01-02T15:04:05.000Z")
	case "sql":
		return t.Format(sqlTime)
	case "day":
		return t.Format(dayTime)
	case "epoch_s":
		return strconv.FormatInt(t.Unix(), 10)
	case "epoch_ms":
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return t.Format(time.RFC3339)
}

// time reads a time of a record; the zero time for none.
func (p *timePart) time(e entry) (time.Time, bool) {
	s := e.text(&p.At)
	if s == "" {
		s = e.text(p.Or)
	}
	if s == "" {
		return time.Time{}, false
	}
	return parseTime(s, p.Format)
}

// codecs are the forms of values that JSON's own types do not tell.
var codecs = []string{"", "number", "epoch_s", "epoch_ms", "sql", "day", "ten_digits", "commas", "semicolons", "names"}

// words are the types of fields whose numbers name something.
var words = []crm.FieldType{
	crm.TypeOption, crm.TypeOptions, crm.TypeReference, crm.TypeOwner, crm.TypeText, crm.TypePhone,
}

// read turns what an app wrote into a value; false when a field holds no such thing.
func (f *field) read(v any) (crm.Value, bool) {
	list := func(sep string) (crm.Value, bool) {
		items := []string{}
		for item := range strings.SplitSeq(scalar(v), sep) {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		return crm.ListValue(items...), true
	}
	switch _, text := v.(string); {
	case v == nil:
		return crm.NullValue(), true
	case f.Codec == "commas" && text:
		return list(",")
	case f.Codec == "semicolons" && text:
		return list(";")
	case slices.Contains([]string{"epoch_s", "epoch_ms", "sql", "day"}, f.Codec) && scalar(v) != "":
		t, ok := parseTime(scalar(v), f.Codec)
		if f.Type == string(crm.TypeDate) {
			return crm.TextValue(t.Format(dayTime)), ok
		}
		return crm.TextValue(t.Format(time.RFC3339)), ok
	}
	switch v := v.(type) {
	case string:
		return crm.TextValue(v), true
	case bool:
		return crm.BoolValue(v), true
	case json.Number:
		if slices.Contains(words, crm.FieldType(f.Type)) {
			return crm.TextValue(v.String()), true
		}
		return crm.NumberValue(v.String()), true
	case []any:
		items := make([]string, 0, len(v))
		for _, one := range v {
			if named, ok := one.(map[string]any); ok && f.Codec == "names" {
				one = named["name"]
			}
			if scalar(one) == "" && one != "" {
				return crm.Value{}, false
			}
			items = append(items, scalar(one))
		}
		return crm.ListValue(items...), true
	}
	return crm.Value{}, false
}

// blankTexts are the types of fields that an empty text empties.
var blankTexts = []crm.FieldType{
	"", crm.TypeText, crm.TypeEmail, crm.TypePhone, crm.TypeURL, crm.TypeOption, crm.TypeOptions, crm.TypeList,
}

// write turns a value into what an app takes; clear is how it says blank.
//
// Errors: Invalid when the app can have no such value.
func (f *field) write(op, name string, v crm.Value, clear string) (any, error) {
	switch {
	case v.Blank() && clear == "null":
		return nil, nil
	case v.Blank() && (f.Type == string(crm.TypeList) || f.Type == string(crm.TypeOptions)) && f.Codec != "commas" &&
		f.Codec != "semicolons":
		return []any{}, nil
	case v.Blank() && !slices.Contains(blankTexts, crm.FieldType(f.Type)):
		return nil, nil // no text is a number, a time or a reference
	case v.Blank():
		return "", nil
	}
	switch f.Codec {
	case "commas":
		return strings.Join(v.Items(), ","), nil
	case "semicolons":
		return strings.Join(v.Items(), ";"), nil
	case "names":
		return v.Items(), nil
	case "number":
		if json.Valid([]byte(v.Text())) && strings.Trim(v.Text(), "-0123456789.eE+") == "" {
			return json.RawMessage(v.Text()), nil
		}
	case "epoch_s", "epoch_ms", "sql", "day":
		if t, ok := parseTime(v.Text(), ""); ok {
			text := formatTime(t, f.Codec)
			if strings.HasPrefix(f.Codec, "epoch") {
				return json.RawMessage(text), nil
			}
			return text, nil
		}
	case "ten_digits":
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, v.Text())
		if len(digits) == 11 {
			digits = strings.TrimPrefix(digits, "1")
		}
		if len(digits) != 10 {
			return nil, &fault.Error{
				Op: op, Kind: fault.Invalid, Code: connector.CodeValue, Field: name,
				Message: "the app takes phone numbers of ten digits only",
			}
		}
		return digits, nil
	}
	return v, nil
}

// put sets what stands at a pointer of a body, and makes the mappings on the way.
func put(body map[string]any, p pointer, v any) {
	parts := strings.Split(strings.TrimPrefix(string(p), "/"), "/")
	for i, part := range parts {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if i == len(parts)-1 {
			body[part] = v
			return
		}
		next, ok := body[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			body[part] = next
		}
		body = next
	}
}

// record turns an entry into a record with the wanted fields. A field that was not sent
// has no value.
func (a *account) record(r rest.Request, o *object, e entry, wanted []string) (crm.Record, error) {
	bad := func(why string) (crm.Record, error) { return crm.Record{}, rest.Malformed(r, why) }
	id, ok := o.ID.parse(e.text(&o.ID.At))
	if !ok {
		return bad("a record has no valid ID")
	}
	rec := crm.Record{ID: id, Fields: make(crm.Fields, len(wanted)), Deleted: e.is(o.Deleted)}
	if o.Modified != nil {
		if rec.ModifiedAt, ok = o.Modified.time(e); !ok {
			return bad("a record has no valid time of modification")
		}
	}
	if o.Created != nil {
		if rec.CreatedAt, ok = o.Created.time(e); !ok {
			return bad("a record has no valid time of creation")
		}
	}
	for _, name := range wanted {
		f := o.field(name)
		if f == nil {
			continue
		}
		v, sent := e.value(*f.At)
		if !sent && !f.Omitted {
			continue // it says nothing of the field
		}
		if rec.Fields[name], ok = f.read(v); !ok {
			return bad("the value of " + name + " is not what " + a.doc.App.Name + " documents")
		}
	}
	return rec, nil
}

// field is how the values of a field are written; nil for one that the object cannot
// have. What the document does not list is as it is discovered.
func (o *object) field(name string) *field {
	if f := o.Fields[name]; f != nil {
		return f
	}
	for _, d := range o.Discover {
		if d.At != "" && name != "" {
			escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
			at, to := pointer(strings.ReplaceAll(d.At, "{name}", escaped)), pointer(strings.ReplaceAll(d.To, "{name}", escaped))
			return &field{At: &at, To: &to}
		}
	}
	return nil
}

// forms are the ways that IDs are written.
var forms = map[string]func(string) bool{
	"number": func(s string) bool {
		n, err := strconv.ParseInt(s, 10, 64)
		return err == nil && n > 0 && strconv.FormatInt(n, 10) == s
	},
	"text": func(s string) bool {
		return len(s) <= 100 && strings.IndexFunc(s, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:", r))
		}) < 0 && strings.Trim(s, ".") != ""
	},
}

// parse is a record's ID in its one form.
func (p idPart) parse(s string) (crm.RecordID, bool) {
	form := p.Form
	if form == "" {
		form = "text"
	}
	return crm.RecordID(s), forms[form](s)
}
