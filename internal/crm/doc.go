// Package crm is the vocabulary of Lockstep: records and their values, the
// schema of an app's objects, the connection document an admin writes, and
// what may become of a record.
//
//   - app: a product with people in it. A connector is our code for one app.
//   - account: one authorised login to an app.
//   - connection: two accounts, left and right, and everything configured
//     between them; it has the global toggle.
//   - sync: one object type of the left account paired with one of the right.
//   - record: one object in one app, as last read.
//   - link: one left and one right record known, by ID, to be the same thing.
//   - base: per link and mapping, the value both sides last agreed on, in
//     canonical form.
//
// The package uses the standard library only and does no I/O.
package crm
