package mapping

import (
	"regexp"
	"strings"
	"sync"
	"unicode"

	"github.com/lockstep-crm/lockstep/internal/mapping/numbering"
)

// A phone is digits and the marks people put between them, with an extension
// at the end at most. Anything else ("mobile 0151… after six") is a note, which
// must not be cut down to a number.
var phoneShape = regexp.MustCompile(`(?i)^(?:tel:)?\s*([+\x{FF0B}]?[\p{Nd}\s()\[\]./\-\x{2010}-\x{2015}\x{2212}\x{FF0D}\x{00A0}\x{3000}]*)` +
	`(?:[\s,;]*(?:ext(?:n|ension)?|x|#)\s*[.:=]?\s*([0-9]{1,7})\s*)?$`)

// CanonicalPhone returns a phone number in E.164, with " ext. 5" after it where
// there is an extension. Country (ISO 3166-1 alpha-2) is for numbers without a
// country code. A number that has no possible length in its country, or none
// known, keeps its digits and leading plus; global is false for it. It reports
// ok false for text that is no phone number.
func CanonicalPhone(s, country string) (number string, global, ok bool) {
	key := spelling{s, country}
	p, known := phones.get(key)
	if !known {
		p.number, p.global, p.ok = parsePhone(s, country)
		phones.put(key, p)
	}
	return p.number, p.global, p.ok
}

// A record's phone is read several times on its way: to match it, to merge it,
// to tell whether a side holds what was agreed.
var phones = phoneMemo{known: map[spelling]phone{}}

// maxPhones bounds the memo: it holds a few chunks' worth.
const maxPhones = 4096

type (
	spelling struct{ text, country string }
	phone    struct {
		number     string
		global, ok bool
	}
	phoneMemo struct {
		mu    sync.Mutex
		known map[spelling]phone
	}
)

func (m *phoneMemo) get(s spelling) (phone, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.known[s]
	return p, ok
}

func (m *phoneMemo) put(s spelling, p phone) {
	if len(s.text) > 64 {
		return // no phone number that comes twice
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= maxPhones {
		clear(m.known)
	}
	s.text = strings.Clone(s.text) // it may be part of a whole answer
	m.known[s] = p
}

func parsePhone(s, country string) (number string, global, ok bool) {
	s = CanonicalText(s)
	if len(s) > 250 {
		return "", false, false
	}
	parts := phoneShape.FindStringSubmatch(s)
	if parts == nil {
		return "", false, false
	}
	digits := phoneDigits(parts[1])
	if strings.Trim(digits, "+") == "" {
		return "", false, false
	}
	extension := parts[2]
	// Parsed from the text first: "(0)" and the like mean something there.
	for _, text := range []string{parts[1], digits} {
		if e, ok := e164(text, country); ok {
			return withExtension(e, extension), true, true
		}
	}
	return withExtension(digits, extension), false, true
}

func withExtension(number, extension string) string {
	if extension == "" {
		return number
	}
	return number + " ext. " + extension
}

// e164 returns the number in E.164 if it has a possible length and the form is stable.
func e164(s, country string) (string, bool) {
	country = strings.ToUpper(country)
	first, ok := numbering.E164(s, country)
	if !ok {
		return "", false
	}
	second, ok := numbering.E164(first, country)
	return first, ok && first == second
}

// phoneDigits keeps the digits, as ASCII, and a leading plus.
func phoneDigits(s string) string {
	var b strings.Builder
	for _, r := range strings.TrimSpace(s) {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case (r == '+' || r == '\uFF0B') && b.Len() == 0:
			b.WriteByte('+')
		case unicode.IsDigit(r):
			b.WriteByte(byte('0' + digitValue(r)))
		}
	}
	return b.String()
}

// digitValue relies on Unicode's decimal digits coming in runs of ten from zero.
func digitValue(r rune) rune {
	for _, table := range unicode.Nd.R16 {
		if lo, hi := rune(table.Lo), rune(table.Hi); r >= lo && r <= hi {
			return (r - lo) % 10
		}
	}
	for _, table := range unicode.Nd.R32 {
		if lo, hi := rune(table.Lo), rune(table.Hi); r >= lo && r <= hi {
			return (r - lo) % 10
		}
	}
	return 0
}

// KnownCountry reports whether the numbering plan of the ISO 3166-1 alpha-2 code is known.
func KnownCountry(country string) bool {
	return numbering.Known(strings.ToUpper(country))
}
