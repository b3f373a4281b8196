// Package config checks the settings of a program. Flags and environment are
// read once, by the program's command line; this package says everything that
// is wrong with them at once, and turns them into what the parts take.
package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// AdminKeyVariable is the environment variable with the operator's key. There
// is no flag for it: the arguments of a process can be read by others.
const AdminKeyVariable = "LOCKSTEP_ADMIN_KEY"

// SMTPPasswordVariable is the environment variable with the password of the mail
// server; there is no flag for it either.
const SMTPPasswordVariable = "LOCKSTEP_SMTP_PASSWORD" //nolint:gosec // the name of a variable

// Bounds of settings.
const (
	MinAdminKey   = 16 // the token of metrics, too
	MaxAdminKey   = 512
	MinAppTimeout = time.Second
	MaxAppTimeout = time.Minute
)

// Serve are the settings of the program as they were given, unchecked.
type Serve struct {
	Addr       string   // host:port to listen on
	DataDir    string   // the data folder
	AllowHosts []string // host or host:port, also several in one, separated by commas
	Documents  string   // folder with documents of apps; "" = the program's own only
	PublicURL  string   // scheme://host[:port]; "" = as requests say
	AdminKey   string   // "" = the generated one
	Metrics    string   // the token that opens /metrics; "" = there is no such path
	AppTimeout string   // longest call to an app, such as "6s"
	LogLevel   string
	LogFormat  string
	TLSCert    string   // file with the certificate and what leads to its root, PEM; "" = plain HTTP
	TLSKey     string   // file with its private key, PEM
	Proxies    []string // addresses and networks (CIDR) whose X-Forwarded-For is believed
	SMTP       SMTP
}

// SMTP is the mail server as it was given; without Server there is none.
type SMTP struct {
	Server   string // host:port
	TLS      string
	From     string
	User     string
	Password string
}

// Mail is the mail server as the parts take it; without Host there is none.
type Mail struct {
	Host                      string
	Port                      uint16
	TLS, From, User, Password string
}

// Checked are the settings as the parts take them.
type Checked struct {
	Host       string // to listen on; "" = all addresses
	Port       uint16 // 0 = any that is free
	DataDir    string
	AllowHosts []string
	Documents  string
	PublicURL  string
	AdminKey   string
	Metrics    string
	AppTimeout time.Duration
	LogLevel   string
	LogFormat  string
	TLSCert    string
	TLSKey     string
	Proxies    []netip.Prefix
	Mail       Mail
}

// Exposed tells whether others than this machine could reach the listener and
// nothing keeps what they send secret.
func (c Checked) Exposed() bool {
	ip := net.ParseIP(c.Host)
	return c.TLSCert == "" && c.Host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// Addr is the address to listen on.
func (c Checked) Addr() string { return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) }

// Names are the host names under which the surface is reached beside loopback
// and the host of PublicURL.
func (c Checked) Names() []string {
	ip := net.ParseIP(c.Host)
	if c.Host == "" || ip != nil && ip.IsUnspecified() {
		return nil
	}
	return []string{c.Host}
}

// Check returns the settings in their final form. Invalid with code
// "invalid_config", naming every problem with its flag and remedy.
func (s Serve) Check(levels, formats []string) (Checked, error) {
	p := problems{}
	c := Checked{
		DataDir: s.DataDir, Documents: s.Documents, PublicURL: strings.TrimSuffix(s.PublicURL, "/"), AdminKey: s.AdminKey,
		Metrics:  s.Metrics,
		LogLevel: s.LogLevel, LogFormat: s.LogFormat, TLSCert: s.TLSCert, TLSKey: s.TLSKey,
	}
	c.Host, c.Port = p.addr(s.Addr)
	if strings.TrimSpace(s.DataDir) == "" {
		p.add("--data: name a folder")
	}
	for _, list := range s.AllowHosts {
		for entry := range strings.SplitSeq(list, ",") {
			if entry = strings.TrimSpace(entry); entry != "" {
				c.AllowHosts = append(c.AllowHosts, entry)
			}
		}
	}
	p.publicURL(c.PublicURL)
	p.key(AdminKeyVariable, s.AdminKey)
	p.key("--metrics-token", s.Metrics)
	if s.Metrics != "" && s.Metrics == s.AdminKey {
		p.add("--metrics-token: use another one than the admin key: whoever collects metrics would be let in everywhere")
	}
	c.AppTimeout = p.timeout(s.AppTimeout)
	if !slices.Contains(levels, s.LogLevel) {
		p.add("--log-level: %q is none of %s", s.LogLevel, strings.Join(levels, ", "))
	}
	if !slices.Contains(formats, s.LogFormat) {
		p.add("--log-format: %q is none of %s", s.LogFormat, strings.Join(formats, ", "))
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		p.add("--tls-cert, --tls-key: give both, or none and a proxy that ends TLS")
	}
	c.Proxies = p.proxies(s.Proxies)
	c.Mail = p.mail(s.SMTP)
	return c, p.err()
}

// problems collects what is wrong.
type problems struct{ all []string }

func (p *problems) add(format string, args ...any) {
	p.all = append(p.all, fmt.Sprintf(format, args...))
}

func (p *problems) err() error {
	if p.all == nil {
		return nil
	}
	return fault.New("config: check", fault.Invalid, "invalid_config", strings.Join(p.all, "\n"))
}

func (p *problems) addr(addr string) (string, uint16) {
	host, port, err := net.SplitHostPort(addr)
	n, nerr := strconv.ParseUint(port, 10, 16)
	if err != nil || nerr != nil {
		p.add("--addr: %q is not host:port, such as 127.0.0.1:8080", addr)
	}
	return host, uint16(n)
}

// mail checks the mail server. A login in the clear stays on this machine.
func (p *problems) mail(s SMTP) Mail {
	if s.Server == "" {
		if s.From != "" || s.User != "" || s.Password != "" {
			p.add("--smtp-server: name the mail server, host:port, or leave out --smtp-from, --smtp-user and %s",
				SMTPPasswordVariable)
		}
		return Mail{}
	}
	host, port, err := net.SplitHostPort(s.Server)
	n, nerr := strconv.ParseUint(port, 10, 16)
	if err != nil || nerr != nil || host == "" || n == 0 {
		p.add("--smtp-server: %q is not host:port, such as smtp.example.com:587", s.Server)
	}
	if a, err := mail.ParseAddress(s.From); err != nil || !strings.Contains(a.Address, "@") {
		p.add("--smtp-from: name the sender, such as lockstep@example.com")
	}
	if (s.User == "") != (s.Password == "") {
		p.add("--smtp-user, %s: give both, or none where the server asks for no login", SMTPPasswordVariable)
	}
	switch s.TLS {
	case "starttls", "tls":
	case "off":
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			p.add("--smtp-tls off: only for a server on this machine; use starttls or tls")
		}
	default:
		p.add("--smtp-tls: %q is none of starttls, tls, off", s.TLS)
	}
	return Mail{Host: host, Port: uint16(n), TLS: s.TLS, From: s.From, User: s.User, Password: s.Password}
}

func (p *problems) proxies(lists []string) []netip.Prefix {
	var out []netip.Prefix
	for _, list := range lists {
		for entry := range strings.SplitSeq(list, ",") {
			if entry = strings.TrimSpace(entry); entry == "" {
				continue
			}
			prefix, err := netip.ParsePrefix(entry)
			if a, aerr := netip.ParseAddr(entry); aerr == nil {
				prefix, err = netip.PrefixFrom(a, a.BitLen()), nil
			}
			if err != nil || prefix.Bits() == 0 {
				p.add("--trusted-proxy: %q is no address or network such as 10.0.0.0/24", entry)
				continue
			}
			out = append(out, prefix.Masked())
		}
	}
	return out
}

func (p *problems) publicURL(raw string) {
	if raw == "" {
		return
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.RawQuery != "" ||
		u.Fragment != "" || u.User != nil {
		p.add("--public-url: %q is not scheme://host[:port], such as https://sync.example.com", raw)
	}
}

// key checks a key that an operator chose.
func (p *problems) key(name, key string) {
	if key == "" {
		return
	}
	switch odd := strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }); {
	case odd:
		p.add("%s: use printable ASCII characters without blanks", name)
	case len(key) < MinAdminKey || len(key) > MaxAdminKey:
		p.add("%s: use %d to %d characters", name, MinAdminKey, MaxAdminKey)
	}
}

func (p *problems) timeout(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < MinAppTimeout || d > MaxAppTimeout {
		p.add("--app-timeout: %q is not a duration between %s and %s, such as 6s", text, MinAppTimeout, MaxAppTimeout)
	}
	return d
}
