package e164

import (
	"slices"
	"strings"
	"unicode"
)

const (
	minNational = 2  // digits
	maxNational = 17 // two more than E.164 has: Germany goes beyond
	maxCode     = 3
)

// Format returns a number as +, country code and national number. Text is the
// number as somebody wrote it: digits of any script with the marks that people
// put between them, and a plus sign in front at most. Region (ISO 3166-1
// alpha-2, upper case) is where it is dialled like that; a number with plus
// sign and country code needs none.
//
// It reports false for what cannot be a number, for what cannot be told without
// knowing the region, and for a length that does not occur in the country.
func Format(text, region string) (string, bool) {
	rest, plus := begin(text)
	if !plausible(rest) {
		return "", false
	}
	w := world()
	area, national, ok := w.split(digits(rest), plus, w.regions[region])
	if !ok || len(national) < minNational {
		return "", false
	}
	// Without its prefix the number must still be long enough: a short number
	// may begin like a prefix.
	switch stripped := area.withoutPrefix(national); area.fits(stripped) {
	case possible, tooLong:
		national = stripped
	case localOnly, tooShort, neither:
	}
	if len(national) < minNational || len(national) > maxNational {
		return "", false
	}
	national = inASCII(national)
	if w.codes[area.code].fits(national) != possible {
		return "", false
	}
	return "+" + area.code + national, true
}

// Valid reports whether a number in E.164, as E164 returns it, is one that the
// numbering plan of its country gives out. A number may have a possible length
// and not be valid: +1 555 123 4567 has no area that exists.
func Valid(number string) bool {
	rest, plus := strings.CutPrefix(number, "+")
	if !plus || strings.ContainsFunc(rest, func(r rune) bool { return r < '0' || r > '9' }) {
		return false
	}
	w := world()
	area, national := w.cutCode(rest)
	if area == nil || len(national) < minNational || len(national) > maxNational {
		return false
	}
	shared := w.sharing[area.code]
	for _, p := range shared {
		switch {
		case len(shared) == 1:
			return p.gives(national)
		case p.leading != nil:
			if p.leading.get().MatchString(national) {
				return p.gives(national) // the region is known, and its word is the last
			}
		case p.gives(national):
			return true
		}
	}
	return false
}

// gives reports whether the plan gives out such a national number.
func (p *plan) gives(national string) bool {
	return slices.Contains(p.lengths, len(national)) && p.has(national) && p.kinds.get().MatchString(national)
}

// split tells the country code from the national number. The area is the plan
// to go on with: that of home, unless the number names its code.
func (w *plans) split(number string, plus bool, home *plan) (area *plan, national string, ok bool) {
	if plus {
		if area, national = w.cutCode(number); area != nil {
			return area, national, true
		}
	}
	if home == nil {
		return nil, "", false
	}
	if abroad, cut := home.withoutIDD(number); cut {
		area, national = w.cutCode(abroad)
		return area, national, area != nil
	}
	if national, cut := strings.CutPrefix(number, home.code); cut {
		// The country's own code without a plus sign, or a number that begins
		// like it: the first when only that makes a number of it.
		national = home.withoutPrefix(national)
		if home.fits(number) == tooLong || !home.has(number) && home.has(national) {
			return w.codes[home.code], national, true
		}
	}
	return home, number, !plus // after a plus sign there must be a code
}

// cutCode takes the country code off; nil when the number begins with none.
func (w *plans) cutCode(number string) (*plan, string) {
	for i := 1; i <= min(maxCode, len(number)); i++ {
		if p := w.codes[number[:i]]; p != nil {
			return p, number[i:]
		}
	}
	return nil, ""
}

// has reports whether the plan has such a national number.
func (p *plan) has(national string) bool { return p.pattern.get().MatchString(national) }

// withoutIDD takes off what is dialled to call abroad. A zero after it would be
// no country code.
func (p *plan) withoutIDD(number string) (string, bool) {
	at := p.idd.get().FindStringIndex(number)
	if at == nil || at[0] != 0 || strings.HasPrefix(number[at[1]:], "0") {
		return number, false
	}
	return number[at[1]:], true
}

// withoutPrefix takes off what is dialled in front of a national number, or
// puts in what the plan wants for it; not when that would spoil a number that
// is right as it is.
func (p *plan) withoutPrefix(national string) string {
	if p.prefix == nil {
		return national
	}
	re := p.prefix.get()
	at := re.FindStringSubmatchIndex(national)
	if at == nil {
		return national
	}
	out := national[at[1]:]
	if p.transform != "" && at[len(at)-2] >= 0 {
		out = re.ReplaceAllString(national, p.transform)
	}
	if p.has(national) && !p.has(out) {
		return national
	}
	return out
}

// begin drops what stands in front of the first digit or plus sign.
func begin(text string) (rest string, plus bool) {
	at := strings.IndexFunc(text, func(r rune) bool { return isPlus(r) || unicode.IsDigit(r) })
	if at < 0 {
		return "", false
	}
	rest = strings.TrimLeftFunc(text[at:], isPlus)
	return rest, len(rest) < len(text)-at
}

func isPlus(r rune) bool { return r == '+' || r == '\uFF0B' }

// marks are what people put between digits: dashes, spaces, brackets, dots and
// slashes, wide ones too.
const marks = "-.()[]/ \u2010\u2011\u2012\u2013\u2014\u2015\u2212" +
	"\uFF0D\uFF0E\uFF0F\u00A0\u00AD\u200B\u2060\u3000\uFF08\uFF09\uFF3B\uFF3D"

// plausible reports whether a text is digits and marks, and digits enough: two
// by themselves, or three.
func plausible(text string) bool {
	n, others := 0, 0
	for _, r := range text {
		switch {
		case unicode.IsDigit(r):
			n++
		case strings.ContainsRune(marks, r):
			others++
		default:
			return false
		}
	}
	return n > minNational || n == minNational && others == 0
}

// digits keeps the digits. Those of scripts that phones are dialled in become ASCII.
func digits(text string) string {
	var b strings.Builder
	for _, r := range text {
		if !unicode.IsDigit(r) {
			continue
		}
		for _, zero := range [...]rune{'\u0660', '\u06F0', '\uFF10'} { // Arabic, eastern Arabic, full width
			if r >= zero && r < zero+10 {
				r = '0' + r - zero
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

// inASCII is a number whose other digits have no value: zeros in front, and zero.
func inASCII(national string) string {
	if strings.IndexFunc(national, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
		return national
	}
	zeros := len(national) - len(strings.TrimLeft(national, "0"))
	return national[:min(zeros, len(national)-1)] + "0"
}

// Split takes a number in E.164 apart.
func Split(e164 string) (code, national string, ok bool) {
	number, plus := strings.CutPrefix(e164, "+")
	if !plus {
		return "", "", false
	}
	area, national := world().cutCode(number)
	if area == nil || national == "" || strings.Trim(national, "0123456789") != "" {
		return "", "", false
	}
	return area.code, national, true
}
