// Package sqlitedb opens the one SQLite file of a data folder for the embedded
// store and the embedded queue, and runs their transactions.
//
// # Durability
//
// The file is in WAL mode with synchronous=FULL: a commit returns when the log
// is on the disk, so neither a killed process nor a loss of power takes back
// what was acknowledged. The intent that is stored before a write to a CRM is
// the reason: lost, the write would be repeated, and a create would make a
// person twice. The price is one fsync per commit; writers that wait for
// each other share one transaction (group commit), so that it is paid once for
// all of them.
//
// # Processes and memory
//
// A lock file keeps a second process out of the folder. Inside the process
// there is one connection that writes and a few that read; their caches are
// small and fixed, nothing is mapped into memory and temporary tables go to
// files, so that memory does not grow with the number of records. The log does
// not either: each commit beyond 4 MB of it moves into the file what no reader
// needs any more, at 16 MB it is begun anew between the readers, and readers last
// for one page or one batch.
//
// # Schema
//
// Each component (the store, the queue) owns its tables and a list of numbered
// steps; Migrate takes the ones that are missing, each in a transaction of its
// own. A file that is newer than the program, or not one of ours, is refused.
package sqlitedb
