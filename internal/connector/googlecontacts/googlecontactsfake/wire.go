package googlecontactsfake

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// allFields are the field masks of a person [D].
var allFields = []string{
	"addresses", "ageRanges", "biographies", "birthdays", "calendarUrls", "clientData", "coverPhotos", "emailAddresses",
	"events", "externalIds",
	"genders", "imClients", "interests", "locales", "locations", "memberships", "metadata", "miscKeywords", "names",
	"nicknames", "occupations",
	"organizations", "phoneNumbers", "photos", "relations", "sipAddresses", "skills", "urls", "userDefined",
}

// single are the fields of which a contact has one [D].
var single = map[string]bool{"biographies": true, "birthdays": true, "genders": true, "names": true}

// fixed are the fields that no contact has of its own: they come from profiles, or are worked out [D].
var fixed = []string{"ageRanges", "coverPhotos", "metadata", "photos"}

// parts are the parts of the first entry of a field that users edit one by one.
var parts = map[string][]string{
	"names":         {"honorificPrefix", "givenName", "middleName", "familyName", "honorificSuffix"},
	"addresses":     {"streetAddress", "extendedAddress", "city", "region", "postalCode", "country"},
	"organizations": {"name", "title", "department"},
}

// simple are the fields whose entries are one value.
var simple = []string{"biographies", "emailAddresses", "nicknames", "phoneNumbers", "urls"}

// mask reads a field mask; it is required, and unknown names are refused [D].
func mask(text string) ([]string, error) {
	if text == "" {
		return nil, errors.New("personFields mask is required")
	}
	list := strings.Split(text, ",")
	for _, name := range list {
		if !slices.Contains(allFields, name) {
			return nil, fmt.Errorf("invalid personFields mask path: %q", name)
		}
	}
	return list, nil
}

// resource is a contact's name in the API.
func resource(id string) string { return "people/" + id }

// etag is a contact's, and the one of its source.
func (c *card) etag() (person, source string) {
	text := strconv.FormatInt(c.rev, 10)
	return "%" + base64.StdEncoding.EncodeToString([]byte(text)), "#" + text
}

// source is where a contact's data are kept.
func (f *book) source(r *fakekit.Record) entry {
	_, etag := contents(r).etag()
	return entry{
		"type": "CONTACT", "id": strings.TrimPrefix(r.ID, "c"), "etag": etag,
		"updateTime": r.Modified.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
}

// show writes a contact with the fields of a mask.
func (f *book) show(r *fakekit.Record, fields []string) map[string]any {
	c := contents(r)
	person, _ := c.etag()
	out := map[string]any{"resourceName": resource(r.ID), "etag": person}
	for _, name := range fields {
		if name == "metadata" {
			out[name] = entry{"sources": []entry{f.source(r)}, "objectType": "PERSON"}
			continue
		}
		var list []entry
		for i, e := range c.fields[name] {
			own := maps.Clone(e)
			own["metadata"] = entry{
				"primary": i == 0, "sourcePrimary": i == 0, "source": entry{"type": "CONTACT", "id": strings.TrimPrefix(r.ID, "c")},
			}
			if name == "names" {
				own["displayName"] = displayName(e)
			}
			list = append(list, own)
		}
		if list != nil {
			out[name] = list
		}
	}
	return out
}

func displayName(e entry) string {
	var words []string
	for _, part := range parts["names"] {
		if s, _ := e[part].(string); s != "" {
			words = append(words, s)
		}
	}
	return strings.Join(words, " ")
}

// flat is a contact in the fake's text form.
func (f *book) flat(c *card) map[string]string {
	out := map[string]string{}
	put := func(name, v string) {
		if v != "" {
			out[name] = v
		}
	}
	for name, keys := range parts {
		for _, key := range keys {
			if len(c.fields[name]) > 0 {
				s, _ := c.fields[name][0][key].(string)
				put(name+"/"+key, s)
			}
		}
	}
	for _, name := range simple {
		var all []string
		for _, e := range c.fields[name] {
			s, _ := e["value"].(string)
			all = append(all, s)
		}
		put(name, strings.Join(all, ";"))
	}
	for _, e := range c.fields["birthdays"] {
		put("birthdays", dateText(e))
	}
	var labels []string
	for _, e := range c.fields["memberships"] {
		if g, ok := f.group(groupOf(e)); ok && g.Type == "USER_CONTACT_GROUP" {
			labels = append(labels, g.Name)
		}
	}
	put("memberships", strings.Join(labels, ";"))
	return out
}

// dateText is a birthday as "2001-02-03", "--02-03" where it has no year.
func dateText(e entry) string {
	d, _ := e["date"].(entry)
	part := func(name string) int { n, _ := d[name].(float64); return int(n) }
	if part("year") == 0 {
		return fmt.Sprintf("--%02d-%02d", part("month"), part("day"))
	}
	return fmt.Sprintf("%04d-%02d-%02d", part("year"), part("month"), part("day"))
}

// set changes a field in the text form.
func (f *book) set(c *card, name, v string) error {
	field, key, nested := strings.Cut(name, "/")
	switch {
	case nested && slices.Contains(parts[field], key):
		if len(c.fields[field]) == 0 {
			c.fields[field] = []entry{{}}
		}
		if c.fields[field][0][key] = v; v == "" {
			delete(c.fields[field][0], key)
		}
	case slices.Contains(simple, name):
		var list []entry
		for i, part := range split(v) {
			e := entry{"value": part}
			if i < len(c.fields[name]) { // what else it says stays, such as its type
				e = maps.Clone(c.fields[name][i])
				e["value"] = part
			}
			list = append(list, e)
		}
		c.fields[name] = list
	case name == "birthdays":
		c.fields[name] = nil
		if v != "" {
			t, err := time.Parse("2006-01-02", v)
			if err != nil {
				return errors.New("a birthday is a date")
			}
			c.fields[name] = []entry{
				{"date": entry{"year": float64(t.Year()), "month": float64(t.Month()), "day": float64(t.Day())}},
			}
		}
	case name == "memberships":
		kept := slices.DeleteFunc(c.fields[name], func(e entry) bool {
			g, _ := f.group(groupOf(e))
			return g.Type == "USER_CONTACT_GROUP"
		})
		for _, label := range split(v) {
			kept = append(kept, membership(f.named(label).ID))
		}
		c.fields[name] = kept
	default:
		return fmt.Errorf("field %q: %w", name, fakekit.ErrNotFound)
	}
	return nil
}

func split(v string) []string {
	if v == "" {
		return nil
	}
	return strings.Split(v, ";")
}

func membership(id string) entry {
	return entry{"contactGroupMembership": entry{"contactGroupId": id, "contactGroupResourceName": "contactGroups/" + id}}
}

// groupOf is the group that a membership names.
func groupOf(e entry) string {
	m, _ := e["contactGroupMembership"].(entry)
	name, _ := m["contactGroupResourceName"].(string)
	return strings.TrimPrefix(name, "contactGroups/")
}

func (f *book) group(id string) (group, bool) {
	i := slices.IndexFunc(f.groups, func(g group) bool { return g.ID == id })
	if i < 0 {
		return group{}, false
	}
	return f.groups[i], true
}

// named returns the user's group of a name; it is made where there is none.
func (f *book) named(name string) group {
	i := slices.IndexFunc(f.groups, func(g group) bool { return g.Name == name })
	if i < 0 {
		i = len(f.groups)
		f.groups = append(f.groups, group{fmt.Sprintf("8%03x", i), name, "USER_CONTACT_GROUP"})
	}
	return f.groups[i]
}

// taken are the fields of a body, checked one by one [D].
func (f *book) taken(body map[string]json.RawMessage, fields []string) (map[string][]entry, error) {
	out := map[string][]entry{}
	for _, name := range fields {
		var list []entry
		if raw := body[name]; raw != nil && json.Unmarshal(raw, &list) != nil {
			return nil, fmt.Errorf("invalid value at 'person.%s'", name)
		}
		if single[name] && len(list) > 1 {
			return nil, fmt.Errorf("more than one %s in the request", name)
		}
		for _, e := range list {
			delete(e, "metadata")
			switch name {
			case "birthdays":
				if text := dateText(e); !strings.HasPrefix(text, "--") {
					if _, err := time.Parse("2006-01-02", text); err != nil {
						return nil, errors.New("invalid birthday date")
					}
				}
			case "memberships":
				if _, ok := f.group(groupOf(e)); !ok {
					return nil, fmt.Errorf("contact group %q does not exist", groupOf(e))
				}
			case "names":
				delete(e, "displayName")
			}
		}
		if name == "memberships" && len(list) == 0 {
			return nil, errors.New("contact must always have at least one contact group membership")
		}
		out[name] = list
	}
	return out, nil
}

// words are the names and numbers of google.rpc's codes for statuses [E].
var words = map[int]struct {
	name string
	code int
}{
	400: {"INVALID_ARGUMENT", 3}, 401: {"UNAUTHENTICATED", 16}, 403: {"PERMISSION_DENIED", 7}, 404: {"NOT_FOUND", 5},
	409: {"ALREADY_EXISTS", 6},
	410: {"FAILED_PRECONDITION", 9}, 412: {"FAILED_PRECONDITION", 9}, 429: {"RESOURCE_EXHAUSTED", 8},
	500: {"INTERNAL", 13}, 503: {"UNAVAILABLE", 14},
}

// refusal is an error of the API; status 412 stands for a precondition that failed,
// which is said with 400.
type refusal struct {
	status  int
	text    string
	details []any
}

func (e *refusal) Error() string { return e.text }

// rpc is the refusal as google.rpc.Status.
func (e *refusal) rpc() entry { return entry{"code": words[e.status].code, "message": e.text} }

// fail is the error body of all Google APIs [E].
func fail(w http.ResponseWriter, e *refusal) {
	status, name := e.status, words[e.status].name
	if status == http.StatusPreconditionFailed {
		status = http.StatusBadRequest
	}
	if name == "" {
		name = "UNKNOWN"
	}
	body := entry{"code": status, "message": e.text, "status": name}
	if e.details != nil {
		body["details"] = e.details
	}
	fakekit.WriteJSON(w, status, entry{"error": body})
}

func errorInfo(reason string) entry {
	return entry{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "people.googleapis.com"}
}

// Refuse implements fakekit.App.
func (*book) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	fail(w, &refusal{status, http.StatusText(status), nil})
}

// Throttle implements fakekit.App: without Retry-After, as a rule.
func (*book) Throttle(w http.ResponseWriter, _ *http.Request, _ fakekit.LimitKind, _ time.Duration) {
	fail(w, &refusal{
		429, "Quota exceeded for quota metric 'Critical read requests (Contact and Profile Reads)' and limit 'Critical " +
			"read requests per minute per user'.", nil,
	})
}

// Unknown implements fakekit.App.
func (*book) Unknown(w http.ResponseWriter, _ *http.Request, status int) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>"))
}
