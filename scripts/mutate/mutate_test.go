package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSites plants in a small package and looks at what comes out.
func TestSites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src := `package p

func f(a, b int) (bool, error) {
	var err error
	if a < b && b > 10 {
		return true, err
	}
	a = b
	g(a)
	return false, nil
}

func g(int) {}
`
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := sites(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a < b && b > 10 -> !(a < b && b > 10)", "a < b && b > 10 -> false && (a < b && b > 10)", "&& -> ||", "< -> <=", "> -> >=",
		"10 -> 11", "true -> false", "err -> nil", "a = b -> (nothing)", "g(a) -> (nothing)", "false -> true",
	}
	var lines []string
	for _, m := range got {
		lines = append(lines, m.String())
	}
	all := strings.Join(lines, "\n") + "\n"
	for _, w := range want {
		if !strings.Contains(all, ": "+w+"\n") {
			t.Errorf("no mutant %q in\n%s", w, all)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d mutants, want %d:\n%s", len(got), len(want), all)
	}
	for i, m := range draw(got, 7) {
		if again := draw(got, 7)[i]; again != m {
			t.Fatalf("the same seed draws %v and %v", m, again)
		}
	}
}

// TestEquivalent wants an argument for everything that is called equivalent.
func TestEquivalent(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "equivalent.txt")
	if err := os.WriteFile(name, []byte("# a comment\na | f | x | y # because\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readEquivalent(name)
	if err != nil || got["a | f | x | y"] != "because" {
		t.Errorf("got %v, %v", got, err)
	}
	if err := os.WriteFile(name, []byte("a | f | x | y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readEquivalent(name); err == nil {
		t.Error("a call without an argument was taken")
	}
}
