// Package egress is the one way out: it judges the addresses that admins and
// apps give us, and makes the HTTP clients that calls to apps go through.
//
// An address may be called when it is https on port 443 of one of the app's
// own host names (crm.App.Hosts, or below one), written plainly: no user name,
// no IP address, no internationalised or odd form. The operator, and nobody
// else, may allow more, entry by entry:
//
//   - "host" allows https on port 443 of exactly that host, at public addresses.
//   - "host:port" allows http and https on exactly that host and port, also at
//     loopback and private addresses. Hosts may be IP addresses here.
//
// The client checks again what the name resolved to when it dials, because a
// name may point anywhere by then; it follows no redirects, uses no proxy and
// bounds the time of everything, the reading of the answer included. How much
// is read is bounded by the connectors.
package egress
