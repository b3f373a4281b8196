// Package idempotency remembers the answers given to requests that carry an
// Idempotency-Key, so that a repeated request is answered and not carried out
// again.
//
// A request first claims its key; of twenty at once one has the claim and the
// others are told to wait. Its answer is kept for a day. Answers may hold what
// is shown only once, such as a new API key, so they are stored encrypted under
// a key that only the caller's own token makes.
package idempotency
