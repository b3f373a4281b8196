package apps

import "testing"

// TestDocuments: every document of the program can be used.
func TestDocuments(t *testing.T) {
	t.Parallel()
	found, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 7 {
		t.Errorf("%d documents", len(found))
	}
}
