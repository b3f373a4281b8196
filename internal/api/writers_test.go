package api

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/api/idempotency"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// between runs other, through a process of its own on the same store, while
// the request do is between what it read and its first write.
func (w *world) between(do func() reply, other func(http.Handler) reply) (first, second reply) {
	w.t.Helper()
	o := w.server.Options
	beside, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	var met atomic.Bool
	w.store.before.Store(func(store.Write) {
		if met.CompareAndSwap(false, true) {
			second = other(beside)
		}
	})
	first = do()
	w.store.before.Store(func(store.Write) {})
	if !met.Load() {
		w.t.Fatalf("nothing was written: %d %s", first.status, first.body)
	}
	return first, second
}

// TestConcurrentWriters lets a second writer, with the same ETag, finish between
// what the first one read and its first write: the first is refused, whatever
// it is about to change, and what the second wrote stays.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	confirmed := "?confirm=One"
	for name, c := range map[string]struct {
		target        string // "connection", "account" or an address
		method, body  string
		second        string // a merge patch
		wanted, shown string // a part of the resource afterwards
	}{
		"connection: PUT": {"connection", "PUT", "", `{"description":"second"}`, `"description":"second"`, ""},
		"connection: PATCH": {
			"connection", "PATCH", `{"description":"first"}`, `{"description":"second"}`, `"description":"second"`, "",
		},
		"connection: toggle": {
			"connection", "PATCH", `{"enabled":false}`, `{"description":"second"}`, `"enabled":true`,
			"",
		},
		"connection: accounts": {
			"connection", "PATCH", `{"default_country":"DE"}`, `{"name":"Second"}`, `"default_country":"US"`, "",
		},
		"connection: DELETE": {"connection", "DELETE", "", `{"description":"second"}`, `"status":"draft"`, confirmed},
		"account: PATCH":     {"account", "PATCH", `{"name":"First"}`, `{"name":"Second"}`, `"name":"Second"`, ""},
		"account: credentials": {
			"account", "PATCH", `{"credentials":{"kind":"token","token":"pat-9"}}`, `{"name":"Second"}`,
			`"name":"Second"`, "",
		},
		"account: DELETE":  {"account", "DELETE", "", `{"name":"Second"}`, `"name":"Second"`, ""},
		"workspace: PATCH": {"/v1/workspace", "PATCH", `{"name":"First"}`, `{"name":"Second"}`, `"name":"Second"`, ""},
		"workspace: other key": {
			"/v1/workspace", "PATCH", `{"log_days":70}`, `{"time_zone":"Europe/Berlin"}`, `"time_zone":"Europe/Berlin"`, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id, _ := w.connect("One")
			target := map[string]string{"connection": "/v1/connections/" + id}[c.target]
			switch c.target {
			case "account":
				free := w.must(201, "POST", "/v1/accounts",
					`{"app":"hubspot","name":"Free","credentials":{"kind":"token","token":"pat-3"}}`).json(t)
				target = "/v1/accounts/" + free["id"].(string)
			case "/v1/workspace":
				target = c.target
				w.must(200, "PATCH", target, `{"name":"Zero"}`, ifMatch("*"))
			}
			body := c.body
			if c.method == "PUT" {
				body = edit(t, w.document("One"), `"newest"`, `"left"`)
			}
			tag := w.must(200, "GET", target, "").header.Get("ETag")
			first, second := w.between(
				func() reply { return w.do(c.method, target+c.shown, body, ifMatch(tag)) },
				func(h http.Handler) reply { return w.on(h).do("PATCH", target, c.second, ifMatch(tag)) },
			)
			if second.status != http.StatusOK || first.status != http.StatusPreconditionFailed {
				t.Errorf("the first got %d, the second %d; want 412 and 200: %s", first.status, second.status, first.body)
			}
			if p := first.problem(t); p.Code != CodeStaleVersion {
				t.Errorf("the first was refused with %s", p.Code)
			}
			got := w.must(200, "GET", target, "")
			if !bytes.Contains(got.body, []byte(c.wanted)) {
				t.Errorf("the second's change is lost: %s", got.body)
			}
			if after := got.header.Get("ETag"); after != second.header.Get("ETag") || after == tag {
				t.Errorf("the version is %s, want the second's %s", after, second.header.Get("ETag"))
			}
		})
	}
}

// TestImportsReplaceWhatTheySaw: a file that names the version of a connection is
// refused when that one is gone or another; without a version it makes one.
func TestImportsReplaceWhatTheySaw(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, tag := w.connect("One")
	changed := edit(t, w.document("One"), `"newest"`, `"left"`)
	w.must(428, "POST", "/v1/connections/import", changed)
	w.must(412, "POST", "/v1/connections/import", changed, ifMatch(`"99"`))
	w.must(200, "POST", "/v1/connections/import", changed, ifMatch(tag))
	w.must(202, "DELETE", "/v1/connections/"+id+"?confirm=One", "", ifMatch("*"))
	if p := w.must(412, "POST", "/v1/connections/import", changed, ifMatch(tag)).problem(t); p.Code != CodeStaleVersion {
		t.Errorf("refused with %s", p.Code)
	}
	w.must(201, "POST", "/v1/connections/import", changed)
}

// TestAccountsAreNotDeletedUnderAConnection: a connection that comes to use an
// account while it is being deleted keeps it.
func TestAccountsAreNotDeletedUnderAConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	document := w.document("One")
	account := "/v1/accounts/" + string(w.left)
	first, second := w.between(
		func() reply { return w.do("DELETE", account, "", ifMatch("*")) },
		func(h http.Handler) reply { return w.on(h).do("POST", "/v1/connections", document) },
	)
	if second.status != http.StatusCreated || first.status != http.StatusConflict ||
		first.problem(t).Code != "account_in_use" {
		t.Errorf("got %d and %d: %s", first.status, second.status, first.body)
	}
	w.must(200, "GET", account, "")
}

// TestIdempotencyTellsRequestsApart: a key stands for one request: its query,
// path, body and caller. What is no POST takes no notice of it.
func TestIdempotencyTellsRequestsApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	one := w.must(201, "POST", "/v1/connections", w.document("One")).json(t)["id"].(string)
	two := w.must(201, "POST", "/v1/connections", emptyDocument(w, "Two")).json(t)["id"].(string)
	once := header("Idempotency-Key", "k")
	mismatch := func(r reply) {
		t.Helper()
		if p := r.problem(t); p.Code != idempotency.CodeMismatch || r.status != http.StatusUnprocessableEntity {
			t.Errorf("got %d %s, want a mismatch", r.status, p.Code)
		}
	}
	redrive := func(query string, options ...option) reply {
		return w.do("POST", "/v1/dead-letters/redrive"+query, "", append(options, once)...)
	}
	if r := redrive("?connection=" + one); r.status != http.StatusOK {
		t.Fatalf("got %d: %s", r.status, r.body)
	}
	if r := redrive("?connection=" + one); r.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repetition was carried out: %s", r.body)
	}
	mismatch(redrive("?connection=" + two))
	mismatch(redrive(""))
	mismatch(w.do("POST", "/v1/log/retry?connection="+one, "", once))
	mismatch(w.do("POST", "/v1/dead-letters/redrive?connection="+one, `{}`, once))
	admin := as(w.key(`{"name":"a","role":"admin"}`))
	if r := redrive("?connection="+two, admin); r.status != http.StatusOK || r.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("another caller's key is taken for the first's: %d %s", r.status, r.body)
	}
	if got := w.engine.called(); len(got) != 2 || got[0] != "redrive "+one || got[1] != "redrive "+two {
		t.Errorf("the engine was asked for %v", got)
	}
	for _, name := range []string{"first", "second"} { // the same key, no POST
		w.must(200, "PATCH", "/v1/connections/"+one, `{"description":"`+name+`"}`, ifMatch("*"), once)
	}
	if got := w.must(200, "GET", "/v1/connections/"+one, "", once); !bytes.Contains(got.body,
		[]byte(`"description":"second"`)) {
		t.Errorf("a change was not carried out: %s", got.body)
	}
	if r := redrive("?connection=" + one); r.header.Get("Idempotent-Replayed") != "true" {
		t.Error("what is no POST took the answer away")
	}
}

// TestIdempotencyAsksFirstWhoCalls: a right that has ended, and a key that has,
// are not helped by an answer that was given before.
func TestIdempotencyAsksFirstWhoCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.must(201, "POST", "/v1/keys", `{"name":"m","role":"member"}`).json(t)
	member, once := as(made["key"].(string)), header("Idempotency-Key", "k")
	id, _ := w.connect("One")
	pull := "/v1/connections/" + id + "/syncs/contacts/pull"
	w.must(202, "POST", pull, "", member, once)
	w.must(200, "PATCH", "/v1/connections/"+id, `{"access":{"mode":"roles","roles":["sales"]}}`, ifMatch("*"))
	w.must(403, "POST", pull, "", member, header("Idempotency-Key", "other"))
	w.must(204, "DELETE", "/v1/keys/"+made["id"].(string), "")
	w.must(401, "POST", pull, "", member, once)
}
