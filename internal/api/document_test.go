package api

import (
	"bytes"
	"testing"
)

// TestDocumentIsTheServedOne: what clients are made from is what is served.
func TestDocumentIsTheServedOne(t *testing.T) {
	t.Parallel()
	got, err := Document("0")
	if err != nil {
		t.Fatal(err)
	}
	if served := newWorld(t).must(200, "GET", openAPIPath, "").body; !bytes.Equal(got, served) {
		t.Errorf("%d bytes are made and %d served", len(got), len(served))
	}
}
