package mapping_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// Texts that people write, in the fields that they write them into and in others.
var (
	someWords = []string{
		"", " ", "\t\r\n", "Ann", " Ann  Lee ", "e\u0301", "\u00e9", "\u2000a\u2003", "a\r\nb\rc", "Zoë\u00a0", "\u212b",
		"a;b", ";", " b ;a;a", "null", "0", "Yes", "no", "TRUE", "1", "maybe",
		"Vincent van der Berg", "lead", "LEAD", "open deal", "Open", "Customer", "Lost", "VIP", "vip",
		"too long for the field", "web", "Phone ", "fax", "\u202eabc", "\x00", strings.Repeat("x", 300),
	}
	somePhones = []string{
		"(212) 555-0100", "+12125550100", "212.555.0100 x12", "0049 30 123456", "+49 (0)30 123456", "+39 06 1234567",
		"030 / 123 456", "030123456", "+", "ask reception", "１２３ ４５６", "011 44 20 7183 8750",
		"+54 9 11 1234-5678", "+52 1 55 1234 5678", "+44 20 7183 8750 ext. 7", "tel:+442071838750;ext=7",
		"020 7183 8750 / 020 7183 8751", "112", "+1 555 123 4567", "1-800-FLOWERS", "+999 123", "44 20 7183 8750",
		"0 20 7183 8750", "+442071838750 #9",
	}
	someEmails = []string{
		"Ann@Example.com", " ann@example.com ", "a@b@c", "@", "a@", "@b.com", "x@BÜCHER.de", "x@xn--bcher-kva.de",
		"\u212a@x.org", "İ@x.org", "a@ｅxample.org", "a b@x.org", "a..b@x.org", ".a@x.org", "a.@x.org", "\"a b\"@x.org",
		"a@localhost", "a@10.0.0.1", "a+tag@x.org", "a@x.org.", "mailto:a@x.org", "A <a@x.org>", strings.Repeat("a", 65) +
			"@x.org",
	}
	someSites = []string{
		"acme.com", "https://www.acme.com/", "http://ACME.com/de", "bücher.example", "xn--bcher-kva.example", "www.com",
		"www.www.acme.com", "www.co.uk", "co.uk", "http://", "https:acme.com", "localhost", "10.0.0.1",
		"http://[::1]/", "info@acme.com", "n/a", "acme。com", "ａcme.com", "\u212aite.com", "a_b.com", "github.io",
		"acme.github.io", "linkedin.com/company/acme", "https://www.linkedin.com/in/ann?x=1", "facebook.com", "gmail.com",
		"acme.com:80", "acme.com:8443", "acme.com.", "ftp://acme.com", "//acme.com", "u:p@acme.com", "acme.com?q=1",
		"acme.com#top", "de.acme.com", "ACME", "-acme.com", "acme-.com", "xn--a.com", "acme.com/a b", "wixsite.com/x",
		strings.Repeat("a", 64) + ".com",
	}
	someNumbers = []string{
		"0", "-0", "0.10", "1e3", "1E-2", "00012", ".5", "5.", "9007199254740993", "1,000", "NaN", "+7",
		"-7.50", "1e400", "1e-400", "12345678901234567890.12345", "--1", "1.2.3", "e5",
	}
	someMoments = []string{
		"2026-03-08T02:30:00", "2026-11-01 01:30", "2018-11-04", "2011-12-30", "0001-01-01", "9999-12-31T23:59:59Z",
		"2024-02-29", "2023-02-29", "1/2/2026", "2026-07-01T12:00:00+02:00", "2026-07-01T12:00:00.123-0700",
		"1767225600000", "-1", "0", "1767225600", "2026-07-01T00:00:00Z", "2026-07-01T23:59:59.999Z", "2026-13-01",
		"2026-07-01T25:00:00Z",
	}
)

func kinds(list []string) []crm.Value {
	out := []crm.Value{
		{},
		crm.NullValue(), crm.BoolValue(true), crm.BoolValue(false), crm.NumberValue("12.50"),
		crm.NumberValue("1767225600000"), crm.ListValue(), crm.ListValue("VIP", "b", " b"), crm.ListValue("x"),
	}
	for _, s := range list {
		out = append(out, crm.TextValue(s))
	}
	return out
}

func shown(v crm.Value) string {
	switch v.Kind() {
	case crm.Absent:
		return "-"
	case crm.Null:
		return "null"
	case crm.List:
		return fmt.Sprintf("%q", v.Items())
	case crm.Text:
		return fmt.Sprintf("%.60q", v.Text())
	case crm.Number, crm.Bool:
	}
	return v.Text()
}

func shownFields(f crm.Fields) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		parts = append(parts, name+"="+shown(f[name]))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

// TestValuesTravelAsWritten: what each mapping of the laws makes of each value,
// and what it writes of it to the other side, is in testdata/travels.
func TestValuesTravelAsWritten(t *testing.T) {
	t.Parallel()
	all := laws()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		l := all[name]
		c := compile(t, l.mapping, l.env(t))
		list := someWords
		switch {
		case strings.HasPrefix(name, "phone"):
			list = append(slices.Clone(somePhones), someWords[:12]...)
		case strings.Contains(name, "email"):
			list = append(slices.Clone(someEmails), someWords[:12]...)
		case strings.HasPrefix(name, "domain"):
			list = append(slices.Clone(someSites), someWords[:12]...)
		case strings.Contains(name, "date"):
			list = append(slices.Clone(someMoments), someWords[:6]...)
		case strings.Contains(name, "number"):
			list = append(slices.Clone(someNumbers), someWords[:6]...)
		}
		var out strings.Builder
		for _, side := range crm.Sides {
			for _, v := range kinds(list) {
				raw := crm.Fields{}
				for i, n := range c.Names(side) {
					if raw[n] = v; i > 0 {
						raw[n] = crm.TextValue("Lee")
					}
				}
				read, err := c.Canonical(side, raw)
				fmt.Fprintf(&out, "%s %s is ", side, shown(v))
				if err != nil {
					fmt.Fprintf(&out, "%s\n", err)
					continue
				}
				fmt.Fprint(&out, shown(read))
				if c.InvalidPhone(read) {
					fmt.Fprint(&out, " (no number)")
				}
				for _, held := range []crm.Fields{
					nil, {
						"l": crm.TextValue("Ann"), "r": crm.TextValue("Lee"), "r2": crm.TextValue("Lee"),
						"l2": crm.TextValue("Roe"),
					},
				} {
					if wrote, err := c.RenderFrom(side.Other(), read, held, raw); err != nil {
						fmt.Fprintf(&out, " -> %s", fault.CodeOf(err))
					} else {
						fmt.Fprintf(&out, " -> %s", shownFields(wrote))
					}
				}
				fmt.Fprintln(&out)
			}
		}
		written.Check(t, "travels/"+strings.NewReplacer(", ", "-", " ", "-").Replace(name)+".txt", out.String())
	}
}

// TestFormsAreAsWritten: the identity of each text in each form, how it is looked
// for, and what the functions beside them say of it.
func TestFormsAreAsWritten(t *testing.T) {
	t.Parallel()
	every := slices.Concat(someWords, somePhones, someEmails, someSites, someNumbers)
	var out strings.Builder
	for _, form := range []mapping.Form{
		mapping.FormEmail, mapping.FormPhone, mapping.FormDomain, mapping.FormURL, mapping.FormNumber, mapping.FormText,
	} {
		fmt.Fprintf(&out, "%s: shared %t, crowds %t\n", form, form.Shared(), form.Crowds())
		for _, country := range []string{"", "US", "DE"} {
			if country != "" && form != mapping.FormPhone {
				continue
			}
			for _, v := range kinds(every) {
				key, ok := form.Key(v, country)
				if !ok {
					continue
				}
				how, tail := form.Search(key)
				fmt.Fprintf(&out, "%s %s %.60q: %v %q %.300q\n", country, shown(v), key, how, tail, form.Spellings(key, v.Text()))
			}
		}
	}
	for _, s := range every {
		number, valid, ok := mapping.CanonicalPhone(s, "GB")
		host, is := mapping.CanonicalDomain(s)
		email, good := mapping.CanonicalEmail(s)
		decimal, fits := mapping.CanonicalNumber(s)
		yes, said := mapping.ParseBool(crm.TextValue(s))
		fmt.Fprintf(&out, "%.60q: phone %.60q %t %t %q %q, domain %q %t %t, email %.60q %t, number %q %t, %t %t, text "+
			"%.60q %.60q %.60q\n", s, number, valid, ok,
			mapping.DialledDigits(number), mapping.NationalDigits(number), host, is, mapping.IdentifiesCompany(host), email,
			good, decimal, fits, yes, said,
			mapping.CanonicalText(s), mapping.Fold(s), mapping.Items(crm.TextValue(s)))
	}
	for _, a := range someNumbers {
		for _, b := range someNumbers {
			x, fits := mapping.CanonicalNumber(a)
			y, too := mapping.CanonicalNumber(b)
			if fits && too {
				fmt.Fprintf(&out, "%s %s: %d\n", a, b, mapping.CompareNumbers(x, y))
			}
		}
	}
	for _, zone1 := range []string{"UTC", "America/New_York", "Pacific/Apia"} {
		loc := zone(t, zone1)
		for _, s := range someMoments {
			for _, epoch := range []bool{true, false} {
				if m, ok := mapping.ParseMoment(crm.TextValue(s), loc, epoch); ok {
					at, known := m.Instant(loc)
					day, is := m.Day(loc).Instant(loc)
					fmt.Fprintf(&out, "%s %s %t: %s %t, %s, %s %t\n", zone1, s, epoch, at.UTC().Format("2006-01-02T15:04:05.000"),
						known, m.Date(loc).Format("2006-01-02"), day.UTC().Format("2006-01-02T15:04"), is)
				}
			}
		}
	}
	written.Check(t, "forms.txt", out.String())
}

// TestMappingsAreCheckedAsWritten compiles every transform between all types, in
// every direction and by every policy.
func TestMappingsAreCheckedAsWritten(t *testing.T) {
	t.Parallel()
	types := []crm.FieldType{
		"", crm.TypeText, crm.TypeEmail, crm.TypePhone, crm.TypeNumber, crm.TypeBoolean, crm.TypeDate, crm.TypeDateTime,
		crm.TypeOption, crm.TypeOptions, crm.TypeList, crm.TypeReference, crm.TypeURL, crm.TypeOwner,
	}
	transforms := []crm.TransformType{
		"", crm.TransformNone, crm.TransformFullName, crm.TransformPhone, crm.TransformEmail, crm.TransformDomain,
		crm.TransformDate, crm.TransformDateTime, crm.TransformNumber, crm.TransformBoolean, crm.TransformOptions,
		crm.TransformList, crm.TransformStatic, "other",
	}
	var out strings.Builder
	say := func(m crm.Mapping, env mapping.Env) string {
		c, problems := mapping.Compile(m, env)
		if problems == nil {
			s := c.Spec()
			return fmt.Sprintf("ok %s set %t checkbox %t blank %t conflict %v clear %v", s.Direction, c.IsSet(), c.IsCheckbox(),
				c.UnlessBlank(), deref(s.Conflict), s.Clear)
		}
		var parts []string
		for _, p := range problems {
			parts = append(parts, fmt.Sprintf("%s %s %q", p.Pointer, p.Code, p.Detail))
		}
		return strings.Join(parts, "; ")
	}
	for _, tr := range transforms {
		for _, d := range []crm.Direction{crm.DirectionBoth, crm.DirectionToRight, crm.DirectionToLeft} {
			for _, l := range types {
				alike := map[string][]string{}
				for _, r := range types {
					m := oneToOne(tr)
					m.Direction = d
					text := say(m, pair(l, r))
					text = strings.ReplaceAll(text, string(r)+" field", "… field")
					code, _, _ := strings.Cut(text, " \"")
					alike[code] = append(alike[code], string(r))
				}
				for _, code := range slices.Sorted(maps.Keys(alike)) {
					fmt.Fprintf(&out, "%s %s %s to %s: %s\n", tr, d, l, strings.Join(alike[code], ","), code)
				}
			}
		}
	}
	for _, l := range types {
		for _, r := range types {
			for _, tr := range []crm.TransformType{crm.TransformNone, crm.TransformPhone, crm.TransformBoolean} {
				if text := say(oneToOne(tr), pair(l, r)); !strings.HasPrefix(text, "ok") {
					fmt.Fprintf(&out, "%s of %s and %s: %s\n", tr, l, r, text)
				}
			}
		}
	}
	shapes := [][2][]string{
		{nil, nil},
		{{"l"}, nil},
		{nil, {"r"}},
		{{"l", "l2"}, {"r"}},
		{{"l"}, {"r", "r2"}},
		{{"l", "l2"}, {"r", "r2"}},
		{{"l", "l"}, {"r"}},
		{{" "}, {"r"}},
		{{"l"}, {"none"}},
		{{"l", "l2", "l3"}, {"r"}},
	}
	env := mapping.Env{
		Left:  schema(field("l", "text"), crm.Field{Name: "l2", Type: "text", ReadOnly: true}, field("l3", "number")),
		Right: schema(crm.Field{Name: "r", Type: "text", MaxLength: 4, ReadOnly: true}, field("r2", "list")),
	}
	for _, tr := range transforms {
		for _, d := range []crm.Direction{"", crm.DirectionToRight, crm.DirectionToLeft, crm.DirectionOff, "sideways"} {
			for _, shape := range shapes {
				m := crm.Mapping{ID: "m", Left: shape[0], Right: shape[1], Direction: d, Transform: crm.Transform{Type: tr}}
				if tr == crm.TransformStatic || tr == crm.TransformOptions {
					m.Transform.Options = map[string]string{"value": "x"}
				}
				fmt.Fprintf(&out, "%s %s %q: %s\n", tr, d, shape, say(m, env))
			}
		}
	}
	for _, policy := range []crm.MappingPolicy{
		crm.PolicyTwoWay, crm.PolicyPreferRightUnless, crm.PolicyPreferLeftUnless,
		crm.PolicyAlwaysRight, crm.PolicyAlwaysLeft, crm.PolicyNone, "other",
	} {
		m := oneToOne("none")
		m.Policy = &policy
		fmt.Fprintf(&out, "%s: %s\n", policy, say(m, pair("text", "text")))
	}
	for _, v := range []crm.Value{
		crm.TextValue("x"), crm.NumberValue("1"), crm.BoolValue(true), crm.ListValue("a"),
		crm.TextValue("way too long"), crm.TextValue(" "),
	} {
		for _, typ := range types[1:] {
			m := oneToOne("none")
			m.Default.ToRight, m.Default.ToLeft = v, v
			e := pair(typ, typ)
			f := e.Right["r"]
			f.MaxLength = 5
			e.Right["r"] = f
			fmt.Fprintf(&out, "default %s of %s: %s\n", shown(v), typ, say(m, e))
		}
	}
	written.Check(t, "checks.txt", out.String())
}

func deref(p *crm.ConflictPolicy) crm.ConflictPolicy {
	if p == nil {
		return "-"
	}
	return *p
}
