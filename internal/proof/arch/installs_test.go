package arch

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var install = regexp.MustCompile(`\b(npm (ci|i|install)|pip3? install)\b`)

// TestInstallsAreExact: npm runs no script of a package and takes what the lock
// file says, pip takes no archive whose hash is not in the list.
func TestInstallsAreExact(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, pattern := range []string{"Makefile", "*/*.mk", ".ci/run", "scripts/*/*.sh", "scripts/*/*/fetch"} {
		files, err := filepath.Glob(filepath.Join("../../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			for lines, n := bufio.NewScanner(f), 1; lines.Scan(); n++ {
				line := lines.Text()
				m := install.FindString(line)
				if m == "" || strings.HasPrefix(strings.TrimSpace(line), "#") {
					continue
				}
				seen++
				switch {
				case strings.HasPrefix(m, "pip") && !strings.Contains(line, "--require-hashes"):
					t.Errorf("%s:%d installs what has no hash: %s", file, n, line)
				case strings.HasPrefix(m, "npm") && (m != "npm ci" || !strings.Contains(line, "--ignore-scripts")):
					t.Errorf("%s:%d runs packages' scripts, or takes other versions than the lock file's: %s", file, n, line)
				}
			}
			_ = f.Close() // read only
		}
	}
	if seen < 5 {
		t.Errorf("only %d installs were found", seen)
	}
}
