// Package alert tells people what went wrong with a connection, and when it is
// over.
//
// A condition is something wrong that can be seen from outside the engine: in
// what it says of a sync, in runs that ended, in accounts, in the settings. An
// alert is a condition from when it was first seen until it was first not seen
// any more. Each of the two changes makes one message for each channel, stored
// with the change, in one transaction: so two that look at once tell it once,
// and none is lost with the process that made it.
//
// Messages hold names of connections, IDs and counts, and no value of a record.
package alert
