package egress

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// CodeRefused is the code of every refusal, Field is "base_url".
const CodeRefused = "base_url_refused"

// maxURL bounds an address, in bytes.
const maxURL = 2000

// CheckURL says whether an address may be called for app. It opens nothing and
// resolves nothing. Invalid with code CodeRefused and a remedy otherwise.
func (g *Guard) CheckURL(app crm.App, raw string) error {
	t, problem := parse(raw)
	if problem != "" {
		return refuse(problem + "; give an address like " + example(app))
	}
	if problem := g.judge(app, t); problem != "" {
		return refuse(problem + "; give an address like " + example(app) +
			", or have the operator allow this one with --allow-host host:port (LOCKSTEP_ALLOW_HOSTS)")
	}
	return nil
}

func refuse(message string) error {
	return &fault.Error{
		Op: "egress: check address", Kind: fault.Invalid, Code: CodeRefused, Field: "base_url", Message: message,
	}
}

func example(app crm.App) string {
	if len(app.Hosts) == 0 {
		return "https://crm.example.com"
	}
	return "https://" + strings.TrimPrefix(app.Hosts[0], ".") + " or a host below it"
}

// target is where an address leads.
type target struct {
	https bool
	host  string // lower case; an IP address in its canonical form
	port  uint16
	ip    bool
}

// hostport is the form of an operator's exact entry.
func (t target) hostport() string { return joinHostPort(t.host, t.port) }

func joinHostPort(host string, port uint16) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(port))
}

// parse reads an address in the one plain form that every parser reads alike.
func parse(raw string) (t target, problem string) {
	if raw == "" || len(raw) > maxURL {
		return t, "the address is empty or too long"
	}
	if strings.ContainsFunc(raw, odd) {
		return t, "the address has characters that no host or path of an app needs"
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return t, "this is not an address"
	}
	switch {
	case u.User != nil:
		return t, "the address must have no user name or password"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return t, "the address must have no query or fragment"
	case u.Scheme != "https" && u.Scheme != "http":
		return t, "the address must begin with https://"
	case !plainPath(u.Path):
		return t, "the path of the address must be plain"
	}
	t.https = u.Scheme == "https"
	return parseHost(t, u)
}

// odd reports characters outside of what the plain form is made of. A percent
// sign is one: it hides others.
func odd(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("-._~:/[]", r)
}

func plainPath(p string) bool {
	if p == "" || p == "/" {
		return true
	}
	for seg := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(p, "/"), "/"), "/") {
		if seg == "" || strings.Trim(seg, ".") == "" || strings.ContainsAny(seg, ":[]") {
			return false
		}
	}
	return true
}

func parseHost(t target, u *url.URL) (target, string) {
	t.host, t.port = strings.ToLower(u.Hostname()), 443
	if !t.https {
		t.port = 80
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' {
			return t, "the port of the address is not one"
		}
		t.port = uint16(n)
	} else if strings.HasSuffix(u.Host, ":") {
		return t, "the port of the address is missing"
	}
	host, ip, ok := canonicalHost(t.host)
	if !ok || strings.HasPrefix(u.Host, "[") != strings.Contains(host, ":") {
		return t, "the host of the address is not a plain name"
	}
	t.host, t.ip = host, ip
	return t, ""
}

// canonicalHost accepts a plain DNS name of at least one label, or an IP
// address in its canonical form.
func canonicalHost(host string) (canonical string, ip, ok bool) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return host, true, addr.Zone() == "" && !addr.Is4In6() && addr.String() == host
	}
	if len(host) == 0 || len(host) > 253 {
		return "", false, false
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if !plainLabel(l) {
			return "", false, false
		}
	}
	// 127.1, 0x7f000001 and 2130706433 are IPv4 addresses to many parsers:
	// https://url.spec.whatwg.org/#ends-in-a-number-checker
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "", false, false
	}
	return host, false, true
}

// plainLabel accepts letters, digits and inner hyphens; an internationalised
// label (xn--) may look like another one.
func plainLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.HasPrefix(l, "xn--") {
		return false
	}
	return strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// judge says what is wrong with a target, or nothing.
func (g *Guard) judge(app crm.App, t target) string {
	if g.exact[t.hostport()] {
		if !t.https && g.strict {
			return "plain http is refused on this installation"
		}
		return ""
	}
	switch {
	case t.ip:
		return "the host is an IP address"
	case !t.https:
		return "the address must begin with https://"
	case t.port != 443:
		return "the port must be 443"
	case g.hosts[t.host] || ownHost(app, t.host):
		return ""
	}
	return "the host does not belong to " + app.Name
}

// ownHost reports whether host is one of the app's, or below one.
func ownHost(app crm.App, host string) bool {
	for _, h := range app.Hosts {
		h = strings.ToLower(strings.Trim(h, "."))
		if h != "" && (host == h || strings.HasSuffix(host, "."+h)) {
			return true
		}
	}
	return false
}
