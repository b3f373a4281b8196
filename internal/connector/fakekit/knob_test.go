package fakekit

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestKnobsRefuse(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	tests := map[string]struct{ method, path, body, want string }{
		"unknown key":     {"POST", "/_fake/fail", `{"state":500}`, "unknown field"},
		"trailing data":   {"POST", "/_fake/fail", `{"status":500} {}`, "data after"},
		"status":          {"POST", "/_fake/fail", `{"status":99}`, "between 200 and 599"},
		"duration":        {"PUT", "/_fake/lag", `{"lag":"soon"}`, "a duration is a text"},
		"rate":            {"PUT", "/_fake/webhooks", `{"drop":1.5}`, "between 0 and 1"},
		"url":             {"PUT", "/_fake/webhooks", `{"url":"ftp://x"}`, "http or https"},
		"people":          {"POST", "/_fake/seed", `{"people":0}`, "between 1 and"},
		"limits":          {"PUT", "/_fake/limits", `{"calls":1}`, "need a window"},
		"answer":          {"POST", "/_fake/answer", `{"kind":"fail"}`, "one of malformed"},
		"body not wanted": {"POST", "/_fake/tokens/expire", `{"x":1}`, "takes no body"},
		"unknown object":  {"GET", "/_fake/records/poems", ``, "there are notes"},
		"unknown record":  {"GET", "/_fake/records/notes/7", ``, "not found"},
		"unknown query":   {"GET", "/_fake/records/notes?first=1", ``, "unknown parameter"},
		"app's own rule":  {"POST", "/_fake/records/notes/1/restore", ``, "stay deleted"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body, err := call(t, d, tc.method, tc.path, tc.body)
			if err != nil || status != 400 && status != 404 || !strings.Contains(body, tc.want) {
				t.Errorf("got %d %s, error %v; want %q", status, body, err, tc.want)
			}
		})
	}
}

func TestOpenAPIDescribesEveryKnob(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	status, body, err := call(t, d, "GET", "/_fake/openapi.json", "")
	if status != 200 || err != nil {
		t.Fatal(status, err)
	}
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Summary, OperationID string
			Responses            map[string]any
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	ids := map[string]bool{}
	for _, k := range d.knobs {
		op, ok := doc.Paths[k.Path][strings.ToLower(k.Method)]
		if !ok || op.Summary == "" || op.Responses["200"] == nil || ids[op.OperationID] {
			t.Errorf("%s %s is not described properly: %+v", k.Method, k.Path, op)
		}
		ids[op.OperationID] = true
	}
}
