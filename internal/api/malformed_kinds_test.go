package api

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	pathpkg "path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// breaker makes malformed requests. What comes out whole by chance, such as a
// digit in place of another, is not sent: whether anything is wrong is told by
// encoding/json, net/url and the table of routes, not by the server.
type breaker struct {
	*fixture
	rng *rand.Rand
}

// damages are the kinds of damage; each reports false when it cannot be done to
// the request, or did nothing.
var damages = []struct {
	name string
	do   func(b *breaker, r *broken, of route) bool
}{
	{"method", (*breaker).breakMethod},
	{"query", (*breaker).breakQuery},
	{"path", (*breaker).breakPath},
	{"cut off", (*breaker).cutOff},
	{"bytes", (*breaker).breakBytes},
	{"trailing", (*breaker).addBehind},
	{"no object", (*breaker).noObject},
	{"empty", (*breaker).empty},
	{"unasked", (*breaker).unasked},
	{"type", (*breaker).breakType},
	{"unknown key", (*breaker).unknownKey},
	{"double key", (*breaker).doubleKey},
	{"missing key", (*breaker).missingKey},
	{"length", (*breaker).tooLong},
	{"depth", (*breaker).tooDeep},
	{"half a character", (*breaker).halfCharacter},
	{"size", (*breaker).tooLarge},
	{"media type", (*breaker).breakMedia},
	{"authorization", (*breaker).breakAuthorization},
	{"condition", (*breaker).breakCondition},
	{"idempotency key", (*breaker).breakIdempotency},
	{"host", (*breaker).breakHost},
}

func (b *breaker) next() (broken, bool) {
	of := routes[b.rng.IntN(len(routes))]
	d := damages[b.rng.IntN(len(damages))]
	if d.name == "size" && b.rng.IntN(50) > 0 {
		return broken{}, false // a megabyte each
	}
	r := broken{damage: d.name, method: of.method, target: b.target(of), body: b.whole(of)}
	return r, d.do(b, &r, of)
}

func one[T any](b *breaker, of ...T) T { return of[b.rng.IntN(len(of))] }

func bad(codes ...string) refusal { return refusal{status: []int{http.StatusBadRequest}, codes: codes} }

func (b *breaker) breakMethod(r *broken, _ route) bool {
	path, _, _ := strings.Cut(r.target, "?")
	allowed := methodsOf(path)
	r.method = one(b, "BREW", "OPTIONS", "TRACE", "GET", "POST", "PUT", "PATCH", "DELETE")
	var header []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if slices.Contains(allowed, m) || m == "HEAD" && slices.Contains(allowed, "GET") {
			header = append(header, m)
		}
	}
	r.want = refusal{status: []int{http.StatusMethodNotAllowed}, codes: []string{CodeMethodNotAllowed}, header: map[string]string{"Allow": strings.Join(header, ", ")}}
	return !slices.Contains(allowed, r.method)
}

func (b *breaker) breakQuery(r *broken, of route) bool {
	q := one(b, "limit=-1", "limit=x", "limit=1e3", "limit=", "cursor=%00", "a=%zz", "colour=1", "limit=1&limit=2", "%ff=1", "cursor=%c3%28", strings.Repeat("x", 9000))
	if strings.Contains(r.target, "?") {
		r.target += "&" + q
	} else {
		r.target += "?" + q
	}
	name, value, _ := strings.Cut(q, "=")
	if _, err := url.QueryUnescape(value); err != nil || len(q) > maxURL || strings.Contains(q, "&") || strings.ContainsAny(q, "%") {
		r.want = bad(CodeBadAddress)
		return true
	}
	r.want = bad(CodeInvalidParameter)
	r.want.parameter = "query." + name
	return !neverGood[of.id]
}

// breakPath makes paths that different readers read differently, or that lead
// nowhere; never another good one.
func (b *breaker) breakPath(r *broken, of route) bool {
	path, query, asked := strings.Cut(r.target, "?")
	junk := one(b, "//", "/../", "/./", "%00", "%ff", "/%2e%2e/", "%2f%2f", ";", "\x7f", "%zz", strings.Repeat("y", 9000))
	at := 1 + b.rng.IntN(len(path))
	if junk == ";" || len(junk) > maxURL { // names of records are the apps' own: only what is written out is ours
		words := strings.Split(path, "/")
		i := 1 + b.rng.IntN(len(words)-1)
		if junk == ";" && strings.HasPrefix(strings.Split(of.path, "/")[i], "{") {
			return false
		}
		words[i] += junk
		path = strings.Join(words, "/")
	} else {
		path = path[:at] + junk + path[at:]
	}
	r.target = path
	if asked {
		r.target += "?" + query
	}
	u, err := url.Parse("http://localhost" + r.target)
	if err != nil {
		return false // not even a client could send it
	}
	others := methodsOf(u.Path)
	switch {
	case pathpkg.Clean(u.Path) != u.Path:
		r.want = refusal{status: []int{http.StatusNotFound}, codes: []string{CodeNotFound}}
	case len(others) > 0 && !slices.Contains(others, r.method): // a word became a name
		r.want = refusal{status: []int{http.StatusMethodNotAllowed}, codes: []string{CodeMethodNotAllowed}}
	default:
		r.want = refusal{status: []int{http.StatusBadRequest, http.StatusNotFound}, codes: []string{CodeBadAddress, CodeNotFound}}
	}
	return true
}

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
	if r.body == "" {
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
	if !ok {
		return false
	}
	key := one(b, sortedKeys(p.value.(map[string]any))...)
	r.body = rendered(v, "", p.pointer, func(text string) string {
		return `{` + one(b, strconv.Quote(key), `"\u00`+strconv.FormatInt(int64(key[0]), 16)+key[1:]+`"`) + `:null,` + text[1:]
	})
	r.want = bad(CodeDuplicateKey)
	r.want.pointers = []string{p.pointer + "/" + escape(key)}
	return true
}

// needed are the keys that bodies cannot do without.
var needed = map[string][]string{
	"create-account": {"app", "name", "credentials"}, "set-client": {"client_id"}, "create-field": {"name", "label", "type"},
	"create-connection": {"name", "left", "right"}, "put-connection": {"name", "left", "right", "syncs"}, "import-connection": {"name", "left", "right"},
	"link-records": {"partner"}, "resolve-record": {"fields"}, "create-key": {"name", "role"}, "create-workspace": {"name"},
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

func (b *breaker) tooLong(r *broken, of route) bool {
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
	r.body = rendered(v, "", p.pointer, func(string) string { return strings.Repeat(open, n) + "1" + strings.Repeat(end, n) })
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

func (b *breaker) breakMedia(r *broken, of route) bool {
	if r.body == "" {
		return false
	}
	r.options = []option{header("Content-Type", one(b, "text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=latin1", "json", ";", "application/vnd.api+json"))}
	if b.rng.IntN(3) == 0 {
		r.options = []option{header("Content-Encoding", one(b, "gzip", "br", "zstd", "identity, gzip"))}
	}
	r.want = refusal{status: []int{http.StatusUnsupportedMediaType}, codes: []string{CodeBadMediaType}}
	return true
}

func (b *breaker) breakAuthorization(r *broken, of route) bool {
	value := one(b, "", "Bearer", "Bearer ", "bearer", "Basic Z29vZDpnb29k", "Bearer "+operatorKey+"x", "Bearer lsk_\x80", "Token "+operatorKey, operatorKey, "twice")
	if value == "twice" {
		r.options = []option{func(r *http.Request) {
			r.Header["Authorization"] = []string{"Bearer " + operatorKey, "Bearer " + operatorKey}
		}}
	} else {
		r.options = []option{header("Authorization", value)}
	}
	r.want = refusal{status: []int{http.StatusUnauthorized}, codes: []string{"unauthorized"}, header: map[string]string{"WWW-Authenticate": `Bearer realm="lockstep"`}}
	return of.level != public
}

// conditional are the routes that change what has a version.
var conditional = map[string]bool{
	"update-account": true, "delete-account": true, "put-connection": true, "patch-connection": true, "delete-connection": true,
}

func (b *breaker) breakCondition(r *broken, of route) bool {
	tag := one(b, "", `"stale"`, `W/"1"`, `1`, `"`, "\x01")
	r.options = []option{ifMatch(tag)}
	if r.want = (refusal{status: []int{http.StatusPreconditionFailed}, codes: []string{CodeStaleVersion}}); tag == "" {
		r.want = refusal{status: []int{http.StatusPreconditionRequired}, codes: []string{CodePrecondition}}
	}
	return conditional[of.id]
}

func (b *breaker) breakIdempotency(r *broken, of route) bool {
	r.options = []option{header("Idempotency-Key", one(b, strings.Repeat("k", 256), "a\x00b", "a\tb", "schlüssel", "\x7f"))}
	r.want = bad(CodeInvalidParameter)
	r.want.parameter = "header.Idempotency-Key"
	return of.method == http.MethodPost
}

func (b *breaker) breakHost(r *broken, _ route) bool {
	host := one(b, "", "evil.example.net", "localhost.evil.example.net", "127.0.0.1.evil.example.net:80", "192.0.2.1", "[", "a b")
	r.options = []option{func(r *http.Request) { r.Host = host }}
	r.want = refusal{status: []int{http.StatusMisdirectedRequest}, codes: []string{CodeHostNotAllowed}}
	return true
}
