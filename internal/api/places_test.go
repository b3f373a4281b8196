package api

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestPlacesOfDocuments: every place of a decoded document is found, the first of a list,
// too, and none is made up.
func TestPlacesOfDocuments(t *testing.T) {
	t.Parallel()
	doc := map[string]any{"a": []any{"first", "second", map[string]any{"b": "deep"}}, "c": "text"}
	for pointer, want := range map[string]any{
		"/a/0": "first", "/a/1": "second", "/a/2/b": "deep", "/c": "text",
		"/a/-1": nil, "/a/3": nil, "/a/x": nil, "/c/d": nil, "/none": nil, "/none/0": nil,
	} {
		if got := valueAt(doc, pointer); got != want {
			t.Errorf("%s holds %v, want %v", pointer, got, want)
		}
	}
	if hasMapping(nil, "email") || hasMapping(&crm.Sync{}, "email") ||
		!hasMapping(&crm.Sync{Mappings: []crm.Mapping{{ID: "email"}}}, "email") {
		t.Error("a sync has the mappings that it has, and one that is gone has none")
	}
}
