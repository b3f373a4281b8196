package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// verdict is what became of a mutant.
type verdict string

const (
	caught      verdict = "caught"
	survived    verdict = "SURVIVED"
	called      verdict = "equivalent"
	unbuildable verdict = "no build"
)

// limit is the longest that one judge may take over a mutant; one that hangs
// is caught.
const limit = 6 * time.Minute

// judge tries mutants, one after the other.
type judge struct {
	dir   string // of the mutated file, its overlay and the mutated program
	seeds int
}

func newJudge(seeds int) (*judge, error) {
	dir, err := os.MkdirTemp("", "mutate")
	return &judge{dir: dir, seeds: seeds}, err
}

func (j *judge) close() { _ = os.RemoveAll(j.dir) }

// try compiles m in and asks who notices.
func (j *judge) try(ctx context.Context, m mutant) (v verdict, by string) {
	overlay, err := j.plant(m)
	if err != nil {
		return unbuildable, err.Error()
	}
	if err := j.run(ctx, "go", "test", "-overlay", overlay, "-c", "-vet=off", "-o", os.DevNull, m.pkg); err != nil {
		return unbuildable, "the compiler"
	}
	test := []string{"test", "-overlay", overlay, "-count=1", "-vet=off", "-failfast", "-timeout", limit.String()}
	if err := j.run(ctx, "go", append(test, "-short", m.pkg)...); err != nil {
		return caught, "short tests"
	}
	if err := j.run(ctx, "go", append(test, m.pkg)...); err != nil {
		return caught, "tests"
	}
	if j.seeds == 0 {
		return survived, "nobody"
	}
	program := filepath.Join(j.dir, "lockstep")
	if err := j.run(ctx, "go", "build", "-overlay", overlay, "-o", program, "./functions/local"); err != nil {
		return unbuildable, "the linker"
	}
	// A short run does not reach every rare state and says so by its exit code;
	// what counts here is what it found.
	simCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := exec.CommandContext(simCtx, program, "sim", "--seeds", strconv.Itoa(j.seeds)).Output()
	if !strings.Contains(string(out), ": 0 broken promises") {
		return caught, "simulation"
	}
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return unbuildable, err.Error()
	}
	return survived, "nobody"
}

// plant writes the mutated file and the overlay that puts it in place.
func (j *judge) plant(m mutant) (overlay string, err error) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	mutated := filepath.Join(j.dir, "mutated.go")
	text := string(src[:m.from]) + m.is + string(src[m.to:])
	if err := os.WriteFile(mutated, []byte(text), 0o600); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(j.dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}

func (j *judge) run(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, limit+time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.WaitDelay = time.Second
	return c.Run()
}

// readEquivalent reads the mutants that change nothing: "key # argument" a line.
func readEquivalent(name string) (map[string]string, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, argument, found := strings.Cut(line, " # ")
		if !found || strings.TrimSpace(argument) == "" {
			return nil, errors.New("equivalent.txt: every line needs an argument after \" # \": " + line)
		}
		out[strings.TrimSpace(key)] = strings.TrimSpace(argument)
	}
	return out, nil
}
