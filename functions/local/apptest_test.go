package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/declared/vendorsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

const exampleDocument = "../../internal/connector/declared/example.yaml"

// TestAppTestTriesADocument: each check says what it saw, the key comes from the
// environment or a file, nothing is left in the app, and what a document has wrong
// is told and fails the command.
func TestAppTestTriesADocument(t *testing.T) {
	t.Parallel()
	fake := vendorsfake.Example(fakekit.Config{Now: time.Now})
	if _, err := fake.Core().CreateRecord("people", map[string]string{"last_name": "Somebody"}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(fake)
	defer server.Close()
	text, err := os.ReadFile(exampleDocument)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	edited := func(from, to string) string {
		if !strings.Contains(string(text), from) {
			t.Fatalf("the document has no %q", from)
		}
		return file("edited.yaml", strings.Replace(string(text), from, to, 1))
	}
	alive := func() (n int) {
		for _, r := range fake.Core().Records("people") {
			if !r.Deleted {
				n++
			}
		}
		return n
	}
	key := map[string]string{"LOCKSTEP_APP_API_KEY": vendorsfake.ExampleKey}
	for name, x := range map[string]struct {
		document string
		args     []string
		env      map[string]string
		exit     int
		says     []string
	}{
		"with a key of the environment": {exampleDocument, nil, key, 0, []string{
			"ok    account       Example CRM Sample w-31", "ok    fields ", "ok    list          1 records",
			"ok    create ", "ok    read back ", "ok    update ",
			"ok    clear ", "ok    find ", "ok    list changes ", "ok    delete ", "11 checks passed, 0 not made",
		}},
		"with a key of a file": {
			exampleDocument,
			[]string{"--credentials", file("key.yaml", "api_key: "+vendorsfake.ExampleKey)},
			nil, 0,
			[]string{"11 checks passed"},
		},
		"without a key": {exampleDocument, nil, nil, 2, []string{"api_key is missing", "LOCKSTEP_APP_API_KEY"}},
		"with a key that is none": {
			exampleDocument, nil,
			map[string]string{"LOCKSTEP_APP_API_KEY": "wrong"},
			1,
			[]string{"FAIL  account ", "1 of 1 checks failed"},
		},
		"with a listing elsewhere": {
			edited("list:\n      get: /v1/people", "list:\n      get: /v1/persons"), nil, key, 1,
			[]string{"FAIL  list ", "-     list changes  not made", "ok    delete "},
		},
		"with an update that says it elsewhere": {
			edited(`{patch: "/v1/people/{id}", into: /person`, `{patch: "/v1/people/{id}", into: /human`),
			nil, key, 1,
			[]string{"FAIL  update ", "ok    delete "},
		},
		"of another object": {
			exampleDocument,
			[]string{"--object", "deals"},
			key, 2,
			[]string{"--object: the document has no deals; it has people"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := alive()
			var said bytes.Buffer
			w := &world{out: &said, err: &said, env: func(k string) string { return x.env[k] }}
			args := append([]string{
				"app", "test", x.document, "--base-url", server.URL,
				"--allow-host", strings.TrimPrefix(server.URL, "http://"), "--wait", "10s",
			}, x.args...)
			if exit := run(t.Context(), args, w); exit != x.exit {
				t.Errorf("exit code %d, want %d", exit, x.exit)
			}
			for _, want := range x.says {
				if !strings.Contains(said.String(), want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if t.Failed() {
				t.Log(said.String())
			}
			if strings.Contains(said.String(), vendorsfake.ExampleKey) {
				t.Error("it tells the key")
			}
			if n := alive(); n != before {
				t.Errorf("the app holds %d people, it held %d", n, before)
			}
		})
	}
}
