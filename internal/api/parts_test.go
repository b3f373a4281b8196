package api

import "testing"

// TestPartsOfPointers: a pointer leads into one mapping, rule or step, or one
// field of a stamp.
func TestPartsOfPointers(t *testing.T) {
	t.Parallel()
	for pointer, want := range map[string]string{
		"":                              "",
		"/mappings":                     "/mappings",
		"/mappings/3":                   "/mappings/3",
		"/mappings/3/left/0":            "/mappings/3",
		"/rules/0/filter/all/1/field":   "/rules/0",
		"/match":                        "/match",
		"/match/0/pairs/1/0":            "/match/0",
		"/match/to_right":               "/match/to_right",
		"/match/to_right/1/pairs/0":     "/match/to_right/1",
		"/match/to_left/1/verify/0/1":   "/match/to_left/1",
		"/stamp/to_right":               "/stamp/to_right",
		"/stamp/to_left/Source":         "/stamp/to_left/Source",
		"/stamp/to_left/Source/further": "/stamp/to_left/Source",
	} {
		if got := partOf(pointer); got != want {
			t.Errorf("%s: %s, want %s", pointer, got, want)
		}
	}
}
