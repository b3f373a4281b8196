package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// domains maps a domain as UTS 46 does for lookup (case, width) and refuses
// what no mail server is found under.
var domains = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(true),
	idna.ValidateLabels(true),
	idna.CheckHyphens(false),
	idna.VerifyDNSLength(true),
)

// IdentityKey returns the text under which a record is matched by a field of
// type t. E-mail: trimmed, NFC, ASCII lower case in the local part, domain
// through IDNA. Phone: E.164 with country for numbers without a country code.
// Number: canonical decimal. Others: trimmed NFC text in ASCII lower case.
//
// It reports false for a blank value, for what is no e-mail address or no
// phone number of a known country, for several values at once, and for text
// with characters that Unicode's NFC replaces by ASCII ones: such a
// look-alike must not be taken for the real one. A key is its own key.
func IdentityKey(t crm.FieldType, v crm.Value, country string) (key string, ok bool) {
	if v.Blank() {
		return "", false
	}
	raw := v.Text()
	if v.Kind() == crm.List {
		items := Items(v)
		if len(items) != 1 {
			return "", false
		}
		raw = items[0]
	}
	if !utf8.ValidString(raw) || hidesASCII(raw) {
		return "", false
	}
	switch t {
	case crm.TypeEmail:
		return CanonicalEmail(raw)
	case crm.TypePhone:
		number, global, ok := CanonicalPhone(raw, country)
		if !ok || !global {
			return "", false
		}
		return number, true
	case crm.TypeNumber:
		return CanonicalNumber(raw)
	case crm.TypeText, crm.TypeBoolean, crm.TypeDate, crm.TypeDateTime, crm.TypeOption, crm.TypeOptions,
		crm.TypeList, crm.TypeReference, crm.TypeURL, crm.TypeOwner:
	}
	key = lowerASCII(CanonicalText(raw))
	return key, key != ""
}

// hidesASCII reports characters whose NFC is ASCII: the Greek question mark,
// the Greek varia and the Kelvin sign are the only ones.
func hidesASCII(s string) bool {
	for _, r := range s {
		if r == '\u037e' || r == '\u1fef' || r == '\u212a' {
			return true
		}
	}
	return false
}

// CanonicalEmail returns the canonical form of an e-mail address and whether s
// is one. Applying it twice changes nothing; look-alikes stay apart.
func CanonicalEmail(s string) (string, bool) {
	if !utf8.ValidString(s) || hidesASCII(s) {
		return "", false
	}
	local, domain, found := strings.Cut(CanonicalText(s), "@")
	if !found || local == "" || strings.ContainsFunc(local, notInLocalPart) {
		return "", false
	}
	if !plainDomain(domain) {
		once, err := domains.ToASCII(domain)
		if err != nil || strings.HasSuffix(once, ".") {
			return "", false
		}
		if twice, err := domains.ToASCII(once); err != nil || twice != once {
			return "", false
		}
		domain = once
	}
	return lowerASCII(local) + "@" + domain, true
}

// plainDomain reports a domain that IDNA would leave as it is: nearly all are,
// and the way through its tables costs more than all else about an address.
func plainDomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "xn--") || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// notInLocalPart reports characters that only a quoted local part may hold.
// Quoted ones are not offered by CRMs and not accepted here.
func notInLocalPart(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`"(),:;<>@[\]`, r)
}
