package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// writer is an operation that takes If-Match.
type writer struct {
	operation string
	mark      string // "" = it leaves none, the resource is gone
	do        func(l *live, at resource, tag, mark string) answer
}

// resource is what writers change.
type resource struct {
	name string
	url  string
	mark string // the key that shows whose change is stored; "" = the answer to the change is what is stored
}

// writers are those of whole resources, by what they change.
var writers = map[string][]writer{
	"connection": {
		{"PUT /v1/connections/{id}", "put", func(l *live, at resource, tag, mark string) answer {
			return l.do("PUT", at.url, l.bare(at.name, mark), "If-Match", tag)
		}},
		{"PATCH /v1/connections/{id}", "patch", func(l *live, at resource, tag, mark string) answer {
			return l.do("PATCH", at.url, map[string]string{at.mark: mark}, "If-Match", tag, "Content-Type", mergePatch)
		}},
		{"DELETE /v1/connections/{id}", "", func(l *live, at resource, tag, _ string) answer {
			return l.do("DELETE", at.url+"?confirm="+url.QueryEscape(at.name), nil, "If-Match", tag)
		}},
		{"POST /v1/connections/import", "import", func(l *live, at resource, tag, mark string) answer {
			return l.do("POST", "/v1/connections/import", l.bare(at.name, mark), "If-Match", tag)
		}},
	},
	"account": {
		{"PATCH /v1/accounts/{id}", "patch", func(l *live, at resource, tag, mark string) answer {
			return l.do("PATCH", at.url, map[string]string{at.mark: mark}, "If-Match", tag, "Content-Type", mergePatch)
		}},
		{"DELETE /v1/accounts/{id}", "", func(l *live, at resource, tag, _ string) answer {
			return l.do("DELETE", at.url, nil, "If-Match", tag)
		}},
	},
	"app_document": {
		{"PUT /v1/app-documents/{id}", "put", func(l *live, at resource, tag, mark string) answer {
			return l.do("PUT", at.url, l.described(at, mark), "If-Match", tag)
		}},
		{"DELETE /v1/app-documents/{id}", "", func(l *live, at resource, tag, _ string) answer {
			return l.do("DELETE", at.url, nil, "If-Match", tag)
		}},
	},
	"workspace": {
		{"PATCH /v1/workspace", "patch", func(l *live, at resource, tag, mark string) answer {
			return l.do("PATCH", at.url, map[string]string{at.mark: mark}, "If-Match", tag, "Content-Type", mergePatch)
		}},
	},
}

// everyWriter adds the writers of the steps of the set-up: what they write has
// their mark in it.
func everyWriter() map[string][]writer {
	all := maps.Clone(writers)
	for kind, path := range steps {
		// An element of a list is named in the path.
		operation := "/v1/connections/{id}/syncs/{sync}" + strings.NewReplacer("/in", "/{part}", "/title",
			"/{part}").Replace(path)
		if kind == "syncs" {
			operation = "/v1/connections/{id}/syncs"
		}
		all[kind] = append(all[kind], writer{"PUT " + operation, "put", func(l *live, at resource, tag, mark string) answer {
			return l.do("PUT", at.url, stepWith(kind, mark), "If-Match", tag)
		}})
		if slices.Contains([]string{"sync", "rule", "mapping"}, kind) {
			all[kind] = append(all[kind], writer{"DELETE " + operation, "", func(l *live, at resource, tag, _ string) answer {
				return l.do("DELETE", at.url, nil, "If-Match", tag)
			}})
		}
		if kind == "match" {
			all[kind] = append(all[kind], writer{
				"PATCH " + operation, "patch", func(l *live, at resource, tag, mark string) answer {
					body := `{"to_right":` + stepWith(kind, mark) + `}`
					return l.do("PATCH", at.url, body, "If-Match", tag, "Content-Type", mergePatch)
				},
			})
		}
		if patch := patches[kind]; patch != "" {
			all[kind] = append(all[kind], writer{
				"PATCH " + operation, "patch",
				func(l *live, at resource, tag, mark string) answer {
					return l.do("PATCH", at.url, strings.ReplaceAll(patch, "MARK", mark), "If-Match", tag, "Content-Type", mergePatch)
				},
			})
		}
	}
	return all
}

// steps are the parts of a sync that have an address: what follows the sync's own.
var steps = map[string]string{
	"syncs": "", "sync": "", "rules": "/rules", "rule": "/rules/in", "mappings": "/mappings", "mapping": "/mappings/title",
	"match": "/match",
}

// needed are mappings without which no contact can be made.
const needed = `{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},
	{"id":"first","left":["firstname"],"right":["FirstName"]},{"id":"last","left":["lastname"],"right":["LastName"]},`

// patches are what a merge patch puts its mark into, where the part takes one.
var patches = map[string]string{
	"sync": `{"mappings":[` + needed +
		`{"id":"title","left":["jobtitle"],"right":["Title"],"default":{"to_right":"MARK"}}]}`,
	"rule":    `{"filter":{"field":"state","op":"equals","value":"MARK"}}`,
	"mapping": `{"default":{"to_right":"MARK"}}`,
}

// stepWith is a whole part of a sync. Match steps hold no text of their own: the
// number of the writer chooses their fields.
func stepWith(kind, mark string) string {
	rule := fmt.Sprintf(`{"id":"in","direction":"to_right","filter":{"field":"state","op":"equals","value":%q}}`, mark)
	mapping := fmt.Sprintf(`{"id":"title","left":["jobtitle"],"right":["Title"],"default":{"to_right":%q}}`, mark)
	pair := map[string]string{
		"0": `["email","Email"]`, "1": `["phone","Phone"]`, "2": `["mobilephone","MobilePhone"]`,
		"3": `["jobtitle","Title"]`, "4": `["city","MailingCity"]`,
	}
	match := `[{"by":"any_key","pairs":[` + pair[mark[len(mark)-1:]] + `,["firstname","FirstName"]]}]`
	switch kind {
	case "rule":
		return rule
	case "rules":
		return "[" + rule + "]"
	case "mapping":
		return mapping
	case "mappings":
		return "[" + needed + mapping + "]"
	case "match":
		return match
	}
	sync := fmt.Sprintf(`{"id":"contacts","left":{"object":"contacts"},"right":{"object":"Contact"},"schedule":"manual","match":%s,"rules":[%s],"mappings":[%s]}`,
		match, rule, needed+mapping)
	if kind == "syncs" {
		return "[" + sync + "]"
	}
	return sync
}

// bare is a connection that syncs nothing.
func (l *live) bare(name, description string) string {
	return fmt.Sprintf(`{"name":%q,"description":%q,"left":{"account":%q},"right":{"account":%q},"syncs":[]}`, name,
		description, l.left, l.right)
}

// described is the model document as that of another app, which is called by its mark.
func (l *live) described(at resource, mark string) map[string]string {
	l.t.Helper()
	id := at.url[strings.LastIndex(at.url, "/")+1:]
	return map[string]string{"document": strings.NewReplacer("id: example", "id: "+id, "Example CRM", mark).Replace(
		modelDocument(l.t))}
}

// fresh makes a resource of a kind.
func (l *live) fresh(kind, name string) resource {
	l.t.Helper()
	switch kind {
	case "connection":
		return resource{
			name, "/v1/connections/" + l.must(201, "POST", "/v1/connections", l.bare(name, "first"))["id"].(string),
			"description",
		}
	case "app_document":
		at := resource{name, "/v1/app-documents/" + strings.NewReplacer("_", "", " ", "").Replace(name), "name"}
		l.want(201, "PUT", at.url, l.described(at, "first"))
		return at
	case "account":
		base := l.must(200, "GET", "/v1/accounts/"+string(l.left), nil)["base_url"].(string)
		id := l.account("hubspot", base, map[string]string{"kind": "token", "token": hubspotfake.PrivateToken})
		return resource{name, "/v1/accounts/" + string(id), "name"}
	}
	if path, ok := steps[kind]; ok {
		doc := fmt.Sprintf(`{"name":%q,"shared":true,"left":{"account":%q},"right":{"account":%q},"default_country":"US","syncs":[%s]}`,
			name, l.left, l.right, stepWith("sync", "first 4"))
		con := "/v1/connections/" + l.must(201, "POST", "/v1/connections", doc)["id"].(string)
		if kind == "syncs" {
			return resource{name, con + "/syncs", ""}
		}
		return resource{name, con + "/syncs/contacts" + path, ""}
	}
	l.want(200, "PATCH", "/v1/workspace", map[string]string{"name": name}, "If-Match", "*", "Content-Type", mergePatch)
	return resource{name, "/v1/workspace", "name"}
}

// conditional lists the operations of the document that take If-Match.
func (l *live) conditional() (out []string) {
	l.t.Helper()
	type operation struct {
		Parameters []struct{ Name, In string } `json:"parameters"`
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	l.want(200, "GET", "/v1/openapi.json", nil).into(&doc)
	for path, methods := range doc.Paths {
		for method, raw := range methods {
			var o operation
			if method == "parameters" || json.Unmarshal(raw, &o) != nil {
				continue
			}
			for _, p := range o.Parameters {
				if p.In == "header" && p.Name == "If-Match" {
					out = append(out, strings.ToUpper(method)+" "+path)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestLive_EveryWriterMeetsEveryOther: of writers that saw the same version,
// by whatever operation that takes If-Match, exactly one is served; the others
// are told that they are late, and what the one wrote is what is stored.
func TestLive_EveryWriterMeetsEveryOther(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		var known []string
		for kind, list := range everyWriter() {
			for i, a := range list {
				known = append(known, a.operation)
				for _, b := range list[i:] {
					for round := range 2 {
						l.meet(l.fresh(kind, fmt.Sprintf("%s %s %s %d", kind, a.mark, b.mark, round)), a, b)
					}
				}
			}
		}
		slices.Sort(known)
		if got := l.conditional(); !slices.Equal(got, known) {
			t.Errorf("operations with If-Match: %v\nmet here: %v", got, known)
		}
	})
}

// meet lets two writers of each kind write at once.
func (l *live) meet(at resource, a, b writer) {
	l.t.Helper()
	pair := a.operation + " and " + b.operation
	tag := l.want(200, "GET", at.url, nil).header.Get("ETag")
	with := []writer{a, b, a, b}
	answers := make([]answer, len(with))
	var wg sync.WaitGroup
	for i, w := range with {
		wg.Go(func() { answers[i] = w.do(l, at, tag, fmt.Sprintf("%s %d", w.mark, i)) })
	}
	wg.Wait()
	winner := -1
	for i, got := range answers {
		switch {
		case got.status < 300:
			if winner >= 0 && (with[i].mark != "" || with[winner].mark != "") { // to delete what is being deleted is no loss
				l.t.Errorf("%s: %d and %d were served: %s", pair, winner, i, got.body)
			}
			winner = i
		case got.status == http.StatusPreconditionFailed && got.code() == "stale_version":
		case got.status == http.StatusNotFound, got.status == http.StatusConflict && got.code() == "connection_deleting":
			if a.mark != "" && b.mark != "" {
				l.t.Errorf("%s: nobody deleted it, and %d got %d: %s", pair, i, got.status, got.body)
			}
		default:
			l.t.Errorf("%s: %d got %d: %s", pair, i, got.status, got.body)
		}
	}
	if winner < 0 {
		l.t.Errorf("%s: nobody was served", pair)
		return
	}
	now := l.do("GET", at.url, nil)
	if with[winner].mark == "" {
		if now.status != http.StatusNotFound && now.object()["status"] != "deleting" {
			l.t.Errorf("%s: deleted, and there: %s", pair, now.body)
		}
		return
	}
	want := fmt.Sprintf("%s %d", with[winner].mark, winner)
	stored := at.mark == "" && bytes.Equal(now.body, answers[winner].body) ||
		at.mark != "" && now.object()[at.mark] == want
	if now.status != http.StatusOK || !stored {
		l.t.Errorf("%s: %q was served, stored is %s", pair, want, now.body)
	}
	if now.header.Get("ETag") == tag || now.header.Get("ETag") != answers[winner].header.Get("ETag") {
		l.t.Errorf("%s: the version was %s, the winner's is %s, now it is %s", pair, tag, answers[winner].header.Get("ETag"),
			now.header.Get("ETag"))
	}
}

// TestLive_AnIdempotencyKeyStandsForOneRequest: many that come at once with one
// key are carried out once; the same key with another query, body, route or
// method is refused, another caller's is another key, and whoever comes while
// the first is at work is told so.
func TestLive_AnIdempotencyKeyStandsForOneRequest(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		once := []string{"Idempotency-Key", "k1"}
		answers := make([]answer, 8)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = l.do("POST", "/v1/connections", l.bare("Once", ""), once...) })
		}
		wg.Wait()
		first := ""
		done := 0
		for _, a := range answers {
			switch {
			case a.status == http.StatusCreated:
				if a.header.Get("Idempotent-Replayed") == "" {
					done++
				}
				if first == "" {
					first = string(a.body)
				} else if string(a.body) != first {
					t.Errorf("two answers: %s and %s", first, a.body)
				}
			case a.status == http.StatusConflict && a.code() == "idempotency_running":
			default:
				t.Errorf("got %d: %s", a.status, a.body)
			}
		}
		if done != 1 || l.named("Once") != 1 {
			t.Errorf("carried out %d times, %d connections", done, l.named("Once"))
		}
		again := l.want(201, "POST", "/v1/connections", l.bare("Once", ""), once...)
		if again.header.Get("Idempotent-Replayed") != "true" || string(again.body) != first {
			t.Errorf("the replay: %s", again.body)
		}
		l.refused(422, "idempotency_mismatch", "POST", "/v1/connections", l.bare("Once", "other"), once...)
		l.refused(422, "idempotency_mismatch", "POST", "/v1/connections?preset=hubspot-salesforce-contacts",
			l.bare("Once", ""), once...)
		l.refused(422, "idempotency_mismatch", "POST", "/v1/connections/import", l.bare("Once", ""), once...)
		if n := l.named("Once"); n != 1 {
			t.Errorf("%d connections after what was refused", n)
		}
		other := l.must(201, "POST", "/v1/keys", `{"name":"o","role":"admin"}`)["key"].(string)
		own := l.want(201, "POST", "/v1/connections", l.bare("Twice", ""),
			append([]string{"Authorization", "Bearer " + other}, once...)...)
		if own.header.Get("Idempotent-Replayed") != "" || l.named("Twice") != 1 {
			t.Errorf("another caller's key is the first's: %s", own.body)
		}
		l.refused(422, "idempotency_mismatch", "POST", "/v1/connections", l.bare("Twice", ""), once...)
		con := l.must(200, "GET", "/v1/connections", nil)["items"].([]any)[0].(map[string]any)["id"].(string)
		for i := range 2 { // what is no POST takes no notice of the key
			mark := fmt.Sprint("change ", i)
			got := l.must(200, "PATCH", "/v1/connections/"+con, map[string]string{"description": mark},
				append([]string{"If-Match", "*", "Content-Type", mergePatch}, once...)...)
			if got["description"] != mark {
				t.Errorf("a change was not carried out: %v", got["description"])
			}
		}
	})
}

// named counts the connections of a name.
func (l *live) named(name string) (n int) {
	l.t.Helper()
	for _, c := range each[crm.Connection](l, "/v1/connections") {
		if c.Name == name {
			n++
		}
	}
	return n
}

// TestLive_WhoComesWhileTheFirstIsAtWorkIsToldSo holds a POST inside the app's
// answer and repeats it meanwhile, with the same request and with another.
func TestLive_WhoComesWhileTheFirstIsAtWorkIsToldSo(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		reached, goOn := make(chan struct{}), make(chan struct{})
		var held sync.Once
		hold := func() { held.Do(func() { close(reached); <-goOn }) }
		base := l.must(200, "GET", "/v1/accounts/"+string(l.left), nil)["base_url"]
		l.before.Store(&hold)
		body := map[string]any{
			"app": "hubspot", "name": "Slow", "base_url": base, "credentials": map[string]string{
				"kind": "token", "token": hubspotfake.PrivateToken,
			},
		}
		once := []string{"Idempotency-Key", "slow"}
		first := make(chan answer, 1)
		go func() { first <- l.do("POST", "/v1/accounts", body, once...) }()
		<-reached
		l.refused(409, "idempotency_running", "POST", "/v1/accounts", body, once...)
		other := map[string]any{"app": "hubspot", "name": "Fast", "base_url": base, "credentials": body["credentials"]}
		l.refused(422, "idempotency_mismatch", "POST", "/v1/accounts", other, once...)
		close(goOn)
		got := <-first
		if got.status != http.StatusCreated {
			t.Fatalf("the first: %d: %s", got.status, got.body)
		}
		if again := l.want(201, "POST", "/v1/accounts", body, once...); string(again.body) != string(got.body) ||
			again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("afterwards: %s", again.body)
		}
		if n := len(each[map[string]any](l, "/v1/accounts")); n != 3 {
			t.Errorf("%d accounts, want 3", n)
		}
	})
}
