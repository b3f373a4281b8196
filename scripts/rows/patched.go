package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lockstep-crm/lockstep/internal/proof/weave"
)

// patchFiles hold the patches.
const patchFiles = "scripts/rows/patches/*.txt"

// patch is one bug in the woven program.
type patch struct {
	number int // by which it is chosen
	rows   []int
	what   string
}

// heading is how a patch begins.
var heading = regexp.MustCompile(`^row ([\d ]+): (.+)$`)

// underPatches shows that each row's test fails without the row's behaviour.
func underPatches(ctx context.Context, wanted []int, jobs int) error {
	dir, err := os.MkdirTemp("", "rows")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	patches, err := woven(ctx, dir)
	if err != nil {
		return err
	}
	program := filepath.Join(dir, "rows.test")
	if out, failed := try(ctx, program, 0, pattern(wanted)); failed != nil {
		return fmt.Errorf("without a patch: %w\n%s", failed, out)
	}
	type pair struct {
		patch
		row int
	}
	var pairs []pair
	covered := map[int]bool{}
	for _, p := range patches {
		for _, row := range p.rows {
			covered[row] = true
			if wanted == nil || slices.Contains(wanted, row) {
				pairs = append(pairs, pair{p, row})
			}
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return a.row - b.row })
	var mu sync.Mutex
	var survived []error
	next := make(chan pair)
	var wg sync.WaitGroup
	for range max(jobs, 1) {
		wg.Go(func() {
			for p := range next {
				_, failed := try(ctx, program, p.number, pattern([]int{p.row}))
				mu.Lock()
				verdict := "fails, as it should"
				if failed == nil {
					verdict = "PASSES"
					survived = append(survived, fmt.Errorf("row %d passes although %s", p.row, p.what))
				}
				fmt.Printf("%4d  %-90s  %s\n", p.row, p.what, verdict)
				mu.Unlock()
			}
		})
	}
	for _, p := range pairs {
		next <- p
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	titles, err := readTitles("docs/features.md")
	if err != nil {
		return err
	}
	for _, l := range table(titles, wanted) {
		if l.why == "" && !l.screen && !covered[l.number] {
			survived = append(survived, fmt.Errorf("row %d has no patch", l.number))
		}
	}
	fmt.Printf("%d patches of %d rows\n", len(pairs), len(covered))
	return errors.Join(survived...)
}

// readPatches reads all patches and finds their places in the sources. A patch
// whose lines are not there any more is an error, as are two that replace the same.
func readPatches() (patches []patch, files map[string]map[int][]weave.Place, err error) {
	names, err := filepath.Glob(patchFiles)
	if err != nil {
		return nil, nil, err
	}
	files = map[string]map[int][]weave.Place{}
	var wrong []error
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		list, err := weave.Patches(string(text))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
		for _, one := range list {
			p, err := readHeading(one.Name)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			p.number = len(patches) + 1
			patches = append(patches, p)
			for i := range one.Hunks {
				h := &one.Hunks[i]
				if other := taken(files[h.File], h); other != 0 {
					wrong = append(wrong, fmt.Errorf(
						"%s: %s replaces what %q replaces: let them share a patch, or choose another place", name, one.Name,
						patches[other-1].what))
				}
				if files[h.File] == nil {
					files[h.File] = map[int][]weave.Place{}
				}
				files[h.File][p.number] = append(files[h.File][p.number], h.Place())
			}
		}
	}
	return patches, files, errors.Join(wrong...)
}

// woven builds the tests with all patches in them.
func woven(ctx context.Context, dir string) ([]patch, error) {
	patches, files, err := readPatches()
	if err != nil {
		return nil, err
	}
	overlay, err := weave.Overlay(dir, files)
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-c", "-vet=off", "-o",
		filepath.Join(dir, "rows.test"), tests)
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the patches do not build: %w\n%s", err, out)
	}
	return patches, nil
}

// taken returns the patch that replaces a part of what a hunk replaces; 0 = none.
func taken(by map[int][]weave.Place, h *weave.Hunk) int {
	for number, places := range by {
		for _, p := range places {
			if p.From < h.To && h.From < p.To {
				return number
			}
		}
	}
	return 0
}

// readHeading reads "row 47 48: what goes wrong".
func readHeading(text string) (p patch, err error) {
	m := heading.FindStringSubmatch(text)
	if m == nil {
		return p, fmt.Errorf("a patch begins with a line \"row 119: what goes wrong\": %s", text)
	}
	p.what = m[2]
	for word := range strings.FieldsSeq(m[1]) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return p, err
		}
		p.rows = append(p.rows, n)
	}
	return p, nil
}

// try runs tests with a patch; 0 is none.
func try(ctx context.Context, program string, number int, run string) (string, error) {
	c := exec.CommandContext(ctx, program, "-test.run", run, "-test.failfast", "-test.timeout=5m")
	c.Dir = tests
	c.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(number), "STORE=embedded")
	out, err := c.CombinedOutput()
	if err == nil && strings.Contains(string(out), "no tests to run") {
		return string(out), errors.New("there is no test")
	}
	return string(out), err
}
