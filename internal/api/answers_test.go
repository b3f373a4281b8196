package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestAnswersAreAsWritten asks every route as every caller, then with each part
// of its body left out and replaced by what does not fit, and demands the answers
// that testdata/answers has. What was done is there, too: what the engine was
// asked for, and the audit log.
func TestAnswersAreAsWritten(t *testing.T) {
	t.Parallel()
	files := 0
	for _, r := range routes {
		if r.id == "run-events" {
			continue
		}
		files++
		t.Run(r.id, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			written.Check(t, "answers/"+r.id+".txt", f.tell(r))
		})
	}
	found, err := filepath.Glob("testdata/answers/*.txt")
	if err != nil || len(found) != files && !written.Updating() {
		t.Errorf("%d files for %d routes, %v", len(found), files, err)
	}
}

// tell asks a route in every way and writes down what came of it.
func (f *fixture) tell(r route) string {
	asked, audited, before := len(f.engine.called()), f.audited(), strings.Split(f.stored(), "\n")
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	body := f.whole(r)
	if r.id == "create-connection" {
		body = f.everything()
	}
	for _, c := range f.callers {
		if c.name != "operator" {
			got := f.do(r.method, f.target(r), body, as(c.token), ifMatch("*"))
			say("%s: %s", c.name, told(got, c.name == "viewer" || c.name == "member"))
		}
	}
	got := f.do(r.method, f.target(r), body)
	say("operator: %s", told(got, true))
	for _, name := range slices.Sorted(maps.Keys(got.header)) {
		if !slices.Contains([]string{"X-Request-Id", "Content-Length"}, name) {
			say("  %s: %s", name, strings.Join(got.header[name], " | "))
		}
	}
	say("again, any version: %s", told(f.do(r.method, f.target(r), body, ifMatch("*")), false))
	say("another version: %s", told(f.do(r.method, f.target(r), body, ifMatch(`"77"`)), true))
	if body != "" && strings.HasPrefix(body, "{") {
		var doc any
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			f.t.Fatal(err)
		}
		for _, place := range variants(doc) {
			alike := map[string][]string{}
			for _, v := range place.variants {
				text := told(f.do(r.method, f.target(r), v.body, ifMatch("*")), false)
				alike[text] = append(alike[text], v.name)
			}
			for _, text := range slices.Sorted(maps.Keys(alike)) {
				say("%s, %s: %s", place.at, strings.Join(alike[text], ", "), text)
			}
		}
	}
	for _, q := range []string{
		"limit=1", "limit=0", "limit=201", "cursor=bm9uc2Vuc2U", "connection=" + f.connection, "connection=con_none",
		"sync=contacts", "sync=none", "side=left", "side=up", "q=1", "state=in_sync", "event=failed", "from=2026-03-01",
		"to=2026-13-01",
	} {
		if r.method == http.MethodGet {
			say("%s: %s", q, told(f.do(r.method, asking(f.target(r), q), ""), true))
		}
	}
	for _, q := range f.queries(r) {
		say("%s: %s", q, told(f.do(r.method, asking(f.target(r), q), body, ifMatch("*")), true))
	}
	if r.method == http.MethodGet { // and what a scanner of links sends
		head := f.do(http.MethodHead, f.target(r), "")
		say("HEAD: %d, allowed: %q", head.status, head.header.Get("Allow"))
	}
	say("asked of the engine: %s", strings.Join(f.engine.called()[asked:], "; "))
	changes := f.audited()[len(audited):]
	say("%d entries of the audit log", len(changes))
	for _, entry := range changes[:min(len(changes), 8)] {
		say("audit %s", entry)
	}
	after := slices.DeleteFunc(strings.Split(f.stored(), "\n"), func(line string) bool {
		return slices.Contains(before, line)
	})
	for i := range after {
		after[i] = withoutChance(after[i])
	}
	slices.Sort(after)
	say("%d items stored", len(after))
	say("%s", strings.Join(after[:min(len(after), 8)], "\n"))
	return withoutChance(strings.Join(out, "\n"))
}

// asking is a target with a query more.
func asking(target, query string) string {
	if strings.Contains(target, "?") {
		return target + "&" + query
	}
	return target + "?" + query
}

// queries are a route's own parameters: empty, twice, and with each of the words
// that there are for it.
func (f *fixture) queries(r route) (out []string) {
	for _, p := range f.server.routes[r.method+" "+r.path].op.Parameters {
		if p.In != "query" {
			continue
		}
		out = append(out, p.Name+"=", p.Name+"=a&"+p.Name+"=b")
		for _, word := range p.Schema.Enum {
			out = append(out, fmt.Sprintf("%s=%v", p.Name, word))
		}
	}
	return out
}

// audited are the entries of the audit log, oldest first.
func (f *fixture) audited() (out []string) {
	for _, item := range f.must(200, "GET", "/v1/audit?limit=200", "").json(f.t)["items"].([]any) {
		text, err := json.Marshal(item)
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, string(text))
	}
	slices.Reverse(out)
	return out
}

// told is an answer on one line: problems by what they say, others whole if they
// are wanted.
func told(r reply, whole bool) string {
	if p, wrong := r.asProblem(); wrong == "" {
		var parts []string
		for _, e := range p.Errors {
			parts = append(parts, fmt.Sprintf("%s%s %s %q", e.Pointer, e.Parameter, e.Code, e.Detail))
		}
		if parts == nil {
			parts = []string{strconv.Quote(p.Detail)}
		}
		return fmt.Sprintf("%d %s %s", r.status, p.Code, strings.Join(parts, ", "))
	}
	if !whole {
		return strconv.Itoa(r.status)
	}
	text := string(r.body)
	if len(text) > 3000 {
		text = text[:1500] + "…"
	}
	return fmt.Sprintf("%d %s", r.status, strings.Join(strings.Fields(text), " "))
}

// part is a place of a document, and the documents in which it is left out, or
// something stands in its stead that is not meant to be there.
type part struct {
	at       string
	variants []variant
}

type variant struct{ name, body string }

// variants are those of every place of a document.
func variants(doc any) (out []part) {
	others := map[string]any{
		"null": nil, "7": 7, "words": "no such", "a list": []any{"x"}, "an object": map[string]any{"x": 1}, "yes": true,
		"empty": "",
	}
	render := func() string {
		text, _ := json.Marshal(doc) // it came from JSON
		return string(text)
	}
	var walk func(at string, v any, set func(any), drop func() func())
	walk = func(at string, v any, set func(any), drop func() func()) {
		if at != "" {
			here := part{at: at}
			if back := drop(); back != nil {
				here.variants = append(here.variants, variant{"left out", render()})
				back()
			}
			for _, name := range []string{"null", "7", "words", "a list", "an object", "yes", "empty"} {
				set(others[name])
				here.variants = append(here.variants, variant{name, render()})
			}
			set(v)
			out = append(out, here)
		}
		switch v := v.(type) {
		case map[string]any:
			more := part{at: at + "/ and one key more"}
			for _, extra := range []string{"null", "7"} {
				v["no/such"] = others[extra]
				more.variants = append(more.variants, variant{extra, render()})
			}
			delete(v, "no/such")
			out = append(out, more)
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(at+"/"+k, v[k], func(x any) { v[k] = x }, func() func() {
					old := v[k]
					delete(v, k)
					return func() { v[k] = old }
				})
			}
		case []any:
			for i := range v {
				walk(at+"/"+strconv.Itoa(i), v[i], func(x any) { v[i] = x }, func() func() { return nil })
			}
		}
	}
	walk("", doc, nil, nil)
	return out
}

// everything is a document that uses all there is.
func (f *fixture) everything() string {
	return fmt.Sprintf(`{"name":"All","description":"of it","enabled":true,"left":{"account":%q},"right":{"account":%q},"default_country":"US",
	"access":{"mode":"user_attribute","attribute":"is_employee","roles":["team-a"]},
		"time_zone":{"left":"Europe/Berlin","right":"UTC"},"shared":true,
	"syncs":[{"id":"contacts","left":{"object":"contacts"},"right":{"object":"Contact"},"direction":"both",
		"schedule":"15m","initial":"all","second_look":30,"audit_hours":48,
	"behavior":{"to_right":"create_and_update","to_left":"update_only"},"fill_blanks_only":{"to_right":false,
		"to_left":true},"conflict":"newest",
	"deletes":{"to_right":"ignore","to_left":"ignore","tag":""},"avoid_duplicates":true,
	"match":[{"by":"any_key","pairs":[["email","Email"],["phone","Phone"]],"verify":[["lastname","LastName"]],
		"on_disagreement":"error","protect":["score"]},{"by":"all_keys","pairs":[["firstname","FirstName"],["lastname",
		"LastName"]]}],
	"rules":[{"id":"vips","direction":"to_right","enabled":true,"filter":{"all":[{"field":"vip","op":"is_true"},
		{"any":[{"field":"lastname","op":"contains","value":"a"},{"not":{"field":"score","op":"greater_than",
		"value":3}}]}]}}],
	"mappings":[{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"},"direction":"both",
		"conflict":"left","clear":{"to_right":true,"to_left":false}},
		{"id":"last","left":["lastname"],"right":["LastName"],"write_once":true,"policy":null,"enabled":true,
			"origin":"custom"},
		{"id":"first","left":["firstname"],"right":["FirstName"],"policy":"prefer_left_unless_blank"},
		{"id":"phone","left":["phone"],"right":["Phone"],"transform":{"type":"phone"}},
		{"id":"score","left":["score"],"right":["Score__c"],"transform":{"type":"number"},"default":{"to_right":1.10,
			"to_left":null}},
		{"id":"vip","left":["vip"],"right":["VIP__c"],"transform":{"type":"boolean"},"direction":"to_right"}]}]}`, f.left, f.right)
}

var masks = []struct {
	find *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`lsk_[A-Za-z0-9_-]+`), "lsk_…"},
	{regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`), "whsec_…"},
	{regexp.MustCompile(`/hooks/[A-Za-z0-9_-]+`), "/hooks/…"},
	{regexp.MustCompile(`\b(req|aud)_[A-Za-z0-9]+`), "${1}_…"},
	{regexp.MustCompile(`"[A-Za-z0-9+/=]{40,}"`), `"…"`},
	{regexp.MustCompile(`[A-Za-z0-9+_=-]{40,}`), "…"},
	{regexp.MustCompile(`\b[0-9a-f]{32,}\b`), "…"},
}

// withoutChance takes out what chance made.
func withoutChance(text string) string {
	for _, m := range masks {
		text = m.find.ReplaceAllString(text, m.with)
	}
	return text
}
