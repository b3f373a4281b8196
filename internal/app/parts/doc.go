// Package parts is what every way of putting Lockstep together needs alike: the
// audit trail of what the engine does by itself, identifiers, and a sleep. It names no storage, so that a
// program links only the one that it uses.
package parts
