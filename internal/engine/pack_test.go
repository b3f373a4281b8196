package engine

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestPack: whatever is packed comes back, and what is compressed cannot be
// taken for JSON that was left as it is.
func TestPack(t *testing.T) {
	t.Parallel()
	for n := range 3 * packFrom {
		for _, text := range []string{strings.Repeat("x", n), strings.Repeat("äöü {[", n/8)} {
			b, err := json.Marshal([]string{text})
			if err != nil {
				t.Fatal(err)
			}
			packed, err := pack(b)
			if err != nil {
				t.Fatal(err)
			}
			if short := len(b) < packFrom; short != bytes.Equal(packed, b) || short != (packed[0]&1 == 1) {
				t.Fatalf("%d bytes begin with %#x", len(b), packed[0])
			}
			if back, err := unpack(packed); err != nil || !bytes.Equal(back, b) {
				t.Fatalf("%d bytes come back as %d, %v", len(b), len(back), err)
			}
		}
	}
}
