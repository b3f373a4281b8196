// Package app puts Lockstep together for one process with a data folder, or
// with a storage in AWS in its place: the only place that names concrete
// stores, queues, keys and apps.
//
// Open wires the parts, Handler is the HTTP surface, and Run feeds the engine:
// workers take chunks from the queue, the tick wakes what waits in the store,
// the scheduler fires the syncs' schedules, and expired items are purged. Run
// does not poll hard: workers are woken by the queue, the tick by everything
// that may give it work, and both look by themselves only now and then.
//
// A data folder belongs to one process at a time; its lock proves that whoever
// had it before is dead, so leases and messages in flight are freed at Open
// and work goes on at once, after kill -9 as after a clean stop. A storage in
// AWS knows no such lock: what a dead process held is waited out there, for the
// queue's visibility time-out and then the length of a lease.
package app
