package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/weave"
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
	if out, err := json.Marshal(a); err != nil {
		return out != nil, err
	}
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
		"a < b && b > 10 -> !(a < b && b > 10)", "a < b && b > 10 -> false && (a < b && b > 10)", "&& -> ||", "< -> <=",
		"> -> >=",
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

// TestEquivalentAreMutants: what is called equivalent is there, under a name that
// no other mutant has.
func TestEquivalentAreMutants(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	left, err := readEquivalent(filepath.Join("scripts", "mutate", "equivalent.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range packages {
		found, err := sites(pkg)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, m := range found {
			key := m.key()
			if seen[key] {
				t.Errorf("two mutants are called %s", key)
			}
			seen[key] = true
			delete(left, key)
		}
	}
	for key := range left {
		t.Errorf("equivalent.txt: no mutant is called %s", key)
	}
}

// TestWoven weaves every mutant of a small program into it and runs it once for
// each: it does what the mutant alone does, and without a choice what it did.
func TestWoven(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const src = `package main

import (
	"errors"
	"fmt"
)

func main() {
	sum, names := 0, ""
	defer func() { fmt.Println(sum, names) }()
	for i, word := range []string{"a", "b", "c"} {
		if i > 1 || word == "a" &&
			sum <= 0 {
			sum += 10 - i
			continue
		}
		if err := say(word); err != nil {
			names += err.Error()
		}
		sum++
	}
}

func say(word string) error {
	if err := errors.New(word); len(word)+1 >= 2 {
		return err
	}
	return nil
}
`
	file := filepath.Join(dir, "main.go")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module m\n\ngo 1.26\n")
	output := func(env, name string, args ...string) (string, error) {
		c := exec.Command(name, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off", env)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	write("main.go", src)
	found, err := sites(dir)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := output("", "go", "run", ".")
	if err != nil {
		t.Fatal(plain)
	}
	alone := map[int]string{}
	woven, numbers := map[int][]weave.Place{}, 0
	for i, m := range found {
		write("main.go", src[:m.from]+m.is+src[m.to:])
		if out, err := output("", "go", "vet", "."); err != nil {
			t.Logf("%s does not build: %s", m, out)
			continue
		}
		alone[i+1], _ = output("", "go", "run", ".") // it may fail: that is compared
		if woven[i+1] = []weave.Place{m.weave}; m.weave.Before == "" {
			t.Errorf("%s cannot be woven", m)
		}
		numbers++
	}
	if numbers < 20 {
		t.Fatalf("%d mutants only", numbers)
	}
	write("main.go", weave.File([]byte(src), woven))
	write(weave.HelperFile, fmt.Sprintf(weave.Helpers, "main"))
	if out, err := output("", "go", "build", "-o", "woven"); err != nil {
		text, _ := os.ReadFile(file)
		t.Fatalf("%s\n%s", out, text)
	}
	if got, _ := output("", "./woven"); got != plain {
		t.Errorf("without a choice: %q, want %q", got, plain)
	}
	reached := filepath.Join(dir, "reached")
	if _, err := output("MUTANT_REACHED="+reached, "./woven"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(reached)
	if err != nil {
		t.Fatal(err)
	}
	for n := range woven {
		m := found[n-1]
		got, _ := output("MUTANT="+strconv.Itoa(n), "./woven")
		if got != alone[n] {
			t.Errorf("%s: %q, alone %q", m, got, alone[n])
		}
		if noted := strings.Contains("\n"+string(text), "\n"+strconv.Itoa(n)+"\n"); got != plain && !noted {
			t.Errorf("%s makes a difference and was not reached", m)
		}
	}
}

// TestPlantedBugsFitTheSources: every bug that was written by hand has its place.
func TestPlantedBugsFitTheSources(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	bugs, err := plantedBugs(plantedText)
	if err != nil {
		t.Errorf("write these anew: %v", err)
	}
	if len(bugs) < 60 {
		t.Errorf("%d bugs, want 60 or more", len(bugs))
	}
	for _, m := range bugs {
		if packages[m.pkg] == nil {
			t.Errorf("%s: nobody judges %s", m.function, m.pkg)
		}
	}
}

// TestPlantedBugsAreWoven weaves them all, and leaves nothing out.
func TestPlantedBugsAreWoven(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	bugs, err := plantedBugs(plantedText)
	if err != nil {
		t.Fatal(err)
	}
	b := builder{dir: t.TempDir(), mutants: map[int]mutant{}, alone: map[int]bool{}}
	for i, m := range bugs {
		b.mutants[i+1] = m
	}
	b.keepApart()
	if len(b.alone) > len(bugs)/10 {
		t.Errorf("%d of %d stand in each other's way", len(b.alone), len(bugs))
	}
	if _, err := b.overlay(); err != nil {
		t.Fatal(err)
	}
	for n, m := range b.mutants {
		text, err := os.ReadFile(filepath.Join(b.dir, weave.Name(m.file)))
		if want := fmt.Sprintf("%s(%d)", weave.Is, n); !b.alone[n] && (err != nil || !strings.Contains(string(text), want)) {
			t.Errorf("%s is not in %s: %v", m.function, m.file, err)
		}
	}
}

// TestWatch: which test failed is read from what tests print, and whether it was late.
func TestWatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		printed string
		want    watch
	}{
		{"=== RUN   TestA\n--- PASS: TestA (0.01s)\nPASS\n", watch{}},
		{"--- PASS: TestA (0.01s)\n--- FAIL: TestB (0.20s)\n--- FAIL: TestC (0.20s)\n", watch{failed: true, test: "TestB"}},
		{"    --- FAIL: TestB/of_two (0.20s)\n", watch{failed: true, test: "TestB"}},
		{"panic: test timed out after 2m0s\n--- FAIL: TestB (120s)\n", watch{late: true}},
	} {
		stops := 0
		w := watch{stop: func() { stops++ }}
		for _, piece := range []string{c.printed[:7], c.printed[7:]} {
			if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		if w.failed != c.want.failed || w.late != c.want.late || w.test != c.want.test || (stops == 1) != c.want.failed {
			t.Errorf("%q: failed %t, late %t, test %q, stopped %d times", c.printed, w.failed, w.late, w.test, stops)
		}
	}
}

// TestCourt: a test has to fail twice, and one that hangs must not do so without the
// mutant; then the others are asked.
func TestCourt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, does string
		noticed    bool
		by         string
		asked      []string
	}{
		{"quiet", `echo "--- PASS: TestA (0s)"`, false, "", []string{"1 ^(TestA|TestB)$"}},
		{
			"fails", `echo "--- FAIL: TestB (0s)"; exit 1`, true, "TestB",
			[]string{"1 ^(TestA|TestB)$", "1 ^(TestB)$"},
		},
		{
			"fails once", `[ $(wc -l <asked) -gt 1 ] || { echo "--- FAIL: TestB (0s)"; exit 1; }`, false, "",
			[]string{"1 ^(TestA|TestB)$", "1 ^(TestB)$", "1 ^(TestA)$"},
		},
		{
			"hangs", `[ $MUTANT = 0 ] || { echo "panic: test timed out after 2m0s"; exit 2; }`, true, "it hangs",
			[]string{"1 ^(TestA|TestB)$", "0 ^(TestA|TestB)$"},
		},
		{
			"hangs without it, too", `echo "panic: test timed out after 2m0s"; exit 2`, false, "", []string{
				"1 ^(TestA|TestB)$", "0 ^(TestA|TestB)$", "1 ^(TestB)$", "0 ^(TestB)$",
			},
		},
		{"breaks down", `echo panic; exit 2`, true, "", []string{"1 ^(TestA|TestB)$", "1 ^(TestA|TestB)$"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program := filepath.Join(dir, "program")
			// Tests are named by the seventh argument.
			script := "#!/bin/sh\necho \"$MUTANT $7\" >>asked\n" + c.does + "\n"
			if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			left := []part{{name: "TestA"}, {name: "TestB"}}
			at := court{judge: &judge{name: "tests", path: program, dir: dir}, number: 1, left: left}
			noticed, by, err := at.sit(t.Context(), time.Hour)
			if noticed != c.noticed || by != c.by || err != nil || !at.asked || len(at.left) > 0 {
				t.Errorf("noticed %t by %q, %v; %d left", noticed, by, err, len(at.left))
			}
			asked, err := os.ReadFile(filepath.Join(dir, "asked"))
			if got := strings.Split(strings.TrimSpace(string(asked)), "\n"); err != nil || !slices.Equal(got, c.asked) {
				t.Errorf("asked %q, want %q, %v", got, c.asked, err)
			}
		})
	}
}

// TestAlone: of a mutant that cannot be woven the program tells who comes into its function.
func TestAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "p.go")
	if err := os.WriteFile(file, []byte("package p\n\nfunc f() (n int) {\n\tfor i := 1; i < 3; i++ {\n\t\tn += i\n\t}\n"+
		"\treturn n\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := sites(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := builder{dir: t.TempDir(), mutants: map[int]mutant{}, alone: map[int]bool{}}
	for i, m := range found {
		b.mutants[i+1] = m
	}
	b.keepApart()
	if _, err := b.overlay(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(b.dir, weave.Name(file)))
	if err != nil || len(b.alone) == 0 {
		t.Fatalf("%d alone, %v", len(b.alone), err)
	}
	_, inside, _ := strings.Cut(string(text), "{")
	for n := range b.alone {
		if want := fmt.Sprintf("%s(%d);", weave.Is, n); !strings.Contains(strings.Split(inside, "\n")[0], want) {
			t.Errorf("no %s at the head of\n%s", want, text)
		}
	}
}
