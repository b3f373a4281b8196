package mapping

import (
	"strings"

	"github.com/lockstep-crm/lockstep/internal/mapping/e164"
)

// NationalDigits returns the digits of a canonical phone number that every way
// of writing it down has, in this order: those of its national number, without
// the country's code, what is dialled in front of it at home, and an extension.
// "" for what holds no digits.
func NationalDigits(canonical string) string {
	number, _, _ := strings.Cut(canonical, " ext")
	if _, national, ok := e164.Split(number); ok {
		return national
	}
	return strings.TrimPrefix(phoneDigits(number), "+")
}

// DialledDigits returns the digits of a canonical phone number as people write
// them, with and without the country's code and what is dialled before either:
// for apps that compare nothing but digits. The national number is the first.
func DialledDigits(canonical string) []string {
	number, _, _ := strings.Cut(canonical, " ext")
	code, national, ok := e164.Split(number)
	if !ok {
		if digits := NationalDigits(canonical); digits != "" {
			return []string{digits}
		}
		return nil
	}
	out := []string{national, code + national}
	switch code {
	case "1": // its code is what is dialled at home, too
	case "7":
		out = append(out, "8"+national)
	case "36":
		out = append(out, "06"+national)
	default:
		if !strings.HasPrefix(national, "0") {
			out = append(out, "0"+national)
		}
	}
	return append(out, "00"+code+national, "011"+code+national)
}
