package mapping

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// CanonicalText removes surrounding white space, writes line ends as LF and
// composes characters (Unicode NFC). Applying it twice changes nothing.
func CanonicalText(s string) string {
	if strings.Contains(s, "\r") {
		s = strings.ReplaceAll(s, "\r\n", "\n")
		s = strings.ReplaceAll(s, "\r", "\n")
	}
	if s = strings.TrimSpace(s); isASCII(s) {
		return s
	}
	// Trimmed on both sides of NFC: composing may turn one space into another.
	return strings.TrimSpace(norm.NFC.String(s))
}

// Fold returns the form under which two texts are equal when they differ only
// in case and surrounding white space (Unicode simple folding). It serves
// option names and filters; never identities, where look-alikes must not match.
func Fold(s string) string {
	s = CanonicalText(s)
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return strings.Map(foldRune, s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// foldRune returns the smallest rune of r's folding orbit, in lower case where
// that is ASCII, so that the Kelvin sign folds as strings.EqualFold sees it.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least >= 'A' && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

// lowerASCII lowers A to Z and nothing else.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

// Items returns the items of a value that stands for several: those of a list,
// or the parts of "a;b;c". Items are canonical text, in the order received;
// blank ones are left out.
func Items(v crm.Value) []string {
	raw := v.Items()
	if v.Kind() == crm.Text {
		raw = strings.Split(v.Text(), ";")
	}
	items := make([]string, 0, len(raw))
	for _, s := range raw {
		if s = CanonicalText(s); s != "" {
			items = append(items, s)
		}
	}
	return items
}

// setOf returns the canonical list of items: sorted and unique, null when empty.
func setOf(items []string) crm.Value {
	items = slices.Clone(items)
	slices.Sort(items)
	items = slices.Compact(items)
	if len(items) == 0 {
		return crm.NullValue()
	}
	return crm.ListValue(items...)
}

// plainText returns any raw value as canonical text.
func plainText(raw crm.Value) string {
	if raw.Kind() == crm.Number {
		if d, ok := CanonicalNumber(raw.Text()); ok {
			return d
		}
	}
	return CanonicalText(raw.Text())
}
