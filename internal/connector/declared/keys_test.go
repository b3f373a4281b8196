package declared_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lockstep-crm/lockstep/internal/connector/declared"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestEveryKeyOtherwise leaves out each key of the model document, and puts there what is
// not meant to be: testdata has what the author is told.
func TestEveryKeyOtherwise(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	written.Check(t, "keys.txt", otherwise(t, doc))
}

// otherwise tells what comes of a document with each of its places otherwise.
func otherwise(t *testing.T, doc any) string {
	t.Helper()
	told := func() string {
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := declared.Parse("app.yaml", text); err != nil {
			parts := strings.Split(err.Error(), "\n")
			return strings.ReplaceAll(strings.Join(parts[:min(len(parts), 4)], " / "), "app.yaml:1: ", "")
		}
		return "taken"
	}
	if said := told(); said != "taken" {
		t.Fatalf("the document as it is: %s", said)
	}
	others := map[string]any{
		"null": nil, "7": 7, "words": "no such", "a list": []any{"x"}, "an object": map[string]any{"x": 1},
		"below zero": -1, "a pointer": "/x", "a place": "{nothing}",
	}
	var out strings.Builder
	var walk func(at string, v any, set func(any), drop func() func())
	walk = func(at string, v any, set func(any), drop func() func()) {
		alike := map[string][]string{}
		if back := drop(); back != nil {
			said := told()
			alike[said] = append(alike[said], "left out")
			back()
		}
		for _, name := range slices.Sorted(maps.Keys(others)) {
			set(others[name])
			said := told()
			alike[said] = append(alike[said], name)
		}
		if m, ok := v.(map[string]any); ok {
			set(v)
			m["nosuch"] = 1
			said := told()
			alike[said] = append(alike[said], "one key more")
			delete(m, "nosuch")
		}
		set(v)
		for _, said := range slices.Sorted(maps.Keys(alike)) {
			fmt.Fprintf(&out, "%s, %s: %s\n", at, strings.Join(alike[said], ", "), said)
		}
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(at+"."+k, v[k], func(x any) { v[k] = x }, func() func() {
					old := v[k]
					delete(v, k)
					return func() { v[k] = old }
				})
			}
		case []any:
			for i := range min(len(v), 3) {
				walk(at+"["+strconv.Itoa(i)+"]", v[i], func(x any) { v[i] = x }, func() func() { return nil })
			}
		}
	}
	root := doc.(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(root)) {
		walk(k, root[k], func(x any) { root[k] = x }, func() func() {
			old := root[k]
			delete(root, k)
			return func() { root[k] = old }
		})
	}
	return out.String()
}
