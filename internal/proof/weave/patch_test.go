package weave

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const source = `package p

type counter struct{ n int }

func (c *counter) add(by int) {
	if by > 0 {
		c.n += by
	}
}

func twice(n int) int {
	n += n
	n += n
	return n
}

func long(a, b int) int {
	return min(
		a, max(a,
			b),
	)
}
`

// TestPatches reads patches against a small source and weaves them into it.
func TestPatches(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("p", 0o750); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("p", "p.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	const good = `# a comment

adds anything
p counter.add
- if by > 0 {
- c.n += by
+ if by > 0 || planted {
+ c.n += by
p twice
- return n
+ if planted {
+ n = 0
+ }
+ return n
`
	got, err := Patches(good)
	if err != nil || len(got) != 1 || got[0].Name != "adds anything" || len(got[0].Hunks) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	first, second := got[0].Hunks[0], got[0].Hunks[1]
	if first.File != file || first.Line != 6 || first.End != 7 || second.Line != 14 {
		t.Errorf("places %+v, %+v", first, second)
	}
	dir := t.TempDir()
	changes := map[string]map[int][]Place{file: {7: {first.Place(), second.Place()}}}
	if _, err := Overlay(dir, changes); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, Name(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"if by > 0 || mutantIs(7) {\nc.n += by", "if mutantIs(7) {\nn = 0\n}\nreturn n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestPatchesOfWrappedLines: where the sources break their lines, patches need not.
func TestPatchesOfWrappedLines(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("p", 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("p", "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Patches("takes the larger\np long\n- return min(a, max(a, b))\n+ return max(a, b) + planted\n")
	if err != nil || len(got) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if h := got[0].Hunks[0]; h.Line != 18 || h.End != 21 || !strings.HasSuffix(h.Was, ",\n\t)") {
		t.Errorf("lines %d to %d: %q", h.Line, h.End, h.Was)
	}
	got, err = Patches("begins\np counter.add\n- if by > 0 {\n+ if by > 0 || planted {\n")
	if err != nil || len(got) != 1 || got[0].Hunks[0].Was != "if by > 0 {" { // the end of the line stays
		t.Fatalf("got %+v, %v", got, err)
	}
}

// TestPatchesWithoutAPlace: lines that stand nowhere, or twice, are told of, as is a
// patch that would change nothing.
func TestPatchesWithoutAPlace(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("p", 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("p", "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"a\np twice\n- n += n\n+ planted":      "stand 2 times in twice",
		"a\np twice\n- c.n += by\n+ planted":   `they stand in ["counter.add"]`,
		"a\np nobody\n- n += n\n+ planted":     "stand 0 times in nobody",
		"a\np twice\n- return n\n+ return n+1": "lacks the word planted",
		"a\np twice\n+ planted":                "nothing to replace",
		"a":                                    "nothing to replace",
	} {
		got, err := Patches(text)
		if err == nil || len(got) != 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want an error with %q", text, got, err, want)
		}
	}
}
