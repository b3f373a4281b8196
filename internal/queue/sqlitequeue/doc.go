// Package sqlitequeue keeps a queue in the SQLite file of a data folder: the
// durable queue of a Lockstep that runs on one machine. Durability, locking and
// memory are sqlitedb's and described there.
//
// Beside its messages every group has one row, its lane, which knows the first
// message and until when the group is held back. Receive walks the free lanes
// by their first message, so that neither many messages nor a long group in
// flight cost anything.
//
// What was in flight when the process died stays hidden until its time-out,
// as in SQS. Only one process can have the folder, so a new one may call
// Release and go on at once.
package sqlitequeue
