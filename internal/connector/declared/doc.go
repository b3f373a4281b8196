// Package declared makes an app of a document: one YAML file that says where an app's
// records are, how they are listed, read, looked up and written, and what its refusals
// mean. docs/app-documents.md is the grammar, docs/app-documents.schema.json its shape.
//
//   - A document is data. It has named placeholders and named codecs, and no
//     expressions; an app that needs a loop or a rule is a connector in Go.
//   - Parse checks a document whole, before anything uses it, and names every problem
//     with its line, its path and what to do. Keys that the grammar does not have are
//     problems.
//   - What a document says is carried out by the kits (rest, rows, scan, hook, wire),
//     which every connector stands on: there is no second way to make a call.
//   - One call of a batch method is one request: an app without batches has limits of 1.
//
// What an app answers is hostile input, as everywhere: a record without an ID, with
// another one's, or with a time that cannot be read ends the call.
package declared
