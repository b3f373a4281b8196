// Package kmskey seals secrets under a root key in AWS KMS that never leaves it.
//
// A blob is
//
//	version (1 byte) · length of key ID (1 byte) · key ID, an ARN ·
//	length of wrapped data key (2 bytes) · data key wrapped by KMS ·
//	nonce (12) · plain text sealed by the data key (n + 16)
//
// with AES-256-GCM. KMS binds the wrapped data key to the binding by its
// encryption context, which it also writes to its audit log: workspaces,
// accounts and purposes are identifiers, no secrets. The seal authenticates
// everything before its nonce, and the binding once more, so that a blob that
// was altered anywhere or moved elsewhere does not open.
//
// A data key belongs to one binding. It stays in memory for a few minutes and a
// limited number of seals, so that KMS is not asked for every token; a key that
// is disabled in KMS works on for that long.
package kmskey
