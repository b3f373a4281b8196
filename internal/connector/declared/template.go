package declared

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
)

// vars are the values of placeholders: {id}, or {id:quoted} for it as JSON writes it.
// A placeholder of several values stands for all of them, with commas between.
type vars map[string][]string

var placeholder = regexp.MustCompile(`\{([A-Za-z_.]+)(:[a-z]+)?\}`)

// fill puts values into a text; escape is what each goes through. blank says that a
// placeholder stood in it and had nothing.
func (v vars) fill(text string, escape func(string) string) (filled string, blank bool) {
	filled = placeholder.ReplaceAllStringFunc(text, func(m string) string {
		parts := placeholder.FindStringSubmatch(m)
		values := slices.Clone(v[parts[1]])
		for i, s := range values {
			if parts[2] == ":quoted" {
				b, _ := rest.Encode(s)
				s = string(b)
			}
			values[i] = escape(s)
		}
		one := strings.Join(values, ",")
		blank = blank || one == ""
		return one
	})
	return filled, blank
}

func plain(s string) string { return s }

// with returns the values with another one.
func (v vars) with(name string, values ...string) vars {
	out := vars{name: values}
	for k, s := range v {
		if k != name {
			out[k] = s
		}
	}
	return out
}

// method is the call's method and path.
func (c *call) method() (method, path string) {
	for _, m := range []struct{ method, path string }{
		{http.MethodGet, c.Get},
		{http.MethodPost, c.Post},
		{http.MethodPut, c.Put},
		{http.MethodPatch, c.Patch},
		{http.MethodDelete, c.Delete},
	} {
		if m.path != "" {
			return m.method, m.path
		}
	}
	return "", ""
}

// request makes the call with the values of its placeholders. What of the query has a
// placeholder without a value is left out.
func (c *call) request(op string, v vars, more ...map[string]string) rest.Request {
	method, path := c.method()
	r := rest.Request{Op: op, Method: method, Query: url.Values{}}
	r.Path, _ = v.fill(path, url.PathEscape)
	for _, query := range append([]map[string]string{c.Query}, more...) {
		for name, text := range query {
			name, _ = v.fill(name, plain)
			if ids := placeholder.FindStringSubmatch(text); strings.HasSuffix(name, "[]") && ids != nil && ids[0] == text {
				r.Query[name] = v[ids[1]]
				continue
			}
			if value, blank := v.fill(text, plain); blank {
				r.Query.Del(name)
			} else {
				r.Query.Set(name, value)
			}
		}
	}
	if c.Body != nil {
		r.Body = v.body(c.Body)
	}
	return r
}

// numeric are the placeholders that are numbers in a body.
var numeric = []string{"{page}", "{size}"}

// body fills a body in. What is a placeholder without a value is left out.
func (v vars) body(in any) any {
	switch in := in.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, part := range in {
			if filled := v.body(part); filled != nil || part == nil {
				out[k] = filled
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(in))
		for _, part := range in {
			out = append(out, v.body(part))
		}
		return out
	case string:
		filled, blank := v.fill(in, plain)
		if blank {
			return nil
		}
		if slices.Contains(numeric, in) && json.Valid([]byte(filled)) {
			return json.RawMessage(filled)
		}
		return filled
	}
	return in
}
