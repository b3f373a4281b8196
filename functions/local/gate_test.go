package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// slowBody opens a connection from source and sends a body one byte at first;
// nil when it was closed at once.
func slowBody(ctx context.Context, source, addr string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(c, "POST /v1/connections HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: "+
		"application/json\r\nContent-Length: 1000\r\n\r\n{", addr, testKey)
	return c, err
}

// stillOpen counts the connections that are still held: a closed one says so at
// once, after the answer that it may have got.
func stillOpen(conns []net.Conn) int {
	var n sync.WaitGroup
	held := make([]bool, len(conns))
	for i, c := range conns {
		n.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			_, err := io.Copy(io.Discard, c)
			held[i] = os.IsTimeout(err)
		})
	}
	n.Wait()
	count := 0
	for _, h := range held {
		if h {
			count++
		}
	}
	return count
}

// TestX15_SlowBodies: 5,000 bodies that never end leave the surface to others,
// and one source gets no more than its share. With LOCKSTEP_LONG=1 they go on, a
// byte now and then, until none is held any more, or for a minute.
func TestX15_SlowBodies(t *testing.T) { //nolint:paralleltest // opens more connections than others leave
	s := plain(t, t.TempDir())
	s.begin(t)
	for name, sources := range map[string]int{"from 50 addresses": 50, "from one address": 1} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // see above
			var conns []net.Conn
			began := time.Now()
			defer func() {
				for _, c := range conns {
					_ = c.Close() // the test is over
				}
			}()
			for i := range 5000 {
				c, err := slowBody(t.Context(), fmt.Sprintf("127.0.1.%d", 1+i%sources), s.addr)
				if c != nil {
					conns = append(conns, c)
				}
				if err != nil && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
					t.Fatal(err)
				}
			}
			most := min(5000, maxConns, sources*maxConnsSource)
			held := 0
			err := until(t.Context(), 10*time.Second, "the surplus to be closed", func(context.Context) (bool, error) {
				held = stillOpen(conns) // what waits to be accepted is open, too, until it is
				return held <= most, nil
			})
			if err != nil || held < most/2 {
				t.Errorf("%d connections are held, want at most %d: %v", held, most, err)
			}
			slowest := time.Duration(0)
			for range 20 {
				begin := time.Now()
				// the figure asks for 100 ms
				client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
				resp, err := client.Get("http://" + s.addr + "/v1/health")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("health: %d", resp.StatusCode)
				}
				slowest = max(slowest, time.Since(begin))
			}
			t.Logf("5,000 slow bodies %s: %d held, slowest of 20 answers %.1f ms", name, held,
				float64(slowest.Microseconds())/1000)
			if os.Getenv("LOCKSTEP_LONG") == "" {
				return
			}
			left := time.Until(began.Add(time.Minute))
			err = until(t.Context(), left, "all of them to be ended", func(context.Context) (bool, error) {
				for _, c := range conns {
					_ = c.SetWriteDeadline(time.Now().Add(time.Millisecond))
					_, _ = c.Write([]byte{' '}) // ended ones take none
				}
				held = stillOpen(conns)
				return held == 0, nil
			})
			t.Logf("5,000 slow bodies %s, after %.0f s: %d held", name, time.Since(began).Seconds(), held)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestX15_UnreadBodies: a body that is not read, because the answer stands
// without it, holds its connection a moment only.
func TestX15_UnreadBodies(t *testing.T) {
	t.Parallel()
	s := plain(t, t.TempDir())
	s.begin(t)
	for name, head := range map[string]string{
		"no key": "POST /v1/connections HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: " +
			"1000\r\n\r\n{",
		"no route":     "POST /v1/nothing HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n{",
		"unknown hook": "POST /hooks/nobody HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n{",
		"a GET":        "GET /v1/health HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\n{",
		"chunks":       "POST /v1/nothing HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }() // the test is over
			if _, err := fmt.Fprintf(c, head, s.addr); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			_ = resp.Body.Close()
			if _, err := io.Copy(io.Discard, c); os.IsTimeout(err) {
				t.Error("the connection is still held after 10 s")
			}
		})
	}
}

// begin starts the program.
func (s *served) begin(t *testing.T) {
	t.Helper()
	s.child = spawn(t, s.on.Env, s.args()...)
	err := until(t.Context(), 30*time.Second, "the start", func(context.Context) (bool, error) {
		return strings.Contains(s.child.out.String(), "listens on"), nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.child.errs)
	}
}

// TestGateClosesByHalves: the server can say that its answer is over while it
// still takes what the caller sends; else a request that is refused before all
// of it is read loses its answer.
func TestGateClosesByHalves(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(l, 10, 10, nil)
	caller, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := g.Accept()
	if err != nil {
		t.Fatal(err)
	}
	half, ok := ours.(interface{ CloseWrite() error }) // what net/http asks for
	if !ok {
		t.Fatal("a connection closes as a whole only")
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := caller.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("the caller reads %d, %v", n, err)
	}
	if _, err := io.WriteString(caller, "rest"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.LimitReader(ours, 4)); err != nil || string(got) != "rest" {
		t.Errorf("the server reads %q, %v", got, err)
	}
	_, _, _ = caller.Close(), ours.Close(), g.Close()
}

// TestGate: connections that are closed count no more, proxies are exempt, and
// when all are taken the busiest source loses its oldest.
func TestGate(t *testing.T) {
	t.Parallel()
	l := &offered{conns: make(chan net.Conn, 100)}
	g := newGate(l, 6, 3, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	accept := func(from string) *pretended {
		c := &pretended{from: from}
		l.conns <- c
		l.conns <- &pretended{from: "192.0.2.99:1"} // so that Accept comes back
		first, err := g.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if first.RemoteAddr().String() == from {
			last, err := g.Accept()
			if err != nil {
				t.Fatal(err)
			}
			_ = last.Close()
			c.held = first
			return c
		}
		_ = first.Close()
		return c
	}
	var of []*pretended
	for i := range 4 {
		of = append(of, accept(fmt.Sprintf("192.0.2.1:%d", i+1)))
	}
	if of[2].closed || !of[3].closed {
		t.Errorf("share of one source: %v, %v", of[2].closed, of[3].closed)
	}
	_ = of[0].held.Close()
	if c := accept("192.0.2.1:9"); c.closed {
		t.Error("a closed connection counts")
	}
	for i := range 5 { // 3 are held: with these all are
		accept(fmt.Sprintf("10.0.0.1:%d", i+1))
	}
	if of[1].closed && of[2].closed {
		t.Error("a small source lost its connections to a busy one")
	}
	if len(g.conns) != 2 || g.held > 6 {
		t.Errorf("%d sources, %d connections", len(g.conns), g.held)
	}
}

type offered struct{ conns chan net.Conn }

func (o *offered) Accept() (net.Conn, error) { return <-o.conns, nil }
func (*offered) Close() error                { return nil }
func (*offered) Addr() net.Addr              { return &net.TCPAddr{} }

type pretended struct {
	net.Conn
	from   string
	held   net.Conn
	closed bool
}

func (p *pretended) Close() error { p.closed = true; return nil }
func (p *pretended) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(p.from))
}

// TestServeTLS: with a certificate the surface is HTTPS, also over HTTP/2; a
// renewed one is used without a restart, and a pair that is none is refused.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(writePair(t, certFile, keyFile, 1))
	s := plain(t, t.TempDir())
	s.more = []string{"--tls-cert", certFile, "--tls-key", keyFile}
	s.begin(t)
	for _, h2 := range []bool{false, true} {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: h2}}
		resp, err := client.Get("https://" + s.addr + "/v1/health")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || h2 != (resp.ProtoMajor == 2) {
			t.Errorf("%s %s", resp.Proto, resp.Status)
		}
	}
	if !strings.Contains(s.child.out.String(), "https://"+s.addr) {
		t.Errorf("it says %s", s.child.out)
	}
	for name, args := range map[string][]string{
		"half":    {"--tls-cert", certFile},
		"missing": {"--tls-cert", filepath.Join(dir, "none"), "--tls-key", keyFile},
		"swapped": {"--tls-cert", keyFile, "--tls-key", certFile},
	} {
		c := spawn(t, nil, append([]string{"serve", "--addr", "127.0.0.1:0", "--data", t.TempDir()}, args...)...)
		if code := c.exit(t); code != 2 || !strings.Contains(c.errs.String(), "--tls-cert") {
			t.Errorf("%s: code %d, %s", name, code, c.errs)
		}
	}
}

// TestRenewedCertificate: a pair that changed is taken, one that cannot be read
// leaves the former in use.
func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, certFile, keyFile, 1)
	c, err := newCertificate(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		c.looked = time.Time{}
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.Int64()
	}
	later := time.Now().Add(time.Hour)
	for step, want := range []int64{1, 2, 2} {
		switch step {
		case 1:
			writePair(t, certFile, keyFile, 2)
		case 2:
			if err := os.WriteFile(certFile, []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		later = later.Add(time.Hour)
		if err := os.Chtimes(certFile, later, later); err != nil {
			t.Fatal(err)
		}
		if got := serial(); got != want {
			t.Errorf("step %d: certificate %d, want %d", step, got, want)
		}
	}
}

func writePair(t *testing.T, certFile, keyFile string, serial int64) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, content := range map[string][]byte{
		certFile: cert, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert
}
