// Package sim runs the whole engine in a world that is as hostile as we can
// make it, over and over, from seeds: the same seed gives the same trace.
//
// A world has a virtual clock, a store and a queue in memory, two apps with
// users of their own, and processes that die. Every request to store, queue or
// app is a step: there the scheduler may let others go on, let users edit, let
// time pass, make the request fail, let it land and lose the answer, or end the
// process. Each process runs as a coroutine, so that exactly one thing happens
// at a time and nothing depends on the machine.
//
// While the world is hostile, every write to an app is held against what users
// typed and what was agreed. Then the faults stop, three rounds of pulls must
// be enough, and everything must be right: docs/invariants.md.
package sim
