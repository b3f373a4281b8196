// Package memstore is the reference implementation of store in memory, made
// for simulation: deterministic, without goroutines or a clock of its own, and
// with the limits and the forgetfulness of DynamoDB (expired items are absent
// but still there, the index may lag).
//
// Stored items are never changed in place, only replaced. That makes a
// Snapshot a copy of pointers: partitions are shared until either side writes.
package memstore
