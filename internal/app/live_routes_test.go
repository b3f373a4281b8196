package app

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

const mergePatch = "application/merge-patch+json"

// patch is a merge patch of whatever version there is.
func (l *live) patch(path, body string) map[string]any {
	l.t.Helper()
	return l.must(200, "PATCH", path, body, "If-Match", "*", "Content-Type", mergePatch)
}

// operation is a call of the published document.
type operation struct {
	name    string // "GET /v1/…"
	address *regexp.Regexp
}

// operations reads the published document.
func (l *live) operations() []operation {
	l.t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	l.want(200, "GET", "/v1/openapi.json", nil).into(&doc)
	var out []operation
	part := regexp.MustCompile(`\\\{[a-z_]+\\\}`)
	for path, methods := range doc.Paths {
		address := part.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+")
		for method := range methods {
			if method != "parameters" {
				out = append(out, operation{
					strings.ToUpper(method) + " " + path, regexp.MustCompile("^" + strings.ToUpper(method) + " " + address + "$"),
				})
			}
		}
	}
	return out
}

// cannotFail are the operations that are refused nobody.
var cannotFail = []string{"GET /v1/health"}

// TestLive_EveryOperation calls all that the published document lists, on the
// real engine and with its main failures. An operation that was answered no
// success here, or no refusal other than of the caller's key, fails the test.
func TestLive_EveryOperation(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.walkApps()
		l.walkWorkspace()
		l.walkSession()
		l.walkConnection()
		l.walkRunning()
		l.walkAlerts()
		l.walkHooks()
		l.walkSurface()
		l.walkEnd()
		done, refused := map[string]bool{}, map[string]bool{}
		all := l.operations()
		for _, c := range l.calls {
			matches := slices.DeleteFunc(slices.Clone(all), func(o operation) bool { return !o.address.MatchString(c.call) })
			for _, o := range matches {
				if len(matches) > 1 && strings.Contains(o.name, "{id}") && !strings.Contains(c.call, "_") {
					continue // /v1/connections/import is no connection
				}
				done[o.name] = done[o.name] || c.status < 400
				refused[o.name] = refused[o.name] || c.status >= 400 && c.status < 500 && c.status != http.StatusUnauthorized
			}
		}
		if len(all) < 60 {
			t.Errorf("the document lists %d operations only", len(all))
		}
		for _, o := range all {
			if !done[o.name] {
				t.Errorf("%s has no case: call it here, with its success", o.name)
			}
			if !refused[o.name] && !slices.Contains(cannotFail, o.name) {
				t.Errorf("%s has no case of a failure: call it here with one", o.name)
			}
		}
		t.Logf("%d operations, %d calls", len(all), len(l.calls))
	})
}

// walkAppDocuments goes through the documents of apps.
func (l *live) walkAppDocuments() {
	l.t.Helper()
	document := map[string]any{"document": modelDocument(l.t)}
	l.want(200, "GET", "/v1/app-documents", nil)
	l.refused(400, "invalid_parameter", "GET", "/v1/app-documents?q=x", nil)
	l.want(200, "GET", "/v1/app-document-schema", nil)
	l.refused(400, "invalid_parameter", "GET", "/v1/app-document-schema?q=x", nil)
	l.want(200, "POST", "/v1/app-documents/validate?app=example", document)
	l.refused(400, "missing_key", "POST", "/v1/app-documents/validate?app=example", map[string]any{})
	l.refused(404, "not_found", "GET", "/v1/app-documents/example", nil)
	l.refused(400, "invalid_app_document", "PUT", "/v1/app-documents/other", document)
	l.want(201, "PUT", "/v1/app-documents/example", document)
	l.want(200, "GET", "/v1/app-documents/example", nil)
	l.refused(412, "stale_version", "DELETE", "/v1/app-documents/example", nil, "If-Match", `"77"`)
	l.want(204, "DELETE", "/v1/app-documents/example", nil, "If-Match", "*")
}

// walkApps goes through apps and accounts.
func (l *live) walkApps() {
	l.t.Helper()
	l.want(200, "GET", "/v1/health", nil)
	l.refused(400, "invalid_parameter", "GET", "/v1/codes?q=x", nil)
	l.want(200, "GET", "/v1/codes", nil)
	l.want(200, "GET", "/v1/apps", nil)
	l.refused(400, "invalid_parameter", "GET", "/v1/apps?nonsense=x", nil)
	l.want(200, "GET", "/v1/apps/hubspot", nil)
	l.refused(404, "unknown_app", "GET", "/v1/apps/none", nil)
	l.want(200, "GET", "/v1/apps/hubspot/partners", nil)
	l.refused(404, "unknown_app", "GET", "/v1/apps/none/partners", nil)
	l.walkAppDocuments()
	l.want(200, "GET", "/v1/presets", nil)
	l.refused(400, "invalid_parameter", "GET", "/v1/presets?q=x", nil)

	l.want(200, "GET", "/v1/accounts", nil)
	l.refused(400, "cursor_malformed", "GET", "/v1/accounts?cursor=AAAA", nil)
	left := "/v1/accounts/" + string(l.left)
	l.want(200, "GET", left, nil)
	l.refused(404, "not_found", "GET", "/v1/accounts/acc_none", nil)
	if ok := l.must(200, "POST", left+"/test", nil)["ok"]; ok != true {
		l.t.Errorf("the account does not work: %v", ok)
	}
	l.hub.Core().RevokeTokens()
	l.hub.Core().AllowTokens()
	l.refused(404, "not_found", "POST", "/v1/accounts/acc_none/test", nil)
	l.refused(400, "unknown_app", "POST", "/v1/accounts", map[string]any{
		"app": "none", "name": "x", "credentials": map[string]string{"kind": "token"},
	})
	l.refused(428, "precondition_required", "PATCH", left, `{"name":"x"}`, "Content-Type", mergePatch)
	l.patch(left, `{"name":"Renamed"}`)
	fresh, err := json.Marshal(map[string]any{
		"credentials": map[string]string{
			"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret,
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.patch(left, string(fresh)) // whoever waited for the account goes on
	l.want(200, "GET", left+"/objects", nil)
	l.refused(404, "not_found", "GET", "/v1/accounts/acc_none/objects", nil)
	fields := left + "/objects/contacts/fields"
	l.want(200, "GET", fields+"?refresh=true", nil)
	l.refused(404, "unknown_object", "GET", left+"/objects/none/fields", nil)
	made := l.must(201, "POST", fields, `{"name":"shoe_size","label":"Shoe size","type":"number"}`)
	if made["name"] != "shoe_size" {
		l.t.Errorf("a custom field: %v", made)
	}
	l.refused(400, "unknown_value", "POST", fields, `{"name":"x","label":"X","type":"magic"}`)
	l.refused(422, "unsupported", "POST", "/v1/accounts/"+string(l.right)+"/objects/Contact/fields",
		`{"name":"x","label":"X","type":"text"}`)
	l.refused(400, "confirmation_required", "DELETE", fields+"/shoe_size", nil)
	l.refused(400, "rejected", "DELETE", fields+"/firstname?confirm=firstname", nil)
	l.want(204, "DELETE", fields+"/shoe_size?confirm=shoe_size", nil)
	l.refused(404, "not_found", "DELETE", fields+"/shoe_size?confirm=shoe_size", nil)
	l.walkOAuth()
}

// walkSession trades the key for a cookie, as a page does, and signs out.
func (l *live) walkSession() {
	l.t.Helper()
	for _, method := range []string{"POST", "GET", "DELETE"} {
		l.refused(400, "invalid_parameter", method, "/v1/session?q=x", nil)
	}
	cookie, _, _ := strings.Cut(l.want(201, "POST", "/v1/session", nil).header.Get("Set-Cookie"), ";")
	if cookie == "" {
		l.t.Error("a session without a cookie")
	}
	l.want(200, "GET", "/v1/session", nil)
	l.want(204, "DELETE", "/v1/session", nil)
}

// walkOAuth authorises an account in the browser, as an admin does.
func (l *live) walkOAuth() {
	l.t.Helper()
	base := l.must(200, "GET", "/v1/accounts/"+string(l.left), nil)["base_url"].(string)
	begin := "/v1/oauth/hubspot/authorizations"
	l.refused(400, "oauth_client_missing", "POST", begin, map[string]any{"name": "By browser"})
	l.refused(400, "invalid_client", "PUT", "/v1/apps/hubspot/client",
		`{"client_id":"a b","client_secret":"s","redirect_uri":"`+l.url+`/v1/oauth/callback"}`)
	// The browser begins at the host that it is sent back to, so that its cookie
	// comes along; where an address of the admin's own stands before ours, at ours.
	for redirect, want := range map[string]string{
		"https://lan.example.org/base/v1/oauth/callback": "https://lan.example.org/base/v1/oauth/begin?state=",
		"https://crm.example.org/back":                   l.url + "/v1/oauth/begin?state=",
	} {
		l.want(204, "PUT", "/v1/apps/hubspot/client", `{"client_id":"i","client_secret":"s","redirect_uri":"`+redirect+`"}`)
		if got := l.must(201, "POST", begin, map[string]any{"name": "By browser"})["url"].(string); !strings.HasPrefix(got,
			want) || len(got) == len(want) {
			l.t.Errorf("sent back to %s, it begins at %q, want %s…", redirect, got, want)
		}
	}
	l.want(204, "PUT", "/v1/apps/hubspot/client", `{"client_id":"`+hubspotfake.ClientID+`","client_secret":"`+
		hubspotfake.ClientSecret+`","redirect_uri":"`+l.url+`/v1/oauth/callback"}`)
	address := l.must(201, "POST", begin, map[string]any{"name": "By browser", "base_url": base})["url"].(string)
	l.refused(400, "invalid_state", "GET", "/v1/oauth/callback?state=none&code=x", nil)
	l.refused(400, "invalid_state", "GET", "/v1/oauth/begin?state=none", nil)
	address = strings.TrimPrefix(address, l.url)
	l.want(405, "HEAD", address, nil)
	begun := l.want(302, "GET", address, nil)
	l.refused(400, "invalid_state", "GET", address, nil) // begun once
	cookie, attributes, _ := strings.Cut(begun.header.Get("Set-Cookie"), "; ")
	if attributes != "Path=/v1/oauth/callback; Max-Age=600; HttpOnly; SameSite=Lax" {
		l.t.Errorf("the cookie of the beginning: %s", attributes)
	}
	page, err := url.Parse(begun.header.Get("Location"))
	if err != nil {
		l.t.Fatal(err)
	}
	consent := base + "/oauth/authorize?" + page.RawQuery // the app's page is at its own host
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, consent, http.NoBody)
	if err != nil {
		l.t.Fatal(err)
	}
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := stay.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		l.t.Fatalf("the app answered %d and sends nobody back: %v", resp.StatusCode, err)
	}
	callback := "/v1/oauth/callback?" + back.RawQuery
	l.refused(400, "invalid_state", "GET", callback, nil) // a browser that did not begin
	l.refused(400, "invalid_state", "GET", callback, nil, "Cookie", strings.ToLower(cookie))
	l.want(405, "HEAD", callback, nil, "Cookie", cookie)
	l.must(200, "GET", callback, nil, "Cookie", cookie)
	l.refused(400, "invalid_state", "GET", callback, nil, "Cookie", cookie) // good once
}

// walkWorkspace goes through the workspace, keys and the audit trail.
func (l *live) walkWorkspace() {
	l.t.Helper()
	l.want(200, "GET", "/v1/workspace", nil)
	l.refused(400, "invalid_parameter", "GET", "/v1/workspace?q=x", nil)
	l.patch("/v1/workspace", `{"time_zone":"Europe/Berlin"}`)
	l.refused(428, "precondition_required", "PATCH", "/v1/workspace", `{"name":"x"}`, "Content-Type", mergePatch)
	l.want(201, "POST", "/v1/workspaces", `{"name":"Other"}`)
	l.refused(400, "unknown_time_zone", "POST", "/v1/workspaces", `{"name":"Other","time_zone":"Mars"}`)
	l.want(200, "GET", "/v1/workspaces", nil)
	l.refused(400, "cursor_malformed", "GET", "/v1/workspaces?cursor=AAAA", nil)
	key := l.must(201, "POST", "/v1/keys", `{"name":"k","role":"viewer"}`)
	l.refused(400, "unknown_value", "POST", "/v1/keys", `{"name":"k","role":"king"}`)
	l.want(200, "GET", "/v1/keys", nil)
	l.refused(400, "cursor_malformed", "GET", "/v1/keys?cursor=AAAA", nil)
	l.want(200, "GET", "/v1/connections", nil, "Authorization", "Bearer "+key["key"].(string))
	l.want(204, "DELETE", "/v1/keys/"+key["id"].(string), nil)
	l.refused(404, "not_found", "DELETE", "/v1/keys/"+key["id"].(string), nil)
	l.refused(401, "unauthorized", "GET", "/v1/connections", nil, "Authorization", "Bearer "+key["key"].(string))
	erasure := "/v1/erasures/" + l.must(202, "POST", "/v1/erasures", `{"phone":"+49 30 901820"}`)["id"].(string)
	l.refused(400, "invalid_identity", "POST", "/v1/erasures", `{"email":"nobody"}`)
	l.want(200, "GET", "/v1/erasures", nil)
	l.refused(400, "cursor_malformed", "GET", "/v1/erasures?cursor=AAAA", nil)
	l.want(200, "GET", erasure, nil)
	l.refused(404, "not_found", "GET", "/v1/erasures/ers_none", nil)
	l.refused(409, "erasure_running", "DELETE", erasure+"/block", nil)
	l.drain()
	l.want(204, "DELETE", erasure+"/block", nil)
	l.want(200, "GET", "/v1/usage", nil)
	l.refused(404, "not_found", "GET", "/v1/usage?connection=con_none", nil)
	l.want(200, "GET", "/v1/audit", nil)
	l.refused(400, "cursor_malformed", "GET", "/v1/audit?cursor=AAAA", nil)
	if days := string(l.want(200, "GET", "/v1/audit/days", nil).body); !strings.Contains(days, `"intact":true`) ||
		strings.Contains(days, `"intact":false`) {
		l.t.Errorf("the audit trail is %s", days)
	}
	l.refused(400, "cursor_malformed", "GET", "/v1/audit/days?cursor=AAAA", nil)
}

// walkConnection goes through the connection's document.
func (l *live) walkConnection() {
	l.t.Helper()
	l.connect([2]string{`"review"`, `"left"`})
	l.refused(400, "unknown_preset", "POST", "/v1/connections?preset=none", `{"name":"x","left":{"account":"`+
		string(l.left)+`"},"right":{"account":"`+string(l.right)+`"}}`)
	l.refused(400, "wrong_type", "POST", "/v1/connections", `{"name":1}`)
	l.want(200, "GET", "/v1/connections", nil)
	l.refused(400, "cursor_malformed", "GET", "/v1/connections?cursor=AAAA", nil)
	a := l.want(200, "GET", l.con, nil)
	l.refused(404, "not_found", "GET", "/v1/connections/con_none", nil)
	l.want(200, "PUT", l.con, string(a.body), "If-Match", a.header.Get("ETag"))
	l.refused(412, "stale_version", "PUT", l.con, string(a.body), "If-Match", `"99"`)
	l.patch(l.con, `{"description":"new"}`)
	l.refused(412, "stale_version", "PATCH", l.con, `{"description":"newer"}`, "If-Match", a.header.Get("ETag"),
		"Content-Type", mergePatch)
	file := l.want(200, "GET", l.con+"/export", nil)
	l.refused(404, "not_found", "GET", "/v1/connections/con_none/export", nil)
	l.want(200, "POST", "/v1/connections/import", string(file.body), "Content-Type", file.header.Get("Content-Type"))
	l.refused(428, "precondition_required", "POST", "/v1/connections/import",
		strings.Replace(string(file.body), "new", "old", 1), "Content-Type", file.header.Get("Content-Type"))
	l.want(200, "POST", "/v1/connections/import/plan", string(file.body), "Content-Type",
		file.header.Get("Content-Type"))
	l.refused(400, "malformed_yaml", "POST", "/v1/connections/import/plan", "name: [", "Content-Type",
		file.header.Get("Content-Type"))
	l.want(201, "POST", "/v1/connections/import", `{"name":"Imported","left":{"account":"`+string(l.left)+
		`"},"right":{"account":"`+string(l.right)+`"},"syncs":[]}`)
	l.want(200, "GET", l.con+"/suggestions", nil)
	l.refused(404, "not_found", "GET", "/v1/connections/con_none/suggestions", nil)
	if ok := l.must(200, "POST", l.con+"/validate", nil)["valid"]; ok != true {
		l.t.Error("the stored document is not valid")
	}
	l.refused(404, "not_found", "POST", "/v1/connections/con_none/validate", nil)
	l.want(200, "GET", l.con+"/readiness", nil)
	l.refused(404, "not_found", "GET", "/v1/connections/con_none/readiness", nil)
	l.want(200, "GET", l.con+"/readiness.csv", nil)
	l.refused(404, "not_found", "GET", "/v1/connections/con_none/readiness.csv", nil)
	for _, part := range []string{"/rules", "/mappings"} {
		l.want(200, "POST", l.sync+part+"/preview", nil)
		l.refused(404, "not_found", "POST", l.con+"/syncs/none"+part+"/preview", nil)
	}
	l.walkSteps()
}

// walkSteps reads every part of the document and puts it back.
func (l *live) walkSteps() {
	l.t.Helper()
	l.want(200, "PUT", l.sync+"/rules", `[{"id":"r","direction":"to_right"}]`, "If-Match", "*")
	for _, part := range []string{"", "/rules", "/rules/r", "/mappings", "/mappings/city", "/match"} {
		a := l.want(200, "GET", l.sync+part, nil)
		l.want(200, "PUT", l.sync+part, string(a.body), "If-Match", a.header.Get("ETag"))
		l.refused(412, "stale_version", "PUT", l.sync+part, string(a.body), "If-Match", `"99"`)
		l.refused(404, "not_found", "GET", l.con+"/syncs/none"+part, nil)
		if strings.Count(part, "/") != 1 || part == "/match" {
			l.want(200, "PATCH", l.sync+part, `{}`, "If-Match", "*", "Content-Type", mergePatch)
			l.refused(428, "precondition_required", "PATCH", l.sync+part, `{}`, "Content-Type", mergePatch)
		}
	}
	l.want(200, "PUT", l.sync+"/rules", `[]`, "If-Match", "*")
	l.walkLines()
}

// walkLines adds syncs, rules and mappings, and takes them away again.
func (l *live) walkLines() {
	l.t.Helper()
	list := l.want(200, "GET", l.con+"/syncs", nil)
	l.want(200, "PUT", l.con+"/syncs", string(list.body), "If-Match", list.header.Get("ETag"))
	l.refused(404, "not_found", "GET", "/v1/connections/con_none/syncs", nil)
	l.refused(412, "stale_version", "PUT", l.con+"/syncs", string(list.body), "If-Match", `"99"`)
	for at, line := range map[string]string{
		l.con + "/syncs":     `{"left":{"object":"companies"},"right":{"object":"Account"},"direction":"off"}`,
		l.sync + "/rules":    `{"direction":"to_right"}`,
		l.sync + "/mappings": `{"left":["country"],"right":["MailingCountry"]}`,
	} {
		added := l.want(201, "POST", at, line)
		l.refused(400, "wrong_type", "POST", at, `{"id":7}`)
		where := added.header.Get("Location")
		l.refused(412, "stale_version", "DELETE", where, nil, "If-Match", `"99"`)
		l.want(204, "DELETE", where, nil, "If-Match", added.header.Get("ETag"))
		l.refused(404, "not_found", "DELETE", where, nil, "If-Match", "*")
	}
}

// walkRunning goes through what works: runs, plans, records and the log.
func (l *live) walkRunning() {
	l.t.Helper()
	l.refuse("Of bad")
	a, bad := l.person(crm.Left, "a"), l.person(crm.Left, "bad")
	l.refused(409, "not_running", "POST", l.con+"/pause", nil)
	l.refused(404, "not_found", "POST", "/v1/connections/con_none/start", nil)
	l.start()
	l.want(200, "GET", l.con+"/status", nil)
	l.refused(404, "not_found", "GET", "/v1/connections/con_none/status", nil)
	run := l.pull()
	l.refused(404, "not_found", "POST", l.con+"/syncs/none/pull", nil)
	l.run("POST", l.sync+"/resync", nil)
	l.refused(404, "not_found", "POST", l.con+"/syncs/none/resync", nil)
	p := l.planned(nil)
	l.refused(404, "not_found", "POST", l.con+"/syncs/none/plans", nil)
	l.want(200, "GET", "/v1/plans/"+string(p.ID)+"/changes", nil)
	l.refused(404, "not_found", "GET", "/v1/plans/pln_none", nil)
	l.refused(404, "not_found", "GET", "/v1/plans/pln_none/changes", nil)
	l.run("POST", "/v1/plans/"+string(p.ID)+"/apply", nil)
	l.refused(404, "not_found", "POST", "/v1/plans/pln_none/apply", nil)
	l.want(200, "GET", "/v1/runs", nil)
	l.refused(400, "cursor_malformed", "GET", "/v1/runs?cursor=AAAA", nil)
	l.want(200, "GET", "/v1/runs/"+string(run.ID)+"/events", nil)
	l.refused(404, "not_found", "GET", "/v1/runs/run_none", nil)
	l.refused(404, "not_found", "GET", "/v1/runs/run_none/events", nil)
	l.want(200, "POST", "/v1/runs/"+string(run.ID)+"/cancel", nil)
	l.refused(404, "not_found", "POST", "/v1/runs/run_none/cancel", nil)
	l.undo(run.ID)
	l.refused(404, "not_found", "POST", "/v1/runs/run_none/undo", nil)

	l.want(200, "GET", l.sync+"/records", nil)
	l.refused(404, "not_found", "GET", l.con+"/syncs/none/records", nil)
	pairs := map[string]any{"pairs": []map[string]string{{"left": a, "right": l.twin(crm.Right, "a")}}}
	l.want(202, "POST", l.sync+"/links", pairs)
	l.refused(404, "not_found", "POST", l.con+"/syncs/none/links", pairs)
	l.want(200, "GET", l.sync+"/links.csv", nil)
	l.refused(404, "not_found", "GET", l.con+"/syncs/none/links.csv", nil)
	own, none := l.record(crm.Left, a), l.record(crm.Left, "999999")
	l.want(200, "GET", own, nil)
	l.refused(404, "record_unknown", "GET", none, nil)
	l.want(200, "GET", own+"/explain", nil)
	past := each[engine.FieldChange](l, own+"/history")
	l.refused(404, "record_unknown", "GET", none+"/history", nil)
	l.run("POST", own+"/restore", map[string]string{"field": string(past[0].Mapping), "entry": past[0].Entry})
	l.refused(404, "not_found", "POST", own+"/restore", map[string]string{"entry": "log_none"})
	l.refused(404, "record_unknown", "GET", none+"/explain", nil)
	twin := map[string]string{"partner": l.twin(crm.Right, "a")}
	beside := l.goesRound(a, twin["partner"])
	l.refused(409, "not_frozen", "POST", own+"/unfreeze", map[string]string{"field": "city"})
	l.run("POST", own+"/unfreeze", map[string]string{"field": "title"})
	l.want(202, "DELETE", beside+"?confirm=Beside", nil, "If-Match", "*")
	for _, call := range []struct {
		name string
		body any
	}{
		{"sync", nil},
		{"unlink", nil},
		{"link", twin},
		{"resolve", map[string]any{"fields": map[string]string{"city": "left"}}},
	} {
		l.run("POST", own+"/"+call.name, call.body)
		l.refused(404, "not_found", "POST", l.con+"/syncs/none/records/left/"+a+"/"+call.name, call.body)
	}
	all := map[string]any{"filter": map[string]string{"state": "conflict"}, "choice": "left"}
	l.want(202, "POST", l.sync+"/records/resolve", all)
	l.refused(404, "not_found", "POST", l.con+"/syncs/none/records/resolve", all)
	l.walkLog(bad)
}

func (l *live) walkLog(bad string) {
	l.t.Helper()
	failed := each[engine.Entry](l, "/v1/log?event=failed")
	if len(failed) == 0 || string(failed[0].Record) != bad {
		l.t.Fatalf("failed: %+v", failed)
	}
	l.refused(404, "not_found", "GET", "/v1/log?connection=con_none", nil)
	l.want(200, "GET", "/v1/log/"+failed[0].ID, nil)
	l.refused(404, "not_found", "GET", "/v1/log/log_none", nil)
	l.want(200, "GET", "/v1/log.csv", nil)
	l.refused(404, "not_found", "GET", "/v1/log.csv?connection=con_none", nil)
	l.run("POST", "/v1/log/"+failed[0].ID+"/retry", nil)
	l.refused(404, "not_found", "POST", "/v1/log/log_none/retry", nil)
	l.want(202, "POST", "/v1/log/retry", nil)
	l.refused(404, "not_found", "POST", "/v1/log/retry?connection=con_none", nil)
	l.drain()
	l.want(200, "GET", "/v1/dead-letters", nil)
	l.refused(404, "not_found", "GET", "/v1/dead-letters?connection=con_none", nil)
	l.want(200, "POST", "/v1/dead-letters/redrive", nil)
	l.refused(404, "not_found", "POST", "/v1/dead-letters/redrive?connection=con_none", nil)
	l.refused(409, "not_halted", "POST", l.sync+"/deletions/confirm", nil)
	l.refused(409, "not_halted", "POST", l.sync+"/deletions/discard", nil)
	l.want(200, "GET", l.sync+"/held", nil)
	l.refused(409, "not_held", "POST", l.sync+"/held/title/release", nil)
	l.refused(404, "part_not_found", "POST", l.sync+"/held/none/release", nil)
	l.refused(404, "not_found", "GET", l.con+"/syncs/none/held", nil)
	for _, back := range []bool{false, true} {
		if err := drifts["read-only"].turn(l, back); err != nil {
			l.t.Fatal(err)
		}
		if !back {
			l.refreshed(0)
			continue
		}
		l.run("POST", l.sync+"/held/title/release", nil)
	}
	l.refused(409, "not_halted", "POST", l.sync+"/mappings/title/changes/confirm", nil)
	l.refused(409, "not_halted", "POST", l.sync+"/mappings/title/changes/discard", nil)
}

// walkHooks lets HubSpot call us, rightly and wrongly.
func (l *live) walkHooks() {
	l.t.Helper()
	var hooks struct {
		Items []struct {
			URL string `json:"url"`
		} `json:"items"`
	}
	l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
	l.refused(404, "not_found", "GET", "/v1/connections/con_none/webhooks", nil)
	deliver := func() {
		l.t.Helper()
		l.move(10 * time.Second)
		if _, err := l.hub.Core().Deliver(context.WithoutCancel(l.t.Context()), http.DefaultClient); err != nil {
			l.t.Fatal(err)
		}
	}
	a := l.twin(crm.Left, "a")
	l.hub.Core().SetWebhooks(fakekit.Webhooks{URL: hooks.Items[0].URL, Secret: hubspotfake.ClientSecret})
	l.edit(crm.Left, a, "city", "By hook")
	deliver()
	l.drain()
	if got := l.held(crm.Right, l.twin(crm.Right, "a"))["MailingCity"]; got != "By hook" {
		l.t.Errorf("a delivery was not worked: city %q", got)
	}
	l.hub.Core().SetWebhooks(fakekit.Webhooks{URL: hooks.Items[0].URL, Secret: "of somebody else"})
	l.edit(crm.Left, a, "city", "Forged")
	deliver()
	l.drain()
	if got := l.held(crm.Right, l.twin(crm.Right, "a"))["MailingCity"]; got != "By hook" {
		l.t.Errorf("a forged delivery was worked: city %q", got)
	}
	l.want(200, "POST", l.con+"/webhooks/rotate", nil)
	l.refused(404, "not_found", "POST", "/v1/connections/con_none/webhooks/rotate", nil)
	l.hub.Core().SetWebhooks(fakekit.Webhooks{})
}

// walkSurface switches the connection off and on, and halts it.
func (l *live) walkSurface() {
	l.t.Helper()
	a := l.twin(crm.Left, "a")
	l.patch(l.con, `{"enabled":false}`)
	l.refused(409, "switched_off", "POST", l.con+"/start", nil)
	l.edit(crm.Left, a, "city", "While off")
	l.patch(l.con, `{"enabled":true}`) // what was missed is looked at
	l.move(3 * time.Minute)
	l.drain()
	if got := l.held(crm.Right, l.twin(crm.Right, "a"))["MailingCity"]; got != "While off" {
		l.t.Errorf("switched on again, what was missed did not come: city %q", got)
	}
	l.want(200, "POST", l.con+"/pause", nil)
	l.want(202, "POST", l.con+"/start", nil)
	l.drain()

	names := []string{}
	for i := range 60 {
		who := "crowd" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		names = append(names, who)
		l.person(crm.Left, who)
	}
	l.pull()
	for _, call := range []struct {
		name   string
		status int
	}{{"discard", 200}, {"confirm", 202}} {
		l.titled(names, "Title of ")
		l.titled(names, "")
		if _, st := l.standing(); len(st.Changes) != 1 {
			l.t.Fatalf("before %s: %+v", call.name, st.Changes)
		}
		l.want(call.status, "POST", l.sync+"/mappings/title/changes/"+call.name, nil)
		l.drain()
	}
	l.vanish(names...)
	for _, call := range []struct {
		name   string
		status int
	}{{"discard", 200}, {"confirm", 202}} {
		l.begin("POST", l.sync+"/resync", nil)
		l.drain()
		if status, _ := l.standing(); status != crm.StatusHalted {
			l.t.Fatalf("before %s: %s", call.name, status)
		}
		l.want(call.status, "POST", l.sync+"/deletions/"+call.name, nil)
		l.drain()
	}
}

// walkEnd deletes what there is.
func (l *live) walkEnd() {
	l.t.Helper()
	l.refused(409, "account_in_use", "DELETE", "/v1/accounts/"+string(l.left), nil, "If-Match", "*")
	for _, c := range each[crm.Connection](l, "/v1/connections") {
		path := "/v1/connections/" + string(c.ID) + "?confirm="
		l.refused(400, "confirmation_required", "DELETE", path+"wrong", nil, "If-Match", "*")
		l.want(202, "DELETE", path+url.QueryEscape(c.Name), nil, "If-Match", "*")
	}
	l.drain()
	if left := each[crm.Connection](l, "/v1/connections"); len(left) != 0 {
		l.t.Errorf("left: %+v", left)
	}
	accounts := each[map[string]any](l, "/v1/accounts")
	if len(accounts) != 3 {
		l.t.Errorf("%d accounts, want 3: %v", len(accounts), slices.Collect(maps.Keys(accounts[0])))
	}
	for _, a := range accounts {
		l.want(204, "DELETE", "/v1/accounts/"+a["id"].(string), nil, "If-Match", "*")
	}
}
