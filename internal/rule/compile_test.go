package rule_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

func codes(problems []mapping.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Pointer+" "+p.Code)
	}
	return out
}

func everyType() map[string]crm.Field {
	fields := map[string]crm.Field{}
	for _, t := range []crm.FieldType{
		crm.TypeText, crm.TypeNumber, crm.TypeBoolean, crm.TypeDate, crm.TypeDateTime,
		crm.TypeOption, crm.TypeOptions, crm.TypeList,
	} {
		fields[string(t)] = crm.Field{Name: string(t), Type: t}
	}
	return fields
}

func TestCompile_ProblemsAtTheirPlace(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		filter string
		want   []string
	}{
		"fine":              {`{"field":"text","op":"equals","value":"a"}`, nil},
		"no value needed":   {`{"field":"text","op":"is_empty"}`, nil},
		"value box ignored": {`{"field":"boolean","op":"is_true","value":"whatever"}`, nil},
		"nothing":           {`{}`, []string{" ambiguous_filter"}},
		"empty all":         {`{"all":[]}`, []string{" ambiguous_filter"}},
		"two forms": {
			`{"all":[{"field":"text","op":"is_empty"}],"field":"text","op":"is_empty"}`, []string{" ambiguous_filter"},
		},
		"unknown field and op": {
			`{"all":[{"field":"txt","op":"equals","value":"a"},{"not":{"field":"text","op":"like","value":"a"}}]}`,
			[]string{"/all/0/field unknown_field", "/all/1/not/op unknown_operator"},
		},
		"no field":               {`{"op":"equals","value":"a"}`, []string{"/field missing_field"}},
		"no op":                  {`{"field":"text","value":"a"}`, []string{"/op unknown_operator"}},
		"no value":               {`{"field":"text","op":"equals"}`, []string{"/value wrong_value"}},
		"blank value":            {`{"field":"text","op":"contains","value":" "}`, []string{"/value wrong_value"}},
		"null value":             {`{"field":"text","op":"not_equals","value":null}`, []string{"/value wrong_value"}},
		"in without list":        {`{"field":"text","op":"in","value":"a;b"}`, []string{"/value wrong_value"}},
		"in with nothing":        {`{"field":"text","op":"in","value":[]}`, []string{"/value wrong_value"}},
		"in with a blank":        {`{"field":"text","op":"not_in","value":["a"," "]}`, []string{"/value/1 wrong_value"}},
		"list for one":           {`{"field":"text","op":"starts_with","value":["a"]}`, []string{"/value wrong_value"}},
		"list equals text field": {`{"field":"text","op":"equals","value":["a"]}`, []string{"/value wrong_value"}},
		"list equals list field": {`{"field":"options","op":"equals","value":["a"]}`, nil},
		"greater, words":         {`{"field":"text","op":"greater_than","value":"ten"}`, []string{"/value wrong_value"}},
		"greater on a boolean": {
			`{"field":"boolean","op":"greater_than","value":1}`, []string{"/op operator_does_not_fit"},
		},
		"greater on a date":    {`{"field":"date","op":"greater_than","value":"2026-01-01"}`, nil},
		"greater on a date, 5": {`{"field":"date","op":"greater_than","value":5}`, []string{"/value wrong_value"}},
		"before, words":        {`{"field":"date","op":"before","value":"tomorrow"}`, []string{"/value wrong_value"}},
		"before on a number": {
			`{"field":"number","op":"before","value":"2026-01-01"}`, []string{"/op operator_does_not_fit"},
		},
		"number equals words": {`{"field":"number","op":"equals","value":"many"}`, []string{"/value wrong_value"}},
		"boolean equals words": {
			`{"field":"boolean","op":"in","value":["true","maybe"]}`, []string{"/value/1 wrong_value"},
		},
		"date equals words":       {`{"field":"datetime","op":"equals","value":"1/2/2026"}`, []string{"/value wrong_value"}},
		"is_true on a date":       {`{"field":"date","op":"is_true"}`, []string{"/op operator_does_not_fit"}},
		"last days, none":         {`{"field":"date","op":"in_last_days","value":0}`, []string{"/value wrong_value"}},
		"last days, half":         {`{"field":"date","op":"in_last_days","value":1.5}`, []string{"/value wrong_value"}},
		"last days, too many":     {`{"field":"date","op":"in_last_days","value":36501}`, []string{"/value wrong_value"}},
		"last days, words":        {`{"field":"date","op":"in_last_days","value":"week"}`, []string{"/value wrong_value"}},
		"last days on a list":     {`{"field":"list","op":"in_last_days","value":3}`, []string{"/op operator_does_not_fit"}},
		"last days, not a number": {`{"field":"date","op":"in_last_days","value":true}`, []string{"/value wrong_value"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f crm.Filter
			if err := json.Unmarshal([]byte(tt.filter), &f); err != nil {
				t.Fatal(err)
			}
			got, problems := rule.Compile(&f, everyType(), nil)
			if diff := cmp.Diff(tt.want, codes(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if (got == nil) != (len(tt.want) > 0) {
				t.Errorf("filter %v with problems %v", got, problems)
			}
		})
	}
}

func TestCompile_Limits(t *testing.T) {
	t.Parallel()
	clause := crm.Filter{Field: "f", Op: "is_empty"}
	nested := func(depth int) *crm.Filter {
		f := clause
		for range depth - 1 {
			f = crm.Filter{Not: &crm.Filter{All: f.All, Any: f.Any, Not: f.Not, Field: f.Field, Op: f.Op}}
		}
		return &f
	}
	many := func(n int) *crm.Filter {
		f := &crm.Filter{}
		for range n {
			f.Any = append(f.Any, clause)
		}
		return f
	}
	wanted := func(n int) *crm.Filter {
		var items []string
		for i := range n {
			items = append(items, fmt.Sprint(i))
		}
		return &crm.Filter{Field: "f", Op: "in", Value: crm.ListValue(items...)}
	}
	long := func(n int) *crm.Filter {
		return &crm.Filter{Field: "f", Op: "equals", Value: text(strings.Repeat("ä", n))}
	}
	for name, tt := range map[string]struct{ fits, not *crm.Filter }{
		"depth":   {nested(rule.MaxDepth), nested(rule.MaxDepth + 1)},
		"clauses": {many(rule.MaxClauses), many(rule.MaxClauses + 50)},
		"values":  {wanted(rule.MaxWanted), wanted(rule.MaxWanted + 1)},
		"length":  {long(rule.MaxText), long(rule.MaxText + 1)},
	} {
		if _, problems := rule.Compile(tt.fits, nil, nil); problems != nil {
			t.Errorf("%s at the limit: %v", name, problems)
		}
		_, problems := rule.Compile(tt.not, nil, nil)
		if len(problems) != 1 || problems[0].Code != rule.CodeTooLarge {
			t.Errorf("%s above the limit: %v", name, problems)
		}
	}
	deep := nested(100_000)
	if _, problems := rule.Compile(deep, nil, nil); len(problems) != 1 {
		t.Errorf("very deep: %v", problems)
	}
	if _, problems := rule.Compile(&crm.Filter{All: make([]crm.Filter, 100_000)}, nil, nil); len(problems) == 0 ||
		len(problems) > 200 {
		t.Errorf("very wide and empty: %d problems", len(problems))
	}
}

func TestNilFilterLetsEverythingThrough(t *testing.T) {
	t.Parallel()
	f, problems := rule.Compile(nil, nil, nil)
	if ok, trace := f.Match(nil, noon); !ok || trace != nil || problems != nil || f.Fields() != nil {
		t.Errorf("match %v, trace %v, problems %v", ok, trace, problems)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		`{"all":[{"field":"tags","op":"not_contains","value":"No_CRM"}]}`,
		`{"not":{"any":[{"field":"n","op":"greater_than","value":5},{"field":"d","op":"in_last_days","value":"7"}]}}`,
		`{"field":"f","op":"in","value":["a","b"]}`, `{}`, `{"all":[]}`, `{"not":{"not":{"not":{}}}}`,
		`{"field":"f","op":"before","value":"2026-01-01"}`,
		`{"field":"b","op":"equals","value":true}`,
	} {
		f.Add([]byte(s), "value;b", int64(1773144000))
	}
	fields := everyType()
	for i, n := range []string{"tags", "n", "d", "f", "b"} {
		types := []crm.FieldType{crm.TypeList, crm.TypeNumber, crm.TypeDateTime, crm.TypeText, crm.TypeBoolean}
		fields[n] = crm.Field{Name: n, Type: types[i]}
	}
	f.Fuzz(func(t *testing.T, doc []byte, value string, unix int64) {
		var filter crm.Filter
		if json.Unmarshal(doc, &filter) != nil {
			return
		}
		for _, schema := range []map[string]crm.Field{nil, fields} {
			checkFilter(t, &filter, schema, value, unix)
		}
	})
}
