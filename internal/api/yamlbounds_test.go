package api

import (
	"strings"
	"testing"
)

// TestYAMLBoundsAreExact: as many values and levels as the bounds allow pass, one
// more does not, and what is closed is not open any more.
func TestYAMLBoundsAreExact(t *testing.T) {
	t.Parallel()
	const levels, values = 20 * maxDepth, 2 * maxValues
	for name, c := range map[string]struct {
		body string
		code string
	}{
		"nothing":                   {"", ""},
		"levels":                    {strings.Repeat("[", levels), ""},
		"one level more":            {strings.Repeat("[", levels+1), CodeTooDeep},
		"braces":                    {strings.Repeat("{", levels+1), CodeTooDeep},
		"closed before":             {strings.Repeat("]", 10) + strings.Repeat("[", levels), ""},
		"closed before, one more":   {strings.Repeat("}", 10) + strings.Repeat("[", levels+1), CodeTooDeep},
		"opened and closed":         {strings.Repeat("[]", levels+5), ""},
		"values":                    {strings.Repeat("\n", values), ""},
		"one value more":            {strings.Repeat("\n", values+1), CodeTooManyValues},
		"returns":                   {strings.Repeat("\r", values+1), CodeTooManyValues},
		"commas":                    {strings.Repeat(",", values+1), CodeTooManyValues},
		"questions":                 {strings.Repeat("?", values+1), CodeTooManyValues},
		"pairs of levels":           {strings.Repeat("[]", values), ""},
		"one pair of levels more":   {strings.Repeat("[]", values+1), CodeTooManyValues},
		"colons in texts":           {strings.Repeat("a:a", values+1), ""},
		"colons before blanks":      {strings.Repeat("a: ", values), ""},
		"colons before blanks, one": {strings.Repeat("a: ", values+1), CodeTooManyValues},
		"colons behind quotes":      {strings.Repeat("':a", values+1), CodeTooManyValues},
		"a colon at the end":        {strings.Repeat("a: ", values) + "a:", CodeTooManyValues},
		"a colon first":             {":a" + strings.Repeat("a: ", values), ""},
		"dashes":                    {strings.Repeat("- ", values+1), CodeTooManyValues},
		"dashes in texts":           {strings.Repeat("a-a", values+1), ""},
	} {
		got := ""
		if p := yamlBounds([]byte(c.body)); p != nil {
			got = p.Code
		}
		if got != c.code {
			t.Errorf("%s: %q, want %q", name, got, c.code)
		}
	}
}
