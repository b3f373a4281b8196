// Package restapp is a fake REST app made of a table: objects with fields, how calls are
// let in, what a refusal looks like, which events are sent, and the routes as funcs over
// helpers for pages, filters and bodies. It is for apps whose fakes would otherwise repeat
// each other; what is particular about one is a func in its table.
//
// Bodies are read strictly: a field that the object does not have, one that cannot be
// written, and a value of another type are refused, unless the app's documents say that
// they are ignored.
//
// It knows no connector: each table is written from the vendor's documents.
package restapp
