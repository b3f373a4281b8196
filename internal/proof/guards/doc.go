// Package guards takes the engine's safety measures away, one at a time, and lets
// the simulation find out. A measure is a block of guards.txt: the product has no
// switch for it. All of them are woven into one program, of which an environment
// variable chooses one; see package weave.
package guards
