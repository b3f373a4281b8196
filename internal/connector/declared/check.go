package declared

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// check finds everything that is wrong with a document that could be read, and fills in
// what may be left out.
func (d *Document) check() {
	d.checkApp()
	d.checkAuth()
	d.checkLimits()
	if len(d.Objects) == 0 {
		d.bad("objects", "name the record types, such as people")
	}
	for _, name := range slices.Sorted(maps.Keys(d.Objects)) {
		o := d.Objects[name]
		o.name = name
		d.match("objects."+name, name, identifier)
		d.checkObject("objects."+name, o)
	}
	if p := d.Owners; p != nil {
		d.checkOwners(p)
	}
	d.checkErrors()
	if d.Hooks != nil {
		d.checkHooks(d.Hooks)
	}
}

func (d *Document) bad(path, format string, args ...any) { d.place.bad(path, format, args...) }

var (
	identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,59}$`)
	headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,99}$`)
	hostName   = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$`)
)

func (d *Document) match(path, value string, want *regexp.Regexp) {
	if !want.MatchString(value) {
		d.bad(path, "%q does not fit %s", value, want)
	}
}

// one checks a word against those there are; the empty one is what may be left out.
func (d *Document) one(path, value string, of []string) {
	if !slices.Contains(of, value) {
		d.bad(path, "%q is none of %s", value,
			strings.Join(slices.DeleteFunc(slices.Clone(of), func(s string) bool { return s == "" }), ", "))
	}
}

func (d *Document) needed(path string, there bool, what string) bool {
	if !there {
		d.bad(path, "it is missing: %s", what)
	}
	return there
}

func (d *Document) checkApp() {
	a := d.App
	d.match("app.id", a.ID, regexp.MustCompile(`^[a-z][a-z0-9_]{1,39}$`))
	d.needed("app.name", strings.TrimSpace(a.Name) != "", "the app's name as people know it")
	if address := a.Base + a.Example; d.needed("app.base", (a.Base == "") != (a.Example == ""),
		"give base, or example where each account has an address of its own") {
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" ||
			u.RawQuery != "" || u.User != nil {
			d.bad("app.base", "%q is not https and a host, such as https://api.example.com; paths belong to the calls", address)
		}
	}
	d.needed("app.hosts", len(a.Hosts) > 0, "the hosts that an account's address may have")
	for i, h := range a.Hosts {
		d.match("app.hosts["+strconv.Itoa(i)+"]", h, hostName)
	}
	d.one("app.blank", a.Blank, choices["appPart.blank"])
	for name, value := range a.Headers {
		d.match("app.headers."+name, name, headerName)
		if slices.Contains([]string{"authorization", "host", "content-length"}, strings.ToLower(name)) ||
			strings.ContainsAny(value, "\r\n") {
			d.bad("app.headers."+name, "the header cannot be set here; credentials belong to auth")
		}
	}
}

func (d *Document) checkAuth() {
	d.needed("auth", len(d.Auth) > 0, "how the account is authorised")
	seen := map[string]bool{}
	for i, w := range d.Auth {
		at := "auth[" + strconv.Itoa(i) + "]"
		d.one(at+".kind", w.Kind, choices["authPart.kind"])
		if seen[w.Kind] {
			d.bad(at+".kind", "the kind stands in another entry; keep one")
		}
		seen[w.Kind] = true
		d.one(at+".send", w.Send, choices["authPart.send"])
		if w.Send == "header" || w.Send == "query" {
			d.match(at+".name", w.Name, regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,99}$`))
		} else if w.Name+w.Prefix != "" {
			d.bad(at, "name and prefix go with send: header or query")
		}
		secrets, known := 0, []string{}
		for j, f := range w.Fields {
			in := at + ".fields[" + strconv.Itoa(j) + "]"
			d.match(in+".name", f.Name, identifier)
			d.needed(in+".label", f.Label != "", "what an admin reads beside the field")
			if known = append(known, f.Name); f.Secret {
				secrets++
			}
		}
		switch {
		case w.Login != nil:
			d.checkCall(at+".login", &w.Login.call, known, nil, "POST")
			if w.Send == "basic" {
				d.bad(at+".send", "a token from a login goes by bearer, header or query")
			}
		case w.Send == "basic" && (len(w.Fields) < 2 || secrets != 1):
			d.bad(at+".fields", "basic needs a user and then a password, of which the password is secret")
		case len(w.Fields) == 0 || w.Send != "basic" && !w.Fields[0].Secret:
			d.bad(at+".fields", "the first field has to be the key, with secret: true")
		}
		if len(w.Fields) > 0 && secrets == 0 {
			d.bad(at+".fields", "none is secret; what opens the account has to be")
		}
	}
	if a := d.Account; d.needed("account", a != nil, "the call that proves the credentials") {
		d.checkCall("account", &a.call, d.settings(), nil, "GET", "POST")
	}
}

// settings are the placeholders that every call may have.
func (d *Document) settings() []string {
	out := []string{"size"}
	for _, w := range d.Auth {
		for _, f := range w.Fields {
			if !f.Secret {
				out = append(out, "account."+f.Name)
			}
		}
	}
	return out
}

// leastCalls is how many calls a window has to hold that is too long to be waited
// for: a record is looked for by up to three values, and made or read, and written.
const leastCalls = 5

func (d *Document) checkLimits() {
	l := d.Limits
	if (l.Calls == 0) != (l.Per == 0) {
		d.bad("limits", "calls and per go together, such as calls: 100, per: 60s")
	}
	if l.Calls > 0 && l.Calls < leastCalls && l.Per > connector.LongestTurn {
		d.bad("limits", "a record's work takes several calls, and no window longer than 3s is waited for in its middle: "+
			"where it holds fewer than 5, say them by a shorter one, such as calls: 1, per: 3s")
	}
	if (l.Searches == 0) != (l.SearchPer == 0) {
		d.bad("limits", "searches and searches_per go together")
	}
	if l.Read > 500 || l.Page > 1000 {
		d.bad("limits", "a call reads 500 records at most, and a page has 1000")
	}
	if l.Lag > longestOverlap {
		d.bad("limits.lag", "it is longer than %s", longestOverlap)
	}
}

// checkCall checks a request: its method, and that its placeholders are those that it
// may have. Those it must have stand in need.
func (d *Document) checkCall(path string, c *call, may, need []string, methods ...string) {
	method, target := c.method()
	n := 0
	for _, p := range []string{c.Get, c.Post, c.Put, c.Patch, c.Delete} {
		if p != "" {
			n++
		}
	}
	switch {
	case n != 1:
		d.bad(path, "one method with its path is needed, such as %s: /v1/people", strings.ToLower(methods[0]))
		return
	case !slices.Contains(methods, method):
		d.bad(path, "the method has to be one of %s", strings.ToLower(strings.Join(methods, ", ")))
	case !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") || strings.ContainsAny(target, "?# \\") ||
		strings.Contains(target, ".."):
		d.bad(path, "%q is no path: it begins with one slash and has no query", target)
	}
	if method == "GET" && c.Body != nil {
		d.bad(path+".body", "a get has no body")
	}
	used := d.placeholders(path, may, target)
	for name, value := range c.Query {
		used = append(used, d.placeholders(path+".query."+name, may, name, value)...)
	}
	used = append(used, d.inBody(path+".body", may, c.Body)...)
	for _, name := range need {
		if !slices.Contains(used, name) {
			d.bad(path, "the placeholder {%s} is missing in path, query or body", name)
		}
	}
}

// placeholders lists those of texts, and refuses those that mean nothing there.
func (d *Document) placeholders(path string, may []string, texts ...string) (used []string) {
	for _, text := range texts {
		for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
			if used = append(used, m[1]); !slices.Contains(may, m[1]) || m[2] != "" && m[2] != ":quoted" {
				d.bad(path, "%s means nothing here; known are {%s}, each also as {…:quoted}", m[0], strings.Join(may, "}, {"))
			}
		}
		if strings.ContainsAny(placeholder.ReplaceAllString(text, ""), "{}") {
			d.bad(path, "a brace begins a placeholder, such as {%s}; there are no expressions", may[0])
		}
	}
	return used
}

func (d *Document) inBody(path string, may []string, body any) (used []string) {
	switch body := body.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(body)) {
			used = append(used, d.inBody(path+"."+k, may, body[k])...)
		}
	case []any:
		for i, v := range body {
			used = append(used, d.inBody(path+"["+strconv.Itoa(i)+"]", may, v)...)
		}
	case string:
		return d.placeholders(path, may, body)
	}
	return used
}

func (d *Document) checkOwners(p *ownersPart) {
	may := d.settings()
	if d.needed("owners.find", p.Find != nil && p.Find.Items != nil, "how a user is found by e-mail, with items") {
		d.checkCall("owners.find", &p.Find.call, append(may, "value"), nil, "GET", "POST")
	}
	if d.needed("owners.read", p.Read != nil && p.Read.Record != nil, "how a user is read by ID, with record") {
		d.checkCall("owners.read", &p.Read.call, append(may, "id"), []string{"id"}, "GET", "POST")
	}
	d.needed("owners", p.ID != "" && p.Email != "", "id and email: where they stand in a user")
}

func (d *Document) checkErrors() {
	p := d.Errors
	code := func(at, code string) { d.one(at, code, choices["textPart.code"]) }
	for status, c := range p.Statuses {
		if n, err := strconv.Atoi(status); err != nil || n < 300 || n > 599 {
			d.bad("errors.statuses."+status, "%q is no status of a refusal, from 300 to 599", status)
		}
		code("errors.statuses."+status, c)
		if k := kinds[c]; status >= "500" && (k == fault.Invalid || k == fault.Conflict || k == fault.NotFound) {
			d.bad("errors.statuses."+status,
				"a status of 500 and above does not tell by itself that nothing was written; match a word or a text")
		}
	}
	for word, c := range p.Words {
		code("errors.words."+word, c)
	}
	if len(p.Words) > 0 && p.Word == nil {
		d.bad("errors.words", "words need word: where they stand in the body")
	}
	for i, t := range p.Texts {
		at := "errors.texts[" + strconv.Itoa(i) + "]"
		code(at+".code", t.Code)
		d.needed(at+".has", t.Has != "", "a part of the text")
	}
	if p.Failed != nil {
		d.needed("errors.failed", p.Failed.At != "" && p.Failed.Is != "", "at and is, such as {at: /success, is: false}")
	}
	for name, h := range map[string]string{"retry_after": p.RetryAfter, "request_id": p.RequestID} {
		if h != "" {
			d.match("errors."+name, h, headerName)
		}
	}
}

func (d *Document) checkHooks(p *hooksPart) {
	if v := p.Verify; d.needed("hooks.verify", v != nil, "how a delivery proves itself; kind: none where it does not") {
		d.one("hooks.verify.kind", v.Kind, choices["verifyPart.kind"])
		d.one("hooks.verify.hash", v.Hash, choices["verifyPart.hash"])
		d.one("hooks.verify.encoding", v.Encoding, choices["verifyPart.encoding"])
		if v.Kind == "hmac" || v.Kind == "secret" {
			d.match("hooks.verify.header", v.Header, headerName)
		}
		if v.Kind == "hmac" {
			d.needed("hooks.verify.of", slices.Contains(v.Of, "body"), "what is signed, body among it, such as [body]")
		}
		if v.Kind == "basic" {
			d.needed("hooks.verify.user", v.User != "", "the user that deliveries come with")
		}
		if v.Timestamp != "" {
			d.needed("hooks.verify.of", slices.Contains(v.Of, "timestamp"),
				"timestamp: a time that is not signed proves nothing")
			d.one("hooks.verify.format", v.Format, choices["verifyPart.format"])
		}
	}
	d.needed("hooks.id", p.ID != "", "where the record's ID stands in an event")
	d.needed("hooks.word", p.Word != nil, "where an event says what happened")
	d.needed("hooks.map", len(p.Map) > 0,
		"what the words of events mean, such as person.updated: {object: people, kind: changed}")
	if p.At != nil {
		d.checkTime("hooks.at", p.At)
	}
	for _, word := range slices.Sorted(maps.Keys(p.Map)) {
		m := p.Map[word]
		d.needed("hooks.map."+word+".object", d.Objects[m.Object] != nil, "an object of the document")
		d.one("hooks.map."+word+".kind", m.Kind, choices["meansPart.kind"])
	}
}
