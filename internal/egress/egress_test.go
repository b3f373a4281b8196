package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

var app = crm.App{ID: "fakecrm", Name: "Fake CRM", Hosts: []string{"crm.example.com", "crmusercontent.example"}}

// names is a resolver that answers from memory; unknown names are public.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	list, ok := n[host]
	if !ok {
		list = []string{"93.184.216.34"}
	}
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out, nil
}

var errNoSocket = errors.New("no sockets in this test")

// counted returns a guard whose sockets are counted and never opened.
func counted(t *testing.T, o Options, n names) (*Guard, *atomic.Int64) {
	t.Helper()
	sockets := new(atomic.Int64)
	o.Resolver = n
	o.Dial = func(context.Context, string, string) (net.Conn, error) {
		sockets.Add(1)
		return nil, errNoSocket
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g, sockets
}

// hostile are addresses that must never lead anywhere, entries or not.
func hostile() []string {
	hosts := []string{
		// Addresses, in every spelling that some parser takes for one.
		"127.0.0.1", "127.1", "127.0.1", "127.000.000.001", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433",
		"017700000001",
		"0.0.0.0", "0", "00", "10.0.0.1", "10.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.1", "3232235521",
		"169.254.169.254", "0xa9fea9fe",
		"2852039166", "0251.0376.0251.0376", "100.64.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"93.184.216.34", "8.8.8.8", "1.1.1.1",
		"[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]",
		"[::127.0.0.1]", "[fe80::1]", "[fe80::1%25eth0]",
		"[fd00::1]", "[fd00:ec2::254]", "[fc00::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
		"[2002:7f00:1::]", "[2002:a9fe:a9fe::]", "[2001::1]",
		"[2001:db8::1]", "[fec0::1]", "[2606:4700:4700::1111]", "[::1", "::1", "[127.0.0.1]", "[crm.example.com]",
		// Names of this machine and its neighbourhood.
		"localhost", "LOCALHOST", "localhost.", "foo.localhost", "localhost.localdomain", "ip6-localhost", "metadata",
		"metadata.google.internal", "instance-data",
		"kubernetes.default.svc", "host.docker.internal", "router", "intranet", "127.0.0.1.nip.io", "169.254.169.254.nip.io",
		"localtest.me",
		// Look-alikes of the app's own names.
		"crm.example.com.evil.example", "evilcrm.example.com", "evil-crm.example.com", "crm.example.com-evil.example",
		"crm.example.co", "rm.example.com", "example.com", "com",
		"crm-example.com", "crm.example.com.", "crm.example.com..", ".crm.example.com", "crm..example.com",
		"a..crm.example.com", "-a.crm.example.com", "a-.crm.example.com",
		"crm.example.com%00.evil.example", "crm.example.com%2eevil.example", "crm.example.com%23.evil.example",
		"evil.example%2fcrm.example.com", "crm%2eexample%2ecom",
		"crm.example.com\u3002evil.example", "crm\u3002example\u3002com", "\u0441rm.example.com", "crm.ex\u00e4mple.com",
		"xn--rm-mlc.example.com", "xn--crm.crm.example.com", "crm.example.com\u200b",
		"\uff43\uff52\uff4d.example.com", "crm.example.com\u2044evil.example", "\u2488evil.example", "crm_x.crm.example.com",
		"*.crm.example.com", "a b.crm.example.com", "a,b.crm.example.com",
		"crm.example.com;evil.example", "crm.example.com,evil.example", "crm.example.com|evil.example",
		"crm.example.com&evil.example", "crm.example.com\\.evil.example", "evil.example\\@crm.example.com",
		"evil.example", strings.Repeat("a", 64) + ".crm.example.com", strings.Repeat("a.", 125) + "crm.example.com", "",
	}
	var out []string
	for _, h := range hosts {
		out = append(out, "https://"+h, "http://"+h, "https://"+h+":443/")
	}
	own := []string{
		// The right host in the wrong way.
		"http://crm.example.com", "http://crm.example.com:443", "http://crm.example.com:80", "https://crm.example.com:80",
		"https://crm.example.com:8443", "https://crm.example.com:22",
		"https://crm.example.com:0", "https://crm.example.com:", "https://crm.example.com:65536",
		"https://crm.example.com:-1", "https://crm.example.com:443443", "https://crm.example.com:0443",
		"https://crm.example.com:+443", "https://crm.example.com:443:443", "https://crm.example.com:https",
		"https://crm.example.com: 443", "https://user@crm.example.com", "https://user:pass@crm.example.com",
		"https://@crm.example.com", "https://:@crm.example.com", "https://crm.example.com@evil.example",
		"https://crm.example.com:443@evil.example", "https://crm.example.com%40evil.example",
		"https://evil.example#crm.example.com",
		"https://evil.example#@crm.example.com", "https://evil.example?crm.example.com",
		"https://evil.example?@crm.example.com", "https://evil.example/crm.example.com", "https://crm.example.com?x=1",
		"https://crm.example.com/?",
		"https://crm.example.com#x", "https://crm.example.com/#", "https://crm.example.com/a?b", "https://crm.example.com/..",
		"https://crm.example.com/../x", "https://crm.example.com/a/../../b", "https://crm.example.com//evil.example",
		"https://crm.example.com/./x", "https://crm.example.com/%2e%2e/", "https://crm.example.com/%2f%2fevil.example",
		"https://crm.example.com/@evil.example", "https://crm.example.com/http://evil.example", "https://crm.example.com/a b",
		"https://crm.example.com/\tx", "https://crm.example.com\t", "https://crm.example.com\n",
		"https://crm.example.com\r\nHost: evil.example", "https://crm.example.com\x00", " https://crm.example.com",
		"https://crm.example.com ",
		"https:/crm.example.com", "https:crm.example.com", "https:///crm.example.com", "https:////crm.example.com",
		"https:\\\\crm.example.com", "https:/\\crm.example.com", "https://\\crm.example.com", "//crm.example.com",
		"/crm.example.com",
		"crm.example.com", "crm.example.com:443", "https//crm.example.com", "https:://crm.example.com",
		"hxxps://crm.example.com", "httpss://crm.example.com", "https ://crm.example.com",
		// Other schemes.
		"file:///etc/passwd", "file://crm.example.com/etc/passwd", "ftp://crm.example.com", "gopher://crm.example.com:70/_x",
		"dict://crm.example.com:11211/", "ldap://crm.example.com", "jar:https://crm.example.com!/", "data:text/plain,x",
		"javascript:alert(1)", "ws://crm.example.com", "wss://crm.example.com", "unix:///var/run/docker.sock",
		"tftp://crm.example.com", "ssh://crm.example.com", "about:blank", "view-source:https://crm.example.com",
		"blob:https://crm.example.com/x",
		"https://" + strings.Repeat("a/", 1200), "https://crm.example.com/" + strings.Repeat("a", maxURL), "\x00", "https://",
		"https://?", "https://#", "https://:443", "https://@", "::", "%", "https://%",
	}
	return append(out, own...)
}

func TestX4_HostileURLsOpenNoSocket(t *testing.T) {
	t.Parallel()
	entries := map[string]Options{
		"without entries": {},
		"with entries": {
			Allow: []string{"127.0.0.1:18099", "localhost:18099", "[::1]:18099", "partner.example", "intranet.example:8443"},
		},
		"strict": {Strict: true, Allow: []string{"partner.example"}},
	}
	urls := hostile()
	if len(urls) < 200 {
		t.Fatalf("%d hostile addresses, want at least 200", len(urls))
	}
	for name, o := range entries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, sockets := counted(t, o, nil)
			for _, raw := range urls {
				err := g.CheckURL(app, raw)
				if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != CodeRefused {
					t.Errorf("CheckURL(%q) = %v, want Invalid %s", raw, err, CodeRefused)
				}
				if !ownPath(raw) { // what a connector asks of the right host is its business
					call(t, g.Client(app, ""), raw)
				}
				if raw != "" { // a base that was stored when it was allowed; "" is the app's own host
					call(t, g.Client(app, raw), raw)
					call(t, g.Client(app, raw), "https://crm.example.com/")
				}
				if n := sockets.Swap(0); n != 0 {
					t.Errorf("%q opened %d sockets", raw, n)
				}
			}
		})
	}
}

// ownPath reports whether raw is odd only in its path or query.
func ownPath(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "https" && u.User == nil && strings.TrimSuffix(u.Host, ":") == "crm.example.com"
}

// call makes a request that must not be answered.
func call(t *testing.T, c *http.Client, raw string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, raw, strings.NewReader("x"))
	if err != nil {
		return
	}
	resp, err := c.Do(req)
	if err == nil {
		_ = resp.Body.Close()
		t.Errorf("%q was answered", raw)
	}
	// A write that never left us must not be taken for one that may have landed.
	var dial *net.OpError
	if strings.HasPrefix(raw, "https://") && !errors.Is(err, errNoSocket) &&
		(!errors.As(err, &dial) || dial.Op != "dial") {
		t.Errorf("%q: %v does not say that nothing was sent", raw, err)
	}
}

func TestX4_AddressesAreCheckedWhenDialled(t *testing.T) {
	t.Parallel()
	private := []string{
		"127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.0.1", "192.168.0.1", "169.254.169.254",
		"169.254.170.2", "100.64.0.1", "100.127.0.1", "192.0.0.1",
		"192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
		"240.0.0.1", "255.255.255.255", "192.88.99.1",
		"::1", "::", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1", "fd00:ec2::254", "fc00::1",
		"ff02::1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "fec0::1", "fe80::1%eth0",
	}
	for _, addr := range private {
		n := names{"a.crm.example.com": {addr}, "intranet.example": {addr}}
		for name, o := range map[string]Options{
			"no entries": {}, "a name without port": {Allow: []string{"intranet.example", "127.0.0.1:443"}},
		} {
			g, sockets := counted(t, o, n)
			for _, raw := range []string{"https://a.crm.example.com/x", "https://intranet.example/x"} {
				call(t, g.Client(app, ""), raw)
			}
			if got := sockets.Load(); got != 0 {
				t.Errorf("%s: %s: %d sockets, want 0", name, addr, got)
			}
		}
	}
	// The same names at public addresses are called: the guard does look.
	g, sockets := counted(t, Options{}, names{
		"a.crm.example.com": {"127.0.0.1", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"},
	})
	call(t, g.Client(app, ""), "https://a.crm.example.com/x")
	if got := sockets.Load(); got != 2 {
		t.Errorf("one private and two public addresses: %d sockets, want 2", got)
	}
}

func TestX4_EntriesOfTheOperator(t *testing.T) {
	t.Parallel()
	allow := []string{"127.0.0.1:8080", "[::1]:8080", "Partner.example", "intranet.example:8443", "tunnel.example:443"}
	cases := map[string]struct {
		url  string
		at   string // what the name resolves to
		ok   bool   // CheckURL
		dial bool
	}{
		"own host":                       {"https://crm.example.com", "93.184.216.34", true, true},
		"own host, upper case":           {"https://EU1.CRM.Example.com", "93.184.216.34", true, true},
		"below own host, port, path":     {"https://eu--dev.crm.example.com:443/v2/api/", "93.184.216.34", true, true},
		"second own host":                {"https://crmusercontent.example/", "93.184.216.34", true, true},
		"loopback by exact entry":        {"http://127.0.0.1:8080", "", true, true},
		"loopback v6 by exact entry":     {"http://[::1]:8080", "", true, true},
		"https too":                      {"https://127.0.0.1:8080/base", "", true, true},
		"another port":                   {"http://127.0.0.1:8081", "", false, false},
		"another loopback address":       {"http://127.0.0.2:8080", "", false, false},
		"another spelling":               {"http://127.1:8080", "", false, false},
		"a name of the same address":     {"http://localhost:8080", "127.0.0.1", false, false},
		"host entry":                     {"https://partner.example", "93.184.216.34", true, true},
		"host entry, private address":    {"https://partner.example", "10.0.0.1", true, false},
		"host entry, http":               {"http://partner.example", "93.184.216.34", false, false},
		"host entry, another port":       {"https://partner.example:8443", "93.184.216.34", false, false},
		"below a host entry":             {"https://a.partner.example", "93.184.216.34", false, false},
		"exact entry, private address":   {"http://intranet.example:8443", "10.1.2.3", true, true},
		"exact entry, carrier address":   {"http://intranet.example:8443", "100.64.1.1", true, true},
		"exact entry, cloud keys":        {"http://intranet.example:8443", "169.254.169.254", true, false},
		"exact entry, default port":      {"https://intranet.example", "10.1.2.3", false, false},
		"exact entry for 443":            {"https://tunnel.example/x", "192.168.1.1", true, true},
		"exact entry for 443, http port": {"http://tunnel.example/x", "192.168.1.1", false, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(c.url)
			if err != nil {
				t.Fatal(err)
			}
			n := names{}
			if c.at != "" {
				n[strings.ToLower(u.Hostname())] = []string{c.at}
			}
			g, sockets := counted(t, Options{Allow: allow}, n)
			if err := g.CheckURL(app, c.url); (err == nil) != c.ok {
				t.Errorf("CheckURL = %v, want ok %t", err, c.ok)
			}
			call(t, g.Client(app, c.url), c.url)
			if got := sockets.Load() > 0; got != c.dial {
				t.Errorf("dialled %t, want %t", got, c.dial)
			}
		})
	}
}

func TestX4_EntriesAreChecked(t *testing.T) {
	t.Parallel()
	bad := []string{
		"", ":80", "host:", "host:0", "host:65536", "host:080", "host:x", "https://host", "host/path",
		"127.0.0.1", "[::1]", "::1", "*.example.com", "user@host", "h\u00f6st", "xn--a", "host:1:2", "127.1:80", "a b",
	}
	for _, entry := range bad {
		if _, err := New(Options{Allow: []string{entry}}); !fault.Is(err, fault.Invalid) {
			t.Errorf("entry %q: %v, want Invalid", entry, err)
		}
	}
	for _, entry := range []string{
		"127.0.0.1:8080", "[::1]:8080", "localhost:8080", "a.localhost:1", "localhost", "127.9.9.9:1",
	} {
		if _, err := New(Options{Strict: true, Allow: []string{entry}}); !fault.Is(err, fault.Invalid) {
			t.Errorf("strict: entry %q: %v, want Invalid", entry, err)
		}
	}
	_, err := New(Options{Allow: []string{"host:0", "ok.example", "::1"}})
	if err == nil || !strings.Contains(err.Error(), `"host:0"`) || !strings.Contains(err.Error(), `"::1"`) {
		t.Errorf("%v does not name both bad entries", err)
	}
	g, sockets := counted(t, Options{Strict: true, Allow: []string{"partner.example:8080"}}, nil)
	if err := g.CheckURL(app, "http://partner.example:8080"); err == nil {
		t.Error("strict: plain http was allowed")
	}
	if err := g.CheckURL(app, "https://partner.example:8080"); err != nil || sockets.Load() != 0 {
		t.Errorf("strict: https at an exact entry: %v", err)
	}
}

// TestX4_StrictJudgesWhereNamesPoint: an allowed name that points to loopback by
// now opens no socket; one of a private network, which an operator allowed, does.
func TestX4_StrictJudgesWhereNamesPoint(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1": false, "127.8.8.8": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "10.0.0.7": true,
	} {
		g, sockets := counted(t, Options{Strict: true, Allow: []string{"partner.example:8443"}},
			names{"partner.example": {address}})
		call(t, g.Client(app, "https://partner.example:8443"), "https://partner.example:8443/")
		if got := sockets.Load() > 0; got != want {
			t.Errorf("%s: dialled %t, want %t", address, got, want)
		}
	}
}

func TestRefusalNamesTheRemedyAndNoSecret(t *testing.T) {
	t.Parallel()
	g, _ := counted(t, Options{}, nil)
	err := g.CheckURL(app, "https://admin:hunter2@evil.example")
	var e *fault.Error
	if !errors.As(err, &e) || e.Field != "base_url" || !strings.Contains(e.Message, "https://crm.example.com") {
		t.Errorf("%v does not say what to give instead", err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v shows a password", err)
	}
	if err := g.CheckURL(app, "http://127.0.0.1:1"); !strings.Contains(err.Error(), "--allow-host") {
		t.Errorf("%v does not name the operator's remedy", err)
	}
}

// local returns a guard that may call srv.
func local(t *testing.T, srv *httptest.Server, o Options) *Guard {
	t.Helper()
	o.Allow = append(o.Allow, srv.Listener.Addr().String())
	if srv.TLS != nil {
		o.Roots = x509.NewCertPool()
		o.Roots.AddCert(srv.Certificate())
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func get(t *testing.T, c *http.Client, raw string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, raw, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(req)
}

func TestX4_RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	}))
	t.Cleanup(srv.Close)
	g := local(t, srv, Options{})
	resp, err := get(t, g.Client(app, srv.URL), srv.URL+"/x?y=z")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusFound || hits.Load() != 1 {
		t.Errorf("status %d after %d requests, want 302 after 1", resp.StatusCode, hits.Load())
	}
}

func TestX4_OldTLSIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		most uint16
		ok   bool
	}{"1.1": {tls.VersionTLS11, false}, "1.2": {tls.VersionTLS12, true}, "1.3": {tls.VersionTLS13, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			srv.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: c.most}
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			t.Cleanup(srv.Close)
			g := local(t, srv, Options{})
			resp, err := get(t, g.Client(app, srv.URL), srv.URL)
			if (err == nil) != c.ok {
				t.Errorf("%v, want ok %t", err, c.ok)
			}
			if err == nil {
				_ = resp.Body.Close()
			}
		})
	}
}

func TestX13_SlowAnswersAreCut(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/head" {
			<-stop
			return
		}
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(stop); srv.Close() })
	g := local(t, srv, Options{Timeout: 150 * time.Millisecond, HeaderTimeout: 50 * time.Millisecond})
	if resp, err := get(t, g.Client(app, srv.URL), srv.URL+"/head"); err == nil {
		_ = resp.Body.Close()
		t.Error("an answer without a head was waited for")
	}
	resp, err := get(t, g.Client(app, srv.URL), srv.URL+"/body")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("a body that never ends was read to its end")
	}
}

func TestConnectionsAreShared(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	g := local(t, srv, Options{})
	for range 5 {
		resp, err := get(t, g.Client(app, srv.URL), srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("5 calls through 5 clients opened %d connections, want 1", n)
	}
}

func FuzzBaseURL(f *testing.F) {
	for _, raw := range hostile() {
		f.Add(raw)
	}
	for _, raw := range []string{
		"https://crm.example.com", "https://a.b.crm.example.com:443/x/", "http://127.0.0.1:8080",
		"https://partner.example",
	} {
		f.Add(raw)
	}
	g, err := New(Options{Allow: []string{"127.0.0.1:8080", "partner.example"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if g.CheckURL(app, raw) != nil {
			return
		}
		// What was accepted leads where it says, whoever reads it: to the app, or to an entry.
		u, err := url.Parse(raw)
		if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
			t.Fatalf("%q was accepted: %v", raw, err)
		}
		host, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(raw), "https://"), "http://"), "/")
		if strings.ContainsAny(rest, "@\\?#%") {
			t.Fatalf("%q was accepted", raw)
		}
		if strings.EqualFold(u.Scheme, "http") && host != "127.0.0.1:8080" {
			t.Fatalf("%q was accepted without TLS", raw)
		}
		name := strings.TrimSuffix(host, ":443")
		switch {
		case host == "127.0.0.1:8080", name == "partner.example":
		case name == "crm.example.com", strings.HasSuffix(name, ".crm.example.com"):
		case name == "crmusercontent.example", strings.HasSuffix(name, ".crmusercontent.example"):
		default:
			t.Fatalf("%q was accepted", raw)
		}
	})
}
