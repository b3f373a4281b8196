package api

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// shares of the tests: few, and growing back by the test's clock.
func few(o *Options) {
	o.Budgets = NewBudgets([spendings]Share{
		Requests: {time.Second, 20}, AppCalls: {time.Minute, 2}, Readings: {time.Hour, 1}, Streams: {0, 1}, Exports: {0, 1},
	}, o.Now)
}

// TestX15_SharesOfCallers: who spends a share is refused until it has grown
// back, told how long that takes, and nobody else notices.
func TestX15_SharesOfCallers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, few)
	viewer := w.key(`{"name":"v","role":"viewer"}`)
	other := w.key(`{"name":"o","role":"viewer"}`)
	refused := 0
	for range 50 {
		r := w.do("GET", "/v1/codes", "", as(viewer))
		if r.status == http.StatusTooManyRequests {
			if refused++; r.problem(t).Code != CodeShareSpent || r.header.Get("Retry-After") != "1" {
				t.Fatalf("%s, Retry-After %q", r.body, r.header.Get("Retry-After"))
			}
		} else if r.status != http.StatusOK {
			t.Fatalf("%d: %s", r.status, r.body)
		}
	}
	if refused != 30 {
		t.Errorf("%d of 50 requests were refused, want 30", refused)
	}
	w.must(200, "GET", "/v1/codes", "", as(other))
	w.clock.Advance(time.Second)
	w.must(200, "GET", "/v1/codes", "", as(viewer))
	w.must(429, "GET", "/v1/codes", "", as(viewer))

	id, _ := w.connect("Plans")
	w.must(202, "POST", "/v1/connections/"+id+"/syncs/contacts/plans", "")
	r := w.must(429, "POST", "/v1/connections/"+id+"/syncs/contacts/resync", "")
	if after, _ := strconv.Atoi(r.header.Get("Retry-After")); after != 3600 {
		t.Errorf("Retry-After %s", r.header.Get("Retry-After"))
	}
}

// TestX15_AppCallsOfCallers: refreshing a schema costs a call of the caller's
// share; a viewer has none, and is answered from what was read.
func TestX15_AppCallsOfCallers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, few)
	ask := func(who access.Role) error {
		ctx := w.server.spending(t.Context(), access.Principal{Workspace: "default", Key: string(who), Role: who})
		return connector.Allowed(ctx)
	}
	for range 3 {
		if err := ask(access.Viewer); problemOf(err).Status != http.StatusForbidden {
			t.Errorf("a viewer's call to an app: %v", err)
		}
	}
	for i, want := range []bool{true, true, false} {
		err := ask(access.Member)
		if (err == nil) != want {
			t.Errorf("call %d of a member: %v", i+1, err)
		}
		if err != nil && (problemOf(err).Status != http.StatusTooManyRequests ||
			problemOf(err).header.Get("Retry-After") != "60") {
			t.Errorf("%+v", problemOf(err))
		}
	}
	if err := ask(access.Admin); err != nil {
		t.Errorf("another caller: %v", err)
	}
}

// TestX18_StreamsEnd: a caller has one stream open and no second one, and it ends
// soon after its key.
func TestX18_StreamsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, few)
	id, _ := w.connect("Streams")
	run := string(w.engine.run("default", crm.ConnectionID(id), "contacts", engine.RunPlan).ID)
	key := w.must(201, "POST", "/v1/keys", `{"name":"s","role":"viewer"}`).json(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	open := func() *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/runs/"+run+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key["key"].(string))
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	first := open()
	defer func() { _ = first.Body.Close() }() // read to its end
	second := open()
	_ = second.Body.Close()
	if first.StatusCode != http.StatusOK || second.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("%d, %d", first.StatusCode, second.StatusCode)
	}
	w.must(204, "DELETE", "/v1/keys/"+key["id"].(string), "")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(first.Body); lines.Scan(); {
		}
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the stream of a deleted key goes on")
	}
}

// TestBudgetsForgetIdleCallers: many keys cost a bounded amount of memory, and
// who has something open is not forgotten.
func TestBudgetsForgetIdleCallers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := NewBudgets(DefaultShares, func() time.Time { now = now.Add(time.Millisecond); return now })
	busy := access.Principal{Key: "busy"}
	release, ok := b.Hold(busy, Streams)
	if !ok {
		t.Fatal("refused")
	}
	for i := range maxCallers + 100 {
		b.Take(access.Principal{Key: strconv.Itoa(i)}, Requests)
	}
	if len(b.callers) > maxCallers {
		t.Errorf("%d callers are kept", len(b.callers))
	}
	if b.callers[callerID{key: strconv.Itoa(maxCallers + 99)}] == nil ||
		b.callers[callerID{key: strconv.Itoa(200)}] == nil || b.callers[callerID{key: "0"}] != nil {
		t.Error("it is not the longest idle that is forgotten")
	}
	if b.callers[callerID{key: "busy"}] == nil {
		t.Error("who has a stream open was forgotten")
	}
	release()
	release()
	if n := b.callers[callerID{key: "busy"}].open[Streams]; n != 0 {
		t.Errorf("%d streams open", n)
	}
}

// TestX15_FailedLogins: a source that shows wrong tokens is asked to wait and
// costs no look-up, is in the log each time, and keeps nobody out who was let in
// lately, or who comes from elsewhere.
func TestX15_FailedLogins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, few)
	good := w.key(`{"name":"v","role":"viewer"}`)
	fresh := w.key(`{"name":"f","role":"viewer"}`)
	w.must(200, "GET", "/v1/codes", "", as(good))
	refused := 0
	for i := range 100 {
		r := w.do("GET", "/v1/codes", "", as("lsk_wrong-"+strconv.Itoa(i)))
		if r.status == http.StatusTooManyRequests {
			if refused++; r.problem(t).Code != CodeLoginsSpent || r.header.Get("Retry-After") == "" {
				t.Fatalf("%s", r.body)
			}
		} else if r.status != http.StatusUnauthorized {
			t.Fatalf("%d: %s", r.status, r.body)
		}
	}
	if refused != 100-failBurst {
		t.Errorf("%d of 100 were asked to wait, want %d", refused, 100-failBurst)
	}
	if n := strings.Count(w.log.String(), `"msg":"login refused"`); n != failBurst ||
		!strings.Contains(w.log.String(), `"source":"192.0.2.1"`) {
		t.Errorf("%d are in the log with their source, want %d", n, failBurst)
	}
	if strings.Contains(w.log.String(), "lsk_wrong") {
		t.Error("a token is in the log")
	}
	w.must(200, "GET", "/v1/codes", "", as(good))
	w.must(429, "GET", "/v1/codes", "", as(fresh)) // not let in before: it cannot be told from a guess without a look-up
	w.must(200, "GET", "/v1/codes", "", as(fresh), func(r *http.Request) { r.RemoteAddr = "192.0.2.2:1" })
	reads := w.store.gets.Load()
	for range 20 {
		w.must(401, "GET", "/v1/codes", "", as("lsk_wrong-1"))
		w.must(401, "GET", "/v1/codes", "", as(""))
	}
	if n := w.store.gets.Load() - reads; n != 0 {
		t.Errorf("20 tokens known to be wrong, and 20 requests without one, cost %d look-ups", n)
	}
	w.clock.Advance(failEvery)
	w.must(401, "GET", "/v1/codes", "", as("lsk_wrong"))
}
