package access

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// secretNames are the keys whose values never enter the audit trail.
var secretNames = []string{
	"secret", "password", "token", "credentials", "api_key", "private_key", "client_secret",
	"refresh", "authorization", "webhook",
}

const (
	redacted   = `"[redacted]"` // as JSON
	maskedText = "…"
)

// Diff lists the places where two JSON documents differ, in order of their
// pointers, masked, and how many there were beyond limit. Lists are compared by
// index. A document that is nil or no JSON counts as null.
func Diff(before, after []byte, limit int) ([]AuditChange, int) {
	d := differ{limit: limit}
	d.walk("", false, parse(before), parse(after))
	return d.out, d.more
}

func parse(b []byte) any {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil
	}
	return v
}

type differ struct {
	out   []AuditChange
	limit int
	more  int
}

func (d *differ) walk(at string, hidden bool, a, b any) {
	am, aIs := a.(map[string]any)
	bm, bIs := b.(map[string]any)
	if (aIs || a == nil) && (bIs || b == nil) && (aIs || bIs) && len(am)+len(bm) > 0 {
		for _, k := range unionKeys(am, bm) {
			d.walk(at+"/"+escapePointer(k), hidden || isSecret(k), am[k], bm[k])
		}
		return
	}
	al, aIs := a.([]any)
	bl, bIs := b.([]any)
	if (aIs || a == nil) && (bIs || b == nil) && (aIs || bIs) && len(al)+len(bl) > 0 {
		for i := range max(len(al), len(bl)) {
			d.walk(at+"/"+strconv.Itoa(i), hidden, index(al, i), index(bl, i))
		}
		return
	}
	x, y := encode(a), encode(b)
	if bytes.Equal(x, y) {
		return
	}
	if len(d.out) >= d.limit {
		d.more++
		return
	}
	d.out = append(d.out, AuditChange{Pointer: at, Before: mask(hidden, a, x), After: mask(hidden, b, y)})
}

func unionKeys(a, b map[string]any) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]any{a, b} {
			for k := range maps.Keys(m) {
				if !yield(k) {
					return
				}
			}
		}
	}))
}

func index(l []any, i int) any {
	if i < len(l) {
		return l[i]
	}
	return nil
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

// mask keeps null, numbers, booleans and structure, hides what stands under a
// secret's name, and shortens addresses of people.
func mask(hidden bool, v any, encoded []byte) json.RawMessage {
	switch t := v.(type) {
	case nil:
		return json.RawMessage("null")
	case string:
		if hidden {
			return json.RawMessage(redacted)
		}
		if strings.Contains(t, "@") {
			return encode(MaskEmail(t))
		}
	default:
		if hidden {
			return json.RawMessage(redacted)
		}
	}
	return encoded
}

func isSecret(key string) bool {
	k := strings.ToLower(key)
	return slices.ContainsFunc(secretNames, func(s string) bool { return strings.Contains(k, s) })
}

// MaskEmail keeps the first letter and the domain of an address; a text
// without "@" loses everything but its first letter.
func MaskEmail(s string) string {
	if s == "" {
		return ""
	}
	r := []rune(s)
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return string(r[:1]) + maskedText
	}
	return string(r[:1]) + maskedText + s[i:]
}

func escapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}
