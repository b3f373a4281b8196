// Package written holds what a program says against what was written down of it:
// tests keep long answers in testdata, and -update writes them anew. Whoever does
// so reads the difference, which is what users will notice.
package written

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata anew: read in review what is said otherwise")

// Updating reports whether testdata is being written.
func Updating() bool { return *update }

// Check compares what is said with a file of testdata.
func Check(t testing.TB, name, said string) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(said), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file) //nolint:gosec // a name that a test gives
	if err != nil {
		t.Fatalf("nothing is written there yet, run with -update: %v", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(said, "\n")); diff != "" {
		t.Errorf("%s: said otherwise; if that is meant, run with -update and read the difference (-written +said):\n%s", file,
			diff)
	}
}
