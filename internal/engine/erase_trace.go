package engine

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// Trace returns the first of some texts that stands in a stored item, in its key
// or anywhere in its data, packed or not; "" when none does. For proofs that
// nothing of somebody is left.
func Trace(it store.Item, texts []string) string { return Tracer(texts)(it) }

// Tracer is Trace for many items.
func Tracer(texts []string) func(store.Item) string {
	forms := make([][][]byte, len(texts))
	for i, text := range texts {
		forms[i] = formsOf(text)
	}
	return func(it store.Item) string {
		for _, plain := range plainly(it) {
			for i, text := range texts {
				if slices.ContainsFunc(forms[i], func(form []byte) bool { return bytes.Contains(plain, form) }) {
					return text
				}
			}
		}
		return ""
	}
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

// minForm is how long a text in base64 has to be; shorter ones stand anywhere by chance.
const minForm = 8

// formsOf are the ways in which a text may stand in bytes: as it is, as JSON
// writes it, or in base64 at any offset.
func formsOf(text string) (forms [][]byte) {
	if text == "" {
		return nil
	}
	quoted, _ := json.Marshal(text) // which any text can be
	forms = append(forms, []byte(text), quoted[1:len(quoted)-1])
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for _, before := range []string{"", "x", "xx"} {
			code := enc.EncodeToString([]byte(before + text))
			// The first and last characters depend on what stands around the text.
			from, to := enc.EncodedLen(len(before)), len(before+text)*8/6
			if form := []byte(code[from:to]); len(form) >= minForm &&
				!slices.ContainsFunc(forms, func(f []byte) bool { return bytes.Equal(f, form) }) {
				forms = append(forms, form)
			}
		}
	}
	return forms
}
