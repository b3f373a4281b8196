package api

import (
	"encoding/base64"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestPlacesInMergedListsAreOurs: a cursor over several lists says of each where
// it goes on; one that says what none of ours does is refused.
func TestPlacesInMergedListsAreOurs(t *testing.T) {
	t.Parallel()
	among := []crm.ConnectionID{"one", "two"}
	for text, want := range map[string]int{
		`[{"c":"one","s":1000},{"c":"two"}]`: 2,
		`[{"c":"one"},{"c":"one"}]`:          1,
		`[{"c":"gone"},{"c":"two"}]`:         1, // access may have been taken away since
		`[]`:                                 0,
		`[{"c":"one","s":-1}]`:               -1,
		`[{"c":"one","s":1001}]`:             -1,
		`[{"c":"gone","s":-1}]`:              -1,
		`{"c":"one"}`:                        -1,
		`no JSON`:                            -1,
	} {
		got, err := decodeSpots(base64.RawURLEncoding.EncodeToString([]byte(text)), among)
		if want < 0 {
			if p, ok := err.(*Problem); !ok || //nolint:errorlint // it is the surface's own, not wrapped
				p.Code != "cursor_malformed" {
				t.Errorf("%s is read as %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || len(got) != want {
			t.Errorf("%s is read as %v, %v; want %d places", text, got, err, want)
		}
	}
}

// TestPublicURL: the address by which we are reached is a scheme and a host.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"":                              true,
		"https://sync.example.com":      true,
		"https://sync.example.com/":     true,
		"http://localhost:8080":         true,
		"http://127.0.0.1":              true,
		"ftp://sync.example.com":        false,
		"sync.example.com":              false,
		"//sync.example.com":            false,
		"https://":                      false,
		"https://sync.example.com/base": false,
		"https://sync.example.com:x":    false,
		"http://%zz":                    false,
	} {
		f := &front{}
		if wrong := f.address(text); (wrong == "") != good || (f.public != nil) != (good && text != "") {
			t.Errorf("%q: said to be wrong: %q, kept as %v", text, wrong, f.public)
		}
	}
}

// TestAlternativesThatAreNowhere: an alternative whose schema nobody registered
// allows nothing, and does not stand in the way of the others.
func TestAlternativesThatAreNowhere(t *testing.T) {
	t.Parallel()
	nowhere := &huma.Schema{Ref: "#/components/schemas/Nowhere"}
	either := &huma.Schema{OneOf: []*huma.Schema{nowhere, {Type: huma.TypeString}}}
	c := &checker{schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)}
	if c.value(either, "", "text"); len(c.found) > 0 {
		t.Errorf("a text is refused: %+v", c.found)
	}
	if c.value(either, "", true); len(c.found) != 1 || c.found[0].Code != CodeWrongType {
		t.Errorf("a truth is no text: %+v", c.found)
	}
}
