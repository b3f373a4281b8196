package apps_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestWith: a folder's documents come to the apps, one takes the place of the program's
// own, and what is wrong with any of them is told at once.
func TestWith(t *testing.T) {
	t.Parallel()
	model, err := os.ReadFile("../declared/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	as := func(id string) *fstest.MapFile {
		return file(strings.Replace(string(model), "id: example", "id: "+id, 1))
	}
	own := len(apps.Drivers())
	for name, c := range map[string]struct {
		folder fs.FS
		more   int
		wants  []string
	}{
		"empty": {fstest.MapFS{}, 0, nil},
		"other files": {
			fstest.MapFS{"readme.md": file("x"), "example.yaml.bak": file("x"), "sub/x.yaml": file("x")},
			0, nil,
		},
		"one":       {fstest.MapFS{"example.yaml": as("example")}, 1, nil},
		"two":       {fstest.MapFS{"example.yaml": as("example"), "other.yaml": as("other")}, 2, nil},
		"no folder": {os.DirFS("/nowhere/at/all"), 0, nil},
		"of another name": {
			fstest.MapFS{"x.yaml": as("example")}, 0, []string{
				"x.yaml: the file of the app example has to be called example.yaml",
			},
		},
		"of a connector": {
			fstest.MapFS{"hubspot.yaml": as("hubspot")}, 0, []string{"hubspot is a connector of the program"},
		},
		"two that are broken": {
			fstest.MapFS{"a.yaml": file("a: b"), "b.yaml": file("[")}, 0, []string{
				"a.yaml:1: a: there is no such key", "b.yaml:1: this is no YAML",
			},
		},
	} {
		drivers, err := apps.With(c.folder)
		if c.wants == nil {
			if err != nil || len(drivers) != own+c.more {
				t.Errorf("%s: %d apps, %v, want %d", name, len(drivers), err, own+c.more)
			}
			continue
		}
		for _, want := range c.wants {
			if fault.CodeOf(err) != connector.CodeConfig || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
}
