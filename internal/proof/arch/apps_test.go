package arch

import (
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOneListOfApps: the programs' list of apps, the list of fakes and the rules
// name the same ones, each has its page, and no folder of a connector is in none.
func TestOneListOfApps(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "connector")
	imported := func(file string, app func(string) (string, bool)) []string {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, i := range parsed.Imports {
			below, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`),
				"github.com/lockstep-crm/lockstep/internal/connector/")
			if name, isApp := app(below); ok && isApp {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out
	}
	listed := imported("apps/apps.go", func(p string) (string, bool) { return p, "internal/connector/"+p != documents })
	faked := imported("fakes/fakes.go", func(p string) (string, bool) {
		return path.Dir(p), p == path.Dir(p)+"/"+path.Dir(p)+"fake"
	})
	if !slices.Equal(listed, apps) || !slices.Equal(faked, apps) {
		t.Errorf("the programs know %q, the fakes are of %q, the rules are for %q", listed, faked, apps)
	}
	folders, err := filepath.Glob(filepath.Join(root, "*", "*fake"))
	folders = slices.DeleteFunc(folders, func(f string) bool { return path.Base(filepath.Dir(f)) == path.Base(documents) })
	if err != nil || len(folders) != len(apps) {
		t.Errorf("%d folders have a fake, %d apps are listed, %v", len(folders), len(apps), err)
	}
	for _, app := range apps {
		if _, err := os.Stat(filepath.Join("..", "..", "..", "docs", "apps", app+".md")); err != nil {
			t.Errorf("%s has no page: %v", app, err)
		}
	}
}
