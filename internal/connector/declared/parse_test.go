package declared_test

import (
	"os"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/declared"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// edited is the model document with a part of it replaced, once or several times.
func edited(t testing.TB, pairs ...string) string {
	t.Helper()
	text, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(out, pairs[i]) != 1 {
			t.Fatalf("%q stands %d times in the model document", pairs[i], strings.Count(out, pairs[i]))
		}
		out = strings.Replace(out, pairs[i], pairs[i+1], 1)
	}
	return out
}

// TestHostileDocuments: each document is refused, with the line, the path and a remedy.
func TestHostileDocuments(t *testing.T) {
	t.Parallel()
	read := `read: {get: /v1/people, query: {ids: "{ids}", limit: "{size}"}, items: /data}`
	create, update := "create: {post: /v1/people, into: /person, record: /data}", `update: {patch: "/v1/people/{id}"`
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":          {"", []string{"1: the document is empty"}},
		"only a comment": {"# nothing\n", []string{"the document is empty"}},
		"a word":         {"hello", []string{"1: keys with values are expected"}},
		"a list":         {"- app", []string{"1: keys with values are expected"}},
		"no YAML":        {"app: [", []string{"this is no YAML"}},
		"tabs":           {"app:\n\tid: x", []string{"this is no YAML"}},
		"odd indent": {
			"app: {id: x}\nobjects:\n  users: {id: y}\n    bad\n", []string{
				"2: this is no YAML, here or in what stands below: did not find",
			},
		},
		"two documents": {edited(t) + "\n---\napp: {}\n", []string{"more than one document"}},
		"too long":      {"#" + strings.Repeat("x", declared.MaxDocument), []string{"longer than"}},
		"deep":          {strings.Repeat("[", 20_000), []string{"this is no YAML"}},
		"an anchor": {
			edited(t, "  name: Example CRM", "  name: &a Example CRM"), []string{"4: app.name: anchors and aliases are no part"},
		},
		"an alias": {
			edited(t, "app:\n  id: example", "app:\n  id: &a example", "  name: Example CRM", "  name: *a"),
			[]string{"3: app.id: anchors", "4: app.name: anchors"},
		},
		"a merge key": {
			edited(t, "  blank: \"null\"", "  <<: {blank: \"null\"}"), []string{"a key has to be a plain word"},
		},
		"a bomb": {"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", []string{"there is no such key"}},
		"unknown key": {
			edited(t, "  blank: \"null\"", "  blanks: \"null\""), []string{
				"7: app.blanks: there is no such key; known here are id, name,",
			},
		},
		"unknown in call": {
			edited(t, `{get: /v1/me,`, `{got: /v1/me,`), []string{
				"16: account.got: there is no such key", "one method with its path is needed",
			},
		},
		"twice": {
			edited(t, "  name: Example CRM", "  id: other\n  name: Example CRM"), []string{
				"4: app.id: the key stands here twice",
			},
		},
		"no value": {edited(t, "  name: Example CRM", "  name:"), []string{"4: app.name: it has no value"}},
		"no object": {
			edited(t, "    label: People\n", "    label: People\n    delete_all:\n"), []string{
				"objects.people.delete_all: there is no such key",
			},
		},
		"a list of text": {
			edited(t, "  hosts: [crm.example]", "  hosts: crm.example"), []string{"6: app.hosts: a list is expected"},
		},
		"text of a list": {
			edited(t, "  name: Example CRM", "  name: [Example]"), []string{"4: app.name: a single value is expected"},
		},
		"odd duration": {edited(t, "per: 10s", "per: ten"), []string{`18: limits.per: "ten" is no duration`}},
		"negative":     {edited(t, "calls: 100", "calls: -1"), []string{`limits.calls: "-1" is no whole number`}},
		"few calls": {
			edited(t, "calls: 100, per: 10s", "calls: 4, per: 4s"), []string{"limits: a record's work takes several calls"},
		},
		"odd truth": {edited(t, "secret: true", "secret: yes please"), []string{"is neither true nor false"}},
		"odd pointer": {
			edited(t, "id: {at: /id, form: number}", "id: {at: id, form: number}"), []string{
				`objects.people.id.at: "id" is no JSON pointer`,
			},
		},
		"odd ID":         {edited(t, "  id: example", "  id: Example CRM"), []string{"3: app.id:"}},
		"plain http":     {edited(t, "https://api.crm.example", "http://api.crm.example"), []string{"5: app.base:"}},
		"base with path": {edited(t, "https://api.crm.example", "https://api.crm.example/v1"), []string{"5: app.base:"}},
		"odd host":       {edited(t, "hosts: [crm.example]", `hosts: ["*"]`), []string{"6: app.hosts[0]:"}},
		"no hosts":       {edited(t, "hosts: [crm.example]", "hosts: []"), []string{"app.hosts: it is missing"}},
		"odd blank": {
			edited(t, "  blank: \"null\"", "  blank: none"), []string{`7: app.blank: "none" is none of empty, null, omitted`},
		},
		"own credentials": {
			edited(t, "  blank: \"null\"", "  headers: {Authorization: x}"), []string{
				"app.headers.Authorization: the header cannot be set",
			},
		},
		"split header": {
			edited(t, "  blank: \"null\"", `  headers: {X-A: "a\r\nb"}`), []string{"app.headers.X-A: the header cannot be set"},
		},
		"no auth": {
			edited(t, "  - kind: api_key\n    send: header\n    name: X-Api-Key\n    fields: [{name: api_key, label: API "+
				"key, secret: true}]\n", "  []\n"), []string{"auth: it is missing"},
		},
		"odd auth": {
			edited(t, "kind: api_key", "kind: magic"), []string{`auth[0].kind: "magic" is none of token, api_key, basic`},
		},
		"key in the open": {
			edited(t, "label: API key, secret: true", "label: API key"), []string{
				"auth[0].fields: none is secret", "the first field has to be the key",
			},
		},
		"odd send": {edited(t, "send: header", "send: cookie"), []string{`auth[0].send: "cookie"`}},
		"odd type": {
			edited(t, "type: email", "type: mail"), []string{`objects.people.fields.email.type: "mail" is no type`},
		},
		"odd codec": {
			edited(t, "codec: number", "codec: rot13"), []string{`objects.people.fields.owner.codec: "rot13"`},
		},
		"whole record": {
			edited(t, "at: /owner/id", `at: ""`), []string{
				"objects.people.fields.owner: a value cannot stand in place of the record",
			},
		},
		"key of nothing": {
			edited(t, "at: /owner/id, to: /owner_id", `at: "@key", to: /owner_id`), []string{
				"objects.people.fields.owner: a value cannot stand in place of the record",
			},
		},
		"no name in at": {edited(t, "at: /custom/{name}", "at: /custom"), []string{"discover[0].at:"}},
		"odd placeholder": {
			edited(t, `sort: updated_at}`, `sort: "{order}"}`), []string{"list.since.query.sort: {order} means nothing here"},
		},
		"expression": {
			edited(t, `sort: updated_at}`, `sort: "{since:plus1}"}`), []string{"a brace begins a placeholder"},
		},
		"no since": {
			edited(t, `updated_since: "{since}", `, ""), []string{"list.since: the placeholder {since} is missing"},
		},
		"no page": {edited(t, `, cursor: "{page}"`, ""), []string{"list: the placeholder {page} is missing"}},
		"odd paging": {
			edited(t, "kind: cursor", "kind: scroll"), []string{`list.page.kind: "scroll" is none of cursor, number, offset`},
		},
		"no next": {
			edited(t, "kind: cursor, next: /next", "kind: cursor"), []string{"list.page: a cursor needs next"},
		},
		"no times": {
			edited(t, "    modified: {at: /updated_at}\n", ""), []string{"list.since: it is missing: modified"},
		},
		"far back": {
			edited(t, "overlap: 1m", "overlap: 9000h"), []string{"list.since: overlap is 168h0m0s at most and a grain"},
		},
		"no read": {edited(t, read, ""), []string{"objects.people.read: it is missing"}},
		"read of nobody": {
			edited(t, `query: {ids: "{ids}", limit: "{size}"}, items: /data`, `items: /data`), []string{
				"read: the placeholder {ids} is missing",
			},
		},
		"query in a path": {
			edited(t, "create: {post: /v1/people,", `create: {post: "/v1/people?x=1",`), []string{"is no path"},
		},
		"another host": {
			edited(t, "create: {post: /v1/people,", `create: {post: "//evil.example/x",`), []string{"is no path"},
		},
		"way up": {edited(t, "create: {post: /v1/people,", `create: {post: /v1/../admin,`), []string{"is no path"}},
		"two methods": {
			edited(t, "create: {post: /v1/people,", `create: {post: /v1/people, put: /v1/people,`),
			[]string{"objects.people.create: one method with its path"},
		},
		"get that writes": {
			edited(t, "create: {post:", "create: {get:"), []string{"create: the method has to be one of post, put, patch"},
		},
		"no answer": {edited(t, create, "create: {post: /v1/people}"), []string{"create: it is missing: record or id"}},
		"update of all": {
			edited(t, update, "update: {patch: /v1/people"), []string{"update: the placeholder {id} is missing"},
		},
		"find by nothing": {
			edited(t, `fields: [email, last_name, phone]`, `fields: []`), []string{"find[0].fields: it is missing"},
		},
		"any of nothing": {
			edited(t, "    label: People\n", "    label: People\n    any_of: [[nobody]]\n"), []string{
				"any_of[0]: it is missing: a field nobody",
			},
		},
		"odd code": {
			edited(t, "exists: already_exists", "exists: it_exists"), []string{`errors.words.exists: "it_exists" is none of`},
		},
		"odd status": {
			edited(t, "  request_id:", "  statuses: {200: not_found}\n  request_id:"), []string{
				`errors.statuses.200: "200" is no status`,
			},
		},
		"told by a 500": {
			edited(t, "  request_id:", "  statuses: {500: invalid_value}\n  request_id:"), []string{
				"errors.statuses.500: a status of 500 and above does not tell",
			},
		},
		"unsigned body": {
			edited(t, `of: [timestamp, ".", url, ".", body]`, `of: [timestamp]`), []string{
				"hooks.verify.of: it is missing: what is signed",
			},
		},
		"unsigned time": {
			edited(t, `of: [timestamp, ".", url, ".", body]`, `of: [body]`), []string{
				"a time that is not signed proves nothing",
			},
		},
		"odd event": {
			edited(t, "{object: people, kind: deleted}", "{object: pets, kind: gone}"), []string{
				"hooks.map.person.delete.object", `hooks.map.person.delete.kind: "gone"`,
			},
		},
	} {
		_, err := declared.Parse("x.yaml", []byte(c.text))
		if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != connector.CodeConfig {
			t.Errorf("%s: %v, want invalid_config", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.yaml:") {
				t.Errorf("%s: want %q in\n%v", name, want, err)
			}
		}
	}
}

// TestEveryProblem: one reading names all that is wrong, in the order of lines.
func TestEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := declared.Parse("x.yaml", []byte(edited(t, "  id: example", "  id: 7", "type: email", "type: mail",
		"kind: cursor", "kind: x", "exists: already_exists", "exists: y")))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d problems, want 4:\n%v", len(lines), err)
	}
	for i, path := range []string{
		"app.id", "objects.people.fields.email.type", "objects.people.list.page.kind", "errors.words.exists",
	} {
		if !strings.Contains(lines[i], path) {
			t.Errorf("problem %d is %q, want %s", i, lines[i], path)
		}
	}
}

// FuzzParse: no document has Parse panic, and one that is taken makes a driver.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("app: {id: x}\nobjects: {a: {read: {}, list: {}, create: {}, update: {}}}\nhooks: {map: {a: " +
		"}}\nowners: {find: }"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := declared.Parse("x.yaml", text)
		if (d == nil) == (err == nil) {
			t.Fatal("neither a document nor an error, or both")
		}
		if d != nil && d.Driver().App.ID == "" {
			t.Fatal("a document without an app")
		}
	})
}
