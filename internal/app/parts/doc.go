// Package parts is what every way of putting Lockstep together needs alike: the
// apps that there are, identifiers, and a sleep. It names no storage, so that a
// program links only the one that it uses.
package parts
