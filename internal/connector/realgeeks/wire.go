package realgeeks

import "strings"

// phones are the fields of phone numbers: those of the United States without a country
// code, as 808-123-1234, all others with theirs. Source: developers.realgeeks.com/leads.
var phones = map[string]bool{"phone": true, "phone2": true}

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// plain reports whether a text is a number and nothing else.
func plain(text string) bool { return strings.Trim(text, "+0123456789 -.()") == "" }

// abroad is a number as it is dialled from anywhere.
func abroad(text string) string {
	if text = strings.TrimSpace(text); plain(text) && len(digits(text)) == 10 && !strings.HasPrefix(text, "+") {
		return "+1 " + text
	}
	return text
}

// home is a number as Real Geeks writes it.
func home(text string) string {
	text = strings.TrimSpace(text)
	d := digits(text)
	if !plain(text) || !strings.HasPrefix(text, "+1") || len(d) != 11 {
		return text
	}
	return d[1:4] + "-" + d[4:7] + "-" + d[7:]
}
