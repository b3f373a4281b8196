package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
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
	if lower := lowerASCII(domain); plainDomain(lower) {
		domain = lower
	} else {
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

// emailSpellings writes an address as apps keep it that do not bring its domain
// into ASCII, and those that keep letters and their accents apart. Most
// addresses have no other spelling.
func emailSpellings(address string) []string {
	local, domain, _ := strings.Cut(address, "@")
	if strings.Contains(domain, "xn--") {
		if spoken, err := idna.Display.ToUnicode(domain); err == nil {
			domain = spoken
		}
	}
	shown := local + "@" + domain
	return []string{shown, norm.NFD.String(address), norm.NFD.String(shown)}
}

// plainDomain reports a domain in lower case that IDNA would leave as it is:
// nearly all are, and the way through its tables costs more than all else about
// an address. Of one that was not in lower case IDNA makes that first.
func plainDomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "xn--") || label[0] == '-' ||
			label[len(label)-1] == '-' {
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
