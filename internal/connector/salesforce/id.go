package salesforce

import "github.com/lockstep-crm/lockstep/internal/crm"

// An ID has 15 characters that differ by case; the 18-character form adds three
// that say which of them are capitals.
const (
	shortID = 15
	longID  = 18
)

// long returns the 18-character form of an ID, and whether s is an ID at all.
func long(s string) (crm.RecordID, bool) {
	if len(s) != shortID && len(s) != longID {
		return "", false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) {
			return "", false
		}
	}
	id := s[:shortID] + suffix(s)
	if len(s) == longID && s != id {
		return "", false
	}
	return crm.RecordID(id), true
}

// suffix computes the three characters: each stands for five of the ID, with a
// bit for each capital.
func suffix(s string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	out := make([]byte, 0, longID-shortID)
	for chunk := 0; chunk < shortID; chunk += 5 {
		bits := 0
		for i := range 5 {
			if c := s[chunk+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		out = append(out, digits[bits])
	}
	return string(out)
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// named reports whether s can be the API name of an object or field. Everything
// that goes into a query or a path unquoted passes through here first.
func named(s string) bool {
	if s == "" || len(s) > 80 || s[0] >= '0' && s[0] <= '9' || s[0] == '_' {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '_' {
			return false
		}
	}
	return true
}
