// Package access says who may call: API keys and their roles, and the record of
// who changed what.
//
// A key is a bearer token of 256 random bits, shown once and stored as a
// SHA-256 digest under the top level of the store, pointing to its workspace.
// A key acts as its user: the user's roles and boolean attributes decide which
// connections a member may touch (FEATURES rows 7-9).
//
// The audit trail is append-only: entries are written with a condition that
// nothing is there, and no method changes or removes one. Values that could be
// secrets or name a person are masked before they are stored (X12).
//
// Errors are *fault.Error: Denied for tokens that are unknown or have ended,
// Conflict for what somebody else holds, and whatever the store says.
package access
