package mapping

import (
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// joinWords joins the words of all parts with one space each.
func joinWords(parts ...string) string {
	var words []string
	for _, p := range parts {
		words = append(words, strings.Fields(p)...)
	}
	return CanonicalText(strings.Join(words, " "))
}

// splitName cuts a full name into first and last name: the last word is the
// last name, a single word is the first name. Where the app insists on a last
// name a single word is that instead, because nothing else could be stored.
func splitName(full string, lastRequired bool) (first, last string) {
	full = joinWords(full)
	i := strings.LastIndexByte(full, ' ')
	switch {
	case i >= 0:
		return full[:i], full[i+1:]
	case lastRequired:
		return "", full
	default:
		return full, ""
	}
}

// joinFields reads several fields as one text, in order, blanks left out.
func joinFields(f crm.Fields, names []string) string {
	var parts []string
	for _, n := range names {
		if s := plainText(f[n]); s != "" {
			parts = append(parts, s)
		}
	}
	return CanonicalText(strings.Join(parts, " "))
}
