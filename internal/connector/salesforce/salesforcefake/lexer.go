package salesforcefake

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// tokenKind is a sort of word in SOQL.
type tokenKind uint8

const (
	tokEnd     tokenKind = iota
	tokName              // a keyword or an API name
	tokText              // 'quoted'
	tokLiteral           // a number, date or dateTime
	tokSign              // an operator, bracket or comma
)

type token struct {
	kind tokenKind
	text string // a text's value, unescaped
}

func (t token) is(word string) bool {
	return (t.kind == tokName || t.kind == tokSign) && strings.EqualFold(t.text, word)
}

func malformedQuery(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "MALFORMED_QUERY", format, args...)
}

// lex splits a query into words.
func lex(s string) ([]token, *refusal) {
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'':
			v, n, bad := lexText(s[i:])
			if bad != nil {
				return nil, bad
			}
			out, i = append(out, token{tokText, v}), i+n
		case isLetter(c):
			n := span(s[i:], func(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '.' })
			out, i = append(out, token{tokName, s[i : i+n]}), i+n
		case isDigit(c) || (c == '-' || c == '+') && i+1 < len(s) && isDigit(s[i+1]):
			n := 1 + span(s[i+1:], func(c byte) bool { return isLetter(c) || isDigit(c) || strings.IndexByte(":.+-", c) >= 0 })
			out, i = append(out, token{tokLiteral, s[i : i+n]}), i+n
		case strings.HasPrefix(s[i:], "!="), strings.HasPrefix(s[i:], "<>"), strings.HasPrefix(s[i:], "<="),
			strings.HasPrefix(s[i:], ">="):
			out, i = append(out, token{tokSign, s[i : i+2]}), i+2
		case strings.IndexByte("=<>(),", c) >= 0:
			out, i = append(out, token{tokSign, s[i : i+1]}), i+1
		default:
			r, _ := utf8.DecodeRuneInString(s[i:])
			return nil, malformedQuery("line 1:%d no viable alternative at character '%c'", i, r)
		}
	}
	return append(out, token{}), nil
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

// lexText reads a quoted text with the escapes of
// soql-sosl/guide/sforce-api-calls-soql-select-quotedstringescapes.
func lexText(s string) (value string, length int, bad *refusal) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\'':
			return b.String(), i + 1, nil
		case '\\':
			if i++; i == len(s) {
				return "", 0, malformedQuery("unexpected token: '<EOF>'")
			}
			at := strings.IndexByte(`nNrRtTbBfF"'\`, s[i])
			switch {
			case at >= 0:
				b.WriteByte("\n\n\r\r\t\t\b\b\f\f\"'\\"[at])
			case s[i] == '_' || s[i] == '%':
				b.WriteString(s[i-1 : i+1]) // kept for LIKE
			case s[i] == 'u' && i+4 < len(s):
				n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
				if err != nil {
					return "", 0, malformedQuery("invalid escape in a text")
				}
				b.WriteRune(rune(n))
				i += 4
			default:
				return "", 0, malformedQuery("invalid escape in a text: \\%c", s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, malformedQuery("unexpected token: '<EOF>'")
}
