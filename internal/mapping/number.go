package mapping

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// maxDigits bounds a number written out in full, so that "1e999999999" cannot
// fill the memory.
const maxDigits = 100

// CanonicalNumber returns decimal text (sign, point and exponent allowed) as
// plain decimal without exponent, leading or trailing zeros. Nothing is
// rounded. It reports false for anything else, for thousands separators, whose
// meaning depends on the country, and for numbers longer than 100 digits.
func CanonicalNumber(s string) (string, bool) {
	s = strings.TrimSpace(s)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	mantissa, exponent, ok := cutExponent(s)
	if !ok {
		return "", false
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return "", false
	}
	digits, point := whole+fraction, len(whole)+exponent
	trimmed := strings.TrimLeft(digits, "0")
	point -= len(digits) - len(trimmed)
	digits = strings.TrimRight(trimmed, "0")
	if digits == "" {
		return "0", true
	}
	if point > maxDigits || point < -maxDigits || len(digits) > maxDigits {
		return "", false
	}
	var b strings.Builder
	if negative {
		b.WriteByte('-')
	}
	switch {
	case point <= 0:
		b.WriteString("0." + strings.Repeat("0", -point) + digits)
	case point >= len(digits):
		b.WriteString(digits + strings.Repeat("0", point-len(digits)))
	default:
		b.WriteString(digits[:point] + "." + digits[point:])
	}
	return b.String(), true
}

func cutExponent(s string) (mantissa string, exponent int, ok bool) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return s, 0, true
	}
	e, err := strconv.Atoi(s[i+1:])
	if err != nil || e > 1000 || e < -1000 {
		return "", 0, false
	}
	return s[:i], e, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// CompareNumbers compares two canonical numbers exactly: -1, 0 or +1.
func CompareNumbers(a, b string) int {
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	if !okX || !okY {
		return strings.Compare(a, b)
	}
	return x.Cmp(y)
}

// ParseBool reads a boolean, or the words true, false, yes, no, 1 and 0 in any case.
func ParseBool(v crm.Value) (value, ok bool) {
	if b, ok := v.Bool(); ok {
		return b, true
	}
	switch lowerASCII(strings.TrimSpace(v.Text())) {
	case "true", "yes", "1":
		return true, true
	case "false", "no", "0":
		return false, true
	}
	return false, false
}
