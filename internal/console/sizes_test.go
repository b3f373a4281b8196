package console

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// maxFirstLoad bounds what a browser loads before it shows the first page,
// compressed, in bytes; maxFirstRequests how many files that are.
const maxFirstLoad, maxFirstRequests = 250 << 10, 14

// TestFirstLoad counts what index.html names, as vite built it.
func TestFirstLoad(t *testing.T) {
	t.Parallel()
	index, err := fs.ReadFile(Built(), indexName)
	if err != nil {
		t.Skip("the console is not built: make build, which needs Node")
	}
	total, requests := len(index), 1
	for _, m := range regexp.MustCompile(`(?:src|href)="/(assets/[^"]+)"`).FindAllStringSubmatch(string(index), -1) {
		info, err := fs.Stat(Built(), m[1]+".br")
		if err != nil {
			t.Errorf("%s is named and not there: %v", m[1], err)
			continue
		}
		total += int(info.Size())
		requests++
	}
	t.Logf("%d bytes in %d requests", total, requests)
	if total > maxFirstLoad || requests > maxFirstRequests || requests < 3 {
		t.Errorf("the first page loads %d bytes in %d requests, want at most %d in 3 to %d", total, requests, maxFirstLoad,
			maxFirstRequests)
	}
}

// TestNothingFromElsewhere: no page names another address, and none has a
// script or style of its own that the policy would have to let through.
func TestNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	index, err := fs.ReadFile(Built(), indexName)
	if err != nil {
		t.Skip("the console is not built: make build, which needs Node")
	}
	text := string(index)
	if strings.Contains(text, "http:") || strings.Contains(text, "https:") || strings.Contains(text, "<style") ||
		regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(text) {
		t.Errorf("index.html: %s", text)
	}
}
