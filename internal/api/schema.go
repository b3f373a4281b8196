package api

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// checker compares a decoded body with the schema that the OpenAPI document
// publishes for it. It exists beside huma's own check because clients need JSON
// Pointers, and because no value may be echoed in an answer or a log.
type checker struct {
	schemas  huma.Registry
	patterns *sync.Map // string -> *regexp.Regexp
	found    []ProblemItem
	most     int    // problems that are listed; 0 = maxItems
	long     bool   // a list or object has more than it may, and was not looked into
	hard     string // code of the first thing that a draft does not hold either
}

// checkBody returns nil or everything that is wrong with body.
func checkBody(schemas huma.Registry, patterns *sync.Map, s *huma.Schema, body any) *Problem {
	c := &checker{schemas: schemas, patterns: patterns}
	c.value(s, "", body)
	return c.problem()
}

// problem is what was found; nil if nothing was.
func (c *checker) problem() *Problem {
	if len(c.found) == 0 {
		return nil
	}
	p := problem(400, c.found[0].Code, "the body does not fit its schema", c.found...)
	p.long = c.long
	return p
}

func (c *checker) add(code, at, detail string) {
	if len(c.found) < max(c.most, maxItems) {
		c.found = append(c.found, ProblemItem{Pointer: at, Detail: detail, Code: code})
	}
}

// refuse is add for what cannot be kept: keys that mean nothing, values of
// another type, lists without end, texts that nobody types.
func (c *checker) refuse(code, at, detail string) {
	if c.hard == "" {
		c.hard = code
	}
	c.add(code, at, detail)
}

func (c *checker) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = c.schemas.SchemaFromRef(s.Ref)
	}
	return s
}

func (c *checker) value(s *huma.Schema, at string, v any) {
	s = c.resolve(s)
	if s == nil || s.Nullable && v == nil {
		return
	}
	if alternatives := slices.Concat(s.AnyOf, s.OneOf); len(alternatives) > 0 {
		c.oneOf(alternatives, at, v)
		return
	}
	if s.Type != "" && !fits(s.Type, v) {
		c.refuse(CodeWrongType, at, "expected "+article(s.Type)+", got "+article(kindOf(v)))
		return
	}
	switch t := v.(type) {
	case string:
		c.text(s, at, t)
	case json.Number:
		c.number(s, at, t)
	case []any:
		c.list(s, at, t)
	case map[string]any:
		c.object(s, at, t)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		c.add(CodeUnknownValue, at, "expected one of: "+joined(s.Enum))
	}
}

// oneOf picks the alternative of the value's own type, so that problems are
// reported where they are and not as "fits none".
func (c *checker) oneOf(alternatives []*huma.Schema, at string, v any) {
	var types []string
	for _, s := range alternatives {
		s = c.resolve(s)
		if s == nil {
			continue
		}
		if s.Type == "" || fits(s.Type, v) {
			c.value(s, at, v)
			return
		}
		types = append(types, article(s.Type))
	}
	c.refuse(CodeWrongType, at, "expected "+strings.Join(types, " or ")+", got "+article(kindOf(v)))
}

func fits(typ string, v any) bool {
	switch typ {
	case huma.TypeInteger:
		n, ok := v.(json.Number)
		_, err := strconv.ParseInt(n.String(), 10, 64)
		return ok && err == nil
	case huma.TypeNumber:
		return kindOf(v) == huma.TypeNumber
	default:
		return kindOf(v) == typ
	}
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return huma.TypeBoolean
	case string:
		return huma.TypeString
	case json.Number:
		return huma.TypeNumber
	case []any:
		return huma.TypeArray
	default:
		return huma.TypeObject
	}
}

func article(kind string) string {
	switch kind {
	case "null":
		return kind
	case huma.TypeInteger, huma.TypeArray, huma.TypeObject:
		return "an " + kind
	case huma.TypeString:
		return "a text"
	}
	return "a " + kind
}

func joined(list []any) string {
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, v)
	}
	return b.String()
}

// maxName is how long a text may be at most to be a name, which is shown on one
// line; longer ones are descriptions and addresses.
const maxName = 320

// unfit tells whether a text holds what nobody types: control characters, and in
// names also line ends and marks that turn the direction of what follows.
func unfit(v string, name bool) bool {
	return strings.ContainsFunc(v, func(r rune) bool {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069:
			return name
		}
		return unicode.IsControl(r)
	})
}

func (c *checker) text(s *huma.Schema, at, v string) {
	n := utf8.RuneCountInString(v)
	if unfit(v, s.MaxLength != nil && *s.MaxLength <= maxName) {
		c.refuse(CodeUnknownValue, at, "control characters, and in names line ends and marks of direction, are not taken")
	}
	if s.MinLength != nil && n < *s.MinLength {
		c.add(CodeWrongLength, at, fmt.Sprintf("expected at least %d character(s)", *s.MinLength))
	}
	if s.MaxLength != nil && n > *s.MaxLength {
		c.add(CodeWrongLength, at, fmt.Sprintf("expected at most %d characters", *s.MaxLength))
	}
	if s.Pattern != "" && !c.pattern(s.Pattern).MatchString(v) {
		c.add(CodeUnknownValue, at, "expected a text that matches "+s.Pattern)
	}
	if s.Format == "date-time" {
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			c.add(CodeUnknownValue, at, "expected a time such as 2026-01-31T12:00:00Z")
		}
	}
}

func (c *checker) pattern(p string) *regexp.Regexp {
	if re, ok := c.patterns.Load(p); ok {
		return re.(*regexp.Regexp)
	}
	re, _ := c.patterns.LoadOrStore(p, regexp.MustCompile(p))
	return re.(*regexp.Regexp)
}

func (c *checker) number(s *huma.Schema, at string, v json.Number) {
	f, err := v.Float64()
	if err != nil {
		return // beyond float64: exact values have no bounds in any schema
	}
	if s.Minimum != nil && f < *s.Minimum || s.Maximum != nil && f > *s.Maximum {
		c.add(CodeUnknownValue, at, "the number is out of range")
	}
}

func (c *checker) list(s *huma.Schema, at string, v []any) {
	if s.MinItems != nil && len(v) < *s.MinItems {
		c.refuse(CodeWrongLength, at, fmt.Sprintf("expected at least %d item(s)", *s.MinItems))
	}
	if s.MaxItems != nil && len(v) > *s.MaxItems {
		c.refuse(CodeWrongLength, at, fmt.Sprintf("expected at most %d items", *s.MaxItems))
		c.long = true
		return
	}
	for i, item := range v {
		c.value(s.Items, at+"/"+strconv.Itoa(i), item)
	}
}

func (c *checker) object(s *huma.Schema, at string, v map[string]any) {
	if s.MaxProperties != nil && len(v) > *s.MaxProperties {
		c.refuse(CodeWrongLength, at, fmt.Sprintf("expected at most %d keys", *s.MaxProperties))
		c.long = true
		return
	}
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			c.add(CodeMissingKey, at, "the key "+name+" is missing")
		}
	}
	for _, name := range sortedKeys(v) {
		if prop, ok := s.Properties[name]; ok {
			c.value(prop, at+"/"+escape(name), v[name])
			continue
		}
		switch extra := s.AdditionalProperties.(type) {
		case *huma.Schema:
			c.value(extra, at+"/"+escape(name), v[name])
		case bool:
			if !extra {
				c.refuse(CodeUnknownKey, at+"/"+escape(name), "there is no such key here")
			}
		}
	}
	if s.MinProperties != nil && len(v) < *s.MinProperties {
		c.add(CodeWrongLength, at, fmt.Sprintf("expected at least %d key(s)", *s.MinProperties))
	}
}

// checkRemovals returns nil or every key that a merge patch removes and the
// schema does not know.
func checkRemovals(schemas huma.Registry, s *huma.Schema, patch any) *Problem {
	c := &checker{schemas: schemas}
	c.removals(s, "", patch)
	if len(c.found) == 0 {
		return nil
	}
	return problem(400, CodeUnknownKey, "the patch removes what is not known", c.found...)
}

func (c *checker) removals(s *huma.Schema, at string, patch any) {
	m, ok := patch.(map[string]any)
	if s = c.resolve(s); !ok || s == nil {
		return
	}
	if i := slices.IndexFunc(s.AnyOf, func(s *huma.Schema) bool { return c.resolve(s).Type == huma.TypeObject }); i >= 0 {
		s = c.resolve(s.AnyOf[i])
	}
	for _, name := range sortedKeys(m) {
		prop, known := s.Properties[name]
		if extra, isSchema := s.AdditionalProperties.(*huma.Schema); !known && isSchema {
			prop, known = extra, true
		}
		open, _ := s.AdditionalProperties.(bool)
		switch {
		case known:
			c.removals(prop, at+"/"+escape(name), m[name])
		case m[name] == nil && s.Properties != nil && !open:
			c.add(CodeUnknownKey, at+"/"+escape(name), "there is no such key here")
		}
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
