package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Options are the operator's. The zero value allows the apps' own hosts only,
// with the default times.
type Options struct {
	// Allow holds the operator's entries, host or host:port; see the package's doc.
	Allow []string
	// Strict refuses loopback, in entries and wherever a name points, and plain
	// http everywhere.
	Strict bool
	// Timeout bounds a whole call, the reading of the answer included; 0 = 20 s.
	Timeout time.Duration
	// DialTimeout bounds the connecting to one address; 0 = 5 s.
	DialTimeout time.Duration
	// HeaderTimeout bounds the wait for the head of an answer; 0 = 18 s.
	HeaderTimeout time.Duration
	// Resolver looks names up; nil = the system's.
	Resolver Resolver
	// Dial opens a socket to an address that was judged; nil = a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots are the authorities trusted; nil = the system's.
	Roots *x509.CertPool
}

// Resolver looks names up. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Guard judges addresses and makes clients. Safe for concurrent use; all its
// clients share their connections.
type Guard struct {
	exact     map[string]bool // host:port
	hosts     map[string]bool // https on 443
	strict    bool
	timeout   time.Duration
	dialEach  time.Duration
	resolver  Resolver
	dialer    func(ctx context.Context, network, address string) (net.Conn, error)
	transport *http.Transport
}

// New returns a guard. Invalid, naming every malformed or refused entry.
func New(o Options) (*Guard, error) {
	g := &Guard{
		exact: map[string]bool{}, hosts: map[string]bool{}, strict: o.Strict,
		timeout: positive(o.Timeout, 20*time.Second), dialEach: positive(o.DialTimeout, 5*time.Second),
		resolver: o.Resolver, dialer: o.Dial,
	}
	var problems []string
	for _, entry := range o.Allow {
		if problem := g.allow(strings.TrimSpace(entry)); problem != "" {
			problems = append(problems, problem)
		}
	}
	if problems != nil {
		return nil, fault.New("egress: new", fault.Invalid, "invalid_allow_host", strings.Join(problems, "; "))
	}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	if g.dialer == nil {
		g.dialer = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	g.transport = &http.Transport{
		Proxy:                  nil, // a proxy would dial for us, unjudged
		DialContext:            g.dial,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:    positive(o.DialTimeout, 5*time.Second),
		ResponseHeaderTimeout:  positive(o.HeaderTimeout, 18*time.Second),
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		MaxIdleConnsPerHost:    10, // as many as chunks run side by side
		IdleConnTimeout:        60 * time.Second,
	}
	return g, nil
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// allow takes one entry of the operator.
func (g *Guard) allow(entry string) (problem string) {
	host, port, exact := splitEntry(strings.ToLower(entry))
	host, ip, ok := canonicalHost(host)
	switch {
	case !ok:
		return strconv.Quote(entry) + " is not host or host:port"
	case exact && port == 0:
		return strconv.Quote(entry) + " has no valid port"
	case ip && !exact:
		return strconv.Quote(entry) + ": an IP address needs its port"
	case g.strict && loopback(host, ip):
		return strconv.Quote(entry) + ": loopback is refused on this installation"
	case exact:
		g.exact[joinHostPort(host, port)] = true
	default:
		g.hosts[host] = true
	}
	return ""
}

// splitEntry takes an entry apart; port is 0 when it is not a valid one.
func splitEntry(entry string) (host string, port uint16, exact bool) {
	host, text, err := net.SplitHostPort(entry)
	if err != nil {
		return entry, 0, false
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return host, 0, true
	}
	return host, uint16(n), true
}

func loopback(host string, ip bool) bool {
	if ip {
		addr, err := netip.ParseAddr(host)
		return err == nil && (addr.IsLoopback() || addr.IsUnspecified())
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Client returns the client for calls to app at base ("" = the app's own
// host). Requests to hosts that CheckURL would refuse fail without a socket,
// and all do if base itself is refused, because the operator may have
// withdrawn it since it was stored. Redirects are answers, not followed.
func (g *Guard) Client(app crm.App, base string) *http.Client {
	return &http.Client{
		Transport:     &gate{guard: g, app: app, base: base},
		Timeout:       g.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// gate lets through the requests of one app.
type gate struct {
	guard *Guard
	app   crm.App
	base  string
}

// RoundTrip implements http.RoundTripper.
func (t *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	err := t.check(req)
	if err == nil {
		return t.guard.transport.RoundTrip(req)
	}
	if req.Body != nil {
		_ = req.Body.Close() // a RoundTripper must close it, also on errors
	}
	return nil, unsent(err)
}

// unsent marks an error as one of dialling, by which connectors know that
// nothing of the request has left us.
func unsent(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

// check judges where the request goes; its path and query are the connector's.
func (t *gate) check(req *http.Request) error {
	if t.base != "" {
		if err := t.guard.CheckURL(t.app, t.base); err != nil {
			return err
		}
	}
	if req.URL.User != nil || req.Host != "" && req.Host != req.URL.Host {
		return refuse("the request names another host than its address")
	}
	return t.guard.CheckURL(t.app, req.URL.Scheme+"://"+req.URL.Host)
}

// dial resolves a name and connects to the first of its addresses that may be
// called and answers.
func (g *Guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, unsent(refuse("this is not an address"))
	}
	exact := g.exact[address]
	addrs, err := g.resolve(ctx, host)
	if err != nil {
		return nil, unsent(&fault.Error{
			Op: "egress: resolve", Kind: fault.Unavailable, Code: "host_not_found", Message: "the host could not be found",
			Err: err,
		})
	}
	err = unsent(refuse("the host points to an address of a private network; have the operator allow it with " +
		"--allow-host host:port (LOCKSTEP_ALLOW_HOSTS)"))
	for _, addr := range addrs {
		addr = addr.Unmap()
		if !mayDial(addr, host, exact) || g.strict && (addr.IsLoopback() || addr.IsUnspecified()) {
			continue // also of a name that the operator allowed: it may point elsewhere by now
		}
		var c net.Conn
		if c, err = g.dialOne(ctx, network, net.JoinHostPort(addr.String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

func (g *Guard) dialOne(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, g.dialEach)
	defer cancel()
	return g.dialer(ctx, network, address)
}

// maxAddrs bounds how many addresses of one name are looked at.
const maxAddrs = 8

func (g *Guard) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.dialEach)
	defer cancel()
	addrs, err := g.resolver.LookupNetIP(ctx, "ip", host)
	return addrs[:min(len(addrs), maxAddrs)], err
}

var _ http.RoundTripper = (*gate)(nil)
