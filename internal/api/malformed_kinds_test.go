package api

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	pathpkg "path"
	"slices"
	"strings"
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
	if d.name == "size" && b.rng.IntN(20) > 0 {
		return broken{}, false // a megabyte each
	}
	r := broken{damage: d.name, method: of.method, target: b.target(of), body: b.whole(of)}
	return r, d.do(b, &r, of)
}

func one[T any](b *breaker, of ...T) T { return of[b.rng.IntN(len(of))] }

func bad(codes ...string) refusal { return refusal{status: []int{http.StatusBadRequest}, codes: codes} }

func (b *breaker) breakMethod(r *broken, _ route) bool {
	path, _, _ := strings.Cut(r.target, "?")
	allowed, routed := methodsOf(path)
	r.method = one(b, "BREW", "OPTIONS", "TRACE", "GET", "POST", "PUT", "PATCH", "DELETE")
	var header []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if slices.Contains(allowed, m) || m == "HEAD" && slices.Contains(allowed, "GET") {
			header = append(header, m)
		}
	}
	r.want = refusal{
		status: []int{http.StatusMethodNotAllowed}, codes: []string{CodeMethodNotAllowed}, header: map[string]string{
			"Allow": strings.Join(header, ", "),
		},
	}
	return !slices.Contains(routed, r.method)
}

func (b *breaker) breakQuery(r *broken, of route) bool {
	q := one(b, "limit=-1", "limit=x", "limit=1e3", "limit=", "cursor=%00", "a=%zz", "colour=1", "limit=1&limit=2",
		"%ff=1", "cursor=%c3%28", strings.Repeat("x", 9000))
	if strings.Contains(r.target, "?") {
		r.target += "&" + q
	} else {
		r.target += "?" + q
	}
	name, value, _ := strings.Cut(q, "=")
	if _, err := url.QueryUnescape(value); err != nil || len(q) > maxURL || strings.Contains(q, "&") ||
		strings.ContainsAny(q, "%") {
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
	_, others := methodsOf(u.Path)
	switch {
	case pathpkg.Clean(u.Path) != u.Path:
		r.want = refusal{status: []int{http.StatusNotFound}, codes: []string{CodeNotFound}}
	case len(others) > 0 && !slices.Contains(others, r.method): // a word became a name
		r.want = refusal{status: []int{http.StatusMethodNotAllowed}, codes: []string{CodeMethodNotAllowed}}
	default:
		r.want = refusal{
			status: []int{http.StatusBadRequest, http.StatusNotFound}, codes: []string{CodeBadAddress, CodeNotFound},
		}
	}
	return true
}

func (b *breaker) breakMedia(r *broken, of route) bool {
	if r.body == "" {
		return false
	}
	r.options = []option{
		header("Content-Type", one(b, "text/plain", "application/xml", "application/x-www-form-urlencoded",
			"application/json; charset=latin1", "json", ";", "application/vnd.api+json")),
	}
	if b.rng.IntN(3) == 0 {
		r.options = []option{header("Content-Encoding", one(b, "gzip", "br", "zstd", "identity, gzip"))}
	}
	r.want = refusal{status: []int{http.StatusUnsupportedMediaType}, codes: []string{CodeBadMediaType}}
	return true
}

func (b *breaker) breakAuthorization(r *broken, of route) bool {
	value := one(b, "", "Bearer", "Bearer ", "bearer", "Basic Z29vZDpnb29k", "Bearer "+operatorKey+"x", "Bearer lsk_\x80",
		"Token "+operatorKey, operatorKey, "twice")
	if value == "twice" {
		r.options = []option{func(r *http.Request) {
			r.Header["Authorization"] = []string{"Bearer " + operatorKey, "Bearer " + operatorKey}
		}}
	} else {
		r.options = []option{header("Authorization", value)}
	}
	r.want = refusal{
		status: []int{http.StatusUnauthorized}, codes: []string{"unauthorized"}, header: map[string]string{
			"WWW-Authenticate": `Bearer realm="lockstep"`,
		},
	}
	return of.level != public
}

// conditional are the routes that change what has a version.
var conditional = map[string]bool{
	"update-account": true, "delete-account": true, "put-connection": true, "patch-connection": true,
	"delete-connection": true,
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
	r.options = []option{
		header("Idempotency-Key", one(b, strings.Repeat("k", 256), "a\x00b", "a\tb", "schlüssel", "\x7f")),
	}
	r.want = bad(CodeInvalidParameter)
	r.want.parameter = "header.Idempotency-Key"
	return of.method == http.MethodPost
}

func (b *breaker) breakHost(r *broken, _ route) bool {
	host := one(b, "", "evil.example.net", "localhost.evil.example.net", "127.0.0.1.evil.example.net:80", "192.0.2.1", "[",
		"a b")
	r.options = []option{func(r *http.Request) { r.Host = host }}
	r.want = refusal{status: []int{http.StatusMisdirectedRequest}, codes: []string{CodeHostNotAllowed}}
	return true
}
