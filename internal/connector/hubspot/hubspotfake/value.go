package hubspotfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

const stamp = "2006-01-02T15:04:05.000Z"

// values checks what a caller wants to write and returns it as HubSpot stores
// it. old is nil for a create.
func (f *account) values(o *object, given map[string]string, old *fakekit.Record) (map[string]string, []detail) {
	out := make(map[string]string, len(given))
	var bad []detail
	for _, name := range slices.Sorted(maps.Keys(given)) {
		p, ok := o.prop(name)
		if !ok {
			bad = append(bad, detail{
				Message: fmt.Sprintf("Property %q does not exist", name), Code: "PROPERTY_DOESNT_EXIST", In: name,
				Context: map[string][]string{"propertyName": {name}},
			})
			continue
		}
		v, code, why := f.value(o, p, given[name], old)
		if code != "" {
			bad = append(bad, detail{Message: why, Code: code, In: name, Context: map[string][]string{"propertyName": {name}}})
			continue
		}
		out[name] = v
	}
	return out, bad
}

// value checks one value. An empty text clears the property.
func (f *account) value(o *object, p *property, v string, old *fakekit.Record) (stored, code, why string) {
	if p.Metadata.ReadOnlyValue || p.Calculated {
		return "", "READ_ONLY_VALUE", fmt.Sprintf("%q is a read only property; its value cannot be set.", p.Name)
	}
	if v == "" {
		return "", "", ""
	}
	switch p.Type {
	case "number":
		if _, ok := new(big.Float).SetString(v); !ok {
			return "", "INVALID_NUMBER", "the value was not a valid number."
		}
	case "bool":
		if v != "true" && v != "false" { // booleans are "true" and "false" (S)
			return "", "INVALID_OPTION", "the value was not one of the allowed options: [true, false]"
		}
	case "date":
		return dateValue(v)
	case "datetime":
		return timeValue(v)
	case "enumeration":
		return f.choiceValue(o, p, v, old)
	}
	if p.tooLong(v) {
		return "", "INVALID_LENGTH", fmt.Sprintf("the value is longer than %d characters", p.max)
	}
	if p.Name == "email" && o.name == "contacts" {
		if a, err := mail.ParseAddress(v); err != nil || a.Address != v ||
			!strings.Contains(v[strings.LastIndex(v, "@"):], ".") {
			return "", "INVALID_EMAIL", "Email address is invalid"
		}
		return strings.ToLower(v), "", "" // stored in lower case (O)
	}
	if p.Name == "domain" && o.name == "companies" {
		return f.domainValue(v), "", ""
	}
	return v, "", ""
}

// domainValue is the domain as HubSpot keeps it: the host in lower case, without
// scheme, leading www., port and slash at the end (O). What becomes of a path is
// not documented: the knob drops it, or keeps all as it was typed.
func (f *account) domainValue(v string) string {
	if f.domains == domainTyped {
		return v
	}
	v = strings.TrimSpace(v)
	if _, rest, ok := strings.Cut(v, "://"); ok {
		v = rest
	}
	host, path := v, ""
	if at := strings.IndexAny(v, "/?#"); at > 0 {
		host, path = v[:at], strings.TrimRight(v[at:], "/")
	}
	host, _, _ = strings.Cut(host, ":")
	host = strings.TrimPrefix(strings.ToLower(host), "www.")
	if f.domains == domainHost {
		return host
	}
	return host + path
}

// What is kept of a company's domain; the zero value drops what is no part of
// the address.
const (
	domainHost  = "host"
	domainTyped = "typed"
)

// dateValue takes YYYY-MM-DD (F3) or midnight UTC in milliseconds (F1).
func dateValue(v string) (stored, code, why string) {
	if ms, err := strconv.ParseInt(v, 10, 64); err == nil {
		t := time.UnixMilli(ms).UTC()
		if !t.Equal(t.Truncate(24 * time.Hour)) {
			return "", "INVALID_DATE", fmt.Sprintf("%s is at %s UTC, not midnight!", v, t.Format("15:4:5.000"))
		}
		return t.Format(time.DateOnly), "", ""
	}
	if _, err := time.Parse(time.DateOnly, v); err != nil {
		return "", "INVALID_DATE", "the value was not a valid date."
	}
	return v, "", ""
}

// timeValue takes milliseconds (F1) or ISO 8601 (F3), and keeps ISO 8601 in UTC.
func timeValue(v string) (stored, code, why string) {
	if ms, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC().Format(stamp), "", ""
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return "", "INVALID_DATE", "the value was not a valid date and time."
	}
	return t.UTC().Format(stamp), "", ""
}

func (f *account) choiceValue(o *object, p *property, v string, old *fakekit.Record) (stored, code, why string) {
	parts := []string{v}
	if p.FieldType == "checkbox" { // several values as a;b;c, replacing the set (F2)
		parts = strings.Split(v, ";")
	}
	allowed := make([]string, 0, len(p.Options)+len(f.owners))
	for _, opt := range p.Options {
		allowed = append(allowed, opt.Value)
	}
	if p.Reference == "OWNER" {
		for _, w := range f.owners {
			if !w.archived {
				allowed = append(allowed, w.ID)
			}
		}
	}
	for _, part := range parts {
		if !slices.Contains(allowed, part) { // the internal value, not the label (F2)
			return "", "INVALID_OPTION", fmt.Sprintf("the value was not one of the allowed options: %v", allowed)
		}
	}
	if p.Name == "lifecyclestage" && old != nil && f.refuseStages && f.backwards(o, v, old.Fields[p.Name]) {
		return "", "INVALID_LIFECYCLE_STAGE", "the lifecycle stage cannot move backwards; clear it first"
	}
	return v, "", ""
}

// backwards reports whether a lifecycle stage comes before the one that a
// record has: the stage only moves forward until it is cleared (G1).
func (f *account) backwards(o *object, v, old string) bool {
	p, ok := o.prop("lifecyclestage")
	if !ok || v == "" || old == "" {
		return false
	}
	at := func(s string) int { return slices.IndexFunc(p.Options, func(o option) bool { return o.Value == s }) }
	return at(v) < at(old)
}

// decodeProperties reads {"name":"text"}. All values are texts or null, which clears (S).
func decodeProperties(raw json.RawMessage) (map[string]string, *apiError) {
	if len(raw) == 0 {
		return map[string]string{}, nil
	}
	var m map[string]*string
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, invalid("Invalid input JSON: properties must be an object of texts")
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = ""
		if v != nil {
			out[k] = *v
		}
	}
	return out, nil
}

// stored returns a property's value as answers show it; ok is false for null.
func (o *object) stored(r *fakekit.Record, name string) (string, bool) {
	switch name {
	case "hs_object_id":
		return r.ID, true
	case "createdate", "hs_createdate":
		return r.Created.Format(stamp), true
	case o.modified:
		return r.Modified.Format(stamp), true
	case "hs_searchable_calculated_phone_number":
		v := searchable(r.Fields["phone"])
		return v, v != ""
	case "hs_searchable_calculated_mobile_number":
		v := searchable(r.Fields["mobilephone"])
		return v, v != ""
	}
	v := r.Fields[name]
	return v, v != ""
}

// searchable is what HubSpot keeps of a phone number for searches: area code
// and local number, without the country's code (G3). How it reads a number that
// has no plus sign is not documented; here only its digits are kept, so that
// whoever looks for it must think of the ways people dial. An extension is none
// of it.
func searchable(phone string) string {
	phone = strings.TrimSpace(strings.ToLower(phone))
	if at := strings.IndexAny(phone, "x#;,"); at > 0 {
		phone = strings.TrimSuffix(strings.TrimSpace(phone[:at]), "e")
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, strings.Replace(phone, "(0)", "", 1))
	if strings.HasPrefix(phone, "+") || strings.HasPrefix(phone, "tel:+") {
		return digits[min(codeLength(digits), len(digits)):]
	}
	return digits
}

// codeLength is the length of the country code that a number begins with: the
// zones of ITU-T E.164, which lets no code begin like another.
func codeLength(digits string) int {
	if len(digits) < 2 || digits[0] == '1' || digits[0] == '7' {
		return min(1, len(digits))
	}
	if slices.Contains(twoDigitCodes, digits[:2]) {
		return 2
	}
	return 3
}

var twoDigitCodes = strings.Fields("20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 " +
	"51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98")
