package reconcile

import (
	"flag"
	"os"
	"testing"
)

// TestMain draws more situations than rapid does by itself: the settings alone
// have more combinations than a hundred draws would meet. -rapid.checks still
// decides when it is given.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "250"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
