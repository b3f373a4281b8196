package rule_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests, whatever the machine has

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

var (
	absent = crm.Value{}
	null   = crm.NullValue()
	blank  = crm.TextValue(" \t\n")
	nobody = crm.ListValue()
	spaces = crm.ListValue("", " ")
)

var blanks = map[string]crm.Value{
	"absent": absent, "null": null, "blank text": blank, "empty list": nobody, "list of blanks": spaces,
}

func text(s string) crm.Value        { return crm.TextValue(s) }
func number(s string) crm.Value      { return crm.NumberValue(s) }
func list(items ...string) crm.Value { return crm.ListValue(items...) }

func schema(t crm.FieldType) map[string]crm.Field {
	if t == "" {
		return nil
	}
	return map[string]crm.Field{"f": {Name: "f", Type: t}}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// match compiles one clause on field "f" and asks it about a record.
func match(t testing.TB, typ crm.FieldType, op crm.FilterOp, wanted, record crm.Value, loc *time.Location) bool {
	t.Helper()
	f, problems := rule.Compile(&crm.Filter{Field: "f", Op: op, Value: wanted}, schema(typ), loc)
	if problems != nil {
		t.Fatalf("%s: problems %v", op, problems)
	}
	r := crm.Fields{}
	if record.Kind() != crm.Absent {
		r["f"] = record
	}
	ok, trace := f.Match(r, noon)
	if len(trace) != 1 || trace[0].Result != ok || trace[0].Op != op || !trace[0].Value.Equal(record) {
		t.Fatalf("%s: trace %+v does not tell of the result %v", op, trace, ok)
	}
	return ok
}

// TestRow80_Blanks asks every operator about every kind of blank.
func TestRow80_Blanks(t *testing.T) {
	t.Parallel()
	passes := map[crm.FilterOp]bool{"is_empty": true, "not_equals": true, "not_contains": true, "not_in": true}
	wanted := map[crm.FilterOp]crm.Value{
		"equals": text("a"), "not_equals": text("a"), "contains": text("a"), "not_contains": text("a"),
		"starts_with": text("a"), "ends_with": text("a"), "is_empty": text("ignored"), "is_not_empty": absent,
		"in": list("a"), "not_in": list("a"), "greater_than": number("-1"), "less_than": number("1"),
		"before": text("2030-01-01"), "after": text("1990-01-01"), "in_last_days": number("30000"),
		"is_true": absent, "is_false": absent,
	}
	if all := rule.Operators(); len(wanted) != len(all) {
		t.Fatalf("%d operators, want all %d", len(wanted), len(all))
	}
	for op, w := range wanted {
		for name, record := range blanks {
			if got := match(t, "", op, w, record, nil); got != passes[op] {
				t.Errorf("%s of %s is %v, want %v", op, name, got, passes[op])
			}
		}
	}
}

type clauseCase struct {
	typ    crm.FieldType
	wanted crm.Value
	record crm.Value
	want   bool
}

// both checks an operator and its negation.
func both(t *testing.T, op, not crm.FilterOp, tests map[string]clauseCase) {
	t.Helper()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := match(t, tt.typ, op, tt.wanted, tt.record, nil); got != tt.want {
				t.Errorf("%s is %v, want %v", op, got, tt.want)
			}
			if not == "" {
				return
			}
			if got := match(t, tt.typ, not, tt.wanted, tt.record, nil); got == tt.want {
				t.Errorf("%s is %v too", not, got)
			}
		})
	}
}

func TestRow77_Equals(t *testing.T) {
	t.Parallel()
	both(t, "equals", "not_equals", map[string]clauseCase{
		"same":                        {"", text("Homestack"), text("Homestack"), true},
		"case and blanks":             {"", text(" HOMESTACK"), text("homestack \n"), true},
		"case outside ASCII":          {"", text("STRASSE ÄÖÜ"), text("strasse äöü"), true},
		"normal forms":                {"", text("Zo\u00eb"), text("ZOE\u0308"), true},
		"other":                       {"", text("Homestack"), text("Homestack Inc"), false},
		"text is no number":           {"", text("5"), text("5.0"), false},
		"wanted number":               {"", number("5"), text("5.0"), true},
		"record's number":             {"", text("5"), number("5.00"), true},
		"number field, text from app": {crm.TypeNumber, text("1e3"), text("1000"), true},
		"number field, other":         {crm.TypeNumber, text("1000"), number("1000.1"), false},
		"number field, odd value":     {crm.TypeNumber, number("7"), text("seven"), false},
		"exact beyond float":          {crm.TypeNumber, number("9007199254740993"), number("9007199254740992"), false},
		"boolean":                     {crm.TypeBoolean, text("TRUE"), crm.BoolValue(true), true},
		"boolean as text":             {crm.TypeBoolean, crm.BoolValue(false), text("false"), true},
		"boolean, other":              {"", crm.BoolValue(true), crm.BoolValue(false), false},
		"date":                        {crm.TypeDate, text("2026-03-10"), text("1773100800000"), true},
		"date, instant of midnight":   {crm.TypeDate, text("2026-03-10"), text("2026-03-10T00:00:00Z"), true},
		"day of an instant":           {crm.TypeDateTime, text("2026-03-10"), text("2026-03-10T23:59:59Z"), true},
		"instants": {
			crm.TypeDateTime, text("2026-03-10T13:00:00+01:00"), text("2026-03-10T12:00:00.000+0000"), true,
		},
		"other instant":         {crm.TypeDateTime, text("2026-03-10T13:00:00Z"), text("2026-03-10T12:00:00Z"), false},
		"an item of a list":     {crm.TypeList, text("no_crm"), list("Friends", "No_CRM "), true},
		"no item of a list":     {"", text("No"), list("No_CRM"), false},
		"a list as text":        {crm.TypeOptions, text("b"), text("a;B"), true},
		"text with a semicolon": {crm.TypeText, text("b"), text("a;b"), false},
		"the same set":          {crm.TypeOptions, list("b", "A"), text("a;b;a"), true},
		"a smaller set":         {crm.TypeList, list("a"), list("a", "b"), false},
		"a larger set":          {crm.TypeList, list("a", "b"), list("a"), false},
	})
}

func TestRow78_Row79_Contains(t *testing.T) {
	t.Parallel()
	both(t, "contains", "not_contains", map[string]clauseCase{
		"part of a text":                {"", text("pend"), text("Is PENDING now"), true},
		"not part of it":                {"", text("pending!"), text("PENDING"), false},
		"text field with a semicolon":   {crm.TypeText, text("b"), text("a;bc"), true},
		"whole item":                    {"", text("pending"), list("a", " PENDING "), true},
		"part of an item":               {"", text("PEND"), list("PENDING"), false},
		"options as text, whole item":   {crm.TypeOptions, text("PENDING"), text("x;Pending"), true},
		"options as text, part":         {crm.TypeOptions, text("PEND"), text("x;PENDING"), false},
		"list field, one text":          {crm.TypeList, text("PENDING"), text("pending"), true},
		"list field, part of one text":  {crm.TypeList, text("PEND"), text("pending"), false},
		"number":                        {crm.TypeNumber, text("2"), number("123"), true},
		"an item with a semicolon kept": {crm.TypeList, text("a;b"), list("a;b"), true},
	})
}

func TestRow81_StartsAndEnds(t *testing.T) {
	t.Parallel()
	both(t, "starts_with", "", map[string]clauseCase{
		"start": {"", text("ANN"), text(" anna"), true},
		"end":   {"", text("na"), text("anna"), false},
		"item":  {"", text("b"), list("ab", "Bc"), true},
	})
	both(t, "ends_with", "", map[string]clauseCase{
		"end":   {"", text("NA"), text("anna "), true},
		"start": {"", text("an"), text("anna"), false},
		"item":  {crm.TypeOptions, text("b"), text("xb;y"), true},
	})
}

func TestRow80_EmptyAndNot(t *testing.T) {
	t.Parallel()
	both(t, "is_empty", "is_not_empty", map[string]clauseCase{
		"text":         {"", text("ignored"), text("x"), false},
		"zero":         {crm.TypeNumber, absent, number("0"), false},
		"false":        {crm.TypeBoolean, absent, crm.BoolValue(false), false},
		"an item":      {"", absent, list("", "x"), false},
		"only spaces":  {"", absent, text("  "), true},
		"empty list":   {crm.TypeList, absent, list(), true},
		"no-break one": {"", absent, text("\u00a0"), true},
	})
}

func TestRow81_In(t *testing.T) {
	t.Parallel()
	both(t, "in", "not_in", map[string]clauseCase{
		"one of them":     {"", list("Lead", "Customer"), text("customer "), true},
		"none of them":    {"", list("Lead", "Customer"), text("Cust"), false},
		"numbers":         {crm.TypeNumber, list("1", "2.50"), number("2.5"), true},
		"an item is":      {"", list("a", "b"), list("x", "B"), true},
		"no item is":      {crm.TypeOptions, list("a", "b"), text("x;y"), false},
		"days":            {crm.TypeDate, list("2026-03-10"), text("2026-03-10"), true},
		"boolean as word": {crm.TypeBoolean, list("yes"), crm.BoolValue(true), true},
	})
}

func TestRow81_GreaterAndLess(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		clauseCase
		less bool
	}{
		"ten and nine":       {clauseCase{crm.TypeNumber, number("9"), number("10"), true}, false},
		"as texts":           {clauseCase{"", text("9"), text("10"), true}, false},
		"equal":              {clauseCase{crm.TypeNumber, number("10"), number("10.0"), false}, false},
		"smaller":            {clauseCase{crm.TypeNumber, number("9"), number("-10"), false}, true},
		"beyond float":       {clauseCase{"", text("9007199254740992"), number("9007199254740993"), true}, false},
		"words":              {clauseCase{"", number("5"), text("six"), false}, false},
		"a later day":        {clauseCase{crm.TypeDate, text("2026-03-09"), text("2026-03-10"), true}, false},
		"a boolean":          {clauseCase{"", number("0"), crm.BoolValue(true), false}, false},
		"any item of a list": {clauseCase{"", number("5"), list("1", "6"), true}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := match(t, tt.typ, "greater_than", tt.wanted, tt.record, nil); got != tt.want {
				t.Errorf("greater_than is %v, want %v", got, tt.want)
			}
			if got := match(t, tt.typ, "less_than", tt.wanted, tt.record, nil); got != tt.less && tt.record.Kind() != crm.List {
				t.Errorf("less_than is %v, want %v", got, tt.less)
			}
		})
	}
}

func TestRow81_BeforeAndAfter(t *testing.T) {
	t.Parallel()
	york := zone(t, "America/New_York")
	tests := map[string]struct {
		typ            crm.FieldType
		wanted, record string
		loc            *time.Location
		before, after  bool
	}{
		"dates":                      {crm.TypeDate, "2026-03-10", "2026-03-09", nil, true, false},
		"same day":                   {crm.TypeDate, "2026-03-10", "2026-03-10", nil, false, false},
		"instant on the day":         {crm.TypeDateTime, "2026-03-10", "2026-03-10T23:00:00Z", nil, false, false},
		"the day after":              {crm.TypeDateTime, "2026-03-10", "2026-03-11T00:00:00Z", nil, false, true},
		"still the day before there": {crm.TypeDateTime, "2026-03-10", "2026-03-10T03:00:00Z", york, true, false},
		"on the day there":           {crm.TypeDateTime, "2026-03-10", "2026-03-11T03:00:00Z", york, false, false},
		"instants": {
			crm.TypeDateTime, "2026-03-10T10:00:00Z", "2026-03-10T10:00:01Z", nil, false, true,
		},
		"same second": {
			crm.TypeDateTime, "2026-03-10T10:00:00Z", "2026-03-10T10:00:00.900Z", nil, false,
			false,
		},
		"wanted without offset": {
			crm.TypeDateTime, "2026-03-10T10:00:00", "2026-03-10T13:30:00Z", york, true, false,
		},
		"epoch":                          {crm.TypeDateTime, "2026-03-10", "1773014400000", nil, true, false},
		"date as midnight in UTC, there": {crm.TypeDate, "2026-03-10", "2026-03-10T00:00:00Z", york, false, false},
		"text":                           {crm.TypeText, "2026-03-10", "2026-03-09", nil, true, false},
		"a number is no time in a text":  {crm.TypeText, "2026-03-10", "1773014400000", nil, false, false},
		"words":                          {crm.TypeText, "2026-03-10", "soon", nil, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := match(t, tt.typ, "before", text(tt.wanted), text(tt.record), tt.loc); got != tt.before {
				t.Errorf("before is %v, want %v", got, tt.before)
			}
			if got := match(t, tt.typ, "after", text(tt.wanted), text(tt.record), tt.loc); got != tt.after {
				t.Errorf("after is %v, want %v", got, tt.after)
			}
		})
	}
}

func TestRow81_InLastDays(t *testing.T) {
	t.Parallel()
	tokyo := zone(t, "Asia/Tokyo") // noon UTC is 21:00 there
	tests := map[string]struct {
		typ    crm.FieldType
		days   crm.Value
		record string
		loc    *time.Location
		want   bool
	}{
		"now":                   {crm.TypeDateTime, number("1"), "2026-03-10T12:00:00Z", nil, true},
		"ahead":                 {crm.TypeDateTime, number("1"), "2026-03-10T12:00:01Z", nil, false},
		"first moment":          {crm.TypeDateTime, text("7"), "2026-03-03T00:00:00Z", nil, true},
		"just too old":          {crm.TypeDateTime, text("7"), "2026-03-02T23:59:59Z", nil, false},
		"first moment in Tokyo": {crm.TypeDateTime, number("7"), "2026-03-02T15:00:00Z", tokyo, true},
		"too old in Tokyo":      {crm.TypeDateTime, number("7"), "2026-03-02T14:59:59Z", tokyo, false},
		"today":                 {crm.TypeDate, number("1"), "2026-03-10", nil, true},
		"yesterday":             {crm.TypeDate, number("1"), "2026-03-09", nil, true},
		"the day before":        {crm.TypeDate, number("1"), "2026-03-08", nil, false},
		"tomorrow":              {crm.TypeDate, number("1"), "2026-03-11", nil, false},
		"words":                 {crm.TypeText, number("1"), "today", nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := match(t, tt.typ, "in_last_days", tt.days, text(tt.record), tt.loc); got != tt.want {
				t.Errorf("in_last_days is %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRow84_TrueAndFalse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		record          crm.Value
		isTrue, isFalse bool
	}{
		"true": {crm.BoolValue(true), true, false}, "text true": {text(" TRUE"), true, false}, "yes": {
			text("Yes"), true, false,
		}, "one": {number("1"), true, false},
		"false": {crm.BoolValue(false), false, true}, "no": {text("no"), false, true}, "zero": {text("0"), false, true},
		"other": {text("maybe"), false, false}, "two": {number("2"), false, false},
	} {
		if got := match(t, "", "is_true", absent, tt.record, nil); got != tt.isTrue {
			t.Errorf("%s: is_true is %v", name, got)
		}
		if got := match(t, "", "is_false", absent, tt.record, nil); got != tt.isFalse {
			t.Errorf("%s: is_false is %v", name, got)
		}
	}
}

// TestRow213_ExampleFilters reproduces the filters of the pages that the feature table was made from.
func TestRow213_ExampleFilters(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		filter crm.Filter
		pass   []crm.Value
		stop   []crm.Value
	}{
		"tags do not contain PENDING": {
			crm.Filter{Field: "f", Op: "not_contains", Value: text("PENDING")},
			[]crm.Value{absent, list(), list("PENDING review", "x")},
			[]crm.Value{list("a", "Pending")},
		},
		"source is Homestack": {
			crm.Filter{Field: "f", Op: "equals", Value: text("Homestack")},
			[]crm.Value{text("homestack")},
			[]crm.Value{absent, text("Homestack app")},
		},
		"label is not No_CRM": {
			crm.Filter{Field: "f", Op: "not_equals", Value: text("No_CRM")},
			[]crm.Value{absent, list("Friends"), text("Friends")},
			[]crm.Value{list("Friends", "no_crm"), text("No_CRM")},
		},
	}
	for name, tt := range tests {
		f, problems := rule.Compile(&tt.filter, nil, nil)
		if problems != nil {
			t.Fatalf("%s: %v", name, problems)
		}
		for want, records := range map[bool][]crm.Value{true: tt.pass, false: tt.stop} {
			for _, v := range records {
				if got, _ := f.Match(crm.Fields{"f": v}, noon); got != want {
					t.Errorf("%s: %#v passes %v, want %v", name, v, got, want)
				}
			}
		}
	}
}

func TestRow75_NestedFilters(t *testing.T) {
	t.Parallel()
	clause := func(field, value string) crm.Filter {
		return crm.Filter{Field: field, Op: "equals", Value: text(value)}
	}
	not := func(f crm.Filter) crm.Filter { return crm.Filter{Not: &f} }
	filter := crm.Filter{All: []crm.Filter{
		clause("a", "1"),
		{Any: []crm.Filter{clause("b", "1"), not(clause("c", "1"))}},
	}}
	f, problems := rule.Compile(&filter, nil, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, f.Fields()); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	for name, tt := range map[string]struct {
		record crm.Fields
		want   bool
	}{
		"both":          {crm.Fields{"a": text("1"), "b": text("1"), "c": text("1")}, true},
		"not c":         {crm.Fields{"a": text("1"), "c": text("2")}, true},
		"neither":       {crm.Fields{"a": text("1"), "c": text("1")}, false},
		"first missing": {crm.Fields{"b": text("1")}, false},
	} {
		got, trace := f.Match(tt.record, noon)
		if got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		want := rule.Trace{
			{
				Pointer: "/all/0", Field: "a", Op: "equals", Value: tt.record["a"], Wanted: text("1"),
				Result: tt.record["a"].Text() == "1",
			},
			{
				Pointer: "/all/1/any/0", Field: "b", Op: "equals", Value: tt.record["b"], Wanted: text("1"),
				Result: tt.record["b"].Text() == "1",
			},
			{
				Pointer: "/all/1/any/1/not", Field: "c", Op: "equals", Value: tt.record["c"], Wanted: text("1"),
				Result: tt.record["c"].Text() == "1",
			},
		}
		if diff := cmp.Diff(want, trace); diff != "" {
			t.Errorf("%s: trace (-want +got):\n%s", name, diff)
		}
	}
}
