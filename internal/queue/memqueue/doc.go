// Package memqueue is the reference implementation of queue in memory, made
// for simulation: deterministic, without goroutines or a clock of its own.
//
// Options take away what SQS does not promise (the order among groups) and
// what a caller must survive without (the exclusion of a group).
package memqueue
