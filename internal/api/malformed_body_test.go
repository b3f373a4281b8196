package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (b *breaker) cutOff(r *broken, _ route) bool {
	if r.body == "" {
		return false
	}
	whole := r.body
	r.body = whole[:1+b.rng.IntN(len(whole)-1)]
	r.want = bad(CodeMalformedJSON)
	r.want.pointers = append(pointers(whole), "")
	return true
}

func (b *breaker) breakBytes(r *broken, _ route) bool {
	if r.body == "" {
		return false
	}
	raw := []byte(r.body)
	for range 1 + b.rng.IntN(3) {
		raw[b.rng.IntN(len(raw))] = byte(b.rng.IntN(256))
	}
	r.body = string(raw)
	if !utf8.Valid(raw) {
		r.want = bad(CodeBadUTF8)
		return true
	}
	// Before the place where it breaks, a key may have become that of its neighbour.
	r.want = bad(CodeMalformedJSON, CodeTrailingData, CodeDuplicateKey)
	return !json.Valid(raw)
}

func (b *breaker) addBehind(r *broken, _ route) bool {
	if r.body == "" {
		return false
	}
	r.body += one(b, "{}", " {}", "null", "1", "\n[]", "]", "}", ",", "x", "\x00")
	r.want = bad(CodeTrailingData, CodeMalformedJSON)
	return true
}

func (b *breaker) noObject(r *broken, of route) bool {
	if r.body == "" || strings.HasPrefix(r.body, "[") { // nothing, or a list, is what it takes
		return false
	}
	r.body = one(b, "[]", "null", "7", `"x"`, "true", "[{}]", "-0.5e-3")
	return b.wrongAt(r, of, CodeWrongType, "")
}

// wrongAt wants the refusal of one place. Validating is asked for what is wrong,
// so it is no malformed request there.
func (b *breaker) wrongAt(r *broken, of route, code, pointer string) bool {
	r.want = bad(code)
	r.want.pointers = []string{pointer}
	return of.id != "validate-connection"
}

func (b *breaker) empty(r *broken, of route) bool {
	if r.body == "" || b.whole(of) != b.body(of) { // those may do without
		return false
	}
	r.body = ""
	r.want = bad(CodeBodyRequired)
	r.want.pointers = []string{""}
	return true
}

// unasked sends a body where none is taken. GET has none: what comes is not read.
func (b *breaker) unasked(r *broken, of route) bool {
	if r.body != "" || of.method == http.MethodGet {
		return false
	}
	r.body = `{"x":1}`
	return b.wrongAt(r, of, CodeUnknownKey, "/x")
}

// places are where a body can be damaged.
type place struct {
	pointer string
	value   any
}

func placesIn(v any, at string) []place {
	out := []place{{at, v}}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			out = append(out, placesIn(v[k], at+"/"+escape(k))...)
		}
	case []any:
		for i := range v {
			out = append(out, placesIn(v[i], at+"/"+strconv.Itoa(i))...)
		}
	}
	return out
}

func parsed(body string) any {
	var v any
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		panic(err) // it is ours, and good
	}
	return v
}

// pointers are all places of a body, and behind the end of each list.
func pointers(body string) []string {
	var out []string
	for _, p := range placesIn(parsed(body), "") {
		out = append(out, p.pointer)
		if l, ok := p.value.([]any); ok {
			out = append(out, p.pointer+"/"+strconv.Itoa(len(l)))
		}
	}
	return out
}

// rendered writes v with what stands at one place written by write.
func rendered(v any, at, place string, write func(string) string) string {
	var text string
	switch v := v.(type) {
	case map[string]any:
		parts := []string{}
		for _, k := range sortedKeys(v) {
			parts = append(parts, strconv.Quote(k)+":"+rendered(v[k], at+"/"+escape(k), place, write))
		}
		text = "{" + strings.Join(parts, ",") + "}"
	case []any:
		parts := []string{}
		for i := range v {
			parts = append(parts, rendered(v[i], at+"/"+strconv.Itoa(i), place, write))
		}
		text = "[" + strings.Join(parts, ",") + "]"
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			panic(err) // it was read as JSON
		}
		text = string(raw)
	}
	if at == place {
		return write(text)
	}
	return text
}

// somewhere draws a place of the body that is fit; false = there is none.
func (b *breaker) somewhere(r *broken, fit func(place) bool) (any, place, bool) {
	if r.body == "" {
		return nil, place{}, false
	}
	v := parsed(r.body)
	all := slices.DeleteFunc(placesIn(v, ""), func(p place) bool { return !fit(p) })
	if len(all) == 0 {
		return nil, place{}, false
	}
	return v, one(b, all...), true
}

func isObject(p place) bool { _, ok := p.value.(map[string]any); return ok }
func isText(p place) bool   { _, ok := p.value.(string); return ok }
func isAny(place) bool      { return true }

func (b *breaker) breakType(r *broken, of route) bool {
	v, p, ok := b.somewhere(r, isAny)
	if !ok {
		return false
	}
	r.body = rendered(v, "", p.pointer, func(string) string {
		switch p.value.(type) {
		case map[string]any, []any:
			return "7"
		}
		if of.id == "resolve-record" { // takes a word or an object
			return "7"
		}
		return `{"a":1}`
	})
	return b.wrongAt(r, of, CodeWrongType, p.pointer)
}

func (b *breaker) unknownKey(r *broken, of route) bool {
	v, p, ok := b.somewhere(r, isObject)
	if !ok || freeKeys[p.pointer] {
		return false
	}
	key := one(b, "colour", "Name", "$ref", "a/b~c", "__proto__", "")
	r.body = rendered(v, "", p.pointer, func(text string) string { return `{` + strconv.Quote(key) + `:null,` + text[1:] })
	return b.wrongAt(r, of, CodeUnknownKey, p.pointer+"/"+escape(key))
}

// freeKeys are the objects whose keys are names of the apps or of the document.
var freeKeys = map[string]bool{"/values": true, "/fields": true, "/credentials": true}

func (b *breaker) doubleKey(r *broken, of route) bool {
	v, p, ok := b.somewhere(r, isObject)
	if keys, _ := p.value.(map[string]any); !ok || len(keys) == 0 {
		return false
	}
	key := one(b, sortedKeys(p.value.(map[string]any))...)
	r.body = rendered(v, "", p.pointer, func(text string) string {
		return `{` + one(b, strconv.Quote(key), `"\u00`+strconv.FormatInt(int64(key[0]), 16)+key[1:]+`"`) + `:null,` +
			text[1:]
	})
	r.want = bad(CodeDuplicateKey)
	r.want.pointers = []string{p.pointer + "/" + escape(key)}
	return true
}

// needed are the keys that bodies cannot do without.
var needed = map[string][]string{
	"create-account": {"app", "name", "credentials"}, "set-client": {"client_id"}, "put-app-document": {"document"}, "validate-app-document": {"document"}, "create-field": {
		"name", "label", "type",
	},
	"link-records": {"partner"}, "resolve-record": {"fields"}, "resolve-records": {"filter", "choice"}, "import-links": {"pairs"}, "unfreeze-record": {"field"}, "restore-record": {"entry"}, "create-key": {
		"name", "role",
	}, "create-workspace": {"name"},
}

func (b *breaker) missingKey(r *broken, of route) bool {
	if needed[of.id] == nil {
		return false
	}
	v := parsed(r.body).(map[string]any)
	delete(v, one(b, needed[of.id]...))
	r.body = rendered(v, "", "", func(text string) string { return text })
	return b.wrongAt(r, of, CodeMissingKey, "")
}

// drafted are the calls whose body may be a half-finished draft: what is missing
// or wrong in it is saved.
var drafted = []string{"create-connection", "put-connection", "import-connection", "plan-import"}

func (b *breaker) tooLong(r *broken, of route) bool {
	if slices.Contains(drafted, of.id) {
		return false
	}
	v, p, ok := b.somewhere(r, func(p place) bool { return p.pointer == "/name" })
	if !ok {
		return false
	}
	r.body = rendered(v, "", p.pointer, func(string) string {
		return `"` + strings.Repeat(one(b, "n", "\u00e9", "🦀"), 201+b.rng.IntN(2000)) + `"`
	})
	return b.wrongAt(r, of, CodeWrongLength, p.pointer)
}

func (b *breaker) tooDeep(r *broken, _ route) bool {
	v, p, ok := b.somewhere(r, isAny)
	if !ok {
		return false
	}
	open, end := "[", "]"
	if b.rng.IntN(2) == 0 {
		open, end = `{"a":`, "}"
	}
	n := maxDepth + 1 + b.rng.IntN(2000)
	r.body = rendered(v, "", p.pointer, func(string) string {
		return strings.Repeat(open, n) + "1" + strings.Repeat(end, n)
	})
	r.want = bad(CodeTooDeep)
	return true
}

func (b *breaker) halfCharacter(r *broken, _ route) bool {
	v, p, ok := b.somewhere(r, isText)
	if !ok {
		return false
	}
	half := one(b, `\ud800`, `\udc00`, `\udfff\ud800`, `x\udbffx`, `\ud800\u0041`)
	r.body = rendered(v, "", p.pointer, func(string) string { return `"` + half + `"` })
	r.want = bad(CodeBadUTF8)
	return true
}

func (b *breaker) tooLarge(r *broken, _ route) bool {
	if r.body == "" {
		return false
	}
	r.body += strings.Repeat(" ", maxBody)
	r.want = refusal{status: []int{http.StatusRequestEntityTooLarge}, codes: []string{CodeBodyTooLarge}}
	return true
}
