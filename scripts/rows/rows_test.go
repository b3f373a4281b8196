package main

import (
	"path/filepath"
	"testing"
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
