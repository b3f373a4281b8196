package mapping_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests, whatever the machine has

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// law is one two-way mapping whose laws are checked with generated values.
type law struct {
	mapping crm.Mapping
	left    []crm.Field
	right   []crm.Field
	country string
	zones   [2]string
	values  func(*rapid.T, crm.Field) crm.Value // what an app may send for a field
	rewrite func(crm.Value) crm.Value           // what an app makes of what it was sent
}

func (l law) env(t testing.TB) mapping.Env {
	t.Helper()
	env := mapping.Env{Left: schema(l.left...), Right: schema(l.right...), Country: l.country}
	for i, s := range crm.Sides {
		if l.zones[i] != "" {
			env.TimeZone.Set(s, zone(t, l.zones[i]))
		}
	}
	return env
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func schema(fields ...crm.Field) map[string]crm.Field {
	if fields == nil {
		return nil
	}
	m := map[string]crm.Field{}
	for _, f := range fields {
		m[f.Name] = f
	}
	return m
}

func field(name string, t crm.FieldType) crm.Field { return crm.Field{Name: name, Type: t} }

func oneToOne(t crm.TransformType, options ...string) crm.Mapping {
	m := crm.Mapping{ID: "m", Left: []string{"l"}, Right: []string{"r"}, Transform: crm.Transform{Type: t}}
	for i := 0; i+1 < len(options); i += 2 {
		if m.Transform.Options == nil {
			m.Transform.Options = map[string]string{}
		}
		m.Transform.Options[options[i]] = options[i+1]
	}
	return m
}

func withOptions(f crm.Field, values ...string) crm.Field {
	for _, v := range values {
		f.Options = append(f.Options, crm.Option{Value: v, Label: v})
	}
	return f
}

// The generators mix clean values with those that people and apps really write.
var (
	messyText = rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ \t\r\n]{0,2}[A-Za-zäöü' ]{0,12}[ \r\n]{0,2}`),
		rapid.SampledFrom([]string{
			"", " ", "e\u0301", "\u00e9", "\u2000a\u2003", "a\r\nb\rc", "Zoë\u00a0", "\u212b", "a;b",
			";", "null", "0",
		}),
	)
	phoneText = rapid.OneOf(
		rapid.StringMatching(`(\+|00|\+49 ?|\+1[ -]?|0|\(0\))?[0-9]{1,4}[ ./()-]{0,2}[0-9]{2,8}( ?(x|ext\.?|#) ?[0-9]{1,4})?`),
		rapid.SampledFrom([]string{
			"(212) 555-0100", "+12125550100", "0049 30 123456", "+49 (0)30 123456", "+39 06 1234567",
			"+", "ask", "１２３ ４５６", "+54 9 11 1234-5678", "+52 1 55 1234 5678",
		}),
		messyText,
	)
	emailText = rapid.OneOf(
		rapid.StringMatching(`[ ]?[A-Za-z0-9._+äéſ'-]{1,8}@[A-Za-z0-9üß-]{1,8}\.(com|DE|xn--p1ai)[ ]?`),
		rapid.SampledFrom([]string{
			"Ann@Example.com", "a@b@c", "@", "x@BÜCHER.de", "\u212a@x.org", "İ@x.org", "a@ｅxample.org",
		}),
		messyText,
	)
	webText = rapid.OneOf(
		rapid.StringMatching(`[ ]?((https?|HTTP|ftp)://|//|https:/?)?(u(:p)?@)?(www\.|WWW\.)?([a-zA-Z0-9üß-]{1,8}\.){1,3}(com|DE|co\.uk|example|xn--p1ai|рф)\.?(:80|:8443)?(/|/de|/a/b/|\?q=1|#top|\\x)?[ ]?`),
		rapid.StringMatching(`(https?://)?(www\.|de\.)?(linkedin\.com|facebook\.com|gmail\.com|acme\.github\.io|yahoo\.co\.uk|wixsite\.com)(:80)?(/[a-z/]{0,9}|\?id=[0-9]{1,3}|#[a-z]{0,3}|/ +[a-z]|/\?|//)?`),
		rapid.SampledFrom([]string{
			"acme.com", "https://www.acme.com/", "http://ACME.com/de", "bücher.example", "xn--bcher-kva.example", "www.com",
			"www.www.acme.com", "www.co.uk",
			"co.uk", "http://", "https:acme.com", "localhost", "10.0.0.1", "http://[::1]/", "info@acme.com", "n/a", "acme。com",
			"ａcme.com", "\u212aite.com", "a_b.com", "github.io",
		}),
		messyText,
	)
	numberText = rapid.OneOf(
		rapid.StringMatching(`[+-]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2})?`),
		rapid.SampledFrom([]string{
			"0", "-0", "0.10", "1e3", "1E-2", "00012", ".5", "5.", "9007199254740993", "1,000", "NaN",
			"abc",
		}),
	)
	momentText = rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string {
			at := time.UnixMilli(rapid.Int64Range(-2_000_000_000_000, 4_000_000_000_000).Draw(t, "ms")).UTC()
			layout := rapid.SampledFrom([]string{
				time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05.000-0700", "2006-01-02", "2006-01-02 15:04",
				"2006-01-02T15:04:05", "2006-01-02T15:04:05.999Z07:00",
			}).Draw(t, "layout")
			return at.Format(layout)
		}),
		rapid.Map(rapid.Int64Range(-2_000_000_000_000, 4_000_000_000_000), func(ms int64) string { return fmt.Sprint(ms) }),
		rapid.SampledFrom([]string{
			"2026-03-08T02:30:00", "2026-11-01 01:30", "2018-11-04", "2011-12-30", "0001-01-01",
			"9999-12-31T23:59:59Z", "2024-02-29", "2023-02-29", "1/2/2026",
		}),
	)
)

func blankOr(g *rapid.Generator[crm.Value]) *rapid.Generator[crm.Value] {
	return rapid.OneOf(g, g, g, rapid.SampledFrom([]crm.Value{
		{}, crm.NullValue(), crm.TextValue(""), crm.TextValue(" \t"), crm.ListValue(),
	}))
}

func texts(g *rapid.Generator[string]) func(*rapid.T, crm.Field) crm.Value {
	return func(t *rapid.T, f crm.Field) crm.Value {
		return blankOr(rapid.Map(g, crm.TextValue)).Draw(t, f.Name)
	}
}

// ofType sends what an app sends for a field of the type, and the words that
// an app of strings only (HubSpot) sends.
func ofType(g *rapid.Generator[string]) func(*rapid.T, crm.Field) crm.Value {
	return func(t *rapid.T, f crm.Field) crm.Value {
		typed := rapid.Map(g, func(s string) crm.Value {
			switch f.Type {
			case crm.TypeNumber:
				return crm.NumberValue(s)
			case crm.TypeBoolean:
				return crm.BoolValue(s == "true")
			case crm.TypeList:
				return crm.ListValue(strings.Split(s, ";")...)
			default:
				return crm.TextValue(s)
			}
		})
		return blankOr(rapid.OneOf(typed, rapid.Map(g, crm.TextValue))).Draw(t, f.Name)
	}
}

func same(v crm.Value) crm.Value { return v }

// trimmed is an app that trims texts, as most do.
func trimmed(v crm.Value) crm.Value {
	if v.Kind() != crm.Text {
		return v
	}
	return crm.TextValue(strings.TrimSpace(v.Text()))
}

func words(list ...string) *rapid.Generator[string] { return rapid.SampledFrom(list) }

func joined(list ...string) *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(list), 0, 5), func(s []string) string {
		return strings.Join(s, ";")
	})
}

func laws() map[string]law {
	text, phone, email := crm.TypeText, crm.TypePhone, crm.TypeEmail
	status := []string{"lead", "open deal", "Customer", "LOST", "lost "}
	return map[string]law{
		"none": {
			oneToOne("none"),
			[]crm.Field{field("l", text)},
			[]crm.Field{field("r", text)},
			"",
			[2]string{},
			texts(messyText), trimmed,
		},
		"none, long": {
			oneToOne(""),
			[]crm.Field{field("l", text)},
			[]crm.Field{{Name: "r", Type: text, MaxLength: 5}},
			"",
			[2]string{},
			texts(messyText), trimmed,
		},
		"none, numbers": {
			oneToOne("none"),
			[]crm.Field{field("l", crm.TypeNumber)},
			[]crm.Field{field("r", crm.TypeNumber)},
			"",
			[2]string{},
			ofType(numberText), func(v crm.Value) crm.Value { return crm.NumberValue(v.Text() + "e0") },
		},
		"none, unknown schema": {oneToOne("none"), nil, nil, "", [2]string{}, texts(messyText), trimmed},
		"none, emails": {
			oneToOne("none"),
			[]crm.Field{field("l", email)},
			[]crm.Field{field("r", email)},
			"",
			[2]string{},
			texts(emailText),
			lowered,
		},
		"none, text and option": {
			oneToOne("none"),
			[]crm.Field{field("l", text)},
			[]crm.Field{withOptions(field("r", crm.TypeOption), "Web", "Phone")},
			"",
			[2]string{},
			texts(words("web", "WEB", "Phone ", "fax")), same,
		},
		"full_name, split right": {
			crm.Mapping{ID: "m", Left: []string{"l"}, Right: []string{"r", "r2"}, Transform: crm.Transform{Type: "full_name"}},
			[]crm.Field{field("l", text)},
			[]crm.Field{field("r", text), field("r2", text)},
			"",
			[2]string{},
			texts(messyText), trimmed,
		},
		"full_name, split left": {
			crm.Mapping{ID: "m", Left: []string{"l", "l2"}, Right: []string{"r"}, Transform: crm.Transform{Type: "full_name"}},
			[]crm.Field{field("l", text), {Name: "l2", Type: text, Required: true}},
			[]crm.Field{field("r", text)},
			"",
			[2]string{},
			texts(messyText), trimmed,
		},
		"phone, US": {
			oneToOne("phone"),
			[]crm.Field{field("l", phone)},
			[]crm.Field{field("r", phone)},
			"US",
			[2]string{},
			texts(phoneText), formatted,
		},
		"phone, DE": {
			oneToOne("phone"),
			[]crm.Field{field("l", text)},
			[]crm.Field{field("r", phone)},
			"DE",
			[2]string{},
			texts(phoneText), formatted,
		},
		"phone, no country": {
			oneToOne("phone"),
			[]crm.Field{field("l", phone)},
			[]crm.Field{field("r", phone)},
			"",
			[2]string{},
			texts(phoneText), same,
		},
		"email": {
			oneToOne("email"),
			[]crm.Field{field("l", email)},
			[]crm.Field{field("r", email)},
			"",
			[2]string{},
			texts(emailText), lowered,
		},
		"email as text": {
			oneToOne("email"),
			[]crm.Field{field("l", text)},
			[]crm.Field{field("r", text)},
			"",
			[2]string{},
			texts(emailText), lowered,
		},
		"domain": {
			oneToOne("domain"),
			[]crm.Field{field("l", text)},
			[]crm.Field{field("r", crm.TypeURL)},
			"",
			[2]string{},
			texts(webText), dressed,
		},
		"domain, unread": {oneToOne("domain"), nil, nil, "", [2]string{}, texts(webText), same},
		"date": {
			oneToOne("date"),
			[]crm.Field{field("l", crm.TypeDate)},
			[]crm.Field{field("r", crm.TypeDate)},
			"",
			[2]string{"UTC", "America/New_York"},
			texts(momentText), midnight,
		},
		"date as text": {
			oneToOne("date"),
			[]crm.Field{field("l", crm.TypeDate)},
			[]crm.Field{field("r", text)},
			"",
			[2]string{},
			texts(momentText), same,
		},
		"datetime": {
			oneToOne("datetime"),
			[]crm.Field{field("l", crm.TypeDateTime)},
			[]crm.Field{field("r", crm.TypeDateTime)},
			"",
			[2]string{"UTC", "America/New_York"},
			texts(momentText), salesforceTime,
		},
		"datetime as text": {
			oneToOne("datetime"),
			[]crm.Field{field("l", crm.TypeDateTime)},
			[]crm.Field{field("r", text)},
			"",
			[2]string{"America/Sao_Paulo", "Pacific/Apia"},
			texts(momentText), same,
		},
		"none, datetimes": {
			oneToOne("none"),
			[]crm.Field{field("l", crm.TypeDateTime)},
			[]crm.Field{field("r", crm.TypeDateTime)},
			"",
			[2]string{"", "Australia/Lord_Howe"},
			texts(momentText), salesforceTime,
		},
		"number": {
			oneToOne("number"),
			[]crm.Field{field("l", crm.TypeNumber)},
			[]crm.Field{field("r", text)},
			"",
			[2]string{},
			ofType(numberText), same,
		},
		"boolean": {
			oneToOne("boolean"),
			[]crm.Field{field("l", crm.TypeBoolean)},
			[]crm.Field{field("r", text)},
			"",
			[2]string{},
			ofType(words("true", "false", "Yes", "no", "1", "maybe")), same,
		},
		"boolean and option": {
			oneToOne("boolean"),
			[]crm.Field{field("l", crm.TypeBoolean)},
			[]crm.Field{withOptions(field("r", crm.TypeOption), "Yes", "No")},
			"",
			[2]string{},
			ofType(words("true", "false", "Yes", "no")), same,
		},
		"options": {
			oneToOne("options", "lead", "Open", "open deal", "Working"),
			[]crm.Field{withOptions(field("l", crm.TypeOption), "lead", "open deal", "customer", "lost")},
			[]crm.Field{withOptions(field("r", crm.TypeOption), "Open", "Working", "Customer", "Lost")},
			"",
			[2]string{},
			ofType(words(append(status, "Open", "Working", "none of them")...)), uppered,
		},
		"options, several": {
			oneToOne("options", "a", "x"),
			[]crm.Field{withOptions(field("l", crm.TypeOptions), "a", "b", "c")},
			[]crm.Field{withOptions(field("r", crm.TypeOptions), "X", "B", "C", "D")},
			"",
			[2]string{},
			ofType(joined("a", "A", "b", " c ", "d", "x", "")), uppered,
		},
		"options, open": {
			oneToOne("options", "a", "b"),
			[]crm.Field{field("l", text)},
			[]crm.Field{field("r", text)},
			"",
			[2]string{},
			texts(words("a", "A", "b", "B", "c", "C")), same,
		},
		"list": {
			oneToOne("list"),
			[]crm.Field{field("l", crm.TypeList)},
			[]crm.Field{field("r", text)},
			"",
			[2]string{},
			ofType(joined("VIP", "vip", " b", "c;d", "")), same,
		},
		"list and multi-select": {
			oneToOne("list"),
			[]crm.Field{field("l", crm.TypeList)},
			[]crm.Field{withOptions(crm.Field{Name: "r", Type: crm.TypeOption, Multiple: true}, "VIP", "B", "C")},
			"",
			[2]string{},
			ofType(joined("VIP", "vip", " b", "c", "unknown")), uppered,
		},
		"list of lists": {
			oneToOne("none"),
			[]crm.Field{field("l", crm.TypeList)},
			[]crm.Field{field("r", crm.TypeList)},
			"",
			[2]string{},
			ofType(joined("VIP", "vip", " b", "e\u0301")), same,
		},
	}
}

// lowered is an app that stores addresses in lower case, as HubSpot does.
func lowered(v crm.Value) crm.Value {
	canonical, ok := mapping.CanonicalEmail(v.Text())
	if !ok {
		return v
	}
	return crm.TextValue(" " + canonical)
}

// dressed is an app that makes a link of a web address.
func dressed(v crm.Value) crm.Value {
	if host, ok := mapping.CanonicalDomain(v.Text()); ok && host == v.Text() && mapping.IdentifiesCompany(host) {
		return crm.TextValue("https://www." + strings.ToUpper(host) + ":443/start?from=crm")
	}
	return v
}

func uppered(v crm.Value) crm.Value {
	if v.Kind() == crm.List {
		return v
	}
	return crm.TextValue(strings.ToUpper(v.Text()))
}

// formatted is an app that writes American numbers with brackets and dashes.
func formatted(v crm.Value) crm.Value {
	s := v.Text()
	if len(s) != 12 || !strings.HasPrefix(s, "+1") || strings.Contains(s, " ") {
		return v
	}
	return crm.TextValue("+1 (" + s[2:5] + ") " + s[5:8] + "-" + s[8:])
}

// midnight is an app that gives a date as the instant of its midnight in UTC.
func midnight(v crm.Value) crm.Value { return crm.TextValue(v.Text() + "T00:00:00Z") }

// salesforceTime writes an instant as Salesforce does.
func salesforceTime(v crm.Value) crm.Value {
	return crm.TextValue(strings.TrimSuffix(v.Text(), "Z") + "+0000")
}

// TestS15_Laws checks GetPut, PutGet and the idempotence of the canonical form
// in both directions, with an app on either side that rewrites what it is sent.
func TestS15_Laws(t *testing.T) {
	t.Parallel()
	for name, l := range laws() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, problems := mapping.Compile(l.mapping, l.env(t))
			if problems != nil {
				t.Fatalf("problems: %v", problems)
			}
			transferred := 0
			rapid.Check(t, func(t *rapid.T) {
				fields := [2]crm.Fields{l.draw(t, c, crm.Left), l.draw(t, c, crm.Right)}
				for _, side := range crm.Sides {
					if l.check(t, c, side, fields) {
						transferred++
					}
				}
			})
			if transferred == 0 {
				t.Error("no value ever reached the other side: the generator proves nothing")
			}
		})
	}
}

func (l law) draw(t *rapid.T, c *mapping.Compiled, s crm.Side) crm.Fields {
	defs := [2][]crm.Field{l.left, l.right}[s.Index()]
	f := crm.Fields{}
	for i, n := range c.Names(s) {
		def := field(n, crm.TypeText)
		if i < len(defs) {
			def = defs[i]
		}
		if v := l.values(t, def); v.Kind() != crm.Absent {
			f[n] = v
		}
	}
	return f
}

// check tests the laws from one side and reports whether a value that is not
// blank went across.
func (l law) check(t *rapid.T, c *mapping.Compiled, from crm.Side, fields [2]crm.Fields) bool {
	v, err := c.Canonical(from, fields[from.Index()])
	if err != nil {
		mustBeInvalid(t, err)
		return false
	}
	if v.Blank() && v.Kind() != crm.Null {
		t.Fatalf("blank is %#v, want null", v)
	}
	if out, err := c.Render(from, v, fields[from.Index()]); err != nil || len(out) != 0 {
		t.Fatalf("GetPut: %#v of %#v renders %#v, %v", v, fields[from.Index()], out, err)
	}
	to := from.Other()
	current := fields[to.Index()]
	out, err := c.Render(to, v, current)
	if err != nil {
		mustBeInvalid(t, err)
		return false
	}
	after := current.Clone()
	for n, raw := range out {
		if was := current[n]; raw.Equal(was) {
			t.Fatalf("field %s is written although it stays %#v", n, raw)
		}
		after[n] = raw
		if !raw.Blank() {
			after[n] = l.rewrite(raw)
		}
	}
	back, err := c.Canonical(to, after)
	if err != nil || !back.Equal(v) {
		t.Fatalf("PutGet: %#v from %s reads back from %s as %#v, %v (stored %#v)", v, from, to, back, err, after)
	}
	if again, err := c.Render(to, back, after); err != nil || len(again) != 0 {
		t.Fatalf("a second put writes %#v, %v", again, err)
	}
	return !v.Blank() && len(out) > 0
}

func mustBeInvalid(t *rapid.T, err error) {
	if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) == "invalid" {
		t.Fatalf("error %v must be Invalid with a code of its own", err)
	}
}
