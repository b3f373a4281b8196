// Package weave writes small changes of a module's sources beside the originals,
// so that one program holds all of them and an environment variable chooses one:
// nothing is compiled again for each, and the sources stay as they are.
//
// A [Place] is one changed piece of a file, under the number of its change.
// [File] writes many of them into a file's text, [Overlay] into files that
// `go build -overlay` reads instead of the module's own. The program that comes of
// it does what the sources say, unless MUTANT names a number.
//
// A [Patch] is a change as a person writes it: see [Patches].
package weave
