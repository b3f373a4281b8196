// Package modelapp is an app that exists only in memory, and the connector to
// it. It stands for every app there is: each ability, limit and bad habit can
// be switched, so that the simulation meets combinations that no single vendor
// has. It passes the suite that every connector passes.
//
// An App has users of its own (Create, Edit, Delete, Restore, Merge), an index
// that lags behind, past values, versions for conditional writes, and a clock
// that may be wrong. Everything that changes a record is told to Observe.
//
// There is no chance in it and no clock but Options.Now: the same calls in the
// same order give the same answers.
package modelapp
