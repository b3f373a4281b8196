package salesforcefake

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// dateTimes are the forms that a dateTime may be sent in:
// atlas.en-us.264.0.api_rest.meta/api_rest/intro_valid_date_formats.htm.
var dateTimes = []string{
	"2006-01-02T15:04:05.000-0700", "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05-0700",
}

const outLayout = "2006-01-02T15:04:05.000-0700"

// values are a record's fields as they came in a body.
type values map[string]json.RawMessage

// change is one write of a record: who makes it decides about stamps and rules.
type change struct {
	user      bool // by the knob, not by the API
	allowSave bool // Sforce-Duplicate-Rule-Header: guide/headers-duplicaterules
}

// who is the user that a change is made as.
func (ch change) who() string {
	if ch.user {
		return colleagueID
	}
	return userID
}

// stamp is the time of a change, in whole seconds as Salesforce keeps it.
func (f *org) stamp(ch change, old *fakekit.Record) time.Time {
	at := f.core.Now()
	if ch.user {
		at = at.Add(-f.late)
	}
	at = at.Truncate(time.Second)
	if old != nil && at.Before(old.Modified) {
		at = old.Modified
	}
	return at
}

// create makes a record.
func (f *org) create(o *object, in values, ch change) (*fakekit.Record, *refusal) {
	t := f.tables[o.name]
	if bad := f.mayCreate(o); bad != nil && !ch.user {
		return nil, bad
	}
	r := &fakekit.Record{Fields: map[string]string{"OwnerId": userID}}
	for _, c := range o.columns {
		if c.kind == "picklist" && c.defaulted {
			r.Set(c.name, c.options[0])
		}
	}
	if bad := f.apply(o, r, in, ch); bad != nil {
		return nil, bad
	}
	if bad := f.check(o, r, ch); bad != nil {
		return nil, bad
	}
	r.ID = t.nextID()
	r.Created = f.stamp(ch, nil)
	r.Modified, r.Extra = r.Created, ch.who()
	f.store(t, r)
	f.notify(o, r)
	return r, nil
}

// update changes a record.
func (f *org) update(o *object, id string, in values, ch change) (*fakekit.Record, *refusal) {
	t := f.tables[o.name]
	old, ok := t.find(id)
	if !ok {
		return nil, refuse(http.StatusNotFound, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	if old.Deleted {
		return nil, refuse(http.StatusNotFound, "ENTITY_IS_DELETED", "entity is deleted")
	}
	if bad := f.mayEdit(o, old.ID); bad != nil && !ch.user {
		return nil, bad
	}
	r := old.Clone()
	if bad := f.apply(o, r, in, ch); bad != nil {
		return nil, bad
	}
	if bad := f.check(o, r, ch); bad != nil {
		return nil, bad
	}
	r.Modified, r.Extra = f.stamp(ch, old), ch.who()
	f.store(t, r)
	f.notify(o, r)
	return r, nil
}

// remove puts a record into the recycle bin. master is the survivor of a merge.
func (f *org) remove(o *object, id, master string, ch change) *refusal {
	t := f.tables[o.name]
	old, ok := t.find(id)
	if !ok {
		return refuse(http.StatusNotFound, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	if old.Deleted {
		return refuse(http.StatusNotFound, "ENTITY_IS_DELETED", "entity is deleted")
	}
	r := old.Clone()
	r.Deleted, r.MergedInto = true, master
	r.Modified = f.stamp(ch, old)
	r.DeletedAt = r.Modified
	f.store(t, r)
	return nil
}

// apply sets the fields of a body, each by the rules of its type.
func (f *org) apply(o *object, r *fakekit.Record, in values, ch change) *refusal {
	names := make([]string, 0, len(in))
	for name := range in {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c, ok := o.column(name)
		if !ok && ch.user {
			c, ok = o.unseen(name)
		}
		if !ok {
			return refuse(http.StatusBadRequest, "INVALID_FIELD", "No such column '%s' on sobject of type %s", name, o.name)
		}
		if c.readOnly || !ch.user && f.fixed(o, c) {
			return refuse(http.StatusBadRequest, "INVALID_FIELD_FOR_INSERT_UPDATE",
				"Unable to create/update fields: %s. Please check the security settings of this field and verify that it is "+
					"read/write for your profile or permission set.", c.name).about(c.name)
		}
		v, bad := f.value(c, in[name])
		if bad != nil {
			return bad
		}
		r.Set(c.name, f.core.Rewritten(o.name, c.name, v, r.Fields[c.name], ch.user))
	}
	return nil
}

// value reads one value; "" is null.
func (f *org) value(c *column, raw json.RawMessage) (string, *refusal) {
	s, bad := scalar(c, raw)
	if bad != nil || s == "" {
		return "", bad
	}
	if c.length > 0 && utf8.RuneCountInString(s) > c.length {
		return "", refuse(http.StatusBadRequest, "STRING_TOO_LONG", "%s: data value too large: %s (max length=%d)", c.label,
			s, c.length).about(c.name)
	}
	switch c.kind {
	case "email":
		if a, err := mail.ParseAddress(s); err != nil || a.Address != s ||
			!strings.Contains(s[strings.LastIndex(s, "@"):], ".") {
			return "", refuse(http.StatusBadRequest, "INVALID_EMAIL_ADDRESS", "%s: invalid email address: %s", c.label,
				s).about(c.name)
		}
		return strings.ToLower(s), nil // e-mail fields are kept in lower case
	case "date":
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return "", deserialize(c, s)
		}
	case "datetime":
		t, err := parseDateTime(s)
		if err != nil {
			return "", deserialize(c, s)
		}
		return t.UTC().Truncate(time.Second).Format(outLayout), nil
	case "picklist", "multipicklist":
		return s, f.options(c, s)
	case "reference":
		return f.refer(c, s)
	}
	return s, nil
}

// scalar reads JSON of the type that a column takes. Texts that read as a
// number or boolean are taken for one.
func scalar(c *column, raw json.RawMessage) (string, *refusal) {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return "", refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "The HTTP entity body contains invalid JSON")
	}
	var s string
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		s = v
	case json.Number:
		s = v.String()
	case bool:
		s = strconv.FormatBool(v)
	default:
		return "", refuse(http.StatusBadRequest, "JSON_PARSER_ERROR",
			"Cannot deserialize instance of %s from START_ARRAY value", c.kind).about(c.name)
	}
	ok := true
	switch c.kind {
	case "boolean":
		ok = s == "true" || s == "false"
	case "double", "currency", "percent":
		_, ok = new(big.Float).SetString(s)
	case "int":
		_, err := strconv.ParseInt(s, 10, 32)
		ok = err == nil
	}
	if !ok && s != "" {
		return "", deserialize(c, s)
	}
	return s, nil
}

func deserialize(c *column, s string) *refusal {
	return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR",
		"Cannot deserialize instance of %s from VALUE_STRING value %s or request may be missing a required field", c.kind,
		s).about(c.name)
}

func parseDateTime(s string) (time.Time, error) {
	for _, layout := range dateTimes {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("not a dateTime")
}

// options checks the values of a restricted picklist.
func (f *org) options(c *column, s string) *refusal {
	parts := []string{s}
	if c.kind == "multipicklist" {
		parts = strings.Split(s, ";")
	}
	for _, p := range parts {
		if c.restricted && !slices.Contains(c.options, p) {
			return refuse(http.StatusBadRequest, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
				"%s: bad value for restricted picklist field: %s", c.label, p).about(c.name)
		}
	}
	return nil
}

// refer checks that a reference names a live record of its object.
func (f *org) refer(c *column, s string) (string, *refusal) {
	id := full(s)
	target, ok := find(f.objects, c.references)
	for _, name := range c.or {
		if other, is := find(f.objects, name); is && id != "" && strings.HasPrefix(id, other.prefix) {
			target, ok = other, true
		}
	}
	if id == "" || !ok || !strings.HasPrefix(id, target.prefix) {
		return "", refuse(http.StatusBadRequest, "MALFORMED_ID", "%s: id value of incorrect type: %s", c.label,
			s).about(c.name)
	}
	if target.readOnly {
		if !slices.ContainsFunc(f.virtual[target.name], func(r *fakekit.Record) bool { return r.ID == id }) {
			return "", refuse(http.StatusBadRequest, "INVALID_CROSS_REFERENCE_KEY", "%s: invalid cross reference id",
				c.label).about(c.name)
		}
		if c.name == "OwnerId" && f.inactive(id) {
			return "", refuse(http.StatusBadRequest, "INACTIVE_OWNER_OR_USER",
				"operation performed with inactive user [%s] as owner", id).about(c.name)
		}
		return id, nil
	}
	r, ok := f.tables[target.name].find(id)
	switch {
	case !ok:
		return "", refuse(http.StatusBadRequest, "INVALID_CROSS_REFERENCE_KEY", "%s: invalid cross reference id",
			c.label).about(c.name)
	case r.Deleted:
		return "", refuse(http.StatusBadRequest, "ENTITY_IS_DELETED", "%s: entity is deleted", c.label).about(c.name)
	}
	return id, nil
}

// check applies the rules about a whole record: required fields, unique ones,
// and the org's duplicate rule.
func (f *org) check(o *object, r *fakekit.Record, ch change) *refusal {
	if bad := checkActivity(o, r); bad != nil {
		return bad
	}
	var missing []string
	for _, c := range o.columns {
		if c.required && strings.TrimSpace(r.Fields[c.name]) == "" {
			missing = append(missing, c.name)
		}
	}
	if missing != nil {
		return refuse(http.StatusBadRequest, "REQUIRED_FIELD_MISSING", "Required fields are missing: [%s]",
			strings.Join(missing, ", ")).about(missing...)
	}
	t := f.tables[o.name]
	for _, c := range o.columns {
		if !c.unique || r.Fields[c.name] == "" {
			continue
		}
		holders, _ := t.Live.Lookup(c.name, r.Fields[c.name])
		for _, h := range holders {
			if h.ID != r.ID {
				return refuse(http.StatusBadRequest, "DUPLICATE_VALUE",
					"duplicate value found: %s duplicates value on record with id: %s", c.name, h.ID)
			}
		}
	}
	if rule, broken := f.core.Broken(o.name, r.Fields, ch.user); broken {
		return refuse(http.StatusBadRequest, "FIELD_CUSTOM_VALIDATION_EXCEPTION",
			"The record does not meet a validation rule.").about(rule.Names...)
	}
	return f.duplicateRule(o, r, ch)
}

// duplicateRule refuses a second record with the same e-mail when the knob says
// so. Past an alert rule the header allowSave lets a write through.
func (f *org) duplicateRule(o *object, r *fakekit.Record, ch change) *refusal {
	if f.rule == "" || ch.user || f.rule == "alert" && ch.allowSave {
		return nil
	}
	found, _ := f.tables[o.name].Live.Lookup("Email", r.Fields["Email"])
	bad := refuse(http.StatusBadRequest, "DUPLICATES_DETECTED", "Use one of these records?")
	if f.rule == "block" {
		bad.message = "You're creating a duplicate record. We recommend you use an existing record instead."
	}
	for _, h := range found {
		if h.ID != r.ID {
			bad.matches = append(bad.matches, match{o.name, h.ID})
		}
	}
	if bad.matches == nil {
		return nil
	}
	return bad
}
