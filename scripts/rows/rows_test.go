package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPatchesFitTheSources: every patch has its place. Whoever moves code is told
// here, and not when rows-patched is run.
func TestPatchesFitTheSources(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	patches, _, err := readPatches()
	if err != nil {
		t.Errorf("write these anew: %v", err)
	}
	rows := map[int]bool{}
	for _, p := range patches {
		for _, row := range p.rows {
			rows[row] = true
		}
	}
	if len(rows) < 129 {
		t.Errorf("patches of %d rows, want 129 or more", len(rows))
	}
}

// TestScreensHaveTests: every row that is a screen has a test of the console, and
// no test names another one.
func TestScreensHaveTests(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile(filepath.Join("..", "..", webFolder, screenTests))
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, m := range regexp.MustCompile(`(?m)^test\('(.*?)',`).FindAllStringSubmatch(string(src), -1) {
		got = append(got, screenRows(m[1])...)
	}
	slices.Sort(got)
	want, err := numbers(screens)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows shown by %s (-want +got):\n%s", screenTests, diff)
	}
}

// TestTapIsRead: what a browser's tests tell is counted by row, what was left out is not.
func TestTapIsRead(t *testing.T) {
	t.Parallel()
	got := readTap(strings.NewReader(`TAP version 13
# Subtest: row 15: a
ok 1 - row 15: a
not ok 2 - row 29 211: b
ok 3 - row 33: c # SKIP test name does not match pattern
ok 4 - nothing was thrown
`))
	want := map[string]*result{"row 15: a": {passed: 1}, "row 29 211: b": {failed: 1}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{29, 211}, rowsOf("row 29 211: b")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
