// Package arch keeps the picture of the house true: which package may know
// which other one, what pure code must not touch, and where a goroutine or a
// sleep may stand. The picture itself is the table in rules.go; the test of
// this package holds the module against it.
//
// The checker reads source with go/parser only. It needs no build and no
// network, so it answers in well under a second and also judges files that a
// build tag leaves out.
//
// Terms:
//
//   - A package is named by its folder below the module root, such as
//     "internal/engine".
//   - A pattern is such a name in which "*" stands for any part of one segment
//     and a last segment "**" for any rest, none included.
//   - Test files (…_test.go) may import what they like; of the rules only those
//     in everywhere apply to them.
//
// A package that no rule names is a violation: say in rules.go where it
// belongs, and why.
package arch
