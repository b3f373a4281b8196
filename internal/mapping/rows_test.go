package mapping_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

func compile(t testing.TB, m crm.Mapping, env mapping.Env) *mapping.Compiled {
	t.Helper()
	c, problems := mapping.Compile(m, env)
	if problems != nil {
		t.Fatalf("problems: %v", problems)
	}
	return c
}

// render returns the fields to write, or the error's code.
func render(c *mapping.Compiled, s crm.Side, v crm.Value, current crm.Fields) (crm.Fields, string) {
	out, err := c.Render(s, v, current)
	if err != nil {
		return nil, fault.CodeOf(err)
	}
	return out, ""
}

func TestRow143_FullName(t *testing.T) {
	t.Parallel()
	text := func(s string) crm.Value { return crm.TextValue(s) }
	m := crm.Mapping{
		ID: "name", Left: []string{"first", "last"}, Right: []string{"Name"}, Transform: crm.Transform{
			Type: crm.TransformFullName,
		},
	}
	tests := map[string]struct {
		full     string
		current  crm.Fields
		required bool
		want     crm.Fields
	}{
		"two words":   {"Ann Lee", nil, false, crm.Fields{"first": text("Ann"), "last": text("Lee")}},
		"three words": {"Ann Marie Lee", nil, false, crm.Fields{"first": text("Ann Marie"), "last": text("Lee")}},
		"a prefix": {
			"Vincent van der Berg", nil, false, crm.Fields{"first": text("Vincent van der"), "last": text("Berg")},
		},
		"one word":           {"Ann", nil, false, crm.Fields{"first": text("Ann")}},
		"one word, required": {"Ann", nil, true, crm.Fields{"last": text("Ann")}},
		"one word over two": {
			"Ann", crm.Fields{"first": text("Bob"), "last": text("Lee")}, false, crm.Fields{
				"first": text("Ann"), "last": crm.NullValue(),
			},
		},
		"white space": {" Ann\t  Lee ", nil, false, crm.Fields{"first": text("Ann"), "last": text("Lee")}},
		"no drift": {
			"Ann van der Berg",
			crm.Fields{"first": text("Ann"), "last": text("van der Berg")},
			false,
			crm.Fields{},
		},
		"only a last name": {"Lee", crm.Fields{"first": crm.NullValue(), "last": text("Lee")}, false, crm.Fields{}},
		"only the first moves": {
			"Anna Lee", crm.Fields{"first": text("Ann"), "last": text("Lee ")}, false, crm.Fields{"first": text("Anna")},
		},
		"blank": {
			" ", crm.Fields{"first": text("Ann"), "last": text("")}, false, crm.Fields{"first": crm.NullValue()},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := mapping.Env{
				Left:  schema(field("first", crm.TypeText), crm.Field{Name: "last", Type: crm.TypeText, Required: tt.required}),
				Right: schema(field("Name", crm.TypeText)),
			}
			c := compile(t, m, env)
			v, err := c.Canonical(crm.Right, crm.Fields{"Name": text(tt.full)})
			if err != nil {
				t.Fatal(err)
			}
			got, code := render(c, crm.Left, v, tt.current)
			if diff := cmp.Diff(tt.want, got); diff != "" || code != "" {
				t.Errorf("fields, code %q (-want +got):\n%s", code, diff)
			}
		})
	}
}

func TestRow130_PhonesThroughTheLibrary(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		raw, country, want string
	}{
		"plus":                   {"+1 212 555 0100", "DE", "+12125550100"},
		"local":                  {"(212) 555-0100", "US", "+12125550100"},
		"local, lower-case code": {"212.555.0100", "us", "+12125550100"},
		"00 where it is dialled": {"0049 30 123456", "DE", "+4930123456"},
		"leading zero":           {"030 / 123 456", "DE", "+4930123456"},
		"zero in brackets":       {"+49 (0)30 123456", "US", "+4930123456"},
		"Italian zero stays":     {"06 1234 5678", "IT", "+390612345678"},
		"other digits":           {"+４９ ３０ １２３４５６", "", "+4930123456"},
		"extension":              {"+1 212 555 0100 x05", "", "+12125550100 ext. 05"},
		"tel link":               {"tel:+12125550100", "", "+12125550100"},
		"no country":             {"(212) 555-0100", "", "2125550100"},
		"too short for the land": {"555-0100", "US", "5550100"},
		"no such country code":   {"+999 123", "US", "999123"},
		"00 where 011 is":        {"0044 20 7183 8750", "US", "+442071838750"},
		"00 and zero":            {"0044 (0)20 7183 8750", "US", "+442071838750"},
		"00, nothing known":      {"00 49 30 123456", "", "+4930123456"},
		"011":                    {"011 44 20 7183 8750", "US", "+442071838750"},
		"a zero too many":        {"+36 (0)1 234 5678", "HU", "+3612345678"},
		"already prefixed":       {"44 20 7183 8750", "GB", "+442071838750"},
		"landline":               {"020 7183 8750", "GB", "+442071838750"},
		"of another country":     {"020 7183 8750", "US", "02071838750"},
		"no area like that":      {"(555) 123-4567", "US", "5551234567"},
		"no area, with a plus":   {"+1 555 123 4567", "US", "15551234567"},
		"words":                  {"ask reception", "US", "ask reception"},
		"a number and words":     {"212 555 0100 after six", "US", "~2125550100"},
		"two numbers":            {"212 555 0100 or 0101", "US", "21255501000101"},
		"two with a slash":       {"020 7183 8750 / 020 7183 8751", "GB", "0207183875002071838751"},
		"two that make one":      {"030 123 / 030 456", "DE", "~030123030456"},
		"two, a comma":           {"020 7183 8750, 020 7183 8751", "GB", "0207183875002071838751"},
		"area and number":        {"033201/12345", "DE", "+493320112345"},
		"short code":             {"112", "DE", "112"},
		"short, with extension":  {"1234 ext 5", "DE", "1234 ext. 5"},
		"an extension in Mexico": {"+52 55 1234 5678 extensión 12", "", "+525512345678 ext. 12"},
		"an extension in RFC":    {"tel:+442071838750;ext=7", "", "+442071838750 ext. 7"},
		"a lone plus":            {"+", "US", "+"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := pair(crm.TypePhone, crm.TypePhone)
			env.Country = tt.country
			v, err := compile(t, oneToOne("phone"), env).Canonical(crm.Left, crm.Fields{"l": crm.TextValue(tt.raw)})
			if err != nil || v.Text() != tt.want {
				t.Errorf("canonical %#v, %v, want %q", v, err, tt.want)
			}
		})
	}
}

func TestRow137_TargetOptions(t *testing.T) {
	t.Parallel()
	m := oneToOne("options", "lead", "Open")
	env := mapping.Env{
		Left:  schema(withOptions(field("l", crm.TypeOption), "lead", "active", "churned")),
		Right: schema(withOptions(field("r", crm.TypeOption), "Open", "Active", "Closed")),
	}
	c := compile(t, m, env)
	for raw, want := range map[string]string{"lead": "Open", "LEAD": "Open", "active": "Active", "Active ": "Active"} {
		v, err := c.Canonical(crm.Left, crm.Fields{"l": crm.TextValue(raw)})
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		got, code := render(c, crm.Right, v, nil)
		if diff := cmp.Diff(crm.Fields{"r": crm.TextValue(want)}, got); diff != "" || code != "" {
			t.Errorf("%q, code %q (-want +got):\n%s", raw, code, diff)
		}
	}
	if got, code := render(c, crm.Left, crm.TextValue("Open"), crm.Fields{"l": crm.TextValue("active")}); code != "" ||
		got["l"].Text() != "lead" {
		t.Errorf("back: %#v, %q", got, code)
	}
	if got, code := render(c, crm.Right, crm.TextValue("active"), crm.Fields{"r": crm.TextValue("ACTIVE")}); code != "" ||
		len(got) != 0 {
		t.Errorf("a difference in case alone is written: %#v, %q", got, code)
	}
	_, err := c.Render(crm.Right, crm.TextValue("churned"), nil)
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Code != mapping.CodeUnknownOption || f.Field != "r" {
		t.Fatalf("unknown option: %v", err)
	}
	for _, option := range []string{`"Open"`, `"Active"`, `"Closed"`} {
		if !strings.Contains(f.Message, option) {
			t.Errorf("the message must list %s: %s", option, f.Message)
		}
	}
	if strings.Contains(f.Error(), "churned") {
		t.Errorf("the message must not quote the value: %s", f.Error())
	}
}

func TestOptions_NameWithAnotherMeaningOnTheOtherSide(t *testing.T) {
	t.Parallel()
	c := compile(t, oneToOne("options", "lead", "Open"), mapping.Env{})
	// The left side's own "Open" would come back as "lead", the right side's own "lead" as "Open".
	for side, raw := range map[crm.Side]crm.Fields{
		crm.Left: {"l": crm.TextValue("open")}, crm.Right: {"r": crm.TextValue("lead")},
	} {
		if _, err := c.Canonical(side, raw); fault.CodeOf(err) != mapping.CodeUnmapped {
			t.Errorf("%s: %v, want %s", side, err, mapping.CodeUnmapped)
		}
	}
	oneWayOnly := compile(t, oneWay(oneToOne("options", "lead", "Open"), crm.DirectionToRight), mapping.Env{})
	if v, err := oneWayOnly.Canonical(crm.Left, crm.Fields{"l": crm.TextValue("Open")}); err != nil || v.Text() != "Open" {
		t.Errorf("one way several options may meet in one: %#v, %v", v, err)
	}
}

func TestOptions_TwinsDifferInCaseOnly(t *testing.T) {
	t.Parallel()
	env := mapping.Env{
		Left:  schema(withOptions(field("l", crm.TypeOption), "VIP", "vip")),
		Right: schema(withOptions(field("r", crm.TypeOption), "VIP", "vip", "Vip")),
	}
	c := compile(t, oneToOne("none"), env)
	for _, s := range []string{"VIP", "vip"} {
		if got, code := render(c, crm.Right, crm.TextValue(s), nil); code != "" || got["r"].Text() != s {
			t.Errorf("%s became %#v, %q", s, got, code)
		}
	}
	if _, code := render(c, crm.Left, crm.TextValue("Vip"), nil); code != mapping.CodeUnknownOption {
		t.Errorf("no guess between twins: %q", code)
	}
}

func TestRow156_JoinAndStaticText(t *testing.T) {
	t.Parallel()
	m := crm.Mapping{
		ID: "m", Left: []string{"street", "zip", "city"}, Right: []string{"Address"}, Direction: crm.DirectionToRight,
	}
	env := mapping.Env{
		Left:  schema(field("street", crm.TypeText), field("zip", crm.TypeNumber), field("city", crm.TypeText)),
		Right: schema(field("Address", crm.TypeText)),
	}
	c := compile(t, m, env)
	v, err := c.Canonical(crm.Left, crm.Fields{
		"city": crm.TextValue(" Berlin"), "street": crm.TextValue("Unter den Linden 1"), "zip": crm.NumberValue("10117.0"),
	})
	if err != nil || v.Text() != "Unter den Linden 1 10117 Berlin" {
		t.Errorf("joined %#v, %v", v, err)
	}
	if _, code := render(c, crm.Left, crm.TextValue("x"), nil); code != mapping.CodeOneWay {
		t.Errorf("writing the joined side: %q", code)
	}

	static := crm.Mapping{
		ID: "s", Right: []string{"r"}, Direction: crm.DirectionToRight,
		Transform: crm.Transform{Type: crm.TransformStatic, Options: map[string]string{"value": "5.0"}},
	}
	c = compile(t, static, pair(crm.TypeText, crm.TypeNumber))
	v, err = c.Canonical(crm.Left, nil)
	if err != nil || !v.Equal(crm.NumberValue("5")) {
		t.Errorf("static %#v, %v", v, err)
	}
	if got, code := render(c, crm.Right, v, crm.Fields{"r": crm.NumberValue("4")}); code != "" ||
		!got["r"].Equal(crm.NumberValue("5")) {
		t.Errorf("rendered %#v, %q", got, code)
	}
	if got, _ := render(c, crm.Right, v, crm.Fields{"r": crm.NumberValue("5.00")}); len(got) != 0 {
		t.Errorf("the same number is written again: %#v", got)
	}
}

func TestRow157_FirstOfSeveral(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]crm.FieldType{"option": crm.TypeOption, "text": crm.TypeText} {
		c := compile(t, oneWay(oneToOne("none"), crm.DirectionToRight), pair(crm.TypeOptions, target))
		v, err := c.Canonical(crm.Left, crm.Fields{"l": crm.TextValue(" ;zebra;ant")})
		if err != nil || !v.Equal(crm.TextValue("zebra")) || c.IsSet() {
			t.Errorf("%s: %#v, %v", name, v, err)
		}
	}
}

func TestRow134_ListsAreSets(t *testing.T) {
	t.Parallel()
	env := mapping.Env{Left: schema(field("l", crm.TypeList)), Right: schema(field("r", crm.TypeOptions))}
	c := compile(t, oneToOne("list"), env)
	if !c.IsSet() {
		t.Fatal("a list must be merged as a set")
	}
	left, _ := c.Canonical(crm.Left, crm.Fields{"l": crm.ListValue("b", " a", "b", "")})
	right, _ := c.Canonical(crm.Right, crm.Fields{"r": crm.TextValue("a;b")})
	if !left.Equal(right) || !left.Equal(crm.ListValue("a", "b")) {
		t.Errorf("left %#v, right %#v", left, right)
	}
	got, code := render(c, crm.Right, crm.ListValue("c", "a"), nil)
	if diff := cmp.Diff(crm.Fields{"r": crm.TextValue("a;c")}, got); diff != "" || code != "" {
		t.Errorf("options are joined, code %q (-want +got):\n%s", code, diff)
	}
	got, code = render(c, crm.Left, crm.ListValue("c", "a"), nil)
	if diff := cmp.Diff(crm.Fields{"l": crm.ListValue("a", "c")}, got); diff != "" || code != "" {
		t.Errorf("lists are lists, code %q (-want +got):\n%s", code, diff)
	}
	if _, code := render(c, crm.Right, crm.ListValue("a;b"), nil); code != mapping.CodeDoesNotFit {
		t.Errorf("an item with the separator in it: %q", code)
	}
	if v, _ := c.Canonical(crm.Left, crm.Fields{"l": crm.ListValue("", " ")}); v.Kind() != crm.Null {
		t.Errorf("a list of nothing is %#v", v)
	}
}

func TestRow131_TimeZones(t *testing.T) {
	t.Parallel()
	env := pair(crm.TypeDateTime, crm.TypeDateTime)
	env.TimeZone.Right = zone(t, "America/New_York")
	c := compile(t, oneToOne("datetime"), env)
	for name, tt := range map[string]struct{ raw, want string }{
		"winter":             {"2026-01-02T10:00:00", "2026-01-02T15:00:00Z"},
		"summer":             {"2026-07-02 10:00", "2026-07-02T14:00:00Z"},
		"its own offset":     {"2026-01-02T10:00:00.999+0100", "2026-01-02T09:00:00Z"},
		"Salesforce":         {"2026-01-02T03:04:05.000+0000", "2026-01-02T03:04:05Z"},
		"epoch milliseconds": {"1767323045678", "2026-01-02T03:04:05Z"},
		"before 1970":        {"-1", "1969-12-31T23:59:59Z"},
		"a day":              {"2026-07-02", "2026-07-02T04:00:00Z"},
	} {
		v, err := c.Canonical(crm.Right, crm.Fields{"r": crm.TextValue(tt.raw)})
		if err != nil || v.Text() != tt.want {
			t.Errorf("%s: %#v, %v, want %s", name, v, err, tt.want)
		}
	}
	for _, raw := range []string{"1/2/2026", "2026-02-30", "tomorrow", "2026-01-02T25:00:00Z", "99999999999999999999"} {
		if _, err := c.Canonical(crm.Right, crm.Fields{
			"r": crm.TextValue(raw),
		}); fault.CodeOf(err) != mapping.CodeNotADateTime {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestRow131_DatesHaveNoTime(t *testing.T) {
	t.Parallel()
	env := pair(crm.TypeDate, crm.TypeDate)
	env.TimeZone.Left, env.TimeZone.Right = zone(t, "America/Los_Angeles"), zone(t, "Asia/Tokyo")
	c := compile(t, oneToOne("none"), env)
	for _, raw := range []crm.Value{
		crm.TextValue("2026-01-02"), crm.TextValue("1767312000000"), crm.NumberValue("1767312000000"),
		crm.TextValue("2026-01-02T00:00:00Z"),
	} {
		for _, side := range crm.Sides {
			f := crm.Fields{"l": raw, "r": raw}
			if v, err := c.Canonical(side, f); err != nil || v.Text() != "2026-01-02" {
				t.Errorf("%s %#v: %#v, %v", side, raw, v, err)
			}
		}
	}

	// One way between an instant and a date: the day in the zone of the side with dates.
	env = pair(crm.TypeDateTime, crm.TypeDate)
	env.TimeZone.Right = zone(t, "America/New_York")
	c = compile(t, oneWay(oneToOne("date"), crm.DirectionToRight), env)
	if v, err := c.Canonical(crm.Left, crm.Fields{"l": crm.TextValue("2026-01-02T02:00:00Z")}); err != nil ||
		v.Text() != "2026-01-01" {
		t.Errorf("the day in New York is %#v, %v", v, err)
	}
	env = pair(crm.TypeDate, crm.TypeDateTime)
	env.TimeZone.Left = zone(t, "America/Sao_Paulo")
	c = compile(t, oneWay(oneToOne("datetime"), crm.DirectionToRight), env)
	got, code := render(c, crm.Right, crm.TextValue("2018-11-04"), nil) // clocks jumped over midnight
	if diff := cmp.Diff(crm.Fields{"r": crm.TextValue("2018-11-04T03:00:00.000Z")}, got); diff != "" || code != "" {
		t.Errorf("code %q (-want +got):\n%s", code, diff)
	}
	env.TimeZone.Left = zone(t, "Pacific/Apia")
	c = compile(t, oneWay(oneToOne("datetime"), crm.DirectionToRight), env)
	if _, code := render(c, crm.Right, crm.TextValue("2011-12-30"), nil); code != mapping.CodeDoesNotFit {
		t.Errorf("a day that the zone skipped: %q", code)
	}
}

func TestRow129_Defaults(t *testing.T) {
	t.Parallel()
	m := oneToOne("none")
	m.Default = crm.PerWay[crm.Value]{ToRight: crm.TextValue("web"), ToLeft: crm.TextValue("x")}
	env := mapping.Env{
		Left: schema(field("l", crm.TypeText)), Right: schema(withOptions(field("r", crm.TypeOption), "Web")),
	}
	if v := compile(t, m, env).Default(crm.ToRight); !v.Equal(crm.TextValue("Web")) {
		t.Errorf("default %#v", v)
	}
	if v := compile(t, oneToOne("none"), env).Default(crm.ToLeft); v.Kind() != crm.Null {
		t.Errorf("no default is %#v", v)
	}
	m.Default.ToRight = crm.TextValue("fax")
	_, problems := mapping.Compile(m, env)
	if diff := cmp.Diff([]string{"/default/to_right default_does_not_fit"}, codes(problems)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestRow154_ValueThatDoesNotFitFailsItsField(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		transform crm.TransformType
		types     [2]crm.FieldType
		raw, code string
	}{
		"number":   {"number", [2]crm.FieldType{crm.TypeText, crm.TypeNumber}, "secret, 5", mapping.CodeNotANumber},
		"boolean":  {"boolean", [2]crm.FieldType{crm.TypeText, crm.TypeBoolean}, "secret", mapping.CodeNotABoolean},
		"date":     {"date", [2]crm.FieldType{crm.TypeText, crm.TypeDate}, "secret", mapping.CodeNotADate},
		"datetime": {"datetime", [2]crm.FieldType{crm.TypeText, crm.TypeDateTime}, "20260102", mapping.CodeNotADateTime},
		"email":    {"email", [2]crm.FieldType{crm.TypeEmail, crm.TypeEmail}, "secret", mapping.CodeNotAnEmail},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := compile(t, oneToOne(tt.transform), pair(tt.types[0], tt.types[1])).Canonical(crm.Left,
				crm.Fields{"l": crm.TextValue(tt.raw)})
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Code != tt.code || f.Field != "l" || f.Message == "" {
				t.Fatalf("error %#v, want Invalid, %s, field l", err, tt.code)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the value: %v", err)
			}
		})
	}
	long := mapping.Env{
		Left: schema(field("l", crm.TypeText)), Right: schema(crm.Field{Name: "r", Type: crm.TypeText, MaxLength: 3}),
	}
	c := compile(t, oneToOne("none"), long)
	if _, code := render(c, crm.Right, crm.TextValue("äöüß"), nil); code != mapping.CodeTooLong {
		t.Errorf("four characters into three: %q", code)
	}
	if got, code := render(c, crm.Right, crm.TextValue("äöü"), nil); code != "" || len(got) != 1 {
		t.Errorf("three characters into three: %#v, %q", got, code)
	}
}

func TestS15_BlanksAreOneCanonicalForm(t *testing.T) {
	t.Parallel()
	for name, l := range laws() {
		c := compile(t, l.mapping, l.env(t))
		for _, side := range crm.Sides {
			names := c.Names(side)
			full := crm.Fields{}
			for _, n := range names {
				full[n] = crm.TextValue("true")
			}
			for _, blank := range []crm.Fields{
				nil, {names[0]: crm.NullValue()}, {names[0]: crm.TextValue(" \r\n")}, {names[0]: crm.ListValue(" ")},
			} {
				v, err := c.Canonical(side, blank)
				if err != nil || v.Kind() != crm.Null {
					t.Errorf("%s: %#v reads as %#v, %v", name, blank, v, err)
				}
				if out, code := render(c, side, crm.Value{}, blank); code != "" || len(out) != 0 {
					t.Errorf("%s: a blank over a blank writes %#v, %q", name, out, code)
				}
			}
			out, code := render(c, side, crm.NullValue(), full)
			if code != "" || len(out) != len(names) {
				t.Errorf("%s: emptying writes %#v, %q", name, out, code)
			}
			for n, v := range out {
				if v.Kind() != crm.Null {
					t.Errorf("%s: %s is emptied with %#v, want null", name, n, v)
				}
			}
		}
	}
}

func TestNone_TypedFieldsCompareByMeaning(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		typ         crm.FieldType
		left, right crm.Value
	}{
		"numbers":  {crm.TypeNumber, crm.TextValue("5"), crm.NumberValue("5.00")},
		"big":      {crm.TypeNumber, crm.TextValue("9007199254740993"), crm.NumberValue("9007199254740993.0")},
		"booleans": {crm.TypeBoolean, crm.TextValue("true"), crm.BoolValue(true)},
		"dates":    {crm.TypeDate, crm.TextValue("1767312000000"), crm.TextValue("2026-01-02")},
		"datetimes": {
			crm.TypeDateTime, crm.TextValue("2026-01-02T03:04:05.123Z"), crm.TextValue("2026-01-02T03:04:05.000+0000"),
		},
		"emails":  {crm.TypeEmail, crm.TextValue("Ann@Example.org"), crm.TextValue("ann@example.org")},
		"texts":   {crm.TypeText, crm.TextValue("Zoe\u0308\r\nx "), crm.TextValue("Zo\u00eb\nx")},
		"options": {crm.TypeOption, crm.TextValue("web"), crm.TextValue("web ")},
		"sets":    {crm.TypeOptions, crm.TextValue("b;a"), crm.TextValue("a;b;a")},
	}
	for name, tt := range tests {
		c := compile(t, oneToOne("none"), pair(tt.typ, tt.typ))
		l, errL := c.Canonical(crm.Left, crm.Fields{"l": tt.left})
		r, errR := c.Canonical(crm.Right, crm.Fields{"r": tt.right})
		if errL != nil || errR != nil || !l.Equal(r) || l.Blank() {
			t.Errorf("%s: %#v, %v and %#v, %v", name, l, errL, r, errR)
		}
	}
}

func TestNumber_Canonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "-0.00": "0", "+5": "5", "005.50": "5.5", ".5": "0.5", "5.": "5", "1e3": "1000", "1.25E-2": "0.0125",
		"-1.5e1": "-15",
		"123456789012345678901234567890.123456789": "123456789012345678901234567890.123456789", " 7 ": "7",
		"": "", "-": "", ".": "", "1,000": "", "1e": "", "0x10": "", "1e101": "", "1e-102": "", "٣": "", "1 000": "",
		"--1": "", "Infinity": "",
		"1e99999999999": "",
	} {
		got, ok := mapping.CanonicalNumber(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q is %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, pair := range [][2]string{
		{"2", "10"}, {"-10", "-2"}, {"0.1", "0.11"}, {"9007199254740992", "9007199254740993"},
	} {
		if mapping.CompareNumbers(pair[0], pair[1]) != -1 || mapping.CompareNumbers(pair[1], pair[0]) != 1 ||
			mapping.CompareNumbers(pair[0], pair[0]) != 0 {
			t.Errorf("order of %v", pair)
		}
	}
}

func TestSet_Lookups(t *testing.T) {
	t.Parallel()
	set, problems := mapping.CompileAll([]crm.Mapping{
		{ID: "b", Left: []string{"x"}, Right: []string{"B"}, Direction: crm.DirectionToRight},
		{ID: "a", Left: []string{"x"}, Right: []string{"A"}},
	}, mapping.Env{})
	if problems != nil {
		t.Fatal(problems)
	}
	if diff := cmp.Diff([]string{"A", "B"}, set.Fields(crm.Right)); diff != "" {
		t.Errorf("right fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"x"}, set.Fields(crm.Left)); diff != "" {
		t.Errorf("left fields (-want +got):\n%s", diff)
	}
	if got := set.ByID("a"); got != set[1] || set.ByID("c") != nil {
		t.Errorf("by ID: %v", got)
	}
	if got := set.Writing(crm.Left, "x"); got != set[1] {
		t.Errorf("the left field is written by %v", got)
	}
}
