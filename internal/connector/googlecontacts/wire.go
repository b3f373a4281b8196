package googlecontacts

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/wire"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// person is a contact as the API writes it: fields are lists of entries.
type person struct {
	Name   string
	Etag   string
	Meta   metadata
	fields map[string][]entry
}

// entry is one item of a field: a name, an address, an e-mail.
type entry = map[string]any

type metadata struct {
	Sources  []source `json:"sources"`
	Deleted  bool     `json:"deleted"`
	Previous []string `json:"previousResourceNames"`
}

// source is where data of a person come from: only those of a contact can be changed.
type source struct {
	Type    string    `json:"type"`
	ID      string    `json:"id"`
	Etag    string    `json:"etag"`
	Updated time.Time `json:"updateTime"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *person) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	p.fields = map[string][]entry{}
	for name, into := range map[string]any{"resourceName": &p.Name, "etag": &p.Etag, "metadata": &p.Meta} {
		if raw := all[name]; raw != nil {
			if err := json.Unmarshal(raw, into); err != nil {
				return err
			}
		}
	}
	for _, name := range synced {
		var list []entry
		if raw := all[name]; raw != nil {
			if err := json.Unmarshal(raw, &list); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(list, func(e entry) bool { return e == nil }) {
			return fmt.Errorf("null among %s", name)
		}
		p.fields[name] = list
	}
	return nil
}

// contact is the source that can be changed.
func (p *person) contact() (source, bool) {
	i := slices.IndexFunc(p.Meta.Sources, func(s source) bool { return s.Type == "CONTACT" })
	if i < 0 {
		return source{}, false
	}
	return p.Meta.Sources[i], true
}

// version names what a contact is now. It is no etag of Google's: those differ between
// listings and reads of one version.
func (s source) version() string { return s.Updated.UTC().Format(time.RFC3339Nano) }

// primary is the place of the entry that counts: the one that Google calls so, or the first.
func primary(list []entry) int {
	return max(0, slices.IndexFunc(list, func(e entry) bool {
		meta, _ := e["metadata"].(map[string]any)
		return meta["primary"] == true
	}))
}

// value is a part of the primary entry.
func value(list []entry, key string) string {
	if len(list) == 0 {
		return ""
	}
	s, _ := list[primary(list)][key].(string)
	return s
}

// others is a part of all other entries.
func others(list []entry, key string) string {
	var out []string
	for i, e := range list {
		if s, _ := e[key].(string); s != "" && i != primary(list) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ";")
}

// date is a birthday; one without a year is none to us, and stays as it is.
func date(list []entry) string {
	if len(list) == 0 {
		return ""
	}
	d, _ := list[primary(list)]["date"].(map[string]any)
	part := func(name string) int { n, _ := d[name].(float64); return int(n) }
	if part("year") == 0 || part("month") == 0 || part("day") == 0 {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", part("year"), part("month"), part("day"))
}

// groupOf is the group that a membership names.
func groupOf(e entry) string {
	m, _ := e["contactGroupMembership"].(map[string]any)
	name, _ := m["contactGroupResourceName"].(string)
	return name
}

// groupsOf are the groups of memberships.
func groupsOf(list []entry) (ids []string) {
	for _, e := range list {
		if id := groupOf(e); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

func membership(group string) entry {
	return entry{"contactGroupMembership": map[string]any{"contactGroupResourceName": group}}
}

// record turns a person into a record with the wanted fields. known are the labels, which
// need to be known where they are wanted. What is blank is left out.
func (p *person) record(r rest.Request, fields []string, known *wire.Labels) (crm.Record, error) {
	one, ok := idOf(p.Name)
	from, own := p.contact()
	if !ok || !p.Meta.Deleted && (!own || from.Updated.IsZero()) {
		return crm.Record{}, rest.Malformed(r, "a contact has no name, or no time of its last change")
	}
	rec := crm.Record{ID: one, Fields: crm.Fields{}, ModifiedAt: from.Updated.UTC(), Deleted: p.Meta.Deleted}
	if rec.Deleted {
		return rec, nil
	}
	rec.Etag = from.version()
	for _, name := range fields {
		list, key := p.fields[top(name)], part(name)
		var text string
		switch {
		case name == labels:
			if items := known.Names(groupsOf(list)...); len(items) > 0 {
				rec.Fields[name] = crm.ListValue(items...)
			}
			continue
		case name == "birthdays":
			text = date(list)
		case key == further:
			text = others(list, "value")
		default:
			text = value(list, key)
		}
		if text != "" {
			rec.Fields[name] = crm.TextValue(text)
		}
	}
	return rec, nil
}

// derived are the parts that Google works out of the others, and that would win over them.
var derived = []string{
	"metadata", "displayName", "displayNameLastFirst", "unstructuredName", "formattedValue", "formattedType",
	"canonicalForm",
}

// changedEntries are a field's entries with a part of the primary one set. An entry that
// holds nothing any more goes, and the next one takes its place.
func changedEntries(field string, list []entry, key, text string) []entry {
	out := make([]entry, len(list))
	for i, e := range list {
		out[i] = maps.Clone(e)
		maps.DeleteFunc(out[i], func(k string, _ any) bool {
			return slices.Contains(derived, k) && (field != "emailAddresses" || k == "metadata")
		})
	}
	at := primary(list)
	if len(out) == 0 {
		out = append(out, entry{})
	}
	if out[at][key] = text; text == "" {
		delete(out[at], key)
	}
	if !slices.ContainsFunc(parts[field], func(k string) bool { return out[at][k] != nil }) {
		return slices.Delete(out, at, at+1)
	}
	return out
}

// birthday is a date as the API has it; false when it is none.
func birthday(text string) ([]entry, bool) {
	if text == "" {
		return []entry{}, true
	}
	var year, month, day int
	n, err := fmt.Sscanf(text+"|", "%4d-%2d-%2d|", &year, &month, &day)
	return []entry{{"date": map[string]any{"year": year, "month": month, "day": day}}}, err == nil && n == 3
}
