package mapping_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// pair is an environment with one field on each side.
func pair(left, right crm.FieldType) mapping.Env {
	return mapping.Env{Left: schema(field("l", left)), Right: schema(field("r", right))}
}

func oneWay(m crm.Mapping, d crm.Direction) crm.Mapping {
	m.Direction = d
	return m
}

// codes lists problems as "pointer code".
func codes(problems []mapping.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Pointer+" "+p.Code)
	}
	return out
}

func TestRow154_TypesAreCheckedAtSetUp(t *testing.T) {
	t.Parallel()
	const misfit, noReturn = "/transform/type incompatible_types", "/transform/type not_round_trip"
	tests := map[string]struct {
		left, right crm.FieldType
		transform   crm.TransformType
		direction   crm.Direction
		want        string
	}{
		"same":                             {crm.TypeNumber, crm.TypeNumber, "none", "", ""},
		"boolean to number":                {crm.TypeBoolean, crm.TypeNumber, "none", "to_right", misfit},
		"boolean and number":               {crm.TypeBoolean, crm.TypeNumber, "boolean", "", misfit},
		"number to text":                   {crm.TypeNumber, crm.TypeText, "none", "to_right", ""},
		"text to number":                   {crm.TypeText, crm.TypeNumber, "none", "to_right", misfit},
		"text and number, both ways":       {crm.TypeText, crm.TypeNumber, "none", "", misfit},
		"text and number, with transform":  {crm.TypeText, crm.TypeNumber, "number", "", ""},
		"boolean and text":                 {crm.TypeBoolean, crm.TypeText, "boolean", "both", ""},
		"text and e-mail":                  {crm.TypeText, crm.TypeEmail, "none", "", misfit},
		"text and e-mail, with transform":  {crm.TypeText, crm.TypeEmail, "email", "both", misfit},
		"text to e-mail":                   {crm.TypeText, crm.TypeEmail, "none", "to_right", misfit},
		"text to e-mail, with transform":   {crm.TypeText, crm.TypeEmail, "email", "to_right", misfit},
		"e-mail to text":                   {crm.TypeEmail, crm.TypeText, "none", "to_right", ""},
		"e-mail to text, with transform":   {crm.TypeEmail, crm.TypeText, "email", "to_right", ""},
		"texts that are e-mails":           {crm.TypeText, crm.TypeText, "email", "both", ""},
		"text and owner":                   {crm.TypeText, crm.TypeOwner, "none", "", misfit},
		"text to owner":                    {crm.TypeText, crm.TypeOwner, "none", "to_right", misfit},
		"text to reference":                {crm.TypeText, crm.TypeReference, "none", "to_right", misfit},
		"owner kept as text":               {crm.TypeOwner, crm.TypeText, "none", "to_right", ""},
		"domain and web address":           {crm.TypeText, crm.TypeURL, "domain", "both", ""},
		"web addresses":                    {crm.TypeURL, crm.TypeURL, "domain", "both", ""},
		"domain of an e-mail":              {crm.TypeEmail, crm.TypeURL, "domain", "to_right", misfit},
		"domain of a phone":                {crm.TypeText, crm.TypePhone, "domain", "", misfit},
		"e-mail and phone":                 {crm.TypeEmail, crm.TypePhone, "none", "", misfit},
		"phone transform on a number":      {crm.TypeNumber, crm.TypePhone, "phone", "", misfit},
		"date and datetime":                {crm.TypeDate, crm.TypeDateTime, "none", "to_right", misfit},
		"date and datetime, both ways":     {crm.TypeDate, crm.TypeDateTime, "date", "both", noReturn},
		"datetime and date, both ways":     {crm.TypeDateTime, crm.TypeDate, "datetime", "both", noReturn},
		"datetime to date":                 {crm.TypeDateTime, crm.TypeDate, "date", "to_right", ""},
		"date to datetime":                 {crm.TypeDate, crm.TypeDateTime, "datetime", "to_right", ""},
		"datetimes as dates, both ways":    {crm.TypeDateTime, crm.TypeDateTime, "date", "", noReturn},
		"several to one, to the right":     {crm.TypeOptions, crm.TypeOption, "none", "to_right", ""},
		"several to one, both ways":        {crm.TypeOptions, crm.TypeOption, "none", "both", noReturn},
		"one to several":                   {crm.TypeOption, crm.TypeList, "none", "to_right", ""},
		"list and text without transform":  {crm.TypeList, crm.TypeText, "none", "", misfit},
		"list and text":                    {crm.TypeList, crm.TypeText, "list", "", ""},
		"list and option, both ways":       {crm.TypeList, crm.TypeOption, "list", "", noReturn},
		"text to option":                   {crm.TypeText, crm.TypeOption, "none", "", ""},
		"boolean to option":                {crm.TypeBoolean, crm.TypeOption, "none", "to_right", misfit},
		"owners":                           {crm.TypeOwner, crm.TypeOwner, "none", "", ""},
		"owner and e-mail":                 {crm.TypeOwner, crm.TypeEmail, "none", "", ""},
		"owner and text":                   {crm.TypeOwner, crm.TypeText, "none", "", misfit},
		"owner and text, with transform":   {crm.TypeOwner, crm.TypeText, "email", "", ""},
		"owner and phone":                  {crm.TypeOwner, crm.TypePhone, "none", "to_right", misfit},
		"owner and reference":              {crm.TypeOwner, crm.TypeReference, "none", "to_right", misfit},
		"references":                       {crm.TypeReference, crm.TypeReference, "none", "", misfit},
		"a reference kept as text":         {crm.TypeReference, crm.TypeText, "none", "to_right", ""},
		"a reference and a text":           {crm.TypeReference, crm.TypeText, "none", "both", misfit},
		"options on dates":                 {crm.TypeDate, crm.TypeOption, "options", "", misfit},
		"switched off: types do not count": {crm.TypeBoolean, crm.TypeNumber, "none", "off", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, problems := mapping.Compile(oneWay(oneToOne(tt.transform), tt.direction), pair(tt.left, tt.right))
			if got := strings.Join(codes(problems), ", "); got != tt.want {
				t.Fatalf("problems %q, want %q", got, tt.want)
			}
			if (c == nil) != (tt.want != "") {
				t.Errorf("compiled %v with problems %v", c != nil, problems)
			}
			for _, p := range problems {
				if !strings.Contains(p.Detail, `"l"`) || !strings.Contains(p.Detail, `"r"`) {
					t.Errorf("the detail must name both fields: %s", p.Detail)
				}
			}
		})
	}
}

func TestCompile_EveryProblemAtItsPlace(t *testing.T) {
	t.Parallel()
	env := mapping.Env{
		Left: schema(field("first", crm.TypeText), field("last", crm.TypeText), field("n", crm.TypeNumber),
			withOptions(field("stage", crm.TypeOption), "lead", "a/b~c")),
		Right: schema(field("Name", crm.TypeText), crm.Field{Name: "Id", Type: crm.TypeText, ReadOnly: true},
			withOptions(field("Status", crm.TypeOption), "Open", "Closed")),
	}
	review, wrong := crm.MappingPolicy("sometimes"), crm.ConflictPolicy("coin")
	m := func(left, right []string, d crm.Direction, t crm.TransformType, options map[string]string) crm.Mapping {
		return crm.Mapping{
			ID: "m", Left: left, Right: right, Direction: d, Transform: crm.Transform{Type: t, Options: options},
		}
	}
	one := func(s string) []string { return []string{s} }
	tests := map[string]struct {
		mapping crm.Mapping
		want    []string
	}{
		"nothing given": {crm.Mapping{}, []string{"/id missing_id", "/left missing_field"}},
		"unknown fields": {
			m(one("frist"), one("name"), "", "", nil), []string{"/left/0 unknown_field", "/right/0 unknown_field"},
		},
		"read-only target": {m(one("first"), one("Id"), "both", "", nil), []string{"/right/0 read_only_field"}},
		"read-only source": {m(one("first"), one("Id"), "to_left", "", nil), nil},
		"named twice": {
			m([]string{"first", "first"}, one("Name"), "", "full_name", nil), []string{"/left/1 field_mapped_twice"},
		},
		"no field name": {m(one(" "), one("Name"), "", "", nil), []string{"/left/0 missing_field"}},
		"unknown words": {
			crm.Mapping{
				ID: "m", Left: one("first"), Right: one("Name"), Direction: "up", Conflict: &wrong, Transform: crm.Transform{
					Type: "rot13",
				},
			}, []string{"/direction unknown_direction", "/conflict unknown_conflict", "/transform/type unknown_transform"},
		},
		"unknown policy": {
			crm.Mapping{ID: "m", Left: one("first"), Right: one("Name"), Policy: &review}, []string{"/policy unknown_policy"},
		},
		"join, both ways": {
			m([]string{"first", "last"}, one("Name"), "", "none", nil), []string{"/transform/type not_round_trip"},
		},
		"join, to the right": {m([]string{"first", "last", "n"}, one("Name"), "to_right", "none", nil), nil},
		"split without full_name": {
			m([]string{"first", "last"}, one("Name"), "to_left", "none", nil), []string{"/left wrong_number_of_fields"},
		},
		"many to many": {
			m([]string{"first", "last"}, []string{"Name", "Status"}, "to_right", "none", nil),
			[]string{"/right wrong_number_of_fields"},
		},
		"full_name of one": {
			m(one("first"), one("Name"), "", "full_name", nil), []string{"/transform/type wrong_number_of_fields"},
		},
		"full_name of a number": {
			m([]string{"first", "n"}, one("Name"), "", "full_name", nil), []string{"/left/1 incompatible_types"},
		},
		"e-mail of two": {
			m([]string{"first", "last"}, one("Name"), "", "email", nil), []string{"/transform/type wrong_number_of_fields"},
		},
		"static, both ways": {
			m(nil, one("Name"), "", "static", map[string]string{"value": "x"}), []string{"/transform/type not_round_trip"},
		},
		"static, to the right": {m(nil, one("Name"), "to_right", "static", map[string]string{"value": "x"}), nil},
		"static, no text": {
			m(nil, one("Name"), "to_right", "static", nil), []string{"/transform/options transform_options"},
		},
		"static, no such option": {
			m(nil, one("Status"), "to_right", "static", map[string]string{"value": "Won"}), []string{
				"/transform/options/value transform_options",
			},
		},
		"static, case": {m(nil, one("Status"), "to_right", "static", map[string]string{"value": "open"}), nil},
		"static to two": {
			m(nil, []string{"Name", "Status"}, "to_right", "static", map[string]string{"value": "x"}),
			[]string{"/right wrong_number_of_fields"},
		},
		"needless options": {
			m(one("first"), one("Name"), "", "none", map[string]string{"a": "b"}), []string{
				"/transform/options transform_options",
			},
		},
		"options, unknown ones": {
			m(one("stage"), one("Status"), "", "options", map[string]string{"lad": "Opn", "a/b~c": "Closed"}),
			[]string{"/transform/options/lad unknown_option", "/transform/options/lad unknown_option"},
		},
		"options, escaped": {
			m(one("stage"), one("Status"), "", "options", map[string]string{"a/b~c": "Won"}),
			[]string{"/transform/options/a~1b~0c unknown_option"},
		},
		"options, two to one": {
			m(one("stage"), one("Status"), "both", "options", map[string]string{"lead": "Open", "a/b~c": "open"}),
			[]string{"/transform/options not_round_trip"},
		},
		"options, two to one ok": {
			m(one("stage"), one("Status"), "to_right", "options", map[string]string{"lead": "Open", "a/b~c": "open"}), nil,
		},
		"options, one to two": {
			m(one("stage"), one("Status"), "to_left", "options", map[string]string{"lead": "Open", "a/b~c": "open"}),
			[]string{"/transform/options transform_options"},
		},
		"options, empty": {
			m(one("stage"), one("Status"), "", "options", map[string]string{"lead": " "}), []string{
				"/transform/options/lead transform_options",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := mapping.Compile(tt.mapping, env)
			if diff := cmp.Diff(tt.want, codes(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompile_UnknownCountry(t *testing.T) {
	t.Parallel()
	env := pair(crm.TypePhone, crm.TypePhone)
	env.Country = "Atlantis"
	_, problems := mapping.Compile(oneToOne("phone"), env)
	if diff := cmp.Diff([]string{"/transform/type unknown_country"}, codes(problems)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if _, problems := mapping.Compile(oneToOne("email"), mapping.Env{Country: "Atlantis"}); problems != nil {
		t.Errorf("the country matters to phones only, got %v", problems)
	}
}

func TestRow155_EachFieldMappedOncePerWay(t *testing.T) {
	t.Parallel()
	off := false
	m := func(id crm.MappingID, left, right string, d crm.Direction) crm.Mapping {
		return crm.Mapping{ID: id, Left: []string{left}, Right: []string{right}, Direction: d}
	}
	tests := map[string]struct {
		mappings []crm.Mapping
		want     []string
	}{
		"apart":             {[]crm.Mapping{m("a", "x", "X", "both"), m("b", "y", "Y", "both")}, nil},
		"one source, twice": {[]crm.Mapping{m("a", "x", "X", "to_right"), m("b", "x", "Y", "to_right")}, nil},
		"one target, twice": {
			[]crm.Mapping{m("a", "x", "X", "to_right"), m("b", "y", "X", "to_right")}, []string{
				"/mappings/1/right/0 field_mapped_twice",
			},
		},
		"each way its own": {[]crm.Mapping{m("a", "x", "X", "to_right"), m("b", "x", "X", "to_left")}, nil},
		"both against one": {
			[]crm.Mapping{m("a", "x", "X", "both"), m("b", "x", "Y", "to_left")}, []string{
				"/mappings/1/left/0 field_mapped_twice",
			},
		},
		"the other is off": {
			[]crm.Mapping{{ID: "a", Left: []string{"x"}, Right: []string{"X"}, Enabled: &off}, m("b", "y", "X", "both")}, nil,
		},
		"the same ID": {
			[]crm.Mapping{m("a", "x", "X", "both"), m("a", "y", "Y", "both")}, []string{"/mappings/1/id duplicate_id"},
		},
		"problems keep home": {
			[]crm.Mapping{m("a", "x", "X", "both"), m("b", "", "Y", "both")}, []string{"/mappings/1/left/0 missing_field"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, problems := mapping.CompileAll(tt.mappings, mapping.Env{})
			if diff := cmp.Diff(tt.want, codes(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if (set == nil) != (len(tt.want) > 0) {
				t.Errorf("set %v with problems %v", set, problems)
			}
		})
	}
}

func TestRow140_MappingThatIsOffTakesNoPart(t *testing.T) {
	t.Parallel()
	off := false
	gone := oneToOne("none")
	gone.ID, gone.Enabled, gone.Left = "gone", &off, []string{"a field that was deleted"}
	set, problems := mapping.CompileAll([]crm.Mapping{gone, oneToOne("none")}, pair(crm.TypeText, crm.TypeText))
	if problems != nil {
		t.Fatalf("problems: %v", problems)
	}
	if len(set) != 1 || set[0].ID() != "m" {
		t.Fatalf("set has %d mappings, want m alone", len(set))
	}
	if diff := cmp.Diff([]string{"l"}, set.Fields(crm.Left)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestPolicy_StandsForDirectionConflictAndClear(t *testing.T) {
	t.Parallel()
	left, right, newest := crm.ConflictLeft, crm.ConflictRight, crm.ConflictNewest
	tests := map[crm.MappingPolicy]struct {
		direction crm.Direction
		conflict  *crm.ConflictPolicy
		clear     crm.PerWay[bool]
	}{
		crm.PolicyTwoWay:            {crm.DirectionBoth, &newest, crm.PerWay[bool]{ToRight: true, ToLeft: true}},
		crm.PolicyPreferRightUnless: {crm.DirectionBoth, &right, crm.PerWay[bool]{ToLeft: true}},
		crm.PolicyPreferLeftUnless:  {crm.DirectionBoth, &left, crm.PerWay[bool]{ToRight: true}},
		crm.PolicyAlwaysRight:       {crm.DirectionToLeft, &right, crm.PerWay[bool]{ToLeft: true}},
		crm.PolicyAlwaysLeft:        {crm.DirectionToRight, &left, crm.PerWay[bool]{ToRight: true}},
	}
	for policy, tt := range tests {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			m := oneToOne("none")
			m.Policy, m.Conflict, m.Direction = &policy, &newest, crm.DirectionToLeft
			c, problems := mapping.Compile(m, mapping.Env{})
			if problems != nil {
				t.Fatalf("problems: %v", problems)
			}
			got := c.Spec()
			if got.Policy != nil || got.Direction != tt.direction || *got.Conflict != *tt.conflict || got.Clear != tt.clear {
				t.Errorf("policy %s became direction %s, conflict %s, clear %v", policy, got.Direction, *got.Conflict, got.Clear)
			}
		})
	}
	none := crm.PolicyNone
	c, problems := mapping.Compile(crm.Mapping{ID: "m", Left: []string{"l"}, Right: []string{"r"}, Policy: &none},
		mapping.Env{})
	if problems != nil || c.Allows(crm.ToRight) || c.Allows(crm.ToLeft) {
		t.Errorf("policy none must close both ways (problems %v)", problems)
	}
}

func TestRevision_ChangesWithTheCanonicalForm(t *testing.T) {
	t.Parallel()
	revision := func(m crm.Mapping, env mapping.Env) string {
		t.Helper()
		c, problems := mapping.Compile(m, env)
		if problems != nil {
			t.Fatalf("problems: %v", problems)
		}
		return c.Revision()
	}
	phones, times := pair(crm.TypePhone, crm.TypePhone), pair(crm.TypeDateTime, crm.TypeDateTime)
	german, eastern := phones, times
	german.Country = "DE"
	eastern.TimeZone.Right = zone(t, "America/New_York")
	base := revision(oneToOne("options", "a", "b"), mapping.Env{})
	for name, pair := range map[string][2]string{
		"options": {base, revision(oneToOne("options", "a", "c"), mapping.Env{})},
		"country": {revision(oneToOne("phone"), phones), revision(oneToOne("phone"), german)},
		"zone":    {revision(oneToOne("datetime"), times), revision(oneToOne("datetime"), eastern)},
		"type":    {revision(oneToOne("none"), phones), revision(oneToOne("none"), times)},
		"fields": {
			revision(crm.Mapping{ID: "m", Left: []string{"l"}, Right: []string{"q"}}, mapping.Env{}),
			revision(oneToOne("none"), mapping.Env{}),
		},
	} {
		if pair[0] == pair[1] {
			t.Errorf("%s: the revision stays %s", name, pair[0])
		}
	}
	same := oneToOne("options", "a", "b")
	same.ID, same.WriteOnce, same.Clear.ToLeft = "other", true, true
	env := mapping.Env{Country: "DE"}
	env.TimeZone.Left = zone(t, "Europe/Berlin")
	if got := revision(same, env); got != base {
		t.Errorf("revision %s became %s although the canonical form is the same", base, got)
	}
}

// TestRow127_AnAddressWantsAnEmailField: an e-mail field is written from an
// e-mail field alone, under either transform that could; the problem says so.
func TestRow127_AnAddressWantsAnEmailField(t *testing.T) {
	t.Parallel()
	for _, transform := range []crm.TransformType{"none", "email"} {
		for _, types := range [][2]crm.FieldType{{crm.TypeText, crm.TypeEmail}, {crm.TypeEmail, crm.TypeText}} {
			for _, direction := range []crm.Direction{crm.DirectionBoth, crm.DirectionToRight, crm.DirectionToLeft} {
				m := oneToOne(transform)
				m.Direction = direction
				_, problems := mapping.Compile(m, pair(types[0], types[1]))
				into := types[1] == crm.TypeEmail && direction.Allows(crm.ToRight) ||
					types[0] == crm.TypeEmail && direction.Allows(crm.ToLeft)
				refused := len(problems) == 1 && problems[0].Code == mapping.CodeIncompatible &&
					strings.Contains(problems[0].Detail, "e-mail field")
				if refused != into || !into && len(problems) > 0 {
					t.Errorf("%s, %v, %s: %v", transform, types, direction, problems)
				}
			}
		}
	}
}
