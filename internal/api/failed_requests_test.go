package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestFailedRequestsAreFoundInTheLog: what a person is shown of a failure leads
// to its line in the log, over HTTP: the ID in the answer's header and body, the
// source, the caller's ID, the pattern of the route and why; never the key.
func TestFailedRequestsAreFoundInTheLog(t *testing.T) {
	t.Parallel()
	// "planted" is a request that finds the engine in that trouble.
	const planted = "planted"
	w := newWorld(t, func(o *Options) {
		o.Budgets = NewBudgets([spendings]Share{
			Requests: {time.Hour, 30}, AppCalls: {time.Hour, 1}, Readings: {time.Hour, 1}, Streams: {0, 1}, Exports: {0, 1},
		}, o.Now)
	})
	id, _ := w.connect("One")
	key := func(body string) (id, token string) {
		k := w.must(201, "POST", "/v1/keys", body).json(t)
		return k["id"].(string), k["key"].(string)
	}
	viewer, viewerToken := key(`{"name":"v","role":"viewer"}`)
	spent, spentToken := key(`{"name":"s","role":"admin"}`)
	for range 30 {
		w.must(200, "GET", "/v1/health", "", as(spentToken))
		w.do("GET", "/v1/codes", "", as(spentToken))
	}
	server := httptest.NewServer(w.handler)
	defer server.Close()
	patient := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	defer patient.CloseIdleConnections()
	wanted := map[any]map[string]any{} // lines by ID
	const jsonMedia, start = "application/json", "POST /v1/connections/{id}/start"
	for name, c := range map[string]struct {
		method, target, token, media, body string
		trouble                            func(context.Context) error
		status                             int
		caller, route, code                string
	}{
		"no token":    {"GET", "/v1/codes", "", "", "", nil, 401, "-", "GET /v1/codes", access.CodeUnauthorized},
		"wrong token": {"GET", "/v1/codes", "lsk_wrong", "", "", nil, 401, "-", "GET /v1/codes", access.CodeUnauthorized},
		"role":        {"GET", "/v1/keys", viewerToken, "", "", nil, 403, viewer, "GET /v1/keys", CodeRoleTooLow},
		"share spent": {"GET", "/v1/codes", spentToken, "", "", nil, 429, spent, "GET /v1/codes", CodeShareSpent},
		"unknown ID": {
			"GET", "/v1/connections/con_0", viewerToken, "", "", nil, 404, viewer, "GET /v1/connections/{id}",
			CodeNotFound,
		},
		"nonsense ID": {
			"GET", "/v1/connections/" + strings.Repeat("x", 3000), viewerToken, "", "", nil, 404, viewer,
			"GET /v1/connections/{id}", CodeNotFound,
		},
		"no route": {"GET", "/v1/nothing", viewerToken, "", "", nil, 404, "-", "-", CodeNotFound},
		"method":   {"DELETE", "/v1/codes", viewerToken, "", "", nil, 405, "-", "-", CodeMethodNotAllowed},
		"address": {
			"GET", "/v1/log?limit=1&limit=2", viewerToken, "", "", nil, 400, "-", "GET /v1/log", CodeBadAddress,
		},
		"parameter": {
			"GET", "/v1/log?limit=x", viewerToken, "", "", nil, 400, viewer, "GET /v1/log", CodeInvalidParameter,
		},
		"document": {
			"POST", "/v1/connections", operatorKey, jsonMedia, `{"name":1}`, nil, 400, "operator",
			"POST /v1/connections", CodeWrongType,
		},
		"media type": {
			"POST", "/v1/connections", operatorKey, "text/plain", `{}`, nil, 415, "operator", "POST /v1/connections",
			CodeBadMediaType,
		},
		"too large": {
			"POST", "/v1/connections", operatorKey, jsonMedia, strings.Repeat(" ", maxBody+1), nil, 413,
			"operator", "POST /v1/connections", CodeBodyTooLarge,
		},
		"precondition": {
			"DELETE", "/v1/connections/" + id + "?confirm=One", operatorKey, "", "", nil, 428, "operator",
			"DELETE /v1/connections/{id}", CodePrecondition,
		},
		"unknown hook": {"POST", "/hooks/nobody", "", jsonMedia, `[]`, nil, 404, "-", "POST /hooks/{token}", CodeNotFound},
		"an app is away": {
			"POST", "/v1/connections/" + id + "/start", operatorKey, "", "", fails(fault.Unavailable), 503,
			"operator", start, "unavailable",
		},
		"a mistake of us": {
			"POST", "/v1/connections/" + id + "/start", operatorKey, "", "", fails(fault.Other), 500,
			"operator", start, "other",
		},
		"a panic": {
			"POST", "/v1/connections/" + id + "/start", operatorKey, "", "", func(context.Context) error { panic(planted) }, 500,
			"operator", start, CodeInternal,
		},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // one trouble at a time
			w.engine.startOK = c.trouble
			req, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.target, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", c.media)
			if len(c.body) > maxBody { // the answer comes before the body is sent, or the end of the connection may hide it
				req.Header.Set("Expect", "100-continue")
			}
			if c.token != "" {
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			resp, err := patient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			var p Problem
			if err := json.Unmarshal(body, &p); err != nil || resp.StatusCode != c.status || p.Code != c.code {
				t.Fatalf("%d %s, want %d %s", resp.StatusCode, body, c.status, c.code)
			}
			if p.RequestID == "" || p.RequestID != resp.Header.Get("X-Request-Id") {
				t.Errorf("the body names %q, the header %q", p.RequestID, resp.Header.Get("X-Request-Id"))
			}
			wanted[p.RequestID] = map[string]any{
				"source": "127.0.0.1", "caller": c.caller, "route": c.route, "method": c.method, "status": float64(c.status),
				"code": c.code,
			}
		})
	}
	server.Close() // a line is written when its answer has left
	for text := range strings.Lines(w.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		want, ok := wanted[line["request_id"]]
		if !ok || line["msg"] != "request" {
			continue
		}
		for k, v := range want {
			if line[k] != v {
				t.Errorf("the log says %s = %v, want %v: %s", k, line[k], v, text)
			}
		}
		delete(wanted, line["request_id"])
	}
	if len(wanted) > 0 {
		t.Errorf("not in the log: %v", wanted)
	}
	for _, hidden := range []string{viewerToken, spentToken, operatorKey, "lsk_wrong", planted, "con_0", "xxx"} {
		if strings.Contains(w.log.String(), hidden) {
			t.Errorf("the log holds %q", hidden)
		}
	}
}

func fails(kind fault.Kind) func(context.Context) error {
	return func(context.Context) error { return fault.New("test: start", kind, "", "") }
}
