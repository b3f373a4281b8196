package carddav

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

const (
	categories = "CATEGORIES"
	further    = "others" // the name of all lines but the preferred one
)

// places are where the parts of structured properties stand. Source: RFC 6350 6.2.2, 6.3.1, 6.6.4.
var places = map[string]map[string]int{
	"N":   {"family": 0, "given": 1, "additional": 2, "prefix": 3, "suffix": 4},
	"ADR": {"box": 0, "extended": 1, "street": 2, "locality": 3, "region": 4, "code": 5, "country": 6},
	"ORG": {"name": 0, "unit": 1},
}

// scheme is how a phone begins that is an address.
var scheme = regexp.MustCompile(`(?i)^tel:`)

// values are the fields of a card; what is blank is left out.
func (c *card) values(fields []string) crm.Fields {
	out := crm.Fields{}
	for _, field := range fields {
		if field == categories {
			if items := c.categories(); len(items) > 0 {
				out[field] = crm.ListValue(items...)
			}
			continue
		}
		if text := c.value(field); text != "" {
			out[field] = crm.TextValue(text)
		}
	}
	return out
}

// value is a field of one text.
func (c *card) value(field string) string {
	name, part, _ := strings.Cut(field, "/")
	i := c.line(name)
	at, structured := places[name][part]
	switch {
	case part == further:
		return strings.Join(slices.DeleteFunc(c.each(name, i), func(s string) bool { return s == "" }), ";")
	case structured:
		if all := parts(c.raw(i), ';'); at < len(all) {
			return unescape(all[at])
		}
		return ""
	case part != "":
		return ""
	case name == "TEL":
		return scheme.ReplaceAllString(unescape(c.raw(i)), "")
	case name == "BDAY":
		return c.birthday(i)
	}
	return unescape(c.raw(i))
}

// each is the value of all lines of a property but one.
func (c *card) each(name string, but int) (out []string) {
	for _, i := range c.all(name) {
		if i != but {
			out = append(out, scheme.ReplaceAllString(unescape(c.raw(i)), ""))
		}
	}
	return out
}

var date = regexp.MustCompile(`^(\d{4})-?(\d\d)-?(\d\d)(?:T.*)?$`)

// birthday is a date; one without a year is none to us, and stays as it is. Apple writes a
// year that it says to leave out.
func (c *card) birthday(i int) string {
	m := date.FindStringSubmatch(c.raw(i))
	if m == nil {
		return ""
	}
	if f := c.props.Preferred("BDAY"); f.Params.Get("X-APPLE-OMIT-YEAR") == m[1] {
		return ""
	}
	return m[1] + "-" + m[2] + "-" + m[3]
}

func (c *card) categories() (out []string) {
	for _, i := range c.all(categories) {
		for _, one := range parts(c.raw(i), ',') {
			if text := strings.TrimSpace(unescape(one)); text != "" && !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

// record is a card as a record.
func (r *row) record(id crm.RecordID, fields []string) crm.Record {
	return crm.Record{
		ID: id, Etag: strong(r.props.Etag), ModifiedAt: r.props.modified(r.card), Fields: r.card.values(fields),
	}
}

// strong is an etag that a write can be held to: what answers are packed with makes
// some servers call theirs weak.
func strong(etag string) string { return strings.TrimPrefix(strings.TrimSpace(etag), "W/") }

// types are the parameters that go with a value, and not with the one in its place.
var types = regexp.MustCompile(`(?i);(VALUE|ENCODING|CHARSET)=("[^"]*"|[^;:]*)`)

// write puts the values of fields into a card.
func (c *card) write(fields crm.Fields, now time.Time) {
	before, was := c.full(), c.text("FN")
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		v := fields[field]
		name, part, _ := strings.Cut(field, "/")
		text := ""
		if !v.Blank() {
			text = v.Text()
		}
		at, structured := places[name][part]
		switch {
		case field == categories:
			c.categorise(v.Items())
		case structured:
			c.setPart(name, at, escape(text))
		case name == "BDAY":
			c.setBirthday(text)
		case name == "EMAIL":
			c.set(name, c.head("EMAIL;TYPE=INTERNET", "EMAIL"), escape(text))
		case name == "TEL":
			if i := c.line(name); i >= 0 {
				head, _, _ := c.split(i)
				c.rewrite(i, types.ReplaceAllString(head, ""), escape(text))
			} else {
				c.set(name, name, escape(text))
			}
		case name == "URL": // is an address, and no text: its commas and semicolons stand as they are
			c.set(name, name, addresses.Replace(text))
		default:
			c.set(name, name, escape(text))
		}
	}
	// A full name that was made of the others goes on being so, and every card has one.
	if name := c.full(); c.text("FN") == "" || name != before && was == before && fields["FN"].Blank() {
		if name == "" {
			name = strings.TrimSpace(firstOf(c.value("ORG/name"), c.value("EMAIL"), c.value("TEL"), was, "-"))
		}
		c.set("FN", "FN", escape(name))
	}
	if i := c.line("REV"); i >= 0 {
		c.rewrite(i, "REV", now.UTC().Format("20060102T150405Z"))
	}
	c.lines = slices.DeleteFunc(c.lines, func(s string) bool { return s == "" })
}

func firstOf(texts ...string) string {
	return texts[max(0, slices.IndexFunc(texts, func(s string) bool { return s != "" }))]
}

// head is how a new line begins in version 3.0 and in 4.0.
func (c *card) head(three, four string) string {
	if c.text("VERSION") == "3.0" {
		return three
	}
	return four
}

// full is the name as it is spoken, of its parts.
func (c *card) full() string {
	var words []string
	for _, part := range []string{"prefix", "given", "additional", "family", "suffix"} {
		if s := strings.TrimSpace(c.value("N/" + part)); s != "" {
			words = append(words, s)
		}
	}
	return strings.Join(words, " ")
}

// setPart writes one part of a structured property; the others stay as they are.
func (c *card) setPart(name string, at int, value string) {
	all := parts(c.raw(c.line(name)), ';')
	for len(all) <= at || len(all) < len(places[name]) && name != "ORG" {
		all = append(all, "")
	}
	all[at] = value
	for name == "ORG" && len(all) > 1 && all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	line := strings.Join(all, ";")
	if strings.Trim(line, ";") == "" && (name != "N" || c.text("VERSION") != "3.0") { // 3.0 wants a name
		line = ""
	}
	c.set(name, name, line)
}

// setBirthday writes a date as the card's version has it.
func (c *card) setBirthday(text string) {
	if c.text("VERSION") != "3.0" {
		text = strings.ReplaceAll(text, "-", "")
	}
	if i := c.line("BDAY"); i >= 0 {
		head, _, _ := c.split(i)
		plain, _, _ := strings.Cut(head, ";") // what it said was about the date that goes
		c.rewrite(i, plain, text)
		return
	}
	c.set("BDAY", "BDAY", text)
}

// categorise writes all categories: those that stay as they are and where they are, new
// ones behind them.
func (c *card) categorise(wanted []string) {
	var kept, names []string
	lines := c.all(categories)
	for _, i := range lines {
		for _, one := range parts(c.raw(i), ',') {
			if name := strings.TrimSpace(unescape(one)); slices.Contains(wanted, name) && !slices.Contains(names, name) {
				kept, names = append(kept, one), append(names, name)
			}
		}
	}
	for _, name := range wanted {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			kept, names = append(kept, escape(name)), append(names, name)
		}
	}
	for n, i := range lines {
		value := ""
		if n == 0 {
			value = strings.Join(kept, ",")
		}
		c.replace(i, value)
	}
	if len(lines) == 0 && len(kept) > 0 {
		c.add(categories, strings.Join(kept, ","))
	}
}

// fresh is a card of nobody yet, in the version that every server takes.
func fresh(uid string) *card {
	return parse("BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//Lockstep//CardDAV//EN\r\nUID:" + uid +
		"\r\nN:;;;;\r\nEND:VCARD\r\n")
}
