// Package localkey seals secrets with a root key in a file: the way to run
// Lockstep on one machine without a key service.
//
// A blob is
//
//	version (1 byte) · length of key ID (1 byte) · key ID ·
//	nonce (12) · data key sealed by the root key (32 + 16) ·
//	nonce (12) · plain text sealed by the data key (n + 16)
//
// with AES-256-GCM both times. Everything before the first nonce and the
// binding, each part with its length before it, is authenticated with both
// seals, so that a blob that was altered anywhere or moved to another
// workspace, subject or purpose does not open. Every blob has a data key of
// its own; the root key seals nothing but data keys.
//
// The key file holds one line per root key. The first one seals; the others
// only open what was sealed before it came. Whoever has the file and the
// database has the secrets: keep them apart in backups.
package localkey
