package egress

import "net/netip"

// mayDial says whether host, allowed by an exact entry or not, may be reached
// at addr.
func mayDial(addr netip.Addr, host string, exact bool) bool {
	if public(addr) {
		return true
	}
	if !exact {
		return false
	}
	// A name that the operator allowed may lead into the operator's networks,
	// but not to a link-local address: there the cloud keeps its keys. Who
	// wants that must name the address itself.
	return addr.String() == host || addr.Zone() == "" && (addr.IsLoopback() || addr.IsPrivate() || shared.Contains(addr))
}

// shared is the address space of carriers, RFC 6598; used inside clouds too.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// special are the networks of the IANA special-purpose registries that are no
// hosts of the public Internet, or that lead to other addresses in disguise.
// https://www.iana.org/assignments/iana-ipv4-special-registry
// https://www.iana.org/assignments/iana-ipv6-special-registry
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	shared,
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.31.196.0/24"),
	netip.MustParsePrefix("192.52.193.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("192.175.48.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"), // multicast, reserved, broadcast
	netip.MustParsePrefix("2001::/23"),   // Teredo, ORCHID, benchmarking and others
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: an IPv4 address in disguise
	netip.MustParsePrefix("2620:4f:8000::/48"),
	netip.MustParsePrefix("3fff::/20"),
}

// global is all of IPv6 that is given out for public hosts: RFC 4291, 2.4.
// NAT64, unique local, link-local, loopback and mapped addresses lie outside.
var global = netip.MustParsePrefix("2000::/3")

// public reports whether addr is an address of the public Internet.
func public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() || addr.Is6() && !global.Contains(addr) {
		return false
	}
	for _, p := range special {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}
