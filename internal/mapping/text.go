package mapping

import (
	"slices"
	"strings"

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
	return crm.FoldCase(CanonicalText(s))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
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

// tagsOf is setOf for items that are one where they differ in case alone: of several
// spellings the first in order is kept.
func tagsOf(items []string) crm.Value {
	items = slices.Clone(items)
	slices.Sort(items)
	seen := map[string]bool{}
	items = slices.DeleteFunc(items, func(s string) bool {
		key := Fold(s)
		again := seen[key]
		seen[key] = true
		return again
	})
	if len(items) == 0 {
		return crm.NullValue()
	}
	return crm.TagsValue(items...)
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
