package engine

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// Trace returns the first of some texts that stands in a stored item, in its key
// or anywhere in its data, packed or not; "" when none does. For proofs that
// nothing of somebody is left.
func Trace(it store.Item, texts []string) string {
	for _, plain := range plainly(it) {
		for _, text := range texts {
			if text != "" && holds(plain, text) {
				return text
			}
		}
	}
	return ""
}

// plainly returns an item's texts as they were before they were packed.
func plainly(it store.Item) [][]byte {
	out := [][]byte{[]byte(it.Partition + "\n" + it.Sort + "\n" + it.Index + "\n" + it.IndexSort), it.Data}
	if b, err := unpack(it.Data); err == nil {
		out = append(out, b)
	}
	if z, err := gzip.NewReader(bytes.NewReader(it.Data)); err == nil {
		if b, err := io.ReadAll(io.LimitReader(z, maxUnpacked)); err == nil {
			out = append(out, b)
		}
	}
	var l lease
	if json.Unmarshal(it.Data, &l) == nil && len(l.Intent) > 0 {
		if b, err := unpack(l.Intent); err == nil {
			out = append(out, b)
		}
	}
	return out
}

// holds reports whether a text stands in bytes, as it is, as JSON writes it, or
// in base64 at any offset.
func holds(b []byte, text string) bool {
	if bytes.Contains(b, []byte(text)) {
		return true
	}
	if quoted, err := json.Marshal(text); err == nil && bytes.Contains(b, quoted[1:len(quoted)-1]) {
		return true
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for offset := range 3 {
			code := enc.EncodeToString(append(make([]byte, offset), text...))
			// The first and last characters depend on what stands around the text.
			from, to := (offset*8+5)/6, len(code)-1
			if (offset+len(text))%3 == 0 {
				to = len(code)
			}
			if to-from >= 8 && bytes.Contains(b, []byte(code[from:to])) {
				return true
			}
		}
	}
	return false
}
