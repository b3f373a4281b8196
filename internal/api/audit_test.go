package api

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/api/idempotency"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestX12_ChangesAreAudited makes each kind of change and looks for its entry.
func TestX12_ChangesAreAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, tag := w.connect("One")
	w.must(200, "PATCH", "/v1/connections/"+id, `{"description":"quiet"}`, ifMatch(tag))
	w.must(202, "POST", "/v1/connections/"+id+"/start", "")
	w.must(400, "PATCH", "/v1/connections/"+id,
		`{"description":"loud","notify":{"enabled":true,"user":"anna.schmidt@example.com","webhook":"https://hooks.example.com/T0PSECRET"}}`, ifMatch("*"))
	w.must(200, "POST", "/v1/connections/"+id+"/pause", "")
	w.must(200, "PATCH", "/v1/accounts/"+string(w.left),
		`{"name":"Renamed","credentials":{"kind":"token","token":"N3WSECRET"}}`, ifMatch("*"))
	w.must(200, "PATCH", "/v1/workspace", `{"log_days":100}`, ifMatch("*"))
	key := w.must(201, "POST", "/v1/keys",
		`{"name":"robot","role":"member","user":{"email":"bob.meier@example.com"}}`).json(t)
	w.must(204, "DELETE", "/v1/keys/"+key["id"].(string), "")
	w.must(201, "POST", "/v1/workspaces", `{"name":"W"}`)
	w.must(202, "DELETE", "/v1/connections/"+id+"?confirm=One", "", ifMatch("*"))
	w.must(412, "PATCH", "/v1/connections/"+id, `{}`, ifMatch(`"1"`))

	entries := w.audited()
	var actions []string
	for _, e := range entries {
		if e.Actor.Key != "operator" || e.Time.IsZero() || e.Request == "" || e.Target == "" {
			t.Errorf("incomplete: %+v", e)
		}
		actions = append(actions, e.Action)
	}
	want := "account.create account.create connection.create connection.update connection.start connection.pause " +
		"account.update workspace.update key.create key.delete workspace.create connection.delete"
	if got := strings.Join(actions, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	update := entries[3]
	found := map[string]string{}
	for _, c := range update.Changes {
		found[c.Pointer] = string(c.Before) + " -> " + string(c.After)
	}
	if found["/description"] != `"" -> "quiet"` {
		t.Errorf("%v", found)
	}
	raw := w.must(200, "GET", "/v1/audit?limit=200", "").body
	for _, hidden := range []string{"anna.schmidt", "bob.meier", "T0PSECRET", "N3WSECRET", "pat-1", key["key"].(string)} {
		if strings.Contains(string(raw), hidden) {
			t.Errorf("the audit trail holds %q", hidden)
		}
	}
}

// audited reads the whole trail, oldest first, page by page.
func (w *world) audited() []access.AuditEntry {
	w.t.Helper()
	var out []access.AuditEntry
	for cursor := ""; ; {
		var page struct {
			Items []access.AuditEntry
			Next  string
		}
		if err := json.Unmarshal(w.must(200, "GET", "/v1/audit?limit=3&cursor="+cursor, "").body, &page); err != nil {
			w.t.Fatal(err)
		}
		for _, e := range page.Items {
			out = append([]access.AuditEntry{e}, out...)
		}
		if cursor = page.Next; cursor == "" {
			return out
		}
	}
}

// TestX12_FailedChangesSaySo fails a change after it was announced.
func TestX12_FailedChangesSaySo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	w.engine.startOK = func(context.Context) error { return fault.New("test: start", fault.Conflict, "busy", "not now") }
	w.must(409, "POST", "/v1/connections/"+id+"/start", "")
	entries := w.audited()
	announced, failed := entries[len(entries)-2], entries[len(entries)-1]
	if failed.Action != "connection.start" || !failed.Failed || failed.Refers != announced.ID || failed.Comment != "busy" {
		t.Errorf("%+v", failed)
	}
}

// TestIdempotency repeats requests with and without the same body, key and caller.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	once := header("Idempotency-Key", "k-1")
	body := `{"name":"robot","role":"viewer"}`
	first := w.must(201, "POST", "/v1/keys", body, once)
	again := w.must(201, "POST", "/v1/keys", body, once)
	if string(first.body) != string(again.body) || again.header.Get("Idempotent-Replayed") != "true" ||
		again.header.Get("Content-Type") != first.header.Get("Content-Type") {
		t.Errorf("the answers differ:\n%s\n%s", first.body, again.body)
	}
	keys := w.must(200, "GET", "/v1/keys", "").json(t)["items"].([]any)
	if len(keys) != 1 {
		t.Errorf("%d keys, want 1", len(keys))
	}
	if p := w.must(422, "POST", "/v1/keys", `{"name":"other","role":"viewer"}`,
		once).problem(t); p.Code != idempotency.CodeMismatch {
		t.Errorf("%+v", p)
	}
	w.must(422, "POST", "/v1/workspaces", `{"name":"x"}`, once)
	admin := w.key(`{"name":"a","role":"admin"}`)
	w.must(201, "POST", "/v1/keys", body, once, as(admin)) // another caller's key is another key
	w.must(400, "POST", "/v1/keys", body, header("Idempotency-Key", strings.Repeat("x", 256)))
	w.must(400, "POST", "/v1/keys", body, header("Idempotency-Key", "ü"))

	page, err := w.store.Query(t.Context(), store.Query{
		Table: store.Settings, Workspace: DefaultWorkspace, Partition: "idempotency",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		if strings.Contains(string(item.Data), "lsk_") || item.Expires.IsZero() {
			t.Errorf("an answer is kept in the clear or for ever: %s", item.Data)
		}
	}
	w.clock.Advance(25 * time.Hour)
	if r := w.must(201, "POST", "/v1/keys", body, once); r.header.Get("Idempotent-Replayed") != "" {
		t.Error("the answer was kept for more than a day")
	}
}

// TestIdempotencyWhileRunning repeats a request before it is answered, and
// after it failed.
func TestIdempotencyWhileRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	entered, leave := make(chan struct{}), make(chan struct{})
	var open sync.Once
	w.engine.startOK = func(context.Context) error {
		open.Do(func() { close(entered) })
		<-leave
		return fault.New("test: start", fault.Unavailable, "", "down")
	}
	start := func(status int) {
		w.must(status, "POST", "/v1/connections/"+id+"/start", "", header("Idempotency-Key", "s"))
	}
	done := make(chan struct{})
	go func() { defer close(done); start(503) }()
	<-entered
	if p := w.must(409, "POST", "/v1/connections/"+id+"/start", "",
		header("Idempotency-Key", "s")).problem(t); p.Code != idempotency.CodeRunning {
		t.Errorf("%+v", p)
	}
	close(leave)
	<-done
	w.engine.startOK = nil
	start(202) // our own trouble is not remembered
}

// TestStoredKeysAreHashes looks for a token in everything that is stored.
func TestStoredKeysAreHashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.key(`{"name":"a","role":"admin"}`)
	if len(token) < len("lsk_")+27 { // 160 bits in base64
		t.Errorf("the token %d is too short", len(token))
	}
	if strings.Contains(w.stored(), token) {
		t.Error("the token is stored")
	}
	w.must(200, "GET", "/v1/keys", "", as(token))
	id := w.must(200, "GET", "/v1/keys", "", as(token)).json(t)["items"].([]any)[0].(map[string]any)["id"].(string)
	w.must(204, "DELETE", "/v1/keys/"+id, "", as(token))
	p := w.must(401, "GET", "/v1/keys", "", as(token)).problem(t)
	if p.Code != access.CodeUnauthorized {
		t.Errorf("%+v", p)
	}
}
