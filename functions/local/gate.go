package main

import (
	"container/list"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// How many connections are held. One browser or app opens a handful; the rest
// of a machine's descriptors are for calls to apps and the data folder.
const (
	maxConns       = 4096
	maxConnsSource = 128
)

// gate bounds the connections of a listener, so that nobody who opens many and
// says little keeps others out. A source that has its share gets no further
// one. When all are taken, the source with the most loses its oldest.
type gate struct {
	net.Listener
	all, each int
	exempt    []netip.Prefix // sources that stand for many: proxies

	mu    sync.Mutex
	held  int
	conns map[netip.Addr]*list.List // of *gated, oldest first
}

func newGate(l net.Listener, all, each int, exempt []netip.Prefix) *gate {
	return &gate{Listener: l, all: all, each: each, exempt: exempt, conns: map[netip.Addr]*list.List{}}
}

// Accept implements net.Listener. Connections beyond a source's share are
// closed unanswered.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if held := g.admit(c); held != nil {
			return held, nil
		}
		_ = c.Close() // it never was ours
	}
}

func (g *gate) admit(c net.Conn) *gated {
	source := addrOf(c.RemoteAddr().String())
	g.mu.Lock()
	defer g.mu.Unlock()
	if of := g.conns[source]; of != nil && of.Len() >= g.each && !inAny(g.exempt, source) {
		return nil
	}
	if g.held >= g.all {
		g.evict()
	}
	of := g.conns[source]
	if of == nil {
		of = list.New()
		g.conns[source] = of
	}
	held := &gated{Conn: c, gate: g, source: source}
	held.at = of.PushBack(held)
	g.held++
	return held
}

// evict closes the oldest connection of the source that has the most.
func (g *gate) evict() {
	var most *list.List
	for _, of := range g.conns {
		if most == nil || of.Len() > most.Len() {
			most = of
		}
	}
	oldest := most.Front().Value.(*gated)
	g.drop(oldest)
	_ = oldest.Conn.Close() // whoever waits for an answer asks again
}

// drop forgets c; g.mu is held.
func (g *gate) drop(c *gated) {
	if c.at == nil {
		return
	}
	of := g.conns[c.source]
	of.Remove(c.at)
	if c.at = nil; of.Len() == 0 {
		delete(g.conns, c.source)
	}
	g.held--
}

// gated is a connection that counts until it is closed.
type gated struct {
	net.Conn
	gate   *gate
	source netip.Addr
	at     *list.Element // nil = not counted any more
}

// Close implements net.Conn.
func (c *gated) Close() error {
	c.gate.mu.Lock()
	c.gate.drop(c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite says that nothing more is sent. The server does so before it closes
// a connection whose request it has not read to its end: closed at once, the
// caller's side would take the answer for lost.
func (c *gated) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func addrOf(hostPort string) netip.Addr {
	a, _ := netip.ParseAddrPort(hostPort) // what is none shares one place
	return a.Addr().Unmap()
}

func inAny(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}
