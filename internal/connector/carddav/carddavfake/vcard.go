package carddavfake

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// property is one content line: RFC 6350 section 3.3.
type property struct {
	group  string // with its dot
	name   string // in upper case
	params string // from the first semicolon on
	value  string // escaped as it is
}

func (p property) String() string { return p.group + p.name + p.params + ":" + p.value + "\r\n" }

// unfolded takes a card apart; what is no content line is left out.
func unfolded(text string) (out []property) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for _, fold := range []string{"\n ", "\n\t"} {
		text = strings.ReplaceAll(text, fold, "")
	}
	for line := range strings.SplitSeq(text, "\n") {
		quoted := false
		at := strings.IndexFunc(line, func(r rune) bool {
			quoted = quoted != (r == '"')
			return r == ':' && !quoted
		})
		if at < 0 {
			continue
		}
		p := property{value: line[at+1:], name: line[:at]}
		if i := strings.IndexByte(p.name, ';'); i >= 0 {
			p.name, p.params = p.name[:i], p.name[i:]
		}
		if i := strings.IndexByte(p.name, '.'); i >= 0 {
			p.group, p.name = p.name[:i+1], p.name[i+1:]
		}
		p.name = strings.ToUpper(p.name)
		out = append(out, p)
	}
	return out
}

func joined(all []property) string {
	var b strings.Builder
	for _, p := range all {
		b.WriteString(p.String())
	}
	return b.String()
}

// plain is a value as people read it: RFC 6350 section 3.4.
func plain(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";").Replace(s)
}

// escaped is a value as a card has it.
func escaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, ",", `\,`, ";", `\;`).Replace(s)
}

// components are the parts of a value with a separator, escaped as they are.
func components(s string, separator rune) []string {
	out, back := []string{""}, false
	for _, r := range s {
		last := len(out) - 1
		if r == separator && !back {
			out = append(out, "")
			continue
		}
		back = r == '\\' && !back
		out[last] += string(r)
	}
	return out
}

// structure names the parts of structured values: RFC 6350 6.2.2, 6.3.1, 6.6.4.
var structure = map[string][]string{
	"N":   {"family", "given", "additional", "prefix", "suffix"},
	"ADR": {"box", "extended", "street", "locality", "region", "code", "country"},
	"ORG": {"name", "unit"},
}

// simple are the properties of one text, and several those that there may be more of.
var (
	simple  = []string{"FN", "NICKNAME", "TITLE", "BDAY", "NOTE", "URL", "UID"}
	several = []string{"EMAIL", "TEL", "CATEGORIES"}
)

// flat is a card in the fake's text form.
func flat(text string) map[string]string {
	out := map[string]string{}
	put := func(name, v string) {
		if out[name] == "" && v != "" {
			out[name] = v
		}
	}
	more := map[string][]string{}
	for _, p := range unfolded(text) {
		switch {
		case structure[p.name] != nil:
			for i, part := range components(p.value, ';') {
				if i < len(structure[p.name]) {
					put(p.name+"/"+structure[p.name][i], plain(part))
				}
			}
		case p.name == "CATEGORIES":
			for _, one := range components(p.value, ',') {
				more[p.name] = append(more[p.name], plain(one))
			}
		case slices.Contains(several, p.name):
			more[p.name] = append(more[p.name], strings.TrimPrefix(plain(p.value), "tel:"))
		case p.name == "BDAY":
			put(p.name, dashed(p.value))
		case slices.Contains(simple, p.name):
			put(p.name, plain(p.value))
		}
	}
	for name, all := range more {
		put(name, strings.Join(all, ";"))
	}
	return out
}

// dashed is a date as people write it.
func dashed(s string) string {
	if len(s) == 8 && strings.Trim(s, "0123456789") == "" {
		return s[:4] + "-" + s[4:6] + "-" + s[6:]
	}
	return s
}

// with is a card with a field in the text form set.
func with(text, field, v string) (string, error) {
	name, part, _ := strings.Cut(field, "/")
	all := unfolded(text)
	at := slices.IndexFunc(all, func(p property) bool { return p.name == name })
	index := slices.Index(structure[name], part)
	switch {
	case structure[name] != nil && index >= 0:
		raw := make([]string, len(structure[name]))
		if at >= 0 {
			copy(raw, components(all[at].value, ';'))
		}
		raw[index] = escaped(v)
		value := strings.Join(raw, ";")
		if strings.Trim(value, ";") == "" && name != "N" {
			value = ""
		}
		return joined(one(all, at, name, value)), nil
	case name == "CATEGORIES":
		var items []string
		for _, s := range list(v) {
			items = append(items, escaped(s))
		}
		return joined(one(all, at, name, strings.Join(items, ","))), nil
	case slices.Contains(several, name) && part == "":
		return joined(each(all, name, list(v))), nil
	case name == "BDAY" && v != "":
		if _, err := time.Parse(time.DateOnly, v); err != nil {
			return "", errors.New("a birthday is a date")
		}
		return joined(one(all, at, name, v)), nil
	case slices.Contains(simple, name) && part == "" && name != "UID":
		return joined(one(all, at, name, escaped(v))), nil
	}
	return "", fmt.Errorf("field %q: %w", field, fakekit.ErrNotFound)
}

// one sets the property at a place, or makes it; without a value it goes.
func one(all []property, at int, name, value string) []property {
	switch {
	case value == "" && at >= 0:
		return slices.Delete(all, at, at+1)
	case value == "":
		return all
	case at < 0:
		return slices.Insert(all, len(all)-1, property{name: name, value: value})
	}
	all[at].value = value
	return all
}

// each gives the lines of a property other values, in their order.
func each(all []property, name string, values []string) []property {
	n := 0
	out := slices.DeleteFunc(all, func(p property) bool {
		if p.name != name {
			return false
		}
		n++
		return n > len(values)
	})
	n = 0
	for i := range out {
		if out[i].name == name {
			out[i].value = escaped(values[n])
			n++
		}
	}
	for _, v := range values[n:] {
		out = slices.Insert(out, len(out)-1, property{name: name, value: escaped(v)})
	}
	return out
}

func list(v string) []string {
	if v == "" {
		return nil
	}
	return strings.Split(v, ";")
}

func keys(m map[string]string) iter.Seq[string] { return maps.Keys(m) }

// blank is a new card as a user's other client makes it.
func blank(name string) string {
	uid := strings.TrimSuffix(name, ".vcf")
	return "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:" + uid + "\r\nFN:New\r\nN:;;;;\r\nEND:VCARD\r\n"
}

// valid reports what is wrong with a card that is sent: RFC 6352 section 5.1, RFC 2426, RFC 6350.
func valid(text string) error {
	all := unfolded(text)
	count := map[string]int{}
	for _, p := range all {
		count[p.name]++
	}
	last := len(all) - 1
	if last < 0 || all[0].String() != "BEGIN:VCARD\r\n" || all[last].String() != "END:VCARD\r\n" ||
		count["BEGIN"] != 1 || count["END"] != 1 {
		return errors.New("the body is not one vCard")
	}
	version := all[1]
	if version.name != "VERSION" || version.value != "3.0" && version.value != "4.0" {
		return errors.New("VERSION is not 3.0 or 4.0, or does not come first")
	}
	if count["UID"] != 1 || count["FN"] < 1 || count["N"] < 1 && version.value == "3.0" || count["N"] > 1 {
		return errors.New("UID, FN or N is missing, or there are too many")
	}
	for line := range strings.SplitSeq(text, "\r\n") { // which they SHOULD not be: this server insists
		if len(line) > 75 {
			return errors.New("a line is longer than 75 octets")
		}
	}
	for _, p := range all {
		switch p.name {
		case "BDAY":
			if _, err := time.Parse(time.DateOnly, dashed(p.value)); err != nil && !strings.HasPrefix(p.value, "--") {
				return errors.New("BDAY is not a date")
			}
			if dashed(p.value) == p.value && version.value == "4.0" && !strings.HasPrefix(p.value, "--") {
				return errors.New("BDAY is not a date of version 4.0")
			}
		case "FN":
			if strings.TrimSpace(p.value) == "" {
				return errors.New("FN is blank")
			}
		}
	}
	return nil
}
