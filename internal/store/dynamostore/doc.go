// Package dynamostore keeps a store in three DynamoDB tables.
//
// # Items
//
// The partition key is the workspace, a bar and the partition; the sort key is
// the sort text. Attribute names are one letter, because every item pays for
// them:
//
//	p  S  workspace | partition      i  S  workspace | index partition (sparse)
//	s  S  sort text                  j  S  sort text in the index
//	v  N  version                    x  N  expiry, seconds since 1970 (TTL attribute)
//	d  B  data                       t  B  token of the last guarded write
//	c_<name>  N  one counter
//
// # Writes
//
// A Put must leave counters alone that it does not know, so it is an
// UpdateItem, which costs what a PutItem does. A write that demands an absent
// item is a PutItem: it also clears away an expired one with all its counters.
// Where a write without such a demand meets an expired item, or a counter meets
// an absent one that shall expire, the first request is refused by its
// condition and a second one starts the item anew: rare, and two units.
//
// The refusal carries the item it met. What it means is decided by store.Next,
// as in the embedded stores, so that all of them tell the same errors. DynamoDB
// adds numbers of 38 digits; conditions keep counters within 64 bits.
//
// # Repetitions
//
// Reads, transactions (by their ClientRequestToken) and writes that demand an
// absent item or a version are repeated when their answer was lost. The latter
// stamp the item with a token of their own: a repetition that is refused
// because its own first attempt landed finds that token and knows. All other
// writes are repeated only when they certainly did not happen; else the error
// says MayHaveLanded.
//
// # Cost
//
// Units asks DynamoDB itself: every call wants its consumed capacity. See
// docs/aws.md for units per operation.
package dynamostore
