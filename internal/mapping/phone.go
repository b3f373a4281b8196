package mapping

import (
	"regexp"
	"strings"
	"sync"
	"unicode"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping/e164"
)

// A phone is digits and the marks people put between them, with an extension
// at the end at most. Anything else ("mobile 0151… after six") is a note, which
// must not be cut down to a number.
var phoneShape = regexp.MustCompile(
	`(?i)^(?:tel:)?\s*([+\x{FF0B}]?[\p{Nd}\s()\[\]./\-\x{2010}-\x{2015}\x{2212}\x{FF0D}\x{00A0}\x{3000}]*)` +
		`(?:[\s,;]*(?:e?xt(?:n|ensi(?:o|o\x{0301}|\x{F3})n)?|int|anexo|\x{0434}\x{043E}\x{0431}|x|#)\s*[.:=]?\s*([0-9]{1,9})#?\s*)?$`)

// CanonicalPhone returns a phone number in the form in which it is compared,
// and whether it is a valid number. A valid number, one that the numbering plan
// of its country gives out, is in E.164, with " ext. 5" after it where there is
// an extension. Country (ISO 3166-1 alpha-2) is for numbers without a country
// code.
//
// Everything else (words, two numbers, national numbers of another country,
// short codes) is compared by its digits and its extension, with "~" in front
// where the digits alone would be a valid number; by its text where it has no
// digits. Blank is no phone at all: ok is false for it.
func CanonicalPhone(s, country string) (number string, valid, ok bool) {
	key := spelling{s, country}
	p, known := phones.get(key)
	if !known {
		p.number, p.valid = parsePhone(CanonicalText(s), country)
		phones.put(key, p)
	}
	return p.number, p.valid, p.number != ""
}

// A record's phone is read several times on its way: to match it, to merge it,
// to tell whether a side holds what was agreed.
var phones = phoneMemo{known: map[spelling]phone{}}

// maxPhones bounds the memo: it holds a few chunks' worth.
const maxPhones = 4096

type (
	spelling struct{ text, country string }
	phone    struct {
		number string
		valid  bool
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

// parsePhone reads a text in NFC without white space around it.
func parsePhone(s, country string) (number string, valid bool) {
	if len(s) > 250 {
		return s, false
	}
	bare, marked := strings.CutPrefix(s, inWords)
	main, extension, shaped := phoneParts(bare)
	if shaped && !marked {
		if e, ok := validNumber(main, country); ok {
			return withExtension(e, extension), true
		}
	}
	if !shaped {
		main = s
	}
	digits := phoneDigits(main)
	for _, form := range []string{strings.TrimPrefix(digits, "+"), digits} {
		if strings.Trim(form, "+") == "" {
			return s, false
		}
		if _, ok := validNumber(form, country); !ok {
			return withExtension(form, extension), false
		}
	}
	// Digits that would be a valid number by themselves ("call Bob: 020 7183
	// 8750") must not be read as one when they come back.
	return withExtension(inWords+digits, extension), false
}

// inWords stands for what surrounded the digits of a text that is no number.
const inWords = "~"

// phoneParts tells the number from its extension; false for a text that is
// more than that.
func phoneParts(s string) (main, extension string, ok bool) {
	parts := phoneShape.FindStringSubmatch(s)
	if parts == nil {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// validNumber returns the E.164 form of a text of the shape of a phone number,
// if it is a valid number in country.
func validNumber(text, country string) (string, bool) {
	if twoNumbers(text, country) {
		return "", false
	}
	digits := phoneDigits(text)
	// From the text first: "(0)" and the like mean something there.
	readings := []string{text, digits}
	if trunk := strings.Replace(text, "(0)", "", 1); trunk != text {
		readings = append(readings, trunk) // "+36 (0)1": the country has no such prefix
	}
	for _, r := range readings {
		if e, ok := stable(r, country); ok {
			return e, true
		}
		// "00" is understood as the way abroad wherever it cannot be a national
		// number: people write it in countries that dial 011 too.
		if abroad, ok := strings.CutPrefix(phoneDigits(r), "00"); ok {
			if e, ok := stable("+"+abroad, country); ok {
				return e, true
			}
		}
	}
	return "", false
}

// twoNumbers reports a field with two numbers in it: on either side of a slash
// both begin anew with a prefix, or both are long enough to be whole.
// "030/1234567" is one number: an area and a number within it.
func twoNumbers(text, country string) bool {
	a, b, found := strings.Cut(text, "/")
	if !found {
		return false
	}
	first, second := phoneDigits(a), phoneDigits(b)
	begins := func(s string) bool { return strings.HasPrefix(s, "0") || strings.HasPrefix(s, "+") }
	if len(first) > 3 && begins(first) && begins(second) {
		return true
	}
	whole := func(s string) bool {
		_, ok := stable(s, country)
		return ok || len(s) >= 7
	}
	return whole(first) && whole(second)
}

func withExtension(number, extension string) string {
	if extension == "" {
		return number
	}
	return number + " ext. " + extension
}

// stable returns the number in E.164 if it is valid and the form is stable.
func stable(s, country string) (string, bool) {
	country = strings.ToUpper(country)
	first, ok := e164.Format(s, country)
	if !ok || !e164.Valid(first) {
		return "", false
	}
	second, ok := e164.Format(first, country)
	return first, ok && first == second
}

// phoneDigits keeps the digits, as ASCII, and a leading plus.
func phoneDigits(s string) string {
	var b strings.Builder
	for _, r := range strings.TrimSpace(s) {
		switch {
		case (r == '+' || r == '\uFF0B') && b.Len() == 0:
			b.WriteByte('+')
		case unicode.IsDigit(r):
			b.WriteByte(byte('0' + digitValue(r)))
		}
	}
	return b.String()
}

// digitValue relies on Unicode's decimal digits coming in runs of ten from zero,
// those of ASCII first.
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
	return e164.Known(strings.ToUpper(country))
}

// lastDigits is the part of a key that every way to write the number ends in:
// what stands before it (country code, trunk prefix) is written in many ways.
func lastDigits(key string) string {
	number, _, _ := strings.Cut(key, " ")
	const tail = 7 // enough to tell numbers apart, too short for an area code
	return number[max(0, len(number)-tail):]
}

// phoneSpellings writes an E.164 number as people do: without the plus, and for
// North America in the usual groups. Apps that search by text find a number
// only as it was typed; every spelling is one more value to ask for.
func phoneSpellings(key string) []string {
	digits, plus := strings.CutPrefix(key, "+")
	if !plus || strings.ContainsFunc(digits, notDigit) {
		return nil
	}
	out := []string{digits}
	if len(digits) == 11 && digits[0] == '1' {
		area, office, line := digits[1:4], digits[4:7], digits[7:]
		out = append(out, digits[1:], "("+area+") "+office+"-"+line, area+"-"+office+"-"+line, area+"."+office+"."+line,
			"+1 "+area+"-"+office+"-"+line)
	}
	return out
}

// InvalidPhone reports a canonical value of a mapping of phones that is no
// valid number. It stays the text that it was and says so (crm.ReasonInvalidPhone).
func (c *Compiled) InvalidPhone(v crm.Value) bool {
	if c.domain != domainPhone || v.Blank() {
		return false
	}
	_, valid, _ := CanonicalPhone(v.Text(), c.country)
	return !valid
}

// PhoneRemark says of a side's field that it holds no valid number; it does not
// quote the value.
func (c *Compiled) PhoneRemark(side crm.Side) string {
	where := ""
	if c.country != "" {
		where = " in " + c.country
	}
	return string(side) + " field " + c.end(side).names[0] + ": this is no valid phone number" + where +
		": it stays the text that it is, is compared by its digits and replaces no number; correct it, with country code"
}

// MayReplace reports whether a canonical value may take another's place where
// both ways are open: what is no valid phone number never replaces one.
func (c *Compiled) MayReplace(v, held crm.Value) bool {
	return !c.InvalidPhone(v) || held.Blank() || c.InvalidPhone(held)
}

// asSpelled returns the text that the other side holds for a phone that is no
// valid number: its digits alone would lose what the person wrote.
func (c *Compiled) asSpelled(e *end, v crm.Value, source crm.Fields) (crm.Value, bool) {
	from := c.end(e.side.Other())
	if source == nil || len(from.names) != 1 || !c.InvalidPhone(v) {
		return crm.Value{}, false
	}
	raw := source[from.names[0]]
	if read, err := c.read(from, raw); err != nil || !read.Equal(v) {
		return crm.Value{}, false
	}
	return textOrNull(CanonicalText(raw.Text())), true
}
