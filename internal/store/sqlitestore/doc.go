// Package sqlitestore keeps a store in the SQLite file of a data folder: the
// durable store of a Lockstep that runs on one machine. Durability, locking and
// memory are sqlitedb's and described there.
//
// Each table of the port is a table of its own, with a unique index over the
// key, a partial index for the items that are in the sparse index, and one for
// those that expire. Rows have numbers of their own, so that the items, which
// may be large, lie in the order of writing, and the indexes stay small.
package sqlitestore
