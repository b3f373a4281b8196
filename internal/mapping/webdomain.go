package mapping

import (
	_ "embed" // for the hosts of everybody
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// scheme is what stands in front of a host, as people type it: "https://",
// "//", and "http:" with a slash too few or too many.
var scheme = regexp.MustCompile(`^(?i:https?:/*|[a-z][a-z0-9+.\-]*://|//)`)

// CanonicalDomain returns the host that a web address names: through IDNA, in
// lower case, without a leading "www."; scheme, user, port, path and trailing
// dot are dropped. Subdomains stay: they are other companies. It reports false
// for what names no host of the public net: words, e-mail addresses, numeric
// addresses, names without a dot. The domain of a domain is itself.
func CanonicalDomain(s string) (host string, ok bool) {
	host, _, ok = splitAddress(CanonicalText(s))
	return host, ok
}

// splitAddress takes a web address in NFC apart. Rest is what follows the host
// and its port, without slashes at its end.
func splitAddress(s string) (host, rest string, ok bool) {
	if !utf8.ValidString(s) || len(s) > 2048 {
		return "", "", false
	}
	s, named := cutScheme(s)
	host = s
	if at := strings.IndexAny(s, `/\?#`); at >= 0 {
		host, rest = s[:at], strings.TrimRight(s[at:], `/\`)
	}
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		if user, _, password := strings.Cut(host[:at], ":"); !named && (!password || strings.EqualFold(user, "mailto")) {
			return "", "", false // an e-mail address
		}
		host = host[at+1:]
	}
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.ContainsFunc(host[at+1:], notDigit) {
		host = host[:at]
	}
	host, ok = canonicalHost(host)
	return host, rest, ok
}

func cutScheme(s string) (rest string, found bool) {
	at := scheme.FindStringIndex(s)
	if at == nil {
		return s, false
	}
	return s[at[1]:], true
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// canonicalHost maps a host name to the one that is looked up.
func canonicalHost(host string) (string, bool) {
	host = strings.TrimSuffix(host, ".")
	if host == "" || strings.ContainsFunc(host, unicode.IsSpace) {
		return "", false
	}
	if !plainDomain(host) {
		once, err := domains.ToASCII(host)
		if err != nil {
			return "", false
		}
		once = strings.TrimSuffix(once, ".") // a full stop of another script
		if twice, err := domains.ToASCII(once); err != nil || twice != once {
			return "", false
		}
		host = once
	}
	for {
		rest, found := strings.CutPrefix(host, "www.")
		if !found || !strings.Contains(rest, ".") {
			break
		}
		if suffix, listed := publicsuffix.PublicSuffix(rest); listed && suffix == rest {
			break // "www.co.uk" is a name like any other
		}
		host = rest
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == host || !strings.ContainsFunc(last, notDigit) { // no dot, or an address in numbers
		return "", false
	}
	return host, true
}

// publicSuffix reports a host under which names are given to others: "co.uk",
// and with the private part of the list "github.io".
func publicSuffix(host string) bool {
	suffix, listed := publicsuffix.PublicSuffix(host)
	return suffix == host && (listed || strings.Contains(suffix, "."))
}

//go:embed hosts.txt
var hostsText string

// hostsOfAll are those where everybody may have an address.
var hostsOfAll = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(hostsText) {
		line, _, _ = strings.Cut(line, "#")
		for host := range strings.FieldsSeq(line) {
			all[host] = true
		}
	}
	return all
})

// IdentifiesCompany reports whether a canonical host says whose it is: not one
// of a mail provider, a social network or a site builder (hosts.txt, with all
// that is under them), and not a suffix under which names are given to others
// (the Public Suffix List, its private part too).
func IdentifiesCompany(host string) bool {
	if host == "" || publicSuffix(host) {
		return false
	}
	all := hostsOfAll()
	for name := host; ; {
		if all[name] {
			return false
		}
		label, rest, found := strings.Cut(name, ".")
		if !found {
			return true
		}
		if all[label+".*"] && publicSuffix(rest) {
			return false // "yahoo.co.uk" by "yahoo.*"
		}
		name = rest
	}
}

// addressOf is the canonical form of a value under the transform "domain". For
// a host of everybody the path tells one company from another, so it stays.
// What names no host is the text that it is.
func addressOf(s string) string {
	s = CanonicalText(s)
	host, rest, ok := splitAddress(s)
	switch {
	case !ok:
		return s
	case IdentifiesCompany(host):
		return host
	}
	if again, more, ok := splitAddress(CanonicalText(host + rest)); !ok || again != host || more != rest {
		return s // what follows would be read as something else
	}
	return host + rest
}

// Shortened reports whether a canonical web address is no more than the host of
// everybody at which another one names a page: what apps keep of an address
// whose path they drop.
func (c *Compiled) Shortened(v, whole crm.Value) bool {
	if c.domain != domainHost || v.Blank() || whole.Blank() {
		return false
	}
	host, rest, ok := splitAddress(v.Text())
	if !ok || rest != "" || IdentifiesCompany(host) {
		return false
	}
	same, page, ok := splitAddress(whole.Text())
	return ok && same == host && page != ""
}

// canonicalURL is an address as an identity: its host, and the path and query
// that name one page there. It reports false for a bare host of everybody.
func canonicalURL(s string) (string, bool) {
	s = CanonicalText(s)
	host, rest, ok := splitAddress(s)
	if !ok {
		return "", false
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest = strings.TrimRight(rest, `/\?`)
	if rest == "" && !IdentifiesCompany(host) {
		return "", false
	}
	out := host + rest
	again, more, ok := splitAddress(CanonicalText(out))
	return out, ok && again == host && more == rest
}

// domainSpellings writes a domain as people and browsers do. A path or a
// subdomain cannot be foreseen: see SearchContains.
func domainSpellings(host string) []string {
	hosts := []string{host, "www." + host}
	if unicodeHost, err := idna.Display.ToUnicode(host); err == nil && unicodeHost != host {
		hosts = append(hosts, unicodeHost, "www."+unicodeHost)
	}
	var out []string
	for _, h := range hosts {
		out = append(out, h, "https://"+h, "http://"+h, "https://"+h+"/", "http://"+h+"/", h+"/")
	}
	return out
}

func urlSpellings(address string) []string {
	out := domainSpellings(address)
	if strings.ContainsAny(address, "/?") {
		return out
	}
	return append(out, address+"/")
}
