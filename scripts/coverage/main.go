// Command coverage measures which functions of the engine and of the surface
// the tests and a short simulation run through, and fails for one of which less
// than the floor is run and that is not in exceptions.txt with its reason.
//
//	go run ./scripts/coverage
package main

import (
	"bufio"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	module = "github.com/lockstep-crm/lockstep/"
	// floor is the least part of a function's statements, in per cent.
	floor = 70
	// each is how many seeds of each workload follow those of the mix.
	each = 12
	// most is how many functions may be below it.
	most = 15
)

// measured are the packages that are looked at.
var measured = []string{"./internal/engine", "./internal/api", "./internal/account", "./internal/access"}

// tested are the packages whose tests count: their own, and those that drive
// the whole program.
var tested = append(slices.Clone(measured), "./internal/app")

//go:embed exceptions.txt
var exceptions string

func main() {
	seeds := flag.Int("seeds", 300, "`seeds` of the simulation")
	flag.Parse()
	if err := run(*seeds); err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func run(seeds int) error {
	allowed, err := readExceptions(exceptions)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "coverage-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	profile := filepath.Join(dir, "all.out")
	if err := measure(dir, profile, seeds); err != nil {
		return err
	}
	table, err := command("", "go", "tool", "cover", "-func="+profile).Output()
	if err != nil {
		return fmt.Errorf("read the profile: %w", err)
	}
	found, err := readTable(string(table))
	if err != nil {
		return err
	}
	wrong := judge(found, allowed)
	for _, line := range wrong {
		fmt.Println(line)
	}
	fmt.Printf("%d functions, %d of them below %d %% with a reason, %d problems\n", len(found), len(allowed), floor,
		len(wrong))
	if len(wrong) > 0 {
		return errors.New("see above: write the test, or give the reason in scripts/coverage/exceptions.txt")
	}
	return nil
}

// measure writes one profile of the tests and of the simulation.
func measure(dir, profile string, seeds int) error {
	pkgs := strings.Join(measured, ",")
	tests := filepath.Join(dir, "tests.out")
	// What runs on either storage runs on one: the code above it is the same.
	test := command("STORE=embedded", "go",
		slices.Concat([]string{"test", "-short", "-covermode=set", "-coverpkg=" + pkgs, "-coverprofile=" + tests}, tested)...)
	test.Stdout, test.Stderr = os.Stderr, os.Stderr
	if err := test.Run(); err != nil {
		return fmt.Errorf("the tests: %w", err)
	}
	program, counters := filepath.Join(dir, "lockstep"), filepath.Join(dir, "counters")
	if err := os.Mkdir(counters, 0o700); err != nil {
		return err
	}
	// The counters are written by the main package: it is measured along.
	build := command("CGO_ENABLED=0", "go", "build", "-cover", "-covermode=set", "-coverpkg="+pkgs+",./functions/local",
		"-o", program, "./functions/local")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	out, err := command("GOCOVERDIR="+counters, program, "sim", "--seeds", strconv.Itoa(seeds), "--each",
		strconv.Itoa(each)).CombinedOutput()
	// So few seeds do not reach every rare state, which is an error of its own;
	// a broken promise is one here, too.
	if !strings.Contains(string(out), ": 0 broken promises") {
		return fmt.Errorf("the simulation: %w\n%s", err, out)
	}
	sim := filepath.Join(dir, "sim.out")
	if out, err := command("", "go", "tool", "covdata", "textfmt", "-i="+counters, "-o",
		sim).CombinedOutput(); err != nil {
		return fmt.Errorf("read the counters: %w\n%s", err, out)
	}
	return join(profile, tests, sim)
}

func command(env, name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = os.Environ()
	if env != "" {
		c.Env = append(c.Env, env)
	}
	return c
}

// join writes the blocks of the measured packages of several profiles as one.
func join(to string, from ...string) error {
	var b strings.Builder
	b.WriteString("mode: set\n")
	for _, name := range from {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "mode:") && strings.HasPrefix(line, module+"internal/") {
				b.WriteString(line)
			}
		}
	}
	return os.WriteFile(to, []byte(b.String()), 0o600)
}

// readTable reads what go tool cover -func prints: per cent by "file function".
func readTable(table string) (map[string]float64, error) {
	out := map[string]float64{}
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] == "total:" {
			continue
		}
		file, _, _ := strings.Cut(strings.TrimPrefix(words[0], module+"internal/"), ":")
		n, err := strconv.ParseFloat(strings.TrimSuffix(words[2], "%"), 64)
		if err != nil {
			return nil, fmt.Errorf("no per cent in %q", line)
		}
		name := file + " " + words[1]
		if old, twice := out[name]; !twice || n < old { // methods of two types may share a name
			out[name] = n
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the profile names no function")
	}
	return out, nil
}

// readExceptions reads lines "file function: reason".
func readExceptions(text string) (map[string]string, error) {
	out := map[string]string{}
	sc := bufio.NewScanner(strings.NewReader(text))
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, ": ")
		if !ok || strings.TrimSpace(reason) == "" || len(strings.Fields(name)) != 2 || out[name] != "" {
			return nil, fmt.Errorf("exceptions.txt: %q is not \"file function: reason\", once", line)
		}
		out[name] = reason
	}
	if len(out) > most {
		return nil, fmt.Errorf("exceptions.txt has %d functions, at most %d may be there", len(out), most)
	}
	return out, nil
}

// judge lists what is wrong.
func judge(found map[string]float64, allowed map[string]string) (wrong []string) {
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if n := found[name]; n < floor && allowed[name] == "" {
			wrong = append(wrong, fmt.Sprintf("%5.1f %%  %s: no test runs through enough of it", n, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(allowed)) {
		switch n, there := found[name]; {
		case !there:
			wrong = append(wrong, name+": stands in exceptions.txt and is no function")
		case n >= floor:
			wrong = append(wrong, fmt.Sprintf("%s: stands in exceptions.txt and has %.1f %%", name, n))
		}
	}
	return wrong
}
