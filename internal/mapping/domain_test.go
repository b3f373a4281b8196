package mapping

import (
	"testing"

	"pgregory.net/rapid"
)

// What the short way takes must be what IDNA answers.
func TestPlainDomainsAreLeftAloneByIDNA(t *testing.T) {
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`([a-z0-9-]{1,6}|xn--[a-z0-9]{1,5}|[a-zA-Z0-9_ü]{1,4}|[a-z]{62,64})(\.[a-z0-9-]{0,6}){0,3}`).Draw(t, "domain")
		if !plainDomain(s) {
			return
		}
		taken++
		if got, err := domains.ToASCII(s); err != nil || got != s {
			t.Fatalf("%q: IDNA says %q, %v", s, got, err)
		}
	})
	if taken == 0 {
		t.Error("no domain took the short way")
	}
}
