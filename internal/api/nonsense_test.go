package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestNonsenseIDs: an ID that cannot exist is one that does not, whatever is in
// it, for every route that has one, and a route that follows it is not reached.
func TestNonsenseIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	nonsense := []string{
		"x", " ", "\t", "\n", "\x01", "\x7f", "con_", "con_none", "CON_000000000001", "0", "-1", "null", "undefined",
		"[object Object]", "*", "%", "%25", "'", `"`, "<b>",
		"con_1;drop table", "con_1#x", "con_1?x", "a/b", "../con_1", "\u202econ", "ÿ", "日本", "\u0000"[:0] + "con_1\u2028",
		strings.Repeat("a", 150), f.connection + " ", f.connection + "\n", " " + f.connection,
		strings.ToUpper(f.connection), f.connection + "#", f.connection + "/", "run_none", "acc_none",
	}
	for _, r := range routes {
		if !strings.Contains(r.path, "{") || r.level == public {
			continue
		}
		good := f.target(r)
		for _, place := range []string{"{id}", "{sync}", "{app}"} {
			if !strings.Contains(r.path, place) {
				continue
			}
			for _, id := range nonsense {
				path, query, _ := strings.Cut(good, "?")
				parts, bad := strings.Split(r.path, "/"), strings.Split(path, "/")
				for i, p := range parts {
					if p == place {
						bad[i] = url.PathEscape(id)
					}
				}
				target := strings.Join(bad, "/")
				if query != "" {
					target += "?" + query
				}
				got := f.do(r.method, target, f.whole(r), ifMatch("*"))
				if r.id == "put-app-document" && got.status == http.StatusBadRequest {
					continue // it would make what it names, and the document is of another app
				}
				if got.status != http.StatusNotFound {
					t.Errorf("%s with %q as %s: got %d: %s", r.id, id, place, got.status, got.body)
				}
			}
		}
	}
}

// TestControlCharactersInNames: no text of a body holds a control character, and
// names no line end and nothing that turns the direction of what follows.
func TestControlCharactersInNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	id, _ := w.connect("Good")
	for _, odd := range []string{
		`\u0001`, `\u001b[31m`, `\u007f`, `\u0085`, `a\nb`, `a\rb`, `a\tb`, `\u202ea`, `\u2066a`,
	} {
		for name, c := range map[string][3]string{
			"account":     {"POST", "/v1/accounts", `{"app":"hubspot","name":"A%","credentials":{"kind":"token","token":"x"}}`},
			"renamed":     {"PATCH", "/v1/accounts/" + string(w.left), `{"name":"A%"}`},
			"key":         {"POST", "/v1/keys", `{"name":"A%","role":"viewer"}`},
			"user of key": {"POST", "/v1/keys", `{"name":"A","role":"viewer","user":{"email":"a%@example.com"}}`},
			"workspace":   {"PATCH", "/v1/workspace", `{"name":"A%"}`},
			"workspaces":  {"POST", "/v1/workspaces", `{"name":"A%"}`},
			"connection":  {"PATCH", "/v1/connections/" + id, `{"name":"A%"}`},
			"connections": {"POST", "/v1/connections", strings.Replace(w.document("A"), `"name":"A"`, `"name":"A%"`, 1)},
			"mapping ID":  {"POST", "/v1/connections", strings.Replace(w.document("B"), `"id":"last"`, `"id":"last%"`, 1)},
			"field": {
				"POST", "/v1/connections", strings.Replace(w.document("C"), `"left":["lastname"]`, `"left":["lastname%"]`, 1),
			},
			"field's name": {
				"POST", "/v1/accounts/" + string(w.left) + "/objects/contacts/fields", `{"name":"x%","label":"X","type":"text"}`,
			},
			"label": {
				"POST", "/v1/accounts/" + string(w.left) + "/objects/contacts/fields", `{"name":"x","label":"X%","type":"text"}`,
			},
			"role":     {"PATCH", "/v1/connections/" + id, `{"access":{"mode":"roles","roles":["a%"]}}`},
			"new name": {"POST", "/v1/oauth/hubspot/authorizations", `{"name":"A%"}`},
		} {
			r := w.do(c[0], c[1], strings.Replace(c[2], "%", odd, 1), ifMatch("*"))
			if r.status != http.StatusBadRequest {
				t.Errorf("%s with %s: got %d: %s", name, odd, r.status, r.body)
			}
		}
	}
	if r := w.do("PATCH", "/v1/connections/"+id, `{"description":"two\nlines\tand a tab"}`,
		ifMatch("*")); r.status != http.StatusOK {
		t.Errorf("a description of two lines: %d: %s", r.status, r.body)
	}
	if r := w.do("PATCH", "/v1/connections/"+id, `{"name":"Größe 👩‍👩‍👧 日本 عربي"}`,
		ifMatch("*")); r.status != http.StatusOK {
		t.Errorf("a name in many scripts: %d: %s", r.status, r.body)
	}
}
