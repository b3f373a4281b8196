package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEngineRooms: each file of the engine stands in one room of its package comment.
func TestEngineRooms(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "engine")
	doc, err := os.ReadFile(filepath.Join(folder, "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(doc), "# Rooms")
	text := strings.ReplaceAll(list, "\n//     ", " ")
	rooms := regexp.MustCompile(`(?m)^//   - .+ \(.+\): (.+)$`).FindAllStringSubmatch(text, -1)
	if !found || len(rooms) < 10 {
		t.Fatalf("the package comment of the engine lists %d rooms", len(rooms))
	}
	var listed []string
	for _, r := range rooms {
		listed = append(listed, strings.Split(r[1], ", ")...)
	}
	slices.Sort(listed)
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, name := range names {
		if name = strings.TrimSuffix(filepath.Base(name), ".go"); name != "doc" && !strings.HasSuffix(name, "_test") {
			files = append(files, name)
		}
	}
	if !slices.Equal(listed, files) {
		t.Errorf("the rooms in internal/engine/doc.go name other files than the folder has:\nrooms  %q\nfolder %q", listed,
			files)
	}
}
